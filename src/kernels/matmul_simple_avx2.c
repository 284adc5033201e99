/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with 8-bit activations, AVX2: eight rows side by side, one
 * per lane. With few activations a block is multiplied as it is unpacked; with many, eight blocks
 * of the rows are unpacked once into a panel in the first-level cache. The terms of eight blocks
 * are added up before they join the total, which keeps long rows exact.
 */
#include "kernels/panel_simple.h"

struct simple_panel {
    __m256i quants[ROWS_CHUNK_BLOCKS][8];
    __m256 scale[ROWS_CHUNK_BLOCKS], min[ROWS_CHUNK_BLOCKS];
};

/* total[a] += the terms of one block of eight rows with activations a. */
TILES_INLINE void add_block(__m256 *total, const __m256i quants[8], __m256 scale, __m256 min,
                            const struct panel_acts *acts, const int n_acts,
                            const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    __m256i sum[ROWS_PANEL_ACTS], part[ROWS_PANEL_ACTS];
    TILES_UNROLL
    for (int k = 0; k < 8; k++) {
        __m256i quant = quants[k], size = quant;
        if (type->is_signed) {
            quant = _mm256_xor_si256(quant, _mm256_set1_epi8((char)128));
            size = _mm256_abs_epi8(quant);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const uint8_t *act = acts->blocks + (size_t)a * acts->act_bytes;
            __m256i y = rows_bytes4(act + (has_min ? 4 : 2) + 4 * k);
            if (type->is_signed) {
                y = _mm256_sign_epi8(y, quant);
            }
            __m256i pairs = _mm256_maddubs_epi16(size, y);
            part[a] = k % type->run == 0 ? pairs : _mm256_add_epi16(part[a], pairs);
            AVX2_PIN(part[a]);
            if (k % type->run == type->run - 1) {
                __m256i wide = _mm256_madd_epi16(part[a], _mm256_set1_epi16(1));
                sum[a] = k < type->run ? wide : _mm256_add_epi32(sum[a], wide);
            }
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const struct panel_term *term = acts->terms + a * acts->terms_stride;
        if (type->offset != 0) {
            sum[a] = _mm256_add_epi32(sum[a], _mm256_set1_epi32(term->rest));
        }
        __m256 d = _mm256_mul_ps(scale, _mm256_set1_ps(term->scale));
        total[a] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(sum[a]), total[a]);
        if (has_min) {
            total[a] = _mm256_fmadd_ps(min, _mm256_set1_ps(term->shift), total[a]);
        }
    }
}

/* One chunk of blocks, unpacked as it goes: totals[a] += the sum of its terms. */
TILES_INLINE void chunk_direct(__m256 *totals, const uint8_t *const rows[ROWS], size_t row_bytes,
                               size_t at, int n_blocks, struct panel_acts acts, const int n_acts,
                               panel_simple_fn *unpack, panel_scale_fn *scale,
                               const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    __m256 total[ROWS_PANEL_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++, at += type->block_bytes) {
        __m256i quants[8];
        rows_prefetch(rows, row_bytes, at * ROWS, type->block_bytes * ROWS);
        unpack(quants, rows, at);
        __m256 min = has_min ? rows_half(rows, at + 2) : _mm256_setzero_ps();
        add_block(total, quants, scale(rows, at), min, &acts, n_acts, type);
        panel_next_block(&acts, type);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        totals[a] = _mm256_add_ps(totals[a], total[a]);
    }
}

/* As chunk_direct, from a panel. */
TILES_INLINE void chunk_panel(__m256 *totals, const struct simple_panel *panel, int n_blocks,
                              struct panel_acts acts, const int n_acts,
                              const struct panel_type *type)
{
    __m256 total[ROWS_PANEL_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm256_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++) {
        add_block(total, panel->quants[b], panel->scale[b], panel->min[b], &acts, n_acts, type);
        panel_next_block(&acts, type);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        totals[a] = _mm256_add_ps(totals[a], total[a]);
    }
}

TILES_INLINE void chunk_many(__m256 *totals, const uint8_t *const rows[ROWS], size_t at,
                             int n_blocks, struct panel_acts acts, int n_acts,
                             panel_simple_fn *unpack, panel_scale_fn *scale,
                             const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    struct simple_panel panel;
    for (int b = 0; b < n_blocks; b++, at += type->block_bytes) {
        unpack(panel.quants[b], rows, at);
        panel.scale[b] = scale(rows, at);
        panel.min[b] = has_min ? rows_half(rows, at + 2) : _mm256_setzero_ps();
    }
    int a = 0;
    for (; a + 4 <= n_acts; a += 4) {
        chunk_panel(totals + a, &panel, n_blocks, acts, 4, type);
        acts.blocks += 4 * acts.act_bytes;
        acts.terms += 4 * acts.terms_stride;
    }
    for (; a < n_acts; a++) {
        chunk_panel(totals + a, &panel, n_blocks, acts, 1, type);
        acts.blocks += acts.act_bytes;
        acts.terms += acts.terms_stride;
    }
}

