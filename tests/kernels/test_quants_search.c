/* SPDX-License-Identifier: MIT */
/*
 * Quantising, by search and fast: error on Gaussian data within a bound per type, zero and constant
 * blocks, outliers, values beyond every range, NaN and infinity, and nothing written past the row.
 */
#include "base/rng.h"
#include "kernels/quants.h"
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { SEED = 31, N = 64 * 256, MAX_ROW = 512 };

static const uint64_t RECORDED_HASH = 0xa9a3e4c72469b984u;

typedef void quantize_fn(enum dtype type, void *dst, const float *src, size_t n);

/*
 * Largest relative rms error allowed on Gaussian data: measured with this seed (docs/TYPES.md),
 * plus one per cent for the search and two for the fast path.
 */
static const struct {
    enum dtype type;
    double search, fast;
} bounds[] = {
    {DTYPE_F32, 0.0, 0.0},          {DTYPE_F16, 0.00022, 0.00022},  {DTYPE_BF16, 0.0017, 0.0017},
    {DTYPE_Q8_0, 0.00482, 0.00543}, {DTYPE_Q5_0, 0.0403, 0.0434},   {DTYPE_Q5_1, 0.0337, 0.0386},
    {DTYPE_Q4_0, 0.0816, 0.0876},   {DTYPE_Q4_1, 0.0696, 0.0798},   {DTYPE_Q2_K, 0.2621, 0.336},
    {DTYPE_Q3_K, 0.1449, 0.1581},   {DTYPE_Q4_K, 0.0703, 0.0799},   {DTYPE_Q5_K, 0.0348, 0.0389},
    {DTYPE_Q6_K, 0.0168, 0.01915},  {DTYPE_IQ4_NL, 0.0739, 0.0814}, {DTYPE_IQ4_XS, 0.0745, 0.0816},
    {DTYPE_MXFP4, 0.1127, 0.1163},
};
enum { N_TYPES = sizeof bounds / sizeof bounds[0] };

/* Row quantised between guards and dequantised again. */
static void round_trip(quantize_fn *quantize, enum dtype type, float *dst, const float *src,
                       size_t n)
{
    static uint8_t packed[N * 4 + 64];
    size_t n_bytes = (size_t)dtype_row_bytes(type, n);
    memset(packed, 0xa5, sizeof packed);
    quantize(type, packed + 32, src, n);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(packed[i], 0xa5);
        assert_int_equal(packed[32 + n_bytes + i], 0xa5);
    }
    quants_dequantize_row(type, dst, packed + 32, n);
}

static double relative_rms(const float *x, const float *y, size_t n)
{
    double err = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        err += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(err / sum);
}

static void gaussian_weights_keep_their_values(void **state)
{
    (void)state;
    static float x[N], y[N];
    struct rng rng;
    rng_seed(&rng, SEED);
    for (int i = 0; i < N; i++) {
        x[i] = 0.02f * rng_normal(&rng);
    }
    printf("relative rms error on %d Gaussian elements (seed %d)\n", N, SEED);
    for (int t = 0; t < N_TYPES; t++) {
        round_trip(quants_quantize_row, bounds[t].type, y, x, N);
        double search = relative_rms(x, y, N);
        round_trip(quants_quantize_row_fast, bounds[t].type, y, x, N);
        double fast = relative_rms(x, y, N);
        printf("%-7s search %.5f fast %.5f\n", dtype_name((uint32_t)bounds[t].type), search, fast);
        assert_true(search <= bounds[t].search && fast <= bounds[t].fast);
    }
}

/* Relative error of one row of one value: what the scale's own rounding and the levels leave. */
static void zero_and_constant_rows(void **state)
{
    (void)state;
    static const float constants[] = {0.7f, -0.7f, 1.0f, -3e-3f, 12345.0f, 1e-5f, -1e-5f};
    quantize_fn *const both[] = {quants_quantize_row, quants_quantize_row_fast};
    for (int t = 0; t < N_TYPES; t++) {
        for (int f = 0; f < 2; f++) {
            float x[MAX_ROW], y[MAX_ROW];
            for (int i = 0; i < MAX_ROW; i++) {
                x[i] = i % 2 == 0 ? 0.0f : -0.0f;
            }
            round_trip(both[f], bounds[t].type, y, x, MAX_ROW);
            for (int i = 0; i < MAX_ROW; i++) {
                assert_true(y[i] == 0.0f);
            }
            for (size_t c = 0; c < sizeof constants / sizeof constants[0]; c++) {
                for (int i = 0; i < MAX_ROW; i++) {
                    x[i] = constants[c];
                }
                round_trip(both[f], bounds[t].type, y, x, MAX_ROW);
                /* FP4 has steps of a third; halves are far apart where scales of 1e-5 need them */
                bool coarse = bounds[t].type == DTYPE_MXFP4 || fabsf(x[0]) < 1e-4f;
                double limit = coarse ? 0.25 : 0.02;
                if (relative_rms(x, y, MAX_ROW) > limit) {
                    fail_msg("%s, %s: constant %g becomes %g", dtype_name((uint32_t)bounds[t].type),
                             f == 0 ? "search" : "fast", (double)x[0], (double)y[0]);
                }
            }
        }
    }
}

