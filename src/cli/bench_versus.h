/* SPDX-License-Identifier: MIT */
/*
 * Engines side by side: rows of bench in one table, sorted by test, each engine with its median,
 * range, ratio to the first engine, and share of the read bandwidth. One thread.
 */
#ifndef CLI_BENCH_VERSUS_H
#define CLI_BENCH_VERSUS_H

#include "measure/bench.h"

struct bench_versus {
    struct record *rows;
    size_t n, capacity;
};

enum mscope_status bench_versus_add(struct bench_versus *versus, const struct record *row,
                                    struct mscope_error *err);
/* Prints the table of what was added, in the order of tests and engines, and forgets it. */
void bench_versus_print(struct bench_versus *versus, const struct bench_engine *engines,
                        int n_engines);
void bench_versus_free(struct bench_versus *versus);

#endif
