/* SPDX-License-Identifier: MIT */
/* Dot products of unpacked weights with float activations, any length; rows may lie at any 2-byte
 * boundary. */
#include "kernels/blocks.h"
#include "kernels/ref.h"

float ref_dot_f32(const void *row, const void *act, int n_in)
{
    const uint8_t *w = row, *x = act;
    float lane[REF_LANES] = {0};
    for (int i = 0; i < n_in; i++) {
        lane[i % REF_LANES] += block_f32(w + 4 * (size_t)i) * block_f32(x + 4 * (size_t)i);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_f16(const void *row, const void *act, int n_in)
{
    const uint8_t *w = row, *x = act;
    float lane[REF_LANES] = {0};
    for (int i = 0; i < n_in; i++) {
        lane[i % REF_LANES] += block_half(w + 2 * (size_t)i) * block_f32(x + 4 * (size_t)i);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_bf16(const void *row, const void *act, int n_in)
{
    const uint8_t *w = row, *x = act;
    float lane[REF_LANES] = {0};
    for (int i = 0; i < n_in; i++) {
        lane[i % REF_LANES] +=
            block_bf16_to_float(block_u16(w + 2 * (size_t)i)) * block_f32(x + 4 * (size_t)i);
    }
    return ref_sum_lanes(lane);
}
