/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with many 8-bit activations, AVX-512 VNNI: as the AVX2 one,
 * 16 or 32 rows side by side and every type as unsigned bytes, whose products are added up in
 * 32 bits at once. The float terms are those of AVX2 in the same order, so the two give the same
 * bits; with few activations, where memory is the limit, AVX2 does the work.
 */
#include "kernels/avx512.h"
#include "kernels/panel_simple.h"

enum {
    WIDE_VECTORS = 2, /* of sixteen rows side by side */
    WIDE_ROWS = 16 * WIDE_VECTORS,
    WIDE_TILE = 4,         /* activations of a tile */
    WIDE_MAX_ACTS = 128,   /* of one pass: many, as each unpacks all rows anew */
    WIDE_MAX_TERMS = 8192, /* blocks of activations whose terms are kept at a time */
};

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

/* totals[a][v] += the sum of the terms of one chunk. */
TILES_INLINE void chunk_wide(__m512 (*totals)[WIDE_VECTORS], const struct wide_panel *panel,
                             int n_blocks, struct panel_acts acts, const int n_acts,
                             const int n_vectors, const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    __m512 total[WIDE_TILE][WIDE_VECTORS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a][0] = total[a][1] = _mm512_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++) {
        __m512i sum[WIDE_TILE][WIDE_VECTORS];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct panel_term *term = acts.terms + a * acts.terms_stride;
            sum[a][0] = sum[a][1] = _mm512_set1_epi32(type->offset != 0 ? term->rest : 0);
        }
        TILES_UNROLL
        for (int k = 0; k < 8; k++) {
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const uint8_t *act = acts.blocks + (size_t)a * acts.act_bytes;
                __m512i y = avx512_bytes4(act + (has_min ? 4 : 2) + 4 * k);
                TILES_UNROLL
                for (int v = 0; v < n_vectors; v++) {
                    sum[a][v] = _mm512_dpbusd_epi32(sum[a][v], panel[v].quants[b][k], y);
                }
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct panel_term *term = acts.terms + a * acts.terms_stride;
            TILES_UNROLL
            for (int v = 0; v < n_vectors; v++) {
                __m512 d = _mm512_mul_ps(panel[v].scale[b], _mm512_set1_ps(term->scale));
                total[a][v] = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sum[a][v]), total[a][v]);
                if (has_min) {
                    __m512 shift = _mm512_set1_ps(term->shift);
                    total[a][v] = _mm512_fmadd_ps(panel[v].min[b], shift, total[a][v]);
                }
            }
        }
        panel_next_block(&acts, type);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            totals[a][v] = _mm512_add_ps(totals[a][v], total[a][v]);
        }
    }
}

/* `ahead`: the rows after these, of which every tile fetches a part to the second-level cache. */
TILES_INLINE void chunk_acts(__m512 (*totals)[WIDE_VECTORS], const struct wide_panel *panel,
                             int n_blocks, struct panel_acts acts, int n_acts, const int n_vectors,
                             const uint8_t *ahead, const struct panel_type *type)
{
    const int n_tiles = (n_acts + WIDE_TILE - 1) / WIDE_TILE;
    const int n_lines = n_blocks * WIDE_ROWS * (int)type->block_bytes / 64;
    const int ahead_lines = (n_lines + n_tiles - 1) / n_tiles;
    for (; n_acts >= 4; n_acts -= 4, totals += 4) {
        for (int i = 0; i < ahead_lines; i++, ahead += 64) {
            __builtin_prefetch(ahead, 0, 2);
        }
        chunk_wide(totals, panel, n_blocks, acts, 4, n_vectors, type);
        acts.blocks += 4 * acts.act_bytes;
        acts.terms += 4 * acts.terms_stride;
    }
    if (n_acts == 3) {
        chunk_wide(totals, panel, n_blocks, acts, 3, n_vectors, type);
    } else if (n_acts == 2) {
        chunk_wide(totals, panel, n_blocks, acts, 2, n_vectors, type);
    } else if (n_acts == 1) {
        chunk_wide(totals, panel, n_blocks, acts, 1, n_vectors, type);
    }
}

/* Blocks 0 .. n_blocks-1 of up to 32 rows: dst is what earlier blocks gave, or new; `ahead` as in
 * chunk_acts. */
