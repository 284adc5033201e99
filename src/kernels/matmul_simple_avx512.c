/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with many 8-bit activations, AVX-512 VNNI: as the AVX2 one,
 * sixteen rows side by side and every type as unsigned bytes, whose products are added up in 32
 * bits at once. The float terms are those of AVX2 in the same order, so the two give the same bits;
 * with few activations, where memory is the limit, AVX2 does the work.
 */
#include "kernels/avx512.h"
#include "kernels/panel_simple.h"

enum { WIDE_ACTS = 8 };

struct wide_panel {
    __m512i quants[ROWS_CHUNK_BLOCKS][8];
    __m512 scale[ROWS_CHUNK_BLOCKS], min[ROWS_CHUNK_BLOCKS];
};

/* Eight rows of the sixteen: half 0 or 1 of every vector. */
TILES_INLINE void fill_half(struct wide_panel *panel, const int half,
                            const uint8_t *const rows[ROWS], size_t at, int n_blocks,
                            panel_simple_fn *unpack, panel_scale_fn *scale,
                            const struct panel_type *type)
{
    for (int b = 0; b < n_blocks; b++, at += type->block_bytes) {
        __m256i quants[8];
        unpack(quants, rows, at);
        TILES_UNROLL
        for (int k = 0; k < 8; k++) {
            ((__m256i *)&panel->quants[b][k])[half] = quants[k];
        }
        ((__m256 *)&panel->scale[b])[half] = scale(rows, at);
        if (type->act_block_bytes == sizeof(struct block_q8_1)) {
            ((__m256 *)&panel->min[b])[half] = rows_half(rows, at + 2);
        }
    }
}

/* totals[a] += the sum of the terms of one chunk. */
TILES_INLINE void chunk_wide(__m512 *totals, const struct wide_panel *panel, int n_blocks,
                             struct panel_acts acts, const int n_acts,
                             const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    __m512 total[WIDE_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = _mm512_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++) {
        __m512i sum[WIDE_ACTS];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct panel_term *term = acts.terms + a * acts.terms_stride;
            sum[a] = _mm512_set1_epi32(type->offset != 0 ? term->rest : 0);
        }
        TILES_UNROLL
        for (int k = 0; k < 8; k++) {
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const uint8_t *act = acts.blocks + (size_t)a * acts.act_bytes;
                __m512i y = avx512_bytes4(act + (has_min ? 4 : 2) + 4 * k);
                sum[a] = _mm512_dpbusd_epi32(sum[a], panel->quants[b][k], y);
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct panel_term *term = acts.terms + a * acts.terms_stride;
            __m512 d = _mm512_mul_ps(panel->scale[b], _mm512_set1_ps(term->scale));
            total[a] = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sum[a]), total[a]);
            if (has_min) {
                total[a] = _mm512_fmadd_ps(panel->min[b], _mm512_set1_ps(term->shift), total[a]);
            }
        }
        panel_next_block(&acts, type);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        totals[a] = _mm512_add_ps(totals[a], total[a]);
    }
}

TILES_INLINE void chunk_acts(__m512 *totals, const struct wide_panel *panel, int n_blocks,
                             struct panel_acts acts, int n_acts, const struct panel_type *type)
{
    while (n_acts > 0) {
        int step = n_acts >= 8 ? 8 : n_acts >= 4 ? 4 : 1;
        if (step == 8) {
            chunk_wide(totals, panel, n_blocks, acts, 8, type);
        } else if (step == 4) {
            chunk_wide(totals, panel, n_blocks, acts, 4, type);
        } else {
            chunk_wide(totals, panel, n_blocks, acts, 1, type);
        }
        totals += step;
        acts.blocks += (size_t)step * acts.act_bytes;
        acts.terms += step * acts.terms_stride;
        n_acts -= step;
    }
}

/* Blocks 0 .. n_blocks-1 of sixteen rows: dst is what earlier blocks gave, or new. */
TILES_INLINE void sixteen_rows(float *dst, size_t dst_stride, int n_wanted, int is_first,
                               const uint8_t *const rows[2 * ROWS], int n_blocks,
                               struct panel_acts acts, int n_acts, panel_simple_fn *unpack,
                               panel_scale_fn *scale, const struct panel_type *type)
{
    __m512 totals[ROWS_MAX_ACTS];
    __mmask16 wanted = avx512_first_lanes(n_wanted);
    for (int a = 0; a < n_acts; a++) {
        totals[a] = is_first ? _mm512_setzero_ps()
                             : _mm512_maskz_loadu_ps(wanted, dst + (size_t)a * dst_stride);
    }
    for (int b = 0; b < n_blocks; b += ROWS_CHUNK_BLOCKS) {
        struct wide_panel panel;
        int n = n_blocks - b < ROWS_CHUNK_BLOCKS ? n_blocks - b : ROWS_CHUNK_BLOCKS;
        size_t at = (size_t)b * type->block_bytes;
        fill_half(&panel, 0, rows, at, n, unpack, scale, type);
        fill_half(&panel, 1, rows + ROWS, at, n, unpack, scale, type);
        chunk_acts(totals, &panel, n, acts, n_acts, type);
        acts.blocks += (size_t)n * type->act_block_bytes;
        acts.terms += n;
    }
    for (int a = 0; a < n_acts; a++) {
        _mm512_mask_storeu_ps(dst + (size_t)a * dst_stride, wanted, totals[a]);
    }
}

TILES_INLINE void simple_matmul(float *dst, size_t dst_stride, const uint8_t *weights,
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
        for (int r = 0; r < n_rows; r += 2 * ROWS) {
            const uint8_t *rows[2 * ROWS];
            const uint8_t *at = weights + (size_t)b * type->block_bytes;
            rows_point(rows, at, row_bytes, r, n_rows);
            rows_point(rows + ROWS, at, row_bytes, r + ROWS, n_rows);
            sixteen_rows(dst + r, dst_stride, n_rows - r, b == 0, rows, n, pass, n_acts, unpack,
                         scale, type);
        }
    }
}

#define MATMUL(name, act, scale, offset_)                                                          \
    void avx512_matmul_##name(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        static const struct panel_type type = {.block_bytes = sizeof(struct block_##name),         \
                                               .act_block_bytes = sizeof(struct block_##act),      \
                                               .offset = offset_};                                 \
        while (n_acts >= ROWS_PANEL_ACTS) {                                                        \
            int n = n_acts < ROWS_MAX_ACTS ? n_acts : ROWS_MAX_ACTS;                               \
            simple_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n, n_in,   \
                          panel_##name, scale, &type);                                             \
            dst += (size_t)n * dst_stride;                                                         \
            acts = (const uint8_t *)acts + (size_t)n * act_bytes;                                  \
            n_acts -= n;                                                                           \
        }                                                                                          \
        if (n_acts > 0) {                                                                          \
            avx2_matmul_##name(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes,       \
                               n_acts, n_in);                                                      \
        }                                                                                          \
    }

MATMUL(q4_0, q8_0, rows_half, 8)
MATMUL(q5_0, q8_0, rows_half, 16)
MATMUL(q8_0, q8_0, rows_half, 128)
MATMUL(iq4_nl, q8_0, rows_half, 128)
MATMUL(mxfp4, q8_0, panel_scale_e8m0, 12)
MATMUL(q4_1, q8_1, rows_half, 0)
MATMUL(q5_1, q8_1, rows_half, 0)
