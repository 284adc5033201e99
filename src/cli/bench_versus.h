/* SPDX-License-Identifier: MIT */
/*
 * Engines side by side: rows of bench, sorted by model and test, each engine with its median,
 * range, ratio to the first engine, and share of the ceiling; and Mixture-of-Experts models beside
 * dense ones, engine by engine. The rows come from a bench that ends or from files. One thread.
 */
#ifndef CLI_BENCH_VERSUS_H
#define CLI_BENCH_VERSUS_H

#include "measure/record.h"

#include <stdbool.h>

struct bench_versus {
    struct record *rows;
    size_t n, capacity;
};

struct bench_share { /* one row, put beside the others of its test */
    const struct record *row;
    bool is_ok, is_prefill;
    double median, low, high;
    double of_first;   /* ratio of medians to the first engine of the test */
    double bytes, ops; /* that a token needs, as the own engine counted them; NaN: it did not run */
    double of_read, of_int8; /* share of the read bandwidth (decode), of the int8 peak (prefill) */
};

enum mscope_status bench_versus_add(struct bench_versus *versus, const struct record *row,
                                    struct mscope_error *err);
void bench_versus_free(struct bench_versus *versus);

/* The tables as Markdown, the second only where there are models of both kinds. */
void bench_versus_print(const struct bench_versus *versus);
void bench_versus_print_ratios(const struct bench_versus *versus);
void bench_versus_print_csv(const struct bench_versus *versus);
void bench_versus_print_ratios_csv(const struct bench_versus *versus);

/*
 * Read bandwidth in GB/s between those beside the samples, where the highest is far above the
 * lowest: the cores were moved, and engines that had them here and there cannot be compared by
 * their medians. Else NaN.
 */
double bench_versus_middle(const struct bench_versus *versus);

/* The decode rows with their samples of one side; the caller frees it. */
enum mscope_status bench_versus_side(struct bench_versus *out, const struct bench_versus *all,
                                     double middle, bool above, struct mscope_error *err);

struct bench_show_options {
    const char *format; /* "md": all tables; "csv": the first, or with `ratios` the second */
    bool ratios;
    const char *roof; /* NULL, or "low", "high": decode of that side alone */
};

/* `bench show FILE...`: the tables of the bench rows of these files. */
enum mscope_status bench_show(const char *const *paths, int n_paths,
                              const struct bench_show_options *options, struct mscope_error *err);

#endif
