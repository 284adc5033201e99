/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of the forward pass as one table of function pointers, filled once for this CPU.
 * `ref` is the scalar specification (ref_*.c); every other level must agree with it within the
 * tolerance written beside the function type, for any length allowed, any alignment of 2 bytes for
 * blocks and 4 for floats, and must not read or write one byte outside its arguments. Stateless,
 * callable from any thread.
 *
 * The result of one (row, activation) pair never depends on how many rows or activations are asked
 * for at once, nor on their order: that is what makes prefill equal decode and any thread count
 * equal one.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "base/dtype.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Activations to 8-bit blocks, n a multiple of the block. Q8_0, Q8_1: d = max|x| / 127, quants by
 * the unrounded 1/d, d stored as half; Q8_1 also stores s = d * sum of quants. Q8_K: scale -127 /
 * (element of largest magnitude, with its sign), d = 1/scale in float, sums of 16. Quants round to
 * nearest even, all levels identical to ref bit for bit.
 */
typedef void kernel_quantize_fn(void *dst, const float *src, int n);

/*
 * dst[a * dst_stride + r] = dot(weights row r, activation a) for r < n_rows, a < n_acts. Weight
 * rows are `row_bytes` apart, activation rows `act_bytes` apart, both n_in elements long; the
 * activation type is kernels_act_type(weight type). Tolerance against ref: |difference| <= 1e-5 *
 * sum |w_i x_i| for float types, 1e-6 * the same for integer types (there the integer part is exact
 * and only the order of the float sums over blocks differs).
 */
typedef void kernel_matmul_fn(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                              int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in);

/* Weights of one row to float; bit for bit as quants_dequantize_row. */
typedef void kernel_dequantize_fn(float *dst, const void *src, size_t n);

/*
 * Key-value cache rows of type F32, F16 or Q8_0; `n`, the head size: for Q8_0 a multiple of 32.
 * Values are rows. Keys lie in panels of 16 positions, so that one vector holds one element of
 * neighbouring positions; a panel takes the bytes of 16 rows:
 *   F32, F16   (n, 16) elements
 *   Q8_0       per block of 32: (16) scales, then (32, 16) quants
 */
enum { KERNEL_KV_PANEL = 16, KERNEL_KV_BLOCK = 64, KERNEL_KV_GROUP = 64 };
/* dst row <- n floats, rounded to nearest even; identical to ref. */
typedef void kernel_kv_store_fn(void *dst, const float *src, int n);
/*
 * scores[j * stride + p] = dot(query j, position p) for j < n_q and every position p of n_panels
 * panels; queries are q_stride floats apart. Tolerance 1e-5 * sum |q_i k_i|.
 */
typedef void kernel_kv_scores_fn(float *scores, size_t stride, const float *q, size_t q_stride,
                                 int n_q, const void *panels, size_t panel_bytes, int n_panels,
                                 int n);
/*
 * out[j * stride + i] += sum over p of weights[j * w_stride + p] * row p [i] for j < n_q, p
 * ascending. Tolerance 1e-5 * sum |w_p v_pi|.
 */
typedef void kernel_kv_mix_fn(float *out, size_t stride, const float *weights, size_t w_stride,
                              int n_q, const void *rows, size_t row_bytes, int n_pos, int n);

/*
 * The same two in 16-bit integers, for caches of F16 and Q8_0 (kv_scores_int, kv_mix_int; NULL
 * where a level has none). The integers are exact, and results identical to ref.
 *
 * Scores: per block of KERNEL_KV_BLOCK elements query and key are divided by their largest
 * magnitude, times 5792, to nearest even. Tolerance that of the float kernel + 2e-4 * block length
 * * the product of the two largest magnitudes, summed over blocks.
 *
 * Mix: a row of values is divided by its largest magnitude, times 4095; weights times those
 * magnitudes by the largest of each KERNEL_KV_GROUP positions from the first one, times 8191.
 * Tolerance that of the float kernel + 2e-4 * group length * that largest, summed over groups. A
 * weight of 0 keeps out whatever its row holds.
 */
/* dst = x / sqrt(mean(x^2) + eps) * weight; dst may be x. Tolerance 1e-5 relative. */
typedef void kernel_rms_norm_fn(float *dst, const float *x, const float *weight, int n, float eps);
/*
 * dst = act(gate) * up; SiLU z/(1+e^-z), or GELU in its tanh form. dst may be gate. Tolerance
 * 2e-6 |up| max(1,|z|).
 */
typedef void kernel_glu_fn(float *dst, const float *gate, const float *up, int n);
/* x <- e^(x - max), returns the sum; the caller divides. -inf gives 0. Tolerance 2e-6 relative. */
typedef float kernel_softmax_fn(float *x, int n);
/* x <- cap * tanh(x / cap), cap > 0. Tolerance 1e-6 * cap. */
typedef void kernel_soft_cap_fn(float *x, float cap, int n);
/* dst += x * scale. Exact: a multiply, then an add. */
typedef void kernel_add_scaled_fn(float *dst, const float *x, float scale, int n);

enum kernel_kv { KERNEL_KV_F32, KERNEL_KV_F16, KERNEL_KV_Q8_0, KERNEL_N_KV };

struct kernels {
    const char *level; /* "ref", "avx2", "avx512", "neon", "neon-dotprod", "neon-i8mm" */
    kernel_quantize_fn *quantize_q8_0, *quantize_q8_1, *quantize_q8_k;
    kernel_matmul_fn *matmul[DTYPE_COUNT];         /* NULL for types that hold no weights */
    kernel_dequantize_fn *dequantize[DTYPE_COUNT]; /* NULL likewise */
    kernel_kv_store_fn *kv_store[KERNEL_N_KV];
    kernel_kv_scores_fn *kv_scores[KERNEL_N_KV];
    kernel_kv_mix_fn *kv_mix[KERNEL_N_KV];
    kernel_kv_scores_fn *kv_scores_int[KERNEL_N_KV];
    kernel_kv_mix_fn *kv_mix_int[KERNEL_N_KV];
    kernel_rms_norm_fn *rms_norm;
    kernel_glu_fn *silu_mul, *gelu_mul;
    kernel_softmax_fn *softmax;
    kernel_soft_cap_fn *soft_cap;
    kernel_add_scaled_fn *add_scaled;
};

/*
 * Fills the table for `level` (NULL: the best). MSCOPE_ERR_ARGUMENT names the levels this CPU has
 * when the level is unknown or the CPU lacks it.
 */
enum mscope_status kernels_select(struct kernels *out, const char *level, struct mscope_error *err);

/* NULL-terminated, weakest first; only levels compiled in that this CPU can run. */
const char *const *kernels_levels(void);

/* Position `slot` of a panel of keys <- a row as kv_store[type] makes it. */
void kernels_kv_place(enum kernel_kv type, void *panel, int slot, const void *row, int n);

/* Activation type that matmul[weights] expects: F32, Q8_0, Q8_1 or Q8_K. */
enum dtype kernels_act_type(enum dtype weights);

#endif
