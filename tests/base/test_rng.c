/* SPDX-License-Identifier: MIT */
/*
 * Random numbers: the generators against the published algorithms, computed here in another form
 * (128-bit arithmetic, no shared code), and the statistics of each distribution.
 */
#include "base/rng.h"
#include "unit.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

static uint64_t low64(u128 x)
{
    return (uint64_t)(x & UINT64_MAX);
}

static uint64_t expected_rotate(uint64_t x, unsigned k)
{
    u128 wide = (u128)x << k;
    return (uint64_t)(wide >> 64) | low64(wide);
}

/* xoshiro256**, Blackman and Vigna 2021, figure "next": output first, then the linear engine. */
static uint64_t expected_next(uint64_t s[4])
{
    uint64_t result = low64((u128)expected_rotate(low64((u128)s[1] * 5), 7) * 9);
    uint64_t s0 =
        s[0] ^ s[3] ^ s[1]; /* the same engine written as one linear map of the old state */
    uint64_t s1 = s[1] ^ s[2] ^ s[0];
    uint64_t s2 = s[2] ^ s[0] ^ low64((u128)s[1] << 17);
    uint64_t s3 = expected_rotate(s[3] ^ s[1], 45);
    s[0] = s0;
    s[1] = s1;
    s[2] = s2;
    s[3] = s3;
    return result;
}

/* splitmix64: the state after n steps is seed + n * golden. */
static uint64_t expected_splitmix(uint64_t seed, uint64_t n)
{
    uint64_t z = low64((u128)seed + (u128)n * 0x9e3779b97f4a7c15u);
    z = low64((u128)(z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u);
    z = low64((u128)(z ^ (z >> 27)) * 0x94d049bb133111ebu);
    return z ^ (z >> 31);
}

static void splitmix_of_the_test_gives_the_published_vector(void **state)
{
    (void)state;
    /* The first outputs for seed 1234567 that the algorithm's reference publishes. */
    const uint64_t published[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u};
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(expected_splitmix(1234567, i + 1), published[i]);
    }
}

static void xoshiro_gives_the_published_vector(void **state)
{
    (void)state;
    /* State {1, 2, 3, 4}: the first values follow by hand: rotl(2 * 5, 7) * 9 = 11520, then s[1] =
     * 0. */
    struct rng rng = {{1, 2, 3, 4}};
    const uint64_t known[] = {11520, 0, 1509978240, 1215971899390074240u};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rng_next(&rng), known[i]);
    }
}

static void streams_follow_the_algorithm(void **state)
{
    (void)state;
    const uint64_t seeds[] = {0, 1, 42, UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        for (uint64_t stream = 0; stream < 3; stream++) {
            struct rng rng;
            rng_seed_stream(&rng, seeds[i], stream);
            uint64_t s[4];
            for (uint64_t k = 0; k < 4; k++) {
                s[k] = expected_splitmix(seeds[i] ^ expected_splitmix(stream, 1), k + 1);
            }
            for (int n = 0; n < 100; n++) {
                assert_int_equal(rng_next(&rng), expected_next(s));
            }
        }
    }
    struct rng a;
    struct rng b;
    rng_seed(&a, 7);
    rng_seed_stream(&b, 7, 0);
    assert_memory_equal(&a, &b, sizeof a);
}

/* |mean - expected| below 5 standard errors. */
static void assert_mean(double sum, int n, double mean, double deviation)
{
    double error = fabs(sum / n - mean);
    if (error > 5 * deviation / sqrt(n)) {
        fail_msg("mean %g of %d, expected %g", sum / n, n, mean);
    }
}

static void uniforms_fill_the_interval_evenly(void **state)
{
    (void)state;
    enum { N = 200000, N_BINS = 64 };
    int bins[N_BINS] = {0};
    struct rng rng;
    rng_seed(&rng, 3);
    double sum = 0;
    double sum_double = 0;
    for (int i = 0; i < N; i++) {
        float x = rng_uniform(&rng);
        double y = rng_uniform_double(&rng);
        assert_true(x >= 0 && x < 1 && y >= 0 && y < 1);
        bins[(int)(x * N_BINS)]++;
        sum += (double)x;
        sum_double += y;
    }
    assert_mean(sum, N, 0.5, sqrt(1.0 / 12));
    assert_mean(sum_double, N, 0.5, sqrt(1.0 / 12));
    double chi = 0;
    for (int i = 0; i < N_BINS; i++) {
        double expected = (double)N / N_BINS;
        chi += (bins[i] - expected) * (bins[i] - expected) / expected;
    }
    assert_true(chi < N_BINS - 1 + 5 * sqrt(2.0 * (N_BINS - 1)));
}

static void normals_have_the_right_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct rng rng;
    rng_seed(&rng, 4);
    double sum = 0;
    double squares = 0;
    double fourths = 0;
    int n_outside = 0;
    for (int i = 0; i < N; i++) {
        double x = (double)rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
        n_outside += fabs(x) > 2;
    }
    assert_mean(sum, N, 0, 1);
    assert_mean(squares, N, 1, sqrt(2));
    assert_mean(fourths, N, 3, sqrt(96));
    double p = erfc(sqrt(2)); /* P(|x| > 2) */
    assert_mean(n_outside, N, p, sqrt(p * (1 - p)));
}

static void below_is_unbiased_and_in_range(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5);
    enum { N = 120000 };
    const uint32_t limits[] = {1, 2, 3, 7, 10};
    for (int k = 0; k < 5; k++) {
        int counts[10] = {0};
        for (int i = 0; i < N; i++) {
            uint32_t x = rng_below(&rng, limits[k]);
            assert_true(x < limits[k]);
            counts[x]++;
        }
        double p = 1.0 / limits[k];
        for (uint32_t x = 0; x < limits[k]; x++) {
            assert_mean(counts[x], N, p, sqrt(p * (1 - p)) + 1e-12);
        }
    }
    /* A limit of 3/4 of the range: taking a remainder would give the low third twice as often. */
    int n_low = 0;
    for (int i = 0; i < N; i++) {
        n_low += rng_below(&rng, 3u << 30) < 1u << 30;
    }
    assert_mean(n_low, N, 1.0 / 3, sqrt(2.0 / 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitmix_of_the_test_gives_the_published_vector),
        cmocka_unit_test(xoshiro_gives_the_published_vector),
        cmocka_unit_test(streams_follow_the_algorithm),
        cmocka_unit_test(uniforms_fill_the_interval_evenly),
        cmocka_unit_test(normals_have_the_right_moments),
        cmocka_unit_test(below_is_unbiased_and_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
