/* SPDX-License-Identifier: MIT */
/* Matrix products by the kernels over all threads of a pool, on weights that mean nothing. */
#include "machine/products.h"

#include "base/clock.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/quants.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PATTERN_ELEMS = 1 << 18, /* different weights; the buffer repeats them */
    CHUNK_ROWS = 64,         /* rows of one claim and activations of one call, as in forward/ */
    CHUNK_ACTS = 256,
    MIN_PASSES = 3,
    MAX_PASSES = 4096
};

struct products {
    struct pool *pool;
    struct kernels kernels;
    enum dtype type;
    char *weights;
    uint64_t n_bytes, pattern_bytes;
};

struct job {
    const struct products *products;
    struct product_shape shape;
    const char *matrix;
    size_t row_bytes, act_bytes;
    char *acts;
    float *dst; /* (n_tokens, n_out) */
};

static enum mscope_status check_shape(const struct products *products,
                                      const struct product_shape *shape, struct mscope_error *err);
static enum mscope_status fill_pattern(struct products *products, struct mscope_error *err);
static void repeat_pattern(void *ctx, int i_chunk, int i_thread);
static enum mscope_status make_acts(struct job *job, struct mscope_error *err);
static enum mscope_status run_passes(struct product_rate *out, struct job *job, uint64_t budget_ns,
                                     struct mscope_error *err);
static void multiply_rows(void *ctx, int i_chunk, int i_thread);
static bool result_is_right(const struct job *job);
static int compare_ns(const void *a, const void *b);

enum mscope_status products_measure(struct product_rate *out, struct products *products,
                                    const struct product_shape *shape, uint64_t budget_ns,
                                    struct mscope_error *err)
{
    *out = (struct product_rate){0};
    enum mscope_status status = check_shape(products, shape, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct job job = {
        .products = products,
        .shape = *shape,
        .row_bytes = dtype_row_bytes(products->type, (uint64_t)shape->n_in),
        .dst = calloc((size_t)shape->n_tokens * (size_t)shape->n_out, sizeof(float)),
    };
    if (job.dst == NULL) {
        status = error_set_memory(err, "product", (uint64_t)shape->n_out * sizeof(float));
    } else {
        status = make_acts(&job, err);
    }
    if (status == MSCOPE_OK) {
        status = run_passes(out, &job, budget_ns, err);
    }
    free(job.acts);
    free(job.dst);
    return status;
}

enum mscope_status products_open(struct products **out, struct pool *pool, enum dtype type,
                                 const char *level, uint64_t buffer_bytes, struct mscope_error *err)
{
    *out = NULL;
    struct products *products = calloc(1, sizeof *products);
    if (products == NULL) {
        return error_set_memory(err, "products", sizeof *products);
    }
    products->pool = pool;
    products->type = type;
    products->pattern_bytes = dtype_row_bytes(type, PATTERN_ELEMS);
    products->n_bytes = buffer_bytes / products->pattern_bytes * products->pattern_bytes;
    enum mscope_status status = kernels_select(&products->kernels, level, err);
    if (status == MSCOPE_OK && products->kernels.matmul[type] == NULL) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "type", "%s holds no weights",
                           dtype_name((uint32_t)type));
    }
    if (status == MSCOPE_OK && products->n_bytes == 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "buffer", "%llu bytes, expected %llu or more",
                           (unsigned long long)buffer_bytes,
                           (unsigned long long)products->pattern_bytes);
    }
    status = status == MSCOPE_OK ? fill_pattern(products, err) : status;
    if (status != MSCOPE_OK) {
        products_close(&products);
        return status;
    }
    *out = products;
    return MSCOPE_OK;
}

void products_close(struct products **products)
{
    if (*products == NULL) {
        return;
    }
    if ((*products)->weights != NULL) {
        munmap((*products)->weights, (size_t)(*products)->n_bytes);
    }
    free(*products);
    *products = NULL;
}

static enum mscope_status check_shape(const struct products *products,
                                      const struct product_shape *shape, struct mscope_error *err)
{
    int block = (int)dtype_get((uint32_t)products->type)->block_elems;
    const int most = 1 << 20;
    bool sizes_fit = shape->n_in >= 1 && shape->n_in <= PATTERN_ELEMS && shape->n_in % block == 0 &&
                     shape->n_out >= 1 && shape->n_out <= most && shape->n_tokens >= 1 &&
                     shape->n_tokens <= most;
    if (!sizes_fit) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "product",
                         "%d x %d by %d tokens, expected a multiple of %d by 1 to %d by 1 to %d",
                         shape->n_in, shape->n_out, shape->n_tokens, block, most, most);
    }
    uint64_t row_bytes = dtype_row_bytes(products->type, (uint64_t)shape->n_in);
    if (row_bytes * (uint64_t)shape->n_out > products->n_bytes) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "product",
                         "%d x %d takes %llu bytes, the buffer has %llu", shape->n_in, shape->n_out,
                         (unsigned long long)(row_bytes * (uint64_t)shape->n_out),
                         (unsigned long long)products->n_bytes);
    }
    return MSCOPE_OK;
}

