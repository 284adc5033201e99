/* SPDX-License-Identifier: MIT */
/* Blocks and cells in their random order. */
#include "measure/plan.h"

#include "base/rng.h"
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

struct maker {
    struct plan *plan;
    const struct config *config;
    const struct plan_params *params;
    struct rng rng;
    struct mscope_error *err;
};

struct arm { /* what a repetition goes through */
    const struct config_model *model;
    const struct plan_engine *engine;
    int threads;
};

static enum mscope_status add_experiment(struct maker *maker,
                                         const struct config_experiment *experiment);
static enum mscope_status list_arms(struct arm **out, int *n, struct maker *maker,
                                    const struct config_experiment *experiment);
static int list_threads(int *threads, struct maker *maker,
                        const struct config_experiment *experiment);
static bool wants_model(const struct maker *maker, const struct config_experiment *experiment,
                        const char *id);
static enum mscope_status add_block(struct maker *maker, const struct config_experiment *experiment,
                                    const struct arm *arm, int repetition);
static enum mscope_status add_cell(struct maker *maker, const struct plan_block *block,
                                   const char *prompt_id);
static void shuffle(void *items, int n, size_t size, struct rng *rng);
static void group_by_model(struct arm *arms, int n);
static enum mscope_status grow(void *array, int n, size_t size, struct mscope_error *err);

enum mscope_status plan_make(struct plan **out, const struct config *config,
                             const struct plan_params *params, struct mscope_error *err)
{
    *out = NULL;
    struct maker maker = {.config = config, .params = params, .err = err};
    rng_seed(&maker.rng, params->seed);
    for (unsigned i = 0; i < params->n_only_models; i++) {
        if (config_find_model(config, params->only_models[i], err) == NULL) {
            return MSCOPE_ERR_ARGUMENT;
        }
    }
    maker.plan = calloc(1, sizeof *maker.plan);
    if (maker.plan == NULL) {
        return error_set_memory(err, "plan", sizeof *maker.plan);
    }
    enum mscope_status status = MSCOPE_OK;
    for (unsigned i = 0; i < params->n_experiments && status == MSCOPE_OK; i++) {
        status = add_experiment(&maker, params->experiments[i]);
    }
    if (status == MSCOPE_OK && maker.plan->n_cells == 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "plan",
                           "no cells: the models or threads asked for are in none of the "
                           "experiments");
    }
    if (status != MSCOPE_OK) {
        plan_close(&maker.plan);
        return status;
    }
    *out = maker.plan;
    return MSCOPE_OK;
}

void plan_close(struct plan **plan)
{
    if (*plan == NULL) {
        return;
    }
    for (int i = 0; i < (*plan)->n_cells; i++) {
        free((*plan)->cells[i].name);
    }
    free((*plan)->cells);
    free((*plan)->blocks);
    free(*plan);
    *plan = NULL;
}

static enum mscope_status add_experiment(struct maker *maker,
                                         const struct config_experiment *experiment)
{
    struct arm *arms = NULL;
    int n_arms = 0;
    enum mscope_status status = list_arms(&arms, &n_arms, maker, experiment);
    if (status != MSCOPE_OK) {
        return status;
    }
    int n_repetitions = experiment->repetitions_hot;
    if (maker->params->by_model) {
        shuffle(arms, n_arms, sizeof *arms, &maker->rng);
        group_by_model(arms, n_arms);
        for (int i = 0; i < n_arms && status == MSCOPE_OK; i++) {
            for (int r = 1; r <= n_repetitions && status == MSCOPE_OK; r++) {
                status = add_block(maker, experiment, &arms[i], r);
            }
        }
    } else {
        for (int r = 1; r <= n_repetitions && status == MSCOPE_OK; r++) {
            shuffle(arms, n_arms, sizeof *arms, &maker->rng);
            for (int i = 0; i < n_arms && status == MSCOPE_OK; i++) {
                status = add_block(maker, experiment, &arms[i], r);
            }
        }
    }
    free(arms);
    return status;
}

static enum mscope_status list_arms(struct arm **out, int *n, struct maker *maker,
                                    const struct config_experiment *experiment)
{
    int threads[PLAN_MAX_THREADS];
    int n_threads = list_threads(threads, maker, experiment);
    size_t n_most = (size_t)maker->config->n_models * (size_t)maker->params->n_engines *
                    (size_t)PLAN_MAX_THREADS;
    *out = calloc(n_most, sizeof **out);
    if (*out == NULL) {
        return error_set_memory(maker->err, "plan", n_most * sizeof **out);
    }
    *n = 0;
    for (unsigned m = 0; m < maker->config->n_models; m++) {
        if (!wants_model(maker, experiment, maker->config->models[m].id)) {
            continue;
        }
        for (int e = 0; e < maker->params->n_engines; e++) {
            for (int t = 0; t < n_threads; t++) {
                (*out)[(*n)++] =
                    (struct arm){&maker->config->models[m], &maker->params->engines[e], threads[t]};
            }
        }
    }
    return MSCOPE_OK;
}

