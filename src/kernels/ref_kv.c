/* SPDX-License-Identifier: MIT */
/* Rows of the key-value cache: stored, compared with a query, mixed by weight. */
#include "kernels/blocks.h"
#include "kernels/kv_int.h"
#include "kernels/quants.h"
#include "kernels/ref.h"

void ref_kv_store_f32(void *dst, const float *src, int n)
{
    memcpy(dst, src, (size_t)n * sizeof *src);
}

void ref_kv_store_f16(void *dst, const float *src, int n)
{
    for (int i = 0; i < n; i++) {
        uint16_t half = quants_f32_to_f16(src[i]);
        memcpy((uint8_t *)dst + 2 * (size_t)i, &half, sizeof half);
    }
}

/* Byte at which element i of position `slot` of a panel begins, and its scale in *d for Q8_0. */
static size_t place_of(enum kernel_kv type, int slot, int i, size_t *d)
{
    if (type != KERNEL_KV_Q8_0) {
        return (size_t)(i * KERNEL_KV_PANEL + slot) * (type == KERNEL_KV_F32 ? 4 : 2);
    }
    size_t block = (size_t)(i / BLOCK_ELEMS) * KERNEL_KV_PANEL * sizeof(struct block_q8_0);
    *d = block + 2 * (size_t)slot;
    return block + (size_t)(2 + i % BLOCK_ELEMS) * KERNEL_KV_PANEL + (size_t)slot;
}

void kernels_kv_place(enum kernel_kv type, void *panel, int slot, const void *row, int n)
{
    uint8_t *dst = panel;
    const uint8_t *src = row;
    for (int i = 0; i < n; i++) {
        size_t d = 0, at = place_of(type, slot, i, &d);
        if (type == KERNEL_KV_F32) {
            memcpy(dst + at, src + 4 * (size_t)i, 4);
        } else if (type == KERNEL_KV_F16) {
            memcpy(dst + at, src + 2 * (size_t)i, 2);
        } else {
            const struct block_q8_0 *block = (const struct block_q8_0 *)row + i / BLOCK_ELEMS;
            memcpy(dst + d, block->d, sizeof block->d);
            memcpy(dst + at, &block->qs[i % BLOCK_ELEMS], 1);
        }
    }
}

/* Element i of a key. */
static float key_element(enum kernel_kv type, const uint8_t *panel, int slot, int i)
{
    size_t d = 0, at = place_of(type, slot, i, &d);
    switch (type) {
    case KERNEL_KV_F32:
        return block_f32(panel + at);
    case KERNEL_KV_F16:
        return block_half(panel + at);
    default:
        return block_half(panel + d) * (float)(int8_t)panel[at];
    }
}

/* Element i of a value. */
static float value_element(enum kernel_kv type, const uint8_t *row, int i)
{
    const struct block_q8_0 *block = (const struct block_q8_0 *)(const void *)row + i / BLOCK_ELEMS;
    switch (type) {
    case KERNEL_KV_F32:
        return block_f32(row + 4 * (size_t)i);
    case KERNEL_KV_F16:
        return block_half(row + 2 * (size_t)i);
    default:
        return block_half(block->d) * (float)block->qs[i % BLOCK_ELEMS];
    }
}

static inline __attribute__((always_inline)) void
scores(const enum kernel_kv type, float *dst, size_t stride, const float *q, size_t q_stride,
       int n_q, const void *panels, size_t panel_bytes, int n_panels, int n)
{
    for (int j = 0; j < n_q; j++) {
        const float *query = q + (size_t)j * q_stride;
        for (int p = 0; p < n_panels * KERNEL_KV_PANEL; p++) {
            const uint8_t *panel =
                (const uint8_t *)panels + (size_t)(p / KERNEL_KV_PANEL) * panel_bytes;
            float lane[REF_LANES] = {0};
            for (int i = 0; i < n; i++) {
                lane[i % REF_LANES] += query[i] * key_element(type, panel, p % KERNEL_KV_PANEL, i);
            }
            dst[(size_t)j * stride + (size_t)p] = ref_sum_lanes(lane);
        }
    }
}

static inline __attribute__((always_inline)) void mix(const enum kernel_kv type, float *out,
                                                      size_t stride, const float *weights,
                                                      size_t w_stride, int n_q, const void *rows,
                                                      size_t row_bytes, int n_pos, int n)
{
    for (int j = 0; j < n_q; j++) {
        for (int p = 0; p < n_pos; p++) {
            const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;
            float weight = weights[(size_t)j * w_stride + (size_t)p];
            for (int i = 0; i < n; i++) {
                out[(size_t)j * stride + (size_t)i] += weight * value_element(type, row, i);
            }
        }
    }
}

