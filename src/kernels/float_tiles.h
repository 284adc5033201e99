/* SPDX-License-Identifier: MIT */
/*
 * Inside matmul_float_avx2.c and matmul_float_neon.c only: the walk of a float matmul over register
 * tiles, two rows with three activations, or four rows with a single activation, where memory is
 * the limit. Before it the includer defines load_fn and struct float_sum, the sixteen lanes of one
 * (row, activation); after it add_step and sum_lanes.
 */
#ifndef KERNELS_FLOAT_TILES_H
#define KERNELS_FLOAT_TILES_H

#include "kernels/tiles.h"

#include <string.h>

enum { STEP = 16, TILE_ROWS = 2, TILE_ACTS = 3, STREAM_ROWS = 4, BLOCK_ROWS = 16 };

/* sum[a][r] += the products of elements i .. i+15. */
TILES_INLINE void add_step(struct float_sum sum[][STREAM_ROWS], const uint8_t *rows,
                           size_t row_bytes, const uint8_t *acts, size_t act_bytes, int i,
                           const int n_rows, const int n_acts, load_fn *load);
/* 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
TILES_INLINE float sum_lanes(const struct float_sum *sum);

/* The elements past the last whole step, zeros after them. */
TILES_INLINE void add_rest(struct float_sum sum[][STREAM_ROWS], const uint8_t *rows,
                           size_t row_bytes, const uint8_t *acts, size_t act_bytes, int i, int n,
                           const int n_rows, const int n_acts, load_fn *load,
                           const size_t elem_bytes)
{
    uint8_t w[STREAM_ROWS][STEP * sizeof(float)] = {{0}};
    uint8_t x[TILE_ACTS][STEP * sizeof(float)] = {{0}};
    for (int r = 0; r < n_rows; r++) {
        memcpy(w[r], rows + (size_t)r * row_bytes + (size_t)i * elem_bytes, (size_t)n * elem_bytes);
    }
    for (int a = 0; a < n_acts; a++) {
        memcpy(x[a], acts + (size_t)a * act_bytes + (size_t)i * 4, (size_t)n * 4);
    }
    add_step(sum, w[0], sizeof w[0], x[0], sizeof x[0], 0, n_rows, n_acts, load);
}

/* n_rows rows from first_row with n_acts activations from first_act. */
TILES_INLINE void tile(const struct float_job *job, int first_row, int first_act, const int n_rows,
                       const int n_acts, load_fn *load, const size_t elem_bytes,
                       const int is_stream)
{
    const uint8_t *rows = job->weights + (size_t)first_row * job->row_bytes;
    const uint8_t *acts = job->acts + (size_t)first_act * job->act_bytes;
    struct float_sum sum[TILE_ACTS][STREAM_ROWS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            sum[a][r] = (struct float_sum){0};
        }
    }
    int i = 0;
    for (; i + STEP <= job->n_in; i += STEP) {
        if (is_stream) {
            tiles_prefetch_rows(rows, job->row_bytes, n_rows, (size_t)i * elem_bytes,
                                STEP * elem_bytes);
        }
        add_step(sum, rows, job->row_bytes, acts, job->act_bytes, i, n_rows, n_acts, load);
    }
    if (i < job->n_in) {
        add_rest(sum, rows, job->row_bytes, acts, job->act_bytes, i, job->n_in - i, n_rows, n_acts,
                 load, elem_bytes);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        float *dst = job->dst + (size_t)(first_act + a) * job->dst_stride + first_row;
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            dst[r] = sum_lanes(&sum[a][r]);
        }
    }
}

/* Rows first_row .. end_row - 1 with n_acts activations, which stay in the first-level cache. */
TILES_INLINE void tile_acts(const struct float_job *job, int first_row, int end_row, int first_act,
                            const int n_acts, load_fn *load, const size_t elem_bytes)
{
    int r = first_row;
    for (; r + TILE_ROWS <= end_row; r += TILE_ROWS) {
        tile(job, r, first_act, TILE_ROWS, n_acts, load, elem_bytes, 0);
    }
    if (r < end_row) {
        tile(job, r, first_act, 1, n_acts, load, elem_bytes, 0);
    }
}

TILES_INLINE void float_matmul(const struct float_job *job, int n_rows, int n_acts, load_fn *load,
                               const size_t elem_bytes)
{
    int r = 0;
    if (n_acts == 1) {
        for (; r + STREAM_ROWS <= n_rows; r += STREAM_ROWS) {
            tile(job, r, 0, STREAM_ROWS, 1, load, elem_bytes, 1);
        }
    }
    for (; r < n_rows; r += BLOCK_ROWS) {
        int end = n_rows - r < BLOCK_ROWS ? n_rows : r + BLOCK_ROWS;
        int a = 0;
        for (; a + TILE_ACTS <= n_acts; a += TILE_ACTS) {
            tile_acts(job, r, end, a, TILE_ACTS, load, elem_bytes);
        }
        if (a + 2 <= n_acts) {
            tile_acts(job, r, end, a, 2, load, elem_bytes);
        } else if (a < n_acts) {
            tile_acts(job, r, end, a, 1, load, elem_bytes);
        }
    }
}

#endif
