/* SPDX-License-Identifier: MIT */
/* The table entries of the level AVX-512 VNNI. */
#include "kernels/avx512.h"
#include "kernels/kv_int.h"
#include "kernels/levels.h"

void kernels_fill_avx512(struct kernels *out)
{
    out->level = "avx512";
    out->matmul[DTYPE_F32] = avx512_matmul_f32;
    out->matmul[DTYPE_F16] = avx512_matmul_f16;
    out->matmul[DTYPE_BF16] = avx512_matmul_bf16;
    out->matmul[DTYPE_Q4_0] = avx512_matmul_q4_0;
    out->matmul[DTYPE_Q4_1] = avx512_matmul_q4_1;
    out->matmul[DTYPE_Q5_0] = avx512_matmul_q5_0;
    out->matmul[DTYPE_Q5_1] = avx512_matmul_q5_1;
    out->matmul[DTYPE_Q8_0] = avx512_matmul_q8_0;
    out->matmul[DTYPE_IQ4_NL] = avx512_matmul_iq4_nl;
    out->matmul[DTYPE_MXFP4] = avx512_matmul_mxfp4;
    out->matmul[DTYPE_Q2_K] = avx512_matmul_q2_k;
    out->matmul[DTYPE_Q3_K] = avx512_matmul_q3_k;
    out->matmul[DTYPE_Q4_K] = avx512_matmul_q4_k;
    out->matmul[DTYPE_Q5_K] = avx512_matmul_q5_k;
    out->matmul[DTYPE_Q6_K] = avx512_matmul_q6_k;
    out->matmul[DTYPE_IQ4_XS] = avx512_matmul_iq4_xs;
    out->kv_scores[KERNEL_KV_F32] = avx512_kv_scores_f32;
    out->kv_scores[KERNEL_KV_F16] = avx512_kv_scores_f16;
    out->kv_scores[KERNEL_KV_Q8_0] = avx512_kv_scores_q8_0;
    out->kv_mix[KERNEL_KV_F32] = avx512_kv_mix_f32;
    out->kv_mix[KERNEL_KV_F16] = avx512_kv_mix_f16;
    out->kv_mix[KERNEL_KV_Q8_0] = avx512_kv_mix_q8_0;
    out->kv_scores_int[KERNEL_KV_F16] = avx512_kv_int_scores_f16;
    out->kv_scores_int[KERNEL_KV_Q8_0] = avx512_kv_int_scores_q8_0;
    out->kv_mix_int[KERNEL_KV_F16] = avx512_kv_int_mix_f16;
    out->kv_mix_int[KERNEL_KV_Q8_0] = avx512_kv_int_mix_q8_0;
    out->silu_mul = avx512_silu_mul;
    out->gelu_mul = avx512_gelu_mul;
    out->softmax = avx512_softmax;
    out->soft_cap = avx512_soft_cap;
}
