/* SPDX-License-Identifier: MIT */
/*
 * Loops that do nothing but arithmetic in registers, one pair for every kernel level: what a core
 * of this CPU can reach with those instructions. Not used by the forward pass. Stateless, callable
 * from any thread.
 */
#ifndef KERNELS_PEAK_H
#define KERNELS_PEAK_H

#include "base/error.h"

#include <stdint.h>

/*
 * Does `n_rounds` rounds and returns the operations done, two per multiply-add. *sink takes a value
 * that depends on all of them, so that none can be left out.
 */
typedef uint64_t kernel_peak_fn(int n_rounds, float *sink);

struct kernel_peaks {
    const char *level;    /* as in struct kernels */
    kernel_peak_fn *fp32; /* 32-bit floats, fused where the level has it */
    kernel_peak_fn *int8; /* 8-bit integers summed in 32 bits, with the instructions of matmul */
};

/* As kernels_select. */
enum mscope_status kernels_select_peaks(struct kernel_peaks *out, const char *level,
                                        struct mscope_error *err);

/* ---- for the levels of kernels/ ---- */

kernel_peak_fn peak_fp32_ref, peak_int8_ref;
#if defined(__x86_64__)
kernel_peak_fn peak_fp32_avx2, peak_int8_avx2;
kernel_peak_fn peak_fp32_avx512, peak_int8_avx512;
#endif
#if defined(__aarch64__)
kernel_peak_fn peak_fp32_neon, peak_int8_neon, peak_int8_dotprod, peak_int8_i8mm;
#endif

#endif
