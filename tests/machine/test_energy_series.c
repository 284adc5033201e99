/* SPDX-License-Identifier: MIT */
/* Samples to joules, without any clock: known series have known energies, weak ones have none. */
#include "machine/energy_series.h"

#include "unit.h"

#include <math.h>

#define S  1000000000ull
#define MS 1000000ull

static struct energy_series series;

static int setup(void **state)
{
    (void)state;
    series = (struct energy_series){.period_ns = 100 * MS};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    energy_series_free(&series);
    return 0;
}

static void add(uint64_t clock_ns, double value)
{
    assert_true(energy_series_add(&series, clock_ns, value));
}

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-9 * (1 + fabs(expected)))) {
        fail_msg("%.12g, expected %.12g", actual, expected);
    }
}

static void power_is_held_until_the_next_sample(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 30; i++) { /* 10 W, then 20 W from 1.5 s on */
        add(S + i * 100 * MS, i < 15 ? 10 : 20);
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 4 * S);
    assert_near(slice.joules, 10 * 1.5 + 20 * 1.5);
    assert_near(slice.w_mean, 15);
    assert_near(slice.w_max, 20);
    assert_int_equal(slice.n_samples, 31);
    /* Ends between samples are clipped, not rounded. */
    energy_series_slice(&slice, &series, S + 50 * MS, S + 1530 * MS);
    assert_near(slice.joules, 10 * 1.45 + 20 * 0.03);
    /* The last value may be held a little. */
    energy_series_slice(&slice, &series, S, 4 * S + 200 * MS);
    assert_near(slice.joules, 45 + 20 * 0.2);
    assert_int_equal(slice.flags & ~(unsigned)ENERGY_HIGH_CV, 0);
}

static void a_counter_is_the_difference_of_its_ends(void **state)
{
    (void)state;
    series.is_counter = true;
    for (uint64_t i = 0; i <= 30; i++) {
        add(S + i * 100 * MS, 5.0 * (double)i); /* 50 W */
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S + 250 * MS, S + 2250 * MS);
    assert_near(slice.joules, 100);
    assert_near(slice.w_mean, 50);
    assert_near(slice.w_max, 50);
    assert_near(slice.w_median, 50);
    assert_near(slice.cv, 0);
    assert_int_equal(slice.flags, 0);
    assert_int_equal(slice.n_samples, 20);
}

static void the_variation_is_that_of_raw_samples(void **state)
{
    (void)state;
    double sum = 0;
    double squares = 0;
    enum { N = 20 };
    for (uint64_t i = 0; i < N; i++) {
        double watts = i % 2 == 0 ? 5 : 15;
        add(S + i * 100 * MS, watts);
        sum += watts;
        squares += watts * watts;
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, S + 1900 * MS);
    double mean = sum / N;
    assert_near(slice.cv, sqrt((squares - N * mean * mean) / (N - 1)) / mean);
    assert_true((slice.flags & ENERGY_HIGH_CV) != 0); /* 51 %: a number, but flagged */
    assert_near(slice.joules, 0.1 * (sum - 15));
    assert_near(slice.w_median, 10);
}

static void few_samples_give_no_number(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 40; i++) {
        add(S + i * 100 * MS, 10);
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S + 10 * MS, S + 1150 * MS); /* 11 inside */
    assert_int_equal(slice.n_samples, ENERGY_MIN_SAMPLES - 1);
    assert_true(isnan(slice.joules) && isnan(slice.w_mean) && isnan(slice.cv));
    assert_int_equal(slice.flags, ENERGY_FEW_SAMPLES);
    energy_series_slice(&slice, &series, S + 10 * MS, S + 1250 * MS);
    assert_int_equal(slice.n_samples, ENERGY_MIN_SAMPLES);
    assert_near(slice.joules, 12.4);
    energy_series_slice(&slice, &series, 2 * S, 2 * S);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_FEW_SAMPLES);
    energy_series_slice(&slice, &series, 3 * S, 2 * S);
    assert_true(isnan(slice.joules));
}

static void an_empty_series_gives_no_number(void **state)
{
    (void)state;
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 2 * S);
    assert_true(isnan(slice.joules));
    assert_int_equal(slice.flags, ENERGY_FEW_SAMPLES | ENERGY_NOT_COVERED);
}

