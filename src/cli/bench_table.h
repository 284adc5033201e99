/* SPDX-License-Identifier: MIT */
/* Rows of bench on standard output: a table for people, CSV, JSON. One thread. */
#ifndef CLI_BENCH_TABLE_H
#define CLI_BENCH_TABLE_H

#include "measure/record.h"

struct bench_table {
    const char *format; /* "md", "csv", "json", "jsonl" */
    int n_rows;
};

void bench_table_start(struct bench_table *table, const char *format);
void bench_table_row(struct bench_table *table, const struct record *row);
void bench_table_end(struct bench_table *table);

/* `bench compare`: same tests of two files side by side, with a verdict each. */
enum mscope_status bench_compare(const char *path_a, const char *path_b, const char *format,
                                 struct mscope_error *err);

#endif