/* Without doubles: 0 stands for a number that may be listed too. */
static int list_threads(int *threads, struct maker *maker,
                        const struct config_experiment *experiment)
{
    static const int standard[] = {0};
    const struct plan_params *params = maker->params;
    const int *wanted = params->threads != NULL       ? params->threads
                        : experiment->threads != NULL ? experiment->threads
                                                      : standard;
    int n_wanted = params->threads != NULL       ? params->n_threads
                   : experiment->threads != NULL ? (int)experiment->n_threads
                                                 : 1;
    int n = 0;
    for (int i = 0; i < n_wanted && n < PLAN_MAX_THREADS; i++) {
        int t = wanted[i] > 0 ? wanted[i] : params->device_threads;
        bool seen = false;
        for (int j = 0; j < n; j++) {
            seen = seen || threads[j] == t;
        }
        if (t > params->max_threads) {
            maker->plan->n_left_out++;
        } else if (!seen) {
            threads[n++] = t;
        }
    }
    return n;
}

static bool wants_model(const struct maker *maker, const struct config_experiment *experiment,
                        const char *id)
{
    bool wanted = experiment->models == NULL;
    for (unsigned i = 0; i < experiment->n_models; i++) {
        wanted = wanted || strcmp(experiment->models[i], id) == 0;
    }
    bool kept = maker->params->only_models == NULL;
    for (unsigned i = 0; i < maker->params->n_only_models; i++) {
        kept = kept || strcmp(maker->params->only_models[i], id) == 0;
    }
    return wanted && kept;
}

static enum mscope_status add_block(struct maker *maker, const struct config_experiment *experiment,
                                    const struct arm *arm, int repetition)
{
    struct plan *plan = maker->plan;
    enum mscope_status status =
        grow(&plan->blocks, plan->n_blocks, sizeof *plan->blocks, maker->err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct plan_block *block = &plan->blocks[plan->n_blocks++];
    *block = (struct plan_block){
        .experiment = experiment,
        .model = arm->model,
        .engine = arm->engine,
        .threads = arm->threads,
        .repetition = repetition,
        .is_extra = repetition > experiment->repetitions,
        .first_cell = plan->n_cells,
    };
    const char **prompts = malloc(experiment->n_prompts * sizeof *prompts);
    if (prompts == NULL) {
        return error_set_memory(maker->err, "plan", experiment->n_prompts * sizeof *prompts);
    }
    for (unsigned i = 0; i < experiment->n_prompts; i++) {
        prompts[i] = experiment->prompts[i];
    }
    shuffle(prompts, (int)experiment->n_prompts, sizeof *prompts, &maker->rng);
    for (unsigned i = 0; i < experiment->n_prompts && status == MSCOPE_OK; i++) {
        status = add_cell(maker, block, prompts[i]);
    }
    block->n_cells = plan->n_cells - block->first_cell;
    plan->n_extra_cells += block->is_extra ? block->n_cells : 0;
    free(prompts);
    return status;
}

static enum mscope_status add_cell(struct maker *maker, const struct plan_block *block,
                                   const char *prompt_id)
{
    struct plan *plan = maker->plan;
    const struct config_prompt *prompt = config_find_prompt(maker->config, prompt_id, maker->err);
    if (prompt == NULL) {
        return MSCOPE_ERR_ARGUMENT;
    }
    enum mscope_status status = grow(&plan->cells, plan->n_cells, sizeof *plan->cells, maker->err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct strbuf name = {0};
    strbuf_printf(&name, "%s/%s/%s/%s/t%d/r%d/%s", maker->params->study, block->experiment->id,
                  block->model->id, prompt->id, block->threads, block->repetition,
                  block->engine->name);
    if (name.failed) {
        strbuf_free(&name);
        return error_set_memory(maker->err, "cell", sizeof *plan->cells);
    }
    plan->cells[plan->n_cells] =
        (struct plan_cell){.prompt = prompt, .name = name.data, .order_index = plan->n_cells};
    plan->n_cells++;
    return MSCOPE_OK;
}

/* Fisher and Yates. */
static void shuffle(void *items, int n, size_t size, struct rng *rng)
{
    char *at = items;
    for (int i = n - 1; i > 0; i--) {
        size_t j = rng_below(rng, (uint32_t)i + 1);
        for (size_t b = 0; b < size; b++) {
            char byte = at[(size_t)i * size + b];
            at[(size_t)i * size + b] = at[j * size + b];
            at[j * size + b] = byte;
        }
    }
}

/* Stable: models in the order of their first arm. */
static void group_by_model(struct arm *arms, int n)
{
    for (int start = 0; start < n;) {
        const struct config_model *model = arms[start].model;
        int end = start + 1;
        for (int i = end; i < n; i++) {
            if (arms[i].model == model) {
                struct arm found = arms[i];
                memmove(&arms[end + 1], &arms[end], (size_t)(i - end) * sizeof *arms);
                arms[end++] = found;
            }
        }
        start = end;
    }
}

/* *(T **)array gets room for one more after n, in powers of two. */
static enum mscope_status grow(void *array, int n, size_t size, struct mscope_error *err)
{
    if (n > 0 && (n & (n - 1)) != 0) {
        return MSCOPE_OK;
    }
    void *old;
    memcpy(&old, array, sizeof old);
    size_t capacity = n > 0 ? 2 * (size_t)n : 1;
    void *grown = realloc(old, capacity * size);
    if (grown == NULL) {
        return error_set_memory(err, "plan", capacity * size);
    }
    memcpy(array, &grown, sizeof grown);
    return MSCOPE_OK;
}
