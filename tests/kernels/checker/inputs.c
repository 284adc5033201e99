/* SPDX-License-Identifier: MIT */
/* Random inputs: floats and blocks of many characters, and the plain decoding of activations. */
#include "checker.h"

#include "kernels/blocks.h"
#include "kernels/quants.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

int checker_range(struct checker *c, int least, int most)
{
    return least + (int)rng_below(&c->rng, (uint32_t)(most - least + 1));
}

enum guard_side checker_side(struct checker *c)
{
    return checker_range(c, 0, 3) == 0 ? GUARD_BEFORE : GUARD_AFTER;
}

void checker_floats(struct checker *c, float *dst, size_t n)
{
    enum { NORMAL, UNIFORM, ZERO, CONSTANT, OUTLIER, ALTERNATING, SIGNS, WIDE, N_KINDS };
    int kind = checker_range(c, 0, 3 * N_KINDS - 1);
    /* up to 2^5: an outlier of 100 times that, and sums of a block, still fit a half */
    float size = exp2f((float)checker_range(c, -12, 5));
    size_t special = n > 0 ? rng_below(&c->rng, (uint32_t)n) : 0;
    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case ZERO:
            dst[i] = i % 2 == 0 ? 0.0f : -0.0f;
            break;
        case CONSTANT:
            dst[i] = size;
            break;
        case OUTLIER:
            dst[i] = i == special ? -100.0f * size : size * rng_normal(&c->rng);
            break;
        case ALTERNATING:
            dst[i] = i % 2 == 0 ? size : -size;
            break;
        case SIGNS:
            dst[i] = checker_range(c, 0, 1) == 0 ? size : -size;
            break;
        case WIDE:
            dst[i] = rng_normal(&c->rng) * exp2f((float)checker_range(c, -20, 5));
            break;
        case UNIFORM:
            dst[i] = size * (2.0f * rng_uniform(&c->rng) - 1.0f);
            break;
        default:
            dst[i] = size * rng_normal(&c->rng);
        }
    }
}

/* Where the halves that scale a block are; -1 for none. */
static void scale_offsets(enum dtype type, int offsets[2])
{
    offsets[0] = 0;
    offsets[1] = -1;
    switch (type) {
    case DTYPE_Q4_1:
    case DTYPE_Q5_1:
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        offsets[1] = 2;
        break;
    case DTYPE_Q2_K:
        offsets[0] = offsetof(struct block_q2_k, d);
        offsets[1] = offsetof(struct block_q2_k, dmin);
        break;
    case DTYPE_Q3_K:
        offsets[0] = offsetof(struct block_q3_k, d);
        break;
    case DTYPE_Q6_K:
        offsets[0] = offsetof(struct block_q6_k, d);
        break;
    case DTYPE_MXFP4:
        offsets[0] = -1;
        break;
    default:
        break;
    }
}

/* Mostly of ordinary size and either sign, sometimes zero, subnormal or large. */
static uint16_t random_half(struct checker *c)
{
    switch (checker_range(c, 0, 15)) {
    case 0:
        return 0;
    case 1:
        return (uint16_t)checker_range(c, 1, 0x3ff);
    case 2:
        return quants_f32_to_f16(1000.0f * rng_uniform(&c->rng));
    default:
        return quants_f32_to_f16(0.05f * rng_normal(&c->rng));
    }
}

static void plain_weights(struct checker *c, enum dtype type, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value = rng_normal(&c->rng);
        if (checker_range(c, 0, 40) == 0) {
            value = 0.0f;
        }
        if (type == DTYPE_F32) {
            memcpy(dst + 4 * i, &value, 4);
        } else {
            uint16_t bits = type == DTYPE_F16 ? random_half(c) : quants_f32_to_bf16(value);
            memcpy(dst + 2 * i, &bits, 2);
        }
    }
}

void checker_weights(struct checker *c, enum dtype type, uint8_t *dst, size_t n_blocks)
{
    enum { ZERO, ONES, EXTREME, N_SPECIAL };
    if (type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16) {
        plain_weights(c, type, dst, n_blocks);
        return;
    }
    int kind = checker_range(c, 0, 4 * N_SPECIAL);
    size_t block_bytes = dtype_get(type)->block_bytes;
    int offsets[2];
    scale_offsets(type, offsets);
    for (size_t i = 0; i < n_blocks; i++, dst += block_bytes) {
        for (size_t k = 0; k < block_bytes; k++) {
            uint8_t random = (uint8_t)(rng_next(&c->rng) >> 56);
            dst[k] = kind == ZERO ? 0 : kind == ONES ? 0xff : kind == EXTREME ? 0x80 : random;
        }
        for (int k = 0; k < 2; k++) {
            if (offsets[k] >= 0 && kind != ZERO) {
                uint16_t half = random_half(c);
                memcpy(dst + offsets[k], &half, sizeof half);
            }
        }
        if (type == DTYPE_MXFP4) {
            dst[0] = (uint8_t)(checker_range(c, 0, 20) == 0 ? checker_range(c, 0, 2)
                                                            : checker_range(c, 110, 135));
        }
    }
}

static void decode_q8_k(float *dst, const uint8_t *src, int n)
{
    for (int i = 0; i < n; i += SUPER_BLOCK_ELEMS, src += sizeof(struct block_q8_k)) {
        struct block_q8_k block;
        memcpy(&block, src, sizeof block);
        for (int k = 0; k < SUPER_BLOCK_ELEMS; k++) {
            dst[i + k] = block_f32(block.d) * (float)block.qs[k];
        }
    }
}

static void decode_q8_1(float *dst, const uint8_t *src, int n)
{
    for (int i = 0; i < n; i += BLOCK_ELEMS, src += sizeof(struct block_q8_1)) {
        struct block_q8_1 block;
        memcpy(&block, src, sizeof block);
        for (int k = 0; k < BLOCK_ELEMS; k++) {
            dst[i + k] = block_half(block.d) * (float)block.qs[k];
        }
    }
}

void checker_decode_act(enum dtype type, float *dst, const uint8_t *src, int n)
{
    if (type == DTYPE_Q8_K) {
        decode_q8_k(dst, src, n);
    } else if (type == DTYPE_Q8_1) {
        decode_q8_1(dst, src, n);
    } else {
        quants_dequantize_row(type, dst, src, (size_t)n);
    }
}

size_t checker_row_bytes(enum dtype type, int n)
{
    return (size_t)dtype_row_bytes(type, (uint64_t)n);
}

int checker_block_elems(enum dtype type)
{
    return (int)dtype_get(type)->block_elems;
}

size_t checker_align(enum dtype type)
{
    return type == DTYPE_F32 ? 4 : type == DTYPE_MXFP4 ? 1 : 2;
}
