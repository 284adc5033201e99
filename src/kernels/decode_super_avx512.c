/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in super-blocks of 256 with one to six Q8_K activations, AVX-512 VNNI: rows
 * one after the other as memory has them, eight blocks at a time. Products of four bytes fit 16
 * bits, so two vectors of sums become one, which is multiplied with the scales and added up in one
 * instruction. The integers of eight blocks are brought into lanes; the float terms are those of
 * AVX2 in the same order, so all levels and paths give the same bits.
 */
#include "kernels/avx512.h"
#include "kernels/decode_act.h"
#include "kernels/decode_lanes.h"
#include "kernels/decode_super.h"

enum { DECODE_ROWS = 64 }; /* that pass over the prepared blocks */

/* A scale four times, as shuffle control: that of quadword i (0 .. 7) of the packed sums. */
TILES_INLINE long long scale_at(const int i, const int half, const struct decode_type *type)
{
    const int lane = i / 2, is_high = i % 2;
    if (type->order == DECODE_BY_RUN) { /* as index of words, of all sixteen */
        return 0x0001000100010001 * (lane / 2 * 8 + 4 * half + 2 * is_high + lane % 2);
    }
    const int word = type->order == DECODE_IN_ORDER ? lane + 4 * is_high
                     : type->order == DECODE_BY_32  ? 4 * half + lane / 2 * 2 + is_high
                                                    : 4 * half + lane;
    return 0x0100010001000100 + 0x0202020202020202 * word;
}

/* Each scale of a half four times: lane by lane those of the low, then of the high vector. */
TILES_INLINE __m512i half_scales(const int16_t *scales, const int half,
                                 const struct decode_type *type)
{
    const __m512i at =
        _mm512_setr_epi64(scale_at(0, half, type), scale_at(1, half, type), scale_at(2, half, type),
                          scale_at(3, half, type), scale_at(4, half, type), scale_at(5, half, type),
                          scale_at(6, half, type), scale_at(7, half, type));
    if (type->order == DECODE_BY_RUN) {
        return _mm512_permutexvar_epi16(at, _mm512_castsi256_si512(avx2_load(scales)));
    }
    __m128i words = avx2_load128(scales + (type->group == 32 ? 0 : 8 * half));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(words), at);
}

/* sum[a * ROWS] = sixteen lanes to be added up: scales times products of a block. */
TILES_INLINE void dot_block(__m512i *sum, const uint8_t *block, struct decode_head *head,
                            int i_head, const struct decode_act *acts, int i_block,
                            const int n_acts, decode_quants_fn *unpack,
                            const struct decode_type *type)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i low[2], high[2], scale[2];
    int16_t *scales = head->scales[i_head];
    tiles_prefetch_piece(block - (size_t)i_head * type->block_bytes, i_head, type->block_bytes);
    if (type->scales_at > 0) {
        __m256i words = _mm256_cvtepi8_epi16(avx2_load128(block + type->scales_at));
        _mm256_store_si256((__m256i *)(void *)scales, words);
    }
    TILES_UNROLL
    for (int half = 0; half < 2; half++) {
        scale[half] = half_scales(scales, half, type);
        unpack(&low[half], &high[half], block, half);
    }
    for (int a = 0; a < n_acts; a++) {
        const int8_t *qs = acts[a].qs[i_block];
        __m512i total = zero;
        TILES_UNROLL
        for (int half = 0; half < 2; half++, qs += 128) {
            __m512i x = _mm512_dpbusd_epi32(zero, low[half], _mm512_load_si512(qs));
            __m512i y = _mm512_dpbusd_epi32(zero, high[half], _mm512_load_si512(qs + 64));
            if (type->is_wide) { /* low and high have the same scales */
                __m512i wide = _mm512_srai_epi32(scale[half], 16);
                x = _mm512_mullo_epi32(_mm512_add_epi32(x, y), wide);
                total = _mm512_add_epi32(total, x);
            } else {
                total = _mm512_dpwssd_epi32(total, _mm512_packs_epi32(x, y), scale[half]);
            }
        }
        sum[(size_t)a * ROWS] = total;
    }
}

/* As dot_block of two blocks, turned: sixteen products are added up before the scales, which still
 * fits 16 bits. High quants stay where they are, times 16; n: of the blocks that are there. */
