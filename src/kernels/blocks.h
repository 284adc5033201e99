/* SPDX-License-Identifier: MIT */
/*
 * Inside kernels/ only: the packed blocks of every storage and activation type, byte for byte as in
 * a file (GGUF; facts in docs/TYPES.md), and how their small numbers are read. All fields are
 * bytes, so a block has alignment 1 and a pointer into any row may be cast to it. Little-endian
 * machines only.
 */
#ifndef KERNELS_BLOCKS_H
#define KERNELS_BLOCKS_H

#include <stdint.h>
#include <string.h>

enum {
    BLOCK_ELEMS = 32,        /* simple blocks */
    SUPER_BLOCK_ELEMS = 256, /* K types, IQ4_XS, Q8_K */
};

/* "nibbles": byte j holds element j in its low half and element j + 16 in its high half. */
struct block_q4_0 { /* d * (q - 8) */
    uint8_t d[2], qs[16]; /* half; nibbles */
};
struct block_q4_1 { /* d * q + m */
    uint8_t d[2], m[2], qs[16];
};
struct block_q5_0 { /* d * (q - 16) */
    uint8_t d[2], qh[4], qs[16]; /* bit i of qh: fifth bit of element i */
};
struct block_q5_1 { /* d * q + m */
    uint8_t d[2], m[2], qh[4], qs[16];
};
struct block_q8_0 { /* d * q */
    uint8_t d[2];
    int8_t qs[32];
};
struct block_q8_1 {     /* activations: d * q */
    uint8_t d[2], s[2]; /* s = d * sum of q */
    int8_t qs[32];
};
struct block_iq4_nl { /* d * block_iq4_values[q] */
    uint8_t d[2], qs[16];
};
struct block_mxfp4 { /* 2^(e - 128) * block_fp4_values[q] */
    uint8_t e, qs[16];
};

/* "pairs of bits": see unpack.h. */
struct block_q2_k {     /* d * sc * q - dmin * m, 16 groups of 16 */
    uint8_t scales[16]; /* low half sc, high half m */
    uint8_t qs[64];
    uint8_t d[2], dmin[2];
};
struct block_q3_k { /* d * (sc - 32) * q, q in -4..3, 16 groups of 16 */
    uint8_t hmask[32], qs[64];
    uint8_t scales[12]; /* 16 of 6 bits */
    uint8_t d[2];
};
struct block_q4_k { /* d * sc * q - dmin * m, 8 groups of 32 */
    uint8_t d[2], dmin[2];
    uint8_t scales[12]; /* 8 sc and 8 m of 6 bits */
    uint8_t qs[128];
};
struct block_q5_k { /* as q4_k with a fifth bit */
    uint8_t d[2], dmin[2], scales[12];
    uint8_t qh[32], qs[128];
};
struct block_q6_k { /* d * sc * (q - 32), 16 groups of 16 */
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
};
struct block_iq4_xs { /* d * (sc - 32) * block_iq4_values[q], 8 groups of 32 */
    uint8_t d[2];
    uint8_t scales_h[2], scales_l[4]; /* 8 sc of 6 bits: two high, four low */
    uint8_t qs[128];
};
struct block_q8_k { /* activations: d * q */
    uint8_t d[4];   /* float */
    int8_t qs[256];
    uint8_t bsums[32]; /* 16 int16: sums of 16 quants */
};

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q4_1) == 20 &&
                   sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24 &&
                   sizeof(struct block_q8_0) == 34 && sizeof(struct block_q8_1) == 36 &&
                   sizeof(struct block_iq4_nl) == 18 && sizeof(struct block_mxfp4) == 17,
               "blocks of 32 as in files");
_Static_assert(sizeof(struct block_q2_k) == 84 && sizeof(struct block_q3_k) == 110 &&
                   sizeof(struct block_q4_k) == 144 && sizeof(struct block_q5_k) == 176 &&
                   sizeof(struct block_q6_k) == 210 && sizeof(struct block_iq4_xs) == 136 &&
                   sizeof(struct block_q8_k) == 292,
               "super-blocks as in files");

/* Levels of IQ4_NL and IQ4_XS; levels of FP4 E2M1, doubled. */
extern const int8_t block_iq4_values[16];
extern const int8_t block_fp4_values[16];

static inline uint16_t block_u16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline int16_t block_i16(const uint8_t *p)
{
    int16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline uint32_t block_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline float block_f32(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline float block_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t block_bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/*
 * IEEE half to float, exact, a signalling NaN made quiet (as the hardware does). A subnormal half
 * is m * 2^-24: m placed under the exponent of 0.5 gives 0.5 + m * 2^-24, with no subnormal float
 * (slow) on the way.
 */
static inline float block_half_to_float(uint16_t half)
{
    uint32_t magnitude = half & 0x7fffu;
    uint32_t bits = (magnitude << 13) + (112u << 23);
    uint32_t small = block_bits_of_float(block_float_of_bits(0x3f000000u | magnitude) - 0.5f);
    bits = magnitude < 0x0400u ? small : bits;
    bits |= magnitude >= 0x7c00u ? 0x7f800000u : 0;
    bits |= magnitude > 0x7c00u ? 1u << 22 : 0;
    return block_float_of_bits(bits | (uint32_t)(half & 0x8000u) << 16);
}

static inline float block_half(const uint8_t *p)
{
    return block_half_to_float(block_u16(p));
}

static inline float block_bf16_to_float(uint16_t value)
{
    return block_float_of_bits((uint32_t)value << 16);
}

/* 2^(e - 128); e = 0 and 1 are subnormal floats. */
static inline float block_e8m0_half(uint8_t e)
{
    return block_float_of_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* Scale and minimum j (0..7) of the 12 packed bytes of Q4_K and Q5_K. */
static inline void block_k4_scale(uint8_t *scale, uint8_t *minimum, const uint8_t *packed, int j)
{
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (uint8_t)((packed[j + 4] & 15) | packed[j - 4] >> 6 << 4);
        *minimum = (uint8_t)(packed[j + 4] >> 4 | packed[j] >> 6 << 4);
    }
}

/* Scale j (0..15) of Q3_K, -32..31. */
static inline int block_q3_k_scale(const uint8_t *packed, int j)
{
    int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
    int high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    return (low | high << 4) - 32;
}

/* Scale b (0..7) of IQ4_XS, -32..31. */
static inline int block_iq4_xs_scale(const struct block_iq4_xs *block, int b)
{
    int low = block->scales_l[b / 2] >> (4 * (b % 2)) & 15;
    int high = block_u16(block->scales_h) >> (2 * b) & 3;
    return (low | high << 4) - 32;
}

#endif
