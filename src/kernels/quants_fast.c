/* SPDX-License-Identifier: MIT */
/*
 * Floats to packed blocks without a search: parameters from the smallest and largest element of
 * each group, then one rounding. Every loop over elements has a constant length and no branch, so
 * that compilers vectorise it. Same formats as the search, errors a few per cent larger.
 */
#include "kernels/pack.h"
#include "kernels/quants.h"
#include "kernels/quants_fit.h"
#include "kernels/quants_internal.h"

#include <assert.h>
#include <math.h>

#define FAST_INLINE static inline __attribute__((always_inline))

enum { LANES = 8 };

static quants_quantize_fn fast_q4_0, fast_q4_1, fast_q5_0, fast_q5_1, fast_q8_0, fast_iq4_nl,
    fast_mxfp4;
static quants_quantize_fn fast_q2_k, fast_q3_k, fast_q4_k, fast_q5_k, fast_q6_k, fast_iq4_xs;

void quants_quantize_row_fast(enum dtype type, void *dst, const float *src, size_t n)
{
    static quants_quantize_fn *const table[DTYPE_COUNT] = {
        [DTYPE_Q4_0] = fast_q4_0,   [DTYPE_Q4_1] = fast_q4_1,     [DTYPE_Q5_0] = fast_q5_0,
        [DTYPE_Q5_1] = fast_q5_1,   [DTYPE_Q8_0] = fast_q8_0,     [DTYPE_Q2_K] = fast_q2_k,
        [DTYPE_Q3_K] = fast_q3_k,   [DTYPE_Q4_K] = fast_q4_k,     [DTYPE_Q5_K] = fast_q5_k,
        [DTYPE_Q6_K] = fast_q6_k,   [DTYPE_IQ4_NL] = fast_iq4_nl, [DTYPE_IQ4_XS] = fast_iq4_xs,
        [DTYPE_MXFP4] = fast_mxfp4,
    };
    if ((unsigned)type >= DTYPE_COUNT || table[type] == NULL) {
        quants_quantize_row(type, dst, src, n); /* plain types: there is nothing to search */
        return;
    }
    assert(n % dtype_get((uint32_t)type)->block_elems == 0);
    table[type](dst, src, n);
}

/* NaN becomes 0, infinities and giants FIT_LARGEST. */
FAST_INLINE void load(float *restrict dst, const float *restrict src, const int n)
{
    for (int i = 0; i < n; i++) {
        float v = src[i] == src[i] ? src[i] : 0.0f;
        v = v > FIT_LARGEST ? FIT_LARGEST : v;
        dst[i] = v < -FIT_LARGEST ? -FIT_LARGEST : v;
    }
}

/* Smallest and largest of n elements, n a multiple of 8. */
FAST_INLINE void range(float *least, float *most, const float *x, const int n)
{
    float lo[LANES], hi[LANES];
    for (int l = 0; l < LANES; l++) {
        lo[l] = hi[l] = x[l];
    }
    for (int i = LANES; i < n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            lo[l] = x[i + l] < lo[l] ? x[i + l] : lo[l];
            hi[l] = x[i + l] > hi[l] ? x[i + l] : hi[l];
        }
    }
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) {
            lo[l] = lo[l + half] < lo[l] ? lo[l + half] : lo[l];
            hi[l] = hi[l + half] > hi[l] ? hi[l + half] : hi[l];
        }
    }
    *least = lo[0];
    *most = hi[0];
}

/* The element of largest magnitude. */
FAST_INLINE float extreme(const float *x, const int n)
{
    float least, most;
    range(&least, &most, x, n);
    return -least > most ? least : most;
}

FAST_INLINE float reciprocal(float v)
{
    return fabsf(v) > 1e-30f ? 1.0f / v : 0.0f;
}

/*
 * q = round(x * inverse + shift) within 0..hi; shift carries the offset of the type. One step
 * per loop, because compilers turn a chain of clamps into branches.
 */
