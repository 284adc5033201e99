/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with one to three 8-bit activations, AVX-512 VNNI: rows one
 * after the other as memory has them, as a sequence of chunks of eight blocks that does not stop at
 * the end of a row. Sixteen chunks, of whatever rows, are brought into lanes; each lane is then one
 * chain of float terms, those of AVX2 in the same order, so all levels and paths give the same
 * bits.
 */
#include "kernels/decode_simple.h"
#include "kernels/panel_simple.h"

enum {
    CHUNK = ROWS_CHUNK_BLOCKS,
    STEP = 4,        /* chunks whose sums are added across lanes together */
    GROUP = 16,      /* chunks whose terms are added up together */
    MAX_CHUNKS = 64, /* of a row and its activations that are prepared at a time */
    MAX_SUMS = 1024, /* chunks between two additions to the result */
    MAX_ACTS = ROWS_PANEL_ACTS - 1,
};

/* One activation. Floats and sums lie as chunks become lanes: after the last one the first again.
 */
struct simple_act {
    _Alignas(64) int8_t qs[MAX_CHUNKS][4][64]; /* low and high of blocks 0 .. 3, then of 4 .. 7 */
    float scale[CHUNK][MAX_CHUNKS + GROUP];
    union {
        float shift[CHUNK][MAX_CHUNKS + GROUP];  /* types with a minimum: what multiplies it */
        int32_t rest[CHUNK][MAX_CHUNKS + GROUP]; /* with an offset: -offset * sum of the quants */
    };
};

/* Sixteen chunks. */
struct group {
    __m512i scales[STEP], mins[STEP]; /* lane c of [s]: eight words of chunk 4s + c */
    __m512i sums[MAX_ACTS][2][STEP];  /* [h][s], lane b: block 4h + b of chunks 4s .. 4s + 3 */
};

/* Where the sequence of chunks is. At its end the last one is repeated. */
struct walk {
    const uint8_t *row;
    size_t row_bytes, chunk_bytes, last_bytes; /* last_bytes: of the last chunk of a row */
    int i_chunk, n_chunks, n_left;
    uint8_t (*spare)[CHUNK * sizeof(struct block_q8_1)]; /* last chunks, filled up with zeros */
};

/* Sixteen scales to float. */
typedef __m512 decode_scale_fn(__m256i words);

/* lane by lane: dword i is the sum of the four of v[i] */
TILES_INLINE __m512i add_within_lanes(const __m512i v[STEP])
{
    __m512i ab =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    __m512i cd =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* out[b]: lane b of v[0], v[1], v[2], v[3] */
TILES_INLINE void turn_lanes(__m512i out[4], const __m512i v[4])
{
    __m512i low0 = _mm512_shuffle_i32x4(v[0], v[1], 0x44);
    __m512i low1 = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
    __m512i high0 = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
    __m512i high1 = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
    out[0] = _mm512_shuffle_i32x4(low0, low1, 0x88);
    out[1] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
    out[2] = _mm512_shuffle_i32x4(high0, high1, 0x88);
    out[3] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
}

TILES_INLINE __m512i four_lanes(const __m128i v[4])
{
    __m512i out = _mm512_inserti32x4(_mm512_castsi128_si512(v[0]), v[1], 1);
    return _mm512_inserti32x4(_mm512_inserti32x4(out, v[2], 2), v[3], 3);
}

/* Words of sixteen chunks, eight each, to the scales of their blocks 0 .. 7 as float. */
TILES_INLINE void turn_scales(__m512 out[CHUNK], const __m512i words[STEP],
                              decode_scale_fn *to_float)
{
    const __m512i turn = _mm512_setr_epi64(
        DECODE_WORDS(0, 8, 16, 24), DECODE_WORDS(32, 40, 48, 56), DECODE_WORDS(1, 9, 17, 25),
        DECODE_WORDS(33, 41, 49, 57), DECODE_WORDS(2, 10, 18, 26), DECODE_WORDS(34, 42, 50, 58),
        DECODE_WORDS(3, 11, 19, 27), DECODE_WORDS(35, 43, 51, 59));
    const __m512i turn_high = _mm512_add_epi16(turn, _mm512_set1_epi16(4));
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    TILES_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i index = half == 0 ? turn : turn_high;
        __m512i a = _mm512_permutex2var_epi16(words[0], index, words[1]);
        __m512i b = _mm512_permutex2var_epi16(words[2], index, words[3]);
        __m512i two = _mm512_permutex2var_epi64(a, first, b);
        __m512i more = _mm512_permutex2var_epi64(a, last, b);
        out[4 * half] = to_float(_mm512_castsi512_si256(two));
        out[4 * half + 1] = to_float(_mm512_extracti64x4_epi64(two, 1));
        out[4 * half + 2] = to_float(_mm512_castsi512_si256(more));
        out[4 * half + 3] = to_float(_mm512_extracti64x4_epi64(more, 1));
    }
}

