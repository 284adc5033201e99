/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with many Q8_K activations, AVX-512 VNNI: as the AVX2
 * one, 16 or 32 rows side by side and every type as unsigned bytes, whose products are added up in
 * 32 bits at once. The float terms are those of AVX2 in the same order, so the two give the same
 * bits; with few activations, where memory is the limit, decode_super_avx512.c does the work.
 */
#include "kernels/avx512.h"
#include "kernels/panel_super.h"

enum {
    WIDE_VECTORS = 2, /* of sixteen rows side by side */
    WIDE_ROWS = 16 * WIDE_VECTORS,
    WIDE_TILE = 4,       /* activations of a tile */
    WIDE_MAX_ACTS = 256, /* of one pass: many, as each unpacks all rows anew */
    WIDE_LEVELS = 4,     /* of the stack by which eight sums are added */
};

/* The sums of super-blocks b mod 8 in the order in which a stack adds them as a tree. */
static const int wide_order[8] = {0, 4, 2, 6, 1, 5, 3, 7};

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
    __m512i mins[8];    /* of two groups, 16 bits each */
    __m512 d, dmin;
};

/* One super-block of an activation. */
struct wide_act {
    /* Types with minima: 16-bit sums of the quants of each group; else what the sum of a group
     * begins with, -offset * sum of the quants, in 32 bits. */
    uint8_t sums[64];
    const uint8_t *quants;
    float d;
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
    const int n_groups = SUPER_BLOCK_ELEMS / type->group;
    struct panel_head heads[2];
    for (int half = 0; half < 2; half++) {
        read_head(&heads[half], rows + half * ROWS, at);
        unpack((__m256i *)panel->quants + half, 2, rows + half * ROWS, at);
    }
    for (int g = 0; g < n_groups; g++) {
        panel->scales[g] = wide_bytes(heads[0].scales[g], heads[1].scales[g]);
    }
    memcpy(&panel->d, heads[0].d, sizeof heads[0].d);
    memcpy((float *)&panel->d + ROWS, heads[1].d, sizeof heads[1].d);
    if (type->has_min) {
        for (int i = 0; i < n_groups / 2; i++) {
            __m512i low = wide_bytes(heads[0].mins[2 * i], heads[1].mins[2 * i]);
            __m512i high = wide_bytes(heads[0].mins[2 * i + 1], heads[1].mins[2 * i + 1]);
            panel->mins[i] = _mm512_mask_mov_epi16(low, 0xaaaaaaaa, _mm512_slli_epi32(high, 16));
        }
        memcpy(&panel->dmin, heads[0].dmin, sizeof heads[0].dmin);
        memcpy((float *)&panel->dmin + ROWS, heads[1].dmin, sizeof heads[1].dmin);
    }
}

TILES_INLINE void read_act(struct wide_act *out, const uint8_t *act, const struct wide_type *type)
{
    const struct block_q8_k *block = (const void *)act;
    out->quants = (const uint8_t *)block->qs;
    out->d = block_f32(block->d);
    __m256i sums = avx2_load(block->bsums);
    if (type->has_min) {
        if (type->group == 32) {
            sums = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
            sums = _mm256_castsi128_si256(_mm256_cvtepi32_epi16(sums));
        }
        _mm256_storeu_si256((__m256i *)(void *)out->sums, sums);
    } else if (type->group == 32) {
        sums = _mm256_madd_epi16(sums, _mm256_set1_epi16((short)-(1 << type->offset_shift)));
        _mm256_storeu_si256((__m256i *)(void *)out->sums, sums);
    } else {
        sums = _mm256_mullo_epi16(sums, _mm256_set1_epi16(-1));
        __m512i wide = _mm512_cvtepi16_epi32(sums);
        _mm512_storeu_si512(out->sums, _mm512_slli_epi32(wide, (unsigned)type->offset_shift));
    }
}

/* Group g: sums[a][v] += scale * sum of the products. */
TILES_INLINE void tile_group(__m512i sums[WIDE_TILE][WIDE_VECTORS], const struct wide_panel *panel,
                             const struct wide_act *acts, const int g, const int n_acts,
                             const int n_vectors, const struct wide_type *type)
{
    const int quads = type->group / 4;
    __m512i part[WIDE_TILE][WIDE_VECTORS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m512i first =
            type->has_min ? _mm512_setzero_si512() : avx512_bytes4(acts[a].sums + 4 * g);
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            part[a][v] = first;
        }
    }
    TILES_UNROLL
    for (int k = 0; k < quads; k++) {
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            __m512i y = avx512_bytes4(acts[a].quants + 4 * (g * quads + k));
            TILES_UNROLL
            for (int v = 0; v < n_vectors; v++) {
                __m512i x = panel[v].quants[g * quads + k];
                part[a][v] = _mm512_dpbusd_epi32(part[a][v], x, y);
            }
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            __m512i scaled = _mm512_mullo_epi32(part[a][v], panel[v].scales[g]);
            sums[a][v] = _mm512_add_epi32(sums[a][v], scaled);
        }
    }
}

