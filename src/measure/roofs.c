/* SPDX-License-Identifier: MIT */
/* Read bandwidth of main memory and arithmetic peaks, as ceilings of a row. */
#include "measure/roofs.h"

#include "machine/machine.h"
#include "machine/peaks.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>

static const uint64_t READ_BUDGET_NS = 400000000, PEAK_BUDGET_NS = 200000000;
static const double MOVED_FACTOR = 1.5; /* above the noise in one place (1.3), below two places */
enum { LOOK_TRIES = 3 };

static double median_under(const struct record_reals *rates, const struct record_reals *roofs,
                           bool is_ratio, double otherwise);
static void look(struct roof *roof, struct pool *pool, bool with_peaks);

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
    const struct record_reals *read = &row->roof_read_gbps_samples;
    const struct record_reals *int8 = &row->roof_int8_gops_samples;
    double median = is_prefill ? row->prefill_tps_median : row->decode_tps_median;
    double kept = median_under(rates, read, false, median);
    return (struct roofs_medians){
        .tps_per_gbps = median_under(rates, read, true, median / row->roof_read_gbps),
        .tps_per_gops = median_under(rates, int8, true, kept / row->roof_int8_gops),
    };
}

/* Of the rates that have a roof, or of what they are over it; `otherwise` without a roof, or null,
 * for each. */
static double median_under(const struct record_reals *rates, const struct record_reals *roofs,
                           bool is_ratio, double otherwise)
{
    size_t n = rates->n;
    double *values = roofs->n == n && n > 0 ? calloc(n, sizeof *values) : NULL;
    if (values == NULL) {
        return otherwise;
    }
    for (size_t i = 0; i < n; i++) { /* medians leave out what is NaN */
        double ratio = rates->values[i] / roofs->values[i];
        values[i] = is_ratio || isnan(ratio) ? ratio : rates->values[i];
    }
    double median = stats_of(values, n).median;
    free(values);
    return median;
}

struct roof roofs_look(int n_threads, bool with_peaks)
{
    struct roof roof = {n_threads, NAN, NAN, NAN, NAN};
    struct pool *pool = NULL;
    struct machine_binding *binding; /* as the engine */
    machine_bind_fastest(&binding, n_threads);
    if (pool_open(&pool, n_threads, NULL) == MSCOPE_OK) {
        look(&roof, pool, with_peaks);
        pool_close(&pool);
    }
    machine_unbind(&binding);
    return roof;
}

static void look(struct roof *roof, struct pool *pool, bool with_peaks)
{
    struct machine_bandwidth read;
    struct machine_peaks peaks;
    roof->handoff_ns = machine_measure_handoff_ns(pool);
    for (int i = 0; i < LOOK_TRIES; i++) {
        double before_ns = roof->handoff_ns;
        if (machine_measure_read(&read, pool, machine_stream_buffer_bytes(), READ_BUDGET_NS,
                                 NULL) == MSCOPE_OK) {
            roof->read_gbps = read.median * 1e-9;
        }
        if (with_peaks &&
            machine_measure_peaks(&peaks, pool, NULL, PEAK_BUDGET_NS, NULL) == MSCOPE_OK) {
            roof->fp32_gflops = peaks.fp32.median * 1e-9;
            roof->int8_gops = peaks.int8.median * 1e-9;
        }
        roof->handoff_ns = machine_measure_handoff_ns(pool);
        if (!roofs_moved(before_ns, roof->handoff_ns)) {
            break;
        }
    }
}

double roofs_look_at_handoff(int n_threads)
{
    double handoff_ns = NAN;
    struct pool *pool = NULL;
    struct machine_binding *binding;
    machine_bind_fastest(&binding, n_threads);
    if (pool_open(&pool, n_threads, NULL) == MSCOPE_OK) {
        handoff_ns = machine_measure_handoff_ns(pool);
        pool_close(&pool);
    }
    machine_unbind(&binding);
    return handoff_ns;
}
