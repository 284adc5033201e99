/* SPDX-License-Identifier: MIT */
/* The walk over rows and activations that every vector level shares; see tiles.h. */
#include "kernels/tiles.h"

/* A block of rows stays in the first-level caches while all activations pass over it. */
enum { ROW_BLOCK = 16 };

void tiles_matmul(const struct tiles *tiles, float *dst, size_t dst_stride, const void *weights,
                  size_t row_bytes, int n_rows, const void *acts, size_t act_bytes, int n_acts,
                  int n_in)
{
    for (int first = 0; first < n_rows; first += ROW_BLOCK) {
        int n_block = n_rows - first < ROW_BLOCK ? n_rows - first : ROW_BLOCK;
        const uint8_t *rows = (const uint8_t *)weights + (size_t)first * row_bytes;
        const uint8_t *act = acts;
        float *out = dst + first;
        int left = n_acts;
        while (left > 0) {
            int step = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            tile_fn *tile = step == 4 ? tiles->act4 : step == 2 ? tiles->act2 : tiles->act1;
            for (int r = 0; r < n_block; r++) {
                tile(out + r, dst_stride, rows + (size_t)r * row_bytes, act, act_bytes, n_in);
            }
            act += (size_t)step * act_bytes;
            out += (size_t)step * dst_stride;
            left -= step;
        }
    }
}
