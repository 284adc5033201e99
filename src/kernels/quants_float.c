/* SPDX-License-Identifier: MIT */
/* Half and bfloat16 (IEEE 754-2008 binary16; upper half of binary32), and the level tables of the
 * 4-bit floats. */
#include "kernels/blocks.h"
#include "kernels/quants.h"

const int8_t block_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
const int8_t block_fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

float quants_f16_to_f32(uint16_t half)
{
    return block_half_to_float(half);
}

uint16_t quants_f32_to_f16(float value)
{
    uint32_t bits = block_bits_of_float(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
    }
    if (bits >= 0x47800000u) { /* 2^16 and above; from 65520 the rounding below reaches infinity by
                                  itself */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (bits < 0x38800000u) { /* below 2^-14: the unit of 0.5 + x is that of subnormal halves */
        float shifted = block_float_of_bits(bits) + 0.5f;
        return (uint16_t)(sign | (block_bits_of_float(shifted) - 0x3f000000u));
    }
    bits += 0xfffu + (bits >> 13 & 1) - (112u << 23);
    return (uint16_t)(sign | bits >> 13);
}

float quants_bf16_to_f32(uint16_t value)
{
    return block_bf16_to_float(value);
}

uint16_t quants_f32_to_bf16(float value)
{
    uint32_t bits = block_bits_of_float(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u);
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
