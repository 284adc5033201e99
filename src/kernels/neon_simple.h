/* SPDX-License-Identifier: MIT */
/*
 * The matmuls of quantised weights in blocks of 32, for both ARM levels: bodies only. The including
 * file first defines neon_dot(sum, a, b), which adds the products of sixteen signed bytes to four
 * 32-bit lanes, and NEON_NAME(type), the name of the kernel. Lanes of neon_dot may differ between
 * levels, integers are exact.
 */
#ifndef KERNELS_NEON_SIMPLE_H
#define KERNELS_NEON_SIMPLE_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_dot before including this file"
#endif

struct simple {
    int8x16_t low, high; /* elements 0..15 and 16..31 */
    float scale, min;
};

typedef struct simple simple_fn(const uint8_t *block);

/* 0xff in lane i where bit i of the two bytes is set. */
TILES_INLINE uint8x16_t spread_bits(const uint8_t *bits)
{
    static const uint8_t bit_of_lane[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                            1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bytes = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
    return vtstq_u8(bytes, vld1q_u8(bit_of_lane));
}

TILES_INLINE struct simple load_q8_0(const uint8_t *block)
{
    const struct block_q8_0 *b = (const void *)block;
    return (struct simple){vld1q_s8(b->qs), vld1q_s8(b->qs + 16), neon_half(b->d), 0.0f};
}

TILES_INLINE struct simple load_q4_0(const uint8_t *block)
{
    const struct block_q4_0 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t eight = vdupq_n_s8(8);
    return (struct simple){vsubq_s8(neon_low_nibbles(packed), eight),
                           vsubq_s8(neon_high_nibbles(packed), eight), neon_half(b->d), 0.0f};
}

TILES_INLINE struct simple load_q4_1(const uint8_t *block)
{
    const struct block_q4_1 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    return (struct simple){neon_low_nibbles(packed), neon_high_nibbles(packed), neon_half(b->d),
                           neon_half(b->m)};
}

/* The fifth bit set adds 16, and the offset of Q5_0 takes 16 away. */
TILES_INLINE int8x16_t add_fifth(int8x16_t nibbles, const uint8_t *bits, int offset)
{
    uint8x16_t fifth = vandq_u8(spread_bits(bits), vdupq_n_u8(16));
    return vsubq_s8(vorrq_s8(nibbles, vreinterpretq_s8_u8(fifth)), vdupq_n_s8((int8_t)offset));
}

TILES_INLINE struct simple load_q5_0(const uint8_t *block)
{
    const struct block_q5_0 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    return (struct simple){add_fifth(neon_low_nibbles(packed), b->qh, 16),
                           add_fifth(neon_high_nibbles(packed), b->qh + 2, 16), neon_half(b->d),
                           0.0f};
}

TILES_INLINE struct simple load_q5_1(const uint8_t *block)
{
    const struct block_q5_1 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    return (struct simple){add_fifth(neon_low_nibbles(packed), b->qh, 0),
                           add_fifth(neon_high_nibbles(packed), b->qh + 2, 0), neon_half(b->d),
                           neon_half(b->m)};
}

TILES_INLINE struct simple load_iq4_nl(const uint8_t *block)
{
    const struct block_iq4_nl *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t table = vld1q_s8(block_iq4_values);
    return (struct simple){vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_low_nibbles(packed))),
                           vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_high_nibbles(packed))),
                           neon_half(b->d), 0.0f};
}

TILES_INLINE struct simple load_mxfp4(const uint8_t *block)
{
    const struct block_mxfp4 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t table = vld1q_s8(block_fp4_values);
    return (struct simple){vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_low_nibbles(packed))),
                           vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_high_nibbles(packed))),
                           block_e8m0_half(b->e), 0.0f};
}

TILES_INLINE void add_simple(float32x4_t *sum, float *mins, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, const int n_acts, simple_fn *load, const int has_min)
{
    struct simple w = load(row);
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const uint8_t *act = acts + (size_t)a * act_bytes;
        const int8_t *y = (const int8_t *)act + (has_min ? 4 : 2);
        int32x4_t dot = neon_dot(vdupq_n_s32(0), w.low, vld1q_s8(y));
        dot = neon_dot(dot, w.high, vld1q_s8(y + 16));
        sum[a] = vfmaq_n_f32(sum[a], vcvtq_f32_s32(dot), w.scale * neon_half(act));
        if (has_min) {
            mins[a] += w.min * neon_half(act + 2);
        }
    }
}

/* Blocks alternate between two accumulators, to shorten the chain of additions. */
TILES_INLINE void tile_simple(float *dst, size_t dst_stride, const uint8_t *row,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts,
                              simple_fn *load, const size_t block_bytes,
                              const size_t act_block_bytes)
{
    const int has_min = act_block_bytes == sizeof(struct block_q8_1);
    float32x4_t even[4], odd[4];
    float mins[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        even[a] = odd[a] = vdupq_n_f32(0.0f);
        mins[a] = 0.0f;
    }
    int n_left = n_in / BLOCK_ELEMS;
    for (; n_left >= 2; n_left -= 2) {
        if (n_acts == 1) {
            neon_prefetch(row);
        }
        add_simple(even, mins, row, acts, act_bytes, n_acts, load, has_min);
        add_simple(odd, mins, row + block_bytes, acts + act_block_bytes, act_bytes, n_acts, load,
                   has_min);
        row += 2 * block_bytes;
        acts += 2 * act_block_bytes;
    }
    if (n_left > 0) {
        add_simple(even, mins, row, acts, act_bytes, n_acts, load, has_min);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = neon_sum(vaddq_f32(even[a], odd[a])) + mins[a];
    }
}

#define SIMPLE(type, act)                                                                          \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_simple(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, load_##type,              \
                    sizeof(struct block_##type), sizeof(struct block_##act));                      \
    }                                                                                              \
    TILES_DEFINE(NEON_NAME(type), tile_##type)

SIMPLE(q8_0, q8_0)
SIMPLE(q4_0, q8_0)
SIMPLE(q5_0, q8_0)
SIMPLE(iq4_nl, q8_0)
SIMPLE(mxfp4, q8_0)
SIMPLE(q4_1, q8_1)
SIMPLE(q5_1, q8_1)

#endif
