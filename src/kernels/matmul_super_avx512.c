/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with many Q8_K activations, AVX-512 VNNI: as the AVX2
 * one, sixteen rows side by side and every type as unsigned bytes, whose products are added up in
 * 32 bits at once. The float terms are those of AVX2 in the same order, so the two give the same
 * bits; with few activations, where memory is the limit, AVX2 does the work.
 */
#include "kernels/avx512.h"
#include "kernels/panel_super.h"

enum { WIDE_ACTS = 8 };

/* What the compiler sees of a type as constants. */
struct wide_type {
    size_t block_bytes;
    int group;        /* elements that share a scale: 16 or 32 */
    int has_min;      /* else: */
    int offset_shift; /* what is taken off the bytes is 1 << offset_shift */
};

struct wide_panel {
    __m512i quants[64]; /* four elements of each row */
    __m512i scales[16]; /* of each group, 32 bits */
    __m512i rests[8];   /* minima or scales of two groups of 16, in 16 bits each */
    __m512 d, dmin;
};

TILES_INLINE __m512i wide_bytes(const int8_t *low, const int8_t *high)
{
    __m128i a = _mm_loadl_epi64((const __m128i *)(const void *)low);
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)high);
    return _mm512_cvtepi8_epi32(_mm_unpacklo_epi64(a, b));
}

TILES_INLINE void fill_panel(struct wide_panel *panel, const uint8_t *const rows[2 * ROWS],
                             size_t at, panel_head_fn *read_head, panel_super_fn *unpack,
                             const struct wide_type *type)
{
    struct panel_head heads[2];
    for (int half = 0; half < 2; half++) {
        read_head(&heads[half], rows + half * ROWS, at);
        unpack((__m256i *)panel->quants + half, 2, rows + half * ROWS, at);
    }
    __m512i wide[16];
    for (int g = 0; g < SUPER_BLOCK_ELEMS / type->group; g++) {
        panel->scales[g] = wide_bytes(heads[0].scales[g], heads[1].scales[g]);
        wide[g] = type->has_min ? wide_bytes(heads[0].mins[g], heads[1].mins[g]) : panel->scales[g];
    }
    for (int i = 0; i < 8; i++) {
        __m512i low = type->group == 16 ? wide[2 * i] : wide[i];
        __m512i high = type->group == 16 ? wide[2 * i + 1] : wide[i];
        panel->rests[i] = _mm512_mask_mov_epi16(low, 0xaaaaaaaa, _mm512_slli_epi32(high, 16));
    }
    memcpy(&panel->d, heads[0].d, sizeof heads[0].d);
    memcpy((float *)&panel->d + ROWS, heads[1].d, sizeof heads[1].d);
    if (type->has_min) {
        memcpy(&panel->dmin, heads[0].dmin, sizeof heads[0].dmin);
        memcpy((float *)&panel->dmin + ROWS, heads[1].dmin, sizeof heads[1].dmin);
    }
}

/* totals[a] += one super-block of sixteen rows times activation a. */
TILES_INLINE void tile_wide(__m512 *totals, const struct wide_panel *panel, const uint8_t *acts,
                            size_t act_bytes, const int n_acts, const struct wide_type *type)
{
    const int quads = type->group / 4;
    __m512i sums[WIDE_ACTS], rests[WIDE_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        sums[a] = rests[a] = _mm512_setzero_si512();
    }
    for (int i = 0; i < 8; i++) {
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
            __m512i y = avx512_bytes4(act->bsums + 4 * i);
            rests[a] = _mm512_dpwssd_epi32(rests[a], panel->rests[i], y);
        }
    }
    if (!type->has_min) {
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            __m512i rest = _mm512_slli_epi32(rests[a], (unsigned)type->offset_shift);
            sums[a] = _mm512_sub_epi32(sums[a], rest);
        }
    }
    for (int g = 0; g < SUPER_BLOCK_ELEMS / type->group; g++) {
        __m512i part[WIDE_ACTS];
        TILES_UNROLL
        for (int k = 0; k < quads; k++) {
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
                __m512i y = avx512_bytes4((const uint8_t *)act->qs + 4 * (g * quads + k));
                part[a] = _mm512_dpbusd_epi32(k == 0 ? _mm512_setzero_si512() : part[a],
                                              panel->quants[g * quads + k], y);
            }
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            __m512i scaled = _mm512_mullo_epi32(part[a], panel->scales[g]);
            sums[a] = _mm512_add_epi32(sums[a], scaled);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m512 d = _mm512_set1_ps(block_f32(acts + (size_t)a * act_bytes));
        totals[a] =
            _mm512_fmadd_ps(_mm512_mul_ps(panel->d, d), _mm512_cvtepi32_ps(sums[a]), totals[a]);
        if (type->has_min) {
            totals[a] = _mm512_fnmadd_ps(_mm512_mul_ps(panel->dmin, d),
                                         _mm512_cvtepi32_ps(rests[a]), totals[a]);
        }
    }
}

