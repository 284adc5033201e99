/* SPDX-License-Identifier: MIT */
/*
 * Was the machine in a state to be measured? Reads counters of the kernel before and after a run
 * below a root folder ("" for this machine; tests give a tree of their own) and comes to a verdict.
 * What is not readable is null and no reason for mistrust. One thread.
 */
#ifndef MEASURE_CONDITION_H
#define MEASURE_CONDITION_H

#include "measure/record.h"

struct condition_mark { /* one look at the counters; -1 where not readable */
    double load1;
    int64_t busy_ticks, steal_ticks, total_ticks; /* of all CPUs */
    int64_t own_ticks;                            /* of this process and its ended children */
    int64_t swap_used_bytes, swap_in_pages, swap_out_pages;
    int64_t major_faults;
    double freq_mhz_min, freq_mhz_max;
    char governor[32];
    int on_battery; /* RECORD_NO_BOOL: no battery */
};

void condition_look(struct condition_mark *mark, const char *root);

/*
 * Fills condition, condition_reasons and their inputs, swap_in_bytes, swap_out_bytes and
 * major_faults. `record` tells temperature and its limit (0: none). A reason says what was found
 * and what is expected.
 */
enum mscope_status condition_judge(struct record *record, const struct condition_mark *before,
                                   const struct condition_mark *after, double temp_limit_c,
                                   struct mscope_error *err);
/*
 * The reasons that are known only after the verdict: a roof_read_drift_share above a tenth, and the
 * samples of the row during which the cores were moved (NULL: not known).
 */
struct condition_moves {
    int n_samples, n_moved;
    double before_ns, after_ns; /* of one of them, a cache line from one core to the next */
};
enum mscope_status condition_judge_roof(struct record *record, const struct condition_moves *moves,
                                        struct mscope_error *err);
/*
 * Of a row whose roofs were measured before its process: the cores were elsewhere before the run or
 * are now than when its roof_handoff_ns was. Caution, and no s_mbu and s_mfu. NaN: not known.
 */
enum mscope_status condition_judge_place(struct record *record, double before_ns, double now_ns,
                                         struct mscope_error *err);

#endif
