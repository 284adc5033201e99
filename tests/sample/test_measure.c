/* SPDX-License-Identifier: MIT */
/* Log-probabilities, perplexity and distances against values worked out by hand. */
#include "sample/measure.h"
#include "unit.h"

#include <math.h>
#include <stdbool.h>

static void assert_close(double actual, double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance)) {
        fail_msg("%.17g, expected %.17g within %g", actual, expected, tolerance);
    }
}

static void log_probabilities_are_those_of_the_softmax(void **state)
{
    (void)state;
    const float logits[3] = {logf(0.5f), logf(0.25f), logf(0.25f)};
    assert_close(measure_log_prob(logits, 3, 0), log(0.5), 1e-6);
    assert_close(measure_log_prob(logits, 3, 2), log(0.25), 1e-6);
    const float large[3] = {1e30f, 1e30f, -1e30f}; /* exp of these overflows */
    assert_close(measure_log_prob(large, 3, 1), log(0.5), 1e-12);
    const float minus[2] = {-INFINITY, 3};
    assert_close(measure_log_prob(minus, 2, 1), 0, 0);
    assert_true(isinf(measure_log_prob(minus, 2, 0)));
    const float broken[2] = {NAN, 3};
    assert_true(isnan(measure_log_prob(broken, 2, 1)));
}

static void argmax_prefers_the_lower_id_and_skips_nan(void **state)
{
    (void)state;
    assert_int_equal(measure_argmax((const float[]){1, 3, 3, 2}, 4), 1);
    assert_int_equal(measure_argmax((const float[]){NAN, -2, -1, NAN}, 4), 2);
    assert_int_equal(measure_argmax((const float[]){-INFINITY, -INFINITY}, 2), 0);
    assert_int_equal(measure_argmax((const float[]){NAN, NAN}, 2), -1);
}

static void perplexity_is_the_exponential_of_the_mean(void **state)
{
    (void)state;
    const float logits[4] = {logf(0.5f), logf(0.25f), logf(0.125f), logf(0.125f)};
    struct measure_perplexity acc = {0};
    assert_true(isnan(measure_perplexity_value(&acc)));
    measure_perplexity_add(&acc, logits, 4, 0);
    assert_close(measure_perplexity_value(&acc), 2, 1e-6);
    assert_true(isnan(measure_perplexity_stderr(&acc)));
    measure_perplexity_add(&acc, logits, 4, 1);
    measure_perplexity_add(&acc, logits, 4, 2);
    /* -ln p: 1, 2 and 3 times ln 2; mean 2 ln 2, sample deviation ln 2 */
    assert_int_equal(acc.n, 3);
    assert_close(measure_perplexity_value(&acc), 4, 1e-6);
    assert_close(measure_perplexity_stderr(&acc), 4 * log(2) / sqrt(3), 1e-6);
}

static void distance_of_equal_logits_is_zero(void **state)
{
    (void)state;
    const float logits[6] = {0.3f, -1, 7, 2, 2, 0};
    struct measure_distance acc = {0};
    measure_distance_add(&acc, logits, logits, 6);
    assert_close(acc.kl_sum, 0, 1e-15);
    assert_close(acc.max_error, 0, 0);
    assert_close(measure_distance_relative(&acc), 0, 0);
    assert_int_equal(acc.top1_equal, 1);
    assert_int_equal(acc.top5_hits, 5);
    assert_int_equal(acc.n_values, 6);
}

static void distance_matches_hand_values(void **state)
{
    (void)state;
    /* A: 1/2 and eight times 1/16; B: uniform 1/9 with another order of the best */
    float a[9];
    float b[9];
    for (int i = 0; i < 9; i++) {
        a[i] = i == 0 ? 3 * logf(2) : 0;
        b[i] = i == 8 ? 1e-3f : 0;
    }
    struct measure_distance acc = {0};
    measure_distance_add(&acc, a, b, 9);
    double norm_b = log(8 + exp(1e-3));
    double kl = 0.5 * (log(0.5) + norm_b) + 7.0 / 16 * (log(1.0 / 16) + norm_b) +
                1.0 / 16 * (log(1.0 / 16) - (1e-3 - norm_b));
    assert_close(acc.kl_sum, kl, 1e-6);
    assert_close(acc.kl_max, kl, 1e-6);
    assert_int_equal(acc.top1_equal, 0);
    assert_int_equal(acc.top5_hits, 4); /* A: 0 1 2 3 4, B: 8 0 1 2 3 */
    double l = 3 * log(2);
    assert_close(acc.max_error, l, 1e-6);
    double mean = l / 9;
    double spread = (l - mean) * (l - mean) + 8 * mean * mean;
    assert_close(measure_distance_relative(&acc), sqrt((l * l + 1e-6) / spread), 1e-5);

    measure_distance_add(&acc, a, a, 9);
    assert_int_equal(acc.n, 2);
    assert_int_equal(acc.top1_equal, 1);
    assert_int_equal(acc.top5_hits, 9);
    assert_close(acc.kl_max, kl, 1e-6);
}

static void masked_tokens_add_nothing_and_nan_stays_visible(void **state)
{
    (void)state;
    const float a[6] = {-1e30f, 1, 1, 1, 1, 1};
    const float b[6] = {-1e30f, 1, 1, 1, 1, 1};
    struct measure_distance acc = {0};
    measure_distance_add(&acc, a, b, 6);
    assert_close(acc.kl_sum, 0, 1e-12);
    const float broken[6] = {0, NAN, 1, 2, 3, 4};
    measure_distance_add(&acc, a, broken, 6);
    measure_distance_add(&acc, a, b, 6);
    assert_true(isnan(acc.kl_sum) && isnan(acc.kl_max) && isnan(acc.max_error));
    assert_true(isnan(measure_distance_relative(&acc)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probabilities_are_those_of_the_softmax),
        cmocka_unit_test(argmax_prefers_the_lower_id_and_skips_nan),
        cmocka_unit_test(perplexity_is_the_exponential_of_the_mean),
        cmocka_unit_test(distance_of_equal_logits_is_zero),
        cmocka_unit_test(distance_matches_hand_values),
        cmocka_unit_test(masked_tokens_add_nothing_and_nan_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
