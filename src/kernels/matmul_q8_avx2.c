/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with 8-bit activations, AVX2. Every type is brought to 32
 * signed bytes in element order and a float scale; maddubs wants one unsigned operand, so it gets
 * |w| and the activation with the sign of w. No pair sum overflows 16 bits because quantised
 * activations stay within -127..127.
 */
#include "kernels/avx2.h"

enum { ELEMS = 32, Q8_0_BYTES = 34, Q8_1_BYTES = 36 };

struct block {
    __m256i quants;
    __m256 scale; /* in every lane */
    float min;
};

typedef struct block load_fn(const uint8_t *block);

/* A half in every lane as float. */
TILES_INLINE __m256 half8(const uint8_t *p)
{
    int16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}

/* Byte j of `packed` to lanes j (low nibble) and j + 16 (high nibble). */
TILES_INLINE __m256i nibbles(const uint8_t *packed)
{
    __m128i low = avx2_load128(packed);
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_srli_epi16(low, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* 0xff in lane i where bit i is clear. */
TILES_INLINE __m256i clear_bits(const uint8_t *bits)
{
    const __m256i spread =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)avx2_u32(bits)), spread);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), _mm256_setzero_si256());
}

TILES_INLINE __m256i look_up(const uint8_t *packed, __m128i table)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles(packed));
}

TILES_INLINE struct block load_q8_0(const uint8_t *b)
{
    return (struct block){avx2_load(b + 2), half8(b), 0.0f};
}

TILES_INLINE struct block load_q4_0(const uint8_t *b)
{
    __m256i quants = _mm256_sub_epi8(nibbles(b + 2), _mm256_set1_epi8(8));
    return (struct block){quants, half8(b), 0.0f};
}

TILES_INLINE struct block load_q4_1(const uint8_t *b)
{
    return (struct block){nibbles(b + 4), half8(b), avx2_f16(b + 2)};
}

/* A fifth bit that is set adds 16 and the offset takes 16 away; one that is clear leaves -16: sign
 * bits. */
TILES_INLINE struct block load_q5_0(const uint8_t *b)
{
    __m256i sign = _mm256_and_si256(clear_bits(b + 2), _mm256_set1_epi8((char)0xf0));
    return (struct block){_mm256_or_si256(nibbles(b + 6), sign), half8(b), 0.0f};
}

TILES_INLINE struct block load_q5_1(const uint8_t *b)
{
    __m256i fifth = _mm256_andnot_si256(clear_bits(b + 4), _mm256_set1_epi8(16));
    return (struct block){_mm256_or_si256(nibbles(b + 8), fifth), half8(b), avx2_f16(b + 2)};
}

TILES_INLINE struct block load_iq4_nl(const uint8_t *b)
{
    const __m128i table =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    return (struct block){look_up(b + 2, table), half8(b), 0.0f};
}

/* The table holds twice the values, so the scale is 2^(e-128): subnormal for e = 0 and 1. */
TILES_INLINE struct block load_mxfp4(const uint8_t *b)
{
    const __m128i table = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
    uint32_t e = b[0];
    uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
    return (struct block){look_up(b + 1, table), _mm256_set1_ps(avx2_f32(&bits)), 0.0f};
}

/* sum[a], mins[a] += one block of the row times the same block of activation a. */
TILES_INLINE void add_block(__m256 *sum, float *mins, const uint8_t *row, const uint8_t *acts,
                            size_t act_bytes, const int n_acts, load_fn *load, const int has_min)
{
    struct block w = load(row);
    __m256i size = _mm256_abs_epi8(w.quants);
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const uint8_t *act = acts + (size_t)a * act_bytes;
        __m256i y = _mm256_sign_epi8(avx2_load(act + (has_min ? 4 : 2)), w.quants);
        __m256i dot = _mm256_madd_epi16(_mm256_maddubs_epi16(size, y), _mm256_set1_epi16(1));
        __m256 scale = _mm256_mul_ps(w.scale, half8(act));
        sum[a] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dot), sum[a]);
        if (has_min) {
            mins[a] += w.min * avx2_f16(act + 2);
        }
    }
}

/* Blocks alternate between two accumulators: one chain of additions would be slower than the
 * integer part. */
TILES_INLINE void tile_blocks(float *dst, size_t dst_stride, const uint8_t *row,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts,
                              load_fn *load, const int block_bytes, const int act_block_bytes)
{
    const int has_min = act_block_bytes == Q8_1_BYTES;
    __m256 even[4], odd[4];
    float mins[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        even[a] = odd[a] = _mm256_setzero_ps();
        mins[a] = 0.0f;
    }
    int n_left = n_in / ELEMS;
    for (; n_left >= 2; n_left -= 2) {
        if (n_acts == 1) {
            avx2_prefetch(row);
        }
        add_block(even, mins, row, acts, act_bytes, n_acts, load, has_min);
        add_block(odd, mins, row + block_bytes, acts + act_block_bytes, act_bytes, n_acts, load,
                  has_min);
        row += 2 * block_bytes;
        acts += 2 * act_block_bytes;
    }
    if (n_left > 0) {
        add_block(even, mins, row, acts, act_bytes, n_acts, load, has_min);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(_mm256_add_ps(even[a], odd[a])) + mins[a];
    }
}

#define MATMUL(type, block_bytes, act_block_bytes)                                                 \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_blocks(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, load_##type, block_bytes, \
                    act_block_bytes);                                                              \
    }                                                                                              \
    TILES_DEFINE(avx2_matmul_##type, tile_##type)

MATMUL(q8_0, 34, Q8_0_BYTES)
MATMUL(q4_0, 18, Q8_0_BYTES)
MATMUL(q5_0, 22, Q8_0_BYTES)
MATMUL(iq4_nl, 18, Q8_0_BYTES)
MATMUL(mxfp4, 17, Q8_0_BYTES)
MATMUL(q4_1, 20, Q8_1_BYTES)
MATMUL(q5_1, 24, Q8_1_BYTES)
