/* SPDX-License-Identifier: MIT */
/*
 * Whole-vector operations, AVX2: RMS norm, gated units, softmax, scaled addition. The exponential
 * is ours: range reduction by ln 2 in two parts, then 1 + r + r^2 p(r) with p fitted for the least
 * largest relative error on |r| <= ln(2)/2 (3e-9 before rounding).
 */
#include "kernels/avx2.h"

#include <math.h>

/* Below this e^x is not a normal number any more and becomes 0; above the other 2^n leaves the
 * range. */
#define EXP_LEAST -87.33f
#define EXP_MOST  88.37f

TILES_INLINE __m256 exp8(__m256 x)
{
    const __m256 least = _mm256_set1_ps(EXP_LEAST);
    __m256 keep = _mm256_cmp_ps(x, least, _CMP_NLT_UQ);
    /* operand order lets a NaN through */
    __m256 t = _mm256_min_ps(_mm256_set1_ps(EXP_MOST), _mm256_max_ps(least, x));
    __m256i n = _mm256_cvtps_epi32(_mm256_mul_ps(t, _mm256_set1_ps(1.44269504f)));
    __m256 nf = _mm256_cvtepi32_ps(n);
    __m256 r = _mm256_fnmadd_ps(nf, _mm256_set1_ps(0.693359375f), t);
    r = _mm256_fnmadd_ps(nf, _mm256_set1_ps(-0.000212194442f), r);
    __m256 p = _mm256_set1_ps(0.00138144672f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.00836878084f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.0416683927f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.166665196f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.49999994f));
    p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
    __m256i power = _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
    return _mm256_and_ps(keep, _mm256_mul_ps(p, _mm256_castsi256_ps(power)));
}

/* All ones in the first n lanes, n from 0 to 8. */
TILES_INLINE __m256i first_lanes(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

void avx2_rms_norm(float *dst, const float *x, const float *weight, int n, float eps)
{
    __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
        sums[0] = _mm256_fmadd_ps(a, a, sums[0]);
        sums[1] = _mm256_fmadd_ps(b, b, sums[1]);
    }
    for (; i < n; i += 8) {
        __m256 a = _mm256_maskload_ps(x + i, first_lanes(n - i));
        sums[0] = _mm256_fmadd_ps(a, a, sums[0]);
    }
    float mean = avx2_sum(_mm256_add_ps(sums[0], sums[1])) / (float)n;
    __m256 scale = _mm256_set1_ps(1.0f / sqrtf(mean + eps));
    for (i = 0; i + 8 <= n; i += 8) {
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), scale);
        _mm256_storeu_ps(dst + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(weight + i)));
    }
    if (i < n) {
        __m256i lanes = first_lanes(n - i);
        __m256 scaled = _mm256_mul_ps(_mm256_maskload_ps(x + i, lanes), scale);
        _mm256_maskstore_ps(dst + i, lanes,
                            _mm256_mul_ps(scaled, _mm256_maskload_ps(weight + i, lanes)));
    }
}

typedef __m256 act_fn(__m256 z);

TILES_INLINE __m256 silu8(__m256 z)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 negated = _mm256_xor_ps(z, _mm256_set1_ps(-0.0f));
    return _mm256_div_ps(z, _mm256_add_ps(one, exp8(negated)));
}

/* z (1 + tanh u) / 2 = z / (1 + e^(-2u)), u = sqrt(2/pi) (z + 0.044715 z^3). */
TILES_INLINE __m256 gelu8(__m256 z)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 cubic = _mm256_fmadd_ps(_mm256_mul_ps(z, z), _mm256_set1_ps(0.044715f), one);
    __m256 minus_2u = _mm256_mul_ps(_mm256_mul_ps(z, _mm256_set1_ps(-1.59576912f)), cubic);
    return _mm256_div_ps(z, _mm256_add_ps(one, exp8(minus_2u)));
}

TILES_INLINE void glu(float *dst, const float *gate, const float *up, int n, act_fn *act)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 gated = act(_mm256_loadu_ps(gate + i));
        _mm256_storeu_ps(dst + i, _mm256_mul_ps(gated, _mm256_loadu_ps(up + i)));
    }
    if (i < n) {
        __m256i lanes = first_lanes(n - i);
        __m256 gated = act(_mm256_maskload_ps(gate + i, lanes));
        _mm256_maskstore_ps(dst + i, lanes,
                            _mm256_mul_ps(gated, _mm256_maskload_ps(up + i, lanes)));
    }
}

void avx2_silu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, silu8);
}

void avx2_gelu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, gelu8);
}

/* Elements that are NaN are passed over, as in the reference. */
static float largest(const float *x, int n)
{
    __m256 most = _mm256_set1_ps(-INFINITY);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        most = _mm256_max_ps(_mm256_loadu_ps(x + i), most);
    }
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    float result = _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
    for (; i < n; i++) {
        result = x[i] > result ? x[i] : result;
    }
    return result;
}

float avx2_softmax(float *x, int n)
{
    /* Lanes are emptied into a double often enough that the sum of a long context keeps its
     * precision. */
    enum { CHUNK = 128 };
    float top = largest(x, n);
    const __m256 most = _mm256_set1_ps(top == -INFINITY ? 0.0f : top);
    double sum = 0.0;
    for (int start = 0; start < n; start += CHUNK) {
        int end = n - start < CHUNK ? n : start + CHUNK;
        __m256 lanes_sum = _mm256_setzero_ps();
        int i = start;
        for (; i + 8 <= end; i += 8) {
            __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), most));
            _mm256_storeu_ps(x + i, e);
            lanes_sum = _mm256_add_ps(lanes_sum, e);
        }
        if (i < end) {
            __m256i lanes = first_lanes(end - i);
            __m256 e = exp8(_mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), most));
            _mm256_maskstore_ps(x + i, lanes, e);
            lanes_sum = _mm256_add_ps(lanes_sum, _mm256_and_ps(e, _mm256_castsi256_ps(lanes)));
        }
        sum += (double)avx2_sum(lanes_sum);
    }
    return (float)sum;
}

/* tanh u = 1 - 2 / (1 + e^(2u)) */
TILES_INLINE __m256 soft_cap8(__m256 x, __m256 cap, __m256 twice_inverse)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 e = exp8(_mm256_mul_ps(x, twice_inverse));
    __m256 rest = _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(one, e));
    return _mm256_mul_ps(cap, _mm256_sub_ps(one, rest));
}

void avx2_soft_cap(float *x, float cap, int n)
{
    const __m256 caps = _mm256_set1_ps(cap), twice_inverse = _mm256_set1_ps(2.0f / cap);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(x + i, soft_cap8(_mm256_loadu_ps(x + i), caps, twice_inverse));
    }
    if (i < n) {
        __m256i lanes = first_lanes(n - i);
        _mm256_maskstore_ps(x + i, lanes,
                            soft_cap8(_mm256_maskload_ps(x + i, lanes), caps, twice_inverse));
    }
}

void avx2_add_scaled(float *dst, const float *x, float scale, int n)
{
    const __m256 factor = _mm256_set1_ps(scale);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
        _mm256_storeu_ps(dst + i, _mm256_add_ps(_mm256_loadu_ps(dst + i), scaled));
    }
    if (i < n) {
        __m256i lanes = first_lanes(n - i);
        __m256 scaled = _mm256_mul_ps(_mm256_maskload_ps(x + i, lanes), factor);
        _mm256_maskstore_ps(dst + i, lanes,
                            _mm256_add_ps(_mm256_maskload_ps(dst + i, lanes), scaled));
    }
}
