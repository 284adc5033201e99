/* SPDX-License-Identifier: MIT */
/*
 * Dot products of blocks of 32 with activations of type Q8_0 or Q8_1: one exact integer and one
 * float term per block, term = (d_w * d_x) * integer, and for the types with an offset + m_w * s_x.
 */
#include "kernels/ref.h"
#include "kernels/unpack.h"

/* The sum over one block of (q - offset) * y. */
static int32_t dot_offset(const int8_t *q, const int8_t *y, int offset)
{
    int32_t sum = 0;
    for (int i = 0; i < BLOCK_ELEMS; i++) {
        sum += (q[i] - offset) * y[i];
    }
    return sum;
}

float ref_dot_q4_0(const void *row, const void *act, int n_in)
{
    const struct block_q4_0 *w = row;
    const struct block_q8_0 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_nibbles(q, w[b].qs);
        float d = block_half(w[b].d) * block_half(x[b].d);
        lane[b % REF_LANES] += d * (float)dot_offset(q, x[b].qs, 8);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q4_1(const void *row, const void *act, int n_in)
{
    const struct block_q4_1 *w = row;
    const struct block_q8_1 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_nibbles(q, w[b].qs);
        float d = block_half(w[b].d) * block_half(x[b].d);
        float shift = block_half(w[b].m) * block_half(x[b].s);
        lane[b % REF_LANES] += d * (float)ref_dot_int(q, x[b].qs, BLOCK_ELEMS) + shift;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q5_0(const void *row, const void *act, int n_in)
{
    const struct block_q5_0 *w = row;
    const struct block_q8_0 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_fives(q, w[b].qs, w[b].qh);
        float d = block_half(w[b].d) * block_half(x[b].d);
        lane[b % REF_LANES] += d * (float)dot_offset(q, x[b].qs, 16);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q5_1(const void *row, const void *act, int n_in)
{
    const struct block_q5_1 *w = row;
    const struct block_q8_1 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_fives(q, w[b].qs, w[b].qh);
        float d = block_half(w[b].d) * block_half(x[b].d);
        float shift = block_half(w[b].m) * block_half(x[b].s);
        lane[b % REF_LANES] += d * (float)ref_dot_int(q, x[b].qs, BLOCK_ELEMS) + shift;
    }
    return ref_sum_lanes(lane);
}

float ref_dot_q8_0(const void *row, const void *act, int n_in)
{
    const struct block_q8_0 *w = row;
    const struct block_q8_0 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        float d = block_half(w[b].d) * block_half(x[b].d);
        lane[b % REF_LANES] += d * (float)ref_dot_int(w[b].qs, x[b].qs, BLOCK_ELEMS);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_iq4_nl(const void *row, const void *act, int n_in)
{
    const struct block_iq4_nl *w = row;
    const struct block_q8_0 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_levels(q, w[b].qs, block_iq4_values);
        float d = block_half(w[b].d) * block_half(x[b].d);
        lane[b % REF_LANES] += d * (float)ref_dot_int(q, x[b].qs, BLOCK_ELEMS);
    }
    return ref_sum_lanes(lane);
}

float ref_dot_mxfp4(const void *row, const void *act, int n_in)
{
    const struct block_mxfp4 *w = row;
    const struct block_q8_0 *x = act;
    float lane[REF_LANES] = {0};
    for (int b = 0; b < n_in / BLOCK_ELEMS; b++) {
        int8_t q[BLOCK_ELEMS];
        unpack_levels(q, w[b].qs, block_fp4_values);
        float d = block_e8m0_half(w[b].e) * block_half(x[b].d);
        lane[b % REF_LANES] += d * (float)ref_dot_int(q, x[b].qs, BLOCK_ELEMS);
    }
    return ref_sum_lanes(lane);
}
