/* SPDX-License-Identifier: MIT */
/* The formulas of `check` agree with the dequantiser on random blocks of every type, and would
 * notice if not. */
#include "base/dtype.h"
#include "base/rng.h"
#include "cli/check.h"
#include "kernels/quants.h"
#include "unit.h"

#include <math.h>

enum { MAX_BLOCK_BYTES = 256, MAX_BLOCK_ELEMS = 256, ROUNDS = 200 };

/* Random bits, but scales (any half among them) finite and moderate: exponents in the middle. */
static void fill(struct rng *rng, enum dtype type, unsigned char *block, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i++) {
        block[i] = (unsigned char)rng_next(rng);
    }
    const int half_at[DTYPE_COUNT][2] = {
        [DTYPE_F16] = {0, -1},    [DTYPE_Q4_0] = {0, -1},   [DTYPE_Q4_1] = {0, 2},
        [DTYPE_Q5_0] = {0, -1},   [DTYPE_Q5_1] = {0, 2},    [DTYPE_Q8_0] = {0, -1},
        [DTYPE_Q2_K] = {80, 82},  [DTYPE_Q3_K] = {108, -1}, [DTYPE_Q4_K] = {0, 2},
        [DTYPE_Q5_K] = {0, 2},    [DTYPE_Q6_K] = {208, -1}, [DTYPE_IQ4_NL] = {0, -1},
        [DTYPE_IQ4_XS] = {0, -1}, [DTYPE_F32] = {-1, -1},   [DTYPE_BF16] = {-1, -1},
        [DTYPE_MXFP4] = {-1, -1},
    };
    for (int k = 0; k < 2; k++) {
        int at = half_at[type][k];
        if (at >= 0) {
            uint16_t half = quants_f32_to_f16(rng_normal(rng) * 0.01f);
            block[at] = (unsigned char)half;
            block[at + 1] = (unsigned char)(half >> 8);
        }
    }
    if (type == DTYPE_F32 || type == DTYPE_BF16) {
        block[n_bytes - 1] =
            (unsigned char)(0x3c | (block[n_bytes - 1] & 0x81)); /* a moderate exponent */
    }
    if (type == DTYPE_MXFP4) {
        block[0] = (unsigned char)(100 + block[0] % 40);
    }
}

static void formula_equals_dequantiser(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 20240607);
    int n_types = 0;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        const struct dtype_info *info = dtype_get((uint32_t)type);
        if (info == NULL || !info->storage) {
            continue;
        }
        n_types++;
        for (int round = 0; round < ROUNDS; round++) {
            unsigned char block[MAX_BLOCK_BYTES];
            float values[MAX_BLOCK_ELEMS];
            assert_true(info->block_bytes <= sizeof block && info->block_elems <= MAX_BLOCK_ELEMS);
            fill(&rng, (enum dtype)type, block, info->block_bytes);
            quants_dequantize_row((enum dtype)type, values, block, info->block_elems);
            for (uint32_t i = 0; i < info->block_elems; i++) {
                struct check_value formula = check_formula((enum dtype)type, block, i);
                double error = fabs(formula.value - (double)values[i]);
                if (!(error <= 1e-6 * formula.magnitude)) {
                    fail_msg("%s element %u: formula %.9g, dequantised %.9g", info->name, i,
                             formula.value, (double)values[i]);
                }
            }
        }
    }
    assert_int_equal(n_types, 16);
}

/* Every bit of a block matters to some element, so that no mistake in a layout can hide. */
static void every_bit_matters(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int type = 0; type < DTYPE_COUNT; type++) {
        const struct dtype_info *info = dtype_get((uint32_t)type);
        if (info == NULL || !info->storage) {
            continue;
        }
        for (uint32_t bit = 0; bit < info->block_bytes * 8; bit++) {
            bool moved = false;
            for (int attempt = 0; attempt < 20 && !moved;
                 attempt++) { /* a zero element hides a scale's bit */
                unsigned char block[MAX_BLOCK_BYTES];
                double before[MAX_BLOCK_ELEMS];
                fill(&rng, (enum dtype)type, block, info->block_bytes);
                for (uint32_t i = 0; i < info->block_elems; i++) {
                    before[i] = check_formula((enum dtype)type, block, i).value;
                }
                block[bit / 8] ^= (unsigned char)(1 << bit % 8);
                for (uint32_t i = 0; i < info->block_elems; i++) {
                    moved = moved || check_formula((enum dtype)type, block, i).value != before[i];
                }
            }
            if (!moved) {
                fail_msg("%s: bit %u changes nothing", info->name, bit);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formula_equals_dequantiser),
        cmocka_unit_test(every_bit_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
