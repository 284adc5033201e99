/* SPDX-License-Identifier: MIT */
/*
 * What will be measured, in which order: a list of cells, cut into blocks. A block is one model
 * with one engine and one number of threads, loaded once in a process of its own; its cells are one
 * repetition of all prompts. Blocks of a repetition and cells of a block are in random order by the
 * recorded seed; the same inputs give the same plan. Points into the configuration, which must
 * outlive it. One thread.
 *
 *   experiment ─ repetition 1 ─ blocks (models × engines × threads) shuffled ─ prompts shuffled
 *              └ repetition 2 ─ ...
 *
 * Where models cannot all be kept on disk (by_model), blocks of a model come together instead.
 */
#ifndef MEASURE_PLAN_H
#define MEASURE_PLAN_H

#include "measure/config.h"
#include "measure/driver.h"

enum { PLAN_MAX_ENGINES = 8, PLAN_MAX_THREADS = 32 };

struct plan_engine {
    const struct driver_class *class;
    const char *target;
    char name[DRIVER_NAME_BYTES]; /* "moescope", "llama.cpp", and "llama.cpp#2" for the second of a
                                     kind */
};

struct plan_params {
    const char *study; /* name in rows and cells */
    const struct config_experiment *const *experiments;
    unsigned n_experiments;
    const char *const *only_models; /* ids; NULL: all */
    unsigned n_only_models;
    const struct plan_engine *engines;
    int n_engines;
    const int *threads; /* instead of the experiments'; NULL: theirs */
    int n_threads;
    int device_threads; /* what 0 stands for, > 0 */
    int max_threads;    /* more are left out and counted */
    uint64_t seed;
    bool by_model;
};

struct plan_cell {
    const struct config_prompt *prompt;
    char *name;
    int order_index; /* from 0, over the whole plan */
};

struct plan_block {
    const struct config_experiment *experiment;
    const struct config_model *model;
    const struct plan_engine *engine;
    int threads, repetition; /* from 1 */
    bool is_extra; /* a repetition beyond the experiment's: only after the thermal limit was passed
                    */
    int first_cell, n_cells; /* in plan.cells */
};

struct plan {
    struct plan_block *blocks;
    int n_blocks;
    struct plan_cell *cells;
    int n_cells, n_extra_cells;
    int n_left_out; /* (experiment, threads) pairs beyond max_threads */
};

enum mscope_status plan_make(struct plan **out, const struct config *config,
                             const struct plan_params *params, struct mscope_error *err);
void plan_close(struct plan **plan);

/* Comma lists and ranges of whole numbers: "1,2,8", "1-4" (1 2 3 4), "128-512+128" (128 256 384
 * 512), "1-8*2" (1 2 4 8). At most `max` numbers within least .. most; a usage error names `what`.
 */
enum mscope_status plan_parse_list(int *values, int *n, int max, const char *text, const char *what,
                                   int least, int most, struct mscope_error *err);

#endif