TILES_INLINE __m512 scale_half(__m256i words)
{
    return _mm512_cvtph_ps(words);
}

/* MXFP4: 2^(e - 128), see block_e8m0_half. */
TILES_INLINE __m512 scale_e8m0(__m256i words)
{
    __m512i e = _mm512_cvtepu16_epi32(words);
    __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __mmask16 is_small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(
        _mm512_mask_sllv_epi32(normal, is_small, _mm512_set1_epi32(0x00200000), e));
}

/* The next chunk of the sequence, whole; i_spare: a place for it. */
TILES_INLINE const uint8_t *walk_next(struct walk *walk, int *i_chunk, const int i_spare)
{
    const uint8_t *at = walk->row + (size_t)walk->i_chunk * walk->chunk_bytes;
    *i_chunk = walk->i_chunk;
    int is_last = walk->i_chunk + 1 == walk->n_chunks;
    if (is_last && walk->last_bytes != walk->chunk_bytes) {
        at = memcpy(walk->spare[i_spare], at, walk->last_bytes);
    }
    if (walk->n_left > 1) {
        walk->n_left--;
        walk->i_chunk = is_last ? 0 : walk->i_chunk + 1;
        walk->row += is_last ? walk->row_bytes : 0;
    }
    return at;
}

/* Chunks 4s .. 4s + 3 of the group. */
TILES_INLINE void step(struct group *group, int s, struct walk *walk, const struct simple_act *acts,
                       const int n_acts, decode_four_fn *unpack, const struct panel_type *type)
{
    const __m512i zero = _mm512_setzero_si512();
    const uint8_t *here = walk->row + (size_t)walk->i_chunk * walk->chunk_bytes;
    __m512i sums[MAX_ACTS][2][STEP];
    __m128i scales[STEP], mins[STEP];
    TILES_UNROLL
    for (int i = 0; i < STEP; i++) {
        int i_chunk;
        const uint8_t *chunk = walk_next(walk, &i_chunk, i);
        struct decode_four four[2];
        tiles_prefetch_piece(here, i, CHUNK * type->block_bytes);
        TILES_UNROLL
        for (int h = 0; h < 2; h++) {
            unpack(&four[h], chunk + (size_t)h * 4 * type->block_bytes);
            TILES_UNROLL
            for (int a = 0; a < n_acts; a++) {
                const int8_t(*qs)[64] = acts[a].qs[i_chunk] + 2 * h;
                __m512i sum = _mm512_dpbusd_epi32(zero, four[h].low, _mm512_load_si512(qs[0]));
                sums[a][h][i] = _mm512_dpbusd_epi32(sum, four[h].high, _mm512_load_si512(qs[1]));
            }
        }
        scales[i] = _mm_unpacklo_epi64(four[0].heads, four[1].heads);
        mins[i] = _mm_unpackhi_epi64(four[0].heads, four[1].heads);
    }
    group->scales[s] = four_lanes(scales);
    if (type->act_block_bytes == sizeof(struct block_q8_1)) {
        group->mins[s] = four_lanes(mins);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        group->sums[a][0][s] = add_within_lanes(sums[a][0]);
        group->sums[a][1][s] = add_within_lanes(sums[a][1]);
    }
}