FAST_INLINE void round_group(uint8_t *restrict q, const float *restrict x, const int n,
                             float inverse, float shift, const float hi)
{
    float level[BLOCK_ELEMS];
    for (int i = 0; i < n; i++) {
        float v = x[i] * inverse + shift;
        level[i] = v > 0.0f ? v : 0.0f;
    }
    for (int i = 0; i < n; i++) {
        level[i] = level[i] < hi ? level[i] : hi;
    }
    for (int i = 0; i < n; i++) {
        q[i] = (uint8_t)(int32_t)(level[i] + 0.5f);
    }
}

/* One scale for 32 elements; `lo` of the levels lo..hi is given to the extreme. Returns the scale.
 */
FAST_INLINE float round_block(uint8_t *q, const float *src, const float lo, const float hi)
{
    float x[BLOCK_ELEMS];
    load(x, src, BLOCK_ELEMS);
    float d = fit_half_scale(extreme(x, BLOCK_ELEMS) / lo);
    round_group(q, x, BLOCK_ELEMS, reciprocal(d), -lo, hi - lo);
    return d;
}

static void fast_q4_0(void *dst, const float *src, size_t n)
{
    struct block_q4_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, round_block(q, src + i, -8.0f, 7.0f));
        pack_nibbles(block->qs, q);
    }
}

static void fast_q5_0(void *dst, const float *src, size_t n)
{
    struct block_q5_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, round_block(q, src + i, -16.0f, 15.0f));
        pack_fives(block->qs, block->qh, q);
    }
}

static void fast_q8_0(void *dst, const float *src, size_t n)
{
    struct block_q8_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, round_block(q, src + i, -127.0f, 127.0f));
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            block->qs[j] = (int8_t)(q[j] - 127);
        }
    }
}

FAST_INLINE void round_block_shifted(uint8_t *q, float *d, float *m, const float *src,
                                     const float hi)
{
    float x[BLOCK_ELEMS], least, most;
    load(x, src, BLOCK_ELEMS);
    range(&least, &most, x, BLOCK_ELEMS);
    *d = fit_half_scale((most - least) / hi);
    *m = fit_half_offset(least);
    float inverse = reciprocal(*d);
    round_group(q, x, BLOCK_ELEMS, inverse, -*m * inverse, hi);
}

static void fast_q4_1(void *dst, const float *src, size_t n)
{
    struct block_q4_1 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float d, m;
        round_block_shifted(q, &d, &m, src + i, 15.0f);
        pack_half(block->d, d);
        pack_half(block->m, m);
        pack_nibbles(block->qs, q);
    }
}

static void fast_q5_1(void *dst, const float *src, size_t n)
{
    struct block_q5_1 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float d, m;
        round_block_shifted(q, &d, &m, src + i, 31.0f);
        pack_half(block->d, d);
        pack_half(block->m, m);
        pack_fives(block->qs, block->qh, q);
    }
}

/* Index of the nearest level of IQ4: how many midpoints between levels lie below. */
FAST_INLINE void round_iq4(uint8_t *restrict q, const float *restrict x, float inverse)
{
    for (int i = 0; i < BLOCK_ELEMS; i++) {
        float v = x[i] * inverse;
        int32_t index = (v > -115.5f) + (v > -93.5f) + (v > -74.0f) + (v > -57.0f) + (v > -42.0f);
        index += (v > -28.5f) + (v > -16.0f) + (v > -4.5f) + (v > 7.0f) + (v > 19.0f);
        index += (v > 31.5f) + (v > 45.5f) + (v > 61.0f) + (v > 79.0f) + (v > 101.0f);
        q[i] = (uint8_t)index;
    }
}

static void fast_iq4_nl(void *dst, const float *src, size_t n)
{
    struct block_iq4_nl *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float x[BLOCK_ELEMS];
        load(x, src + i, BLOCK_ELEMS);
        float d = fit_half_scale(extreme(x, BLOCK_ELEMS) / -127.0f);
        round_iq4(q, x, reciprocal(d));
        pack_half(block->d, d);
        pack_nibbles(block->qs, q);
    }
}

