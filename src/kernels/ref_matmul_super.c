/* SPDX-License-Identifier: MIT */
/*
 * Dot products of super-blocks of 256 with activations of type Q8_K: exact integers (at most 2^28
 * in magnitude) and one float term per super-block, term = (d_w * d_x) * integer [- (dmin_w * d_x)
 * * integer of the minima].
 */
#include "kernels/ref.h"
#include "kernels/unpack.h"

float ref_dot_q2_k(const void *row, const void *act, int n_in)
{
    const struct block_q2_k *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        int32_t sum = 0, sum_min = 0;
        unpack_pairs(q, w[b].qs);
        for (int g = 0; g < 16; g++) {
            sum += (w[b].scales[g] & 15) * ref_dot_int(q + 16 * g, x[b].qs + 16 * g, 16);
            sum_min += (w[b].scales[g] >> 4) * block_i16(x[b].bsums + 2 * g);
        }
        float dx = block_f32(x[b].d);
        lane[b % REF_LANES] +=
            block_half(w[b].d) * dx * (float)sum - block_half(w[b].dmin) * dx * (float)sum_min;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q3_k(const void *row, const void *act, int n_in)
{
    const struct block_q3_k *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        int32_t sum = 0;
        unpack_q3_k(q, &w[b]);
        for (int g = 0; g < 16; g++) {
            sum += block_q3_k_scale(w[b].scales, g) * ref_dot_int(q + 16 * g, x[b].qs + 16 * g, 16);
        }
        lane[b % REF_LANES] += block_half(w[b].d) * block_f32(x[b].d) * (float)sum;
    }
    return ref_sum_lanes(lane);
}

/* The two integers of one super-block of Q4_K or Q5_K. */
static void dot_k4(int32_t *sum, int32_t *sum_min, const int8_t *q, const uint8_t *packed,
                   const struct block_q8_k *x)
{
    *sum = *sum_min = 0;
    for (int g = 0; g < 8; g++) {
        uint8_t scale, minimum;
        block_k4_scale(&scale, &minimum, packed, g);
        *sum += scale * ref_dot_int(q + 32 * g, x->qs + 32 * g, 32);
        *sum_min += minimum * (block_i16(x->bsums + 4 * g) + block_i16(x->bsums + 4 * g + 2));
    }
}

float ref_dot_q4_k(const void *row, const void *act, int n_in)
{
    const struct block_q4_k *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        int32_t sum, sum_min;
        unpack_q4_k(q, w[b].qs);
        dot_k4(&sum, &sum_min, q, w[b].scales, &x[b]);
        float dx = block_f32(x[b].d);
        lane[b % REF_LANES] +=
            block_half(w[b].d) * dx * (float)sum - block_half(w[b].dmin) * dx * (float)sum_min;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q5_k(const void *row, const void *act, int n_in)
{
    const struct block_q5_k *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        int32_t sum, sum_min;
        unpack_q5_k(q, &w[b]);
        dot_k4(&sum, &sum_min, q, w[b].scales, &x[b]);
        float dx = block_f32(x[b].d);
        lane[b % REF_LANES] +=
            block_half(w[b].d) * dx * (float)sum - block_half(w[b].dmin) * dx * (float)sum_min;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q6_k(const void *row, const void *act, int n_in)
{
    const struct block_q6_k *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        int32_t sum = 0;
        unpack_q6_k(q, &w[b]);
        for (int g = 0; g < 16; g++) {
            sum += w[b].scales[g] * ref_dot_int(q + 16 * g, x[b].qs + 16 * g, 16);
        }
        lane[b % REF_LANES] += block_half(w[b].d) * block_f32(x[b].d) * (float)sum;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_iq4_xs(const void *row, const void *act, int n_in)
{
    const struct block_iq4_xs *w = row;
    const struct block_q8_k *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        int32_t sum = 0;
        for (int g = 0; g < 8; g++) {
            int8_t q[BLOCK_ELEMS];
            unpack_levels(q, w[b].qs + 16 * g, block_iq4_values);
            sum += block_iq4_xs_scale(&w[b], g) * ref_dot_int(q, x[b].qs + 32 * g, 32);
        }
        lane[b % REF_LANES] += block_half(w[b].d) * block_f32(x[b].d) * (float)sum;
    }
    return ref_sum_lanes(lane);
}