/* out[a * MAX_SUMS + i]: the terms of chunk i of the group; the first is chunk i_chunk of a row. */
TILES_INLINE void add_terms(float *out, const struct group *group, const struct simple_act *acts,
                            int i_chunk, const int n_acts, decode_scale_fn *to_float,
                            const struct panel_type *type)
{
    const int has_min = type->act_block_bytes == sizeof(struct block_q8_1);
    __m512 scales[CHUNK], mins[CHUNK];
    turn_scales(scales, group->scales, to_float);
    if (has_min) {
        turn_scales(mins, group->mins, to_float);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m512i sums[CHUNK];
        turn_lanes(sums, group->sums[a][0]);
        turn_lanes(sums + 4, group->sums[a][1]);
        __m512 total = _mm512_setzero_ps();
        TILES_UNROLL
        for (int b = 0; b < CHUNK; b++) {
            if (!has_min) {
                __m512i rest = _mm512_loadu_si512(acts[a].rest[b] + i_chunk);
                sums[b] = _mm512_add_epi32(sums[b], rest);
            }
            __m512 d = _mm512_mul_ps(scales[b], _mm512_loadu_ps(acts[a].scale[b] + i_chunk));
            total = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sums[b]), total);
            if (has_min) {
                total =
                    _mm512_fmadd_ps(mins[b], _mm512_loadu_ps(acts[a].shift[b] + i_chunk), total);
            }
        }
        _mm512_storeu_ps(out + (size_t)a * MAX_SUMS, total);
    }
}

/* Blocks 4h .. 4h + 3 of a chunk of an activation, n of them there. */
TILES_INLINE __m512i prepare_four(struct simple_act *out, int i_chunk, const int h,
                                  const uint8_t *blocks, int n, const struct panel_type *type)
{
    const size_t bytes = type->act_block_bytes;
    const int has_min = bytes == sizeof(struct block_q8_1);
    const size_t skip = has_min ? 4 : 2;
    uint8_t spare[4 * sizeof(struct block_q8_1)];
    if (n < 4) {
        memset(spare, 0, sizeof spare);
        blocks = memcpy(spare, blocks, n > 0 ? (size_t)n * bytes : 0);
    }
    __m512i a = _mm512_inserti64x4(_mm512_castsi256_si512(avx2_load(blocks + skip)),
                                   avx2_load(blocks + skip + bytes), 1);
    __m512i b = _mm512_inserti64x4(_mm512_castsi256_si512(avx2_load(blocks + skip + 2 * bytes)),
                                   avx2_load(blocks + skip + 3 * bytes), 1);
    __m512i low = _mm512_shuffle_i32x4(a, b, 0x88), high = _mm512_shuffle_i32x4(a, b, 0xdd);
    _mm512_store_si512(out->qs[i_chunk][2 * h], low);
    _mm512_store_si512(out->qs[i_chunk][2 * h + 1], high);
    for (int i = 0; i < 4; i++) {
        out->scale[4 * h + i][i_chunk] = avx2_f16(blocks + (size_t)i * bytes);
        if (has_min) {
            out->shift[4 * h + i][i_chunk] = avx2_f16(blocks + (size_t)i * bytes + 2);
        }
    }
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, low);
    return _mm512_dpbusd_epi32(sum, ones, high);
}

/* n blocks of an activation, in n_chunks chunks filled up with zeros. */
TILES_INLINE void prepare_act(struct simple_act *out, const uint8_t *blocks, int n, int n_chunks,
                              const struct panel_type *type)
{
    const size_t chunk_bytes = CHUNK * type->act_block_bytes;
    for (int c = 0; c < n_chunks; c += STEP) {
        __m512i sums[2][STEP] = {{_mm512_setzero_si512()}};
        for (int i = 0; i < STEP && c + i < n_chunks; i++) {
            const uint8_t *chunk = blocks + (size_t)(c + i) * chunk_bytes;
            int left = n - (c + i) * CHUNK;
            sums[0][i] = prepare_four(out, c + i, 0, chunk, left, type);
            sums[1][i] = prepare_four(out, c + i, 1, chunk + chunk_bytes / 2, left - 4, type);
        }
        for (int h = 0; h < 2 && type->offset != 0; h++) {
            int32_t of[4][STEP];
            __m512i rest =
                _mm512_mullo_epi32(add_within_lanes(sums[h]), _mm512_set1_epi32(-type->offset));
            _mm512_storeu_si512(of, rest);
            for (int b = 0; b < 4; b++) {
                memcpy(out->rest[4 * h + b] + c, of[b], sizeof of[b]);
            }
        }
    }
    for (int b = 0; b < CHUNK; b++) {
        for (int c = 0; c < GROUP; c++) {
            out->scale[b][n_chunks + c] = out->scale[b][c];
            out->shift[b][n_chunks + c] = out->shift[b][c];
        }
    }
}

