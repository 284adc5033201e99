/* SPDX-License-Identifier: MIT */
/*
 * Inside quants_*.c only: least-squares choice of the parameters of one group of 16 or 32 elements.
 * Every function tries eight candidates at a time, one per lane, in a loop that compilers
 * vectorise; all sums run over the elements in ascending order, so the result is the same on every
 * machine. Inputs are finite and at most FIT_LARGEST in magnitude.
 */
#ifndef KERNELS_QUANTS_FIT_H
#define KERNELS_QUANTS_FIT_H

#include <stdbool.h>
#include <stdint.h>

enum { FIT_LANES = 8 };

/* Beyond what any type with a half-precision scale can hold, and far from overflow when squared. */
#define FIT_LARGEST 1e9f

/* The levels a quant can take: integers lo..hi, or the 16 levels of IQ4 (lo, hi then the
 * outermost). */
struct fit_levels {
    float lo, hi;
    float step; /* of the search for a scale, relative: about a third of a level at the ends */
    bool iq4;
};

/* What was found for one group: x is near scale * q + offset. */
struct fit_group {
    float scale, offset;
    float xq, qq, q, x; /* sums over the group: x * q, q * q, q, x */
    float err;          /* sum of squared differences */
};

/* Best scale of either sign, offset 0. */
void fit_scale(struct fit_group *out, const float *x, int n, const struct fit_levels *levels);

/* Best scale >= 0 and offset (with `offset_sign` < 0: an offset <= 0); levels are 0..hi. */
void fit_affine(struct fit_group *out, const float *x, int n, float hi, int offset_sign);

/* Best of the integers sc near `near` within lo..hi for scale = d * sc; out->scale tells. */
int fit_int_scale(struct fit_group *out, const float *x, int n, const struct fit_levels *levels,
                  float d, float near, int lo, int hi);

/* Best integers (sc, m) within 0..limit for scale = d * sc, offset = -dmin * m, near the group
 * given. */
void fit_int_affine(struct fit_group *group, uint8_t *sc, uint8_t *m, const float *x, int n,
                    float hi, float d, float dmin, int limit);

/* Level of each element for (scale, offset), as stored: counted from 0 (integers from lo, IQ4 its
 * index). */
void fit_quants(uint8_t *q, const float *x, int n, const struct fit_levels *levels, float scale,
                float offset);

/* Copies n elements with NaN as 0 and the rest limited to FIT_LARGEST. */
void fit_load(float *dst, const float *src, int n);

/* As halves, finite; a scale does not vanish and, when tiny, is rounded away from zero. */
float fit_half_scale(float value);
float fit_half_offset(float value);

#endif
