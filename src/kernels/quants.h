/* SPDX-License-Identifier: MIT */
/*
 * Packed blocks to floats and back, one row at a time: the reference for every storage type.
 * Dequantising is exact (bit for bit the value that the format defines, in float arithmetic of the
 * stated order); quantising picks the block parameters by the rules documented in docs/TYPES.md.
 * Stateless.
 */
#ifndef KERNELS_QUANTS_H
#define KERNELS_QUANTS_H

#include "base/dtype.h"

#include <stddef.h>
#include <stdint.h>

/* n is a multiple of the block size of `type`; `type` holds weights (asserted). */
void quants_dequantize_row(enum dtype type, float *dst, const void *src, size_t n);
/* Every storage type of dtype.h can be written (none of them needs an importance matrix). */
void quants_quantize_row(enum dtype type, void *dst, const float *src, size_t n);
/*
 * The same formats without a search, ten times as fast and a few per cent less exact: for data that
 * nobody will miss, such as the random weights of synthetic models.
 */
void quants_quantize_row_fast(enum dtype type, void *dst, const float *src, size_t n);

/* IEEE binary16 and bfloat16; conversion rounds to nearest even, NaN stays NaN. */
float quants_f16_to_f32(uint16_t half);
uint16_t quants_f32_to_f16(float value);
float quants_bf16_to_f32(uint16_t value);
uint16_t quants_f32_to_bf16(float value);

#endif
