/* SPDX-License-Identifier: MIT */
/*
 * Short tests of one model file with one or several engines: repetitions summarised in one row for
 * each test and engine. Several engines take turns: in every round each has a process of its own,
 * in random order by the seed. The read bandwidth of the machine is measured before and after each
 * process, its arithmetic peaks before the first and after every round. One thread.
 */
#ifndef MEASURE_BENCH_H
#define MEASURE_BENCH_H

#include "measure/driver.h"
#include "measure/record.h"
#include "measure/roofs.h"

enum { BENCH_MAX_LIST = 64, BENCH_MAX_ENGINES = 8, BENCH_MAX_ROUNDS = 100 };

struct bench_engine {
    const struct driver_class *class;
    const char *target;           /* as driver_choose gives it */
    char name[DRIVER_NAME_BYTES]; /* in rows and cells, unlike those of the others */
};

struct bench_params {
    const char *path;
    const struct driver_test *tests;
    int n_tests;
    const struct bench_engine *engines;
    int n_engines;
    int n_threads, n_batch;
    const char *kv_type;
    const char *cpu_level;       /* NULL: the best; own engine only */
    int n_rounds, n_repetitions; /* of each test in each round */
    bool random;                 /* random tokens instead of text */
    const char *text;            /* NULL: a text of our own */
    double timeout_s;            /* of one run, or of one start of a program; <= 0: none */
    const char *api_key;         /* NULL: none */
    uint64_t seed;
    const struct record *base;                             /* provenance */
    bool measure_roofs;                                    /* the ceilings of this machine */
    void (*take)(void *user, const struct record *record); /* each row, after the last round */
    void (*step)(void *user, const char *text);            /* what is being done */
    bool (*stopped)(void *user);
    void *user;
};

/* Crashes, lack of memory and refused tests are rows with their reason; what was measured before a
 * stop is rows of fewer runs. */
enum mscope_status bench_run(const struct bench_params *params, struct mscope_error *err);

/* "pp512", "tg128", "pp512+tg128", with "@d2048". Returns `text`. */
enum { BENCH_NAME_BYTES = 64 };
const char *bench_test_name(char text[BENCH_NAME_BYTES], const struct driver_test *test);
/* The same backwards. MSCOPE_ERR_ARGUMENT shows the form. */
enum mscope_status bench_test_parse(struct driver_test *test, const char *text, int most,
                                    struct mscope_error *err);

#endif
