/* SPDX-License-Identifier: MIT */
/*
 * Short tests of one model file with the own engine: repetitions summarised in one row. Each
 * setting of (threads, batch, cache) has a process of its own. One thread.
 */
#ifndef MEASURE_BENCH_H
#define MEASURE_BENCH_H

#include "measure/record.h"
#include "measure/roofs.h"

enum { BENCH_MAX_LIST = 64 };

struct bench_test { /* n_prompt tokens in, then n_gen out, after n_depth in the cache */
    int n_prompt, n_gen, n_depth;
};

struct bench_params {
    const char *path;
    const struct bench_test *tests;
    int n_tests;
    int n_threads, n_batch;
    const char *kv_type;
    const char *cpu_level; /* NULL: the best */
    int n_repetitions;
    bool random;      /* random tokens instead of text */
    const char *text; /* NULL: a text of our own */
    uint64_t seed;
    const struct record *base;                             /* provenance */
    struct roofs *roofs;                                   /* NULL: do not measure ceilings */
    void (*take)(void *user, const struct record *record); /* each row when it is done */
    void (*step)(void *user, const char *text);            /* what is being done */
    bool (*stopped)(void *user);
    void *user;
};

/* Crashes, lack of memory and refused tests are rows with their reason. */
enum mscope_status bench_run(const struct bench_params *params, struct mscope_error *err);

/* "pp512", "tg128", "pp512+tg128", with "@d2048". Returns `text`. */
enum { BENCH_NAME_BYTES = 64 };
const char *bench_test_name(char text[BENCH_NAME_BYTES], const struct bench_test *test);

#endif
