/* SPDX-License-Identifier: MIT */
/*
 * Matmul of F32, F16 and BF16 weights with F32 activations, NEON: two rows with three activations
 * in registers, or four rows with a single activation, where memory is the limit. The sixteen lanes
 * of a sum and the order in which they are added up are those of x86: the same bits.
 */
#include "kernels/neon.h"

enum { STEP = 16, TILE_ROWS = 2, TILE_ACTS = 3, STREAM_ROWS = 4, BLOCK_ROWS = 16 };

/* Elements i .. i+3 of a row. */
typedef float32x4_t load_fn(const uint8_t *row, int i);

struct float_job {
    float *dst;
    size_t dst_stride;
    const uint8_t *weights;
    size_t row_bytes;
    const uint8_t *acts;
    size_t act_bytes;
    int n_in;
};

/* Lanes 4k .. 4k+3 of every step of one (row, activation) in of[k]. */
struct float_sum {
    float32x4_t of[4];
};

TILES_INLINE float32x4_t load_bf16(const uint8_t *row, int i)
{
    uint16x4_t bits = vreinterpret_u16_u8(vld1_u8(row + 2 * (size_t)i));
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

/* sum[a][r] += the products of elements i .. i+15. */
TILES_INLINE void add_step(struct float_sum sum[][STREAM_ROWS], const uint8_t *rows,
                           size_t row_bytes, const uint8_t *acts, size_t act_bytes, int i,
                           const int n_rows, const int n_acts, load_fn *load)
{
    TILES_UNROLL
    for (int k = 0; k < 4; k++) {
        float32x4_t w[STREAM_ROWS];
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            w[r] = load(rows + (size_t)r * row_bytes, i + 4 * k);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            float32x4_t x = neon_load_f32(acts + (size_t)a * act_bytes, i + 4 * k);
            TILES_UNROLL
            for (int r = 0; r < n_rows; r++) {
                sum[a][r].of[k] = vfmaq_f32(sum[a][r].of[k], w[r], x);
            }
        }
    }
}

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

TILES_INLINE float sum_lanes(const struct float_sum *sum)
{
    float32x4_t v = vaddq_f32(vaddq_f32(sum->of[0], sum->of[2]), vaddq_f32(sum->of[1], sum->of[3]));
    return vpadds_f32(vadd_f32(vget_low_f32(v), vget_high_f32(v)));
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
            TILES_UNROLL
            for (int k = 0; k < 4; k++) {
                sum[a][r].of[k] = vdupq_n_f32(0.0f);
            }
        }
    }
    int i = 0;
    for (; i + STEP <= job->n_in; i += STEP) {
        if (is_stream) {
            neon_prefetch_rows(rows, job->row_bytes, n_rows, (size_t)i * elem_bytes,
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

#define MATMUL(type, load, elem_bytes)                                                             \
    void neon_matmul_##type(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,  \
                            int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)  \
    {                                                                                              \
        struct float_job job = {dst, dst_stride, weights, row_bytes, acts, act_bytes, n_in};       \
        float_matmul(&job, n_rows, n_acts, load, elem_bytes);                                      \
    }

MATMUL(f32, neon_load_f32, 4)
MATMUL(f16, neon_load_f16, 2)
MATMUL(bf16, load_bf16, 2)
