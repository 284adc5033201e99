/* SPDX-License-Identifier: MIT */
/* bench compare: what changed between two files of rows, and whether chance explains it. */
#include "cli/bench_table.h"

#include "base/strbuf.h"
#include "cli/output.h"
#include "measure/row_file.h"
#include "measure/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double SIGNIFICANCE = 0.05;

struct pair { /* of samples of one test and one rate */
    char *key;
    const char *rate; /* "prefill" or "decode" */
    double *samples[2];
    size_t n[2];
    struct stats_test test;
    double p; /* corrected for the number of tests; NaN: too few samples */
};

struct comparison {
    struct pair *pairs;
    size_t n_pairs;
    int side; /* of the file that is being read */
    char *hosts[2];
    bool mixed_hosts;
};

static enum mscope_status take(void *user, const struct record *row, uint64_t i_line,
                               struct mscope_error *err);
static enum mscope_status take_rate(struct comparison *comparison, const char *key,
                                    const char *rate, const struct record_reals *samples,
                                    double value, struct mscope_error *err);
static char *make_key(const struct record *row);
static void judge(struct comparison *comparison);
static int by_p(const void *a, const void *b);
static const char *verdict_of(const struct pair *pair);
static void print_md(const struct comparison *comparison);
static void print_json(const struct comparison *comparison);
static void print_csv(const struct comparison *comparison);
static void release(struct comparison *comparison);

enum mscope_status bench_compare(const char *path_a, const char *path_b, const char *format,
                                 struct mscope_error *err)
{
    struct comparison comparison = {0};
    const char *paths[2] = {path_a, path_b};
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < 2 && status == MSCOPE_OK; i++) {
        struct row_file_report report;
        comparison.side = i;
        status = row_file_read(paths[i], take, &comparison, &report, err);
        if (status == MSCOPE_OK && report.n_corrupt + report.n_other_schema > 0) {
            out_note("%s: %llu lines are no rows of this version and left out", paths[i],
                     (unsigned long long)(report.n_corrupt + report.n_other_schema));
        }
    }
    if (status == MSCOPE_OK) {
        size_t n_both = 0;
        for (size_t i = 0; i < comparison.n_pairs; i++) {
            n_both += comparison.pairs[i].n[0] > 0 && comparison.pairs[i].n[1] > 0;
        }
        if (n_both == 0) {
            status = error_set(err, MSCOPE_ERR_ARGUMENT, path_b,
                               "no test that %s has too, expected at least one", path_a);
        }
    }
    if (status == MSCOPE_OK) {
        judge(&comparison);
        if (comparison.mixed_hosts) {
            out_note("the rows come from different machines");
        }
        if (strcmp(format, "md") == 0) {
            print_md(&comparison);
        } else if (strcmp(format, "csv") == 0) {
            print_csv(&comparison);
        } else {
            print_json(&comparison);
        }
    }
    release(&comparison);
    return status;
}

