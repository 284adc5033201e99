/* SPDX-License-Identifier: MIT */
/*
 * The scalar matmul of every type and the 8-bit activations against plain double arithmetic. That
 * vector levels equal the scalar one is the business of the checker.
 */
#include "base/rng.h"
#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/levels.h"
#include "kernels/quants.h"
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    SEED = 77,
    N_IN = 2304,
    N_ROWS = 5,
    N_ACTS = 3
}; /* nine super-blocks: more than the lanes */

static struct kernels ref;

static void quantize_act(enum dtype act, void *dst, const float *src, int n)
{
    if (act == DTYPE_F32) {
        memcpy(dst, src, (size_t)n * sizeof *src);
    } else {
        (act == DTYPE_Q8_0   ? ref.quantize_q8_0
         : act == DTYPE_Q8_1 ? ref.quantize_q8_1
                             : ref.quantize_q8_k)(dst, src, n);
    }
}

/* What the activation blocks stand for. */
static void dequantize_act(enum dtype act, float *dst, const uint8_t *src, int n)
{
    for (int i = 0; i < n; i++) {
        if (act == DTYPE_F32) {
            dst[i] = block_f32(src + 4 * i);
        } else if (act == DTYPE_Q8_0) {
            const struct block_q8_0 *block = (const void *)(src + i / 32 * 34);
            dst[i] = block_half(block->d) * (float)block->qs[i % 32];
        } else if (act == DTYPE_Q8_1) {
            const struct block_q8_1 *block = (const void *)(src + i / 32 * 36);
            dst[i] = block_half(block->d) * (float)block->qs[i % 32];
        } else {
            const struct block_q8_k *block = (const void *)(src + i / 256 * 292);
            dst[i] = block_f32(block->d) * (float)block->qs[i % 256];
        }
    }
}

/* Weights and activations of one type; weight rows start at an odd or 2-byte boundary on purpose.
 */
struct product {
    enum dtype type, act;
    int n_in;
    size_t row_bytes, act_bytes, shift;
    uint8_t weights[N_ROWS * N_IN * 4 + 64], acts[N_ACTS * N_IN * 4 + 64];
};

static void fill_product(struct product *p, enum dtype type, int n_in, struct rng *rng)
{
    float row[N_IN];
    p->type = type;
    p->act = kernels_act_type(type);
    p->n_in = n_in;
    p->row_bytes = (size_t)dtype_row_bytes(type, (uint64_t)n_in);
    p->act_bytes = (size_t)dtype_row_bytes(p->act, (uint64_t)n_in);
    p->shift = type == DTYPE_MXFP4 ? 1 : 2;
    for (int r = 0; r < N_ROWS; r++) {
        for (int i = 0; i < n_in; i++) {
            row[i] = 0.05f * rng_normal(rng) + 0.01f;
        }
        quants_quantize_row(type, p->weights + p->shift + p->row_bytes * (size_t)r, row,
                            (size_t)n_in);
    }
    for (int a = 0; a < N_ACTS; a++) {
        for (int i = 0; i < n_in; i++) {
            row[i] = rng_normal(rng) + 0.2f;
        }
        quantize_act(p->act, p->acts + p->act_bytes * (size_t)a, row, n_in);
    }
}

static void check_product(const struct product *p)
{
    enum { STRIDE = N_ROWS + 3 };
    float dst[N_ACTS * STRIDE], w[N_IN], x[N_IN];
    for (int i = 0; i < N_ACTS * STRIDE; i++) {
        dst[i] = 1234.5f;
    }
    ref.matmul[p->type](dst, STRIDE, p->weights + p->shift, p->row_bytes, N_ROWS, p->acts,
                        p->act_bytes, N_ACTS, p->n_in);
    for (int a = 0; a < N_ACTS; a++) {
        dequantize_act(p->act, x, p->acts + p->act_bytes * (size_t)a, p->n_in);
        for (int r = 0; r < STRIDE; r++) {
            double sum = 0.0, absolute = 0.0;
            if (r >= N_ROWS) {
                assert_true(dst[a * STRIDE + r] == 1234.5f);
                continue;
            }
            ref.dequantize[p->type](w, p->weights + p->shift + p->row_bytes * (size_t)r,
                                    (size_t)p->n_in);
            for (int i = 0; i < p->n_in; i++) {
                sum += (double)w[i] * (double)x[i];
                absolute += fabs((double)w[i] * (double)x[i]);
            }
            /* Q8_1 keeps the sum of a block as a half: an error of up to 2^-10 of the minimum's
             * part */
            double limit = (p->act == DTYPE_Q8_1 ? 2e-3 : 1e-6) * absolute;
            if (!(fabs((double)dst[a * STRIDE + r] - sum) <= limit)) {
                fail_msg("%s n %d row %d act %d: %.9g, expected %.9g (seed %d)",
                         dtype_name((uint32_t)p->type), p->n_in, r, a, (double)dst[a * STRIDE + r],
                         sum, SEED);
            }
        }
    }
}

