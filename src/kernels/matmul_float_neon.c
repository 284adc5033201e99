/* SPDX-License-Identifier: MIT */
/* Matmul of F32, F16 and BF16 weights with F32 activations, NEON. */
#include "kernels/neon.h"

typedef float32x4_t load_fn(const uint8_t *row, int i);
typedef float load_one_fn(const uint8_t *row, int i);

TILES_INLINE float load_one_f32(const uint8_t *row, int i)
{
    return block_f32(row + 4 * (size_t)i);
}

TILES_INLINE float load_one_f16(const uint8_t *row, int i)
{
    return neon_half(row + 2 * (size_t)i);
}

TILES_INLINE float32x4_t load_bf16(const uint8_t *row, int i)
{
    uint16x4_t bits = vreinterpret_u16_u8(vld1_u8(row + 2 * (size_t)i));
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

TILES_INLINE float load_one_bf16(const uint8_t *row, int i)
{
    return block_bf16_to_float(block_u16(row + 2 * (size_t)i));
}

/* Four accumulators of four lanes for each pair; the elements past the last multiple of 16 in one
 * scalar. */
TILES_INLINE void tile_float(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, int n_in, const int n_acts, load_fn *load,
                             load_one_fn *load_one)
{
    float32x4_t sum[4][4];
    float rest[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int k = 0; k < 4; k++) {
            sum[a][k] = vdupq_n_f32(0.0f);
        }
        rest[a] = 0.0f;
    }
    int i = 0;
    for (; i + 16 <= n_in; i += 16) {
        TILES_UNROLL
        for (int k = 0; k < 4; k++) {
            float32x4_t w = load(row, i + 4 * k);
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                float32x4_t x = neon_load_f32(acts + (size_t)a * act_bytes, i + 4 * k);
                sum[a][k] = vfmaq_f32(sum[a][k], w, x);
            }
        }
    }
    for (; i < n_in; i++) {
        float w = load_one(row, i);
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            rest[a] += w * load_one_f32(acts + (size_t)a * act_bytes, i);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        float32x4_t even = vaddq_f32(sum[a][0], sum[a][2]), odd = vaddq_f32(sum[a][1], sum[a][3]);
        dst[(size_t)a * dst_stride] = neon_sum(vaddq_f32(even, odd)) + rest[a];
    }
}

#define MATMUL(type, load, load_one)                                                               \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_float(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, load, load_one);           \
    }                                                                                              \
    TILES_DEFINE(neon_matmul_##type, tile_##type)

MATMUL(f32, neon_load_f32, load_one_f32)
MATMUL(f16, neon_load_f16, load_one_f16)
MATMUL(bf16, load_bf16, load_one_bf16)
