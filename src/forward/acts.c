/* SPDX-License-Identifier: MIT */
/* Activations in the formats that weights multiply with: quantised once, used by every product that
 * reads them. */
#include "forward/internal.h"

#include <assert.h>

static const enum dtype dtype_of[ACT_N] = {
    [ACT_Q8_0] = DTYPE_Q8_0,
    [ACT_Q8_1] = DTYPE_Q8_1,
    [ACT_Q8_K] = DTYPE_Q8_K,
    [ACT_F32] = DTYPE_F32,
};

struct quantise_job {
    struct forward *forward;
    struct acts *acts;
    unsigned formats;
};

static void quantise_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    const struct quantise_job *job = ctx;
    const struct kernels *k = job->forward->k;
    kernel_quantize_fn *const quantise[ACT_N_QUANTISED] = {
        [ACT_Q8_0] = k->quantize_q8_0,
        [ACT_Q8_1] = k->quantize_q8_1,
        [ACT_Q8_K] = k->quantize_q8_k,
    };
    const float *source = job->acts->f32 + (size_t)i_row * (size_t)job->acts->n;
    for (int format = 0; format < ACT_N_QUANTISED; format++) {
        if ((job->formats & 1u << format) != 0) {
            size_t row_bytes = acts_row_bytes(job->acts, (enum act_format)format);
            quantise[format](job->acts->quantised[format] + (size_t)i_row * row_bytes, source,
                             job->acts->n);
        }
    }
}

void acts_prepare(struct forward *forward, struct acts *acts, int n_rows, unsigned formats)
{
    unsigned missing = formats & ~acts->ready & ~(1u << ACT_F32);
    if (missing == 0) {
        return;
    }
    struct quantise_job job = {forward, acts, missing};
    pool_for(forward->pool, n_rows, quantise_row, &job);
    acts->ready |= missing;
}

enum mscope_status acts_init(struct acts *acts, struct arena *arena, int n_rows, int n,
                             bool quantised, struct mscope_error *err)
{
    *acts = (struct acts){.n = n};
    acts->f32 = arena_take(arena, (size_t)n_rows, (size_t)n * sizeof(float), err);
    if (acts->f32 == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    for (int format = 0; quantised && format < ACT_N_QUANTISED; format++) {
        /* A row that is no whole number of blocks has no weights of that format either. */
        if ((uint32_t)n % dtype_get(dtype_of[format])->block_elems != 0) {
            continue;
        }
        acts->quantised[format] =
            arena_take(arena, (size_t)n_rows, acts_row_bytes(acts, (enum act_format)format), err);
        if (acts->quantised[format] == NULL) {
            return MSCOPE_ERR_MEMORY;
        }
    }
    return MSCOPE_OK;
}

enum act_format acts_format(const struct forward *forward, enum dtype type)
{
    if (forward->exact) {
        return ACT_F32;
    }
    switch (kernels_act_type(type)) {
    case DTYPE_Q8_0:
        return ACT_Q8_0;
    case DTYPE_Q8_1:
        return ACT_Q8_1;
    case DTYPE_Q8_K:
        return ACT_Q8_K;
    default:
        return ACT_F32;
    }
}

size_t acts_row_bytes(const struct acts *acts, enum act_format format)
{
    return (size_t)dtype_row_bytes(dtype_of[format], (uint64_t)acts->n);
}

const void *acts_row(const struct acts *acts, enum act_format format, int i_row)
{
    const char *rows = format == ACT_F32 ? (const char *)acts->f32 : acts->quantised[format];
    assert(format == ACT_F32 || (acts->ready & 1u << format) != 0);
    return rows + (size_t)i_row * acts_row_bytes(acts, format);
}
