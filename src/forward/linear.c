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
};

struct linear_job {
    struct forward *forward;
    const struct acts *in;
    int n_acts;
    const struct linear *products;
    int n_products, chunk_rows;
    int first_chunk[MAX_PRODUCTS + 1];
};

static void linear_chunk(void *ctx, int i_chunk, int i_thread);
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
        .chunk_rows = linear_chunk_rows(forward, n_total),
    };
    for (int i = 0; i < n_products; i++) {
        int n_chunks = ((int)products[i].weight->n_out + job.chunk_rows - 1) / job.chunk_rows;
        job.first_chunk[i + 1] = job.first_chunk[i] + n_chunks;
    }
    pool_for(forward->pool, job.first_chunk[n_products], linear_chunk, &job);
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

int linear_chunk_rows(const struct forward *forward, int n_total)
{
    int n_chunks = forward->n_threads * CHUNKS_PER_THREAD;
    int rows = n_total / n_chunks;
    rows = rows < ROWS_MULTIPLE ? rows / 4 * 4 : rows / ROWS_MULTIPLE * ROWS_MULTIPLE;
    return rows < 4 ? 4 : rows > LINEAR_MAX_ROWS ? LINEAR_MAX_ROWS : rows;
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
    int i_product = 0;
    while (i_chunk >= job->first_chunk[i_product + 1]) {
        i_product++;
    }
    const struct linear *product = &job->products[i_product];
    size_t n_out = product->weight->n_out;
    int first_row = (i_chunk - job->first_chunk[i_product]) * job->chunk_rows;
    int n_rows =
        (int)n_out - first_row < job->chunk_rows ? (int)n_out - first_row : job->chunk_rows;

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
