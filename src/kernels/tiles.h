/* SPDX-License-Identifier: MIT */
/*
 * Inside kernels/ only: how a vector level cuts a matmul into tiles of one weight row by one, two
 * or four activations, so that the row is unpacked once for all activations of a tile. The three
 * tiles of a type are one inlined body with a constant number of activations, hence the same
 * sequence of float operations for every (row, activation) pair: the result cannot depend on the
 * tiling.
 */
#ifndef KERNELS_TILES_H
#define KERNELS_TILES_H

#include "kernels/kernels.h"

/* dst[a * dst_stride] = dot(row, activation a); `acts` rows are act_bytes apart. */
typedef void tile_fn(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                     size_t act_bytes, int n_in);

struct tiles {
    tile_fn *act1, *act2, *act4;
};

/* kernel_matmul_fn by tiles; the other arguments as there. */
void tiles_matmul(const struct tiles *tiles, float *dst, size_t dst_stride, const void *weights,
                  size_t row_bytes, int n_rows, const void *acts, size_t act_bytes, int n_acts,
                  int n_in);

/*
 * Defines the tiles of `body(dst, dst_stride, row, acts, act_bytes, n_in, n_acts)`, an
 * always-inlined function, and the kernel_matmul_fn `name` over them.
 */
#define TILES_DEFINE(name, body)                                                                   \
    static void body##_act1(float *dst, size_t dst_stride, const uint8_t *row,                     \
                            const uint8_t *acts, size_t act_bytes, int n_in)                       \
    {                                                                                              \
        body(dst, dst_stride, row, acts, act_bytes, n_in, 1);                                      \
    }                                                                                              \
    static void body##_act2(float *dst, size_t dst_stride, const uint8_t *row,                     \
                            const uint8_t *acts, size_t act_bytes, int n_in)                       \
    {                                                                                              \
        body(dst, dst_stride, row, acts, act_bytes, n_in, 2);                                      \
    }                                                                                              \
    static void body##_act4(float *dst, size_t dst_stride, const uint8_t *row,                     \
                            const uint8_t *acts, size_t act_bytes, int n_in)                       \
    {                                                                                              \
        body(dst, dst_stride, row, acts, act_bytes, n_in, 4);                                      \
    }                                                                                              \
    void name(float *dst, size_t dst_stride, const void *weights, size_t row_bytes, int n_rows,    \
              const void *acts, size_t act_bytes, int n_acts, int n_in)                            \
    {                                                                                              \
        static const struct tiles tiles = {body##_act1, body##_act2, body##_act4};                 \
        tiles_matmul(&tiles, dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts, \
                     n_in);                                                                        \
    }

#define TILES_INLINE static inline __attribute__((always_inline))

/*
 * Unrolls the following loop, whose trip count is a constant after inlining. Not under a sanitizer,
 * whose checks in every copy would make compiling take minutes.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TILES_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TILES_SANITIZED 1
#endif
#endif
#if !defined(TILES_SANITIZED)
#define TILES_SANITIZED 0
#endif

#if TILES_SANITIZED && defined(__clang__)
#define TILES_UNROLL _Pragma("nounroll")
#elif TILES_SANITIZED
#define TILES_UNROLL _Pragma("GCC unroll 1")
#elif defined(__clang__)
#define TILES_UNROLL _Pragma("unroll")
#else
#define TILES_UNROLL _Pragma("GCC unroll 8")
#endif

/*
 * While columns at .. at + n - 1 (bytes) of n_rows rows are used, the rows after them come into the
 * second-level cache as one stream; the first has too few requests in flight to fetch from memory.
 */
TILES_INLINE void tiles_prefetch_rows(const uint8_t *rows, size_t row_bytes, const int n_rows,
                                      size_t at, const size_t n)
{
    const uint8_t *next = rows + (size_t)n_rows * (row_bytes + at);
    TILES_UNROLL
    for (size_t line = 0; line < (size_t)n_rows * n; line += 64) {
        __builtin_prefetch(next + line, 0, 2);
    }
}

enum { TILES_PREFETCH_BYTES = 16384 };

/*
 * Of pieces of piece_bytes one after the other from `first` on: the lines that begin in piece i,
 * far ahead, so that a walk over all pieces asks for each line once. To the second-level cache, as
 * above.
 */
TILES_INLINE void tiles_prefetch_piece(const uint8_t *first, const int i, const size_t piece_bytes)
{
    const size_t start = ((size_t)i * piece_bytes + 63) / 64 * 64;
    TILES_UNROLL
    for (size_t line = start; line < (size_t)(i + 1) * piece_bytes; line += 64) {
        __builtin_prefetch(first + line + TILES_PREFETCH_BYTES, 0, 2);
    }
}

/* A matmul of floats: what all its tiles have in common. */
struct float_job {
    float *dst;
    size_t dst_stride;
    const uint8_t *weights;
    size_t row_bytes;
    const uint8_t *acts;
    size_t act_bytes;
    int n_in;
};

#endif
