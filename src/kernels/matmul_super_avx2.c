/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with Q8_K activations, AVX2: results of eight rows
 * side by side, one per lane. With few activations the rows are multiplied one after the other and
 * their integers brought into lanes; with many, a super-block of the rows is unpacked once into a
 * panel in the first-level cache. Quants are kept unsigned; offsets and minima come from the sums
 * of 16 activations stored beside them. The integers of a super-block are exact, so both ways give
 * the same bits.
 */
#include "kernels/avx2_super.h"
#include "kernels/panel_super.h"

#include <stddef.h>

/* What the compiler sees of a type as constants. */
struct super_type {
    size_t block_bytes, d_at;
    int group;        /* elements that share a scale: 16 or 32 */
    int run;          /* products of pairs that may be added up in 16 bits */
    int has_min;      /* else: */
    int offset_shift; /* what is taken off the bytes is 1 << offset_shift */
    int is_signed;    /* bytes too large for sums in 16 bits: multiplied as signed ones */
};

struct super_panel {
    __m256i quants[64]; /* four elements of each row */
    __m256i scales[16]; /* of each group, twice in 16 bits */
    __m256i rests[8];   /* minima or scales of two groups of 16, in 16 bits each */
    __m256 d, dmin;
};

/* Eight signed bytes to the low halves, eight others to the high halves of 32-bit lanes. */
TILES_INLINE __m256i pair_bytes(const int8_t *low, const int8_t *high)
{
    __m256i a = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)low));
    __m256i b = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)high));
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
}

TILES_INLINE void fill_panel(struct super_panel *panel, const uint8_t *const rows[ROWS], size_t at,
                             panel_head_fn *read_head, panel_super_fn *unpack,
                             const struct super_type *type)
{
    struct panel_head head;
    read_head(&head, rows, at);
    unpack(panel->quants, 1, rows, at);
    for (int g = 0; g < SUPER_BLOCK_ELEMS / type->group; g++) {
        panel->scales[g] = pair_bytes(head.scales[g], head.scales[g]);
    }
    for (int i = 0; i < 8; i++) {
        int8_t(*of)[ROWS] = type->has_min ? head.mins : head.scales;
        panel->rests[i] =
            type->group == 16 ? pair_bytes(of[2 * i], of[2 * i + 1]) : pair_bytes(of[i], of[i]);
    }
    panel->d = _mm256_loadu_ps(head.d);
    panel->dmin = type->has_min ? _mm256_loadu_ps(head.dmin) : _mm256_setzero_ps();
}

/* sums[a] += scale * one group of the panel, from quad `first` on, with activations a. */
TILES_INLINE void add_group(__m256i *sums, const struct super_panel *panel, int g,
                            const uint8_t *acts, size_t act_bytes, const int n_acts,
                            const struct super_type *type)
{
    const int quads = type->group / 4;
    const __m256i scale = panel->scales[g];
    __m256i part[4];
    TILES_UNROLL
    for (int k = 0; k < quads; k++) {
        __m256i quant = panel->quants[g * quads + k], size = quant;
        if (type->is_signed) {
            quant = _mm256_xor_si256(quant, _mm256_set1_epi8((char)128));
            size = _mm256_abs_epi8(quant);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
            __m256i y = rows_bytes4((const uint8_t *)act->qs + 4 * (g * quads + k));
            if (type->is_signed) {
                y = _mm256_sign_epi8(y, quant);
            }
            __m256i pairs = _mm256_maddubs_epi16(size, y);
            part[a] = k % type->run == 0 ? pairs : _mm256_add_epi16(part[a], pairs);
            AVX2_PIN(part[a]);
            if (k % type->run == type->run - 1) {
                sums[a] = _mm256_add_epi32(sums[a], _mm256_madd_epi16(part[a], scale));
                AVX2_PIN(sums[a]);
            }
        }
    }
}

