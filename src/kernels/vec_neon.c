/* SPDX-License-Identifier: MIT */
/*
 * Whole-vector operations, NEON: RMS norm, gated units, softmax, scaled addition. The exponential
 * is the one of vec_avx2.c: range reduction by ln 2 in two parts, then 1 + r + r^2 p(r), p fitted
 * on |r| <= ln(2)/2.
 */
#include "kernels/neon.h"

#include <math.h>

/* Below this e^x is not a normal number any more and becomes 0; above the other 2^n leaves the
 * range. */
#define EXP_LEAST -87.33f
#define EXP_MOST  88.37f

TILES_INLINE float32x4_t exp4(float32x4_t x)
{
    /* a NaN goes through: the comparison is false for it, and minimum and maximum keep it */
    uint32x4_t drop = vcltq_f32(x, vdupq_n_f32(EXP_LEAST));
    float32x4_t t = vminq_f32(vmaxq_f32(x, vdupq_n_f32(EXP_LEAST)), vdupq_n_f32(EXP_MOST));
    float32x4_t n = vrndnq_f32(vmulq_n_f32(t, 1.44269504f));
    float32x4_t r = vfmsq_n_f32(t, n, 0.693359375f);
    r = vfmsq_n_f32(r, n, -0.000212194442f);
    float32x4_t p = vdupq_n_f32(0.00138144672f);
    p = vfmaq_f32(vdupq_n_f32(0.00836878084f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.0416683927f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.166665196f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.49999994f), p, r);
    p = vfmaq_f32(vaddq_f32(r, vdupq_n_f32(1.0f)), vmulq_f32(r, r), p);
    int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    float32x4_t result = vmulq_f32(p, vreinterpretq_f32_s32(power));
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(result), drop));
}

/* The last n < 4 floats, zeros behind them. */
TILES_INLINE float32x4_t load_last(const float *x, int n)
{
    float four[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    memcpy(four, x, (size_t)n * sizeof *x);
    return vld1q_f32(four);
}

TILES_INLINE void store_last(float *dst, float32x4_t value, int n)
{
    float four[4];
    vst1q_f32(four, value);
    memcpy(dst, four, (size_t)n * sizeof *dst);
}

void neon_rms_norm(float *dst, const float *x, const float *weight, int n, float eps)
{
    float32x4_t sums[4];
    for (int k = 0; k < 4; k++) {
        sums[k] = vdupq_n_f32(0.0f);
    }
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        TILES_UNROLL
        for (int k = 0; k < 4; k++) {
            float32x4_t v = vld1q_f32(x + i + 4 * k);
            sums[k] = vfmaq_f32(sums[k], v, v);
        }
    }
    for (; i < n; i += 4) {
        float32x4_t v = n - i < 4 ? load_last(x + i, n - i) : vld1q_f32(x + i);
        sums[0] = vfmaq_f32(sums[0], v, v);
    }
    float32x4_t sum = vaddq_f32(vaddq_f32(sums[0], sums[2]), vaddq_f32(sums[1], sums[3]));
    float scale = 1.0f / sqrtf(neon_sum(sum) / (float)n + eps);
    for (i = 0; i + 4 <= n; i += 4) {
        vst1q_f32(dst + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(weight + i)));
    }
    for (; i < n; i++) {
        dst[i] = x[i] * scale * weight[i];
    }
}

typedef float32x4_t act_fn(float32x4_t z);

TILES_INLINE float32x4_t silu4(float32x4_t z)
{
    return vdivq_f32(z, vaddq_f32(vdupq_n_f32(1.0f), exp4(vnegq_f32(z))));
}

/* z (1 + tanh u) / 2 = z / (1 + e^(-2u)), u = sqrt(2/pi) (z + 0.044715 z^3). */
TILES_INLINE float32x4_t gelu4(float32x4_t z)
{
    const float32x4_t one = vdupq_n_f32(1.0f);
    float32x4_t cubic = vfmaq_n_f32(one, vmulq_f32(z, z), 0.044715f);
    float32x4_t minus_2u = vmulq_f32(vmulq_n_f32(z, -1.59576912f), cubic);
    return vdivq_f32(z, vaddq_f32(one, exp4(minus_2u)));
}

TILES_INLINE void glu(float *dst, const float *gate, const float *up, int n, act_fn *act)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1q_f32(dst + i, vmulq_f32(act(vld1q_f32(gate + i)), vld1q_f32(up + i)));
    }
    if (i < n) {
        float32x4_t gated = act(load_last(gate + i, n - i));
        store_last(dst + i, vmulq_f32(gated, load_last(up + i, n - i)), n - i);
    }
}

void neon_silu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, silu4);
}

void neon_gelu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, gelu4);
}

/* Elements that are NaN are passed over, as in the reference. */
static float largest(const float *x, int n)
{
    float32x4_t most = vdupq_n_f32(-INFINITY);
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        most = vmaxnmq_f32(most, vld1q_f32(x + i));
    }
    float result = vmaxnmvq_f32(most);
    for (; i < n; i++) {
        result = x[i] > result ? x[i] : result;
    }
    return result;
}

float neon_softmax(float *x, int n)
{
    /* Lanes are emptied into a double often enough that the sum of a long context keeps its
     * precision. */
    enum { CHUNK = 64 };
    float top = largest(x, n);
    const float32x4_t most = vdupq_n_f32(top == -INFINITY ? 0.0f : top);
    double sum = 0.0;
    for (int start = 0; start < n; start += CHUNK) {
        int end = n - start < CHUNK ? n : start + CHUNK;
        float32x4_t lanes_sum = vdupq_n_f32(0.0f);
        int i = start;
        for (; i + 4 <= end; i += 4) {
            float32x4_t e = exp4(vsubq_f32(vld1q_f32(x + i), most));
            vst1q_f32(x + i, e);
            lanes_sum = vaddq_f32(lanes_sum, e);
        }
        sum += (double)neon_sum(lanes_sum);
        if (i < end) {
            store_last(x + i, exp4(vsubq_f32(load_last(x + i, end - i), most)), end - i);
            for (; i < end; i++) {
                sum += (double)x[i];
            }
        }
    }
    return (float)sum;
}

/* tanh u = 1 - 2 / (1 + e^(2u)) */
TILES_INLINE float32x4_t soft_cap4(float32x4_t x, float cap, float twice_inverse)
{
    const float32x4_t one = vdupq_n_f32(1.0f);
    float32x4_t e = exp4(vmulq_n_f32(x, twice_inverse));
    return vmulq_n_f32(vsubq_f32(one, vdivq_f32(vdupq_n_f32(2.0f), vaddq_f32(one, e))), cap);
}

void neon_soft_cap(float *x, float cap, int n)
{
    float twice_inverse = 2.0f / cap;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1q_f32(x + i, soft_cap4(vld1q_f32(x + i), cap, twice_inverse));
    }
    if (i < n) {
        store_last(x + i, soft_cap4(load_last(x + i, n - i), cap, twice_inverse), n - i);
    }
}

void neon_add_scaled(float *dst, const float *x, float scale, int n)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t scaled = vmulq_n_f32(vld1q_f32(x + i), scale);
        vst1q_f32(dst + i, vaddq_f32(vld1q_f32(dst + i), scaled));
    }
    for (; i < n; i++) {
        dst[i] += x[i] * scale;
    }
}
