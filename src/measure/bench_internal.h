/* SPDX-License-Identifier: MIT */
/* Between the files of bench: the child process that measures, and the samples of one test. */
#ifndef MEASURE_BENCH_INTERNAL_H
#define MEASURE_BENCH_INTERNAL_H

#include "measure/bench.h"
#include "measure/child.h"
#include "measure/condition.h"
#include "measure/roofs.h"

/*
 * One process: one engine, all tests, one round. Lines on the pipe:
 *
 *   S <text>               what is being done
 *   R <i_test> <json>      one run, or all repetitions of a program that makes them itself
 *   X <i_test> <status> <text>   no more of this test; -1: of any
 */
struct bench_job {
    const struct bench_params *params;
    const struct bench_engine *engine;
    const struct record *base; /* of every row */
    FILE *out;
};
child_main_fn bench_worker_main; /* `user` is a struct bench_job */

/* Everything that is known of a row before its run. */
enum mscope_status bench_name_row(struct record *row, const struct bench_params *params,
                                  const struct bench_engine *engine, const struct driver_test *test,
                                  struct mscope_error *err);

struct bench_list {
    double *values;
    size_t n, capacity;
};

struct bench_samples { /* of one test with one engine, over all rounds */
    struct bench_list prefill_tps, decode_tps, ttft_ms, wall_ms, steps_ms;
    struct bench_list roofs; /* read bandwidth, GB/s: one for each run, NaN: the cores were moved */
    struct bench_list peaks; /* int8, GOP/s: likewise; all NaN where none were measured */
    struct bench_list handoffs; /* of a cache line, ns: one for each run with a roof */
    double roof_drift;          /* the largest of a process */
    struct condition_moves moves;
    struct record row; /* the last run; verdict and memory of the worst */
    int n_runs;
};

void bench_samples_init(struct bench_samples *samples);
void bench_samples_free(struct bench_samples *samples);
/* Takes over the content of `run` and leaves it null. */
enum mscope_status bench_samples_add(struct bench_samples *samples, struct record *run,
                                     struct mscope_error *err);
/* The last n runs were between these two looks. */
enum mscope_status bench_samples_add_roof(struct bench_samples *samples, int n,
                                          const struct roof *before, const struct roof *after,
                                          struct mscope_error *err);
/* Fills samples->row: means, medians, deviations, percentiles, and shares of the ceilings. */
enum mscope_status bench_samples_summarise(struct bench_samples *samples,
                                           const struct driver_test *test,
                                           struct mscope_error *err);

#endif
