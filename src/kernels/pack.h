/* SPDX-License-Identifier: MIT */
/*
 * Inside kernels/ only: the inverse of unpack.h. `q` are the stored quants in element order, from 0
 * up; the caller has added the offset of its type. Every byte of the destination is written.
 */
#ifndef KERNELS_PACK_H
#define KERNELS_PACK_H

#include "kernels/blocks.h"
#include "kernels/quants.h"

static inline void pack_half(uint8_t *dst, float value)
{
    uint16_t half = quants_f32_to_f16(value);
    memcpy(dst, &half, sizeof half);
}

/* 32 of 0..15. */
static inline void pack_nibbles(uint8_t *qs, const uint8_t *q)
{
    for (int j = 0; j < 16; j++) {
        qs[j] = (uint8_t)((q[j] & 15) | q[j + 16] << 4);
    }
}

/* 32 of 0..31. */
static inline void pack_fives(uint8_t *qs, uint8_t *qh, const uint8_t *q)
{
    uint32_t high = 0;
    for (int i = 0; i < BLOCK_ELEMS; i++) {
        high |= (uint32_t)(q[i] >> 4) << i;
    }
    memcpy(qh, &high, sizeof high);
    pack_nibbles(qs, q);
}

/* The low two bits of 256. */
static inline void pack_pairs(uint8_t *qs, const uint8_t *q)
{
    for (int half = 0; half < 2; half++, qs += 32, q += 128) {
        for (int l = 0; l < 32; l++) {
            qs[l] = (uint8_t)((q[l] & 3) | (q[l + 32] & 3) << 2 | (q[l + 64] & 3) << 4 |
                              (q[l + 96] & 3) << 6);
        }
    }
}

/* Bit `bit` of 256 quants: bit r of mask[l] is that of element l of run r. */
static inline void pack_mask(uint8_t *mask, const uint8_t *q, int bit)
{
    for (int l = 0; l < 32; l++) {
        int bits = 0;
        for (int run = 0; run < 8; run++) {
            bits |= (q[l + 32 * run] >> bit & 1) << run;
        }
        mask[l] = (uint8_t)bits;
    }
}

/* The low four bits of 256. */
static inline void pack_q4_k(uint8_t *qs, const uint8_t *q)
{
    for (int group = 0; group < 4; group++, qs += 32, q += 64) {
        for (int l = 0; l < 32; l++) {
            qs[l] = (uint8_t)((q[l] & 15) | q[l + 32] << 4);
        }
    }
}

/* 256 of 0..63. */
static inline void pack_q6_k(struct block_q6_k *block, const uint8_t *q)
{
    uint8_t *ql = block->ql, *qh = block->qh;
    for (int half = 0; half < 2; half++, ql += 64, qh += 32, q += 128) {
        for (int l = 0; l < 32; l++) {
            ql[l] = (uint8_t)((q[l] & 15) | q[l + 64] << 4);
            ql[l + 32] = (uint8_t)((q[l + 32] & 15) | q[l + 96] << 4);
            qh[l] = (uint8_t)(q[l] >> 4 | q[l + 32] >> 4 << 2 | q[l + 64] >> 4 << 4 |
                              q[l + 96] >> 4 << 6);
        }
    }
}

/* Eight scales and eight minima of 0..63; see block_k4_scale. */
static inline void pack_k4_scales(uint8_t *packed, const uint8_t *scale, const uint8_t *minimum)
{
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(minimum[j] | minimum[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((scale[j + 4] & 15) | minimum[j + 4] << 4);
    }
}

/* 16 scales of 0..63 (32 added); see block_q3_k_scale. */
static inline void pack_q3_k_scales(uint8_t *packed, const uint8_t *scale)
{
    for (int j = 0; j < 8; j++) {
        packed[j] = (uint8_t)((scale[j] & 15) | scale[j + 8] << 4);
    }
    for (int j = 0; j < 4; j++) {
        packed[j + 8] = (uint8_t)(scale[j] >> 4 | scale[j + 4] >> 4 << 2 | scale[j + 8] >> 4 << 4 |
                                  scale[j + 12] >> 4 << 6);
    }
}

/* Eight scales of 0..63 (32 added); see block_iq4_xs_scale. */
static inline void pack_iq4_xs_scales(struct block_iq4_xs *block, const uint8_t *scale)
{
    uint16_t high = 0;
    for (int b = 0; b < 8; b++) {
        high = (uint16_t)(high | (scale[b] >> 4) << (2 * b));
    }
    for (int b = 0; b < 4; b++) {
        block->scales_l[b] = (uint8_t)((scale[2 * b] & 15) | scale[2 * b + 1] << 4);
    }
    memcpy(block->scales_h, &high, sizeof high);
}

#endif
