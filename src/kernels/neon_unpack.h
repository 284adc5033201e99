/* SPDX-License-Identifier: MIT */
/*
 * Inside the ARM files only: the storage types in super-blocks of 256 taken apart into scales,
 * minima and signed quants in element order, offsets taken off.
 */
#ifndef KERNELS_NEON_UNPACK_H
#define KERNELS_NEON_UNPACK_H

#include "kernels/neon.h"

struct neon_super {
    float scale, min;
    int16_t scales[16]; /* of groups of 16, or the first eight of groups of 32 */
    int16x8_t mins[2];  /* of groups of 16, as the sums of activations */
};

typedef void neon_super_fn(struct neon_super *w, const uint8_t *block);
/* Elements 128h .. 128h+127 as signed bytes, offsets taken off. */
typedef void neon_half_fn(int8x16_t quants[8], const uint8_t *block, const int half);

/* Minima times the sums of 16 activations, to be added over the lanes. */
TILES_INLINE int32x4_t neon_dot_mins(const int16x8_t mins[2], const struct block_q8_k *act)
{
    int16x8_t sums0 = vreinterpretq_s16_u8(vld1q_u8(act->bsums));
    int16x8_t sums1 = vreinterpretq_s16_u8(vld1q_u8(act->bsums + 16));
    int32x4_t dot = vmull_s16(vget_low_s16(mins[0]), vget_low_s16(sums0));
    dot = vmlal_high_s16(dot, mins[0], sums0);
    dot = vmlal_s16(dot, vget_low_s16(mins[1]), vget_low_s16(sums1));
    return vmlal_high_s16(dot, mins[1], sums1);
}

/* Q4_K and Q5_K begin alike: d, dmin, then the packed scales and minima. */
TILES_INLINE void neon_super_q45_k(struct neon_super *w, const uint8_t *block)
{
    const struct block_q4_k *b = (const void *)block;
    uint8_t minima[8];
    for (int g = 0; g < 8; g++) {
        uint8_t scale;
        block_k4_scale(&scale, &minima[g], b->scales, g);
        w->scales[g] = scale;
    }
    uint8x8_t bytes = vld1_u8(minima);
    w->mins[0] = vreinterpretq_s16_u16(vmovl_u8(vzip1_u8(bytes, bytes)));
    w->mins[1] = vreinterpretq_s16_u16(vmovl_u8(vzip2_u8(bytes, bytes)));
    w->scale = neon_half(b->d);
    w->min = neon_half(b->dmin);
}

TILES_INLINE void neon_half_q4_k_at(int8x16_t quants[8], const uint8_t *qs)
{
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        uint8x16_t packed = vld1q_u8(qs + 16 * i);
        int at = i / 2 * 4 + i % 2;
        quants[at] = neon_low_nibbles(packed);
        quants[at + 2] = neon_high_nibbles(packed);
    }
}

TILES_INLINE void neon_half_q4_k(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_q4_k *b = (const void *)block;
    neon_half_q4_k_at(quants, b->qs + 64 * half);
}

TILES_INLINE void neon_half_q5_k(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_q5_k *b = (const void *)block;
    neon_half_q4_k_at(quants, b->qs + 64 * half);
    TILES_UNROLL
    for (int i = 0; i < 8; i++) {
        uint8x16_t high = vld1q_u8(b->qh + 16 * (i % 2));
        uint8x16_t set = vtstq_u8(high, vdupq_n_u8((uint8_t)(1u << (4 * half + i / 2))));
        uint8x16_t fifth = vandq_u8(set, vdupq_n_u8(16));
        quants[i] = vorrq_s8(quants[i], vreinterpretq_s8_u8(fifth));
    }
}

TILES_INLINE void neon_super_q6_k(struct neon_super *w, const uint8_t *block)
{
    const struct block_q6_k *b = (const void *)block;
    int8x16_t scales = vld1q_s8(b->scales);
    vst1q_s16(w->scales, vmovl_s8(vget_low_s8(scales)));
    vst1q_s16(w->scales + 8, vmovl_high_s8(scales));
    w->scale = neon_half(b->d);
}