/*
 * The float terms of super-blocks; the only place of them. Block b of a row is added to the
 * (b mod 8)th of eight sums, which are added up at the end as avx2_sum does.
 */
TILES_INLINE void add_terms(__m256 *total, __m256i sums, __m256i rests, __m256 d, __m256 dmin,
                            __m256 d_act, const struct super_type *type)
{
    *total = _mm256_fmadd_ps(_mm256_mul_ps(d, d_act), _mm256_cvtepi32_ps(sums), *total);
    if (type->has_min) {
        *total = _mm256_fnmadd_ps(_mm256_mul_ps(dmin, d_act), _mm256_cvtepi32_ps(rests), *total);
    }
}

/* totals[a] += one super-block of eight rows times activation a. */
TILES_INLINE void tile_super(__m256 *totals, const struct super_panel *panel, const uint8_t *acts,
                             size_t act_bytes, const int n_acts, const struct super_type *type)
{
    __m256i sums[4], rests[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        sums[a] = rests[a] = _mm256_setzero_si256();
    }
    for (int g = 0; g < SUPER_BLOCK_ELEMS / type->group; g++) {
        add_group(sums, panel, g, acts, act_bytes, n_acts, type);
    }
    for (int i = 0; i < 8 && !type->is_signed; i++) {
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
            __m256i rest = _mm256_madd_epi16(panel->rests[i], rows_bytes4(act->bsums + 4 * i));
            rests[a] = _mm256_add_epi32(rests[a], rest);
            AVX2_PIN(rests[a]);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        float d = block_f32(acts + (size_t)a * act_bytes);
        if (!type->has_min && !type->is_signed) {
            sums[a] = _mm256_sub_epi32(sums[a], _mm256_slli_epi32(rests[a], type->offset_shift));
        }
        add_terms(&totals[a], sums[a], rests[a], panel->d, panel->dmin, _mm256_set1_ps(d), type);
    }
}

/* One row, eight lanes to be added up: sums of products, and minima times activation sums. */
TILES_INLINE void dot_super(__m256i *sums, __m256i *rests, const uint8_t *block,
                            const uint8_t *acts, size_t act_bytes, const int n_acts,
                            avx2_head_fn *read_head, avx2_quants_fn *unpack,
                            const struct super_type *type)
{
    struct avx2_super w = read_head(block);
    __m256i sum[ROWS_PANEL_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        sum[a] = _mm256_setzero_si256();
    }
    TILES_UNROLL
    for (int half = 0; half < 2; half++) {
        __m256i quants[4];
        unpack(quants, block, half);
        TILES_UNROLL
        for (int g = 0; g < 4; g++) {
            __m256i scale = avx2_shuffle_scales(w.scales, 4 * half + g), size = quants[g];
            if (type->is_signed) {
                size = _mm256_abs_epi8(size);
            }
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
                __m256i y = avx2_load(act->qs + 128 * half + 32 * g);
                if (type->is_signed) {
                    y = _mm256_sign_epi8(y, quants[g]);
                }
                __m256i pairs = _mm256_maddubs_epi16(size, y);
                sum[a] = _mm256_add_epi32(sum[a], _mm256_madd_epi16(pairs, scale));
                AVX2_PIN(sum[a]);
            }
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
        if (!type->is_signed) {
            __m256i rest = _mm256_madd_epi16(w.sum_scales, avx2_load(act->bsums));
            if (type->has_min) {
                rests[a * ROWS] = rest;
            } else {
                sum[a] = _mm256_sub_epi32(sum[a], _mm256_slli_epi32(rest, type->offset_shift));
            }
        }
        sums[a * ROWS] = sum[a];
    }
}

