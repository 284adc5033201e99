/* SPDX-License-Identifier: MIT */
/* Read bandwidth of main memory and arithmetic peaks, as ceilings of a row. */
#include "measure/roofs.h"

#include "machine/machine.h"
#include "machine/peaks.h"

#include <math.h>

static const uint64_t READ_BUDGET_NS = 400000000, PEAK_BUDGET_NS = 300000000;

void roofs_measure(struct roofs *roofs, struct record *record, int n_threads)
{
    struct roof now = roofs_look(n_threads, true);
    int i = 0;
    while (i < roofs->n && roofs->of[i].n_threads != n_threads) {
        i++;
    }
    record->roof_read_gbps = now.read_gbps;
    record->roof_fp32_gflops = now.fp32_gflops;
    record->roof_int8_gops = now.int8_gops;
    record->roof_read_drift_share =
        i < roofs->n ? roofs_drift(roofs->of[i].read_gbps, now.read_gbps) : NAN;
    if (i < ROOFS_MAX) {
        roofs->of[i] = now;
        roofs->n = i == roofs->n ? i + 1 : roofs->n;
    }
}

double roofs_drift(double a, double b)
{
    return 2 * fabs(a - b) / (a + b);
}

struct roof roofs_look(int n_threads, bool with_peaks)
{
    struct roof roof = {n_threads, NAN, NAN, NAN};
    struct pool *pool = NULL;
    struct machine_bandwidth read;
    struct machine_peaks peaks;
    struct machine_binding *binding; /* as the engine */
    machine_bind_fastest(&binding, n_threads);
    if (pool_open(&pool, n_threads, NULL) != MSCOPE_OK) {
        machine_unbind(&binding);
        return roof;
    }
    if (machine_measure_read(&read, pool, machine_stream_buffer_bytes(), READ_BUDGET_NS, NULL) ==
        MSCOPE_OK) {
        roof.read_gbps = read.median * 1e-9;
    }
    if (with_peaks &&
        machine_measure_peaks(&peaks, pool, NULL, PEAK_BUDGET_NS, NULL) == MSCOPE_OK) {
        roof.fp32_gflops = peaks.fp32.median * 1e-9;
        roof.int8_gops = peaks.int8.median * 1e-9;
    }
    pool_close(&pool);
    machine_unbind(&binding);
    return roof;
}
