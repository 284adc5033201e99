/* SPDX-License-Identifier: MIT */
/*
 * Inside ref_*.c only: the scalar kernels by topic. They are the specification that every other
 * level is compared with, written to be read.
 *
 * Order of float sums, fixed: eight lanes, term number t (element t, or block t for quantised
 * weights) goes to lane t mod 8 in ascending order, every product and every addition rounded to
 * float; the lanes are then added as ((0+4)+(2+6)) + ((1+5)+(3+7)).
 */
#ifndef KERNELS_REF_H
#define KERNELS_REF_H

#include "kernels/kernels.h"

enum { REF_LANES = 8 };

static inline float ref_sum_lanes(const float *lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* Integer part of a product of blocks; exact. */
static inline int32_t ref_dot_int(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* dot(row of weights, row of activations), n_in elements each. */
typedef float ref_dot_fn(const void *row, const void *act, int n_in);

ref_dot_fn ref_dot_f32, ref_dot_f16, ref_dot_bf16;
ref_dot_fn ref_dot_q4_0, ref_dot_q4_1, ref_dot_q5_0, ref_dot_q5_1, ref_dot_q8_0, ref_dot_iq4_nl,
    ref_dot_mxfp4;
ref_dot_fn ref_dot_q2_k, ref_dot_q3_k, ref_dot_q4_k, ref_dot_q5_k, ref_dot_q6_k, ref_dot_iq4_xs;

kernel_quantize_fn ref_quantize_q8_0, ref_quantize_q8_1, ref_quantize_q8_k;
kernel_kv_store_fn ref_kv_store_f32, ref_kv_store_f16;
kernel_kv_scores_fn ref_kv_scores_f32, ref_kv_scores_f16, ref_kv_scores_q8_0;
kernel_kv_mix_fn ref_kv_mix_f32, ref_kv_mix_f16, ref_kv_mix_q8_0;
kernel_kv_scores_fn ref_kv_int_scores_f16, ref_kv_int_scores_q8_0;
kernel_kv_mix_fn ref_kv_int_mix_f16, ref_kv_int_mix_q8_0;
kernel_rms_norm_fn ref_rms_norm;
kernel_glu_fn ref_silu_mul, ref_gelu_mul;
kernel_softmax_fn ref_softmax;
kernel_soft_cap_fn ref_soft_cap;
kernel_add_scaled_fn ref_add_scaled;

#endif