static void matmul_is_the_product_of_dequantised_operands(void **state)
{
    (void)state;
    static struct product p;
    struct rng rng;
    rng_seed(&rng, SEED);
    int n_types = 0;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        if (ref.matmul[type] == NULL) {
            assert_null(ref.dequantize[type]);
            continue;
        }
        n_types++;
        int block = (int)dtype_get((uint32_t)type)->block_elems;
        for (int n_in = block; n_in <= N_IN; n_in = block == 1 ? n_in * 2 + 1 : n_in + block * 4) {
            fill_product(&p, (enum dtype)type, n_in, &rng);
            check_product(&p);
        }
    }
    assert_int_equal(n_types, 16);
}

static void one_by_one_equals_all_at_once(void **state)
{
    (void)state;
    static struct product p;
    struct rng rng;
    rng_seed(&rng, SEED + 1);
    for (int type = 0; type < DTYPE_COUNT; type++) {
        if (ref.matmul[type] == NULL) {
            continue;
        }
        float all[N_ACTS * N_ROWS], one;
        fill_product(&p, (enum dtype)type, 1024, &rng);
        ref.matmul[type](all, N_ROWS, p.weights + p.shift, p.row_bytes, N_ROWS, p.acts, p.act_bytes,
                         N_ACTS, p.n_in);
        for (int i = 0; i < N_ACTS * N_ROWS; i++) {
            size_t a = (size_t)(i / N_ROWS), r = (size_t)(i % N_ROWS);
            ref.matmul[type](&one, 1, p.weights + p.shift + r * p.row_bytes, p.row_bytes, 1,
                             p.acts + a * p.act_bytes, p.act_bytes, 1, p.n_in);
            assert_memory_equal(&one, &all[i], sizeof one);
        }
    }
}

static void activations_keep_eight_bits(void **state)
{
    (void)state;
    static const enum dtype acts[] = {DTYPE_Q8_0, DTYPE_Q8_1, DTYPE_Q8_K};
    struct rng rng;
    rng_seed(&rng, SEED + 2);
    for (int t = 0; t < 3; t++) {
        uint8_t packed[N_IN * 4];
        float x[N_IN], y[N_IN];
        int block = (int)dtype_get((uint32_t)acts[t])->block_elems;
        for (int i = 0; i < N_IN; i++) {
            x[i] = i / block % 3 == 2 ? 0.0f : rng_normal(&rng) * ldexpf(1.0f, i / block % 9 - 4);
        }
        quantize_act(acts[t], packed, x, N_IN);
        dequantize_act(acts[t], y, packed, N_IN);
        for (int b = 0; b < N_IN; b += block) {
            float largest = 0.0f;
            for (int i = b; i < b + block; i++) {
                largest = fmaxf(largest, fabsf(x[i]));
            }
            for (int i = b; i < b + block; i++) {
                /* half a step, and the half-precision scale's own rounding */
                assert_true(fabsf(x[i] - y[i]) <= largest * (0.5f / 127 + 0.0006f));
            }
        }
    }
}

