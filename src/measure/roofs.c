/* SPDX-License-Identifier: MIT */
/* Read bandwidth of main memory and arithmetic peaks, as ceilings of a row. */
#include "measure/roofs.h"

#include "machine/machine.h"
#include "machine/peaks.h"

#include <math.h>

static const uint64_t READ_BUDGET_NS = 400000000, PEAK_BUDGET_NS = 300000000;

static void measure(struct roofs *roofs, int n_threads);

void roofs_measure(struct roofs *roofs, struct record *record, int n_threads)
{
    int i = 0;
    while (i < roofs->n && roofs->of[i].n_threads != n_threads) {
        i++;
    }
    if (i == roofs->n) {
        if (roofs->n == ROOFS_MAX) {
            return;
        }
        measure(roofs, n_threads);
    }
    record->roof_read_gbps = roofs->of[i].read_gbps;
    record->roof_fp32_gflops = roofs->of[i].fp32_gflops;
    record->roof_int8_gops = roofs->of[i].int8_gops;
}

void roofs_measure_read(struct roofs *roofs, struct record *record, int n_threads)
{
    struct pool *pool = NULL;
    struct machine_bandwidth read;
    if (pool_open(&pool, n_threads, NULL) != MSCOPE_OK) {
        return;
    }
    if (machine_measure_read(&read, pool, machine_stream_buffer_bytes(), READ_BUDGET_NS, NULL) ==
        MSCOPE_OK) {
        record->roof_read_gbps = read.median * 1e-9;
        for (int i = 0; i < roofs->n; i++) {
            if (roofs->of[i].n_threads == n_threads) {
                roofs->of[i].read_gbps = record->roof_read_gbps;
            }
        }
    }
    pool_close(&pool);
}

static void measure(struct roofs *roofs, int n_threads)
{
    struct pool *pool = NULL;
    struct machine_bandwidth read;
    int i = roofs->n++;
    roofs->of[i].n_threads = n_threads;
    roofs->of[i].read_gbps = roofs->of[i].fp32_gflops = roofs->of[i].int8_gops = NAN;
    uint64_t buffer = machine_stream_buffer_bytes();
    if (pool_open(&pool, n_threads, NULL) != MSCOPE_OK) {
        return;
    }
    if (machine_measure_read(&read, pool, buffer, READ_BUDGET_NS, NULL) == MSCOPE_OK) {
        roofs->of[i].read_gbps = read.median * 1e-9;
    }
    struct machine_peaks peaks;
    if (machine_measure_peaks(&peaks, pool, NULL, PEAK_BUDGET_NS, NULL) == MSCOPE_OK) {
        roofs->of[i].fp32_gflops = peaks.fp32.median * 1e-9;
        roofs->of[i].int8_gops = peaks.int8.median * 1e-9;
    }
    pool_close(&pool);
}