TILES_INLINE void dot_pair(__m512i *sum, const uint8_t *blocks, const struct decode_head *head,
                           const int i_pair, const int n, const struct decode_act *acts,
                           int i_block, const int n_acts, const struct decode_type *type)
{
    /* Pairs of scales of the low and high quants beneath the words that they belong to. */
    const __m512i first = _mm512_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7);
    const __m512i zero = _mm512_setzero_si512(), low_mask = _mm512_set1_epi8(15);
    const __m512i every = _mm512_add_epi32(first, _mm512_set1_epi32(i_pair % 2 * 8));
    const uint8_t *qs = blocks + (size_t)(2 * i_pair) * type->block_bytes + type->quants_at;
    __m512i low[4] = {decode_load(qs), decode_load(qs + 64), zero, zero}, high[4];
    tiles_prefetch_piece(blocks, 2 * i_pair, type->block_bytes);
    tiles_prefetch_piece(blocks, 2 * i_pair + 1, type->block_bytes);
    if (n > 1) {
        low[2] = decode_load(qs + type->block_bytes);
        low[3] = decode_load(qs + type->block_bytes + 64);
    }
    decode_turn(low);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        high[i] = _mm512_andnot_si512(low_mask, low[i]);
        low[i] = _mm512_and_si512(low_mask, low[i]);
    }
    __m512i scale = _mm512_permutexvar_epi32(every, head->four_scales[i_pair / 2]);
    for (int a = 0; a < n_acts; a++) {
        __m512i x = zero, y = zero;
        TILES_UNROLL
        for (int i = 0; i < 4; i++) {
            x = _mm512_dpbusd_epi32(x, low[i], _mm512_load_si512(&acts[a].qs[i_block][64 * i]));
            y = _mm512_dpbusd_epi32(y, high[i],
                                    _mm512_load_si512(&acts[a].qs[i_block + 1][64 * i]));
        }
        __m512i both = decode_or_and(_mm512_slli_epi32(y, 12), x, _mm512_set1_epi32(0xffff));
        sum[(size_t)a * ROWS] = _mm512_madd_epi16(both, scale);
    }
}

/* Blocks first .. first + n - 1 of a row, n <= 8: totals[a] += their terms, one per lane. */
TILES_INLINE void decode_eight(__m256 *totals, const uint8_t *blocks, const int n,
                               const struct decode_act *acts, int first, const int n_acts,
                               decode_head_fn *read_head, decode_quants_fn *unpack,
                               const struct decode_type *type)
{
    const bool is_turned = type->order == DECODE_TURNED;
    struct decode_head head;
    __m512i sums[DECODE_ACTS][ROWS];
    if (type->scales_at == 0) {
        read_head(&head, blocks, n);
    }
    __asm__(""
            : "+m"(head.scales)); /* read back by broadcasts, not by shuffles of what was stored */
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int b = is_turned ? (n + 1) / 2 : n; b < ROWS; b++) {
            sums[a][b] = _mm512_setzero_si512();
        }
    }
    if (is_turned) {
        TILES_UNROLL
        for (int p = 0; p < ROWS / 2; p++) {
            if (2 * p < n) {
                dot_pair(&sums[0][p], blocks, &head, p, n - 2 * p, acts, first + 2 * p, n_acts,
                         type);
            }
        }
    } else if (n_acts == 1) { /* n is a constant: all in registers */
        TILES_UNROLL
        for (int b = 0; b < n; b++) {
            dot_block(&sums[0][b], blocks + (size_t)b * type->block_bytes, &head, b, acts,
                      first + b, 1, unpack, type);
        }
    } else {
        for (int b = 0; b < n; b++) {
            dot_block(&sums[0][b], blocks + (size_t)b * type->block_bytes, &head, b, acts,
                      first + b, n_acts, unpack, type);
        }
    }
    if (type->scales_at > 0) {
        read_head(&head, blocks, n);
    }
    const int n_sums = type->group == 32 ? 8 : 16;
    for (int a = 0; a < n_acts; a++) {
        __m256i sum = is_turned ? sum_pairs(sums[a]) : sum_lanes(sums[a]);
        __m256i rest = sum_rests(&head, n, acts[a].sums + first * n_sums, type);
        if (!type->has_min) {
            sum = _mm256_sub_epi32(sum, _mm256_slli_epi32(rest, type->offset_shift));
        }
        __m256 d_act = _mm256_loadu_ps(acts[a].d + first);
        totals[a] =
            _mm256_fmadd_ps(_mm256_mul_ps(head.d, d_act), _mm256_cvtepi32_ps(sum), totals[a]);
        if (type->has_min) {
            totals[a] = _mm256_fnmadd_ps(_mm256_mul_ps(head.dmin, d_act), _mm256_cvtepi32_ps(rest),
                                         totals[a]);
        }
    }
}

