/* SPDX-License-Identifier: MIT */
/* The table of several engines. */
#include "cli/bench_versus.h"

#include "base/units.h"
#include "cli/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_test(const struct bench_versus *versus, const struct record *first,
                       const struct bench_engine *engines, int n_engines);
static const struct record *find(const struct bench_versus *versus, const struct record *like,
                                 const char *engine);
static double bytes_of_test(const struct bench_versus *versus, const struct record *like);
static bool is_same_test(const struct record *a, const struct record *b);
static void print_row(const struct record *row, const struct record *base, double bytes);
static void rate_of(const struct record *row, double *median, const struct record_reals **samples);

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

void bench_versus_print(struct bench_versus *versus, const struct bench_engine *engines,
                        int n_engines)
{
    if (versus->n > 0) {
        out_printf("| %-24s | %-14s | %-16s | %9s | %-19s | %2s | %7s | %7s | %9s |\n", "model",
                   "test", "engine", "tok/s", "range", "n", "of 1st", "of roof", "peak RAM");
        out_printf("|:-------------------------|:---------------|:-----------------|----------:|"
                   ":--------------------|---:|--------:|--------:|----------:|\n");
    }
    for (size_t i = 0; i < versus->n; i++) {
        bool is_first = true;
        for (size_t k = 0; k < i; k++) {
            is_first &= !is_same_test(&versus->rows[k], &versus->rows[i]);
        }
        if (is_first) {
            print_test(versus, &versus->rows[i], engines, n_engines);
        }
    }
    if (versus->n > 0 && versus->rows[0].roof_read_gbps > 0) {
        out_printf("\nread bandwidth %.1f GB/s (%" PRId64 " threads, median of the rounds)\n\n",
                   versus->rows[0].roof_read_gbps, versus->rows[0].threads);
    }
    out_flush();
    bench_versus_free(versus);
}

static void print_test(const struct bench_versus *versus, const struct record *first,
                       const struct bench_engine *engines, int n_engines)
{
    const struct record *base = find(versus, first, engines[0].name);
    double bytes = bytes_of_test(versus, first);
    for (int e = 0; e < n_engines; e++) {
        const struct record *row = find(versus, first, engines[e].name);
        if (row != NULL) {
            print_row(row, base, bytes);
        }
    }
}

static const struct record *find(const struct bench_versus *versus, const struct record *like,
                                 const char *engine)
{
    for (size_t i = 0; i < versus->n; i++) {
        if (is_same_test(&versus->rows[i], like) && strcmp(versus->rows[i].engine, engine) == 0) {
            return &versus->rows[i];
        }
    }
    return NULL;
}

/* The bytes that a token of this test needs are those of the file and its routing, whoever reads
 * them; the own engine counts them. */
static double bytes_of_test(const struct bench_versus *versus, const struct record *like)
{
    for (size_t i = 0; i < versus->n; i++) {
        if (is_same_test(&versus->rows[i], like) && versus->rows[i].n_gen > 0 &&
            versus->rows[i].bytes_per_token > 0) {
            return versus->rows[i].bytes_per_token;
        }
    }
    return NAN;
}

static bool is_same_test(const struct record *a, const struct record *b)
{
    return strcmp(a->test, b->test) == 0 && strcmp(a->model, b->model) == 0 &&
           a->threads == b->threads && strcmp(a->kv_type, b->kv_type) == 0 &&
           strncmp(a->cell, b->cell, (size_t)(strrchr(a->cell, '/') - a->cell)) == 0;
}

static void print_row(const struct record *row, const struct record *base, double bytes)
{
    if (strcmp(row->status, "ok") != 0) {
        out_printf("| %-24.60s | %-14s | %-16s | %s: %s |\n", row->model, row->test, row->engine,
                   row->status, row->reason);
        return;
    }
    char range[48] = "-", ratio[24] = "-", share[24] = "-", ram[UNITS_TEXT_BYTES] = "-";
    const struct record_reals *samples;
    double median;
    double base_median = NAN;
    rate_of(row, &median, &samples);
    if (base != NULL && strcmp(base->status, "ok") == 0) {
        const struct record_reals *unused;
        rate_of(base, &base_median, &unused);
    }
    if (samples->n > 0) {
        double least = samples->values[0];
        double most = least;
        for (size_t i = 1; i < samples->n; i++) {
            least = fmin(least, samples->values[i]);
            most = fmax(most, samples->values[i]);
        }
        snprintf(range, sizeof range, "%.2f .. %.2f", least, most);
    }
    if (base_median > 0) {
        snprintf(ratio, sizeof ratio, "%.2f", median / base_median);
    }
    double roof_share = bytes * median / (row->roof_read_gbps * 1e9);
    if (row->n_prompt == 0 && isfinite(roof_share)) {
        snprintf(share, sizeof share, "%.0f %%", 100 * roof_share);
    }
    if (row->peak_rss_bytes != RECORD_NO_INT) {
        units_bytes(ram, (uint64_t)row->peak_rss_bytes);
    }
    out_printf("| %-24.60s | %-14s | %-16s | %9.2f | %-19s | %2" PRId64 " | %7s | %7s | %9s |\n",
               row->model, row->test, row->engine, median, range, row->n_runs, ratio, share, ram);
}

/* Of prefill where there is a prompt, else of decode. */
static void rate_of(const struct record *row, double *median, const struct record_reals **samples)
{
    bool is_prefill = row->n_prompt > 0;
    *median = is_prefill ? row->prefill_tps_median : row->decode_tps_median;
    *samples = is_prefill ? &row->prefill_tps_samples : &row->decode_tps_samples;
}
