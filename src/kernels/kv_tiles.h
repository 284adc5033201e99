/* SPDX-License-Identifier: MIT */
/*
 * Inside the kv_*.c files of the vector levels only: the loops of kv_scores and kv_mix, written
 * once over a vector of floats. The includer defines the type kv_vec, its lanes KV_LANES, the
 * helpers kv_* used below, and how many vectors stay in registers beside n_q queries
 * (KV_KEY_PANELS, KV_VALUE_VECS).
 *
 * One chain of fused multiply-adds per result, over ascending elements (scores) or positions (mix):
 * every tile and every level of the same machine gives the same bits.
 */
#ifndef KERNELS_KV_TILES_H
#define KERNELS_KV_TILES_H

#include "kernels/blocks.h"
#include "kernels/tiles.h"

#include <math.h>

enum {
    KV_PANEL_VECS = KERNEL_KV_PANEL / KV_LANES,
    KV_GROUP_PANELS = 4,     /* keys that stay in the first-level cache while all queries pass */
    KV_GROUP_POSITIONS = 64, /* values likewise */
    KV_MAX_VECS = 8,
    KV_MAX_QUERIES = 6,
    KV_Q8_PANEL_BLOCK = KERNEL_KV_PANEL * (BLOCK_ELEMS + 2),
    KV_STREAM_QUERIES = 4,    /* no more than these read from memory rather than from a cache */
    KV_PREFETCH_BYTES = 8192, /* of values, to the second-level cache */
    KVI_QUERIES = 48,         /* whose integers stay in the first-level cache */
    KVI_FEW_QUERIES = 6,      /* not worth a copy of the integers of keys and values */
    KVI_HEAD = 256,           /* elements of each; longer heads take fewer queries */
    KVI_COLUMNS = 64,         /* of values that are integers at a time */
};

#include "kernels/kv_mix.h"
#include "kernels/kv_scores.h"
#if defined(KV_INTEGERS)
TILES_INLINE kv_vec kvi_floats(const float *p, int v)
{
    return kv_load((const uint8_t *)(const void *)(p + v * KV_LANES));
}
#include "kernels/kv_int_mix.h"
#include "kernels/kv_int_scores.h"

#include "kernels/kv_int_few.h"

#include "kernels/kv_int_calls.h"
#endif

/* The two kernels in integers of one type at one level. */
#define KVI_DEFINE(level, name, type)                                                              \
    void level##_kv_int_scores_##name(float *scores, size_t stride, const float *q,                \
                                      size_t q_stride, int n_q, const void *panels,                \
                                      size_t panel_bytes, int n_panels, int n)                     \
    {                                                                                              \
        kvi_scores(scores, stride, q, q_stride, n_q, panels, panel_bytes, n_panels, n, type);      \
    }                                                                                              \
    void level##_kv_int_mix_##name(float *out, size_t stride, const float *weights,                \
                                   size_t w_stride, int n_q, const void *rows, size_t row_bytes,   \
                                   int n_pos, int n)                                               \
    {                                                                                              \
        kvi_mix(out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, n, type);             \
    }

/* The two kernels of one type at one level. */
#define KV_DEFINE(level, name, type)                                                               \
    void level##_kv_scores_##name(float *scores, size_t stride, const float *q, size_t q_stride,   \
                                  int n_q, const void *panels, size_t panel_bytes, int n_panels,   \
                                  int n)                                                           \
    {                                                                                              \
        kv_scores(scores, stride, q, q_stride, n_q, panels, panel_bytes, n_panels, n, type);       \
    }                                                                                              \
    void level##_kv_mix_##name(float *out, size_t stride, const float *weights, size_t w_stride,   \
                               int n_q, const void *rows, size_t row_bytes, int n_pos, int n)      \
    {                                                                                              \
        kv_mix(out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, n, type);              \
    }

#endif
