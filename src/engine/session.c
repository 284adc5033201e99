/* SPDX-License-Identifier: MIT */
/* Sessions: one timeline with its cache, opened within an engine, moved forward by eval and back by
 * rewind. */
#include "engine/internal.h"

#include <stdlib.h>

enum {
    DEFAULT_LONGEST_CTX = 4096,
    SMALL_CACHE_BYTES = 4 << 20 /* stays in the CPU's caches: half precision would save nothing */
};

static uint64_t kv_bytes_f32(const struct mscope_engine *engine, int n_ctx);
static enum kernel_kv cache_type(const struct mscope_engine *engine, enum mscope_kv_type kv,
                                 int n_ctx);

enum mscope_status mscope_session_open(struct mscope_session **out, struct mscope_engine *engine,
                                       const struct mscope_session_params *params,
                                       struct mscope_error *err)
{
    static const struct mscope_session_params defaults;
    *out = NULL;
    params = params == NULL ? &defaults : params;
    int longest = engine->n_ctx < DEFAULT_LONGEST_CTX ? engine->n_ctx : DEFAULT_LONGEST_CTX;
    int n_ctx = params->n_ctx == 0 ? longest : params->n_ctx;
    if (n_ctx < 1 || n_ctx > engine->n_ctx) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "context size", "%d, expected 1 to %d", n_ctx,
                         engine->n_ctx);
    }
    struct mscope_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return error_set_memory(err, "session", sizeof *session);
    }
    session->engine = engine;
    enum mscope_status status = arena_open(&session->arena, "key-value cache", err);
    if (status == MSCOPE_OK) {
        status = kv_cache_init(&session->cache, &engine->model->config,
                               cache_type(engine, params->kv, n_ctx), n_ctx, session->arena, err);
    }
    if (status != MSCOPE_OK) {
        mscope_session_close(&session);
        return status;
    }
    arena_seal(session->arena);
    *out = session;
    return MSCOPE_OK;
}

void mscope_session_close(struct mscope_session **session)
{
    if (*session == NULL) {
        return;
    }
    arena_close(&(*session)->arena);
    free(*session);
    *session = NULL;
}

int mscope_session_n_ctx(const struct mscope_session *session)
{
    return session->cache.n_ctx;
}

int mscope_session_position(const struct mscope_session *session)
{
    return session->position;
}

uint64_t mscope_session_kv_bytes(const struct mscope_session *session)
{
    return kv_cache_bytes(&session->cache, (int)session->engine->model->config.n_layer);
}

enum mscope_status mscope_session_rewind(struct mscope_session *session, int position,
                                         struct mscope_error *err)
{
    if (position < 0 || position > session->position) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "rewind position", "%d, expected 0 to %d",
                         position, session->position);
    }
    session->position = position;
    return MSCOPE_OK;
}

static enum kernel_kv cache_type(const struct mscope_engine *engine, enum mscope_kv_type kv,
                                 int n_ctx)
{
    switch (kv) {
    case MSCOPE_KV_F32:
        return KERNEL_KV_F32;
    case MSCOPE_KV_F16:
        return KERNEL_KV_F16;
    case MSCOPE_KV_Q8_0:
        return KERNEL_KV_Q8_0;
    case MSCOPE_KV_DEFAULT:
        break;
    }
    return engine->exact || kv_bytes_f32(engine, n_ctx) <= SMALL_CACHE_BYTES ? KERNEL_KV_F32
                                                                             : KERNEL_KV_F16;
}

static uint64_t kv_bytes_f32(const struct mscope_engine *engine, int n_ctx)
{
    const struct model_config *config = &engine->model->config;
    uint64_t n_values = (uint64_t)(config->head_dim_k + config->head_dim_v) * config->n_head_kv;
    return n_values * sizeof(float) * config->n_layer * (uint64_t)n_ctx;
}
