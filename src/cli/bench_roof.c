/* SPDX-License-Identifier: MIT */
/* Decode by what the memory gave beside each sample, where that was two different things. */
#include "cli/bench_versus.h"

#include "measure/stats.h"

#include <math.h>
#include <string.h>

/* A neighbour of the machine takes less; cores that share no cache get half as much again. */
static const double APART = 1.35;

static bool keep_side(struct record *row, double middle, bool above);
static double median_of(const struct record_reals *list);

double bench_versus_middle(const struct bench_versus *versus)
{
    double low = NAN, high = NAN;
    for (size_t i = 0; i < versus->n; i++) {
        const struct record_reals *roofs = &versus->rows[i].roof_read_gbps_samples;
        for (size_t k = 0; k < roofs->n; k++) {
            low = fmin(low, roofs->values[k]);
            high = fmax(high, roofs->values[k]);
        }
    }
    return high >= APART * low ? sqrt(low * high) : NAN;
}

enum mscope_status bench_versus_side(struct bench_versus *out, const struct bench_versus *all,
                                     double middle, bool above, struct mscope_error *err)
{
    *out = (struct bench_versus){0};
    for (size_t i = 0; i < all->n; i++) {
        const struct record *row = &all->rows[i];
        if (row->n_prompt > 0 || strcmp(row->status, "ok") != 0) {
            continue;
        }
        enum mscope_status status = bench_versus_add(out, row, err);
        if (status != MSCOPE_OK) {
            bench_versus_free(out);
            return status;
        }
        if (!keep_side(&out->rows[out->n - 1], middle, above)) {
            record_free(&out->rows[--out->n]);
        }
    }
    return MSCOPE_OK;
}

/* Leaves the samples of one side; false where there is none. */
static bool keep_side(struct record *row, double middle, bool above)
{
    struct record_reals *roofs = &row->roof_read_gbps_samples, *rates = &row->decode_tps_samples;
    if (roofs->n != rates->n) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < rates->n; i++) {
        if (isfinite(roofs->values[i]) && (roofs->values[i] > middle) == above) {
            roofs->values[n] = roofs->values[i];
            rates->values[n++] = rates->values[i];
        }
    }
    roofs->n = rates->n = n;
    row->n_runs = (int64_t)n;
    row->decode_tps_median = median_of(rates);
    row->roof_read_gbps = median_of(roofs);
    row->roof_int8_gops = NAN; /* there are no prompts */
    return n > 0;
}

static double median_of(const struct record_reals *list)
{
    return stats_of(list->values, list->n).median;
}
