/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with Q8_K activations, AVX2. Quants are kept unsigned
 * where the type has an offset or a minimum; that part comes from the sums of 16 activations stored
 * beside them. The integer part of a super-block is exact; one or two float additions per
 * super-block and lane follow.
 */
#include "kernels/avx2.h"

enum { ELEMS = 256, Q8_K_BYTES = 292, Q8_K_QUANTS = 4, Q8_K_SUMS = 260 };

/* What a super-block gives before activations are known. Groups are runs of 32 elements. */
struct super_block {
    float scale, min;   /* d and dmin; min unused without minima */
    __m256i scales;     /* 16-bit; group g of 32 uses shuffle_scales(scales, g) */
    __m256i sum_scales; /* 16-bit, times the 16 activation sums: minima, or scales for the offset */
};

/* 8 or 16 scales of 16 bits; shuffle g broadcasts word g within each 128-bit lane. */
TILES_INLINE __m256i shuffle_scales(__m256i scales, int g)
{
    return _mm256_shuffle_epi8(scales, _mm256_set1_epi16((short)(0x0100 + 0x0202 * g)));
}

/* 8 bytes, one per group of 32, to 16-bit words in both lanes. */
TILES_INLINE __m256i scales_of_groups(uint64_t bytes)
{
    return _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)bytes)));
}

/* 16 signed bytes, one per 16 elements, so that shuffle_scales gives the low lane 2g and the high
 * lane 2g+1. */
TILES_INLINE __m256i scales_of_halves(__m128i bytes)
{
    const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, even_odd));
}

TILES_INLINE __m256i high_nibbles(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

TILES_INLINE __m256i low_nibbles(__m256i bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

typedef struct super_block head_fn(const uint8_t *b);
/* The four groups of 32 quants of half h (elements 128h .. 128h+127), in element order. */
typedef void quants_fn(__m256i quants[4], const uint8_t *b, const int half);

/* Q4_K and Q5_K: d, dmin and the twelve bytes of 6-bit scales and minima (both in 64 bits, byte g
 * for group g). */
TILES_INLINE struct super_block head_q45_k(const uint8_t *b)
{
    uint32_t s0 = avx2_u32(b + 4), s4 = avx2_u32(b + 8), s8 = avx2_u32(b + 12);
    uint32_t scale_high = (s8 & 0x0f0f0f0fu) | ((s0 >> 2) & 0x30303030u);
    uint32_t min_high = ((s8 >> 4) & 0x0f0f0f0fu) | ((s4 >> 2) & 0x30303030u);
    uint64_t scales = (s0 & 0x3f3f3f3fu) | (uint64_t)scale_high << 32;
    uint64_t mins = (s4 & 0x3f3f3f3fu) | (uint64_t)min_high << 32;
    __m128i min_bytes = _mm_cvtsi64_si128((long long)mins);
    __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)avx2_u32(b)));
    return (struct super_block){
        .scale = _mm_cvtss_f32(both),
        .min = _mm_cvtss_f32(_mm_movehdup_ps(both)),
        .scales = scales_of_groups(scales),
        .sum_scales = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(min_bytes, min_bytes)),
    };
}

TILES_INLINE void quants_q4_k(__m256i quants[4], const uint8_t *b, const int half)
{
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m256i packed = avx2_load(b + 16 + 64 * half + 32 * i);
        quants[2 * i] = low_nibbles(packed);
        quants[2 * i + 1] = high_nibbles(packed);
    }
}

TILES_INLINE void quants_q5_k(__m256i quants[4], const uint8_t *b, const int half)
{
    const __m256i bit = _mm256_set1_epi8(16);
    __m256i high = avx2_load(b + 16);
    quants_q4_k(quants, b + 32, half);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bit 4 * half + i of each byte to bit 4 */
        __m256i moved = half == 0 ? _mm256_slli_epi16(high, 4 - i) : _mm256_srli_epi16(high, i);
        quants[i] = _mm256_or_si256(quants[i], _mm256_and_si256(moved, bit));
    }
}

TILES_INLINE struct super_block head_q6_k(const uint8_t *b)
{
    __m128i scales = avx2_load128(b + 192);
    return (struct super_block){.scale = avx2_f16(b + 208),
                                .scales = scales_of_halves(scales),
                                .sum_scales = _mm256_cvtepi8_epi16(scales)};
}