TILES_INLINE void neon_half_q6_k(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_q6_k *b = (const void *)block;
    const uint8x16_t bits = vdupq_n_u8(0x30);
    const int8x16_t offset = vdupq_n_s8(32);
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        uint8x16_t high = vld1q_u8(b->qh + 32 * half + 16 * i);
        uint8x16_t low0 = vld1q_u8(b->ql + 64 * half + 16 * i);
        uint8x16_t low1 = vld1q_u8(b->ql + 64 * half + 32 + 16 * i);
        int8x16_t high0 = vreinterpretq_s8_u8(vandq_u8(vshlq_n_u8(high, 4), bits));
        int8x16_t high1 = vreinterpretq_s8_u8(vandq_u8(vshlq_n_u8(high, 2), bits));
        int8x16_t high2 = vreinterpretq_s8_u8(vandq_u8(high, bits));
        int8x16_t high3 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(high, 2), bits));
        quants[i] = vsubq_s8(vorrq_s8(neon_low_nibbles(low0), high0), offset);
        quants[2 + i] = vsubq_s8(vorrq_s8(neon_low_nibbles(low1), high1), offset);
        quants[4 + i] = vsubq_s8(vorrq_s8(neon_high_nibbles(low0), high2), offset);
        quants[6 + i] = vsubq_s8(vorrq_s8(neon_high_nibbles(low1), high3), offset);
    }
}

TILES_INLINE void neon_super_q2_k(struct neon_super *w, const uint8_t *block)
{
    const struct block_q2_k *b = (const void *)block;
    uint8x16_t bytes = vld1q_u8(b->scales);
    int8x16_t scales = neon_low_nibbles(bytes), mins = neon_high_nibbles(bytes);
    vst1q_s16(w->scales, vmovl_s8(vget_low_s8(scales)));
    vst1q_s16(w->scales + 8, vmovl_high_s8(scales));
    w->mins[0] = vmovl_s8(vget_low_s8(mins));
    w->mins[1] = vmovl_high_s8(mins);
    w->scale = neon_half(b->d);
    w->min = neon_half(b->dmin);
}

/* Pairs of bits 2k..2k+1 of 32 bytes are run k of 32 elements. */
TILES_INLINE void neon_half_pairs(int8x16_t quants[8], const uint8_t *qs)
{
    TILES_UNROLL
    for (int i = 0; i < 8; i++) {
        uint8x16_t shifted =
            vshlq_u8(vld1q_u8(qs + 16 * (i % 2)), vdupq_n_s8((int8_t)(-2 * (i / 2))));
        quants[i] = vreinterpretq_s8_u8(vandq_u8(shifted, vdupq_n_u8(3)));
    }
}

TILES_INLINE void neon_half_q2_k(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_q2_k *b = (const void *)block;
    neon_half_pairs(quants, b->qs + 32 * half);
}

TILES_INLINE void neon_super_q3_k(struct neon_super *w, const uint8_t *block)
{
    const struct block_q3_k *b = (const void *)block;
    for (int g = 0; g < 16; g++) {
        w->scales[g] = (int16_t)block_q3_k_scale(b->scales, g);
    }
    w->scale = neon_half(b->d);
}

TILES_INLINE void neon_half_q3_k(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_q3_k *b = (const void *)block;
    neon_half_pairs(quants, b->qs + 32 * half);
    TILES_UNROLL
    for (int i = 0; i < 8; i++) {
        uint8x16_t mask = vld1q_u8(b->hmask + 16 * (i % 2));
        uint8x16_t set = vtstq_u8(mask, vdupq_n_u8((uint8_t)(1u << (4 * half + i / 2))));
        /* a clear bit takes 4 away */
        uint8x16_t four = vbicq_u8(vdupq_n_u8(4), set);
        quants[i] = vsubq_s8(quants[i], vreinterpretq_s8_u8(four));
    }
}

TILES_INLINE void neon_super_iq4_xs(struct neon_super *w, const uint8_t *block)
{
    const struct block_iq4_xs *b = (const void *)block;
    for (int g = 0; g < 8; g++) {
        w->scales[g] = (int16_t)block_iq4_xs_scale(b, g);
    }
    w->scale = neon_half(b->d);
}

TILES_INLINE void neon_half_iq4_xs(int8x16_t quants[8], const uint8_t *block, const int half)
{
    const struct block_iq4_xs *b = (const void *)block;
    int8x16_t table = vld1q_s8(block_iq4_values);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        uint8x16_t packed = vld1q_u8(b->qs + 64 * half + 16 * i);
        quants[2 * i] = vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_low_nibbles(packed)));
        quants[2 * i + 1] = vqtbl1q_s8(table, vreinterpretq_u8_s8(neon_high_nibbles(packed)));
    }
}

#endif
