/* SPDX-License-Identifier: MIT */
/* What the dot product instructions of Armv8.2 add to the level NEON. */
#include "kernels/levels.h"
#include "kernels/neon.h"

void kernels_fill_neon_dotprod(struct kernels *out)
{
    out->level = "neon-dotprod";
    out->matmul[DTYPE_Q4_0] = dotprod_matmul_q4_0;
    out->matmul[DTYPE_Q4_1] = dotprod_matmul_q4_1;
    out->matmul[DTYPE_Q5_0] = dotprod_matmul_q5_0;
    out->matmul[DTYPE_Q5_1] = dotprod_matmul_q5_1;
    out->matmul[DTYPE_Q8_0] = dotprod_matmul_q8_0;
    out->matmul[DTYPE_IQ4_NL] = dotprod_matmul_iq4_nl;
    out->matmul[DTYPE_MXFP4] = dotprod_matmul_mxfp4;
    out->matmul[DTYPE_Q2_K] = dotprod_matmul_q2_k;
    out->matmul[DTYPE_Q3_K] = dotprod_matmul_q3_k;
    out->matmul[DTYPE_Q4_K] = dotprod_matmul_q4_k;
    out->matmul[DTYPE_Q5_K] = dotprod_matmul_q5_k;
    out->matmul[DTYPE_Q6_K] = dotprod_matmul_q6_k;
    out->matmul[DTYPE_IQ4_XS] = dotprod_matmul_iq4_xs;
}