/* Blocks 0 .. n_blocks-1 of eight rows: dst is what earlier blocks gave, or new. */
TILES_INLINE void eight_rows(float *dst, size_t dst_stride, int n_wanted, int is_first,
                             const uint8_t *const rows[ROWS], size_t row_bytes, int n_blocks,
                             struct panel_acts acts, int n_acts, panel_simple_fn *unpack,
                             panel_scale_fn *scale, const struct panel_type *type)
{
    __m256 totals[ROWS_MAX_ACTS];
    for (int a = 0; a < n_acts; a++) {
        float before[ROWS] = {0};
        if (!is_first) {
            memcpy(before, dst + (size_t)a * dst_stride,
                   (size_t)(n_wanted < ROWS ? n_wanted : ROWS) * sizeof(float));
        }
        totals[a] = _mm256_loadu_ps(before);
    }
    for (int b = 0; b < n_blocks; b += ROWS_CHUNK_BLOCKS) {
        int n = n_blocks - b < ROWS_CHUNK_BLOCKS ? n_blocks - b : ROWS_CHUNK_BLOCKS;
        size_t at = (size_t)b * type->block_bytes;
        if (n_acts >= ROWS_PANEL_ACTS) {
            chunk_many(totals, rows, at, n, acts, n_acts, unpack, scale, type);
        } else if (n_acts == 1) {
            chunk_direct(totals, rows, row_bytes, at, n, acts, 1, unpack, scale, type);
        } else if (n_acts == 2) {
            chunk_direct(totals, rows, row_bytes, at, n, acts, 2, unpack, scale, type);
        } else {
            chunk_direct(totals, rows, row_bytes, at, n, acts, 3, unpack, scale, type);
        }
        acts.blocks += (size_t)n * type->act_block_bytes;
        acts.terms += n;
    }
    for (int a = 0; a < n_acts; a++) {
        rows_store(dst + (size_t)a * dst_stride, totals[a], n_wanted);
    }
}

TILES_INLINE void simple_matmul(float *dst, size_t dst_stride, const void *weights,
                                size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                                int n_acts, int n_in, panel_simple_fn *unpack,
                                panel_scale_fn *scale, const struct panel_type *type)
{
    struct panel_term terms[ROWS_MAX_TERMS];
    int n_blocks = n_in / BLOCK_ELEMS;
    int n_at_once = ROWS_MAX_TERMS / n_acts / ROWS_CHUNK_BLOCKS * ROWS_CHUNK_BLOCKS;
    for (int b = 0; b < n_blocks; b += n_at_once) {
        int n = n_blocks - b < n_at_once ? n_blocks - b : n_at_once;
        const uint8_t *act = acts + (size_t)b * type->act_block_bytes;
        panel_find_terms(terms, act, act_bytes, n_acts, n, type);
        struct panel_acts pass = {act, act_bytes, terms, n};
        for (int r = 0; r < n_rows; r += ROWS) {
            const uint8_t *rows[ROWS];
            rows_point(rows, (const uint8_t *)weights + (size_t)b * type->block_bytes, row_bytes, r,
                       n_rows);
            eight_rows(dst + r, dst_stride, n_rows - r, b == 0, rows, row_bytes, n, pass, n_acts,
                       unpack, scale, type);
        }
    }
}

#define MATMUL(name, act, unpack, scale, offset_, is_signed_, run_)                                \
    void avx2_matmul_##name(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,  \
                            int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)  \
    {                                                                                              \
        static const struct panel_type type = {.block_bytes = sizeof(struct block_##name),         \
                                               .act_block_bytes = sizeof(struct block_##act),      \
                                               .offset = offset_,                                  \
                                               .is_signed = is_signed_,                            \
                                               .run = run_};                                       \
        for (int a = 0; a < n_acts; a += ROWS_MAX_ACTS) {                                          \
            simple_matmul(dst + (size_t)a * dst_stride, dst_stride, weights, row_bytes, n_rows,    \
                          (const uint8_t *)acts + (size_t)a * act_bytes, act_bytes,                \
                          n_acts - a < ROWS_MAX_ACTS ? n_acts - a : ROWS_MAX_ACTS, n_in, unpack,   \
                          scale, &type);                                                           \
        }                                                                                          \
    }

MATMUL(q4_0, q8_0, panel_q4_0, rows_half, 8, 0, 8)
MATMUL(q5_0, q8_0, panel_q5_0, rows_half, 16, 0, 4)
MATMUL(mxfp4, q8_0, panel_mxfp4, panel_scale_e8m0, 12, 0, 4)
MATMUL(q4_1, q8_1, panel_q4_1, rows_half, 0, 0, 8)
MATMUL(q5_1, q8_1, panel_q5_1, rows_half, 0, 0, 4)
MATMUL(q8_0, q8_0, panel_q8_0, rows_half, 0, 1, 1)
MATMUL(iq4_nl, q8_0, panel_iq4_nl, rows_half, 0, 1, 1)
