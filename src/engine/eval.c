/* SPDX-License-Identifier: MIT */
/*
 * Evaluation of a batch: everything is checked before anything is computed; rows of all parts are
 * laid end to end and cut into chunks of n_batch; sessions advance only when the last chunk is
 * done.
 */
#include "base/clock.h"
#include "engine/internal.h"

static enum mscope_status check_batch(const struct mscope_engine *engine,
                                      const struct mscope_batch_part *parts, int n_parts,
                                      struct mscope_error *err);
static enum mscope_status check_part(const struct mscope_engine *engine,
                                     const struct mscope_batch_part *part,
                                     struct mscope_error *err);
static int fill_chunk(struct mscope_engine *engine, const struct mscope_batch_part *parts,
                      int n_parts, int *i_part, int *i_token);

enum mscope_status mscope_eval_batch(struct mscope_engine *engine,
                                     const struct mscope_batch_part *parts, int n_parts,
                                     struct mscope_error *err)
{
    enum mscope_status status = check_batch(engine, parts, n_parts, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    uint64_t start_ns = clock_now_ns();
    struct probe *probe = forward_probe(engine->forward);
    probe_start(probe);
    int i_part = 0;
    int i_token = 0;
    engine->n_logits = 0;
    int n_logits = 0;
    while (i_part < n_parts) {
        int n_rows = fill_chunk(engine, parts, n_parts, &i_part, &i_token);
        const struct forward_batch batch = {
            .n_rows = n_rows,
            .tokens = engine->tokens,
            .positions = engine->positions,
            .caches = engine->caches,
            .wanted = engine->wanted,
        };
        float *logits = engine->logits + (size_t)n_logits * engine->model->config.n_vocab;
        status = forward_eval(engine->forward, &batch, logits, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        for (int i = 0; i < n_rows; i++) {
            n_logits += engine->wanted[i] ? 1 : 0;
        }
    }
    for (int i = 0; i < n_parts; i++) {
        parts[i].session->position += parts[i].n_tokens;
        engine->n_tokens += (uint64_t)parts[i].n_tokens;
    }
    engine->n_logits = n_logits;
    engine->n_evals++;
    engine->n_evaluated_outputs += (uint64_t)n_logits;
    probe_enter(probe, MSCOPE_PHASE_OTHER);
    engine->eval_ns += clock_now_ns() - start_ns;
    return MSCOPE_OK;
}

enum mscope_status mscope_eval(struct mscope_session *session, const int32_t *tokens, int n_tokens,
                               enum mscope_outputs outputs, struct mscope_error *err)
{
    const struct mscope_batch_part part = {session, tokens, n_tokens, outputs};
    return mscope_eval_batch(session->engine, &part, 1, err);
}

static enum mscope_status check_batch(const struct mscope_engine *engine,
                                      const struct mscope_batch_part *parts, int n_parts,
                                      struct mscope_error *err)
{
    if (n_parts < 1) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "batch", "%d parts, expected at least one",
                         n_parts);
    }
    int64_t n_outputs = 0;
    for (int i = 0; i < n_parts; i++) {
        enum mscope_status status = check_part(engine, &parts[i], err);
        if (status != MSCOPE_OK) {
            return status;
        }
        for (int j = 0; j < i; j++) {
            if (parts[j].session == parts[i].session) {
                return error_set(err, MSCOPE_ERR_ARGUMENT, "batch",
                                 "parts %d and %d are the same session", j, i);
            }
        }
        n_outputs += parts[i].outputs == MSCOPE_OUTPUT_ALL    ? parts[i].n_tokens
                     : parts[i].outputs == MSCOPE_OUTPUT_LAST ? 1
                                                              : 0;
    }
    if (n_outputs > engine->n_outputs) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "batch",
                         "%lld rows of logits wanted, the engine keeps %d", (long long)n_outputs,
                         engine->n_outputs);
    }
    return MSCOPE_OK;
}

static enum mscope_status check_part(const struct mscope_engine *engine,
                                     const struct mscope_batch_part *part, struct mscope_error *err)
{
    const struct mscope_session *session = part->session;
    if (session->engine != engine) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "batch", "a session of another engine");
    }
    if (part->n_tokens < 1) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "prompt", "%d tokens, expected at least one",
                         part->n_tokens);
    }
    if (part->n_tokens > session->cache.n_ctx - session->position) {
        return error_set(err, MSCOPE_ERR_CONTEXT, "context",
                         "%d tokens at position %d do not fit in %d positions", part->n_tokens,
                         session->position, session->cache.n_ctx);
    }
    uint32_t n_vocab = engine->model->config.n_vocab;
    for (int i = 0; i < part->n_tokens; i++) {
        if (part->tokens[i] < 0 || (uint32_t)part->tokens[i] >= n_vocab) {
            enum mscope_status status = error_set(err, MSCOPE_ERR_ARGUMENT, "token",
                                                  "expected an id of 0 to %u", n_vocab - 1);
            error_set_object(err, "token %d", part->tokens[i]);
            return status;
        }
    }
    return MSCOPE_OK;
}

/* Fills rows from (*i_part, *i_token) on, moves both forward, returns the number of rows. */
static int fill_chunk(struct mscope_engine *engine, const struct mscope_batch_part *parts,
                      int n_parts, int *i_part, int *i_token)
{
    int n_rows = 0;
    while (n_rows < engine->n_batch && *i_part < n_parts) {
        const struct mscope_batch_part *part = &parts[*i_part];
        bool last = *i_token == part->n_tokens - 1;
        engine->tokens[n_rows] = part->tokens[*i_token];
        engine->positions[n_rows] = part->session->position + *i_token;
        engine->caches[n_rows] = &part->session->cache;
        engine->wanted[n_rows] =
            part->outputs == MSCOPE_OUTPUT_ALL || (part->outputs == MSCOPE_OUTPUT_LAST && last);
        n_rows++;
        (*i_token)++;
        if (last) {
            (*i_part)++;
            *i_token = 0;
        }
    }
    return n_rows;
}
