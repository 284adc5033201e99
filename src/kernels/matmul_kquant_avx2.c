/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with Q8_K activations, AVX2. Quants are kept unsigned
 * where the type has an offset or a minimum; that part comes from the sums of 16 activations stored
 * beside them. The integer part of a super-block is exact; one or two float additions per
 * super-block and lane follow.
 */
#include "kernels/avx2_super.h"

/*
 * scale * (sum of scales * quants - (sum_scales * activation sums << offset_shift)) when has_min is
 * false, otherwise scale * sum of scales * quants - min * sum_scales * activation sums; all times
 * the activation's d.
 */
TILES_INLINE void tile_super(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, int n_in, const int n_acts, avx2_head_fn *head,
                             avx2_quants_fn *unpack, const size_t block_bytes,
                             const int offset_shift)
{
    const int has_min = offset_shift == 0;
    __m256 total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int i = 0; i < n_in / SUPER_BLOCK_ELEMS; i++) {
        if (n_acts == 1) {
            for (size_t line = 0; line < block_bytes; line += 64) {
                avx2_prefetch(row + line);
            }
        }
        struct avx2_super w = head(row);
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
                __m256i scale = avx2_shuffle_scales(w.scales, 4 * half + g);
                TILES_UNROLL
                for (int a = 0; a < n_acts; a++) {
                    const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
                    __m256i y = avx2_load(act->qs + 128 * half + 32 * g);
                    __m256i pairs = _mm256_maddubs_epi16(quants[g], y);
                    sums[a] = _mm256_add_epi32(sums[a], _mm256_madd_epi16(pairs, scale));
                    AVX2_PIN(sums[a]);
                }
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
            float d = block_f32(act->d);
            __m256i rest = _mm256_madd_epi16(w.sum_scales, avx2_load(act->bsums));
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
        acts += sizeof(struct block_q8_k);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(total[a]);
    }
}

/* The table is signed, so maddubs gets its size and the activation with its sign. */
TILES_INLINE void tile_iq4_xs(float *dst, size_t dst_stride, const uint8_t *row,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts)
{
    __m256 total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int i = 0; i < n_in / SUPER_BLOCK_ELEMS;
         i++, row += sizeof(struct block_iq4_xs), acts += sizeof(struct block_q8_k)) {
        if (n_acts == 1) {
            avx2_prefetch(row);
            avx2_prefetch(row + 64);
            avx2_prefetch(row + 128);
        }
        __m256i scales = avx2_scales_iq4_xs(row);
        __m256i sums[4];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            sums[a] = _mm256_setzero_si256();
        }
        TILES_UNROLL
        for (int g = 0; g < 8; g++) {
            __m256i quants = avx2_quants_iq4_xs(row, g);
            __m256i size = _mm256_abs_epi8(quants);
            __m256i scale = avx2_shuffle_scales(scales, g);
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
                __m256i y = _mm256_sign_epi8(avx2_load(act->qs + 32 * g), quants);
                __m256i pairs = _mm256_maddubs_epi16(size, y);
                sums[a] = _mm256_add_epi32(sums[a], _mm256_madd_epi16(pairs, scale));
                AVX2_PIN(sums[a]);
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            float scale = avx2_f16(row) * block_f32(acts + (size_t)a * act_bytes);
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

#define MATMUL(type, head, offset_shift)                                                           \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_super(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, head, avx2_quants_##type,  \
                   sizeof(struct block_##type), offset_shift);                                     \
    }                                                                                              \
    TILES_DEFINE(avx2_matmul_##type, tile_##type)

MATMUL(q2_k, avx2_head_q2_k, 0)
MATMUL(q3_k, avx2_head_q3_k, 2)
MATMUL(q4_k, avx2_head_q45_k, 0)
MATMUL(q5_k, avx2_head_q45_k, 0)
MATMUL(q6_k, avx2_head_q6_k, 5)
