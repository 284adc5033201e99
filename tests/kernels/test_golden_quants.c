/* SPDX-License-Identifier: MIT */
/*
 * Against the reference blocks of shared/golden/quants: dequantised values bit for bit, exact dot
 * products, the scalar matmul, and quantising no worse than the reference on its own source rows.
 * Prints the comparison of errors that docs/TYPES.md shows.
 */
#include "kernels/kernels.h"
#include "kernels/levels.h"
#include "kernels/quants.h"
#include "unit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { N_ROWS = 8, ROW = 256, N = N_ROWS * ROW };

static const enum dtype types[] = {
    DTYPE_F16,  DTYPE_BF16, DTYPE_Q4_0,   DTYPE_Q4_1,   DTYPE_Q5_0,
    DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q2_K,   DTYPE_Q3_K,   DTYPE_Q4_K,
    DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL, DTYPE_IQ4_XS, DTYPE_MXFP4,
};
enum { N_TYPES = sizeof types / sizeof types[0] };

static const char *golden;

/* Reads exactly n_bytes of golden/quants/<name><suffix>. */
static void read_golden(void *dst, size_t n_bytes, const char *name, const char *suffix)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/quants/%s%s", golden, name, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
        return;
    }
    size_t n_read = fread(dst, 1, n_bytes, file);
    bool at_end = fgetc(file) == EOF;
    fclose(file);
    if (n_read != n_bytes || !at_end) {
        fail_msg("%s: not %zu bytes", path, n_bytes);
    }
}

static size_t packed_bytes(enum dtype type)
{
    return (size_t)dtype_row_bytes(type, N);
}

static void values_are_equal_bit_for_bit(void **state)
{
    (void)state;
    static const char *const sets[] = {"q", "rnd"};
    for (int t = 0; t < N_TYPES; t++) {
        for (int s = 0; s < 2; s++) {
            static uint8_t packed[N * 4];
            static float expected[N], got[N];
            char suffix[16];
            snprintf(suffix, sizeof suffix, ".%s.bin", sets[s]);
            read_golden(packed, packed_bytes(types[t]), dtype_name((uint32_t)types[t]), suffix);
            snprintf(suffix, sizeof suffix, ".%s.f32", sets[s]);
            read_golden(expected, sizeof expected, dtype_name((uint32_t)types[t]), suffix);
            quants_dequantize_row(types[t], got, packed, N);
            for (int i = 0; i < N; i++) {
                bool same = memcmp(&got[i], &expected[i], sizeof got[i]) == 0;
                if (!same && !(got[i] == 0.0f && expected[i] == 0.0f)) {
                    fail_msg("%s.%s element %d: %a, expected %a", dtype_name((uint32_t)types[t]),
                             sets[s], i, (double)got[i], (double)expected[i]);
                }
            }
        }
    }
}

/* sum |a_i b_i|: what errors of float sums are relative to. */
static double absolute_dot(const float *a, const float *b)
{
    double sum = 0.0;
    for (int i = 0; i < ROW; i++) {
        sum += fabs((double)a[i] * (double)b[i]);
    }
    return sum;
}

static void dot_products_are_those_recorded(void **state)
{
    (void)state;
    static const char *const sets[] = {"q", "rnd"};
    for (int t = 0; t < N_TYPES; t++) {
        for (int s = 0; s < 2; s++) {
            static uint8_t packed[N * 4];
            static float values[N];
            float x[N];
            double expected[N_ROWS];
            char suffix[16];
            snprintf(suffix, sizeof suffix, ".%s.bin", sets[s]);
            read_golden(packed, packed_bytes(types[t]), dtype_name((uint32_t)types[t]), suffix);
            snprintf(suffix, sizeof suffix, ".%s.dot", sets[s]);
            read_golden(expected, sizeof expected, dtype_name((uint32_t)types[t]), suffix);
            read_golden(x, sizeof x, "x", ".f32");
            quants_dequantize_row(types[t], values, packed, N);
            for (int r = 0; r < N_ROWS; r++) {
                double sum = 0.0;
                for (int i = 0; i < ROW; i++) {
                    sum += (double)values[ROW * r + i] * (double)x[ROW * r + i];
                }
                double scale = absolute_dot(values + ROW * r, x + ROW * r);
                if (!(fabs(sum - expected[r]) <= 1e-12 * scale)) {
                    fail_msg("%s.%s row %d: %.17g, expected %.17g", dtype_name((uint32_t)types[t]),
                             sets[s], r, sum, expected[r]);
                }
            }
        }
    }
}

