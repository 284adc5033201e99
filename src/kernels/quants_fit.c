/* SPDX-License-Identifier: MIT */
/* Least-squares search of group parameters; quants_fit.h. */
#include "kernels/quants_fit.h"

#include "kernels/blocks.h"
#include "kernels/quants.h"

#include <math.h>

/* Sums per lane for eight candidate pairs (inverse scale, offset). */
struct lanes {
    float xq[FIT_LANES], qq[FIT_LANES], q[FIT_LANES];
};

static void lanes_uniform(struct lanes *out, const float *x, int n, float lo, float hi,
                          const float *inverse, const float *offset);
static void lanes_iq4(struct lanes *out, const float *x, int n, const float *inverse);
static float nearest_integer(float v, float lo, float hi);
static float nearest_iq4(float v);
static float reciprocal(float v);
static void take_best_scale(struct fit_group *best, const struct lanes *sums, float xx);
static void take_best_affine(struct fit_group *best, const struct lanes *sums, float x, float xx,
                             int n, int offset_sign);

static void lanes_levels(struct lanes *out, const float *x, int n, const struct fit_levels *levels,
                         const float *inverse)
{
    static const float no_offset[FIT_LANES];
    if (levels->iq4) {
        lanes_iq4(out, x, n, inverse);
    } else {
        lanes_uniform(out, x, n, levels->lo, levels->hi, inverse, no_offset);
    }
}

void fit_scale(struct fit_group *out, const float *x, int n, const struct fit_levels *levels)
{
    float extreme = 0.0f, xx = 0.0f;
    for (int i = 0; i < n; i++) {
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
        xx += x[i] * x[i];
    }
    *out = (struct fit_group){.err = xx};
    if (xx < 1e-30f) {
        return;
    }
    struct lanes sums;
    float inverse[FIT_LANES];
    /* The extreme element at either end of the levels, inside them, or beyond and clipped. */
    for (int end = 0; end < 2; end++) {
        float level = (end == 0 ? levels->lo : levels->hi) / extreme;
        for (int c = 0; c < FIT_LANES; c++) {
            inverse[c] = level * (1.0f + levels->step * (float)(c - 5));
        }
        lanes_levels(&sums, x, n, levels, inverse);
        take_best_scale(out, &sums, xx);
    }
    float centre = reciprocal(out->scale);
    for (int c = 0; c < FIT_LANES; c++) {
        inverse[c] = centre * (1.0f + 0.25f * levels->step * ((float)c - 3.5f));
    }
    lanes_levels(&sums, x, n, levels, inverse);
    take_best_scale(out, &sums, xx);
}

void fit_affine(struct fit_group *out, const float *x, int n, float hi, int offset_sign)
{
    float least = x[0], most = x[0], sum = 0.0f, xx = 0.0f;
    for (int i = 0; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        sum += x[i];
        xx += x[i] * x[i];
    }
    if (offset_sign < 0 && least > 0.0f) {
        least = 0.0f;
    }
    float width = most - least, rest = 0.0f;
    for (int i = 0; i < n; i++) {
        rest += (x[i] - least) * (x[i] - least);
    }
    *out = (struct fit_group){.offset = least, .x = sum, .err = rest};
    if (width * width < 1e-30f) {
        return;
    }
    struct lanes sums;
    float inverse[FIT_LANES], offset[FIT_LANES];
    /* Both ends moved inwards (outwards when negative), in units of 0.6 levels. */
    static const float cut_least[2][FIT_LANES] = {{0, 1, 0, 1, 2, 1, 2, -1},
                                                  {-1, 0, 3, 0, 3, 2, 3, 0}};
    static const float cut_most[2][FIT_LANES] = {{0, 0, 1, 1, 1, 2, 2, -1},
                                                 {0, -1, 0, 3, 2, 3, 3, 2}};
    float unit = 0.6f * width / hi;
    for (int pass = 0; pass < 2; pass++) {
        for (int c = 0; c < FIT_LANES; c++) {
            offset[c] = least + unit * cut_least[pass][c];
            inverse[c] = hi / (width - unit * (cut_least[pass][c] + cut_most[pass][c]));
        }
        lanes_uniform(&sums, x, n, 0.0f, hi, inverse, offset);
        take_best_affine(out, &sums, sum, xx, n, offset_sign);
    }
    /* Around the best so far, in units of 0.3 levels. */
    static const float move_least[FIT_LANES] = {0, 1, -1, 0, 0, 1, -1, 0.5f};
    static const float move_most[FIT_LANES] = {0, 0, 0, 1, -1, 1, -1, -0.5f};
    unit = 0.3f * out->scale;
    for (int c = 0; c < FIT_LANES; c++) {
        offset[c] = out->offset + unit * move_least[c];
        inverse[c] = reciprocal(out->scale + unit * (move_most[c] - move_least[c]) / hi);
    }
    lanes_uniform(&sums, x, n, 0.0f, hi, inverse, offset);
    take_best_affine(out, &sums, sum, xx, n, offset_sign);
}