TILES_INLINE void tile_acts(__m512 *totals, const struct wide_panel *panel, const uint8_t *acts,
                            size_t act_bytes, int n_acts, const struct wide_type *type)
{
    while (n_acts > 0) {
        int step = n_acts >= 8 ? 8 : n_acts >= 4 ? 4 : 1;
        if (step == 8) {
            tile_wide(totals, panel, acts, act_bytes, 8, type);
        } else if (step == 4) {
            tile_wide(totals, panel, acts, act_bytes, 4, type);
        } else {
            tile_wide(totals, panel, acts, act_bytes, 1, type);
        }
        totals += step;
        acts += (size_t)step * act_bytes;
        n_acts -= step;
    }
}

/* The tree of avx2_sum. */
TILES_INLINE __m512 sum_totals(__m512 totals[8][ROWS_MAX_ACTS], int a)
{
    __m512 even = _mm512_add_ps(_mm512_add_ps(totals[0][a], totals[4][a]),
                                _mm512_add_ps(totals[2][a], totals[6][a]));
    __m512 odd = _mm512_add_ps(_mm512_add_ps(totals[1][a], totals[5][a]),
                               _mm512_add_ps(totals[3][a], totals[7][a]));
    return _mm512_add_ps(even, odd);
}

TILES_INLINE void super_matmul(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                               int n_rows, const uint8_t *acts, size_t act_bytes, int n_acts,
                               int n_in, panel_head_fn *read_head, panel_super_fn *unpack,
                               const struct wide_type *type)
{
    for (int r = 0; r < n_rows; r += 2 * ROWS) {
        const uint8_t *rows[2 * ROWS];
        rows_point(rows, weights, row_bytes, r, n_rows);
        rows_point(rows + ROWS, weights, row_bytes, r + ROWS, n_rows);
        __m512 totals[8][ROWS_MAX_ACTS];
        for (int i = 0; i < 8; i++) {
            for (int a = 0; a < n_acts; a++) {
                totals[i][a] = _mm512_setzero_ps();
            }
        }
        const uint8_t *act = acts;
        for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++, act += sizeof(struct block_q8_k)) {
            struct wide_panel panel;
            fill_panel(&panel, rows, (size_t)b * type->block_bytes, read_head, unpack, type);
            tile_acts(totals[b % 8], &panel, act, act_bytes, n_acts, type);
        }
        for (int a = 0; a < n_acts; a++) {
            _mm512_mask_storeu_ps(dst + (size_t)a * dst_stride + r, avx512_first_lanes(n_rows - r),
                                  sum_totals(totals, a));
        }
    }
}

#define MATMUL(name, head, ...)                                                                    \
    void avx512_matmul_##name(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        static const struct wide_type type = {.block_bytes = sizeof(struct block_##name),          \
                                              __VA_ARGS__};                                        \
        while (n_acts >= ROWS_PANEL_ACTS) {                                                        \
            int n = n_acts < ROWS_MAX_ACTS ? n_acts : ROWS_MAX_ACTS;                               \
            super_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n, n_in,    \
                         panel_head_##head, panel_quants_##name, &type);                           \
            dst += (size_t)n * dst_stride;                                                         \
            acts = (const uint8_t *)acts + (size_t)n * act_bytes;                                  \
            n_acts -= n;                                                                           \
        }                                                                                          \
        if (n_acts > 0) {                                                                          \
            avx2_matmul_##name(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes,       \
                               n_acts, n_in);                                                      \
        }                                                                                          \
    }

MATMUL(q2_k, q2_k, .group = 16, .has_min = 1)
MATMUL(q3_k, q3_k, .group = 16, .offset_shift = 2)
MATMUL(q4_k, q45_k, .group = 32, .has_min = 1)
MATMUL(q5_k, q45_k, .group = 32, .has_min = 1)
MATMUL(q6_k, q6_k, .group = 16, .offset_shift = 5)
MATMUL(iq4_xs, iq4_xs, .group = 32, .offset_shift = 7)