/* Key and query in integers, block by block. */
TILES_INLINE void int_scores(const enum kernel_kv type, float *dst, size_t stride, const float *q,
                             size_t q_stride, int n_q, const uint8_t *panels, size_t panel_bytes,
                             int n_panels, int n)
{
    for (int at = 0; at < n_q * n_panels * KERNEL_KV_PANEL; at++) {
        int j = at / (n_panels * KERNEL_KV_PANEL), p = at % (n_panels * KERNEL_KV_PANEL);
        const uint8_t *panel = panels + (size_t)(p / KERNEL_KV_PANEL) * panel_bytes;
        float score = 0.0f;
        for (int first = 0; first < n; first += KERNEL_KV_BLOCK) {
            int left = n - first < KERNEL_KV_BLOCK ? n - first : KERNEL_KV_BLOCK;
            const float *query = q + (size_t)j * q_stride + first;
            float key[KERNEL_KV_BLOCK];
            for (int i = 0; i < left; i++) {
                key[i] = key_element(type, panel, p % KERNEL_KV_PANEL, first + i);
            }
            int16_t x[KERNEL_KV_BLOCK], y[KERNEL_KV_BLOCK];
            float most_q = kvi_most(query, left), most_k = kvi_most(key, left);
            kvi_round(x, query, left, kvi_inverse_of(most_q, KVI_KEY_MOST));
            kvi_round(y, key, left, kvi_inverse_of(most_k, KVI_KEY_MOST));
            int32_t sum = 0;
            for (int i = 0; i < left; i++) {
                sum += x[i] * y[i];
            }
            float scale = most_q * (1.0f / (KVI_KEY_MOST * KVI_KEY_MOST));
            score = fmaf((float)sum * most_k, scale, score);
        }
        dst[(size_t)j * stride + (size_t)p] = score;
    }
}

/* Weights and values of a group in integers, times the magnitudes of its rows. */
TILES_INLINE void int_mix_group(const enum kernel_kv type, float *out, const float *weights,
                                const uint8_t *rows, size_t row_bytes, int n_pos, int n)
{
    float size[KERNEL_KV_GROUP], product[KERNEL_KV_GROUP];
    for (int p = 0; p < n_pos; p++) {
        size[p] = 0.0f;
        for (int i = 0; i < n; i++) {
            float pair[2] = {size[p], value_element(type, rows + (size_t)p * row_bytes, i)};
            size[p] = kvi_most(pair, 2);
        }
        product[p] = weights[p] != 0.0f ? weights[p] * size[p] : 0.0f;
    }
    int16_t weight[KERNEL_KV_GROUP];
    float most = kvi_most(product, n_pos);
    kvi_round(weight, product, n_pos, kvi_inverse_of(most, KVI_WEIGHT_MOST));
    for (int i = 0; i < n; i++) {
        int32_t sum = 0;
        for (int p = 0; p < n_pos; p++) {
            float element = value_element(type, rows + (size_t)p * row_bytes, i);
            int16_t value;
            kvi_round(&value, &element, 1, kvi_inverse_of(size[p], KVI_VALUE_MOST));
            sum += weight[p] * value;
        }
        out[i] = fmaf((float)sum, most * (1.0f / (KVI_WEIGHT_MOST * KVI_VALUE_MOST)), out[i]);
    }
}

TILES_INLINE void int_mix(const enum kernel_kv type, float *out, size_t stride,
                          const float *weights, size_t w_stride, int n_q, const uint8_t *rows,
                          size_t row_bytes, int n_pos, int n)
{
    for (int j = 0; j < n_q; j++) {
        for (int p = 0; p < n_pos; p += KERNEL_KV_GROUP) {
            int left = n_pos - p < KERNEL_KV_GROUP ? n_pos - p : KERNEL_KV_GROUP;
            int_mix_group(type, out + (size_t)j * stride, weights + (size_t)j * w_stride + p,
                          rows + (size_t)p * row_bytes, row_bytes, left, n);
        }
    }
}

#define REF_INT_DEFINE(name, type)                                                                 \
    void ref_kv_int_scores_##name(float *dst, size_t stride, const float *q, size_t q_stride,      \
                                  int n_q, const void *panels, size_t panel_bytes, int n_panels,   \
                                  int n)                                                           \
    {                                                                                              \
        int_scores(type, dst, stride, q, q_stride, n_q, panels, panel_bytes, n_panels, n);         \
    }                                                                                              \
    void ref_kv_int_mix_##name(float *out, size_t stride, const float *weights, size_t w_stride,   \
                               int n_q, const void *rows, size_t row_bytes, int n_pos, int n)      \
    {                                                                                              \
        int_mix(type, out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, n);             \
    }

#define REF_DEFINE(name, type)                                                                     \
    void ref_kv_scores_##name(float *dst, size_t stride, const float *q, size_t q_stride, int n_q, \
                              const void *panels, size_t panel_bytes, int n_panels, int n)         \
    {                                                                                              \
        scores(type, dst, stride, q, q_stride, n_q, panels, panel_bytes, n_panels, n);             \
    }                                                                                              \
    void ref_kv_mix_##name(float *out, size_t stride, const float *weights, size_t w_stride,       \
                           int n_q, const void *rows, size_t row_bytes, int n_pos, int n)          \
    {                                                                                              \
        mix(type, out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, n);                 \
    }

REF_DEFINE(f32, KERNEL_KV_F32)
REF_DEFINE(f16, KERNEL_KV_F16)
REF_DEFINE(q8_0, KERNEL_KV_Q8_0)
REF_INT_DEFINE(f16, KERNEL_KV_F16)
REF_INT_DEFINE(q8_0, KERNEL_KV_Q8_0)