static enum mscope_status take(void *user, const struct record *row, uint64_t i_line,
                               struct mscope_error *err)
{
    (void)i_line;
    struct comparison *comparison = user;
    if (strcmp(row->status, "ok") != 0) {
        return MSCOPE_OK;
    }
    char **host = &comparison->hosts[comparison->side];
    if (*host == NULL) {
        enum mscope_status status = record_set_text(host, row->host_fingerprint, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    const char *first = comparison->hosts[0];
    comparison->mixed_hosts =
        comparison->mixed_hosts || (first != NULL && strcmp(first, row->host_fingerprint) != 0);
    char *key = make_key(row);
    if (key == NULL) {
        return error_set_memory(err, "comparison", 0);
    }
    enum mscope_status status =
        take_rate(comparison, key, "prefill", &row->prefill_tps_samples, row->prefill_tps, err);
    if (status == MSCOPE_OK) {
        status =
            take_rate(comparison, key, "decode", &row->decode_tps_samples, row->decode_tps, err);
    }
    free(key);
    return status;
}

/* A bench row brings its samples, a study row is one. */
static enum mscope_status take_rate(struct comparison *comparison, const char *key,
                                    const char *rate, const struct record_reals *samples,
                                    double value, struct mscope_error *err)
{
    const double *values = samples->values != NULL ? samples->values : &value;
    size_t n = samples->values != NULL ? samples->n : 1;
    if (isnan(value)) {
        return MSCOPE_OK;
    }
    struct pair *pair = NULL;
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        struct pair *at = &comparison->pairs[i];
        if (strcmp(at->key, key) == 0 && strcmp(at->rate, rate) == 0) {
            pair = at;
        }
    }
    if (pair == NULL) {
        struct pair *grown = realloc(comparison->pairs, (comparison->n_pairs + 1) * sizeof *grown);
        char *copy = strdup(key);
        if (grown != NULL) {
            comparison->pairs = grown;
        }
        if (grown == NULL || copy == NULL) {
            free(copy);
            return error_set_memory(err, "comparison", sizeof *grown);
        }
        pair = &grown[comparison->n_pairs++];
        *pair = (struct pair){.key = copy, .rate = rate, .p = NAN};
    }
    int side = comparison->side;
    double *grown = realloc(pair->samples[side], (pair->n[side] + n) * sizeof *grown);
    if (grown == NULL) {
        return error_set_memory(err, "comparison", (pair->n[side] + n) * sizeof *grown);
    }
    pair->samples[side] = grown;
    memcpy(grown + pair->n[side], values, n * sizeof *grown);
    pair->n[side] += n;
    return MSCOPE_OK;
}

static char *make_key(const struct record *row)
{
    struct strbuf key = {0};
    if (row->test != NULL) {
        strbuf_printf(&key, "%s %s%s t%lld b%lld %s", row->model != NULL ? row->model : "?",
                      row->test,
                      row->prompt != NULL && strcmp(row->prompt, "random") == 0 ? " random" : "",
                      (long long)row->threads, (long long)row->n_batch,
                      row->kv_type != NULL ? row->kv_type : "");
    } else {
        strbuf_printf(&key, "%s %s %s t%lld %s", row->model != NULL ? row->model : "?",
                      row->experiment != NULL ? row->experiment : "?",
                      row->prompt != NULL ? row->prompt : "?", (long long)row->threads,
                      row->kv_type != NULL ? row->kv_type : "");
    }
    if (row->engine != NULL && strcmp(row->engine, "moescope") != 0) {
        strbuf_printf(&key, " %s", row->engine);
    }
    if (key.failed) {
        strbuf_free(&key);
        return NULL;
    }
    return key.data;
}

/* Welch's test, corrected for the number of tests by Holm's step-down procedure (Holm 1979). */
static void judge(struct comparison *comparison)
{
    struct pair **sorted = malloc(comparison->n_pairs * sizeof *sorted);
    size_t n = 0;
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        struct pair *pair = &comparison->pairs[i];
        pair->test = stats_compare(pair->samples[0], pair->n[0], pair->samples[1], pair->n[1]);
        if (sorted != NULL && !isnan(pair->test.p_welch)) {
            sorted[n++] = pair;
        }
    }
    if (n > 0) {
        qsort(sorted, n, sizeof *sorted, by_p);
    }
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double p = fmin(1, sorted[i]->test.p_welch * (double)(n - i));
        most = fmax(most, p);
        sorted[i]->p = most;
    }
    free(sorted);
}

static int by_p(const void *a, const void *b)
{
    double x = (*(struct pair *const *)a)->test.p_welch;
    double y = (*(struct pair *const *)b)->test.p_welch;
    return (x > y) - (x < y);
}

static const char *verdict_of(const struct pair *pair)
{
    if (pair->n[0] == 0 || pair->n[1] == 0) {
        return pair->n[0] == 0 ? "only in B" : "only in A";
    }
    if (isnan(pair->p)) {
        return "too few samples";
    }
    if (pair->p >= SIGNIFICANCE) {
        return "no difference shown";
    }
    return pair->test.difference > 0 ? "B is faster" : "B is slower";
}

