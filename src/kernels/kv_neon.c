/* SPDX-License-Identifier: MIT */
/* Key-value cache rows of F32, F16 and Q8_0: store, scores, weighted sum; NEON. */
#include "kernels/neon.h"

void neon_kv_store_f32(void *dst, const float *src, int n)
{
    memcpy(dst, src, (size_t)n * sizeof *src);
}

void neon_kv_store_f16(void *dst, const float *src, int n)
{
    uint8_t *out = dst;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1_u8(out + 2 * i, vreinterpret_u8_f16(vcvt_f16_f32(vld1q_f32(src + i))));
    }
    for (; i < n; i++) {
        __fp16 half = (__fp16)src[i];
        memcpy(out + 2 * i, &half, sizeof half);
    }
}

typedef float32x4_t load_fn(const uint8_t *row, int i);
typedef float load_one_fn(const uint8_t *row, int i);

TILES_INLINE float load_one_f32(const uint8_t *row, int i)
{
    return block_f32(row + 4 * i);
}

TILES_INLINE float load_one_f16(const uint8_t *row, int i)
{
    return neon_half(row + 2 * i);
}

struct eight {
    float32x4_t low, high;
};

/* Eight quants to float, unscaled. */
TILES_INLINE struct eight load_i8(const int8_t *p)
{
    int16x8_t wide = vmovl_s8(vld1_s8(p));
    return (struct eight){vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                          vcvtq_f32_s32(vmovl_high_s16(wide))};
}

/* One position: the same sequence for each, however many are asked for. */
TILES_INLINE float score_float(const float *q, const uint8_t *row, int n, load_fn *load,
                               load_one_fn *load_one)
{
    float32x4_t even = vdupq_n_f32(0.0f), odd = vdupq_n_f32(0.0f);
    float rest = 0.0f;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        even = vfmaq_f32(even, vld1q_f32(q + i), load(row, i));
        odd = vfmaq_f32(odd, vld1q_f32(q + i + 4), load(row, i + 4));
    }
    for (; i < n; i++) {
        rest += q[i] * load_one(row, i);
    }
    return neon_sum(vaddq_f32(even, odd)) + rest;
}

void neon_kv_scores_f32(float *scores, const float *q, const void *rows, size_t row_bytes,
                        int n_pos, int n)
{
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;
        scores[p] = score_float(q, row, n, neon_load_f32, load_one_f32);
    }
}

void neon_kv_scores_f16(float *scores, const float *q, const void *rows, size_t row_bytes,
                        int n_pos, int n)
{
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;
        scores[p] = score_float(q, row, n, neon_load_f16, load_one_f16);
    }
}

void neon_kv_scores_q8_0(float *scores, const float *q, const void *rows, size_t row_bytes,
                         int n_pos, int n)
{
    for (int p = 0; p < n_pos; p++) {
        const struct block_q8_0 *b = (const void *)((const uint8_t *)rows + (size_t)p * row_bytes);
        const float *query = q;
        float32x4_t sum = vdupq_n_f32(0.0f);
        for (int i = 0; i < n / BLOCK_ELEMS; i++, b++, query += BLOCK_ELEMS) {
            float32x4_t low = vdupq_n_f32(0.0f), high = vdupq_n_f32(0.0f);
            TILES_UNROLL
            for (int k = 0; k < BLOCK_ELEMS; k += 8) {
                struct eight key = load_i8(b->qs + k);
                low = vfmaq_f32(low, vld1q_f32(query + k), key.low);
                high = vfmaq_f32(high, vld1q_f32(query + k + 4), key.high);
            }
            sum = vfmaq_n_f32(sum, vaddq_f32(low, high), neon_half(b->d));
        }
        scores[p] = neon_sum(sum);
    }
}

/* A strip of 4 * n_regs columns stays in registers while all positions pass. */
TILES_INLINE void mix_strip(float *out, const float *weights, const uint8_t *rows, size_t row_bytes,
                            int n_pos, int first, const int n_regs, load_fn *load)
{
    float32x4_t sums[8];
    TILES_UNROLL
    for (int k = 0; k < n_regs; k++) {
        sums[k] = vld1q_f32(out + first + 4 * k);
    }
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = rows + (size_t)p * row_bytes;
        TILES_UNROLL
        for (int k = 0; k < n_regs; k++) {
            sums[k] = vfmaq_n_f32(sums[k], load(row, first + 4 * k), weights[p]);
        }
    }
    TILES_UNROLL
    for (int k = 0; k < n_regs; k++) {
        vst1q_f32(out + first + 4 * k, sums[k]);
    }
}

TILES_INLINE void mix_float(float *out, const float *weights, const uint8_t *rows, size_t row_bytes,
                            int n_pos, int n, load_fn *load, load_one_fn *load_one)
{
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        mix_strip(out, weights, rows, row_bytes, n_pos, i, 8, load);
    }
    for (; i + 8 <= n; i += 8) {
        mix_strip(out, weights, rows, row_bytes, n_pos, i, 2, load);
    }
    for (; i < n; i++) {
        float sum = out[i];
        for (int p = 0; p < n_pos; p++) {
            sum += weights[p] * load_one(rows + (size_t)p * row_bytes, i);
        }
        out[i] = sum;
    }
}

void neon_kv_mix_f32(float *out, const float *weights, const void *rows, size_t row_bytes,
                     int n_pos, int n)
{
    mix_float(out, weights, rows, row_bytes, n_pos, n, neon_load_f32, load_one_f32);
}

void neon_kv_mix_f16(float *out, const float *weights, const void *rows, size_t row_bytes,
                     int n_pos, int n)
{
    mix_float(out, weights, rows, row_bytes, n_pos, n, neon_load_f16, load_one_f16);
}

void neon_kv_mix_q8_0(float *out, const float *weights, const void *rows, size_t row_bytes,
                      int n_pos, int n)
{
    for (int i = 0; i < n / BLOCK_ELEMS; i++) {
        float *strip = out + i * BLOCK_ELEMS;
        float32x4_t sums[8];
        TILES_UNROLL
        for (int k = 0; k < 8; k++) {
            sums[k] = vld1q_f32(strip + 4 * k);
        }
        for (int p = 0; p < n_pos; p++) {
            const struct block_q8_0 *b =
                (const void *)((const uint8_t *)rows + (size_t)p * row_bytes);
            float weight = weights[p] * neon_half(b[i].d);
            TILES_UNROLL
            for (int k = 0; k < 4; k++) {
                struct eight value = load_i8(b[i].qs + 8 * k);
                sums[2 * k] = vfmaq_n_f32(sums[2 * k], value.low, weight);
                sums[2 * k + 1] = vfmaq_n_f32(sums[2 * k + 1], value.high, weight);
            }
        }
        TILES_UNROLL
        for (int k = 0; k < 8; k++) {
            vst1q_f32(strip + 4 * k, sums[k]);
        }
    }
}
