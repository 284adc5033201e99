/* SPDX-License-Identifier: MIT */
/* The generation loop of `run`. */
#include "cli/generate.h"

#include "base/clock.h"
#include "cli/output.h"

#include <openssl/evp.h>

enum { PREFILL_CHUNK = 512 }; /* between chunks Ctrl-C is noticed */

static enum mscope_status prefill(struct runtime *runtime, const struct generate_params *params,
                                  const int32_t *ids, int n, struct mscope_error *err);
static enum mscope_status decode(struct generate_result *out, struct runtime *runtime,
                                 const struct generate_params *params, uint64_t start_ns,
                                 struct mscope_error *err);
static bool take_token(struct generate_result *out, const struct runtime *runtime,
                       const struct generate_params *params, int32_t id);
static void hash_logits(struct generate_result *out, const struct runtime *runtime);

enum mscope_status generate_text(struct generate_result *out, struct runtime *runtime,
                                 const struct generate_params *params, const int32_t *ids, int n,
                                 struct mscope_error *err)
{
    *out = (struct generate_result){.n_prompt = n, .pending = -1};
    enum mscope_status status = generate_check_room(runtime, n, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    int wanted_position = mscope_session_position(runtime->session) + n;
    mscope_engine_reset_stats(runtime->engine);
    uint64_t start_ns = clock_now_ns();
    status = prefill(runtime, params, ids, n, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    out->prefill_ns = clock_now_ns() - start_ns;
    int n_missing = wanted_position - mscope_session_position(runtime->session);
    if (n_missing > 0) {
        out->n_prompt = n - n_missing;
        out->end = GENERATE_INTERRUPTED;
        return MSCOPE_OK;
    }
    mscope_engine_reset_stats(runtime->engine);
    status = decode(out, runtime, params, start_ns, err);
    struct mscope_stats stats;
    mscope_engine_get_stats(runtime->engine, &stats);
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        out->decode_weight_bytes += stats.weight_bytes[i];
    }
    out->decode_kv_bytes = stats.kv_bytes;
    hash_logits(out, runtime);
    return status;
}

enum mscope_status generate_check_room(const struct runtime *runtime, int n,
                                       struct mscope_error *err)
{
    int n_ctx = mscope_session_n_ctx(runtime->session);
    int n_left = n_ctx - mscope_session_position(runtime->session);
    if (n > n_left) {
        return error_set(err, MSCOPE_ERR_CONTEXT, "prompt",
                         "%d tokens, expected at most the %d left in a context of %d (--ctx)", n,
                         n_left, n_ctx);
    }
    return MSCOPE_OK;
}

const char *generate_end_name(enum generate_end end)
{
    static const char *const names[] = {"length",  "end-token",   "stop",
                                        "context", "interrupted", "closed"};
    return names[end];
}

static enum mscope_status prefill(struct runtime *runtime, const struct generate_params *params,
                                  const int32_t *ids, int n, struct mscope_error *err)
{
    for (int i = 0; i < n; i++) {
        mscope_sampler_accept(params->sampler, ids[i]);
    }
    for (int done = 0; done < n && !interrupt_requested();) {
        int n_chunk = n - done < PREFILL_CHUNK ? n - done : PREFILL_CHUNK;
        bool is_last = done + n_chunk == n;
        enum mscope_status status =
            mscope_eval(runtime->session, ids + done, n_chunk,
                        is_last ? MSCOPE_OUTPUT_LAST : MSCOPE_OUTPUT_NONE, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        done += n_chunk;
    }
    return MSCOPE_OK;
}

static enum mscope_status decode(struct generate_result *out, struct runtime *runtime,
                                 const struct generate_params *params, uint64_t start_ns,
                                 struct mscope_error *err)
{
    uint64_t first_ns = clock_now_ns();
    enum mscope_status status = MSCOPE_OK;
    out->end = GENERATE_LENGTH;
    while (out->n_generated != params->n_predict) {
        const float *logits = mscope_engine_logits(runtime->engine, 0);
        int32_t id = mscope_sampler_next(params->sampler, logits);
        if (id < 0) {
            return error_set(err, MSCOPE_ERR_FORMAT, "logits",
                             "no number among them, expected a finite one");
        }
        if (out->n_generated == 0) {
            first_ns = clock_now_ns();
            out->first_token_ns = first_ns - start_ns;
        }
        if (!take_token(out, runtime, params, id)) {
            break;
        }
        status = text_flow_push(params->flow, runtime->model, id, err);
        out_flush();
        if (status != MSCOPE_OK) {
            break;
        }
        if (params->flow->stopped || !out_alive() || interrupt_requested()) {
            out->end = params->flow->stopped ? GENERATE_STOP
                       : !out_alive()        ? GENERATE_CLOSED
                                             : GENERATE_INTERRUPTED;
            break;
        }
        if (out->n_generated == params->n_predict) {
            break;
        }
        if (mscope_session_position(runtime->session) == mscope_session_n_ctx(runtime->session)) {
            out->end = GENERATE_CONTEXT;
            break;
        }
        status = mscope_eval(runtime->session, &id, 1, MSCOPE_OUTPUT_LAST, err);
        if (status != MSCOPE_OK) {
            break;
        }
        out->pending = -1;
        out->n_decoded++;
    }
    out->decode_ns = clock_now_ns() - first_ns;
    text_flow_flush(params->flow);
    out_flush();
    return status;
}

/* Counts a drawn token; false when it ends the text. */
static bool take_token(struct generate_result *out, const struct runtime *runtime,
                       const struct generate_params *params, int32_t id)
{
    if (!params->ignore_eos && mscope_token_is_end(runtime->model, id)) {
        out->end = GENERATE_END_TOKEN;
        return false;
    }
    mscope_sampler_accept(params->sampler, id);
    out->n_generated++;
    out->pending = id;
    return true;
}

static void hash_logits(struct generate_result *out, const struct runtime *runtime)
{
    const float *logits = mscope_engine_logits(runtime->engine, 0);
    unsigned n_hash = 0;
    if (logits != NULL) {
        out->has_logits = EVP_Digest(logits, runtime->info->n_vocab * sizeof *logits,
                                     out->logits_sha256, &n_hash, EVP_sha256(), NULL) == 1;
    }
}
