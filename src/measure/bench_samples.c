/* SPDX-License-Identifier: MIT */
/* Repetitions of one test, and what they come to. */
#include "measure/bench_internal.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct bench_list *list, double value);
static bool append(struct bench_list *list, double value);
static bool add_rates(struct bench_list *list, const struct record_reals *samples, double value);
static enum mscope_status set_roofs(struct bench_samples *samples, struct mscope_error *err);
static double mean_under_roof(const struct bench_list *rates, const struct bench_list *roofs);
static int condition_rank(const char *condition);
static void keep_worse(struct record *run, struct record *before);

void bench_samples_init(struct bench_samples *samples)
{
    *samples = (struct bench_samples){.roof_drift = NAN};
    record_init(&samples->row);
}

void bench_samples_free(struct bench_samples *samples)
{
    struct bench_list *lists[] = {&samples->prefill_tps, &samples->decode_tps, &samples->ttft_ms,
                                  &samples->wall_ms, &samples->steps_ms};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        free(lists[i]->values);
    }
    free(samples->roofs.values);
    free(samples->peaks.values);
    free(samples->handoffs.values);
    record_free(&samples->row);
    *samples = (struct bench_samples){0};
}

enum mscope_status bench_samples_add(struct bench_samples *samples, struct record *run,
                                     struct mscope_error *err)
{
    size_t n_before = samples->prefill_tps.n > samples->decode_tps.n ? samples->prefill_tps.n
                                                                     : samples->decode_tps.n;
    bool good = add_rates(&samples->decode_tps, &run->decode_tps_samples, run->decode_tps);
    if (run->n_prompt > 0) {
        good &= add_rates(&samples->prefill_tps, &run->prefill_tps_samples, run->prefill_tps);
        good &= add(&samples->ttft_ms, run->ttft_ms);
    }
    good &= add(&samples->wall_ms, run->wall_ms);
    for (size_t i = 0; i < run->token_ms.n; i++) {
        const double *at = &run->token_ms.values[i];
        good &= add(&samples->steps_ms, *at - (i > 0 ? at[-1] : 0));
    }
    if (!good) {
        return error_set_memory(err, "samples", sizeof(double));
    }
    size_t n_now = samples->prefill_tps.n > samples->decode_tps.n ? samples->prefill_tps.n
                                                                  : samples->decode_tps.n;
    samples->n_runs += n_now > n_before ? (int)(n_now - n_before) : 1;
    keep_worse(run, &samples->row);
    record_free(&samples->row);
    samples->row = *run;
    record_init(run);
    return record_set_reals(&samples->row.token_ms, NULL, 0, err);
}

static bool add_rates(struct bench_list *list, const struct record_reals *samples, double value)
{
    bool good = samples->n > 0 || isnan(value) || add(list, value);
    for (size_t i = 0; i < samples->n; i++) {
        good &= add(list, samples->values[i]);
    }
    return good;
}

static bool add(struct bench_list *list, double value)
{
    return isnan(value) || append(list, value);
}

