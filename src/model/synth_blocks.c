/* SPDX-License-Identifier: MIT */
/*
 * Random weights straight in packed form, many times faster than drawing floats and quantising
 * them. A block is filled with random bytes, then its scale (and minimum) is set from a small
 * palette so that dequantised values have mean 0 and the wanted deviation. A mean would matter: it
 * is a direction common to all rows, which grows with the width of the matrix while the random part
 * grows with its root.
 *
 * Where a format has no minimum, quants are off centre by half a step; half of the palette's scales
 * are negative, which cancels that. Where it has one, scale and minimum of a group are equal and
 * dmin/d is the mean quant.
 */
#include "model/synth_parts.h"

#include "kernels/quants.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum scale_bytes { /* what the bytes between the block scale and the quants must look like */
                   SCALES_ANY,  /* none, or any bits will do */
                   SCALES_Q8,   /* quants themselves: no -128, which quantising never makes */
                   SCALES_Q2_K, /* 16 bytes, both nibbles the same 8..15 */
                   SCALES_Q4_K, /* 12 bytes of packed 6-bit scales, equal minima, 32..63 */
                   SCALES_Q6_K  /* 16 int8 of magnitude 64 and more */
};

struct block_layout {
    uint8_t d_offset, m_offset, scales_offset;
    enum scale_bytes scales;
    float m_per_d; /* 0: no minimum */
    bool both_signs;
    float unit_rms; /* of the values when d is 1, quants uniform */
};

static const struct block_layout layouts[DTYPE_COUNT] = {
    [DTYPE_Q4_0] = {0, 0, 0, SCALES_ANY, 0.0f, true, 4.6368f},
    [DTYPE_Q4_1] = {0, 2, 0, SCALES_ANY, -7.5f, false, 4.6098f},
    [DTYPE_Q5_0] = {0, 0, 0, SCALES_ANY, 0.0f, true, 9.2466f},
    [DTYPE_Q5_1] = {0, 2, 0, SCALES_ANY, -15.5f, false, 9.2331f},
    [DTYPE_Q8_0] = {0, 0, 2, SCALES_Q8, 0.0f, true, 73.9f},
    [DTYPE_Q2_K] = {80, 82, 0, SCALES_Q2_K, 1.5f, false, 11.726f * 1.1180f},
    [DTYPE_Q3_K] = {108, 0, 0, SCALES_ANY, 0.0f, true, 18.475f * 2.3452f},
    [DTYPE_Q4_K] = {0, 2, 4, SCALES_Q4_K, 7.5f, false, 48.389f * 4.6098f},
    [DTYPE_Q5_K] = {0, 2, 4, SCALES_Q4_K, 15.5f, false, 48.389f * 9.2331f},
    [DTYPE_Q6_K] = {208, 0, 192, SCALES_Q6_K, 0.0f, false, 97.763f * 18.475f},
    [DTYPE_IQ4_NL] = {0, 0, 0, SCALES_ANY, 0.0f, true, 67.439f},
    [DTYPE_IQ4_XS] = {0, 0, 0, SCALES_ANY, 0.0f, true, 18.475f * 67.439f},
    [DTYPE_MXFP4] = {0, 0, 0, SCALES_ANY, 0.0f, false, 2.9262f},
};

static bool is_plain(enum dtype type);
static void init_levels(struct synth_filler *filler, float mean, float sigma, const float *normal);
static void init_palette(struct synth_filler *filler, float sigma);
static void init_exponents(struct synth_filler *filler, float sigma);
static void fill_levels(const struct synth_filler *filler, struct rng *rng, uint8_t *dst, size_t n);
static void fill_random(struct rng *rng, uint8_t *dst, size_t n_bytes);
static void fix_scales(enum scale_bytes kind, uint8_t *scales);

void synth_filler_init(struct synth_filler *filler, enum dtype type, float mean, float sigma,
                       const float *normal)
{
    *filler = (struct synth_filler){.type = type};
    if (is_plain(type)) {
        init_levels(filler, mean, sigma, normal);
    } else if (type == DTYPE_MXFP4) {
        init_exponents(filler, sigma);
    } else {
        init_palette(filler, sigma);
    }
}

void synth_filler_run(const struct synth_filler *filler, struct rng *rng, void *dst,
                      size_t n_blocks)
{
    const struct block_layout *layout = &layouts[filler->type];
    size_t block_bytes = dtype_get((uint32_t)filler->type)->block_bytes;
    uint8_t *block = dst;
    if (is_plain(filler->type)) {
        fill_levels(filler, rng, dst, n_blocks);
        return;
    }
    for (size_t i = 0; i < n_blocks; i++, block += block_bytes) {
        fill_random(rng, block, block_bytes);
        fix_scales(layout->scales, block + layout->scales_offset);
        /* The bytes about to be replaced choose the scale. */
        const uint8_t *scale = filler->palette[block[layout->d_offset] % SYNTH_PALETTE];
        if (filler->type == DTYPE_MXFP4) {
            block[0] = scale[0];
            continue;
        }
        memcpy(block + layout->d_offset, scale, 2);
        if (layout->m_per_d != 0.0f) {
            memcpy(block + layout->m_offset, scale + 2, 2);
        }
    }
}

/* Quantiles at the middle of equal steps, by bisection of the error function; deviation exactly 1.
 */
