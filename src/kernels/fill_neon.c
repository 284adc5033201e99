/* SPDX-License-Identifier: MIT */
/* The table entries of the level NEON; dequantising stays the reference's. */
#include "kernels/levels.h"
#include "kernels/neon.h"

void kernels_fill_neon(struct kernels *out)
{
    out->level = "neon";
    out->quantize_q8_0 = neon_quantize_q8_0;
    out->quantize_q8_1 = neon_quantize_q8_1;
    out->quantize_q8_k = neon_quantize_q8_k;
    out->matmul[DTYPE_F32] = neon_matmul_f32;
    out->matmul[DTYPE_F16] = neon_matmul_f16;
    out->matmul[DTYPE_BF16] = neon_matmul_bf16;
    out->matmul[DTYPE_Q4_0] = neon_matmul_q4_0;
    out->matmul[DTYPE_Q4_1] = neon_matmul_q4_1;
    out->matmul[DTYPE_Q5_0] = neon_matmul_q5_0;
    out->matmul[DTYPE_Q5_1] = neon_matmul_q5_1;
    out->matmul[DTYPE_Q8_0] = neon_matmul_q8_0;
    out->matmul[DTYPE_IQ4_NL] = neon_matmul_iq4_nl;
    out->matmul[DTYPE_MXFP4] = neon_matmul_mxfp4;
    out->matmul[DTYPE_Q2_K] = neon_matmul_q2_k;
    out->matmul[DTYPE_Q3_K] = neon_matmul_q3_k;
    out->matmul[DTYPE_Q4_K] = neon_matmul_q4_k;
    out->matmul[DTYPE_Q5_K] = neon_matmul_q5_k;
    out->matmul[DTYPE_Q6_K] = neon_matmul_q6_k;
    out->matmul[DTYPE_IQ4_XS] = neon_matmul_iq4_xs;
    out->kv_store[KERNEL_KV_F32] = neon_kv_store_f32;
    out->kv_store[KERNEL_KV_F16] = neon_kv_store_f16;
    out->kv_store[KERNEL_KV_Q8_0] = neon_quantize_q8_0;
    out->kv_scores[KERNEL_KV_F32] = neon_kv_scores_f32;
    out->kv_scores[KERNEL_KV_F16] = neon_kv_scores_f16;
    out->kv_scores[KERNEL_KV_Q8_0] = neon_kv_scores_q8_0;
    out->kv_mix[KERNEL_KV_F32] = neon_kv_mix_f32;
    out->kv_mix[KERNEL_KV_F16] = neon_kv_mix_f16;
    out->kv_mix[KERNEL_KV_Q8_0] = neon_kv_mix_q8_0;
    for (int i = 0; i < KERNEL_N_KV; i++) { /* 16-bit products are no faster than float ones here */
        out->kv_scores_int[i] = NULL;
        out->kv_mix_int[i] = NULL;
    }
    out->rms_norm = neon_rms_norm;
    out->silu_mul = neon_silu_mul;
    out->gelu_mul = neon_gelu_mul;
    out->softmax = neon_softmax;
    out->soft_cap = neon_soft_cap;
    out->add_scaled = neon_add_scaled;
}