/* dst += the sums of n_chunks chunks of each row, one after the other. */
TILES_INLINE void add_rows(float *dst, const float *sums, int n_rows, int n_chunks, int is_first)
{
    for (int r = 0; r < n_rows; r++, sums += n_chunks) {
        float total = is_first ? 0.0f : dst[r];
        for (int c = 0; c < n_chunks; c++) {
            total += sums[c];
        }
        dst[r] = total;
    }
}

TILES_INLINE void decode_matmul(float *dst, size_t dst_stride, const uint8_t *weights,
                                size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                                const int n_acts, int n_in, decode_four_fn *unpack,
                                decode_scale_fn *to_float, const struct panel_type *type)
{
    struct simple_act prepared[MAX_ACTS];
    float sums[MAX_ACTS][MAX_SUMS];
    uint8_t spare[STEP][CHUNK * sizeof(struct block_q8_1)] = {{0}};
    int n_blocks = n_in / BLOCK_ELEMS;
    for (int b = 0; b < n_blocks; b += MAX_CHUNKS * CHUNK) {
        int n = n_blocks - b < MAX_CHUNKS * CHUNK ? n_blocks - b : MAX_CHUNKS * CHUNK;
        int n_chunks = (n + CHUNK - 1) / CHUNK;
        for (int a = 0; a < n_acts; a++) {
            prepare_act(&prepared[a],
                        acts + (size_t)a * act_bytes + (size_t)b * type->act_block_bytes, n,
                        n_chunks, type);
        }
        int n_at_once = MAX_SUMS / n_chunks / GROUP * GROUP;
        for (int r = 0; r < n_rows; r += n_at_once) {
            int n_now = n_rows - r < n_at_once ? n_rows - r : n_at_once;
            struct walk walk = {
                .row = weights + (size_t)r * row_bytes + (size_t)b * type->block_bytes,
                .row_bytes = row_bytes,
                .chunk_bytes = CHUNK * type->block_bytes,
                .last_bytes = (size_t)(n - (n_chunks - 1) * CHUNK) * type->block_bytes,
                .n_chunks = n_chunks,
                .n_left = n_now * n_chunks,
                .spare = spare,
            };
            for (int i = 0; i < n_now * n_chunks; i += GROUP) {
                struct group group;
                int i_chunk = walk.i_chunk;
                for (int s = 0; s < STEP; s++) {
                    step(&group, s, &walk, prepared, n_acts, unpack, type);
                }
                add_terms(sums[0] + i, &group, prepared, i_chunk, n_acts, to_float, type);
            }
            for (int a = 0; a < n_acts; a++) {
                add_rows(dst + (size_t)a * dst_stride + r, sums[a], n_now, n_chunks, b == 0);
            }
        }
    }
}

#define DECODE(name, act, scale, offset_)                                                          \
    void avx512_decode_##name(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        static const struct panel_type type = {.block_bytes = sizeof(struct block_##name),         \
                                               .act_block_bytes = sizeof(struct block_##act),      \
                                               .offset = offset_};                                 \
        if (n_acts == 1) {                                                                         \
            decode_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, 1, n_in,   \
                          decode_four_##name, scale, &type);                                       \
        } else if (n_acts == 2) {                                                                  \
            decode_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, 2, n_in,   \
                          decode_four_##name, scale, &type);                                       \
        } else {                                                                                   \
            decode_matmul(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, 3, n_in,   \
                          decode_four_##name, scale, &type);                                       \
        }                                                                                          \
    }

DECODE(q4_0, q8_0, scale_half, 8)
DECODE(q5_0, q8_0, scale_half, 16)
DECODE(q8_0, q8_0, scale_half, 128)
DECODE(iq4_nl, q8_0, scale_half, 128)
DECODE(mxfp4, q8_0, scale_e8m0, 12)
DECODE(q4_1, q8_1, scale_half, 0)
DECODE(q5_1, q8_1, scale_half, 0)
