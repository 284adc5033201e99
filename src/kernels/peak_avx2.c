/* SPDX-License-Identifier: MIT */
/* Peak loops of AVX2 + FMA. Twelve independent sums keep two units of latency five busy. */
#include "kernels/peak.h"

#include <immintrin.h>

enum { N_SUMS = 12 };

uint64_t peak_fp32_avx2(int n_rounds, float *sink)
{
    const __m256 factor = _mm256_set1_ps(0.5f + 0.0f * *sink); /* not known when compiling */
    __m256 s[N_SUMS];
    for (int i = 0; i < N_SUMS; i++) {
        s[i] = _mm256_set1_ps((float)i);
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < N_SUMS; i++) {
            s[i] = _mm256_fmadd_ps(s[i], factor, factor); /* settles at 1 */
        }
    }
    float lanes[8];
    for (int i = 0; i < N_SUMS; i++) {
        _mm256_storeu_ps(lanes, s[i]);
        *sink += lanes[0] + lanes[7];
    }
    return (uint64_t)n_rounds * N_SUMS * 8 * 2;
}

/* As the matmul does it: 8-bit products summed by pairs to 16 bits, by pairs to 32, then added. */
uint64_t peak_int8_avx2(int n_rounds, float *sink)
{
    enum { N_SUMS_INT8 = 8 };
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i weights = _mm256_set1_epi8(*sink > 1e30f ? 2 : 1);
    __m256i x = _mm256_set1_epi8(3);
    __m256i s[N_SUMS_INT8];
    for (int i = 0; i < N_SUMS_INT8; i++) {
        s[i] = _mm256_setzero_si256();
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 8
        for (int i = 0; i < N_SUMS_INT8; i++) {
            __asm__ volatile("" : "+x"(x)); /* may be another x each time: nothing is reused */
            __m256i pairs = _mm256_maddubs_epi16(weights, x);
            s[i] = _mm256_add_epi32(s[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    int32_t lanes[8];
    for (int i = 0; i < N_SUMS_INT8; i++) {
        _mm256_storeu_si256((__m256i *)(void *)lanes, s[i]);
        *sink += (float)(lanes[0] & 0xff) + (float)(lanes[7] & 0xff);
    }
    return (uint64_t)n_rounds * N_SUMS_INT8 * 32 * 2;
}