static bool append(struct bench_list *list, double value)
{
    if (list->n == list->capacity) {
        size_t capacity = 2 * list->capacity + 8;
        double *grown = realloc(list->values, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        list->values = grown;
        list->capacity = capacity;
    }
    list->values[list->n++] = value;
    return true;
}

/* A row is worth what its worst run is. */
static void keep_worse(struct record *run, struct record *before)
{
    if (before->peak_rss_bytes > run->peak_rss_bytes) {
        run->peak_rss_bytes = before->peak_rss_bytes;
    }
    if (condition_rank(before->condition) > condition_rank(run->condition)) {
        char *condition = run->condition;
        struct record_texts reasons = run->condition_reasons;
        run->condition = before->condition;
        run->condition_reasons = before->condition_reasons;
        before->condition = condition;
        before->condition_reasons = reasons;
        run->load1 = before->load1;
        run->busy_other_share = before->busy_other_share;
    }
}

static int condition_rank(const char *condition)
{
    return condition == NULL                   ? 0
           : strcmp(condition, "trust") == 0   ? 1
           : strcmp(condition, "caution") == 0 ? 2
                                               : 3;
}

/* A run with the cores elsewhere than before or after it has no ceiling that is known. */
enum mscope_status bench_samples_add_roof(struct bench_samples *samples, int n,
                                          const struct roof *before, const struct roof *after,
                                          struct mscope_error *err)
{
    if (n <= 0) {
        return MSCOPE_OK;
    }
    bool is_moved = roofs_moved(before->handoff_ns, after->handoff_ns);
    double read_gbps = is_moved ? NAN : (before->read_gbps + after->read_gbps) / 2;
    double int8_gops = is_moved ? NAN : (before->int8_gops + after->int8_gops) / 2;
    double handoff_ns = is_moved ? NAN : (before->handoff_ns + after->handoff_ns) / 2;
    for (int i = 0; i < n; i++) {
        if (!append(&samples->roofs, read_gbps) || !append(&samples->peaks, int8_gops) ||
            !add(&samples->handoffs, handoff_ns)) {
            return error_set_memory(err, "samples", sizeof(double));
        }
    }
    if (is_moved) {
        samples->moves.n_moved += n;
        samples->moves.before_ns = before->handoff_ns;
        samples->moves.after_ns = after->handoff_ns;
    }
    samples->roof_drift =
        fmax(samples->roof_drift, roofs_drift(before->read_gbps, after->read_gbps));
    return MSCOPE_OK;
}

enum mscope_status bench_samples_summarise(struct bench_samples *samples,
                                           const struct driver_test *test, struct mscope_error *err)
{
    struct record *row = &samples->row;
    const struct bench_list *steps = &samples->steps_ms;
    struct stats prefill = stats_of(samples->prefill_tps.values, samples->prefill_tps.n);
    struct stats decode = stats_of(samples->decode_tps.values, samples->decode_tps.n);
    row->n_gen = test->n_gen;
    row->n_prompt = test->n_prompt;
    row->n_runs = samples->n_runs;
    row->prefill_tps = prefill.mean;
    row->prefill_tps_median = prefill.median;
    row->prefill_tps_sd = prefill.sd;
    row->prefill_tps_ci95 = prefill.ci95;
    row->decode_tps = decode.mean;
    row->decode_tps_median = decode.median;
    row->decode_tps_sd = decode.sd;
    row->decode_tps_ci95 = decode.ci95;
    row->decode_tps_cv = decode.cv;
    row->wall_ms = stats_of(samples->wall_ms.values, samples->wall_ms.n).mean;
    row->ttft_ms = stats_of(samples->ttft_ms.values, samples->ttft_ms.n).mean;
    if (row->n_prompt == 0) {
        row->prompt_tokens = 0;
        row->prefill_ms = NAN;
    }
    if (steps->n > 0) {
        row->tpot_ms_mean = stats_of(steps->values, steps->n).mean;
        row->tpot_ms_p50 = stats_percentile(steps->values, steps->n, 0.50);
        row->tpot_ms_p95 = stats_percentile(steps->values, steps->n, 0.95);
        row->tpot_ms_p99 = stats_percentile(steps->values, steps->n, 0.99);
    }
    enum mscope_status status = record_set_reals(
        &row->prefill_tps_samples, samples->prefill_tps.values, samples->prefill_tps.n, err);
    status = status == MSCOPE_OK
                 ? record_set_reals(&row->decode_tps_samples, samples->decode_tps.values,
                                    samples->decode_tps.n, err)
                 : status;
    return status == MSCOPE_OK ? set_roofs(samples, err) : status;
}

/* A list of roofs is null where there was none to measure, that of peaks also without a prompt. */
static enum mscope_status set_roofs(struct bench_samples *samples, struct mscope_error *err)
{
    struct record *row = &samples->row;
    struct stats read = stats_of(samples->roofs.values, samples->roofs.n);
    struct stats int8 = stats_of(samples->peaks.values, samples->peaks.n);
    static const struct bench_list none;
    bool is_measured = read.n > 0 || samples->moves.n_moved > 0;
    const struct bench_list *roofs = is_measured ? &samples->roofs : &none;
    const struct bench_list *peaks = is_measured && row->n_prompt > 0 ? &samples->peaks : &none;
    row->roof_read_gbps = read.median;
    row->roof_int8_gops = peaks->n > 0 ? int8.median : row->roof_int8_gops;
    row->roof_read_drift_share = samples->roof_drift;
    row->roof_handoff_ns = stats_of(samples->handoffs.values, samples->handoffs.n).median;
    samples->moves.n_samples = (int)roofs->n;
    enum mscope_status status = condition_judge_roof(row, &samples->moves, err);
    status = status == MSCOPE_OK
                 ? record_set_reals(&row->roof_read_gbps_samples, roofs->values, roofs->n, err)
                 : status;
    status = status == MSCOPE_OK
                 ? record_set_reals(&row->roof_int8_gops_samples, peaks->values, peaks->n, err)
                 : status;
    if (row->roof_read_gbps > 0) {
        row->s_mbu = row->bytes_per_token * mean_under_roof(&samples->decode_tps, roofs) /
                     (row->roof_read_gbps * 1e9);
    }
    if (row->n_prompt > 0 && row->prefill_flops != RECORD_NO_INT) {
        row->s_mfu = (double)row->prefill_flops / (double)row->n_prompt * 1e-9 *
                     roofs_medians(row).tps_per_gops;
    }
    return status;
}

/* Of the rates that have a roof; of all where roofs were not measured. */
static double mean_under_roof(const struct bench_list *rates, const struct bench_list *roofs)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < rates->n; i++) {
        bool counts = roofs->n != rates->n || !isnan(roofs->values[i]);
        sum += counts ? rates->values[i] : 0;
        n += counts;
    }
    return n > 0 ? sum / (double)n : NAN;
}
