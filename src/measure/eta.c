/* SPDX-License-Identifier: MIT */
/* Rates by model, engine and threads; openings by experiment. */
#include "measure/eta.h"

#include "measure/worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rates { /* sums over rows */
    double prefill_s, prefill_tokens;
    double decode_s, decode_tokens;
    double rest_s; /* of a cycle: cool-down, idle power, the start of another engine */
    int n;
};

struct arm {
    const struct config_model *model;
    const struct plan_engine *engine;
    int threads;
    struct rates rates;
};

struct opening {
    const struct config_experiment *experiment;
    double seconds;
    int n;
};

struct eta {
    struct arm *arms; /* (n_arms), of the plan */
    int n_arms;
    struct opening *openings; /* (n_openings) */
    int n_openings;
};

static struct arm *find_arm(const struct eta *eta, const char *model, const char *engine,
                            int threads);
static const char *engine_of(const struct record *row);
static void add(struct rates *sum, const struct rates *part);
static struct rates rates_of(const struct eta *eta, const struct plan_block *block);
static double tokens_of(const struct config_prompt *prompt);

enum mscope_status eta_open(struct eta **out, const struct plan *plan, struct mscope_error *err)
{
    size_t n_most = (size_t)(plan->n_blocks > 0 ? plan->n_blocks : 1);
    struct eta *eta = calloc(1, sizeof *eta);
    *out = eta;
    if (eta != NULL) {
        eta->arms = calloc(n_most, sizeof *eta->arms);
        eta->openings = calloc(n_most, sizeof *eta->openings);
    }
    if (eta == NULL || eta->arms == NULL || eta->openings == NULL) {
        eta_close(out);
        return error_set_memory(err, "estimate of the time left", n_most * sizeof(struct arm));
    }
    for (int i = 0; i < plan->n_blocks; i++) {
        const struct plan_block *block = &plan->blocks[i];
        if (find_arm(eta, block->model->id, block->engine->name, block->threads) == NULL) {
            eta->arms[eta->n_arms++] = (struct arm){
                .model = block->model, .engine = block->engine, .threads = block->threads};
        }
        int k = 0;
        while (k < eta->n_openings && eta->openings[k].experiment != block->experiment) {
            k++;
        }
        if (k == eta->n_openings) {
            eta->openings[eta->n_openings++].experiment = block->experiment;
        }
    }
    return MSCOPE_OK;
}

void eta_close(struct eta **eta)
{
    if (*eta != NULL) {
        free((*eta)->arms);
        free((*eta)->openings);
        free(*eta);
        *eta = NULL;
    }
}

void eta_take_row(struct eta *eta, const struct record *row, double cycle_s)
{
    struct arm *arm = row->model != NULL && row->cell != NULL
                          ? find_arm(eta, row->model, engine_of(row), (int)row->threads)
                          : NULL;
    if (arm == NULL || strcmp(row->status, "ok") != 0) {
        return;
    }
    bool split = row->prefill_ms > 0 && row->decode_ms > 0;
    double run_s = (row->wall_ms - (row->load_ms > 0 ? row->load_ms : 0)) * 1e-3;
    if (isnan(cycle_s)) {
        cycle_s = run_s + (row->cooldown_s > 0 ? row->cooldown_s : 0);
    }
    struct rates one = {
        .prefill_s = split ? row->prefill_ms * 1e-3 : 0,
        .prefill_tokens = split ? (double)row->prompt_tokens : 0,
        .decode_s = split ? row->decode_ms * 1e-3 : run_s,
        .decode_tokens = (double)row->n_gen,
        .n = 1,
    };
    one.rest_s = fmax(cycle_s - one.prefill_s - one.decode_s, 0);
    if (one.decode_s > 0 && one.decode_tokens > 0) {
        add(&arm->rates, &one);
    }
}

void eta_take_opening(struct eta *eta, const struct plan_block *block, double seconds)
{
    for (int i = 0; i < eta->n_openings; i++) {
        if (eta->openings[i].experiment == block->experiment) {
            eta->openings[i].seconds += seconds;
            eta->openings[i].n++;
        }
    }
}

/* Of the same experiment, else of any; 0 while none was seen. */
double eta_opening_s(const struct eta *eta, const struct plan_block *block)
{
    struct opening all = {0};
    for (int i = 0; i < eta->n_openings; i++) {
        const struct opening *opening = &eta->openings[i];
        if (opening->experiment == block->experiment && opening->n > 0) {
            return opening->seconds / opening->n;
        }
        all.seconds += opening->seconds;
        all.n += opening->n;
    }
    return all.n > 0 ? all.seconds / all.n : 0;
}

double eta_cell_s(const struct eta *eta, const struct plan_block *block,
                  const struct plan_cell *cell)
{
    struct rates rates = rates_of(eta, block);
    if (rates.n == 0) {
        return NAN;
    }
    double seconds = rates.rest_s / rates.n;
    seconds += rates.decode_s / rates.decode_tokens * block->experiment->n_gen;
    if (rates.prefill_tokens > 0) {
        seconds += rates.prefill_s / rates.prefill_tokens * tokens_of(cell->prompt);
    }
    return seconds;
}

static struct arm *find_arm(const struct eta *eta, const char *model, const char *engine,
                            int threads)
{
    for (int i = 0; i < eta->n_arms; i++) {
        struct arm *arm = &eta->arms[i];
        if (arm->threads == threads && strcmp(arm->model->id, model) == 0 &&
            strcmp(arm->engine->name, engine) == 0) {
            return arm;
        }
    }
    return NULL;
}

/* The last part of the cell's name, where the second engine of a kind has its number. */
static const char *engine_of(const struct record *row)
{
    const char *slash = strrchr(row->cell, '/');
    return slash != NULL ? slash + 1 : "";
}

static void add(struct rates *sum, const struct rates *part)
{
    sum->prefill_s += part->prefill_s;
    sum->prefill_tokens += part->prefill_tokens;
    sum->decode_s += part->decode_s;
    sum->decode_tokens += part->decode_tokens;
    sum->rest_s += part->rest_s;
    sum->n += part->n;
}

/* The block's own, else its model's and engine's, else its engine's, else all. */
static struct rates rates_of(const struct eta *eta, const struct plan_block *block)
{
    struct rates by_likeness[4] = {0};
    for (int i = 0; i < eta->n_arms; i++) {
        const struct arm *arm = &eta->arms[i];
        bool same_engine = arm->engine == block->engine;
        bool same_model = same_engine && arm->model == block->model;
        bool same = same_model && arm->threads == block->threads;
        add(&by_likeness[same ? 0 : same_model ? 1 : same_engine ? 2 : 3], &arm->rates);
    }
    int best = 0;
    while (best < 3 && by_likeness[best].n == 0) {
        best++;
    }
    return by_likeness[best];
}

/* As a stand-in would be given, which is about what a real vocabulary makes of English. */
static double tokens_of(const struct config_prompt *prompt)
{
    return worker_stand_in_tokens(prompt);
}