/* The default arithmetic: activations in 8 bits; the error is that of rounding them, nothing more.
 */
static void matmul_is_near_the_exact_products(void **state)
{
    (void)state;
    struct kernels kernels;
    kernels_fill_ref(&kernels);
    for (int t = 0; t < N_TYPES; t++) {
        static uint8_t packed[N * 4], acts[N * 4];
        static float values[N];
        float x[N];
        double expected[N_ROWS];
        read_golden(packed, packed_bytes(types[t]), dtype_name((uint32_t)types[t]), ".q.bin");
        read_golden(expected, sizeof expected, dtype_name((uint32_t)types[t]), ".q.dot");
        read_golden(x, sizeof x, "x", ".f32");
        quants_dequantize_row(types[t], values, packed, N);
        enum dtype act = kernels_act_type(types[t]);
        double limit = 1e-6;
        memcpy(acts, x, sizeof x);
        if (act != DTYPE_F32) {
            kernel_quantize_fn *quantize = act == DTYPE_Q8_0   ? kernels.quantize_q8_0
                                           : act == DTYPE_Q8_1 ? kernels.quantize_q8_1
                                                               : kernels.quantize_q8_k;
            quantize(acts, x, N);
            limit = 6e-3;
        }
        for (int r = 0; r < N_ROWS; r++) {
            float dst = NAN;
            size_t row = packed_bytes(types[t]) / N_ROWS;
            size_t act_bytes = (size_t)dtype_row_bytes(act, ROW);
            kernels.matmul[types[t]](&dst, 1, packed + row * (size_t)r, row, 1,
                                     acts + act_bytes * (size_t)r, act_bytes, 1, ROW);
            double scale = absolute_dot(values + ROW * r, x + ROW * r);
            if (!(fabs((double)dst - expected[r]) <= limit * scale)) {
                fail_msg("%s row %d: %g, expected %g within %g", dtype_name((uint32_t)types[t]), r,
                         (double)dst, expected[r], limit * scale);
            }
        }
    }
}

static double relative_rms(const float *x, const float *y, int n)
{
    double err = 0.0, sum = 0.0;
    for (int i = 0; i < n; i++) {
        err += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        sum += (double)x[i] * (double)x[i];
    }
    return sum > 0.0 ? sqrt(err / sum) : sqrt(err);
}

static void quantising_is_no_worse_than_the_reference(void **state)
{
    (void)state;
    float src[N], reference[N], ours[N], fast[N];
    static uint8_t packed[N * 4];
    read_golden(src, sizeof src, "src", ".f32");
    printf("relative rms error   Gaussian row            all rows\n");
    printf("type      reference   search     fast   reference   search     fast\n");
    for (int t = 0; t < N_TYPES; t++) {
        const char *name = dtype_name((uint32_t)types[t]);
        read_golden(reference, sizeof reference, name, ".q.f32");
        quants_quantize_row(types[t], packed, src, N);
        quants_dequantize_row(types[t], ours, packed, N);
        quants_quantize_row_fast(types[t], packed, src, N);
        quants_dequantize_row(types[t], fast, packed, N);
        double row[3] = {relative_rms(src, reference, ROW), relative_rms(src, ours, ROW),
                         relative_rms(src, fast, ROW)};
        double all[3] = {relative_rms(src, reference, N), relative_rms(src, ours, N),
                         relative_rms(src, fast, N)};
        printf("%-8s   %.5f  %.5f  %.5f     %.5f  %.5f  %.5f\n", name, row[0], row[1], row[2],
               all[0], all[1], all[2]);
        assert_true(row[1] <= row[0] * 1.001 && all[1] <= all[0] * 1.001);
        for (int r = 1; r < N_ROWS;
             r++) { /* other rows are odd ones: constant, tiny, one outlier */
            const float *x = src + ROW * r;
            if (relative_rms(x, ours + ROW * r, ROW) >
                relative_rms(x, reference + ROW * r, ROW) * 1.001 + 1e-3) {
                fail_msg("%s row %d: %g, reference %g", name, r,
                         relative_rms(x, ours + ROW * r, ROW),
                         relative_rms(x, reference + ROW * r, ROW));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_equal_bit_for_bit),
        cmocka_unit_test(dot_products_are_those_recorded),
        cmocka_unit_test(matmul_is_near_the_exact_products),
        cmocka_unit_test(quantising_is_no_worse_than_the_reference),
    };
    golden = unit_golden("kernels/test_golden_quants");
    if (golden == NULL) {
        return UNIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
