/* SPDX-License-Identifier: MIT */
/* Rows of bench as a Markdown table, CSV, JSON or JSON lines, each printed as it comes. */
#include "cli/bench_table.h"

#include "base/units.h"
#include "cli/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_md(struct bench_table *table, const struct record *row);
static void print_csv(struct bench_table *table, const struct record *row);
static void print_json(struct bench_table *table, const struct record *row);
static void rate_text(char text[40], double mean, double ci95);
static void number_text(char text[40], const char *format, double value);

void bench_table_start(struct bench_table *table, const char *format)
{
    *table = (struct bench_table){.format = format};
}

void bench_table_row(struct bench_table *table, const struct record *row)
{
    if (strcmp(table->format, "md") == 0) {
        print_md(table, row);
    } else if (strcmp(table->format, "csv") == 0) {
        print_csv(table, row);
    } else {
        print_json(table, row);
    }
    table->n_rows++;
    out_flush();
}

void bench_table_end(struct bench_table *table)
{
    if (strcmp(table->format, "json") == 0) {
        out_printf(table->n_rows > 0 ? "\n]\n" : "[]\n");
    }
}

/* Rates are means with the half width of their 95 % interval. */
static void print_md(struct bench_table *table, const struct record *row)
{
    if (table->n_rows == 0) {
        out_printf("| %-28s | %9s | %2s | %-14s | %-17s | %-17s | %8s | %-22s | %9s | %5s |\n",
                   "model", "size", "t", "test", "prefill tok/s", "decode tok/s", "TTFT ms",
                   "ms/token p50/p95/p99", "peak RAM", "S-MBU");
        out_printf("|:-----------------------------|----------:|---:|:---------------|"
                   "------------------:|------------------:|---------:|:-----------------------|"
                   "----------:|------:|\n");
    }
    char prefill[40], decode[40], ttft[40], p50[40], p95[40], p99[40], steps[128], mbu[40];
    char size[UNITS_TEXT_BYTES], ram[UNITS_TEXT_BYTES] = "-", test[64];
    units_bytes(size, row->model_bytes > 0 ? (uint64_t)row->model_bytes : 0);
    snprintf(test, sizeof test, "%s%s", row->test,
             row->prompt != NULL && strcmp(row->prompt, "random") == 0 ? " random" : "");
    if (strcmp(row->status, "ok") != 0) {
        out_printf("| %-28.60s | %9s | %2" PRId64 " | %-14s | %s: %s |\n", row->model, size,
                   row->threads, test, row->status, row->reason);
        return;
    }
    rate_text(prefill, row->prefill_tps, row->prefill_tps_ci95);
    rate_text(decode, row->decode_tps, row->decode_tps_ci95);
    number_text(ttft, "%.1f", row->ttft_ms);
    number_text(p50, "%.1f", row->tpot_ms_p50);
    number_text(p95, "%.1f", row->tpot_ms_p95);
    number_text(p99, "%.1f", row->tpot_ms_p99);
    number_text(mbu, "%.0f %%", 100 * row->s_mbu);
    snprintf(steps, sizeof steps, isnan(row->tpot_ms_p50) ? "-" : "%s / %s / %s", p50, p95, p99);
    if (row->peak_rss_bytes != RECORD_NO_INT) {
        units_bytes(ram, (uint64_t)row->peak_rss_bytes);
    }
    out_printf("| %-28.60s | %9s | %2" PRId64
               " | %-14s | %17s | %17s | %8s | %-22s | %9s | %5s |\n",
               row->model, size, row->threads, test, prefill, decode, ttft, steps, ram, mbu);
}

/* All fields that are one number or one text. */
static void print_csv(struct bench_table *table, const struct record *row)
{
    bool heading = table->n_rows == 0;
    for (int pass = heading ? 0 : 1; pass < 2; pass++) {
        const char *comma = "";
        for (const struct record_field *field = record_fields; field->name != NULL; field++) {
            const char *at = (const char *)row + field->offset;
            if (field->kind != RECORD_TEXT && field->kind != RECORD_INT &&
                field->kind != RECORD_REAL && field->kind != RECORD_BOOL) {
                continue;
            }
            out_printf("%s", comma);
            comma = ",";
            if (pass == 0) {
                out_printf("%s", field->name);
            } else if (field->kind == RECORD_TEXT) {
                out_csv_text(*(char *const *)at);
            } else if (field->kind == RECORD_INT && *(const int64_t *)at != RECORD_NO_INT) {
                out_printf("%" PRId64, *(const int64_t *)at);
            } else if (field->kind != RECORD_INT && isfinite(record_number(row, field))) {
                out_printf("%.9g", record_number(row, field));
            }
        }
        out_printf("\n");
    }
}

static void print_json(struct bench_table *table, const struct record *row)
{
    bool lines = strcmp(table->format, "jsonl") == 0;
    json_t *json = record_to_json(row);
    char *text =
        json != NULL
            ? json_dumps(json, (lines ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(9))
            : NULL;
    json_decref(json);
    if (text != NULL) {
        out_printf("%s%s%s",
                   lines                ? ""
                   : table->n_rows == 0 ? "[\n"
                                        : ",\n",
                   text, lines ? "\n" : "");
    }
    free(text);
}

static void rate_text(char text[40], double mean, double ci95)
{
    if (isnan(mean)) {
        snprintf(text, 40, "-");
    } else if (isnan(ci95)) {
        snprintf(text, 40, "%.2f", mean);
    } else {
        snprintf(text, 40, "%.2f ± %.2f", mean, ci95);
    }
}

static void number_text(char text[40], const char *format, double value)
{
    if (isnan(value)) {
        snprintf(text, 40, "-");
    } else {
        snprintf(text, 40, format, value);
    }
}