/* As fill_panel and tile_super for n <= 8 blocks of one row, one per lane; few activations. */
TILES_INLINE void direct_super(__m256 *totals, const uint8_t *row, int n, const uint8_t *acts,
                               size_t act_bytes, const int n_acts, avx2_head_fn *read_head,
                               avx2_quants_fn *unpack, const struct super_type *type)
{
    __m256i lanes[ROWS_PANEL_ACTS][ROWS], rest_lanes[ROWS_PANEL_ACTS][ROWS];
    const uint8_t *block = row, *act = acts;
    uint32_t d_bits[ROWS] = {0}; /* d, and dmin in the high half */
    float d_acts[ROWS_PANEL_ACTS][ROWS];
    for (int i = 0; i < n; i++, act += sizeof(struct block_q8_k), block += type->block_bytes) {
        for (size_t line = 0; line < type->block_bytes; line += 64) {
            avx2_prefetch(block + line);
        }
        memcpy(&d_bits[i], block + type->d_at, type->has_min ? 4 : 2);
        dot_super(&lanes[0][i], &rest_lanes[0][i], block, act, act_bytes, n_acts, read_head, unpack,
                  type);
        for (int a = 0; a < n_acts; a++) {
            d_acts[a][i] = block_f32(act + (size_t)a * act_bytes);
        }
    }
    for (int i = n; i < ROWS; i++) {
        for (int a = 0; a < n_acts; a++) {
            lanes[a][i] = rest_lanes[a][i] = _mm256_setzero_si256();
            d_acts[a][i] = 0.0f;
        }
    }
    __m256i both = avx2_load(d_bits);
    both = _mm256_packus_epi32(_mm256_and_si256(both, _mm256_set1_epi32(0xffff)),
                               _mm256_srli_epi32(both, 16));
    both = _mm256_permute4x64_epi64(both, 0xd8);
    __m256 d = _mm256_cvtph_ps(_mm256_castsi256_si128(both));
    __m256 dmin = _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1));
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m256i sums = rows_sum8(lanes[a]);
        __m256i rests = type->has_min ? rows_sum8(rest_lanes[a]) : sums;
        add_terms(&totals[a], sums, rests, d, dmin, _mm256_loadu_ps(d_acts[a]), type);
    }
}

TILES_INLINE void direct_row(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, const int n_acts, int n_in, avx2_head_fn *read_head,
                             avx2_quants_fn *unpack, const struct super_type *type)
{
    __m256 totals[ROWS_PANEL_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        totals[a] = _mm256_setzero_ps();
    }
    int n_blocks = n_in / SUPER_BLOCK_ELEMS;
    for (int b = 0; b < n_blocks; b += ROWS) {
        direct_super(totals, row + (size_t)b * type->block_bytes,
                     n_blocks - b < ROWS ? n_blocks - b : ROWS,
                     acts + (size_t)b * sizeof(struct block_q8_k), act_bytes, n_acts, read_head,
                     unpack, type);
    }
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(totals[a]);
    }
}

/* One super-block of eight rows with all activations through a panel. */
TILES_INLINE void panel_super(__m256 *totals, const uint8_t *const rows[ROWS], size_t at,
                              const uint8_t *acts, size_t act_bytes, int n_acts,
                              panel_head_fn *read_head, panel_super_fn *unpack,
                              const struct super_type *type)
{
    struct super_panel panel;
    fill_panel(&panel, rows, at, read_head, unpack, type);
    int a = 0;
    for (; a + 4 <= n_acts; a += 4) {
        tile_super(totals + a, &panel, acts + (size_t)a * act_bytes, act_bytes, 4, type);
    }
    for (; a + 2 <= n_acts; a += 2) {
        tile_super(totals + a, &panel, acts + (size_t)a * act_bytes, act_bytes, 2, type);
    }
    if (a < n_acts) {
        tile_super(totals + a, &panel, acts + (size_t)a * act_bytes, act_bytes, 1, type);
    }
}

/* panel_head_fn ... of the type as one argument list, to keep the calls below readable. */
struct super_unpack {
    panel_head_fn *panel_head;
    panel_super_fn *panel_quants;
    avx2_head_fn *head;
    avx2_quants_fn *quants;
};