static void print_md(const struct comparison *comparison)
{
    out_printf("| %-44s | %-7s | %10s | %10s | %8s | %-18s | %7s | %7s | %-19s |\n", "test", "rate",
               "A tok/s", "B tok/s", "change", "95 % of change", "p", "p rank", "verdict");
    out_printf(
        "|:---------------------------------------------|:--------|-----------:|-----------:|"
        "---------:|:-------------------|--------:|--------:|:--------------------|\n");
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        const struct pair *pair = &comparison->pairs[i];
        double a = stats_of(pair->samples[0], pair->n[0]).mean;
        double b = stats_of(pair->samples[1], pair->n[1]).mean;
        char interval[64] = "-", change[32] = "-", p[2][32] = {"-", "-"};
        if (!isnan(pair->test.ratio)) {
            snprintf(change, sizeof change, "%+.1f %%", 100 * (pair->test.ratio - 1));
        }
        if (!isnan(pair->p)) {
            snprintf(interval, sizeof interval, "%+.1f .. %+.1f %%", 100 * pair->test.ci95_low / a,
                     100 * pair->test.ci95_high / a);
            snprintf(p[0], sizeof p[0], "%.4f", pair->p);
            snprintf(p[1], sizeof p[1], "%.4f", pair->test.p_rank);
        }
        out_printf("| %-44s | %-7s | %10.2f | %10.2f | %8s | %-18s | %7s | %7s | %-19s |\n",
                   pair->key, pair->rate, a, b, change, interval, p[0], p[1], verdict_of(pair));
    }
    out_printf(
        "\np: Welch's t-test, corrected for %zu tests (Holm); p rank: Mann-Whitney, as it is. "
        "A difference counts below p %.2f.\n",
        comparison->n_pairs, SIGNIFICANCE);
}

static void print_json(const struct comparison *comparison)
{
    json_t *list = json_array();
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        const struct pair *pair = &comparison->pairs[i];
        json_t *json = json_object();
        json_object_set_new(json, "test", json_string(pair->key));
        json_object_set_new(json, "rate", json_string(pair->rate));
        json_object_set_new(json, "n_a", json_integer((json_int_t)pair->n[0]));
        json_object_set_new(json, "n_b", json_integer((json_int_t)pair->n[1]));
        json_object_set_new(json, "a_tps",
                            json_number(stats_of(pair->samples[0], pair->n[0]).mean));
        json_object_set_new(json, "b_tps",
                            json_number(stats_of(pair->samples[1], pair->n[1]).mean));
        json_object_set_new(json, "ratio", json_number(pair->test.ratio));
        json_object_set_new(json, "difference_ci95_low", json_number(pair->test.ci95_low));
        json_object_set_new(json, "difference_ci95_high", json_number(pair->test.ci95_high));
        json_object_set_new(json, "p_welch", json_number(pair->test.p_welch));
        json_object_set_new(json, "p_welch_holm", json_number(pair->p));
        json_object_set_new(json, "p_rank", json_number(pair->test.p_rank));
        json_object_set_new(json, "verdict", json_string(verdict_of(pair)));
        json_array_append_new(list, json);
    }
    out_json(list);
}

static void print_csv(const struct comparison *comparison)
{
    out_printf("test,rate,n_a,n_b,a_tps,b_tps,ratio,p_welch_holm,p_rank,verdict\n");
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        const struct pair *pair = &comparison->pairs[i];
        out_printf("\"%s\",%s,%zu,%zu,%.9g,%.9g,%.9g,%.9g,%.9g,%s\n", pair->key, pair->rate,
                   pair->n[0], pair->n[1], stats_of(pair->samples[0], pair->n[0]).mean,
                   stats_of(pair->samples[1], pair->n[1]).mean, pair->test.ratio, pair->p,
                   pair->test.p_rank, verdict_of(pair));
    }
}

static void release(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->n_pairs; i++) {
        free(comparison->pairs[i].key);
        free(comparison->pairs[i].samples[0]);
        free(comparison->pairs[i].samples[1]);
    }
    free(comparison->pairs);
    free(comparison->hosts[0]);
    free(comparison->hosts[1]);
}