/* Exponent so that the largest element is within 4..8 units: levels reach 6, what is above is
 * clipped. */
static void fast_mxfp4(void *dst, const float *src, size_t n)
{
    struct block_mxfp4 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float x[BLOCK_ELEMS];
        load(x, src + i, BLOCK_ELEMS);
        uint32_t bits = block_bits_of_float(extreme(x, BLOCK_ELEMS)) & 0x7fffffffu;
        uint32_t e = bits >> 23 > 2 ? (bits >> 23) - 2 : 0;
        /* 1 / 2^(e - 127); below 2^-63 everything is as good as zero */
        float inverse = e > 64 ? block_float_of_bits((254 - e) << 23) : 0.0f;
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            float v = x[j] * inverse, a = fabsf(v);
            int32_t index = (a > 0.25f) + (a > 0.75f) + (a > 1.25f) + (a > 1.75f) + (a > 2.5f);
            index += (a > 3.5f) + (a > 5.0f);
            q[j] = (uint8_t)(index + (v < 0.0f) * 8);
        }
        block->e = (uint8_t)(e > 64 ? e : 0);
        pack_nibbles(block->qs, q);
    }
}

/* Groups with scale and minimum: value = d * sc * q - dmin * m, the small integers within 0..limit.
 */
FAST_INLINE void round_shifted(uint8_t *q, uint8_t *sc, uint8_t *m, float *d, float *dmin,
                               const float *src, const int n_groups, const float hi,
                               const float limit)
{
    const int n = SUPER_BLOCK_ELEMS / n_groups;
    float x[SUPER_BLOCK_ELEMS], scale[16], minimum[16], most_scale = 0.0f, most_minimum = 0.0f;
    load(x, src, SUPER_BLOCK_ELEMS);
    for (int g = 0; g < n_groups; g++) {
        float least, most;
        range(&least, &most, x + n * g, n);
        minimum[g] = least < 0.0f ? -least : 0.0f;
        scale[g] = (most + minimum[g]) * (1.0f / hi);
        scale[g] = scale[g] > 0.0f ? scale[g] : 0.0f;
        most_scale = scale[g] > most_scale ? scale[g] : most_scale;
        most_minimum = minimum[g] > most_minimum ? minimum[g] : most_minimum;
    }
    *d = fit_half_scale(most_scale / limit);
    *dmin = fit_half_scale(most_minimum / limit);
    float inverse_d = reciprocal(*d), inverse_dmin = reciprocal(*dmin);
    for (int g = 0; g < n_groups; g++) {
        float s = scale[g] * inverse_d, b = minimum[g] * inverse_dmin;
        sc[g] = (uint8_t)(int32_t)((s < limit ? s : limit) + 0.5f);
        m[g] = (uint8_t)(int32_t)((b < limit ? b : limit) + 0.5f);
        float inverse = reciprocal(*d * (float)sc[g]);
        round_group(q + n * g, x + n * g, n, inverse, *dmin * (float)m[g] * inverse, hi);
    }
}

static void fast_q2_k(void *dst, const float *src, size_t n)
{
    struct block_q2_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], sc[16], m[16];
        float d, dmin;
        round_shifted(q, sc, m, &d, &dmin, src + i, 16, 3.0f, 15.0f);
        for (int g = 0; g < 16; g++) {
            block->scales[g] = (uint8_t)(sc[g] | m[g] << 4);
        }
        pack_half(block->d, d);
        pack_half(block->dmin, dmin);
        pack_pairs(block->qs, q);
    }
}