TILES_INLINE void wide_rows(float *dst, size_t dst_stride, int n_wanted, int is_first,
                            const uint8_t *const rows[WIDE_ROWS], const uint8_t *ahead,
                            int n_blocks, struct panel_acts acts, int n_acts,
                            panel_simple_fn *unpack, panel_scale_fn *scale,
                            const struct panel_type *type)
{
    __m512 totals[WIDE_MAX_ACTS][WIDE_VECTORS];
    int n_vectors = n_wanted > 16 ? 2 : 1;
    __mmask16 wanted[WIDE_VECTORS] = {avx512_first_lanes(n_wanted),
                                      n_wanted > 16 ? avx512_first_lanes(n_wanted - 16) : 0};
    for (int a = 0; a < n_acts; a++) {
        for (int v = 0; v < n_vectors; v++) {
            const float *from = dst + (size_t)a * dst_stride + 16 * v;
            totals[a][v] = is_first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(wanted[v], from);
        }
    }
    for (int b = 0; b < n_blocks; b += ROWS_CHUNK_BLOCKS) {
        struct wide_panel panel[WIDE_VECTORS];
        int n = n_blocks - b < ROWS_CHUNK_BLOCKS ? n_blocks - b : ROWS_CHUNK_BLOCKS;
        size_t at = (size_t)b * type->block_bytes;
        for (int v = 0; v < n_vectors; v++) {
            fill_half(&panel[v], 0, rows + 16 * v, at, n, unpack, scale, type);
            fill_half(&panel[v], 1, rows + 16 * v + ROWS, at, n, unpack, scale, type);
        }
        if (n_vectors == 2) {
            chunk_acts(totals, panel, n, acts, n_acts, 2, ahead, type);
        } else {
            chunk_acts(totals, panel, n, acts, n_acts, 1, ahead, type);
        }
        acts.blocks += (size_t)n * type->act_block_bytes;
        acts.terms += n;
        ahead += (size_t)n * WIDE_ROWS * type->block_bytes;
    }
    for (int a = 0; a < n_acts; a++) {
        for (int v = 0; v < n_vectors; v++) {
            _mm512_mask_storeu_ps(dst + (size_t)a * dst_stride + 16 * v, wanted[v], totals[a][v]);
        }
    }
}

TILES_INLINE void simple_matmul(float *dst, size_t dst_stride, const uint8_t *weights,
                                size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                                int n_acts, int n_in, panel_simple_fn *unpack,
                                panel_scale_fn *scale, const struct panel_type *type)
{
    struct panel_term terms[WIDE_MAX_TERMS];
    int n_blocks = n_in / BLOCK_ELEMS;
    int n_at_once = WIDE_MAX_TERMS / n_acts / ROWS_CHUNK_BLOCKS * ROWS_CHUNK_BLOCKS;
    for (int b = 0; b < n_blocks; b += n_at_once) {
        int n = n_blocks - b < n_at_once ? n_blocks - b : n_at_once;
        const uint8_t *act = acts + (size_t)b * type->act_block_bytes;
        panel_find_terms(terms, act, act_bytes, n_acts, n, type);
        struct panel_acts pass = {act, act_bytes, terms, n};
        for (int r = 0; r < n_rows; r += WIDE_ROWS) {
            const uint8_t *rows[WIDE_ROWS];
            const uint8_t *at = weights + (size_t)b * type->block_bytes;
            const uint8_t *ahead = weights + (size_t)(r + WIDE_ROWS) * row_bytes +
                                   (size_t)b * type->block_bytes * WIDE_ROWS;
            for (int i = 0; i < WIDE_ROWS; i += ROWS) {
                rows_point(rows + i, at, row_bytes, r + i, n_rows);
            }
            wide_rows(dst + r, dst_stride, n_rows - r, b == 0, rows, ahead, n, pass, n_acts, unpack,
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
            int n = n_acts < WIDE_MAX_ACTS ? n_acts : WIDE_MAX_ACTS;                               \
            simple_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n, n_in,   \
                          panel_##name, scale, &type);                                             \
            dst += (size_t)n * dst_stride;                                                         \
            acts = (const uint8_t *)acts + (size_t)n * act_bytes;                                  \
            n_acts -= n;                                                                           \
        }                                                                                          \
        if (n_acts > 0) {                                                                          \
            avx512_decode_##name(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes,     \
                                 n_acts, n_in);                                                    \
        }                                                                                          \
    }

MATMUL(q4_0, q8_0, rows_half, 8)
MATMUL(q5_0, q8_0, rows_half, 16)
MATMUL(q8_0, q8_0, rows_half, 128)
MATMUL(iq4_nl, q8_0, rows_half, 128)
MATMUL(mxfp4, q8_0, panel_scale_e8m0, 12)
MATMUL(q4_1, q8_1, rows_half, 0)
MATMUL(q5_1, q8_1, rows_half, 0)
