/* SPDX-License-Identifier: MIT */
/*
 * The work of one block, done in a child process: open the model, warm up until stable, then cell
 * by cell cool down, run, judge the machine, report. Lines on the pipe begin with a letter:
 *
 *   O              opened
 *   W <k>          warm-up run k begins
 *   N <text>       a line for who watches
 *   B <i>          cell i of the block begins
 *   R <json>       its row (also a failed one)
 *   X <status> <text>  the block cannot go on: "failed" or "oom", and why
 */
#ifndef MEASURE_WORKER_H
#define MEASURE_WORKER_H

#include "measure/child.h"
#include "measure/config.h"
#include "measure/driver.h"

struct worker_cell {
    const struct config_prompt *prompt;
    const char *name;
    int order_index;
};

struct worker_job {
    const struct driver_class *class;
    struct driver_settings settings;
    const struct config_experiment *experiment;
    const struct config_device *device;
    const struct record *base; /* of every row of the block */
    const struct worker_cell *cells;
    int n_cells;
    int repetition;
    bool is_stand_in; /* prompts are cut to STAND_IN_TOKENS_PER_WORD */
    double cooldown_s;
    const char *sensor_root; /* "" */
};

child_main_fn worker_main; /* `user` is a struct worker_job */

/* Tokens of a prompt for a stand-in: its vocabulary knows no words and would make three times as
 * many as the model it stands for. */
int worker_stand_in_tokens(const struct config_prompt *prompt);

#endif
