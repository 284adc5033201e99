/* SPDX-License-Identifier: MIT */
/*
 * A figure with its 95 % interval, from samples. Rates are compared as logarithms, so that a ratio
 * and its inverse get the same verdict. Inside report/ only. Stateless but for the store read.
 */
#ifndef REPORT_ESTIMATE_H
#define REPORT_ESTIMATE_H

#include "report/store.h"

struct estimate { /* low and high are NaN where the samples are too few for an interval */
    double value, low, high;
    size_t n; /* runs behind it */
};

struct samples { /* owns values */
    double *values;
    size_t n;
};

struct estimate estimate_none(void);
bool estimate_has_interval(const struct estimate *estimate);

/* First column of every row that is not null. */
enum mscope_status samples_read(struct samples *samples, struct store *store, const char *sql,
                                const char *const *texts, struct mscope_error *err);
void samples_free(struct samples *samples);

/* Mean with Student's t interval. */
struct estimate estimate_mean(const struct samples *samples);

struct estimate_term {
    double weight;
    const struct samples *samples;
};
/* Sum of weight × mean; interval by Welch and Satterthwaite, which needs two values per sample. */
struct estimate estimate_contrast(const struct estimate_term *terms, size_t n_terms);
/* exp() of value and limits. */
struct estimate estimate_exponential(struct estimate logarithm);

/*
 * Ratio of `expression` (a positive column) of arm `a` to arm `b` over view headline_runs. With
 * three prompts or more in common: geometric mean over prompts of the ratio, t interval over
 * prompts. Else over single runs.
 */
enum mscope_status estimate_ratio(struct estimate *out, struct store *store, const char *expression,
                                  const char *a, const char *b, struct mscope_error *err);

/*
 * Coefficient of variation with a percentile bootstrap interval (2000 resamples, fixed seed), which
 * needs eight values.
 */
struct estimate estimate_cv(const struct samples *samples);

#endif