/* The minima times the sums of the activation. */
TILES_INLINE __m512 tile_rest(const struct wide_panel *panel, const struct wide_act *act,
                              const struct wide_type *type)
{
    const int n_pairs = type->group == 32 ? 4 : 8; /* of groups */
    __m512i rest = _mm512_setzero_si512();
    TILES_UNROLL
    for (int i = 0; i < n_pairs; i++) {
        rest = _mm512_dpwssd_epi32(rest, panel->mins[i], avx512_bytes4(act->sums + 4 * i));
    }
    return _mm512_cvtepi32_ps(rest);
}

/*
 * One level of the stack of sums: a sum is complete before the next is begun, and complete ones are
 * added as soon as the tree allows, so that the second-level cache keeps what a pass leaves behind.
 */
typedef __m512 wide_totals[WIDE_MAX_ACTS][WIDE_VECTORS];

/* What becomes of the sum of one super-block. */
struct wide_step {
    wide_totals *top;     /* where it is added, or put when it is the first of its sum */
    const __m512 *start;  /* NULL, or zero instead of the top */
    int n_merges;         /* then this many lower levels of the stack are added */
    const uint8_t *ahead; /* the rows after these, as one stream to the second-level cache */
    int ahead_lines;      /* of it with every tile: all at once would wait for memory */
};

/* One super-block of the rows times the activations. */
TILES_INLINE void tile_wide(const struct wide_step *step, int first_act,
                            const struct wide_panel *panel, const struct wide_act *acts,
                            const int n_acts, const int n_vectors, const struct wide_type *type)
{
    __m512i sums[WIDE_TILE][WIDE_VECTORS];
    __m512 totals[WIDE_TILE][WIDE_VECTORS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            sums[a][v] = _mm512_setzero_si512();
        }
    }
    for (int g = 0; g < SUPER_BLOCK_ELEMS / type->group; g++) {
        tile_group(sums, panel, acts, g, n_acts, n_vectors, type);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m512 d = _mm512_set1_ps(acts[a].d);
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            __m512 total = step->start != NULL ? *step->start : (*step->top)[first_act + a][v];
            total = _mm512_fmadd_ps(_mm512_mul_ps(panel[v].d, d), _mm512_cvtepi32_ps(sums[a][v]),
                                    total);
            if (type->has_min) {
                total = _mm512_fnmadd_ps(_mm512_mul_ps(panel[v].dmin, d),
                                         tile_rest(&panel[v], &acts[a], type), total);
            }
            totals[a][v] = total;
        }
    }
    for (int i = 1; i <= step->n_merges; i++) {
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            TILES_UNROLL
            for (int v = 0; v < n_vectors; v++) {
                totals[a][v] = _mm512_add_ps(totals[a][v], step->top[-i][first_act + a][v]);
            }
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int v = 0; v < n_vectors; v++) {
            step->top[-step->n_merges][first_act + a][v] = totals[a][v];
        }
    }
}

TILES_INLINE void tile_some(const struct wide_step *step, int first_act,
                            const struct wide_panel *panel, const uint8_t *acts, size_t act_bytes,
                            const int n_acts, const int n_vectors, const struct wide_type *type)
{
    struct wide_act act[WIDE_TILE];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        read_act(&act[a], acts + (size_t)(first_act + a) * act_bytes, type);
    }
    tile_wide(step, first_act, panel, act, n_acts, n_vectors, type);
}

TILES_INLINE void tile_acts(const struct wide_step *step, const struct wide_panel *panel,
                            const uint8_t *acts, size_t act_bytes, int n_acts, const int n_vectors,
                            const struct wide_type *type)
{
    int a = 0;
    const uint8_t *ahead = step->ahead;
    for (; a + 4 <= n_acts; a += 4) {
        for (int i = 0; i < step->ahead_lines; i++, ahead += 64) {
            __builtin_prefetch(ahead, 0, 2);
        }
        tile_some(step, a, panel, acts, act_bytes, 4, n_vectors, type);
    }
    if (n_acts - a == 3) {
        tile_some(step, a, panel, acts, act_bytes, 3, n_vectors, type);
    } else if (n_acts - a == 2) {
        tile_some(step, a, panel, acts, act_bytes, 2, n_vectors, type);
    } else if (n_acts - a == 1) {
        tile_some(step, a, panel, acts, act_bytes, 1, n_vectors, type);
    }
}

/*
 * Of each sum, in the order of wide_order: how many lower levels are added to it when it is
 * complete, so that all are added as avx2_sum does. Sums without blocks are left out.
 */