/* The first stretch is quantised, the others are copies of it. */
static enum mscope_status fill_pattern(struct products *products, struct mscope_error *err)
{
    float *values = malloc(PATTERN_ELEMS * sizeof *values);
    void *weights = mmap(NULL, (size_t)products->n_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    products->weights = weights == MAP_FAILED ? NULL : weights;
    if (values == NULL || products->weights == NULL) {
        free(values);
        return error_set_memory(err, "weights of a product", products->n_bytes);
    }
#if defined(MADV_HUGEPAGE)
    madvise(weights, (size_t)products->n_bytes, MADV_HUGEPAGE);
#endif
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < PATTERN_ELEMS; i++) {
        values[i] = 2.0f * rng_uniform(&rng) - 1.0f;
    }
    quants_quantize_row_fast(products->type, weights, values, PATTERN_ELEMS);
    free(values);
    pool_for(products->pool, (int)(products->n_bytes / products->pattern_bytes) - 1, repeat_pattern,
             products);
    return MSCOPE_OK;
}

static void repeat_pattern(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    const struct products *products = ctx;
    memcpy(products->weights + (size_t)(i_chunk + 1) * products->pattern_bytes, products->weights,
           products->pattern_bytes);
}

static enum mscope_status make_acts(struct job *job, struct mscope_error *err)
{
    const struct kernels *kernels = &job->products->kernels;
    enum dtype type = kernels_act_type(job->products->type);
    size_t n_in = (size_t)job->shape.n_in;
    job->act_bytes = dtype_row_bytes(type, n_in);
    job->acts = malloc((size_t)job->shape.n_tokens * job->act_bytes);
    float *values = malloc(n_in * sizeof *values);
    if (job->acts == NULL || values == NULL) {
        free(values);
        return error_set_memory(err, "activations of a product", job->act_bytes);
    }
    struct rng rng;
    rng_seed(&rng, 2);
    for (int t = 0; t < job->shape.n_tokens; t++) {
        char *row = job->acts + (size_t)t * job->act_bytes;
        for (size_t i = 0; i < n_in; i++) {
            values[i] = 2.0f * rng_uniform(&rng) - 1.0f;
        }
        if (type == DTYPE_F32) {
            memcpy(row, values, job->act_bytes);
        } else {
            kernel_quantize_fn *quantize = type == DTYPE_Q8_0   ? kernels->quantize_q8_0
                                           : type == DTYPE_Q8_1 ? kernels->quantize_q8_1
                                                                : kernels->quantize_q8_k;
            quantize(row, values, (int)n_in);
        }
    }
    free(values);
    return MSCOPE_OK;
}

/* Every pass takes the next matrix of the buffer, so that none is still in a cache. */
static enum mscope_status run_passes(struct product_rate *out, struct job *job, uint64_t budget_ns,
                                     struct mscope_error *err)
{
    const struct products *products = job->products;
    uint64_t matrix_bytes = (uint64_t)job->shape.n_out * job->row_bytes;
    uint64_t n_matrices = products->n_bytes / matrix_bytes;
    uint64_t *pass_ns = malloc(MAX_PASSES * sizeof *pass_ns);
    if (pass_ns == NULL) {
        return error_set_memory(err, "product", MAX_PASSES * sizeof *pass_ns);
    }
    int n_chunks = (job->shape.n_out + CHUNK_ROWS - 1) / CHUNK_ROWS;
    uint64_t start_ns = clock_now_ns();
    int n = -1; /* the first pass warms up */
    while (n < MAX_PASSES && (n < MIN_PASSES || clock_now_ns() - start_ns < budget_ns)) {
        job->matrix = products->weights + (uint64_t)(n + 1) % n_matrices * matrix_bytes;
        uint64_t t = clock_now_ns();
        pool_for(products->pool, n_chunks, multiply_rows, job);
        t = clock_now_ns() - t;
        if (n >= 0) {
            pass_ns[n] = t + (t == 0);
        }
        n++;
    }
    qsort(pass_ns, (size_t)n, sizeof *pass_ns, compare_ns);
    double middle_s = 0.5e-9 * (double)(pass_ns[(n - 1) / 2] + pass_ns[n / 2]);
    free(pass_ns);
    out->bytes_per_s = (double)matrix_bytes / middle_s;
    out->ops_per_s =
        2.0 * job->shape.n_in * (double)job->shape.n_out * job->shape.n_tokens / middle_s;
    out->n_passes = n;
    return result_is_right(job) ? MSCOPE_OK
                                : error_set(err, MSCOPE_ERR_IO, "product",
                                            "the last element differs from that of its row alone");
}

static void multiply_rows(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    const struct job *job = ctx;
    const struct product_shape *shape = &job->shape;
    int first = i_chunk * CHUNK_ROWS;
    int n_rows = shape->n_out - first < CHUNK_ROWS ? shape->n_out - first : CHUNK_ROWS;
    for (int a = 0; a < shape->n_tokens; a += CHUNK_ACTS) {
        int n_acts = shape->n_tokens - a < CHUNK_ACTS ? shape->n_tokens - a : CHUNK_ACTS;
        job->products->kernels.matmul[job->products->type](
            job->dst + (size_t)a * (size_t)shape->n_out + first, (size_t)shape->n_out,
            job->matrix + (size_t)first * job->row_bytes, job->row_bytes, n_rows,
            job->acts + (size_t)a * job->act_bytes, job->act_bytes, n_acts, shape->n_in);
    }
}

/* kernels.h promises the same bits however many rows and activations are asked for at once. */
static bool result_is_right(const struct job *job)
{
    const struct product_shape *shape = &job->shape;
    size_t row = (size_t)shape->n_out - 1;
    size_t act = (size_t)shape->n_tokens - 1;
    float alone;
    job->products->kernels.matmul[job->products->type](
        &alone, 1, job->matrix + row * job->row_bytes, job->row_bytes, 1,
        job->acts + act * job->act_bytes, job->act_bytes, 1, shape->n_in);
    return alone != 0.0f && alone == job->dst[act * (size_t)shape->n_out + row];
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
