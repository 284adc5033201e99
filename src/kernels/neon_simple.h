/* SPDX-License-Identifier: MIT */
/*
 * The matmuls of quantised weights in blocks of 32, for all ARM levels: bodies only. The including
 * file first defines neon_arrange and neon_products (see neon_dots.h), NEON_NAME(type), the name of
 * the kernel, and NEON_ONE_SIMPLE(type), the kernel for a single activation or NULL. The order of
 * the float operations is that of x86.
 */
#ifndef KERNELS_NEON_SIMPLE_H
#define KERNELS_NEON_SIMPLE_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_products before including this file"
#endif

/* Elements 0..15 and 16..31 as signed bytes, offsets taken off. */
struct simple {
    int8x16_t low, high;
};

typedef struct simple simple_fn(const uint8_t *block);
/* The scales of the blocks at `at` of four rows. */
typedef float32x4_t simple_scale_fn(const uint8_t *const rows[NEON_ROWS], size_t at);

struct simple_type {
    size_t block_bytes, act_block_bytes;
};

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
    return (struct simple){vld1q_s8(b->qs), vld1q_s8(b->qs + 16)};
}

TILES_INLINE struct simple load_q4_0(const uint8_t *block)
{
    const struct block_q4_0 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t eight = vdupq_n_s8(8);
    return (struct simple){vsubq_s8(neon_low_nibbles(packed), eight),
                           vsubq_s8(neon_high_nibbles(packed), eight)};
}

TILES_INLINE struct simple load_q4_1(const uint8_t *block)
{
    const struct block_q4_1 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    return (struct simple){neon_low_nibbles(packed), neon_high_nibbles(packed)};
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
                           add_fifth(neon_high_nibbles(packed), b->qh + 2, 16)};
}

TILES_INLINE struct simple load_q5_1(const uint8_t *block)
{
    const struct block_q5_1 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    return (struct simple){add_fifth(neon_low_nibbles(packed), b->qh, 0),
                           add_fifth(neon_high_nibbles(packed), b->qh + 2, 0)};
}

TILES_INLINE struct simple load_iq4_nl(const uint8_t *block)
{
    const struct block_iq4_nl *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t table = vld1q_s8(block_iq4_values);
    return (struct simple){vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_low_nibbles(packed))),
                           vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_high_nibbles(packed)))};
}

TILES_INLINE struct simple load_mxfp4(const uint8_t *block)
{
    const struct block_mxfp4 *b = (const void *)block;
    uint8x16_t packed = vld1q_u8(b->qs);
    int8x16_t table = vld1q_s8(block_fp4_values);
    return (struct simple){vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_low_nibbles(packed))),
                           vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_high_nibbles(packed)))};
}

TILES_INLINE float32x4_t scale_e8m0(const uint8_t *const rows[NEON_ROWS], size_t at)
{
    float scale[NEON_ROWS];
    for (int r = 0; r < NEON_ROWS; r++) {
        scale[r] = block_e8m0_half(rows[r][at]);
    }
    return vld1q_f32(scale);
}

/* sum[a] += the terms of one block. */
TILES_INLINE void add_simple(float32x4_t *sum, const uint8_t *const rows[NEON_ROWS], size_t at,
                             const uint8_t *acts, size_t act_bytes, const int n_acts,
                             simple_fn *load, simple_scale_fn *scale,
                             const struct simple_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    int8x16_t q[8];
    TILES_UNROLL
    for (int r = 0; r < NEON_ROWS; r++) {
        struct simple w = load(rows[r] + at);
        q[2 * r] = w.low;
        q[2 * r + 1] = w.high;
    }
    neon_arrange(q);
    float32x4_t d = scale(rows, at);
    float32x4_t m = has_min ? neon_rows_half(rows, at + 2) : vdupq_n_f32(0.0f);
    int32x4_t dot[4];
    neon_products(dot, dot, q, (const int8_t *)acts + (has_min ? 4 : 2), act_bytes, n_acts, 32);
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const uint8_t *act = acts + (size_t)a * act_bytes;
        sum[a] = vfmaq_f32(sum[a], vmulq_n_f32(d, neon_half(act)), vcvtq_f32_s32(dot[a]));
        if (has_min) {
            sum[a] = vfmaq_n_f32(sum[a], m, neon_half(act + 2));
        }
    }
}

