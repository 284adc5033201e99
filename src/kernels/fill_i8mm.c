/* SPDX-License-Identifier: MIT */
/* What the matrix multiply instruction of Armv8.6 adds to the level with dot products. */
#include "kernels/levels.h"
#include "kernels/neon.h"

void kernels_fill_neon_i8mm(struct kernels *out)
{
    out->level = "neon-i8mm";
    out->matmul[DTYPE_Q4_0] = i8mm_matmul_q4_0;
    out->matmul[DTYPE_Q4_1] = i8mm_matmul_q4_1;
    out->matmul[DTYPE_Q5_0] = i8mm_matmul_q5_0;
    out->matmul[DTYPE_Q5_1] = i8mm_matmul_q5_1;
    out->matmul[DTYPE_Q8_0] = i8mm_matmul_q8_0;
    out->matmul[DTYPE_IQ4_NL] = i8mm_matmul_iq4_nl;
    out->matmul[DTYPE_MXFP4] = i8mm_matmul_mxfp4;
    out->matmul[DTYPE_Q2_K] = i8mm_matmul_q2_k;
    out->matmul[DTYPE_Q3_K] = i8mm_matmul_q3_k;
    out->matmul[DTYPE_Q4_K] = i8mm_matmul_q4_k;
    out->matmul[DTYPE_Q5_K] = i8mm_matmul_q5_k;
    out->matmul[DTYPE_Q6_K] = i8mm_matmul_q6_k;
    out->matmul[DTYPE_IQ4_XS] = i8mm_matmul_iq4_xs;
}
