/* SPDX-License-Identifier: MIT */
/* Statistics against values computed by hand, from tables and from enumeration. */
#include "measure/rows.h"

#include "measure/stats.h"

#include <math.h>

static void mean_median_deviation(void **state)
{
    (void)state;
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    struct stats s = stats_of(values, 8);
    assert_int_equal(s.n, 8);
    assert_near(s.mean, 5, 1e-12);
    assert_near(s.median, 4.5, 1e-12);
    assert_near(s.sd, sqrt(32.0 / 7), 1e-12);
    assert_near(s.cv, sqrt(32.0 / 7) / 5, 1e-12);
    assert_near(s.min, 2, 0);
    assert_near(s.max, 9, 0);
    assert_near(s.ci95, 2.364624251592785 * sqrt(32.0 / 7 / 8), 1e-9);
}

static void small_samples_have_no_spread(void **state)
{
    (void)state;
    const double one[] = {3, NAN};
    struct stats s = stats_of(one, 2);
    assert_int_equal(s.n, 1);
    assert_near(s.mean, 3, 0);
    assert_true(isnan(s.sd) && isnan(s.cv) && isnan(s.ci95));
    s = stats_of(one, 0);
    assert_true(s.n == 0 && isnan(s.mean) && isnan(s.median));
}

static void t_quantiles_match_the_table(void **state)
{
    (void)state;
    const struct {
        double df, t;
    } table[] = {{1, 12.706204736}, {2, 4.302652730},  {4, 2.776445105},
                 {9, 2.262157163},  {30, 2.042272456}, {1000, 1.962339081}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_near(stats_t_quantile(0.975, table[i].df), table[i].t, 1e-7);
        assert_near(stats_t_quantile(0.025, table[i].df), -table[i].t, 1e-7);
        assert_near(stats_t_two_sided(table[i].t, table[i].df), 0.05, 1e-9);
    }
    assert_true(isnan(stats_t_quantile(1.5, 3)));
    assert_near(stats_t_two_sided(INFINITY, 3), 0, 0);
}

/* Of a hundred values it reaches from the 41st to the 60th. */
static void the_median_has_an_interval(void **state)
{
    (void)state;
    double values[100];
    for (int i = 0; i < 100; i++) {
        values[i] = (i * 37 + 5) % 100 + 1; /* 1 to 100 in some order */
    }
    assert_near(stats_median_ci95(values, 100), (60 - 41) / 2.0, 1e-12);
    assert_true(isnan(stats_median_ci95(values, 5)));
}

static void percentiles_are_linear_between_ranks(void **state)
{
    (void)state;
    const double values[] = {40, 10, 30, 20};
    assert_near(stats_percentile(values, 4, 0), 10, 0);
    assert_near(stats_percentile(values, 4, 0.5), 25, 1e-12);
    assert_near(stats_percentile(values, 4, 0.95), 38.5, 1e-12);
    assert_near(stats_percentile(values, 4, 1), 40, 0);
    assert_true(isnan(stats_percentile(values, 0, 0.5)));
}

static void welch_uses_its_own_degrees_of_freedom(void **state)
{
    (void)state;
    const double a[] = {27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1,
                        21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4};
    const double b[] = {27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0,
                        24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4};
    struct stats sa = stats_of(a, 15), sb = stats_of(b, 15);
    double ea = sa.sd * sa.sd / 15, eb = sb.sd * sb.sd / 15;
    double df = (ea + eb) * (ea + eb) / (ea * ea / 14 + eb * eb / 14);
    struct stats_test test = stats_compare(a, 15, b, 15);
    assert_near(test.difference, sb.mean - sa.mean, 1e-12);
    assert_near(test.p_welch, stats_t_two_sided((sb.mean - sa.mean) / sqrt(ea + eb), df), 1e-12);
    assert_true(test.p_welch > 0.004 && test.p_welch < 0.012);
    assert_true(test.ci95_low > 0 && test.ci95_high > test.ci95_low);
    assert_true(test.p_rank < 0.05); /* ties: the normal approximation */
}

static void rank_test_is_exact_for_small_samples(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3}, b[] = {4, 5, 6}, c[] = {1, 3, 5, 7}, d[] = {2, 4, 6, 8};
    assert_near(stats_compare(a, 3, b, 3).p_rank, 2.0 / 20, 1e-12);
    assert_near(stats_compare(b, 3, a, 3).p_rank, 2.0 / 20, 1e-12);
    /* U = 6 of 16: 24 of the 70 orders have U <= 6 */
    assert_near(stats_compare(c, 4, d, 4).p_rank, 2 * 24.0 / 70, 1e-12);
    double many_a[20], many_b[20];
    for (int i = 0; i < 20; i++) {
        many_a[i] = i;
        many_b[i] = 100 + i;
    }
    assert_near(stats_compare(many_a, 20, many_b, 20).p_rank, 2 / 137846528820.0, 1e-20);
}

static void equal_samples_are_no_difference(void **state)
{
    (void)state;
    const double a[] = {5, 5, 5};
    struct stats_test test = stats_compare(a, 3, a, 3);
    assert_near(test.p_welch, 1, 0);
    assert_near(test.p_rank, 1, 0);
    test = stats_compare(a, 1, a, 3);
    assert_true(isnan(test.p_welch) && isnan(test.p_rank));
    assert_near(test.ratio, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_median_deviation),
        cmocka_unit_test(small_samples_have_no_spread),
        cmocka_unit_test(t_quantiles_match_the_table),
        cmocka_unit_test(the_median_has_an_interval),
        cmocka_unit_test(percentiles_are_linear_between_ranks),
        cmocka_unit_test(welch_uses_its_own_degrees_of_freedom),
        cmocka_unit_test(rank_test_is_exact_for_small_samples),
        cmocka_unit_test(equal_samples_are_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