int fit_int_scale(struct fit_group *out, const float *x, int n, const struct fit_levels *levels,
                  float d, float near, int lo, int hi)
{
    float inverse[FIT_LANES], scale[FIT_LANES], xx = 0.0f;
    float first = near * reciprocal(d);
    int sc[FIT_LANES];
    struct lanes sums;
    first = first < (float)lo ? (float)lo : first > (float)hi ? (float)hi : first;
    for (int c = 0; c < FIT_LANES; c++) {
        int candidate = (int)floorf(first) - 3 + c;
        sc[c] = candidate < lo ? lo : candidate > hi ? hi : candidate;
        scale[c] = d * (float)sc[c];
        inverse[c] = reciprocal(scale[c]);
    }
    for (int i = 0; i < n; i++) {
        xx += x[i] * x[i];
    }
    lanes_levels(&sums, x, n, levels, inverse);
    int best = 0;
    *out = (struct fit_group){.err = INFINITY};
    for (int c = 0; c < FIT_LANES; c++) {
        float err = xx - scale[c] * (2.0f * sums.xq[c] - scale[c] * sums.qq[c]);
        if (err < out->err) {
            best = c;
            *out = (struct fit_group){
                .scale = scale[c], .xq = sums.xq[c], .qq = sums.qq[c], .err = err};
        }
    }
    return sc[best];
}

void fit_int_affine(struct fit_group *group, uint8_t *sc, uint8_t *m, const float *x, int n,
                    float hi, float d, float dmin, int limit)
{
    float inverse[FIT_LANES], offset[FIT_LANES], scale[FIT_LANES], xx = 0.0f, sum = 0.0f;
    int scs[FIT_LANES], ms[FIT_LANES];
    struct lanes sums;
    for (int i = 0; i < n; i++) {
        xx += x[i] * x[i];
        sum += x[i];
    }
    int base = (int)floorf(fminf(group->scale * reciprocal(d), (float)limit));
    for (int c = 0; c < FIT_LANES; c++) {
        int s = base - 1 + c / 2;
        s = s < 0 ? 0 : s > limit ? limit : s;
        scale[c] = d * (float)s;
        /* the best offset moves with the scale: the mean of what is left */
        float free_offset =
            group->q > 0.0f ? (sum - scale[c] * group->q) / (float)n : group->offset;
        float steps = floorf(-free_offset * reciprocal(dmin));
        int min = (int)fmaxf(fminf(steps, (float)limit), -1.0f) + c % 2;
        min = min < 0 ? 0 : min > limit ? limit : min;
        scs[c] = s;
        ms[c] = min;
        offset[c] = -(dmin * (float)min);
        inverse[c] = reciprocal(scale[c]);
    }
    lanes_uniform(&sums, x, n, 0.0f, hi, inverse, offset);
    float least = INFINITY;
    for (int c = 0; c < FIT_LANES; c++) {
        float s = scale[c], b = offset[c];
        float err = xx + s * (s * sums.qq[c] - 2.0f * sums.xq[c]) +
                    b * ((float)n * b - 2.0f * sum + 2.0f * s * sums.q[c]);
        if (err < least) {
            least = err;
            *group = (struct fit_group){.scale = s,
                                        .offset = b,
                                        .xq = sums.xq[c],
                                        .qq = sums.qq[c],
                                        .q = sums.q[c],
                                        .x = sum,
                                        .err = err};
            *sc = (uint8_t)scs[c];
            *m = (uint8_t)ms[c];
        }
    }
}

void fit_quants(uint8_t *q, const float *x, int n, const struct fit_levels *levels, float scale,
                float offset)
{
    float inverse = reciprocal(scale);
    for (int i = 0; i < n; i++) {
        float v = (x[i] - offset) * inverse;
        if (levels->iq4) {
            float level = nearest_iq4(v);
            int index = 0;
            while ((float)block_iq4_values[index] != level) {
                index++;
            }
            q[i] = (uint8_t)index;
        } else {
            q[i] = (uint8_t)(int)(nearest_integer(v, levels->lo, levels->hi) - levels->lo);
        }
    }
}

