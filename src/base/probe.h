/* SPDX-License-Identifier: MIT */
/*
 * Where the time of an evaluation goes: a fixed list of phases. The evaluating thread is always in
 * exactly one phase, so its phases sum to the wall clock by construction; time it spends waiting
 * for other threads at the end of a parallel loop is a phase of its own. Each thread's busy time is
 * kept beside, per phase. A stamp is one clock read; no synchronisation is added, and nothing is
 * stamped while the probe is off.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#include "base/clock.h"
#include "moescope.h"

struct probe_thread { /* written by its own thread only */
    _Alignas(64) uint64_t busy_ns[MSCOPE_N_PHASE];
};

struct probe {
    bool on;
    enum mscope_phase phase; /* of the evaluating thread */
    uint64_t last_ns;        /* when it entered */
    uint64_t phase_ns[MSCOPE_N_PHASE];
    struct probe_thread *threads; /* (n_threads), set at open */
};

/* Leaves the current phase for another; returns the phase left, to come back to. */
static inline enum mscope_phase probe_enter(struct probe *probe, enum mscope_phase phase)
{
    enum mscope_phase left = probe->phase;
    if (probe->on) {
        uint64_t now_ns = clock_now_ns();
        probe->phase_ns[left] += now_ns - probe->last_ns;
        probe->last_ns = now_ns;
    }
    probe->phase = phase;
    return left;
}

/* Starts an evaluation in phase OTHER: time since the last evaluation belongs to nobody. */
static inline void probe_start(struct probe *probe)
{
    probe->phase = MSCOPE_PHASE_OTHER;
    if (probe->on) {
        probe->last_ns = clock_now_ns();
    }
}

#endif
