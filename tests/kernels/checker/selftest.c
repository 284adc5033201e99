/* SPDX-License-Identifier: MIT */
/* The checker checked: kernels broken on purpose, each in a child process, must be reported. */
#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the broken kernels call. */
static struct kernels sound;

static void matmul_off(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                       int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    dst[0] *= 1.001f;
}

static void matmul_writes_past(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                               int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    dst[(size_t)(n_acts - 1) * dst_stride + (size_t)n_rows] = 0.0f;
}

static void matmul_writes_gap(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                              int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    if (n_acts > 1 && dst_stride > (size_t)n_rows) {
        dst[n_rows] = 0.0f;
    }
}

static void matmul_reads_past(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                              int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    size_t row = (size_t)dtype_row_bytes(DTYPE_Q4_K, (uint64_t)n_in);
    const volatile uint8_t *end = (const uint8_t *)weights + (size_t)(n_rows - 1) * row_bytes + row;
    (void)*end;
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
}

/* Right within the tolerance, but not the same bits for one activation and for two. */
static void matmul_by_tile(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                           int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    if (n_acts > 1) {
        uint32_t bits;
        memcpy(&bits, dst, sizeof bits);
        bits ^= 1;
        memcpy(dst, &bits, sizeof bits);
    }
}

static void matmul_writes_input(float *dst, size_t dst_stride, const void *weights,
                                size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,
                                int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    volatile uint8_t *input = (uint8_t *)(uintptr_t)acts;
    input[0] = input[0];
}

static void matmul_nan(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                       int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)
{
    sound.matmul[DTYPE_Q4_K](dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts,
                             n_in);
    memset(dst, 0xff, sizeof *dst);
}

static void quantize_off(void *dst, const float *src, int n)
{
    sound.quantize_q8_k(dst, src, n);
    ((uint8_t *)dst)[4 + n % 256] ^= 1;
}

static void store_off(void *dst, const float *src, int n)
{
    sound.kv_store[KERNEL_KV_F16](dst, src, n);
    ((uint8_t *)dst)[2 * n - 2] ^= 1;
}

static void scores_reads_past(float *scores, size_t stride, const float *q, size_t q_stride,
                              int n_q, const void *panels, size_t panel_bytes, int n_panels, int n)
{
    sound.kv_scores[KERNEL_KV_F16](scores, stride, q, q_stride, n_q, panels, panel_bytes, n_panels,
                                   n);
    (void)*(const volatile float *)(q + (size_t)(n_q - 1) * q_stride + n);
}

static void mix_forgets(float *out, size_t stride, const float *weights, size_t w_stride, int n_q,
                        const void *rows, size_t row_bytes, int n_pos, int n)
{
    sound.kv_mix[KERNEL_KV_F16](out, stride, weights, w_stride, n_q, rows, row_bytes,
                                n_pos - n_pos / 8, n);
}

static void rms_norm_off(float *dst, const float *x, const float *weight, int n, float eps)
{
    sound.rms_norm(dst, x, weight, n, eps + 1e-4f);
}

static void silu_off(float *dst, const float *gate, const float *up, int n)
{
    sound.silu_mul(dst, gate, up, n);
    dst[n - 1] += 1e-4f * up[n - 1];
}

static float softmax_off(float *x, int n)
{
    return sound.softmax(x, n) * 1.00001f;
}

static void add_scaled_fused(float *dst, const float *x, float scale, int n)
{
    for (int i = 0; i < n; i++) {
        dst[i] = (float)((double)dst[i] + (double)x[i] * (double)scale);
    }
}

static void dequantize_off(float *dst, const void *src, size_t n)
{
    sound.dequantize[DTYPE_Q6_K](dst, src, n);
    dst[n / 2] += 1.0f;
}

/* The number of failures that the checker finds, in a child that may die; -1 when it died. */
static int failures_of(const struct kernels *broken, uint64_t seed)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct checker c;
        memset(&c, 0, sizeof c);
        c.seed = seed;
        c.n_cases = 40;
        c.quiet = true;
        c.ref = sound;
        c.tested = *broken;
        checker_all(&c);
        checker_close_memory(&c);
        _exit(c.n_passed + c.n_failed == 0 ? 255 : c.n_failed > 100 ? 100 : (int)c.n_failed);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("kernel_checker: fork");
        exit(2);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

static struct kernels only_level_name(void)
{
    struct kernels empty;
    memset(&empty, 0, sizeof empty);
    empty.level = "broken";
    return empty;
}

#define BROKEN(text, field, function)                                                              \
    do {                                                                                           \
        struct kernels broken = only_level_name();                                                 \
        broken.field = (function);                                                                 \
        int n = failures_of(&broken, seed);                                                        \
        printf("%-46s %s\n", text, n > 0 ? "caught" : "MISSED");                                   \
        n_missed += n > 0 ? 0 : 1;                                                                 \
    } while (0)

int selftest_run(uint64_t seed)
{
    int n_missed = 0;
    checker_select(&sound, "ref");
    BROKEN("matmul: one result off by 0.1 %", matmul[DTYPE_Q4_K], matmul_off);
    BROKEN("matmul: writes one past the end", matmul[DTYPE_Q4_K], matmul_writes_past);
    BROKEN("matmul: writes between results", matmul[DTYPE_Q4_K], matmul_writes_gap);
    BROKEN("matmul: reads one byte past the weights", matmul[DTYPE_Q4_K], matmul_reads_past);
    BROKEN("matmul: bits depend on the tile", matmul[DTYPE_Q4_K], matmul_by_tile);
    BROKEN("matmul: writes to its input", matmul[DTYPE_Q4_K], matmul_writes_input);
    BROKEN("matmul: NaN", matmul[DTYPE_Q4_K], matmul_nan);
    BROKEN("quantize: one quant off by one", quantize_q8_k, quantize_off);
    BROKEN("dequantize: one element off", dequantize[DTYPE_Q6_K], dequantize_off);
    BROKEN("kv_store: last bit of the last element", kv_store[KERNEL_KV_F16], store_off);
    BROKEN("kv_scores: reads past the query", kv_scores[KERNEL_KV_F16], scores_reads_past);
    BROKEN("kv_mix: leaves out positions", kv_mix[KERNEL_KV_F16], mix_forgets);
    BROKEN("rms_norm: wrong epsilon", rms_norm, rms_norm_off);
    BROKEN("silu_mul: last element off", silu_mul, silu_off);
    BROKEN("softmax: sum off by 1e-5", softmax, softmax_off);
    BROKEN("add_scaled: fused", add_scaled, add_scaled_fused);
    struct kernels reference = sound;
    int n = failures_of(&reference, seed);
    printf("%-46s %s\n", "the sound reference", n == 0 ? "passes" : "REPORTED");
    n_missed += n == 0 ? 0 : 1;
    printf("%d of the checker's own tests failed\n", n_missed);
    return n_missed == 0 ? 0 : 1;
}
