/* SPDX-License-Identifier: MIT */
/*
 * The published formula of every storage type, one element at a time in double precision: the
 * independent witness of gate 1. Shares nothing with kernels/ on purpose.
 */
#include "cli/check.h"

#include <math.h>
#include <string.h>

static double half_at(const unsigned char *at);
static int nibble(const unsigned char *quants, uint32_t i);
static struct check_value affine(double scale, double q, double offset);
static struct check_value formula_of_32(enum dtype type, const unsigned char *block, uint32_t i);
static struct check_value formula_q2_k(const unsigned char *block, uint32_t i);
static struct check_value formula_q3_k(const unsigned char *block, uint32_t i);
static struct check_value formula_q45_k(const unsigned char *block, uint32_t i, bool five_bits);
static struct check_value formula_q6_k(const unsigned char *block, uint32_t i);
static struct check_value formula_iq4_xs(const unsigned char *block, uint32_t i);

static const double nonlinear_4bit[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

struct check_value check_formula(enum dtype type, const unsigned char *block, uint32_t i)
{
    switch (type) {
    case DTYPE_F32: {
        float value;
        memcpy(&value, block, sizeof value);
        return affine(1, (double)value, 0);
    }
    case DTYPE_F16:
        return affine(1, half_at(block), 0);
    case DTYPE_BF16: {
        uint32_t bits = (uint32_t)(block[0] | block[1] << 8) << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        return affine(1, (double)value, 0);
    }
    case DTYPE_Q2_K:
        return formula_q2_k(block, i);
    case DTYPE_Q3_K:
        return formula_q3_k(block, i);
    case DTYPE_Q4_K:
        return formula_q45_k(block, i, false);
    case DTYPE_Q5_K:
        return formula_q45_k(block, i, true);
    case DTYPE_Q6_K:
        return formula_q6_k(block, i);
    case DTYPE_IQ4_XS:
        return formula_iq4_xs(block, i);
    default:
        return formula_of_32(type, block, i);
    }
}

static struct check_value formula_of_32(enum dtype type, const unsigned char *block, uint32_t i)
{
    static const double fp4[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    double d = half_at(block), m = half_at(block + 2);
    bool has_minimum = type == DTYPE_Q5_1;
    const unsigned char *fifth_bits = block + (has_minimum ? 4 : 2);
    int fifth = fifth_bits[i / 8] >> (i % 8) & 1;
    switch (type) {
    case DTYPE_Q4_0:
        return affine(d, nibble(block + 2, i) - 8, 0);
    case DTYPE_Q4_1:
        return affine(d, nibble(block + 4, i), m);
    case DTYPE_Q5_0:
        return affine(d, nibble(block + 6, i) + 16 * fifth - 16, 0);
    case DTYPE_Q5_1:
        return affine(d, nibble(block + 8, i) + 16 * fifth, m);
    case DTYPE_Q8_0:
        return affine(d, (signed char)block[2 + i], 0);
    case DTYPE_IQ4_NL:
        return affine(d, nonlinear_4bit[nibble(block + 2, i)], 0);
    case DTYPE_MXFP4: {
        int q = nibble(block + 1, i);
        double value = q < 8 ? fp4[q] : -fp4[q - 8];
        return affine(ldexp(1, block[0] - 127), value, 0);
    }
    default:
        return affine(NAN, 0, 0); /* not a type that holds weights */
    }
}

static struct check_value formula_q2_k(const unsigned char *block, uint32_t i)
{
    const unsigned char *scales = block, *quants = block + 16;
    uint32_t half = i / 128, run = i % 128 / 32, l = i % 32;
    int scale = scales[i / 16];
    int q = quants[32 * half + l] >> (2 * run) & 3;
    return affine(half_at(block + 80) * (scale & 15), q, -half_at(block + 82) * (scale >> 4));
}

static struct check_value formula_q3_k(const unsigned char *block, uint32_t i)
{
    const unsigned char *high = block, *quants = block + 32, *packed = block + 96;
    uint32_t half = i / 128, run = i / 32, l = i % 32, group = i / 16;
    int low4 = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    int high2 = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
    int q = quants[32 * half + l] >> (2 * (run % 4)) & 3;
    q -= (high[l] >> run & 1) != 0 ? 0 : 4;
    return affine(half_at(block + 108) * (low4 + 16 * high2 - 32), q, 0);
}

static struct check_value formula_q45_k(const unsigned char *block, uint32_t i, bool five_bits)
{
    const unsigned char *packed = block + 4, *fifth = block + 16,
                        *quants = block + (five_bits ? 48 : 16);
    uint32_t sub = i / 32, l = i % 32;
    int scale, minimum;
    if (sub < 4) {
        scale = packed[sub] & 63;
        minimum = packed[sub + 4] & 63;
    } else {
        scale = (packed[sub + 4] & 15) + 16 * (packed[sub - 4] >> 6);
        minimum = (packed[sub + 4] >> 4) + 16 * (packed[sub] >> 6);
    }
    int byte = quants[32 * (sub / 2) + l];
    int q = sub % 2 == 0 ? byte & 15 : byte >> 4;
    if (five_bits) {
        q += 16 * (fifth[l] >> sub & 1);
    }
    return affine(half_at(block) * scale, q, -half_at(block + 2) * minimum);
}

static struct check_value formula_q6_k(const unsigned char *block, uint32_t i)
{
    uint32_t half = i / 128, part = i % 128 / 32, l = i % 32;
    const unsigned char *low = block + 64 * half, *high = block + 128 + 32 * half;
    const unsigned char *scales = block + 192 + 8 * half;
    int byte = low[l + 32 * (part % 2)];
    int q = (part < 2 ? byte & 15 : byte >> 4) + 16 * (high[l] >> (2 * part) & 3) - 32;
    return affine(half_at(block + 208) * (signed char)scales[l / 16 + 2 * part], q, 0);
}

static struct check_value formula_iq4_xs(const unsigned char *block, uint32_t i)
{
    uint32_t sub = i / 32;
    int high = block[2] | block[3] << 8;
    int scale = (block[4 + sub / 2] >> (4 * (sub % 2)) & 15) + 16 * (high >> (2 * sub) & 3);
    return affine(half_at(block) * (scale - 32),
                  nonlinear_4bit[nibble(block + 8 + 16 * sub, i % 32)], 0);
}

/* Element i of 32: the low nibbles of 16 bytes, then the high ones. */
static int nibble(const unsigned char *quants, uint32_t i)
{
    return i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;
}

static struct check_value affine(double scale, double q, double offset)
{
    return (struct check_value){.value = scale * q + offset,
                                .magnitude = fabs(scale * q) + fabs(offset)};
}

/* IEEE binary16, little-endian. */
static double half_at(const unsigned char *at)
{
    int bits = at[0] | at[1] << 8;
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                    : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 != 0 ? -value : value;
}
