/* SPDX-License-Identifier: MIT */
/*
 * Whole-vector operations that need an exponential, AVX-512: gated units, softmax, soft cap. The
 * same operations in the same order as vec_avx2.c, hence the same bits.
 */
#include "kernels/avx512.h"

#include <math.h>

/* Below this e^x is not a normal number any more and becomes 0; above the other 2^n leaves the
 * range. */
#define EXP_LEAST -87.33f
#define EXP_MOST  88.37f

TILES_INLINE __m512 exp16(__m512 x)
{
    const __m512 least = _mm512_set1_ps(EXP_LEAST);
    __mmask16 keep = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ);
    /* operand order lets a NaN through */
    __m512 t = _mm512_min_ps(_mm512_set1_ps(EXP_MOST), _mm512_max_ps(least, x));
    __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(t, _mm512_set1_ps(1.44269504f)));
    __m512 nf = _mm512_cvtepi32_ps(n);
    __m512 r = _mm512_fnmadd_ps(nf, _mm512_set1_ps(0.693359375f), t);
    r = _mm512_fnmadd_ps(nf, _mm512_set1_ps(-0.000212194442f), r);
    __m512 p = _mm512_set1_ps(0.00138144672f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.00836878084f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0416683927f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.166665196f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.49999994f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    __m512i power = _mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23);
    return _mm512_maskz_mul_ps(keep, p, _mm512_castsi512_ps(power));
}

typedef __m512 act_fn(__m512 z);

TILES_INLINE __m512 silu16(__m512 z)
{
    __m512 negated = _mm512_xor_ps(z, _mm512_set1_ps(-0.0f));
    return _mm512_div_ps(z, _mm512_add_ps(_mm512_set1_ps(1.0f), exp16(negated)));
}

/* z (1 + tanh u) / 2 = z / (1 + e^(-2u)), u = sqrt(2/pi) (z + 0.044715 z^3). */
TILES_INLINE __m512 gelu16(__m512 z)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(0.044715f), one);
    __m512 minus_2u = _mm512_mul_ps(_mm512_mul_ps(z, _mm512_set1_ps(-1.59576912f)), cubic);
    return _mm512_div_ps(z, _mm512_add_ps(one, exp16(minus_2u)));
}

TILES_INLINE void glu(float *dst, const float *gate, const float *up, int n, act_fn *act)
{
    for (int i = 0; i < n; i += 16) {
        __mmask16 lanes = avx512_first_lanes(n - i);
        __m512 gated = act(_mm512_maskz_loadu_ps(lanes, gate + i));
        __m512 factor = _mm512_maskz_loadu_ps(lanes, up + i);
        _mm512_mask_storeu_ps(dst + i, lanes, _mm512_mul_ps(gated, factor));
    }
}

void avx512_silu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, silu16);
}

void avx512_gelu_mul(float *dst, const float *gate, const float *up, int n)
{
    glu(dst, gate, up, n, gelu16);
}

/* Elements that are NaN are passed over, as in the reference. */
static float largest(const float *x, int n)
{
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int i = 0; i < n; i += 16) {
        __mmask16 lanes = avx512_first_lanes(n - i);
        most = _mm512_max_ps(_mm512_mask_loadu_ps(most, lanes, x + i), most);
    }
    return _mm512_reduce_max_ps(most);
}

float avx512_softmax(float *x, int n)
{
    enum { CHUNK = 128 }; /* as in vec_avx2.c */
    float top = largest(x, n);
    const __m512 most = _mm512_set1_ps(top == -INFINITY ? 0.0f : top);
    double sum = 0.0;
    for (int start = 0; start < n; start += CHUNK) {
        int end = n - start < CHUNK ? n : start + CHUNK;
        __m256 lanes_sum = _mm256_setzero_ps();
        for (int i = start; i < end; i += 16) {
            __mmask16 lanes = avx512_first_lanes(end - i);
            __m512 e = exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), most));
            e = _mm512_maskz_mov_ps(lanes, e);
            _mm512_mask_storeu_ps(x + i, lanes, e);
            lanes_sum = _mm256_add_ps(lanes_sum, _mm512_castps512_ps256(e));
            lanes_sum = _mm256_add_ps(lanes_sum, _mm512_extractf32x8_ps(e, 1));
        }
        sum += (double)avx2_sum(lanes_sum);
    }
    return (float)sum;
}

/* tanh u = 1 - 2 / (1 + e^(2u)) */
void avx512_soft_cap(float *x, float cap, int n)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512 caps = _mm512_set1_ps(cap), twice_inverse = _mm512_set1_ps(2.0f / cap);
    for (int i = 0; i < n; i += 16) {
        __mmask16 lanes = avx512_first_lanes(n - i);
        __m512 e = exp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), twice_inverse));
        __m512 rest = _mm512_div_ps(_mm512_set1_ps(2.0f), _mm512_add_ps(one, e));
        _mm512_mask_storeu_ps(x + i, lanes, _mm512_mul_ps(caps, _mm512_sub_ps(one, rest)));
    }
}
