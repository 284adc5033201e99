/* SPDX-License-Identifier: MIT */
/* Read bandwidth of main memory and arithmetic peaks, as ceilings of a row. */
#include "measure/roofs.h"

#include "machine/machine.h"
#include "machine/peaks.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>

static const uint64_t READ_BUDGET_NS = 400000000, PEAK_BUDGET_NS = 300000000;
static const double MOVED_FACTOR = 1.5; /* above the noise in one place (1.3), below two places */
enum { READ_TRIES = 3 };

static void look_at_memory(struct roof *roof, struct pool *pool);

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
    record->roof_handoff_ns = now.handoff_ns;
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

bool roofs_moved(double handoff_a_ns, double handoff_b_ns)
{
    return handoff_a_ns > MOVED_FACTOR * handoff_b_ns || handoff_b_ns > MOVED_FACTOR * handoff_a_ns;
}

struct roofs_medians roofs_medians(const struct record *row)
{
    bool is_prefill = row->n_prompt > 0;
    const struct record_reals *rates =
        is_prefill ? &row->prefill_tps_samples : &row->decode_tps_samples;
    const struct record_reals *roofs = &row->roof_read_gbps_samples;
    double median = is_prefill ? row->prefill_tps_median : row->decode_tps_median;
    struct roofs_medians medians = {median, median / row->roof_read_gbps};
    double *kept = roofs->n == rates->n && rates->n > 0 ? calloc(2 * rates->n, sizeof *kept) : NULL;
    if (kept == NULL) {
        return medians;
    }
    double *ratios = kept + rates->n;
    for (size_t i = 0; i < rates->n; i++) { /* medians leave out what is NaN */
        kept[i] = isnan(roofs->values[i]) ? NAN : rates->values[i];
        ratios[i] = rates->values[i] / roofs->values[i];
    }
    medians.tps = stats_of(kept, rates->n).median;
    medians.tps_per_gbps = stats_of(ratios, rates->n).median;
    free(kept);
    return medians;
}

struct roof roofs_look(int n_threads, bool with_peaks)
{
    struct roof roof = {n_threads, NAN, NAN, NAN, NAN};
    struct pool *pool = NULL;
    struct machine_peaks peaks;
    struct machine_binding *binding; /* as the engine */
    machine_bind_fastest(&binding, n_threads);
    if (pool_open(&pool, n_threads, NULL) != MSCOPE_OK) {
        machine_unbind(&binding);
        return roof;
    }
    look_at_memory(&roof, pool);
    if (with_peaks &&
        machine_measure_peaks(&peaks, pool, NULL, PEAK_BUDGET_NS, NULL) == MSCOPE_OK) {
        roof.fp32_gflops = peaks.fp32.median * 1e-9;
        roof.int8_gops = peaks.int8.median * 1e-9;
    }
    pool_close(&pool);
    machine_unbind(&binding);
    return roof;
}

static void look_at_memory(struct roof *roof, struct pool *pool)
{
    struct machine_bandwidth read;
    roof->handoff_ns = machine_measure_handoff_ns(pool);
    for (int i = 0; i < READ_TRIES; i++) {
        double before_ns = roof->handoff_ns;
        if (machine_measure_read(&read, pool, machine_stream_buffer_bytes(), READ_BUDGET_NS,
                                 NULL) == MSCOPE_OK) {
            roof->read_gbps = read.median * 1e-9;
        }
        roof->handoff_ns = machine_measure_handoff_ns(pool);
        if (!roofs_moved(before_ns, roof->handoff_ns)) {
            break;
        }
    }
}
