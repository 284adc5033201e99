/* SPDX-License-Identifier: MIT */
/*
 * Storage types of tensor elements: ids as in GGUF, names, and the size of a block. Knows nothing
 * of what is inside a block (kernels/blocks.h does). A constant table; usable from any thread.
 */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

enum dtype { /* values are the type ids of the GGUF format */
             DTYPE_F32 = 0,
             DTYPE_F16 = 1,
             DTYPE_Q4_0 = 2,
             DTYPE_Q4_1 = 3,
             DTYPE_Q5_0 = 6,
             DTYPE_Q5_1 = 7,
             DTYPE_Q8_0 = 8,
             DTYPE_Q8_1 = 9, /* activations only */
             DTYPE_Q2_K = 10,
             DTYPE_Q3_K = 11,
             DTYPE_Q4_K = 12,
             DTYPE_Q5_K = 13,
             DTYPE_Q6_K = 14,
             DTYPE_Q8_K = 15, /* activations only */
             DTYPE_IQ4_NL = 20,
             DTYPE_IQ4_XS = 23,
             DTYPE_BF16 = 30,
             DTYPE_MXFP4 = 39,
             DTYPE_COUNT = 40 /* one past the largest id we know */
};

struct dtype_info {
    const char *name;     /* "Q4_K" */
    uint32_t block_elems; /* elements per block; 1 for plain types */
    uint32_t block_bytes;
    bool storage; /* may hold weights in a file that we can read */
};

/* NULL when `id` is not a type we can hold in memory. */
const struct dtype_info *dtype_get(uint32_t id);

/* Name of any type id met in the wild, also of those we refuse ("IQ2_XXS", "retired type 4"); never
 * NULL. */
const char *dtype_name(uint32_t id);

/* Type with this name, letter case ignored ("q4_k"); false when there is none that holds weights.
 */
bool dtype_from_name(enum dtype *out, const char *name);

/* Bytes of a row of n_elems elements, which must be a multiple of the block (asserted). */
uint64_t dtype_row_bytes(enum dtype type, uint64_t n_elems);

#endif
