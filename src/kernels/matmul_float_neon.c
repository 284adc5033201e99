/* SPDX-License-Identifier: MIT */
/*
 * Matmul of F32, F16 and BF16 weights with F32 activations, NEON: two rows with three activations
 * in registers, or four rows with a single activation, where memory is the limit. The sixteen lanes
 * of a sum and the order in which they are added up are those of x86: the same bits.
 */
#include "kernels/neon.h"

/* Elements i .. i+3 of a row. */
typedef float32x4_t load_fn(const uint8_t *row, int i);

/* Lanes 4k .. 4k+3 of every step of one (row, activation) in of[k]. */
struct float_sum {
    float32x4_t of[4];
};

#include "kernels/float_tiles.h"

TILES_INLINE float32x4_t load_bf16(const uint8_t *row, int i)
{
    uint16x4_t bits = vreinterpret_u16_u8(vld1_u8(row + 2 * (size_t)i));
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

TILES_INLINE void add_step(struct float_sum sum[][STREAM_ROWS], const uint8_t *rows,
                           size_t row_bytes, const uint8_t *acts, size_t act_bytes, int i,
                           const int n_rows, const int n_acts, load_fn *load)
{
    TILES_UNROLL
    for (int k = 0; k < 4; k++) {
        float32x4_t w[STREAM_ROWS];
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            w[r] = load(rows + (size_t)r * row_bytes, i + 4 * k);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            float32x4_t x = neon_load_f32(acts + (size_t)a * act_bytes, i + 4 * k);
            TILES_UNROLL
            for (int r = 0; r < n_rows; r++) {
                sum[a][r].of[k] = vfmaq_f32(sum[a][r].of[k], w[r], x);
            }
        }
    }
}

TILES_INLINE float sum_lanes(const struct float_sum *sum)
{
    float32x4_t v = vaddq_f32(vaddq_f32(sum->of[0], sum->of[2]), vaddq_f32(sum->of[1], sum->of[3]));
    return vpadds_f32(vadd_f32(vget_low_f32(v), vget_high_f32(v)));
}

#define MATMUL(type, load, elem_bytes)                                                             \
    void neon_matmul_##type(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,  \
                            int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)  \
    {                                                                                              \
        struct float_job job = {dst, dst_stride, weights, row_bytes, acts, act_bytes, n_in};       \
        float_matmul(&job, n_rows, n_acts, load, elem_bytes);                                      \
    }

MATMUL(f32, neon_load_f32, 4)
MATMUL(f16, neon_load_f16, 2)
MATMUL(bf16, load_bf16, 2)
