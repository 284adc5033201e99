/* SPDX-License-Identifier: MIT */
/*
 * Numbers from logits: log-probabilities, perplexity with its standard error, and the distance of
 * two sets of logits over the same positions. Accumulators are plain structs, zero-initialised by
 * the caller; double precision throughout. One thread each.
 */
#ifndef SAMPLE_MEASURE_H
#define SAMPLE_MEASURE_H

#include <stdint.h>

/* ln softmax(logits)[id], by the stable formula. */
double measure_log_prob(const float *logits, int n_vocab, int32_t id);
/* Index of the largest logit, the lowest on ties; NaN never wins. */
int32_t measure_argmax(const float *logits, int n_vocab);

struct measure_perplexity { /* running mean and variance of -ln p (Welford) */
    uint64_t n;
    double mean, m2;
};
void measure_perplexity_add(struct measure_perplexity *acc, const float *logits, int n_vocab,
                            int32_t next_id);
double
measure_perplexity_value(const struct measure_perplexity *acc); /* e^mean; NaN without samples */
double measure_perplexity_stderr(
    const struct measure_perplexity *acc); /* e^mean * sd / sqrt(n), the delta method */

struct measure_distance {  /* of logits B from reference logits A */
    uint64_t n;            /* positions */
    double kl_sum, kl_max; /* KL(softmax A || softmax B), nats */
    uint64_t top1_equal;   /* same arg-max */
    uint64_t top5_hits;    /* of 5 per position: how many of A's top five are in B's */
    double square_error_sum, reference_square_sum; /* sum (a-b)^2, sum (a - mean a)^2 */
    double max_error;                              /* max |a - b| */
    uint64_t n_values;
};
/* n_vocab >= 5. */
void measure_distance_add(struct measure_distance *acc, const float *reference, const float *other,
                          int n_vocab);
/* sqrt(sum (a-b)^2 / sum (a - mean a)^2): rms error in units of the reference's standard deviation
 * per row. */
double measure_distance_relative(const struct measure_distance *acc);

#endif