void fit_load(float *dst, const float *src, int n)
{
    for (int i = 0; i < n; i++) {
        float v = src[i] == src[i] ? src[i] : 0.0f;
        v = v > FIT_LARGEST ? FIT_LARGEST : v;
        dst[i] = v < -FIT_LARGEST ? -FIT_LARGEST : v;
    }
}

float fit_half_scale(float value)
{
    if (value == 0.0f) {
        return 0.0f;
    }
    float magnitude = fabsf(value);
    if (magnitude < 0x1p-20f) { /* few steps left between halves: rounding down would clip */
        magnitude = ceilf(magnitude * 0x1p24f) * 0x1p-24f;
    }
    return copysignf(fit_half_offset(magnitude), value);
}

float fit_half_offset(float value)
{
    float limited = fminf(fmaxf(value, -65504.0f), 65504.0f);
    return quants_f16_to_f32(quants_f32_to_f16(limited));
}

static void lanes_uniform(struct lanes *out, const float *x, int n, float lo, float hi,
                          const float *inverse, const float *offset)
{
    struct lanes sums = {{0}, {0}, {0}};
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < FIT_LANES; c++) {
            float q = nearest_integer((x[i] - offset[c]) * inverse[c], lo, hi);
            sums.xq[c] += x[i] * q;
            sums.qq[c] += q * q;
            sums.q[c] += q;
        }
    }
    *out = sums;
}

static void lanes_iq4(struct lanes *out, const float *x, int n, const float *inverse)
{
    struct lanes sums = {{0}, {0}, {0}};
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < FIT_LANES; c++) {
            float q = nearest_iq4(x[i] * inverse[c]);
            sums.xq[c] += x[i] * q;
            sums.qq[c] += q * q;
        }
    }
    *out = sums;
}

/* Adding 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded to nearest even. */
static inline float nearest_integer(float v, float lo, float hi)
{
    v = v < lo ? lo : v;
    v = v > hi ? hi : v;
    return (v + 12582912.0f) - 12582912.0f;
}

/* From the lowest level, one step up for each midpoint passed. */
static inline float nearest_iq4(float v)
{
    float level = -127.0f;
    level += v > -115.5f ? 23.0f : 0.0f;
    level += v > -93.5f ? 21.0f : 0.0f;
    level += v > -74.0f ? 18.0f : 0.0f;
    level += v > -57.0f ? 16.0f : 0.0f;
    level += v > -42.0f ? 14.0f : 0.0f;
    level += v > -28.5f ? 13.0f : 0.0f;
    level += v > -16.0f ? 12.0f : 0.0f;
    level += v > -4.5f ? 11.0f : 0.0f;
    level += v > 7.0f ? 12.0f : 0.0f;
    level += v > 19.0f ? 12.0f : 0.0f;
    level += v > 31.5f ? 13.0f : 0.0f;
    level += v > 45.5f ? 15.0f : 0.0f;
    level += v > 61.0f ? 16.0f : 0.0f;
    level += v > 79.0f ? 20.0f : 0.0f;
    level += v > 101.0f ? 24.0f : 0.0f;
    return level;
}

static float reciprocal(float v)
{
    return fabsf(v) > 1e-30f ? 1.0f / v : 0.0f;
}

static void take_best_scale(struct fit_group *best, const struct lanes *sums, float xx)
{
    for (int c = 0; c < FIT_LANES; c++) {
        float xq = sums->xq[c], qq = sums->qq[c];
        if (qq > 0.0f && xx - xq * xq / qq < best->err) {
            *best =
                (struct fit_group){.scale = xq / qq, .xq = xq, .qq = qq, .err = xx - xq * xq / qq};
        }
    }
}

static void take_best_affine(struct fit_group *best, const struct lanes *sums, float x, float xx,
                             int n, int offset_sign)
{
    for (int c = 0; c < FIT_LANES; c++) {
        float xq = sums->xq[c], qq = sums->qq[c], q = sums->q[c];
        float det = (float)n * qq - q * q;
        float scale = ((float)n * xq - x * q) / det;
        float offset = (x - scale * q) / (float)n;
        if (!(det > 1e-6f * (float)n * qq) || (offset_sign < 0 && offset > 0.0f)) {
            offset = 0.0f;
            scale = qq > 0.0f ? xq / qq : 0.0f;
        }
        float err = xx - scale * xq - offset * x;
        if (scale > 0.0f && err < best->err) {
            *best = (struct fit_group){
                .scale = scale, .offset = offset, .xq = xq, .qq = qq, .q = q, .x = x, .err = err};
        }
    }
}