/* Four rows with n_acts activations: chunks of blocks are summed from zero, then added up. */
TILES_INLINE void tile_simple(float *dst, size_t dst_stride, int n_wanted,
                              const uint8_t *const rows[NEON_ROWS], size_t row_bytes,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts,
                              simple_fn *load, simple_scale_fn *scale,
                              const struct simple_type *type)
{
    float32x4_t total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = vdupq_n_f32(0.0f);
    }
    int n_left = n_in / BLOCK_ELEMS;
    for (size_t at = 0; n_left > 0; n_left -= NEON_CHUNK_BLOCKS) {
        int n = n_left < NEON_CHUNK_BLOCKS ? n_left : NEON_CHUNK_BLOCKS;
        if (n_acts == 1) {
            tiles_prefetch_rows(rows[0], row_bytes, NEON_ROWS, at, (size_t)n * type->block_bytes);
        }
        float32x4_t sum[4];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            sum[a] = vdupq_n_f32(0.0f);
        }
        for (int b = 0; b < n; b++) {
            add_simple(sum, rows, at, acts, act_bytes, n_acts, load, scale, type);
            at += type->block_bytes;
            acts += type->act_block_bytes;
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            total[a] = vaddq_f32(total[a], sum[a]);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        neon_rows_store(dst + (size_t)a * dst_stride, total[a], n_wanted);
    }
}

TILES_INLINE void matmul_simple(float *dst, size_t dst_stride, const uint8_t *weights,
                                size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                                int n_acts, int n_in, simple_fn *load, simple_scale_fn *scale,
                                const struct simple_type *type)
{
    for (int r = 0; r < n_rows; r += NEON_ROWS) {
        const uint8_t *rows[NEON_ROWS];
        neon_rows_point(rows, weights, row_bytes, r, n_rows);
        for (int a = 0; a < n_acts;) {
            float *out = dst + (size_t)a * dst_stride + r;
            const uint8_t *act = acts + (size_t)a * act_bytes;
            int step = n_acts - a >= 4 ? 4 : n_acts - a >= 2 ? 2 : 1;
            if (step == 4) {
                tile_simple(out, dst_stride, n_rows - r, rows, row_bytes, act, act_bytes, n_in, 4,
                            load, scale, type);
            } else if (step == 2) {
                tile_simple(out, dst_stride, n_rows - r, rows, row_bytes, act, act_bytes, n_in, 2,
                            load, scale, type);
            } else {
                tile_simple(out, dst_stride, n_rows - r, rows, row_bytes, act, act_bytes, n_in, 1,
                            load, scale, type);
            }
            a += step;
        }
    }
}

#define SIMPLE(name, act, scale)                                                                   \
    void NEON_NAME(name)(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,     \
                         int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)     \
    {                                                                                              \
        static const struct simple_type type = {sizeof(struct block_##name),                       \
                                                sizeof(struct block_##act)};                       \
        kernel_matmul_fn *const one = NEON_ONE_SIMPLE(name);                                       \
        if (one != NULL && n_acts == 1) {                                                          \
            one(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts, n_in);       \
            return;                                                                                \
        }                                                                                          \
        matmul_simple(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts, n_in,  \
                      load_##name, scale, &type);                                                  \
    }

SIMPLE(q8_0, q8_0, neon_rows_half)
SIMPLE(q4_0, q8_0, neon_rows_half)
SIMPLE(q5_0, q8_0, neon_rows_half)
SIMPLE(iq4_nl, q8_0, neon_rows_half)
SIMPLE(mxfp4, q8_0, scale_e8m0)
SIMPLE(q4_1, q8_1, neon_rows_half)
SIMPLE(q5_1, q8_1, neon_rows_half)

#endif
