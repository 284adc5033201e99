/* SPDX-License-Identifier: MIT */
/*
 * Inside kernels/ only: each level overwrites in the table what it does better, on top of the level
 * below it. An ISA file is compiled with the flags of its ISA (by its suffix: *_avx2.c, *_avx512.c,
 * *_neon.c, *_dotprod.c, *_i8mm.c) and is entered only after the CPU was asked.
 */
#ifndef KERNELS_LEVELS_H
#define KERNELS_LEVELS_H

#include "kernels/kernels.h"

void kernels_fill_ref(struct kernels *out);
#if defined(__x86_64__)
void kernels_fill_avx2(struct kernels *out);   /* AVX2 + FMA + F16C */
void kernels_fill_avx512(struct kernels *out); /* AVX-512 F + BW + VL + DQ + VNNI */
#endif
#if defined(__aarch64__)
void kernels_fill_neon(struct kernels *out);
void kernels_fill_neon_dotprod(struct kernels *out); /* + dot products of Armv8.2 */
void kernels_fill_neon_i8mm(struct kernels *out);    /* + matrix multiply of Armv8.6 */
#endif

#endif
