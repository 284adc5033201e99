/* SPDX-License-Identifier: MIT */
/*
 * The ceilings of this machine by number of threads. They are not constant: the memory and the
 * clock of a virtual machine are shared with its neighbours. So they are measured again beside
 * what is held against them, and a row says by how much they moved.
 */
#ifndef MEASURE_ROOFS_H
#define MEASURE_ROOFS_H

#include "measure/record.h"

#include <stdbool.h>

enum { ROOFS_MAX = 32 };

struct roof {
    int n_threads;
    double read_gbps, fp32_gflops, int8_gops; /* NaN: not measurable */
    double handoff_ns; /* of a cache line from one thread to the next; NaN with one thread */
};

struct roofs { /* the last measurement for each number of threads */
    struct roof of[ROOFS_MAX];
    int n;
};

/*
 * Measures (about a second) and fills roof_* of the row; roof_read_drift_share is the change since
 * the last time with as many threads, null the first time.
 */
void roofs_measure(struct roofs *roofs, struct record *record, int n_threads);

/* About a second; without peaks half of it. All but the handoff is measured again when the cores
 * were moved meanwhile. */
struct roof roofs_look(int n_threads, bool with_peaks);

/* The handoff alone: some milliseconds, most of them to find the cores. NaN with one thread. */
double roofs_look_at_handoff(int n_threads);

/*
 * Whether the threads' cores are others, or elsewhere, than they were: a cache line takes a
 * different time between them, and the memory is reached by other ways. The host of a virtual
 * machine may do that at any time. False when either is NaN.
 */
bool roofs_moved(double handoff_a_ns, double handoff_b_ns);

/* |a - b| over their mean; NaN when either is. */
double roofs_drift(double a, double b);

/*
 * Medians over the samples of a bench row, of the rate (of prefill where there is a prompt, else of
 * decode) over the roof beside each. A roof is null where the cores were moved, and such samples
 * are left out; NaN when no other is there. Of a row without a list of that roof: the median rate
 * (of those samples that have a read bandwidth) over the row's roof.
 */
struct roofs_medians {
    double tps_per_gbps; /* read bandwidth */
    double tps_per_gops; /* int8 peak */
};
struct roofs_medians roofs_medians(const struct record *row);

#endif