void synth_normal_levels(float levels[SYNTH_LEVELS])
{
    double sum_squares = 0.0;
    for (int i = 0; i < SYNTH_LEVELS; i++) {
        double target = (i + 0.5) / SYNTH_LEVELS, low = -5.0, high = 5.0;
        for (int step = 0; step < 40; step++) {
            double middle = 0.5 * (low + high);
            bool below = 0.5 * (1.0 + erf(middle * 0.7071067811865476)) < target;
            low = below ? middle : low;
            high = below ? high : middle;
        }
        levels[i] = (float)low;
        sum_squares += low * low;
    }
    float scale = (float)(1.0 / sqrt(sum_squares / SYNTH_LEVELS));
    for (int i = 0; i < SYNTH_LEVELS; i++) {
        levels[i] *= scale;
    }
}

static bool is_plain(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16;
}

static void init_levels(struct synth_filler *filler, float mean, float sigma, const float *normal)
{
    for (int i = 0; i < SYNTH_LEVELS; i++) {
        float value = mean + sigma * normal[i];
        if (filler->type == DTYPE_F32) {
            memcpy(&filler->levels[i], &value, sizeof value);
        } else if (filler->type == DTYPE_F16) {
            filler->levels[i] = quants_f32_to_f16(value);
        } else {
            filler->levels[i] = quants_f32_to_bf16(value);
        }
    }
}

/* Scales spread by +-25 % around the one that gives `sigma`. */
static void init_palette(struct synth_filler *filler, float sigma)
{
    const struct block_layout *layout = &layouts[filler->type];
    const float spread_rms = 1.01036f; /* of 0.75 .. 1.25 */
    assert(layout->unit_rms > 0.0f);
    for (int i = 0; i < SYNTH_PALETTE; i++) {
        float factor = 0.75f + 0.5f * ((float)(i / 2) + 0.5f) / (SYNTH_PALETTE / 2);
        float d = sigma / layout->unit_rms * factor / spread_rms;
        d = layout->both_signs && i % 2 == 1 ? -d : d;
        uint16_t d_half = quants_f32_to_f16(d);
        uint16_t m_half = quants_f32_to_f16(quants_f16_to_f32(d_half) * layout->m_per_d);
        memcpy(filler->palette[i], &d_half, 2);
        memcpy(filler->palette[i] + 2, &m_half, 2);
    }
}

/* MXFP4 scales are powers of two: the two nearest ones in the proportion that gives the variance.
 */
static void init_exponents(struct synth_filler *filler, float sigma)
{
    float wanted = sigma / layouts[DTYPE_MXFP4].unit_rms;
    int low = (int)floorf(log2f(wanted));
    float ratio = wanted * wanted / exp2f(2.0f * (float)low); /* 1 .. 4 */
    int n_high = (int)lrintf((ratio - 1.0f) / 3.0f * SYNTH_PALETTE);
    for (int i = 0; i < SYNTH_PALETTE; i++) {
        int exponent = 127 + low + (i < n_high);
        filler->palette[i][0] = (uint8_t)(exponent < 0 ? 0 : exponent > 254 ? 254 : exponent);
    }
}

static void fill_levels(const struct synth_filler *filler, struct rng *rng, uint8_t *dst, size_t n)
{
    enum { PER_DRAW = 5, LEVEL_BITS = 12 };
    size_t elem_bytes = filler->type == DTYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < n;) {
        uint64_t bits = rng_next(rng);
        for (int k = 0; k < PER_DRAW && i < n; k++, i++, bits >>= LEVEL_BITS) {
            memcpy(dst + i * elem_bytes, &filler->levels[bits % SYNTH_LEVELS], elem_bytes);
        }
    }
}

static void fill_random(struct rng *rng, uint8_t *dst, size_t n_bytes)
{
    for (; n_bytes >= 8; n_bytes -= 8, dst += 8) {
        uint64_t bits = rng_next(rng);
        memcpy(dst, &bits, 8);
    }
    if (n_bytes > 0) {
        uint64_t bits = rng_next(rng);
        memcpy(dst, &bits, n_bytes);
    }
}

static void fix_scales(enum scale_bytes kind, uint8_t *scales)
{
    switch (kind) {
    case SCALES_ANY:
        break;
    case SCALES_Q8:
        for (int i = 0; i < 32; i++) {
            scales[i] = scales[i] == 0x80 ? 0x81 : scales[i];
        }
        break;
    case SCALES_Q2_K:
        for (int i = 0; i < 16; i++) {
            scales[i] = (uint8_t)((8 | (scales[i] & 7)) * 17);
        }
        break;
    case SCALES_Q4_K:
        for (int i = 0; i < 4; i++) {
            /* Bits: low six of scale i, high two of scale i + 4 (10 or 11); the same for the
             * minima. */
            scales[i] = scales[i + 4] = (uint8_t)(0xa0 | (scales[i] & 0x5f));
            scales[i + 8] = (uint8_t)((scales[i + 8] & 15) * 17);
        }
        break;
    case SCALES_Q6_K:
        for (int i = 0; i < 16; i++) {
            /* Bit 6 the opposite of the sign: 64 .. 127 or -128 .. -65. */
            scales[i] = (uint8_t)((scales[i] & 0xbf) | ((~scales[i] & 0x80) >> 1));
        }
        break;
    }
}
