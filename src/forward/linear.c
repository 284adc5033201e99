/* SPDX-License-Identifier: MIT */
/*
 * Products of activations with weight matrices, split over the threads by output row: each output
 * element is computed by one kernel call whatever the split, so results do not depend on the number
 * of threads.
 */
#include "forward/internal.h"

#include <assert.h>

enum {
    MAX_PRODUCTS = 4,
    CHUNKS_PER_THREAD = 8,
    ROWS_MULTIPLE = 32, /* rows that kernels take at once */
    ROWS_LEAST = 4,
    N_PARTS = 3, /* of the last chunk of a thread */
};

struct linear_job {
    struct forward *forward;
    const struct acts *in;
    int n_acts;
    const struct linear *products;
    int n_products;
    struct row_split split; /* of the rows of all products, one after the other */
};

static void linear_chunk(void *ctx, int i_chunk, int i_thread);
static void linear_rows(const struct linear_job *job, const struct linear *product, int first_row,
                        int n_rows, int i_thread);
static void add_bias(float *dst, size_t dst_stride, const float *bias, int n_rows, int n_acts);

void linear_run(struct forward *forward, struct acts *in, int n_rows, const struct linear *products,
                int n_products)
{
    assert(n_products <= MAX_PRODUCTS);
    unsigned formats = 0;
    int n_total = 0;
    for (int i = 0; i < n_products; i++) {
        formats |= 1u << acts_format(forward, products[i].weight->type);
        n_total += (int)products[i].weight->n_out;
        forward_count_weight(forward, products[i].weight, n_rows);
        if (products[i].bias != NULL) {
            forward_count_weight(forward, products[i].bias, 0);
        }
    }
    acts_prepare(forward, in, n_rows, formats);

    struct linear_job job = {
        .forward = forward,
        .in = in,
        .n_acts = n_rows,
        .products = products,
        .n_products = n_products,
        .split = linear_split(forward, n_total),
    };
    pool_for(forward->pool, job.split.n_chunks, linear_chunk, &job);
}

void linear_tile(struct forward *forward, float *dst, size_t dst_stride,
                 const struct weight *weight, int first_row, int n_rows, const struct acts *in,
                 int first_act, int n_acts, int i_thread)
{
    const struct kernels *k = forward->k;
    enum act_format format = acts_format(forward, weight->type);
    const void *acts = acts_row(in, format, first_act);
    size_t act_bytes = acts_row_bytes(in, format);
    const char *rows = (const char *)weight->data + (size_t)first_row * weight->row_bytes;
    int n_in = (int)weight->n_in;
    if (!forward->exact || weight->type == DTYPE_F32) {
        k->matmul[weight->type](dst, dst_stride, rows, weight->row_bytes, n_rows, acts, act_bytes,
                                n_acts, n_in);
        return;
    }
    float *row = forward->dequantised + (size_t)i_thread * forward->dequantised_stride;
    for (int r = 0; r < n_rows; r++) {
        k->dequantize[weight->type](row, rows + (size_t)r * weight->row_bytes, (size_t)n_in);
        k->matmul[DTYPE_F32](dst + r, dst_stride, row, 0, 1, acts, act_bytes, n_acts, n_in);
    }
}

/* A thread has whole chunks, then a half and two quarters of one: who is done first takes over the
 * small ones from the end of what others have, so all end at nearly the same time. */
struct row_split linear_split(const struct forward *forward, int n_rows)
{
    int n_threads = forward->n_threads;
    int share = (n_rows + n_threads - 1) / n_threads;
    struct row_split split = {.n_rows = n_rows};
    split.multiple = share >= CHUNKS_PER_THREAD * ROWS_MULTIPLE ? ROWS_MULTIPLE : ROWS_LEAST;
    split.share_rows = (share + split.multiple - 1) / split.multiple * split.multiple;
    int rows = split.share_rows / CHUNKS_PER_THREAD / split.multiple * split.multiple;
    split.chunk_rows = rows < split.multiple    ? split.multiple
                       : rows > LINEAR_MAX_ROWS ? LINEAR_MAX_ROWS
                                                : rows;
    split.n_whole = (split.share_rows - 1) / split.chunk_rows;
    split.n_chunks = n_threads * (split.n_whole + N_PARTS);
    return split;
}

int linear_span(const struct row_split *split, int i_chunk, int *end_row)
{
    int per_share = split->n_whole + N_PARTS;
    int share = i_chunk / per_share * split->share_rows;
    int i = i_chunk % per_share, part = i - split->n_whole;
    int quarter = (split->chunk_rows / 4 + split->multiple - 1) / split->multiple * split->multiple;
    int first = i * split->chunk_rows, end = first + split->chunk_rows;
    if (part >= 0) {
        int rest = split->n_whole * split->chunk_rows;
        first = rest + (part == 0 ? 0 : part + 1) * quarter;
        end = part == N_PARTS - 1 ? split->share_rows : rest + (part + 2) * quarter;
    }
    int end_share = share + split->share_rows;
    end_share = end_share < split->n_rows ? end_share : split->n_rows;
    *end_row = share + end < end_share ? share + end : end_share;
    return share + first < *end_row ? share + first : *end_row;
}

int linear_act_block(int n_acts)
{
    int n_blocks = (n_acts + LINEAR_ACT_BLOCK - 1) / LINEAR_ACT_BLOCK;
    return n_blocks <= 1 ? LINEAR_ACT_BLOCK : ((n_acts + n_blocks - 1) / n_blocks + 3) / 4 * 4;
}

void forward_count_weight(struct forward *forward, const struct weight *weight, int n_rows)
{
    if (weight->data == NULL) {
        return; /* an optional vector that this family does not have */
    }
    forward->counters.flops += 2 * (uint64_t)weight->n_in * weight->n_out * (uint64_t)n_rows;
    forward->counters.weight_bytes[weight->cls] += weight->row_bytes * weight->n_out;
}

static void linear_chunk(void *ctx, int i_chunk, int i_thread)
{
    const struct linear_job *job = ctx;
    int end, first = linear_span(&job->split, i_chunk, &end);
    for (int i = 0; i < job->n_products && first < end; i++) {
        int n_out = (int)job->products[i].weight->n_out;
        int n_rows = (end < n_out ? end : n_out) - first;
        if (n_rows > 0) {
            linear_rows(job, &job->products[i], first, n_rows, i_thread);
            first += n_rows;
        }
        first -= n_out;
        end -= n_out;
    }
}

static void linear_rows(const struct linear_job *job, const struct linear *product, int first_row,
                        int n_rows, int i_thread)
{
    size_t n_out = product->weight->n_out;
    int block = linear_act_block(job->n_acts);
    for (int a = 0; a < job->n_acts; a += block) {
        int n_acts = job->n_acts - a < block ? job->n_acts - a : block;
        float *dst = product->dst + (size_t)a * n_out + first_row;
        linear_tile(job->forward, dst, n_out, product->weight, first_row, n_rows, job->in, a,
                    n_acts, i_thread);
        if (product->bias != NULL && product->bias->data != NULL) {
            add_bias(dst, n_out, (const float *)product->bias->data + first_row, n_rows, n_acts);
        }
    }
}

static void add_bias(float *dst, size_t dst_stride, const float *bias, int n_rows, int n_acts)
{
    for (int a = 0; a < n_acts; a++) {
        for (int r = 0; r < n_rows; r++) {
            dst[(size_t)a * dst_stride + (size_t)r] += bias[r];
        }
    }
}
