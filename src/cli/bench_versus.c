/* SPDX-License-Identifier: MIT */
/* The tables of several engines. */
#include "cli/bench_versus.h"

#include "base/units.h"
#include "cli/output.h"
#include "measure/roofs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void share_visit_fn(const struct bench_share *share);
struct bench_ratio { /* decode of a MoE model over that of a dense one, by one engine */
    const struct record *moe, *dense;
    double of_speed, of_bytes; /* dense bytes over MoE bytes: what the memory alone would give */
};
typedef void ratio_visit_fn(const struct bench_ratio *ratio);

static void visit_shares(const struct bench_versus *versus, share_visit_fn *visit);
static void visit_model(const struct bench_versus *versus, const char *model,
                        share_visit_fn *visit);
static void visit_test(const struct bench_versus *versus, const struct record *first,
                       share_visit_fn *visit);
static struct bench_share share_of(const struct bench_versus *versus, const struct record *row,
                                   const struct record *first);
static void visit_ratios(const struct bench_versus *versus, ratio_visit_fn *visit);
static bool is_same_test(const struct record *a, const struct record *b);
static bool is_comparable(const struct record *moe, const struct record *dense);
static void count_needs(struct bench_share *share, const struct bench_versus *versus);
static void print_share(const struct bench_share *share);
static void print_share_csv(const struct bench_share *share);
static void print_ratio(const struct bench_ratio *ratio);
static void print_ratio_csv(const struct bench_ratio *ratio);
static void print_ceilings(const struct bench_versus *versus);
static void rate_of(const struct record *row, double *median, const struct record_reals **samples);
static void number_csv(double value);

enum mscope_status bench_versus_add(struct bench_versus *versus, const struct record *row,
                                    struct mscope_error *err)
{
    if (versus->n == versus->capacity) {
        size_t capacity = 2 * versus->capacity + 16;
        struct record *grown = realloc(versus->rows, capacity * sizeof *grown);
        if (grown == NULL) {
            return error_set_memory(err, "rows", capacity * sizeof *grown);
        }
        versus->rows = grown;
        versus->capacity = capacity;
    }
    record_init(&versus->rows[versus->n]);
    enum mscope_status status = record_copy(&versus->rows[versus->n], row, err);
    versus->n += status == MSCOPE_OK;
    return status;
}

void bench_versus_free(struct bench_versus *versus)
{
    for (size_t i = 0; i < versus->n; i++) {
        record_free(&versus->rows[i]);
    }
    free(versus->rows);
    *versus = (struct bench_versus){0};
}

void bench_versus_print(const struct bench_versus *versus)
{
    if (versus->n == 0) {
        return;
    }
    out_printf("| %-24s | %-14s | %-16s | %9s | %-19s | %2s | %7s | %7s | %9s |\n", "model", "test",
               "engine", "tok/s", "range", "n", "of 1st", "of roof", "peak RAM");
    out_printf("|:-------------------------|:---------------|:-----------------|----------:|"
               ":--------------------|---:|--------:|--------:|----------:|\n");
    visit_shares(versus, print_share);
    print_ceilings(versus);
    out_flush();
}

void bench_versus_print_ratios(const struct bench_versus *versus)
{
    out_printf("| %-24s | %-24s | %-14s | %-16s | %7s | %7s | %7s |\n", "MoE", "dense", "test",
               "engine", "speed", "bytes", "of it");
    out_printf("|:-------------------------|:-------------------------|:---------------|"
               ":-----------------|--------:|--------:|--------:|\n");
    visit_ratios(versus, print_ratio);
    out_printf("\nspeed: decode rate of the MoE model over that of the dense one; bytes: what a "
               "token of the dense\nmodel reads over what one of the MoE model reads; of it: the "
               "first by the second\n");
    out_flush();
}

void bench_versus_print_csv(const struct bench_versus *versus)
{
    out_printf("model,test,engine,engine_detail,threads,n,status,tps_median,tps_low,tps_high,"
               "of_first,of_read_roof,of_int8_peak,peak_rss_bytes,bytes_per_token,ops_per_token,"
               "roof_read_gbps,roof_read_drift_share,roof_int8_gops,roof_handoff_ns,condition,"
               "commit,session_id\n");
    visit_shares(versus, print_share_csv);
}

void bench_versus_print_ratios_csv(const struct bench_versus *versus)
{
    out_printf("moe,dense,test,engine,threads,speed,bytes,of_bytes\n");
    visit_ratios(versus, print_ratio_csv);
}

/* Models in the order in which they come, with all their tests. */
static void visit_shares(const struct bench_versus *versus, share_visit_fn *visit)
{
    for (size_t i = 0; i < versus->n; i++) {
        bool is_first = true;
        for (size_t k = 0; k < i; k++) {
            is_first &= strcmp(versus->rows[k].model, versus->rows[i].model) != 0;
        }
        if (is_first) {
            visit_model(versus, versus->rows[i].model, visit);
        }
    }
}

