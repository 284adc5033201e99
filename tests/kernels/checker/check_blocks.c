/* SPDX-License-Identifier: MIT */
/* Quantising activations and dequantising weights: the same bits as the reference. */
#include "checker.h"

#include "kernels/quants.h"

#include <math.h>
#include <string.h>

enum { MAX_ELEMS = 2048 };

struct blocks_case {
    kernel_quantize_fn *quantize;
    kernel_dequantize_fn *dequantize;
    void *dst;
    const void *src;
    int n;
};

static void call_quantize(void *argument)
{
    struct blocks_case *b = argument;
    b->quantize(b->dst, b->src, b->n);
}

static void call_dequantize(void *argument)
{
    struct blocks_case *b = argument;
    b->dequantize(b->dst, b->src, (size_t)b->n);
}

/* Values that the format cannot hold: they must come out as the reference defines them, too. */
static void spoil(struct checker *c, float *x, int n)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 1e-44f, -3e-39f, 3e38f, -0.0f};
    int kind = checker_range(c, 0, 40);
    int n_odd = (int)(sizeof odd / sizeof odd[0]);
    if (kind < n_odd) {
        x[checker_range(c, 0, n - 1)] = odd[kind];
    } else if (kind == n_odd) {
        for (int i = 0; i < n; i++) {
            x[i] = 1e-42f * (float)checker_range(c, -9, 9);
        }
    }
}

/* Each quant is the nearest one to the element; against rounding of the scale alone for the
 * reference. */
static bool quants_near(enum dtype type, const uint8_t *blocks, const float *x, int n)
{
    float decoded[MAX_ELEMS];
    checker_decode_act(type, decoded, blocks, n);
    int block = checker_block_elems(type);
    for (int i = 0; i < n; i += block) {
        float largest = 0.0f;
        for (int k = i; k < i + block; k++) {
            largest = fmaxf(largest, fabsf(x[k]));
        }
        if (!(largest < 1e4f) || largest < 1e-2f) {
            continue; /* half scales lose precision there */
        }
        for (int k = i; k < i + block; k++) {
            if (fabsf(decoded[k] - x[k]) > largest * (0.502f / 127.0f + 1.0f / 2000.0f)) {
                return false;
            }
        }
    }
    return true;
}

static void quantize_case(struct checker *c, enum dtype type, kernel_quantize_fn *tested,
                          kernel_quantize_fn *ref)
{
    struct guard *src = &c->guards[0], *dst = &c->guards[1];
    int block = checker_block_elems(type);
    struct blocks_case b = {.quantize = tested, .n = block * checker_range(c, 1, MAX_ELEMS / 256)};
    float *x = guard_place(src, (size_t)b.n * sizeof(float), checker_side(c));
    checker_floats(c, x, (size_t)b.n);
    spoil(c, x, b.n);
    guard_lock(src);
    size_t bytes = checker_row_bytes(type, b.n);
    b.src = x;
    b.dst = guard_place(dst, bytes, checker_side(c));
    checker_doing(c, "n %d", b.n);
    bool sound = guard_run(call_quantize, &b);
    checker_count(c, sound && guard_intact(dst), "touches memory that is not its own");
    if (!sound) {
        return;
    }
    uint8_t wanted[2 * MAX_ELEMS];
    ref(wanted, x, b.n);
    checker_count(c, memcmp(b.dst, wanted, bytes) == 0, "bits differ from the reference");
    checker_count(c, quants_near(type, b.dst, x, b.n), "quants are not the nearest");
}

static void dequantize_case(struct checker *c, enum dtype type)
{
    struct guard *src = &c->guards[0], *dst = &c->guards[1];
    int block = checker_block_elems(type);
    int n_blocks = block == 1 ? checker_range(c, 1, 300) : checker_range(c, 1, MAX_ELEMS / block);
    struct blocks_case b = {.dequantize = c->tested.dequantize[type], .n = n_blocks * block};
    uint8_t *blocks = guard_place(src, checker_row_bytes(type, b.n), checker_side(c));
    checker_weights(c, type, blocks, (size_t)n_blocks);
    guard_lock(src);
    b.src = blocks;
    b.dst = guard_place(dst, (size_t)b.n * sizeof(float), checker_side(c));
    checker_doing(c, "n %d", b.n);
    bool sound = guard_run(call_dequantize, &b);
    checker_count(c, sound && guard_intact(dst), "touches memory that is not its own");
    if (!sound) {
        return;
    }
    float wanted[MAX_ELEMS];
    quants_dequantize_row(type, wanted, blocks, (size_t)b.n);
    checker_count(c, memcmp(b.dst, wanted, (size_t)b.n * sizeof(float)) == 0,
                  "bits differ from the format's");
}

void check_blocks(struct checker *c)
{
    struct {
        enum dtype type;
        kernel_quantize_fn *tested, *ref;
    } quantizers[] = {
        {DTYPE_Q8_0, c->tested.quantize_q8_0, c->ref.quantize_q8_0},
        {DTYPE_Q8_1, c->tested.quantize_q8_1, c->ref.quantize_q8_1},
        {DTYPE_Q8_K, c->tested.quantize_q8_k, c->ref.quantize_q8_k},
    };
    for (size_t i = 0; i < sizeof quantizers / sizeof quantizers[0]; i++) {
        if (quantizers[i].tested == NULL ||
            !checker_begin(c, "quantize", dtype_name(quantizers[i].type))) {
            continue;
        }
        for (int k = 0; k < 4 * c->n_cases; k++) {
            quantize_case(c, quantizers[i].type, quantizers[i].tested, quantizers[i].ref);
        }
        checker_end(c);
    }
    for (int type = 0; type < DTYPE_COUNT; type++) {
        if (c->tested.dequantize[type] == NULL ||
            !checker_begin(c, "dequantize", dtype_name((uint32_t)type))) {
            continue;
        }
        for (int k = 0; k < c->n_cases; k++) {
            dequantize_case(c, (enum dtype)type);
        }
        checker_end(c);
    }
}
