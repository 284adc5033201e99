/* SPDX-License-Identifier: MIT */
/* Statistics of small samples: order statistics, Student's t, Welch's test, the rank sum test. */
#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_MAX = 20 }; /* values in each sample for the exact rank sum distribution */

static double *sorted_copy(const double *values, size_t n, size_t *n_kept);
static int compare_reals(const void *a, const void *b);
static double percentile_of_sorted(const double *sorted, size_t n, double share);
static double beta_regularized(double a, double b, double x);
static double beta_fraction(double a, double b, double x);
static double rank_sum_p(const double *a, size_t n_a, const double *b, size_t n_b);
static double exact_u_tail(size_t n_a, size_t n_b, size_t u);

struct stats stats_of(const double *values, size_t n)
{
    struct stats out = {0, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    double *sorted = sorted_copy(values, n, &n);
    out.n = n;
    if (sorted == NULL || n == 0) {
        free(sorted);
        return out;
    }
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sorted[i];
    }
    out.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += (sorted[i] - out.mean) * (sorted[i] - out.mean);
    }
    out.min = sorted[0];
    out.max = sorted[n - 1];
    out.median = percentile_of_sorted(sorted, n, 0.5);
    if (n > 1) {
        double df = (double)(n - 1);
        out.sd = sqrt(squares / df);
        out.cv = out.mean != 0 ? out.sd / fabs(out.mean) : NAN;
        out.ci95 = stats_t_quantile(0.975, df) * out.sd / sqrt((double)n);
    }
    free(sorted);
    return out;
}

double stats_percentile(const double *values, size_t n, double share)
{
    double *sorted = sorted_copy(values, n, &n);
    double value = sorted != NULL ? percentile_of_sorted(sorted, n, share) : NAN;
    free(sorted);
    return value;
}

double stats_median_ci95(const double *values, size_t n)
{
    double *sorted = sorted_copy(values, n, &n);
    double half = NAN;
    if (sorted != NULL && n >= 6) {
        double reach = 1.959964 * sqrt((double)n) / 2;
        size_t low = (size_t)fmax(floor((double)n / 2 - reach), 0);
        half = (sorted[n - 1 - low] - sorted[low]) / 2;
    }
    free(sorted);
    return half;
}

double stats_t_two_sided(double t, double df)
{
    if (!isfinite(t)) {
        return isnan(t) ? NAN : 0;
    }
    return beta_regularized(df / 2, 0.5, df / (df + t * t));
}