#define DECODE_LAST(constant)                                                                      \
    case constant:                                                                                 \
        decode_eight(totals, blocks, constant, acts, first, 1, read_head, unpack, type);           \
        break;

/* As decode_eight for n < 8 that is no constant; under a sanitizer seven copies take too long. */
TILES_INLINE void decode_last(__m256 *totals, const uint8_t *blocks, int n,
                              const struct decode_act *acts, int first, const int n_acts,
                              decode_head_fn *read_head, decode_quants_fn *unpack,
                              const struct decode_type *type)
{
    if (n_acts > 1 || TILES_SANITIZED) {
        if (n > 0) {
            decode_eight(totals, blocks, n, acts, first, n_acts, read_head, unpack, type);
        }
        return;
    }
    switch (n) {
        DECODE_LAST(1)
        DECODE_LAST(2)
        DECODE_LAST(3)
        DECODE_LAST(4)
        DECODE_LAST(5)
        DECODE_LAST(6)
        DECODE_LAST(7)
    default:
        break;
    }
}

/* Rows over n blocks of the prepared activations; totals[r][a] goes on from earlier blocks. */
TILES_INLINE void decode_rows(__m256 (*totals)[DECODE_ACTS], const uint8_t *rows, size_t row_bytes,
                              int n_rows, int n, const struct decode_act *acts, const int n_acts,
                              decode_head_fn *read_head, decode_quants_fn *unpack,
                              const struct decode_type *type)
{
    for (int r = 0; r < n_rows; r++, rows += row_bytes) {
        int b = 0;
        for (; b + ROWS <= n; b += ROWS) {
            decode_eight(totals[r], rows + (size_t)b * type->block_bytes, ROWS, acts, b, n_acts,
                         read_head, unpack, type);
        }
        decode_last(totals[r], rows + (size_t)b * type->block_bytes, n - b, acts, b, n_acts,
                    read_head, unpack, type);
    }
}

TILES_INLINE void decode_matmul(float *dst, size_t dst_stride, const uint8_t *weights,
                                size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                                const int n_acts, int n_in, decode_head_fn *read_head,
                                decode_quants_fn *unpack, const struct decode_type *type)
{
    struct decode_act prepared[DECODE_ACTS];
    __m256 totals[DECODE_ROWS][DECODE_ACTS];
    int n_blocks = n_in / SUPER_BLOCK_ELEMS;
    for (int r = 0; r < n_rows; r += DECODE_ROWS) {
        int n_now = n_rows - r < DECODE_ROWS ? n_rows - r : DECODE_ROWS;
        for (int i = 0; i < n_now; i++) {
            memset(totals[i], 0, (size_t)n_acts * sizeof totals[0][0]);
        }
        for (int b = 0; b < n_blocks; b += DECODE_BLOCKS) {
            int n = n_blocks - b < DECODE_BLOCKS ? n_blocks - b : DECODE_BLOCKS;
            for (int a = 0; a < n_acts && (r == 0 || n_blocks > DECODE_BLOCKS); a++) {
                const void *act = acts + (size_t)a * act_bytes;
                prepare_act(&prepared[a], (const struct block_q8_k *)act + b, n, n, type);
            }
            decode_rows(totals, weights + (size_t)r * row_bytes + (size_t)b * type->block_bytes,
                        row_bytes, n_now, n, prepared, n_acts, read_head, unpack, type);
        }
        for (int i = 0; i < n_now; i++) {
            for (int a = 0; a < n_acts; a++) {
                dst[(size_t)a * dst_stride + (size_t)(r + i)] = avx2_sum(totals[i][a]);
            }
        }
    }
}

