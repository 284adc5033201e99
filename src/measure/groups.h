/* SPDX-License-Identifier: MIT */
/*
 * How much repetitions of one setting (experiment, model, prompt, threads, engine) vary: their
 * decode rates so far, by the name of the cell without its repetition. One thread.
 */
#ifndef MEASURE_GROUPS_H
#define MEASURE_GROUPS_H

#include "measure/record.h"
#include "measure/stats.h"

#include <stdbool.h>

struct group;
struct groups {
    struct group *values; /* (n) */
    size_t n;
};

/* A row joins its group; *stats are the group's then, *is_flagged whether its coefficient of
 * variation is above `cv_limit`. Rows without a rate change nothing. */
enum mscope_status groups_take(struct groups *groups, const struct record *record, double cv_limit,
                               struct stats *stats, bool *is_flagged, struct mscope_error *err);
int groups_n_flagged(const struct groups *groups);
void groups_free(struct groups *groups);

#endif
