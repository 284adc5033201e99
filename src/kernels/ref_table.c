/* SPDX-License-Identifier: MIT */
/* The level "ref": every kernel in plain C. */
#include "kernels/levels.h"
#include "kernels/quants.h"
#include "kernels/ref.h"

#include <string.h>

/* kernel_matmul_fn and kernel_dequantize_fn of one weight type. */
#define REF_TYPE(name, type)                                                                       \
    static void matmul_##name(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        matmul(ref_dot_##name, dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes,       \
               n_acts, n_in);                                                                      \
    }                                                                                              \
    static void dequantize_##name(float *dst, const void *src, size_t n)                           \
    {                                                                                              \
        quants_dequantize_row(type, dst, src, n);                                                  \
    }

static void matmul(ref_dot_fn *dot, float *dst, size_t dst_stride, const void *weights,
                   size_t row_bytes, int n_rows, const void *acts, size_t act_bytes, int n_acts,
                   int n_in)
{
    for (int r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)weights + (size_t)r * row_bytes;
        for (int a = 0; a < n_acts; a++) {
            const uint8_t *act = (const uint8_t *)acts + (size_t)a * act_bytes;
            dst[(size_t)a * dst_stride + (size_t)r] = dot(row, act, n_in);
        }
    }
}

REF_TYPE(f32, DTYPE_F32)
REF_TYPE(f16, DTYPE_F16)
REF_TYPE(bf16, DTYPE_BF16)
REF_TYPE(q4_0, DTYPE_Q4_0)
REF_TYPE(q4_1, DTYPE_Q4_1)
REF_TYPE(q5_0, DTYPE_Q5_0)
REF_TYPE(q5_1, DTYPE_Q5_1)
REF_TYPE(q8_0, DTYPE_Q8_0)
REF_TYPE(iq4_nl, DTYPE_IQ4_NL)
REF_TYPE(mxfp4, DTYPE_MXFP4)
REF_TYPE(q2_k, DTYPE_Q2_K)
REF_TYPE(q3_k, DTYPE_Q3_K)
REF_TYPE(q4_k, DTYPE_Q4_K)
REF_TYPE(q5_k, DTYPE_Q5_K)
REF_TYPE(q6_k, DTYPE_Q6_K)
REF_TYPE(iq4_xs, DTYPE_IQ4_XS)

#define REF_SET(out, type, name)                                                                   \
    ((out)->matmul[type] = matmul_##name, (out)->dequantize[type] = dequantize_##name)

void kernels_fill_ref(struct kernels *out)
{
    memset(out, 0, sizeof *out);
    out->level = "ref";
    out->quantize_q8_0 = ref_quantize_q8_0;
    out->quantize_q8_1 = ref_quantize_q8_1;
    out->quantize_q8_k = ref_quantize_q8_k;
    REF_SET(out, DTYPE_F32, f32);
    REF_SET(out, DTYPE_F16, f16);
    REF_SET(out, DTYPE_BF16, bf16);
    REF_SET(out, DTYPE_Q4_0, q4_0);
    REF_SET(out, DTYPE_Q4_1, q4_1);
    REF_SET(out, DTYPE_Q5_0, q5_0);
    REF_SET(out, DTYPE_Q5_1, q5_1);
    REF_SET(out, DTYPE_Q8_0, q8_0);
    REF_SET(out, DTYPE_IQ4_NL, iq4_nl);
    REF_SET(out, DTYPE_MXFP4, mxfp4);
    REF_SET(out, DTYPE_Q2_K, q2_k);
    REF_SET(out, DTYPE_Q3_K, q3_k);
    REF_SET(out, DTYPE_Q4_K, q4_k);
    REF_SET(out, DTYPE_Q5_K, q5_k);
    REF_SET(out, DTYPE_Q6_K, q6_k);
    REF_SET(out, DTYPE_IQ4_XS, iq4_xs);
    out->kv_store[KERNEL_KV_F32] = ref_kv_store_f32;
    out->kv_store[KERNEL_KV_F16] = ref_kv_store_f16;
    out->kv_store[KERNEL_KV_Q8_0] = ref_quantize_q8_0;
    out->kv_scores[KERNEL_KV_F32] = ref_kv_scores_f32;
    out->kv_scores[KERNEL_KV_F16] = ref_kv_scores_f16;
    out->kv_scores[KERNEL_KV_Q8_0] = ref_kv_scores_q8_0;
    out->kv_mix[KERNEL_KV_F32] = ref_kv_mix_f32;
    out->kv_mix[KERNEL_KV_F16] = ref_kv_mix_f16;
    out->kv_mix[KERNEL_KV_Q8_0] = ref_kv_mix_q8_0;
    out->kv_scores_int[KERNEL_KV_F16] = ref_kv_int_scores_f16;
    out->kv_scores_int[KERNEL_KV_Q8_0] = ref_kv_int_scores_q8_0;
    out->kv_mix_int[KERNEL_KV_F16] = ref_kv_int_mix_f16;
    out->kv_mix_int[KERNEL_KV_Q8_0] = ref_kv_int_mix_q8_0;
    out->rms_norm = ref_rms_norm;
    out->silu_mul = ref_silu_mul;
    out->gelu_mul = ref_gelu_mul;
    out->softmax = ref_softmax;
    out->soft_cap = ref_soft_cap;
    out->add_scaled = ref_add_scaled;
}

enum dtype kernels_act_type(enum dtype weights)
{
    switch (weights) {
    case DTYPE_Q4_0:
    case DTYPE_Q5_0:
    case DTYPE_Q8_0:
    case DTYPE_IQ4_NL:
    case DTYPE_MXFP4:
        return DTYPE_Q8_0;
    case DTYPE_Q4_1:
    case DTYPE_Q5_1:
        return DTYPE_Q8_1;
    case DTYPE_Q2_K:
    case DTYPE_Q3_K:
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
    case DTYPE_Q6_K:
    case DTYPE_IQ4_XS:
        return DTYPE_Q8_K;
    default:
        return DTYPE_F32;
    }
}
