/* SPDX-License-Identifier: MIT */
/* The table entries of the level AVX2 + FMA + F16C. */
#include "kernels/avx2.h"
#include "kernels/kv_int.h"
#include "kernels/levels.h"

void kernels_fill_avx2(struct kernels *out)
{
    out->level = "avx2";
    out->quantize_q8_0 = avx2_quantize_q8_0;
    out->quantize_q8_1 = avx2_quantize_q8_1;
    out->quantize_q8_k = avx2_quantize_q8_k;
    out->matmul[DTYPE_F32] = avx2_matmul_f32;
    out->matmul[DTYPE_F16] = avx2_matmul_f16;
    out->matmul[DTYPE_BF16] = avx2_matmul_bf16;
    out->matmul[DTYPE_Q4_0] = avx2_matmul_q4_0;
    out->matmul[DTYPE_Q4_1] = avx2_matmul_q4_1;
    out->matmul[DTYPE_Q5_0] = avx2_matmul_q5_0;
    out->matmul[DTYPE_Q5_1] = avx2_matmul_q5_1;
    out->matmul[DTYPE_Q8_0] = avx2_matmul_q8_0;
    out->matmul[DTYPE_IQ4_NL] = avx2_matmul_iq4_nl;
    out->matmul[DTYPE_MXFP4] = avx2_matmul_mxfp4;
    out->matmul[DTYPE_Q2_K] = avx2_matmul_q2_k;
    out->matmul[DTYPE_Q3_K] = avx2_matmul_q3_k;
    out->matmul[DTYPE_Q4_K] = avx2_matmul_q4_k;
    out->matmul[DTYPE_Q5_K] = avx2_matmul_q5_k;
    out->matmul[DTYPE_Q6_K] = avx2_matmul_q6_k;
    out->matmul[DTYPE_IQ4_XS] = avx2_matmul_iq4_xs;
    out->dequantize[DTYPE_F16] = avx2_dequantize_f16;
    out->dequantize[DTYPE_BF16] = avx2_dequantize_bf16;
    out->dequantize[DTYPE_Q4_0] = avx2_dequantize_q4_0;
    out->dequantize[DTYPE_Q4_1] = avx2_dequantize_q4_1;
    out->dequantize[DTYPE_Q5_0] = avx2_dequantize_q5_0;
    out->dequantize[DTYPE_Q5_1] = avx2_dequantize_q5_1;
    out->dequantize[DTYPE_Q8_0] = avx2_dequantize_q8_0;
    out->dequantize[DTYPE_IQ4_NL] = avx2_dequantize_iq4_nl;
    out->dequantize[DTYPE_MXFP4] = avx2_dequantize_mxfp4;
    out->dequantize[DTYPE_Q2_K] = avx2_dequantize_q2_k;
    out->dequantize[DTYPE_Q3_K] = avx2_dequantize_q3_k;
    out->dequantize[DTYPE_Q4_K] = avx2_dequantize_q4_k;
    out->dequantize[DTYPE_Q5_K] = avx2_dequantize_q5_k;
    out->dequantize[DTYPE_Q6_K] = avx2_dequantize_q6_k;
    out->dequantize[DTYPE_IQ4_XS] = avx2_dequantize_iq4_xs;
    out->kv_store[KERNEL_KV_F32] = avx2_kv_store_f32;
    out->kv_store[KERNEL_KV_F16] = avx2_kv_store_f16;
    out->kv_store[KERNEL_KV_Q8_0] = avx2_kv_store_q8_0;
    out->kv_scores[KERNEL_KV_F32] = avx2_kv_scores_f32;
    out->kv_scores[KERNEL_KV_F16] = avx2_kv_scores_f16;
    out->kv_scores[KERNEL_KV_Q8_0] = avx2_kv_scores_q8_0;
    out->kv_mix[KERNEL_KV_F32] = avx2_kv_mix_f32;
    out->kv_mix[KERNEL_KV_F16] = avx2_kv_mix_f16;
    out->kv_mix[KERNEL_KV_Q8_0] = avx2_kv_mix_q8_0;
    out->kv_scores_int[KERNEL_KV_F16] = avx2_kv_int_scores_f16;
    out->kv_scores_int[KERNEL_KV_Q8_0] = avx2_kv_int_scores_q8_0;
    out->kv_mix_int[KERNEL_KV_F16] = avx2_kv_int_mix_f16;
    out->kv_mix_int[KERNEL_KV_Q8_0] = avx2_kv_int_mix_q8_0;
    out->rms_norm = avx2_rms_norm;
    out->silu_mul = avx2_silu_mul;
    out->gelu_mul = avx2_gelu_mul;
    out->softmax = avx2_softmax;
    out->soft_cap = avx2_soft_cap;
    out->add_scaled = avx2_add_scaled;
}
