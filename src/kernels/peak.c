/* SPDX-License-Identifier: MIT */
/* Which pair belongs to which level, and the pair of the reference level in plain C. */
#include "kernels/peak.h"

#include "kernels/kernels.h"

#include <string.h>

enum { N_LANES = 64 }; /* independent sums, enough to hide the latency of an addition */

static const struct kernel_peaks all[] = {
    {"ref", peak_fp32_ref, peak_int8_ref},
#if defined(__x86_64__)
    {"avx2", peak_fp32_avx2, peak_int8_avx2},
    {"avx512", peak_fp32_avx512, peak_int8_avx512},
#elif defined(__aarch64__)
    {"neon", peak_fp32_neon, peak_int8_neon},
    {"neon-dotprod", peak_fp32_neon, peak_int8_dotprod},
    {"neon-i8mm", peak_fp32_neon, peak_int8_i8mm},
#endif
};

enum mscope_status kernels_select_peaks(struct kernel_peaks *out, const char *level,
                                        struct mscope_error *err)
{
    struct kernels kernels = {0};
    enum mscope_status status = kernels_select(&kernels, level, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    const char *const *levels = kernels_levels();
    int i_level = 0;
    while (strcmp(levels[i_level], kernels.level) != 0) {
        i_level++;
    }
    for (; i_level >= 0; i_level--) { /* a level without loops of its own has those below it */
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            if (strcmp(all[i].level, levels[i_level]) == 0) {
                *out = all[i];
                out->level = kernels.level;
                return MSCOPE_OK;
            }
        }
    }
    return error_set(err, MSCOPE_ERR_UNSUPPORTED, "CPU level", "\"%s\" has no peak loops",
                     kernels.level);
}

/* The factor keeps the sums finite however long it runs: they settle at 1. */
uint64_t peak_fp32_ref(int n_rounds, float *sink)
{
    float sums[N_LANES];
    float factor = 0.5f + 0.0f * *sink;
    for (int i = 0; i < N_LANES; i++) {
        sums[i] = (float)i;
    }
    for (int round = 0; round < n_rounds; round++) {
        for (int i = 0; i < N_LANES; i++) {
            sums[i] = sums[i] * factor + factor;
        }
    }
    for (int i = 0; i < N_LANES; i++) {
        *sink += sums[i];
    }
    return (uint64_t)n_rounds * N_LANES * 2;
}

uint64_t peak_int8_ref(int n_rounds, float *sink)
{
    int8_t a[N_LANES];
    int8_t b[N_LANES];
    int32_t sum = 0;
    for (int i = 0; i < N_LANES; i++) {
        a[i] = (int8_t)(i - 32 + (*sink > 1e30f));
        b[i] = (int8_t)(i % 7 - 3);
    }
    for (int round = 0; round < n_rounds; round++) {
        for (int i = 0; i < N_LANES; i++) {
            sum += a[i] * b[i];
        }
        a[round % N_LANES] = (int8_t)(sum & 63); /* no two rounds are alike */
        sum &= 0xffffff;
    }
    *sink += (float)sum;
    return (uint64_t)n_rounds * N_LANES * 2;
}