static void visit_model(const struct bench_versus *versus, const char *model, share_visit_fn *visit)
{
    for (size_t i = 0; i < versus->n; i++) {
        bool is_first = strcmp(versus->rows[i].model, model) == 0;
        for (size_t k = 0; k < i; k++) {
            is_first &= !is_same_test(&versus->rows[k], &versus->rows[i]);
        }
        if (is_first) {
            visit_test(versus, &versus->rows[i], visit);
        }
    }
}

static void visit_test(const struct bench_versus *versus, const struct record *first,
                       share_visit_fn *visit)
{
    for (size_t i = 0; i < versus->n; i++) {
        if (is_same_test(&versus->rows[i], first)) {
            struct bench_share share = share_of(versus, &versus->rows[i], first);
            visit(&share);
        }
    }
}

static struct bench_share share_of(const struct bench_versus *versus, const struct record *row,
                                   const struct record *first)
{
    struct bench_share share = {.row = row,
                                .is_ok = strcmp(row->status, "ok") == 0,
                                .is_prefill = row->n_prompt > 0,
                                .median = NAN,
                                .low = NAN,
                                .high = NAN,
                                .of_first = NAN,
                                .bytes = NAN,
                                .ops = NAN,
                                .of_read = NAN,
                                .of_int8 = NAN};
    count_needs(&share, versus);
    if (!share.is_ok) {
        return share;
    }
    const struct record_reals *samples, *unused;
    rate_of(row, &share.median, &samples);
    for (size_t i = 0; i < samples->n; i++) {
        share.low = fmin(share.low, samples->values[i]);
        share.high = fmax(share.high, samples->values[i]);
    }
    if (strcmp(first->status, "ok") == 0) {
        double median;
        rate_of(first, &median, &unused);
        share.of_first = share.median / median;
    }
    struct roofs_medians medians = roofs_medians(row);
    if (share.is_prefill) {
        share.of_int8 = share.ops * 1e-9 * medians.tps_per_gops;
    } else {
        share.of_read = share.bytes * 1e-9 * medians.tps_per_gbps;
    }
    return share;
}

/* What a token of this test needs is a matter of the file and its routing, whoever computes it; the
 * own engine counts it. */
static void count_needs(struct bench_share *share, const struct bench_versus *versus)
{
    for (size_t i = 0; i < versus->n; i++) {
        const struct record *row = &versus->rows[i];
        if (!is_same_test(row, share->row)) {
            continue;
        }
        if (row->n_gen > 0 && row->bytes_per_token > 0) {
            share->bytes = row->bytes_per_token;
        }
        if (row->n_prompt > 0 && row->prefill_flops != RECORD_NO_INT) {
            share->ops = (double)row->prefill_flops / (double)row->n_prompt;
        }
    }
}

static bool is_same_test(const struct record *a, const struct record *b)
{
    return strcmp(a->test, b->test) == 0 && strcmp(a->model, b->model) == 0 &&
           a->threads == b->threads && strcmp(a->kv_type, b->kv_type) == 0 &&
           strncmp(a->cell, b->cell, (size_t)(strrchr(a->cell, '/') - a->cell)) == 0;
}

static void visit_ratios(const struct bench_versus *versus, ratio_visit_fn *visit)
{
    for (size_t m = 0; m < versus->n; m++) {
        for (size_t d = 0; d < versus->n; d++) {
            const struct record *moe = &versus->rows[m], *dense = &versus->rows[d];
            if (!is_comparable(moe, dense)) {
                continue;
            }
            struct bench_share above = share_of(versus, moe, moe);
            struct bench_share below = share_of(versus, dense, dense);
            struct bench_ratio ratio = {moe, dense, above.median / below.median,
                                        below.bytes / above.bytes};
            visit(&ratio);
        }
    }
}

static bool is_comparable(const struct record *moe, const struct record *dense)
{
    return moe->model_role != NULL && strcmp(moe->model_role, "moe") == 0 &&
           dense->model_role != NULL && strcmp(dense->model_role, "dense") == 0 &&
           moe->n_prompt == 0 && strcmp(moe->test, dense->test) == 0 &&
           strcmp(moe->engine, dense->engine) == 0 && moe->threads == dense->threads &&
           strcmp(moe->kv_type, dense->kv_type) == 0 && strcmp(moe->status, "ok") == 0 &&
           strcmp(dense->status, "ok") == 0;
}

