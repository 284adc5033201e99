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

/* About a second; without peaks half of it. */
struct roof roofs_look(int n_threads, bool with_peaks);

/* |a - b| over their mean; NaN when either is. */
double roofs_drift(double a, double b);

#endif