/* The tree of avx2_sum. */
TILES_INLINE __m256 sum_totals(__m256 totals[8][ROWS_MAX_ACTS], int a)
{
    __m256 even = _mm256_add_ps(_mm256_add_ps(totals[0][a], totals[4][a]),
                                _mm256_add_ps(totals[2][a], totals[6][a]));
    __m256 odd = _mm256_add_ps(_mm256_add_ps(totals[1][a], totals[5][a]),
                               _mm256_add_ps(totals[3][a], totals[7][a]));
    return _mm256_add_ps(even, odd);
}

TILES_INLINE void super_matmul(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                               int n_rows, const uint8_t *acts, size_t act_bytes, int n_acts,
                               int n_in, const struct super_unpack *u,
                               const struct super_type *type)
{
    for (int r = 0; r < n_rows && n_acts < ROWS_PANEL_ACTS; r++) {
        const uint8_t *row = (const uint8_t *)weights + (size_t)r * row_bytes;
        if (n_acts == 1) {
            direct_row(dst + r, dst_stride, row, acts, act_bytes, 1, n_in, u->head, u->quants,
                       type);
        } else if (n_acts == 2) {
            direct_row(dst + r, dst_stride, row, acts, act_bytes, 2, n_in, u->head, u->quants,
                       type);
        } else {
            direct_row(dst + r, dst_stride, row, acts, act_bytes, 3, n_in, u->head, u->quants,
                       type);
        }
    }
    for (int r = 0; r < n_rows && n_acts >= ROWS_PANEL_ACTS; r += ROWS) {
        const uint8_t *rows[ROWS];
        rows_point(rows, weights, row_bytes, r, n_rows);
        __m256 totals[8][ROWS_MAX_ACTS];
        for (int i = 0; i < 8; i++) {
            for (int a = 0; a < n_acts; a++) {
                totals[i][a] = _mm256_setzero_ps();
            }
        }
        const uint8_t *act = acts;
        for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++, act += sizeof(struct block_q8_k)) {
            panel_super(totals[b % 8], rows, (size_t)b * type->block_bytes, act, act_bytes, n_acts,
                        u->panel_head, u->panel_quants, type);
        }
        for (int a = 0; a < n_acts; a++) {
            rows_store(dst + (size_t)a * dst_stride + r, sum_totals(totals, a), n_rows - r);
        }
    }
}

#define MATMUL(name, head, ...)                                                                    \
    void avx2_matmul_##name(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,  \
                            int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)  \
    {                                                                                              \
        static const struct super_type type = {.block_bytes = sizeof(struct block_##name),         \
                                               .d_at = offsetof(struct block_##name, d),           \
                                               __VA_ARGS__};                                       \
        static const struct super_unpack unpack = {panel_head_##head, panel_quants_##name,         \
                                                   avx2_head_##head, avx2_quants_##name};          \
        for (int a = 0; a < n_acts; a += ROWS_MAX_ACTS) {                                          \
            super_matmul(dst + (size_t)a * dst_stride, dst_stride, weights, row_bytes, n_rows,     \
                         (const uint8_t *)acts + (size_t)a * act_bytes, act_bytes,                 \
                         n_acts - a < ROWS_MAX_ACTS ? n_acts - a : ROWS_MAX_ACTS, n_in, &unpack,   \
                         &type);                                                                   \
        }                                                                                          \
    }

/* The run is the most that 16 bits hold: 2 * largest byte * 127 each. */
MATMUL(q2_k, q2_k, .group = 16, .run = 4, .has_min = 1)
MATMUL(q3_k, q3_k, .group = 16, .run = 4, .offset_shift = 2)
MATMUL(q4_k, q45_k, .group = 32, .run = 8, .has_min = 1)
MATMUL(q5_k, q45_k, .group = 32, .run = 4, .has_min = 1)
MATMUL(q6_k, q6_k, .group = 16, .run = 2, .offset_shift = 5)
MATMUL(iq4_xs, iq4_xs, .group = 32, .run = 1, .is_signed = 1)