static void print_share(const struct bench_share *share)
{
    const struct record *row = share->row;
    if (!share->is_ok) {
        out_printf("| %-24.60s | %-14s | %-16s | %s: %s |\n", row->model, row->test, row->engine,
                   row->status, row->reason);
        return;
    }
    char range[48] = "-", ratio[24] = "-", part[24] = "-", ram[UNITS_TEXT_BYTES] = "-";
    double of_roof = share->is_prefill ? share->of_int8 : share->of_read;
    if (!isnan(share->low)) {
        snprintf(range, sizeof range, "%.2f .. %.2f", share->low, share->high);
    }
    if (isfinite(share->of_first)) {
        snprintf(ratio, sizeof ratio, "%.2f", share->of_first);
    }
    if (isfinite(of_roof)) {
        snprintf(part, sizeof part, "%.0f %%", 100 * of_roof);
    }
    if (row->peak_rss_bytes != RECORD_NO_INT) {
        units_bytes(ram, (uint64_t)row->peak_rss_bytes);
    }
    out_printf("| %-24.60s | %-14s | %-16s | %9.2f | %-19s | %2" PRId64 " | %7s | %7s | %9s |\n",
               row->model, row->test, row->engine, share->median, range, row->n_runs, ratio, part,
               ram);
}

static void print_share_csv(const struct bench_share *share)
{
    const struct record *row = share->row;
    const char *texts[] = {row->model, row->test, row->engine, row->engine_detail};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        out_csv_text(texts[i]);
        out_printf(",");
    }
    out_printf("%" PRId64 ",", row->threads);
    if (row->n_runs != RECORD_NO_INT) {
        out_printf("%" PRId64, row->n_runs);
    }
    out_printf(",%s", row->status);
    const double numbers[] = {share->median,
                              share->low,
                              share->high,
                              share->of_first,
                              share->of_read,
                              share->of_int8,
                              row->peak_rss_bytes != RECORD_NO_INT ? (double)row->peak_rss_bytes
                                                                   : NAN,
                              share->bytes,
                              share->ops,
                              row->roof_read_gbps,
                              row->roof_read_drift_share,
                              row->roof_int8_gops,
                              row->roof_handoff_ns};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        number_csv(numbers[i]);
    }
    const char *ends[] = {row->condition, row->commit, row->session_id};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        out_printf(",");
        out_csv_text(ends[i]);
    }
    out_printf("\n");
}

static void print_ratio(const struct bench_ratio *ratio)
{
    char bytes[24] = "-", of_it[24] = "-";
    if (isfinite(ratio->of_bytes)) {
        snprintf(bytes, sizeof bytes, "%.2f", ratio->of_bytes);
        snprintf(of_it, sizeof of_it, "%.0f %%", 100 * ratio->of_speed / ratio->of_bytes);
    }
    out_printf("| %-24.60s | %-24.60s | %-14s | %-16s | %7.2f | %7s | %7s |\n", ratio->moe->model,
               ratio->dense->model, ratio->moe->test, ratio->moe->engine, ratio->of_speed, bytes,
               of_it);
}

static void print_ratio_csv(const struct bench_ratio *ratio)
{
    out_csv_text(ratio->moe->model);
    out_printf(",");
    out_csv_text(ratio->dense->model);
    out_printf(",%s,", ratio->moe->test);
    out_csv_text(ratio->moe->engine);
    out_printf(",%" PRId64, ratio->moe->threads);
    number_csv(ratio->of_speed);
    number_csv(ratio->of_bytes);
    number_csv(ratio->of_speed / ratio->of_bytes);
    out_printf("\n");
}

static void print_ceilings(const struct bench_versus *versus)
{
    double low = NAN, high = NAN, int8_low = NAN, int8_high = NAN;
    size_t n_doubtful = 0;
    for (size_t i = 0; i < versus->n; i++) {
        const struct record *row = &versus->rows[i];
        low = fmin(low, row->roof_read_gbps);
        high = fmax(high, row->roof_read_gbps);
        int8_low = fmin(int8_low, row->roof_int8_gops);
        int8_high = fmax(int8_high, row->roof_int8_gops);
        n_doubtful += row->condition != NULL && strcmp(row->condition, "trust") != 0;
    }
    if (!isnan(low)) {
        out_printf("\nof roof: decode of the read bandwidth, %.1f to %.1f GB/s", low, high);
    }
    if (!isnan(low) && !isnan(int8_low)) {
        out_printf("; prefill of the int8 peak, %.0f to %.0f GOP/s", int8_low, int8_high);
    }
    if (!isnan(low)) {
        out_printf(" (medians of the rounds)\n");
    }
    if (n_doubtful > 0) {
        out_printf("%zu of %zu rows are marked: the machine was not quiet (their condition_reasons)"
                   "\n",
                   n_doubtful, versus->n);
    }
    out_printf("\n");
}

/* Of prefill where there is a prompt, else of decode. */
static void rate_of(const struct record *row, double *median, const struct record_reals **samples)
{
    bool is_prefill = row->n_prompt > 0;
    *median = is_prefill ? row->prefill_tps_median : row->decode_tps_median;
    *samples = is_prefill ? &row->prefill_tps_samples : &row->decode_tps_samples;
}

static void number_csv(double value)
{
    out_printf(",");
    if (isfinite(value)) {
        out_printf("%.9g", value);
    }
}
