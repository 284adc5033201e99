/* SPDX-License-Identifier: MIT */
/*
 * Carries out a plan: for each block with unfinished cells finds or makes the model, starts a
 * worker process, takes its rows and appends them. A worker that crashes, hangs or is killed for
 * memory costs the cell it was at; the rest of the block is tried again in a new process. What is
 * in the file already is not measured again. Never prints: it tells. One thread.
 */
#ifndef MEASURE_RUNNER_H
#define MEASURE_RUNNER_H

#include "measure/plan.h"
#include "measure/row_file.h"

enum runner_news_kind {
    RUNNER_NOTE, /* `text`, to be shown on a line of its own */
    RUNNER_STEP, /* `text` says what is being done */
    RUNNER_ROW   /* `record` was appended */
};
struct runner_news {
    enum runner_news_kind kind;
    const char *text;
    const struct record *record;
    int n_done, n_total; /* cells, finished ones of earlier starts included */
    double left_s;       /* estimate; NaN when there is none yet */
};

struct runner_params {
    const struct config *config;
    const struct plan *plan;
    const struct config_device *device;
    const struct record *base; /* provenance, study, order_seed, seed */
    const char *models_dir, *out_path;
    const char *kv_type, *cpu_level; /* cpu_level NULL: the best */
    const char *api_key;             /* of http engines; NULL: none */
    bool fit; /* leave out models that do not fit into free memory, instead of trying */
    bool no_stand_ins, no_real;
    bool measure_roofs;
    double grace_s;          /* for a worker beyond a run's own time limit; 0: a minute */
    const char *sensor_root; /* "" */
    void (*tell)(void *user, const struct runner_news *news);
    bool (*stopped)(void *user); /* NULL: never */
    void *user;
};

struct runner_result {
    int n_ok, n_failed, n_skipped; /* rows of this start */
    int n_before;                  /* cells that were there already */
    bool hot;                      /* the thermal limit was passed */
    bool was_stopped;
    int n_flagged; /* groups whose CV is above the limit */
    struct row_file_report file;
};

enum mscope_status runner_run(struct runner_result *out, const struct runner_params *params,
                              struct mscope_error *err);

#endif