/* One element a thousand times the others keeps its value; zeros around it stay near zero. */
static void outliers_are_kept(void **state)
{
    (void)state;
    quantize_fn *const both[] = {quants_quantize_row, quants_quantize_row_fast};
    for (int t = 0; t < N_TYPES; t++) {
        for (int at = 0; at < 256; at += 37) {
            for (int f = 0; f < 2; f++) {
                float x[256], y[256];
                for (int i = 0; i < 256; i++) {
                    x[i] = i == at ? (at % 2 == 0 ? 10.0f : -10.0f) : 0.01f * (float)(i % 3 - 1);
                }
                round_trip(both[f], bounds[t].type, y, x, 256);
                assert_true(fabsf(y[at] - x[at]) < (bounds[t].type == DTYPE_MXFP4 ? 2.01f : 0.7f));
                assert_true(relative_rms(x, y, 256) < 0.21);
            }
        }
    }
}

/* Whatever comes in, what comes out is finite, and the same bits come out a second time. */
static void extremes_never_become_infinite(void **state)
{
    (void)state;
    static const float wild[] = {FLT_MAX,  -FLT_MAX, INFINITY,  -INFINITY, NAN,     1e9f,
                                 65505.0f, -7e4f,    FLT_MIN,   1e-45f,    -1e-45f, 1e-20f,
                                 -1e-10f,  3e38f,    0.0f,      1.0f,      1e15f,   -1e15f,
                                 6e-8f,    5.96e-8f, -2.98e-8f, 1e-38f};
    enum { N_WILD = sizeof wild / sizeof wild[0] };
    quantize_fn *const both[] = {quants_quantize_row, quants_quantize_row_fast};
    struct rng rng;
    rng_seed(&rng, SEED);
    for (int repeat = 0; repeat < 400; repeat++) {
        float x[256], y[256], z[256];
        /* all one wild value; a wild one among ordinary ones; any mixture */
        for (int i = 0; i < 256; i++) {
            x[i] = repeat < N_WILD ? wild[repeat]
                   : repeat < 4 * N_WILD
                       ? (rng_below(&rng, 40) == 0 ? wild[repeat % N_WILD] : rng_normal(&rng))
                       : wild[rng_below(&rng, N_WILD)];
        }
        for (int t = 3; t < N_TYPES; t++) { /* BF16, F16 and F32 hold infinities by right */
            for (int f = 0; f < 2; f++) {
                round_trip(both[f], bounds[t].type, y, x, 256);
                round_trip(both[f], bounds[t].type, z, x, 256);
                assert_memory_equal(y, z, sizeof y);
                for (int i = 0; i < 256; i++) {
                    if (!(fabsf(y[i]) <= FLT_MAX)) {
                        fail_msg("%s: %g becomes %g", dtype_name((uint32_t)bounds[t].type),
                                 (double)x[i], (double)y[i]);
                    }
                }
            }
        }
    }
}

static void large_finite_weights_stay_finite_halves(void **state)
{
    (void)state;
    const float x[] = {1e6f, -1e6f, 65520.0f, INFINITY, -INFINITY, NAN, 1.0f, FLT_MAX};
    float y[8];
    round_trip(quants_quantize_row, DTYPE_F16, y, x, 8);
    assert_true(y[0] == 65504.0f && y[1] == -65504.0f && y[2] == 65504.0f && y[7] == 65504.0f);
    assert_true(isinf(y[3]) && isinf(y[4]) && isnan(y[5]) && y[6] == 1.0f);
}

/* The search may not lose to the fast rule on any kind of row. */
static void search_is_no_worse_than_the_fast_rule(void **state)
{
    (void)state;
    static float x[N], y[N];
    struct rng rng;
    rng_seed(&rng, SEED + 5);
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < N; i++) {
            float v = rng_normal(&rng);
            x[i] = kind == 0   ? v * v * v                         /* heavy tails */
                   : kind == 1 ? rng_uniform(&rng)                 /* positive */
                   : kind == 2 ? 3.0f - rng_uniform(&rng)          /* far from zero */
                               : v * ldexpf(1.0f, i / 64 % 9 - 4); /* groups of various sizes */
        }
        for (int t = 3; t < N_TYPES; t++) {
            round_trip(quants_quantize_row, bounds[t].type, y, x, N);
            double search = relative_rms(x, y, N);
            round_trip(quants_quantize_row_fast, bounds[t].type, y, x, N);
            double fast = relative_rms(x, y, N);
            if (search > fast * 1.0001) {
                fail_msg("%s kind %d: search %g, fast %g", dtype_name((uint32_t)bounds[t].type),
                         kind, search, fast);
            }
        }
    }
}

/* The same bytes on every machine, compiler and level of optimisation: nothing rounds differently.
 */
static void packed_bytes_are_the_same_everywhere(void **state)
{
    (void)state;
    static float x[N];
    static uint8_t packed[N * 4];
    struct rng rng;
    rng_seed(&rng, SEED + 6);
    for (int i = 0; i < N; i++) {
        float u = rng_uniform(&rng) - 0.5f;
        x[i] = u * u * u * ldexpf(1.0f, i / 96 % 20 - 12);
    }
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (int t = 0; t < N_TYPES; t++) {
        for (int f = 0; f < 2; f++) {
            (f == 0 ? quants_quantize_row : quants_quantize_row_fast)(bounds[t].type, packed, x, N);
            for (size_t i = 0; i < dtype_row_bytes(bounds[t].type, N); i++) {
                hash = (hash ^ packed[i]) * 0x100000001b3u;
            }
        }
    }
    if (hash != RECORDED_HASH) {
        fail_msg("hash %016llx: if the rules changed on purpose, record it anew",
                 (unsigned long long)hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_weights_keep_their_values),
        cmocka_unit_test(zero_and_constant_rows),
        cmocka_unit_test(outliers_are_kept),
        cmocka_unit_test(extremes_never_become_infinite),
        cmocka_unit_test(large_finite_weights_stay_finite_halves),
        cmocka_unit_test(search_is_no_worse_than_the_fast_rule),
        cmocka_unit_test(packed_bytes_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