TILES_INLINE void quants_q6_k(__m256i quants[4], const uint8_t *b, const int half)
{
    const __m256i bits = _mm256_set1_epi8(0x30);
    __m256i low0 = avx2_load(b + 64 * half), low1 = avx2_load(b + 64 * half + 32);
    __m256i high = avx2_load(b + 128 + 32 * half);
    quants[0] = low_nibbles(low0);
    quants[1] = low_nibbles(low1);
    quants[2] = high_nibbles(low0);
    quants[3] = high_nibbles(low1);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bits 2i and 2i+1 to 4 and 5 */
        __m256i moved =
            i < 2 ? _mm256_slli_epi16(high, 4 - 2 * i) : _mm256_srli_epi16(high, 2 * i - 4);
        quants[i] = _mm256_or_si256(quants[i], _mm256_and_si256(moved, bits));
    }
}

TILES_INLINE struct super_block head_q2_k(const uint8_t *b)
{
    const __m128i mask = _mm_set1_epi8(15);
    __m128i bytes = avx2_load128(b);
    __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)avx2_u32(b + 80)));
    return (struct super_block){
        .scale = _mm_cvtss_f32(both),
        .min = _mm_cvtss_f32(_mm_movehdup_ps(both)),
        .scales = scales_of_halves(_mm_and_si128(bytes, mask)),
        .sum_scales = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask)),
    };
}

TILES_INLINE void quants_q2_k(__m256i quants[4], const uint8_t *b, const int half)
{
    __m256i packed = avx2_load(b + 16 + 32 * half);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        quants[i] = _mm256_and_si256(_mm256_srli_epi16(packed, 2 * i), _mm256_set1_epi8(3));
    }
}

/* The low four bits of the 16 scales are nibbles of eight bytes, the high two are packed in four
 * bytes. */
TILES_INLINE struct super_block head_q3_k(const uint8_t *b)
{
    uint64_t low = avx2_u64(b + 96);
    uint32_t high = avx2_u32(b + 104);
    uint64_t low_mask = 0x0f0f0f0f0f0f0f0fu, high_mask = 0x30303030u;
    uint64_t high0 = ((high << 4) & high_mask) | (((uint64_t)high << 2) & high_mask) << 32;
    uint64_t high8 = (high & high_mask) | ((high >> 2) & high_mask) << 32;
    uint64_t scales0 = (low & low_mask) | high0, scales8 = ((low >> 4) & low_mask) | high8;
    __m128i scales = _mm_set_epi64x((long long)scales8, (long long)scales0);
    scales = _mm_sub_epi8(scales, _mm_set1_epi8(32));
    return (struct super_block){.scale = avx2_f16(b + 108),
                                .scales = scales_of_halves(scales),
                                .sum_scales = _mm256_cvtepi8_epi16(scales)};
}

TILES_INLINE void quants_q3_k(__m256i quants[4], const uint8_t *b, const int half)
{
    const __m256i bit = _mm256_set1_epi8(4);
    __m256i packed = avx2_load(b + 32 + 32 * half);
    __m256i high = avx2_load(b);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bit 4 * half + i of the mask to bit 2 */
        int up = 2 - i - 4 * half;
        __m256i moved = up > 0 ? _mm256_slli_epi16(high, up) : _mm256_srli_epi16(high, -up);
        __m256i low = _mm256_and_si256(_mm256_srli_epi16(packed, 2 * i), _mm256_set1_epi8(3));
        quants[i] = _mm256_or_si256(low, _mm256_and_si256(moved, bit));
    }
}

/*
 * scale * (sum of scales * quants - (sum_scales * activation sums << offset_shift)) when has_min is
 * false, otherwise scale * sum of scales * quants - min * sum_scales * activation sums; all times
 * the activation's d.
 */
