/* SPDX-License-Identifier: MIT */
/* Half and bfloat16 conversions over every 16-bit pattern, and rounding to nearest even around
 * each. */
#include "kernels/quants.h"
#include "unit.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The definition: sign * 2^(exponent - 25) * (1024 + fraction), subnormals without the 1024. */
static double half_by_definition(unsigned half)
{
    int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) {
        magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
    }
    return half >> 15 != 0 ? -magnitude : magnitude;
}

static void every_half_has_its_value(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        double expected = half_by_definition(half);
        float got = quants_f16_to_f32((uint16_t)half);
        if (isnan(expected)) {
            assert_true(isnan(got));
            assert_int_equal(bits_of(got) >> 31, half >> 15);
            assert_true((bits_of(got) & 1u << 22) != 0); /* quiet */
        } else if ((double)got != expected || (bits_of(got) >> 31) != half >> 15) {
            fail_msg("half %04x gives %a, expected %a", half, (double)got, expected);
        }
    }
}

static void every_half_survives_the_way_back(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        unsigned back = quants_f32_to_f16(quants_f16_to_f32((uint16_t)half));
        unsigned quiet = (half & 0x7fff) > 0x7c00 ? half | 0x200 : half;
        if (back != quiet) {
            fail_msg("half %04x comes back as %04x", half, back);
        }
    }
}

/* Between neighbours a < b: below the middle goes to a, above to b, the middle to the even one. */
static void floats_round_to_the_nearest_half(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x7c00; half++) {
        double a = half_by_definition(half);
        double b = half + 1 == 0x7c00 ? 65536.0 : half_by_definition(half + 1);
        float middle = (float)((a + b) / 2); /* exact */
        unsigned even = half + (half & 1);
        float below = float_of(bits_of(middle) - 1), above = float_of(bits_of(middle) + 1);
        for (unsigned sign = 0; sign < 2; sign++) {
            float flip = sign != 0 ? -1.0f : 1.0f;
            unsigned top = sign << 15;
            assert_int_equal(quants_f32_to_f16(middle * flip), even | top);
            assert_int_equal(quants_f32_to_f16(below * flip), half | top);
            assert_int_equal(quants_f32_to_f16(above * flip), (half + 1) | top);
        }
    }
    assert_int_equal(quants_f32_to_f16(3.0e38f), 0x7c00);
    assert_int_equal(quants_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(quants_f32_to_f16(1e-45f), 0);
    assert_int_equal(quants_f32_to_f16(-1e-45f), 0x8000);
    /* a NaN whose payload lies in bits that the half does not have is still one */
    assert_int_equal(quants_f32_to_f16(float_of(0x7f800001)) & 0x7e00, 0x7e00);
}

static void bfloat16_is_the_upper_half_of_a_float(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 65536; value++) {
        float wide = quants_bf16_to_f32((uint16_t)value);
        assert_int_equal(bits_of(wide), value << 16);
        unsigned quiet = (value & 0x7fff) > 0x7f80 ? value | 0x40 : value;
        assert_int_equal(quants_f32_to_bf16(wide), quiet);
        if ((value & 0x7fff) <
            0x7f80) { /* finite: the next one up is value + 1, perhaps infinity */
            assert_int_equal(quants_f32_to_bf16(float_of(value << 16 | 0x7fff)), value);
            assert_int_equal(quants_f32_to_bf16(float_of(value << 16 | 0x8000)),
                             value + (value & 1));
            assert_int_equal(quants_f32_to_bf16(float_of(value << 16 | 0x8001)), value + 1);
        }
    }
    unsigned nan = quants_f32_to_bf16(float_of(0xff800001));
    assert_true((nan & 0x7fff) > 0x7f80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(every_half_survives_the_way_back),
        cmocka_unit_test(floats_round_to_the_nearest_half),
        cmocka_unit_test(bfloat16_is_the_upper_half_of_a_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
