/* SPDX-License-Identifier: MIT */
/*
 * The other scalar kernels against plain double arithmetic: key-value cache, norm, activation
 * functions, softmax; and the choice of a level by name.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/levels.h"
#include "unit.h"

#include <math.h>
#include <string.h>

enum { SEED = 78 };

static struct kernels ref;

static void cache_rows_are_stored_scored_and_mixed(void **state)
{
    (void)state;
    enum { N_POS = 7, HEAD = 96, ROW = HEAD * 4 + 6, PANEL = KERNEL_KV_PANEL };
    static const double tolerance[KERNEL_N_KV] = {0.0, 0.0005, 0.0045};
    struct rng rng;
    rng_seed(&rng, SEED + 5);
    for (int kind = 0; kind < KERNEL_N_KV; kind++) {
        uint8_t rows[N_POS * ROW], panel[PANEL * HEAD * 4] = {0};
        float values[N_POS][HEAD], q[HEAD], weights[N_POS], scores[PANEL], out[HEAD];
        for (int i = 0; i < HEAD; i++) {
            q[i] = rng_normal(&rng);
            out[i] = (float)i;
        }
        for (int p = 0; p < N_POS; p++) {
            for (int i = 0; i < HEAD; i++) {
                values[p][i] = rng_normal(&rng);
            }
            weights[p] = rng_uniform(&rng);
            ref.kv_store[kind](rows + p * ROW, values[p], HEAD);
            kernels_kv_place((enum kernel_kv)kind, panel, p, rows + p * ROW, HEAD);
        }
        ref.kv_scores[kind](scores, PANEL, q, HEAD, 1, panel, sizeof panel, 1, HEAD);
        ref.kv_mix[kind](out, HEAD, weights, N_POS, 1, rows, ROW, N_POS, HEAD);
        double mixed[HEAD] = {0};
        for (int p = 0; p < N_POS; p++) {
            double sum = 0.0, absolute = 0.0;
            for (int i = 0; i < HEAD; i++) {
                sum += (double)q[i] * (double)values[p][i];
                absolute += fabs((double)q[i] * (double)values[p][i]);
                mixed[i] += (double)weights[p] * (double)values[p][i];
            }
            assert_true(fabs((double)scores[p] - sum) <= (1e-5 + tolerance[kind]) * absolute);
        }
        for (int i = 0; i < HEAD; i++) {
            assert_true(fabs((double)out[i] - i - mixed[i]) <= 1e-4 + tolerance[kind] * 8.0);
        }
    }
}

static void norm_and_sums_by_definition(void **state)
{
    (void)state;
    struct rng rng;
    float x[1000], weight[1000], dst[1000];
    rng_seed(&rng, SEED + 6);
    for (int n = 1; n <= 1000; n += 37) {
        double sum = 0.0;
        for (int i = 0; i < n; i++) {
            x[i] = rng_normal(&rng) * 3.0f;
            weight[i] = rng_uniform(&rng) + 0.5f;
            sum += (double)x[i] * (double)x[i];
        }
        double scale = 1.0 / sqrt(sum / n + 1e-5);
        ref.rms_norm(dst, x, weight, n, 1e-5f);
        for (int i = 0; i < n; i++) {
            double expected = (double)x[i] * scale * (double)weight[i];
            assert_true(fabs((double)dst[i] - expected) <= 1e-6 * fabs(expected));
        }
        memcpy(dst, weight, sizeof weight);
        ref.add_scaled(dst, x, 0.25f, n);
        for (int i = 0; i < n; i++) {
            assert_true(dst[i] == weight[i] + x[i] * 0.25f);
        }
    }
}

static void activation_functions_by_definition(void **state)
{
    (void)state;
    for (int i = -2000; i <= 2000; i++) {
        float gate = (float)i * 0.05f, up = 1.5f, silu = gate, gelu = gate;
        double z = (double)gate;
        ref.silu_mul(&silu, &silu, &up, 1); /* dst may be gate */
        ref.gelu_mul(&gelu, &gelu, &up, 1);
        double expected = z / (1.0 + exp(-z)) * 1.5;
        double limit = 2e-6 * 1.5 * fmax(1.0, fabs(z));
        assert_true(fabs((double)silu - expected) <= limit);
        expected = 0.5 * z * (1.0 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z))) * 1.5;
        assert_true(fabs((double)gelu - expected) <= limit);
    }
}

static void softmax_by_definition(void **state)
{
    (void)state;
    struct rng rng;
    float x[3000], y[3000];
    rng_seed(&rng, SEED + 7);
    for (int n = 1; n <= 3000; n = n * 3 + 1) {
        double sum = 0.0;
        float largest = -INFINITY;
        for (int i = 0; i < n; i++) {
            x[i] = y[i] = i % 7 == 3 ? -INFINITY : rng_normal(&rng) * 20.0f + 500.0f;
            largest = fmaxf(largest, x[i]);
        }
        float got = ref.softmax(y, n);
        for (int i = 0; i < n; i++) {
            double expected = exp((double)x[i] - (double)largest);
            assert_true(fabs((double)y[i] - expected) <= 2e-6 * expected + 1e-38);
            sum += expected;
        }
        assert_true(fabs((double)got - sum) <= 2e-6 * sum);
    }
    float masked[3] = {-INFINITY, -INFINITY, -INFINITY};
    assert_true(ref.softmax(masked, 3) == 0.0f && masked[0] == 0.0f && masked[2] == 0.0f);
}

static void levels_are_selected_by_name(void **state)
{
    (void)state;
    struct kernels kernels;
    struct mscope_error err;
    const char *const *levels = kernels_levels();
    const char *best = NULL;
    assert_string_equal(levels[0], "ref");
    for (int i = 0; levels[i] != NULL; i++) {
        assert_ok(kernels_select(&kernels, levels[i], &err), &err);
        assert_string_equal(kernels.level, levels[i]);
        assert_non_null(kernels.matmul[DTYPE_Q4_K]);
        best = levels[i];
    }
    assert_ok(kernels_select(&kernels, NULL, &err), &err);
    assert_string_equal(kernels.level, best);
    assert_int_equal(kernels_select(&kernels, "mmx", &err), MSCOPE_ERR_ARGUMENT);
    char text[800];
    mscope_error_text(&err, text, sizeof text);
    assert_non_null(strstr(text, "mmx"));
    assert_non_null(strstr(text, "ref"));
}

static int select_ref(void **state)
{
    (void)state;
    kernels_fill_ref(&ref);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_rows_are_stored_scored_and_mixed),
        cmocka_unit_test(norm_and_sums_by_definition),
        cmocka_unit_test(activation_functions_by_definition),
        cmocka_unit_test(softmax_by_definition),
        cmocka_unit_test(levels_are_selected_by_name),
    };
    return cmocka_run_group_tests(tests, select_ref, NULL);
}
