/* SPDX-License-Identifier: MIT */
/* Inside quants_*.c only: one row of one type to packed blocks, with a search for the parameters.
 */
#ifndef KERNELS_QUANTS_INTERNAL_H
#define KERNELS_QUANTS_INTERNAL_H

#include <stddef.h>

/* n elements, a multiple of the block. */
typedef void quants_quantize_fn(void *dst, const float *src, size_t n);

quants_quantize_fn quants_search_q2_k, quants_search_q3_k, quants_search_q4_k, quants_search_q5_k,
    quants_search_q6_k, quants_search_iq4_xs;

#endif
