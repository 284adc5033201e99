/* SPDX-License-Identifier: MIT */
/* Peak loops of AVX-512 with VNNI. Twelve independent sums keep the units busy all the time. */
#include "kernels/peak.h"

#include <immintrin.h>

enum { N_SUMS = 12 };

uint64_t peak_fp32_avx512(int n_rounds, float *sink)
{
    const __m512 factor = _mm512_set1_ps(0.5f + 0.0f * *sink); /* not known when compiling */
    __m512 s[N_SUMS];
    for (int i = 0; i < N_SUMS; i++) {
        s[i] = _mm512_set1_ps((float)i);
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < N_SUMS; i++) {
            s[i] = _mm512_fmadd_ps(s[i], factor, factor); /* settles at 1 */
        }
    }
    for (int i = 0; i < N_SUMS; i++) {
        *sink += _mm512_reduce_add_ps(s[i]);
    }
    return (uint64_t)n_rounds * N_SUMS * 16 * 2;
}

/* Four 8-bit products and their sum in 32 bits are one instruction. */
uint64_t peak_int8_avx512(int n_rounds, float *sink)
{
    const __m512i weights = _mm512_set1_epi8(*sink > 1e30f ? 2 : 1);
    __m512i x = _mm512_set1_epi8(3);
    __m512i s[N_SUMS];
    for (int i = 0; i < N_SUMS; i++) {
        s[i] = _mm512_setzero_si512();
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < N_SUMS; i++) {
            __asm__ volatile("" : "+v"(x)); /* may be another x each time: nothing is reused */
            s[i] = _mm512_dpbusd_epi32(s[i], weights, x);
        }
    }
    for (int i = 0; i < N_SUMS; i++) {
        *sink += (float)(_mm512_reduce_add_epi32(s[i]) & 0xff);
    }
    return (uint64_t)n_rounds * N_SUMS * 64 * 2;
}
