/* SPDX-License-Identifier: MIT */
/* The ceilings of this machine, measured once per number of threads and start of the program. */
#ifndef MEASURE_ROOFS_H
#define MEASURE_ROOFS_H

#include "measure/record.h"

enum { ROOFS_MAX = 32 };

struct roofs {
    struct {
        int n_threads;
        double read_gbps, fp32_gflops, int8_gops; /* NaN: not measurable */
    } of[ROOFS_MAX];
    int n;
};

/* Fills roof_* of the row; measures (about a second) when this number of threads is new. */
void roofs_measure(struct roofs *roofs, struct record *record, int n_threads);
/* The read bandwidth again, which another guest of the same machine may have changed since. */
void roofs_measure_read(struct roofs *roofs, struct record *record, int n_threads);

#endif
