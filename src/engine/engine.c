/* SPDX-License-Identifier: MIT */
/* Composition root: kernels for this CPU, threads, expert store and forward pass put together for
 * one model. */
#include "engine/internal.h"
#include "machine/machine.h"
#include "sample/measure.h"

#include <stdlib.h>

enum { DEFAULT_BATCH = 512, MOST_THREADS = 1024, MOST_ROWS = 1 << 16 };

static enum mscope_status check_params(const struct mscope_model *model,
                                       const struct mscope_engine_params *params,
                                       struct mscope_error *err);
static enum mscope_status assemble(struct mscope_engine *engine,
                                   const struct mscope_engine_params *params,
                                   struct mscope_error *err);
static enum mscope_status take_batch(struct mscope_engine *engine, struct mscope_error *err);

enum mscope_status mscope_engine_open(struct mscope_engine **out, const struct mscope_model *model,
                                      const struct mscope_engine_params *params,
                                      struct mscope_error *err)
{
    static const struct mscope_engine_params defaults;
    *out = NULL;
    params = params == NULL ? &defaults : params;
    enum mscope_status status = check_params(model, params, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct mscope_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return error_set_memory(err, "engine", sizeof *engine);
    }
    engine->model = model;
    engine->exact = params->exact;
    engine->n_batch = params->n_batch == 0 ? DEFAULT_BATCH : params->n_batch;
    engine->n_outputs = params->n_outputs == 0 ? 1 : params->n_outputs;
    engine->n_ctx = params->n_ctx == 0 ? (int)model->config.n_ctx_train : params->n_ctx;
    status = assemble(engine, params, err);
    if (status != MSCOPE_OK) {
        mscope_engine_close(&engine);
        return status;
    }
    *out = engine;
    return MSCOPE_OK;
}

void mscope_engine_close(struct mscope_engine **engine_pointer)
{
    struct mscope_engine *engine = *engine_pointer;
    if (engine == NULL) {
        return;
    }
    forward_close(&engine->forward);
    expert_store_close(&engine->store);
    pool_close(&engine->pool);
    machine_unbind(&engine->binding);
    arena_close(&engine->arena);
    free(engine);
    *engine_pointer = NULL;
}

static enum mscope_status check_params(const struct mscope_model *model,
                                       const struct mscope_engine_params *params,
                                       struct mscope_error *err)
{
    if ((model->parts & MSCOPE_PART_WEIGHTS) == 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "engine",
                         "the model was opened without its weights");
    }
    const struct {
        const char *name;
        int value, most;
    } checks[] = {
        {"number of threads", params->n_threads, MOST_THREADS},
        {"batch size", params->n_batch, MOST_ROWS},
        {"number of outputs", params->n_outputs, MOST_ROWS},
        {"context size", params->n_ctx, INT32_MAX / 2},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i].value < 0 || checks[i].value > checks[i].most) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, checks[i].name, "%d, expected 0 to %d",
                             checks[i].value, checks[i].most);
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status assemble(struct mscope_engine *engine,
                                   const struct mscope_engine_params *params,
                                   struct mscope_error *err)
{
    const struct mscope_model *model = engine->model;
    int n_threads = params->n_threads == 0 ? machine_n_physical_cores() : params->n_threads;
    enum mscope_status status = kernels_select(&engine->kernels, params->cpu_level, err);
    if (status == MSCOPE_OK) {
        machine_bind_fastest(&engine->binding, n_threads);
        status = pool_open(&engine->pool, n_threads, err);
    }
    if (status == MSCOPE_OK && model->config.n_expert > 0) {
        status = expert_store_open_resident(&engine->store, &model->config, &model->weights, err);
    }
    if (status == MSCOPE_OK) {
        const struct forward_params forward_params = {
            .config = &model->config,
            .weights = &model->weights,
            .kernels = &engine->kernels,
            .pool = engine->pool,
            .store = engine->store,
            .exact = engine->exact,
            .n_batch = engine->n_batch,
            .n_ctx = engine->n_ctx,
        };
        status = forward_open(&engine->forward, &forward_params, err);
    }
    if (status == MSCOPE_OK) {
        status = arena_open(&engine->arena, "engine buffers", err);
    }
    return status == MSCOPE_OK ? take_batch(engine, err) : status;
}

static enum mscope_status take_batch(struct mscope_engine *engine, struct mscope_error *err)
{
    size_t n_batch = (size_t)engine->n_batch;
    size_t row_bytes = engine->model->config.n_vocab * sizeof(float);
    engine->tokens = arena_take(engine->arena, n_batch, sizeof *engine->tokens, err);
    engine->positions = arena_take(engine->arena, n_batch, sizeof *engine->positions, err);
    engine->caches = arena_take(engine->arena, n_batch, sizeof *engine->caches, err);
    engine->wanted = arena_take(engine->arena, n_batch, sizeof *engine->wanted, err);
    engine->logits = arena_take(engine->arena, (size_t)engine->n_outputs, row_bytes, err);
    bool taken = engine->tokens != NULL && engine->positions != NULL && engine->caches != NULL &&
                 engine->wanted != NULL && engine->logits != NULL;
    if (!taken) {
        return MSCOPE_ERR_MEMORY;
    }
    arena_seal(engine->arena);
    return MSCOPE_OK;
}

int mscope_engine_n_threads(const struct mscope_engine *engine)
{
    return pool_n_threads(engine->pool);
}

int mscope_engine_n_outputs(const struct mscope_engine *engine)
{
    return engine->n_outputs;
}

const char *mscope_engine_cpu_level(const struct mscope_engine *engine)
{
    return engine->kernels.level;
}

const char *const *mscope_cpu_levels(void)
{
    return kernels_levels();
}

void mscope_engine_on_routing(struct mscope_engine *engine, mscope_routing_fn *fn, void *user)
{
    forward_on_routing(engine->forward, fn, user);
}

void mscope_engine_on_stage(struct mscope_engine *engine, mscope_stage_fn *fn, void *user)
{
    forward_on_stage(engine->forward, fn, user);
}

const float *mscope_engine_logits(const struct mscope_engine *engine, int i_output)
{
    if (i_output < 0 || i_output >= engine->n_logits) {
        return NULL;
    }
    return engine->logits + (size_t)i_output * engine->model->config.n_vocab;
}

int32_t mscope_greedy(const float *logits, int n_vocab)
{
    return measure_argmax(logits, n_vocab);
}