/* Block sums that matmul relies on. */
static void sums_of_activations_are_right(void **state)
{
    (void)state;
    struct rng rng;
    float x[512];
    struct block_q8_1 q8_1[16];
    struct block_q8_k q8_k[2];
    rng_seed(&rng, SEED + 3);
    for (int i = 0; i < 512; i++) {
        x[i] = rng_normal(&rng) - 1.0f;
    }
    ref.quantize_q8_1(q8_1, x, 512);
    ref.quantize_q8_k(q8_k, x, 512);
    for (int b = 0; b < 16; b++) {
        int sum = 0;
        for (int i = 0; i < 32; i++) {
            sum += q8_1[b].qs[i];
        }
        assert_true(fabsf(block_half(q8_1[b].s) - block_half(q8_1[b].d) * (float)sum) <=
                    0.001f * fabsf(block_half(q8_1[b].s)));
    }
    for (int g = 0; g < 32; g++) {
        int sum = 0;
        for (int i = 0; i < 16; i++) {
            sum += q8_k[g / 16].qs[g % 16 * 16 + i];
        }
        assert_int_equal(block_i16(q8_k[g / 16].bsums + g % 16 * 2), sum);
    }
}

static void activations_by_hand(void **state)
{
    (void)state;
    float x[256] = {127.0f, -63.5f, 0.5f, 1.5f, -2.5f, -126.6f};
    struct block_q8_0 q8_0[8];
    struct block_q8_k q8_k;
    ref.quantize_q8_0(q8_0, x, 256);
    assert_true(block_half(q8_0[0].d) == 1.0f);
    static const int8_t expected[] = {127, -64, 0, 2, -2, -127, 0}; /* ties to even */
    assert_memory_equal(q8_0[0].qs, expected, sizeof expected);
    assert_true(block_half(q8_0[1].d) == 0.0f);
    ref.quantize_q8_k(&q8_k, x, 256);
    assert_true(block_f32(q8_k.d) == -1.0f);
    static const int8_t expected_k[] = {-127, 64, 0, -2, 2, 127, 0};
    assert_memory_equal(q8_k.qs, expected_k, sizeof expected_k);
    x[200] = -127.0f; /* as large as the first, which decides */
    ref.quantize_q8_k(&q8_k, x, 256);
    assert_true(block_f32(q8_k.d) == -1.0f && q8_k.qs[200] == 127);
    memset(x, 0, sizeof x);
    memset(&q8_k, 0xff, sizeof q8_k);
    ref.quantize_q8_k(&q8_k, x, 256);
    static const struct block_q8_k zero;
    assert_memory_equal(&q8_k, &zero, sizeof zero);
}

/* A NaN or infinity among activations must show in the product, never be hidden or be undefined. */
static void broken_activations_make_broken_products(void **state)
{
    (void)state;
    static const float broken[] = {NAN, INFINITY, -INFINITY};
    static struct product p;
    struct rng rng;
    rng_seed(&rng, SEED + 4);
    for (int type = 0; type < DTYPE_COUNT; type++) {
        for (int k = 0; ref.matmul[type] != NULL && k < 3; k++) {
            float x[512], dst;
            fill_product(&p, (enum dtype)type, 512, &rng);
            for (int i = 0; i < 512; i++) {
                x[i] = rng_normal(&rng);
            }
            x[300] = broken[k];
            quantize_act(p.act, p.acts, x, 512);
            ref.matmul[type](&dst, 1, p.weights + p.shift, p.row_bytes, 1, p.acts, p.act_bytes, 1,
                             512);
            assert_false(fabsf(dst) <= FLT_MAX);
        }
    }
    float tiny[256];
    for (int i = 0; i < 256; i++) {
        tiny[i] = i % 2 == 0 ? 1e-45f : -1e-42f;
    }
    struct block_q8_0 q8_0[8];
    struct block_q8_k q8_k;
    ref.quantize_q8_0(q8_0, tiny, 256);
    ref.quantize_q8_k(&q8_k, tiny, 256);
    for (int i = 0; i < 256; i++) {
        assert_true(q8_0[i / 32].qs[i % 32] == 0 && q8_k.qs[i] == 0);
    }
    assert_true(block_f32(q8_k.d) == 0.0f);
}

static int select_ref(void **state)
{
    (void)state;
    kernels_fill_ref(&ref);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_is_the_product_of_dequantised_operands),
        cmocka_unit_test(one_by_one_equals_all_at_once),
        cmocka_unit_test(activations_keep_eight_bits),
        cmocka_unit_test(sums_of_activations_are_right),
        cmocka_unit_test(activations_by_hand),
        cmocka_unit_test(broken_activations_make_broken_products),
    };
    return cmocka_run_group_tests(tests, select_ref, NULL);
}