static void find_merges(int n_merges[8], int n_blocks)
{
    bool used[4]; /* of the levels of a stack with all eight */
    int depth = 0, last = 0;
    for (int i = 0; i < 8; i++) {
        n_merges[i] = 0;
        used[depth] = wide_order[i] < n_blocks;
        last = used[depth++] ? i : last;
        for (int k = i; k % 2 == 1; k /= 2) {
            depth--;
            n_merges[last] += used[depth] && used[depth - 1];
            used[depth - 1] = used[depth - 1] || used[depth];
        }
    }
}

/* stack[0] = the sums of up to 32 rows. */
TILES_INLINE void wide_rows(wide_totals *stack, const uint8_t *const rows[WIDE_ROWS],
                            size_t row_bytes, const int n_vectors, const uint8_t *acts,
                            size_t act_bytes, int n_acts, int n_blocks, panel_head_fn *read_head,
                            panel_super_fn *unpack, const struct wide_type *type)
{
    const __m512 zero = _mm512_setzero_ps();
    const size_t ahead_bytes = WIDE_ROWS * type->block_bytes; /* as many as a panel takes */
    const int n_tiles = (n_acts + WIDE_TILE - 1) / WIDE_TILE;
    struct wide_step step = {
        .top = stack,
        .ahead = rows[0] + WIDE_ROWS * row_bytes,
        .ahead_lines = ((int)ahead_bytes / 64 + n_tiles - 1) / n_tiles,
    };
    int n_merges[8];
    find_merges(n_merges, n_blocks);
    for (int i = 0; i < 8; i++) {
        for (int b = wide_order[i]; b < n_blocks; b += 8) {
            struct wide_panel panel[WIDE_VECTORS];
            step.start = b < 8 ? &zero : NULL;
            step.n_merges = b + 8 < n_blocks ? 0 : n_merges[i];
            for (int v = 0; v < n_vectors; v++) {
                fill_panel(&panel[v], rows + 16 * v, (size_t)b * type->block_bytes, read_head,
                           unpack, type);
            }
            tile_acts(&step, panel, acts + (size_t)b * sizeof(struct block_q8_k), act_bytes, n_acts,
                      n_vectors, type);
            step.ahead += ahead_bytes;
        }
        step.top += wide_order[i] < n_blocks ? 1 - n_merges[i] : 0;
    }
}

TILES_INLINE void super_matmul(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,
                               int n_rows, const uint8_t *acts, size_t act_bytes, int n_acts,
                               int n_in, panel_head_fn *read_head, panel_super_fn *unpack,
                               const struct wide_type *type)
{
    wide_totals stack[WIDE_LEVELS];
    const int n_blocks = n_in / SUPER_BLOCK_ELEMS;
    for (int r = 0; r < n_rows; r += WIDE_ROWS) {
        const uint8_t *rows[WIDE_ROWS];
        for (int i = 0; i < WIDE_ROWS; i += ROWS) {
            rows_point(rows + i, weights, row_bytes, r + i, n_rows);
        }
        int n_vectors = n_rows - r > 16 ? 2 : 1;
        if (n_vectors == 2) {
            wide_rows(stack, rows, row_bytes, 2, acts, act_bytes, n_acts, n_blocks, read_head,
                      unpack, type);
        } else {
            wide_rows(stack, rows, row_bytes, 1, acts, act_bytes, n_acts, n_blocks, read_head,
                      unpack, type);
        }
        for (int a = 0; a < n_acts; a++) {
            for (int v = 0; v < n_vectors; v++) {
                int first = r + 16 * v;
                __m512 sum = stack[0][a][v];
                if (n_blocks < 8) { /* sums left out are zeros all the same */
                    sum = _mm512_add_ps(sum, _mm512_setzero_ps());
                }
                _mm512_mask_storeu_ps(dst + (size_t)a * dst_stride + first,
                                      avx512_first_lanes(n_rows - first), sum);
            }
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
        while (n_acts > DECODE_ACTS) {                                                             \
            int n = n_acts < WIDE_MAX_ACTS ? n_acts : WIDE_MAX_ACTS;                               \
            super_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n, n_in,    \
                         panel_head_##head, panel_quants_##name, &type);                           \
            dst += (size_t)n * dst_stride;                                                         \
            acts = (const uint8_t *)acts + (size_t)n * act_bytes;                                  \
            n_acts -= n;                                                                           \
        }                                                                                          \
        if (n_acts > 0) {                                                                          \
            avx512_decode_##name(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes,     \
                                 n_acts, n_in);                                                    \
        }                                                                                          \
    }

MATMUL(q2_k, q2_k, .group = 16, .has_min = 1)
MATMUL(q3_k, q3_k, .group = 16, .offset_shift = 2)
MATMUL(q4_k, q45_k, .group = 32, .has_min = 1)
MATMUL(q5_k, q45_k, .group = 32, .has_min = 1)
MATMUL(q6_k, q6_k, .group = 16, .offset_shift = 5)
MATMUL(iq4_xs, iq4_xs, .group = 32, .offset_shift = 7)
