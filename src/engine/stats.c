/* SPDX-License-Identifier: MIT */
/* What an engine has read, computed and waited for since it was opened or its statistics were
 * reset. */
#include "engine/internal.h"

#include <string.h>

void mscope_engine_get_stats(const struct mscope_engine *engine, struct mscope_stats *stats)
{
    const struct forward_counters *counters = forward_counters(engine->forward);
    *stats = (struct mscope_stats){
        .n_evals = engine->n_evals,
        .n_tokens = engine->n_tokens,
        .n_outputs = engine->n_evaluated_outputs,
        .eval_ns = engine->eval_ns,
        .kv_bytes = counters->kv_bytes,
        .flops = counters->flops,
        .expert_slots = counters->expert_slots,
        .distinct_experts = counters->distinct_experts,
        .scratch_bytes = forward_scratch_bytes(engine->forward) + arena_bytes(engine->arena),
    };
    memcpy(stats->weight_bytes, counters->weight_bytes, sizeof stats->weight_bytes);
    memcpy(stats->phase_ns, forward_probe(engine->forward)->phase_ns, sizeof stats->phase_ns);
}

void mscope_engine_reset_stats(struct mscope_engine *engine)
{
    struct probe *probe = forward_probe(engine->forward);
    *forward_counters(engine->forward) = (struct forward_counters){0};
    memset(probe->phase_ns, 0, sizeof probe->phase_ns);
    memset(probe->threads, 0, (size_t)pool_n_threads(engine->pool) * sizeof *probe->threads);
    engine->n_evals = 0;
    engine->n_tokens = 0;
    engine->n_evaluated_outputs = 0;
    engine->eval_ns = 0;
}

void mscope_engine_set_timing(struct mscope_engine *engine, bool on)
{
    forward_probe(engine->forward)->on = on;
}

enum mscope_status mscope_engine_get_thread_busy(const struct mscope_engine *engine, int i_thread,
                                                 uint64_t busy_ns[MSCOPE_N_PHASE],
                                                 struct mscope_error *err)
{
    int n_threads = pool_n_threads(engine->pool);
    if (i_thread < 0 || i_thread >= n_threads) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "thread", "%d, expected 0 to %d", i_thread,
                         n_threads - 1);
    }
    const struct probe_thread *thread = &forward_probe(engine->forward)->threads[i_thread];
    memcpy(busy_ns, thread->busy_ns, sizeof thread->busy_ns);
    return MSCOPE_OK;
}

const char *mscope_phase_name(enum mscope_phase phase)
{
    static const char *const names[MSCOPE_N_PHASE] = {
        [MSCOPE_PHASE_EMBEDDING] = "embedding",
        [MSCOPE_PHASE_NORM] = "norm",
        [MSCOPE_PHASE_ATTENTION] = "attention",
        [MSCOPE_PHASE_KV] = "kv",
        [MSCOPE_PHASE_ROUTER] = "router",
        [MSCOPE_PHASE_DISPATCH] = "dispatch",
        [MSCOPE_PHASE_EXPERTS] = "experts",
        [MSCOPE_PHASE_SHARED] = "shared",
        [MSCOPE_PHASE_FFN] = "ffn",
        [MSCOPE_PHASE_OUTPUT] = "output",
        [MSCOPE_PHASE_BARRIER] = "barrier",
        [MSCOPE_PHASE_IO] = "io",
        [MSCOPE_PHASE_OTHER] = "other",
    };
    return phase >= 0 && phase < MSCOPE_N_PHASE ? names[phase] : "unknown";
}
