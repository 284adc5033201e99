/* SPDX-License-Identifier: MIT */
/* Log-probabilities, perplexity and distances of logits, accumulated in double precision. */
#include "sample/measure.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { N_TOP = 5 };

struct norm { /* ln sum e^logit = best + log_sum, kept apart: large logits would swallow the second
               */
    double best, log_sum;
};

static struct norm find_norm(const float *logits, int n_vocab);
static double log_prob(double logit, struct norm norm);
static void find_top(int32_t top[N_TOP], const float *logits, int n_vocab);
static double larger(double a, double b);

double measure_log_prob(const float *logits, int n_vocab, int32_t id)
{
    assert(id >= 0 && id < n_vocab);
    return log_prob((double)logits[id], find_norm(logits, n_vocab));
}

int32_t measure_argmax(const float *logits, int n_vocab)
{
    int32_t best = -1;
    for (int32_t i = 0; i < n_vocab; i++) {
        if (!isnan(logits[i]) && (best < 0 || logits[i] > logits[best])) {
            best = i;
        }
    }
    return best;
}

void measure_perplexity_add(struct measure_perplexity *acc, const float *logits, int n_vocab,
                            int32_t next_id)
{
    double x = -measure_log_prob(logits, n_vocab, next_id);
    double delta = x - acc->mean;
    acc->n++;
    acc->mean += delta / (double)acc->n;
    acc->m2 += delta * (x - acc->mean);
}

double measure_perplexity_value(const struct measure_perplexity *acc)
{
    return acc->n == 0 ? (double)NAN : exp(acc->mean);
}

double measure_perplexity_stderr(const struct measure_perplexity *acc)
{
    if (acc->n < 2) {
        return (double)NAN;
    }
    double n = (double)acc->n;
    return exp(acc->mean) * sqrt(acc->m2 / (n - 1) / n);
}

void measure_distance_add(struct measure_distance *acc, const float *reference, const float *other,
                          int n_vocab)
{
    assert(n_vocab >= N_TOP);
    struct norm norm_a = find_norm(reference, n_vocab);
    struct norm norm_b = find_norm(other, n_vocab);
    double mean = 0;
    for (int i = 0; i < n_vocab; i++) {
        mean += (double)reference[i];
    }
    mean /= (double)n_vocab;

    double kl = 0;
    for (int i = 0; i < n_vocab; i++) {
        double a = (double)reference[i];
        double b = (double)other[i];
        double ln_p = log_prob(a, norm_a);
        double p = exp(ln_p);
        if (p != 0) { /* p ln p is 0 at 0 */
            kl += p * (ln_p - log_prob(b, norm_b));
        }
        acc->max_error = larger(acc->max_error, fabs(a - b));
        acc->square_error_sum += (a - b) * (a - b);
        acc->reference_square_sum += (a - mean) * (a - mean);
    }
    kl = kl < 0 ? 0 : kl; /* rounding of equal distributions */
    acc->kl_sum += kl;
    acc->kl_max = larger(acc->kl_max, kl);

    int32_t top_a[N_TOP];
    int32_t top_b[N_TOP];
    find_top(top_a, reference, n_vocab);
    find_top(top_b, other, n_vocab);
    acc->top1_equal += top_a[0] >= 0 && top_a[0] == top_b[0];
    for (int i = 0; i < N_TOP; i++) {
        for (int j = 0; j < N_TOP; j++) {
            acc->top5_hits += top_a[i] >= 0 && top_a[i] == top_b[j];
        }
    }
    acc->n++;
    acc->n_values += (uint64_t)n_vocab;
}

double measure_distance_relative(const struct measure_distance *acc)
{
    if (acc->square_error_sum == 0) {
        return 0;
    }
    return sqrt(acc->square_error_sum / acc->reference_square_sum);
}

/* A NaN among the logits makes the norm NaN. */
static struct norm find_norm(const float *logits, int n_vocab)
{
    int32_t i_best = measure_argmax(logits, n_vocab);
    if (i_best < 0) {
        return (struct norm){(double)NAN, (double)NAN};
    }
    struct norm norm = {(double)logits[i_best], 0};
    for (int i = 0; i < n_vocab; i++) {
        norm.log_sum += exp((double)logits[i] - norm.best);
    }
    norm.log_sum = log(norm.log_sum);
    return norm;
}

static double log_prob(double logit, struct norm norm)
{
    return (logit - norm.best) - norm.log_sum;
}

/* The best five, best first, lower id first on ties; -1 where there are fewer numbers. */
static void find_top(int32_t top[N_TOP], const float *logits, int n_vocab)
{
    for (int k = 0; k < N_TOP; k++) {
        top[k] = -1;
    }
    for (int32_t i = 0; i < n_vocab; i++) {
        if (isnan(logits[i]) || (top[N_TOP - 1] >= 0 && logits[i] <= logits[top[N_TOP - 1]])) {
            continue;
        }
        int k = N_TOP - 1;
        for (; k > 0 && (top[k - 1] < 0 || logits[i] > logits[top[k - 1]]); k--) {
            top[k] = top[k - 1];
        }
        top[k] = i;
    }
}

/* The maximum, or NaN if either is: a broken value must stay visible. */
static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}