/* Blocks after which both rows and groups of eight begin anew, if so many can be prepared, or 0. */
TILES_INLINE int short_period(int n_in, size_t row_bytes, const struct decode_type *type)
{
    const int n_blocks = n_in / SUPER_BLOCK_ELEMS;
    int period = n_blocks;
    while (period % ROWS != 0) {
        period += n_blocks;
    }
    bool is_short = n_blocks < ROWS && row_bytes == (size_t)n_blocks * type->block_bytes;
    return is_short && period <= DECODE_BLOCKS ? period : 0;
}

/* Rows of less than eight blocks, without padding between them, as one sequence of blocks: a lane
 * is a block's term, and a row's sum that of its lanes and zeros, as if it had been alone. */
TILES_INLINE void decode_short(float *dst, size_t dst_stride, const uint8_t *weights,
                               size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                               const int n_acts, int n_in, decode_head_fn *read_head,
                               decode_quants_fn *unpack, const struct decode_type *type)
{
    struct decode_act prepared[DECODE_ACTS];
    float terms[DECODE_ACTS][DECODE_ROWS * ROWS];
    const int n_blocks = n_in / SUPER_BLOCK_ELEMS, period = short_period(n_in, row_bytes, type);
    const __mmask8 of_row = (__mmask8)((1 << n_blocks) - 1);
    for (int a = 0; a < n_acts; a++) {
        const void *act = acts + (size_t)a * act_bytes;
        prepare_act(&prepared[a], act, n_blocks, period, type);
    }
    for (int r = 0; r < n_rows; r += DECODE_ROWS) {
        int n_now = n_rows - r < DECODE_ROWS ? n_rows - r : DECODE_ROWS;
        int n_terms = n_now * n_blocks, first = 0;
        for (int b = 0; b < n_terms; b += ROWS, first = first + ROWS < period ? first + ROWS : 0) {
            const uint8_t *blocks = weights + (size_t)r * row_bytes + (size_t)b * type->block_bytes;
            __m256 totals[DECODE_ACTS];
            memset(totals, 0, sizeof totals[0] * (size_t)n_acts);
            if (b + ROWS <= n_terms) {
                decode_eight(totals, blocks, ROWS, prepared, first, n_acts, read_head, unpack,
                             type);
            } else {
                decode_eight(totals, blocks, n_terms - b, prepared, first, n_acts, read_head,
                             unpack, type);
            }
            for (int a = 0; a < n_acts; a++) {
                _mm256_storeu_ps(terms[a] + b, totals[a]);
            }
        }
        for (int a = 0; a < n_acts; a++) {
            for (int i = 0; i < n_now; i++) {
                __m256 of = _mm256_maskz_loadu_ps(of_row, terms[a] + i * n_blocks);
                dst[(size_t)a * dst_stride + (size_t)(r + i)] = avx2_sum(of);
            }
        }
    }
}

#define DECODE_ROWS_OF(name, function, ...)                                                        \
    function(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, __VA_ARGS__, n_in,      \
             decode_head_##name, decode_quants_##name, &type)

#define DECODE(name, ...)                                                                          \
    void avx512_decode_##name(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        static const struct decode_type type = {.block_bytes = sizeof(struct block_##name),        \
                                                __VA_ARGS__};                                      \
        bool is_short = short_period(n_in, row_bytes, &type) > 0;                                  \
        if (is_short && n_acts == 1) {                                                             \
            DECODE_ROWS_OF(name, decode_short, 1);                                                 \
        } else if (is_short) {                                                                     \
            DECODE_ROWS_OF(name, decode_short, n_acts);                                            \
        } else if (n_acts == 1) {                                                                  \
            DECODE_ROWS_OF(name, decode_matmul, 1);                                                \
        } else {                                                                                   \
            DECODE_ROWS_OF(name, decode_matmul, n_acts);                                           \
        }                                                                                          \
    }

DECODE(q2_k, .order = DECODE_BY_RUN, .group = 16, .has_min = 1)
DECODE(q3_k, .order = DECODE_BY_RUN, .group = 16, .offset_shift = 2)
DECODE(q4_k, .order = DECODE_TURNED, .group = 32, .has_min = 1,
       .quants_at = offsetof(struct block_q4_k, qs))
DECODE(q5_k, .order = DECODE_BY_32, .group = 32, .has_min = 1)
DECODE(q6_k, .group = 16, .offset_shift = 5, .scales_at = offsetof(struct block_q6_k, scales))
DECODE(iq4_xs, .order = DECODE_BY_16, .group = 32, .offset_shift = 7, .is_wide = 1)