TILES_INLINE void tile_super(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, int n_in, const int n_acts, head_fn *head,
                             quants_fn *unpack, const int block_bytes, const int offset_shift)
{
    const int has_min = offset_shift == 0;
    __m256 total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int i = 0; i < n_in / ELEMS; i++) {
        if (n_acts == 1) {
            for (int line = 0; line < block_bytes; line += 64) {
                avx2_prefetch(row + line);
            }
        }
        struct super_block w = head(row);
        __m256i sums[4];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            sums[a] = _mm256_setzero_si256();
        }
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            __m256i quants[4];
            unpack(quants, row, half);
            TILES_UNROLL
            for (int g = 0; g < 4; g++) {
                __m256i scale = shuffle_scales(w.scales, 4 * half + g);
                TILES_UNROLL
                for (int a = 0; a < n_acts; a++) {
                    const uint8_t *y =
                        acts + (size_t)a * act_bytes + Q8_K_QUANTS + 128 * half + 32 * g;
                    __m256i pairs = _mm256_maddubs_epi16(quants[g], avx2_load(y));
                    sums[a] = _mm256_add_epi32(sums[a], _mm256_madd_epi16(pairs, scale));
                    AVX2_PIN(sums[a]);
                }
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const uint8_t *act = acts + (size_t)a * act_bytes;
            float d = avx2_f32(act);
            __m256i rest = _mm256_madd_epi16(w.sum_scales, avx2_load(act + Q8_K_SUMS));
            if (!has_min) {
                sums[a] = _mm256_sub_epi32(sums[a], _mm256_slli_epi32(rest, offset_shift));
            }
            total[a] =
                _mm256_fmadd_ps(_mm256_set1_ps(w.scale * d), _mm256_cvtepi32_ps(sums[a]), total[a]);
            if (has_min) {
                total[a] =
                    _mm256_fnmadd_ps(_mm256_set1_ps(w.min * d), _mm256_cvtepi32_ps(rest), total[a]);
            }
        }
        row += block_bytes;
        acts += Q8_K_BYTES;
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(total[a]);
    }
}

/* The 6-bit scales of IQ4_XS, one per group of 32, less 32: eight nibbles and eight bit pairs to
 * bytes. */
TILES_INLINE __m256i scales_iq4_xs(const uint8_t *b)
{
    uint64_t high = avx2_u16(b + 2), low = avx2_u32(b + 4);
    low = (low | low << 16) & 0x0000ffff0000ffffu;
    low = (low | low << 8) & 0x00ff00ff00ff00ffu;
    low = (low | low << 4) & 0x0f0f0f0f0f0f0f0fu;
    high = (high | high << 24) & 0x000000ff000000ffu;
    high = (high | high << 12) & 0x000f000f000f000fu;
    high = (high | high << 6) & 0x0303030303030303u;
    return _mm256_sub_epi16(scales_of_groups(low | high << 4), _mm256_set1_epi16(32));
}

/* The table is signed, so maddubs gets its size and the activation with its sign. */
TILES_INLINE void tile_iq4_xs(float *dst, size_t dst_stride, const uint8_t *row,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts)
{
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
    __m256 total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int i = 0; i < n_in / ELEMS; i++, row += 136, acts += Q8_K_BYTES) {
        if (n_acts == 1) {
            avx2_prefetch(row);
            avx2_prefetch(row + 64);
            avx2_prefetch(row + 128);
        }
        __m256i scales = scales_iq4_xs(row);
        __m256i sums[4];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            sums[a] = _mm256_setzero_si256();
        }
        TILES_UNROLL
        for (int g = 0; g < 8; g++) {
            __m128i packed = avx2_load128(row + 8 + 16 * g);
            __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed),
                                                   _mm_srli_epi16(packed, 4), 1);
            __m256i quants = _mm256_shuffle_epi8(table, low_nibbles(both));
            __m256i size = _mm256_abs_epi8(quants);
            __m256i scale = shuffle_scales(scales, g);
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const uint8_t *y = acts + (size_t)a * act_bytes + Q8_K_QUANTS + 32 * g;
                __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(avx2_load(y), quants));
                sums[a] = _mm256_add_epi32(sums[a], _mm256_madd_epi16(pairs, scale));
                AVX2_PIN(sums[a]);
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            float scale = avx2_f16(row) * avx2_f32(acts + (size_t)a * act_bytes);
            total[a] =
                _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(sums[a]), total[a]);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(total[a]);
    }
}

TILES_DEFINE(avx2_matmul_iq4_xs, tile_iq4_xs)

#define MATMUL(type, head, quants, block_bytes, offset_shift)                                      \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_super(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, head, quants, block_bytes, \
                   offset_shift);                                                                  \
    }                                                                                              \
    TILES_DEFINE(avx2_matmul_##type, tile_##type)

MATMUL(q2_k, head_q2_k, quants_q2_k, 84, 0)
MATMUL(q3_k, head_q3_k, quants_q3_k, 110, 2)
MATMUL(q4_k, head_q45_k, quants_q4_k, 144, 0)
MATMUL(q5_k, head_q45_k, quants_q5_k, 176, 0)
MATMUL(q6_k, head_q6_k, quants_q6_k, 210, 5)
