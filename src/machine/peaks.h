/* SPDX-License-Identifier: MIT */
/*
 * What the cores can compute when memory is no limit: independent multiply-adds in registers on all
 * threads of a pool, with the instructions of a kernel level (kernels/peak.h). The roofs that a
 * share of peak refers to. One thread.
 */
#ifndef MACHINE_PEAKS_H
#define MACHINE_PEAKS_H

#include "base/error.h"
#include "base/pool.h"

struct machine_peak {
    double median, best; /* operations per second, two per multiply-add */
    int n_passes;
};
struct machine_peaks {
    const char *level;
    struct machine_peak fp32; /* fused multiply-add of 32-bit floats */
    struct machine_peak int8; /* dot products of 8-bit integers into 32 bits */
};
/* `level` NULL: the best. Spends about `budget_ns`, at least three passes of each. */
enum mscope_status machine_measure_peaks(struct machine_peaks *out, struct pool *pool,
                                         const char *level, uint64_t budget_ns,
                                         struct mscope_error *err);

#endif