static void fast_q4_k(void *dst, const float *src, size_t n)
{
    struct block_q4_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], sc[8], m[8];
        float d, dmin;
        round_shifted(q, sc, m, &d, &dmin, src + i, 8, 15.0f, 63.0f);
        pack_half(block->d, d);
        pack_half(block->dmin, dmin);
        pack_k4_scales(block->scales, sc, m);
        pack_q4_k(block->qs, q);
    }
}

static void fast_q5_k(void *dst, const float *src, size_t n)
{
    struct block_q5_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], sc[8], m[8];
        float d, dmin;
        round_shifted(q, sc, m, &d, &dmin, src + i, 8, 31.0f, 63.0f);
        pack_half(block->d, d);
        pack_half(block->dmin, dmin);
        pack_k4_scales(block->scales, sc, m);
        pack_q4_k(block->qs, q);
        pack_mask(block->qh, q, 4);
    }
}

/* Scales of the groups, as integers lo..-lo-1 times d: the extreme of a group goes to its lowest
 * level. */
FAST_INLINE float round_scales(int32_t *sc, const float *x, const int n_groups, const float level,
                               const float lo)
{
    const int n = SUPER_BLOCK_ELEMS / n_groups;
    float scale[16], largest = 0.0f;
    for (int g = 0; g < n_groups; g++) {
        scale[g] = extreme(x + n * g, n) * (1.0f / level);
        largest = fabsf(scale[g]) > fabsf(largest) ? scale[g] : largest;
    }
    float d = fit_half_scale(largest / lo), inverse = reciprocal(d);
    for (int g = 0; g < n_groups; g++) {
        float s = scale[g] * inverse - lo;
        s = s < 0.0f ? 0.0f : s;
        s = s > -2.0f * lo - 1.0f ? -2.0f * lo - 1.0f : s;
        sc[g] = (int32_t)(s + 0.5f) + (int32_t)lo;
    }
    return d;
}

static void fast_q3_k(void *dst, const float *src, size_t n)
{
    struct block_q3_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], stored[16];
        float x[SUPER_BLOCK_ELEMS];
        int32_t sc[16];
        load(x, src + i, SUPER_BLOCK_ELEMS);
        float d = round_scales(sc, x, 16, -4.0f, -32.0f);
        for (int g = 0; g < 16; g++) {
            round_group(q + 16 * g, x + 16 * g, 16, reciprocal(d * (float)sc[g]), 4.0f, 7.0f);
            stored[g] = (uint8_t)(sc[g] + 32);
        }
        pack_half(block->d, d);
        pack_q3_k_scales(block->scales, stored);
        pack_pairs(block->qs, q);
        pack_mask(block->hmask, q, 2);
    }
}

static void fast_q6_k(void *dst, const float *src, size_t n)
{
    struct block_q6_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS];
        float x[SUPER_BLOCK_ELEMS];
        int32_t sc[16];
        load(x, src + i, SUPER_BLOCK_ELEMS);
        float d = round_scales(sc, x, 16, -32.0f, -128.0f);
        for (int g = 0; g < 16; g++) {
            round_group(q + 16 * g, x + 16 * g, 16, reciprocal(d * (float)sc[g]), 32.0f, 63.0f);
            block->scales[g] = (int8_t)sc[g];
        }
        pack_half(block->d, d);
        pack_q6_k(block, q);
    }
}

static void fast_iq4_xs(void *dst, const float *src, size_t n)
{
    struct block_iq4_xs *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t stored[8];
        float x[SUPER_BLOCK_ELEMS];
        int32_t sc[16];
        load(x, src + i, SUPER_BLOCK_ELEMS);
        float d = round_scales(sc, x, 8, -127.0f, -32.0f);
        for (int g = 0; g < 8; g++) {
            uint8_t q[BLOCK_ELEMS];
            round_iq4(q, x + 32 * g, reciprocal(d * (float)sc[g]));
            pack_nibbles(block->qs + 16 * g, q);
            stored[g] = (uint8_t)(sc[g] + 32);
        }
        pack_half(block->d, d);
        pack_iq4_xs_scales(block, stored);
    }
}