static void ends_without_samples_give_no_number(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 40; i++) {
        add(5 * S + i * 100 * MS, 10);
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, 4 * S, 8 * S);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_NOT_COVERED);
    energy_series_slice(&slice, &series, 6 * S, 10 * S);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_NOT_COVERED);
    series.is_counter = true; /* which cannot be extrapolated at all */
    energy_series_slice(&slice, &series, 6 * S, 9 * S + 1);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_NOT_COVERED);
}

static void a_hole_spoils_power_but_not_a_counter(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 60; i++) {
        if (i < 20 || i > 30) { /* 1.2 s without samples */
            add(S + i * 100 * MS, (double)i);
        }
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 7 * S);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_GAP);
    energy_series_slice(&slice, &series, S, 2500 * MS); /* before the hole */
    assert_int_equal(slice.flags & ENERGY_GAP, 0);
    assert_true(!isnan(slice.joules));
    series.is_counter = true;
    energy_series_slice(&slice, &series, S, 7 * S);
    assert_near(slice.joules, 60);
    assert_true((slice.flags & ENERGY_GAP) != 0);
}

static void time_that_does_not_advance_drops_the_sample(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 20; i++) {
        add(S + i * 100 * MS, 10);
        if (i == 7) {
            add(S + 350 * MS, 1e9); /* the clock went back */
            add(S + 700 * MS, 1e9); /* or stood still */
        }
    }
    assert_int_equal(series.n, 21);
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 3 * S);
    assert_near(slice.joules, 20);
    assert_int_equal(slice.flags, ENERGY_CLOCK_BACKWARDS);
}

static void what_was_before_the_sensor_vanished_counts(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 20; i++) {
        add(S + i * 100 * MS, 10);
    }
    series.flags |= ENERGY_VANISHED;
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 3 * S);
    assert_near(slice.joules, 20);
    energy_series_slice(&slice, &series, S, 5 * S);
    assert_true(isnan(slice.joules));
    assert_int_equal(slice.flags, ENERGY_VANISHED | ENERGY_NOT_COVERED);
}

static void a_value_that_never_changes_is_stale(void **state)
{
    (void)state;
    series.wants_change = true;
    for (uint64_t i = 0; i <= 40; i++) {
        add(S + i * 100 * MS, i < 20 ? 10 : 10.0 + (double)(i / 5));
    }
    struct energy_slice slice;
    energy_series_slice(&slice, &series, S, 2800 * MS);
    assert_true(isnan(slice.joules) && slice.flags == ENERGY_STALE);
    energy_series_slice(&slice, &series, S, 5 * S);
    assert_true(!isnan(slice.joules));
    assert_int_equal(slice.flags & ENERGY_STALE, 0);
}

static void clearing_keeps_the_settings(void **state)
{
    (void)state;
    series.is_counter = true;
    add(S, 1);
    series.flags |= ENERGY_COUNTER_WRAPPED;
    energy_series_clear(&series);
    assert_int_equal(series.n, 0);
    assert_int_equal(series.flags, 0);
    assert_true(series.is_counter && series.period_ns == 100 * MS);
}

static void every_flag_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < ENERGY_N_FLAGS; i++) {
        assert_non_null(energy_flag_name(i));
    }
    assert_string_equal(energy_flag_name(0), "few_samples");
    assert_string_equal(energy_flag_name(5), "counter_wrapped"); /* ENERGY_COUNTER_WRAPPED */
    assert_int_equal(1 << 5, ENERGY_COUNTER_WRAPPED);
    assert_null(energy_flag_name(ENERGY_N_FLAGS));
    assert_null(energy_flag_name(-1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(power_is_held_until_the_next_sample),
        TEST(a_counter_is_the_difference_of_its_ends),
        TEST(the_variation_is_that_of_raw_samples),
        TEST(few_samples_give_no_number),
        TEST(an_empty_series_gives_no_number),
        TEST(ends_without_samples_give_no_number),
        TEST(a_hole_spoils_power_but_not_a_counter),
        TEST(time_that_does_not_advance_drops_the_sample),
        TEST(what_was_before_the_sensor_vanished_counts),
        TEST(a_value_that_never_changes_is_stale),
        TEST(clearing_keeps_the_settings),
        TEST(every_flag_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