/* By bisection: the distribution is monotone, and nothing here is hot. */
double stats_t_quantile(double share, double df)
{
    if (!(share > 0 && share < 1) || !(df > 0)) {
        return NAN;
    }
    if (share < 0.5) {
        return -stats_t_quantile(1 - share, df);
    }
    double low = 0, high = 1;
    while (1 - stats_t_two_sided(high, df) / 2 < share) {
        high *= 2;
    }
    for (int i = 0; i < 200 && high - low > 1e-12 * high; i++) {
        double middle = (low + high) / 2;
        if (1 - stats_t_two_sided(middle, df) / 2 < share) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

struct stats_test stats_compare(const double *a, size_t n_a, const double *b, size_t n_b)
{
    struct stats of_a = stats_of(a, n_a), of_b = stats_of(b, n_b);
    struct stats_test out = {.difference = of_b.mean - of_a.mean,
                             .ratio = of_b.mean / of_a.mean,
                             .ci95_low = NAN,
                             .ci95_high = NAN,
                             .p_welch = NAN,
                             .p_rank = NAN};
    if (of_a.n < 2 || of_b.n < 2) {
        return out;
    }
    double error_a = of_a.sd * of_a.sd / (double)of_a.n;
    double error_b = of_b.sd * of_b.sd / (double)of_b.n;
    double error = error_a + error_b;
    if (error > 0) { /* degrees of freedom by Welch and Satterthwaite */
        double df =
            error * error /
            (error_a * error_a / (double)(of_a.n - 1) + error_b * error_b / (double)(of_b.n - 1));
        double half = stats_t_quantile(0.975, df) * sqrt(error);
        out.p_welch = stats_t_two_sided(out.difference / sqrt(error), df);
        out.ci95_low = out.difference - half;
        out.ci95_high = out.difference + half;
    } else {
        out.p_welch = out.difference == 0 ? 1 : 0;
        out.ci95_low = out.ci95_high = out.difference;
    }
    out.p_rank = rank_sum_p(a, n_a, b, n_b);
    return out;
}

/* Without the NaNs; NULL when memory ran out. */
static double *sorted_copy(const double *values, size_t n, size_t *n_kept)
{
    double *copy = malloc((n > 0 ? n : 1) * sizeof *copy);
    *n_kept = 0;
    for (size_t i = 0; copy != NULL && i < n; i++) {
        if (!isnan(values[i])) {
            copy[(*n_kept)++] = values[i];
        }
    }
    if (*n_kept > 1) {
        qsort(copy, *n_kept, sizeof *copy, compare_reals);
    }
    return copy;
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile_of_sorted(const double *sorted, size_t n, double share)
{
    if (n == 0 || !(share >= 0 && share <= 1)) {
        return NAN;
    }
    double rank = share * (double)(n - 1);
    size_t below = (size_t)rank;
    size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (rank - (double)below) * (sorted[above] - sorted[below]);
}

/* I_x(a, b), NIST DLMF 8.17; the fraction converges fast below the mean of the distribution. */
static double beta_regularized(double a, double b, double x)
{
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) {
        return front * beta_fraction(a, b, x) / a;
    }
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* The continued fraction DLMF 8.17.22, evaluated forwards by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double numerator = 1, denominator = 1 - (a + b) * x / (a + 1);
    denominator = 1 / (fabs(denominator) < tiny ? tiny : denominator);
    double value = denominator;
    for (int m = 1; m < 500; m++) {
        for (int odd = 0; odd < 2; odd++) {
            double k = m;
            double term = odd ? -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
                              : k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
            denominator = 1 + term * denominator;
            denominator = 1 / (fabs(denominator) < tiny ? tiny : denominator);
            numerator = 1 + term / numerator;
            numerator = fabs(numerator) < tiny ? tiny : numerator;
            double step = numerator * denominator;
            value *= step;
            if (odd && fabs(step - 1) < 1e-15) {
                return value;
            }
        }
    }
    return value;
}

/* Mann and Whitney 1947. Pairs are counted directly: the samples are small. */
static double rank_sum_p(const double *a, size_t n_a, const double *b, size_t n_b)
{
    double *x = sorted_copy(a, n_a, &n_a), *y = sorted_copy(b, n_b, &n_b);
    double *all = malloc((n_a + n_b) * sizeof *all);
    double p = NAN;
    if (x == NULL || y == NULL || all == NULL) {
        goto end;
    }
    double u = 0, tie_sum = 0;
    for (size_t i = 0; i < n_a; i++) {
        for (size_t j = 0; j < n_b; j++) {
            u += x[i] > y[j] ? 1 : x[i] == y[j] ? 0.5 : 0;
        }
    }
    size_t n = n_a + n_b;
    memcpy(all, x, n_a * sizeof *all);
    memcpy(all + n_a, y, n_b * sizeof *all);
    qsort(all, n, sizeof *all, compare_reals);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && all[j] == all[i]; j++) {
        }
        double ties = (double)(j - i);
        tie_sum += ties * ties * ties - ties;
    }
    double pairs = (double)n_a * (double)n_b;
    double smaller = u < pairs - u ? u : pairs - u;
    if (tie_sum == 0 && n_a <= EXACT_MAX && n_b <= EXACT_MAX) {
        p = 2 * exact_u_tail(n_a, n_b, (size_t)smaller);
    } else {
        double total = (double)n;
        double variance = pairs / 12 * (total + 1 - tie_sum / (total * (total - 1)));
        double z = variance > 0 ? (pairs / 2 - smaller - 0.5) / sqrt(variance) : 0;
        p = z > 0 ? erfc(z / sqrt(2)) : 1;
    }
    p = p > 1 ? 1 : p;
end:
    free(x);
    free(y);
    free(all);
    return p;
}

/* P(U <= u): arrangements counted by dynamic programming, one value of the first sample at a time.
 */
static double exact_u_tail(size_t n_a, size_t n_b, size_t u)
{
    enum { STATES = EXACT_MAX * EXACT_MAX + 1 };
    static _Thread_local double ways[EXACT_MAX + 1][STATES];
    memset(ways, 0, sizeof ways);
    ways[0][0] = 1;
    /* ways[i][s]: i of the first sample placed, s pairs in which it is the larger; going through
     * the ranks, the value of `rank` is of the first sample and exceeds rank - i of the second. */
    for (size_t rank = 0; rank < n_a + n_b; rank++) {
        for (size_t i = n_a < rank + 1 ? n_a : rank + 1; i-- > 0;) {
            size_t n_below = rank - i;
            if (n_below > n_b) {
                continue;
            }
            for (size_t s = 0; s + n_below < STATES; s++) {
                ways[i + 1][s + n_below] += ways[i][s];
            }
        }
    }
    double all = 0, tail = 0;
    for (size_t s = 0; s <= n_a * n_b; s++) {
        all += ways[n_a][s];
        tail += s <= u ? ways[n_a][s] : 0;
    }
    return tail / all;
}
