/* SPDX-License-Identifier: MIT */
/*
 * How long the rest of a plan will take: learns rates from rows (also those of earlier starts) and
 * what a process costs before its first run. A setting without rows is taken to be like the same
 * model with another number of threads, else like the mean of all. Points into the plan. One
 * thread.
 */
#ifndef MEASURE_ETA_H
#define MEASURE_ETA_H

#include "measure/plan.h"
#include "measure/record.h"

struct eta;
enum mscope_status eta_open(struct eta **out, const struct plan *plan, struct mscope_error *err);
void eta_close(struct eta **eta);

/* A finished row; `cycle_s` is the time since the one before it, NaN where not known. A row of a
 * setting that is not in the plan, or not ok, teaches nothing. */
void eta_take_row(struct eta *eta, const struct record *row, double cycle_s);
/* Opening, warm-up and the cost of the split: from the start of the block's process to its first
 * run. */
void eta_take_opening(struct eta *eta, const struct plan_block *block, double seconds);

/* Seconds that opening a block, and running one of its cells, will take; eta_cell_s is NaN while
 * nothing is known. */
double eta_opening_s(const struct eta *eta, const struct plan_block *block);
double eta_cell_s(const struct eta *eta, const struct plan_block *block,
                  const struct plan_cell *cell);

#endif
