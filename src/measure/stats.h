/* SPDX-License-Identifier: MIT */
/* Statistics of small samples. Stateless; NaN where a figure is not defined (n too small). */
#ifndef MEASURE_STATS_H
#define MEASURE_STATS_H

#include <stddef.h>

struct stats {
    size_t n;
    double mean, median, min, max;
    double sd;   /* of the sample (n - 1); NaN below 2 */
    double cv;   /* sd / mean */
    double ci95; /* half width of the 95 % interval of the mean, Student's t; NaN below 2 */
};
/* NaNs among the values are left out. */
struct stats stats_of(const double *values, size_t n);

/* Percentile `share` in [0, 1], linear between ranks (Hyndman and Fan 1996, type 7). NaN for n 0.
 */
double stats_percentile(const double *values, size_t n, double share);

/* Half the width of the 95 % interval of the median, by order statistics (normal approximation of
 * the binomial ranks); NaN below 6 values. */
double stats_median_ci95(const double *values, size_t n);

/* Quantile of Student's t with `df` > 0 degrees of freedom; `share` in (0, 1). */
double stats_t_quantile(double share, double df);
/* Probability that |T| >= |t|. */
double stats_t_two_sided(double t, double df);

struct stats_test {
    double difference;          /* mean of b minus mean of a */
    double ratio;               /* mean of b / mean of a */
    double ci95_low, ci95_high; /* of the difference (Welch) */
    double p_welch;             /* two-sided */
    double p_rank;              /* Mann-Whitney, two-sided: exact up to 20 values each without
                                   ties, else normal with tie correction */
};
/* All NaN but difference and ratio where a sample has fewer than two values. */
struct stats_test stats_compare(const double *a, size_t n_a, const double *b, size_t n_b);

#endif
