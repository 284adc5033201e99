/* SPDX-License-Identifier: MIT */
/*
 * A tensor is a row of blocks after another, and both types have whole blocks per row; so it is
 * converted in pieces of a fixed number of elements, each by one thread, and written in order batch
 * by batch.
 */
#include "model/quantize.h"

#include "base/pool.h"
#include "gguf/writer.h"
#include "kernels/quants.h"
#include "model/hints.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE_ELEMS = 32 * 1024, BATCH_PIECES = 128, COPY_BYTES = 8 << 20 };

struct quantiser {
    const struct quantize_params *params;
    struct gguf *gguf;
    struct gguf_writer *writer;
    struct pool *pool;
    enum dtype *types;                /* (n_tensors) of the output */
    float *floats;                    /* (n_threads, PIECE_ELEMS) */
    uint8_t *batch;                   /* (BATCH_PIECES * PIECE_ELEMS * 4) bytes */
    uint64_t done_bytes, total_bytes; /* of the input's tensors */
    uint32_t n_converted;
};

struct batch_job {
    struct quantiser *quantiser;
    const uint8_t *src;
    enum dtype from, to;
    uint64_t n_elems; /* of this batch */
    atomic_bool has_nonfinite;
};

static enum mscope_status open_parts(struct quantiser *q, const char *path_in, const char *path_out,
                                     struct mscope_error *err);
static void close_parts(struct quantiser *q);
static enum mscope_status refuse_same_file(const struct gguf *gguf, const char *path_out,
                                           struct mscope_error *err);
static enum mscope_status choose_types(struct quantiser *q, struct mscope_error *err);
static enum mscope_status check_convertible(const struct quantiser *q,
                                            const struct gguf_tensor *tensor, enum dtype type,
                                            struct mscope_error *err);
static void copy_keys(struct quantiser *q);
static enum mscope_status convert_tensor(struct quantiser *q, uint64_t i_tensor,
                                         struct mscope_error *err);
static enum mscope_status copy_tensor(struct quantiser *q, const struct gguf_tensor *tensor,
                                      struct mscope_error *err);
static void convert_piece(void *ctx, int i_chunk, int i_thread);
static bool all_finite(const float *values, size_t n);
static enum mscope_status refuse_nonfinite(const struct gguf_tensor *tensor,
                                           struct mscope_error *err);
static void report(struct quantiser *q, const struct gguf_tensor *tensor, enum dtype to,
                   uint64_t n_bytes);

enum mscope_status quantize_file(struct quantize_summary *out, const char *path_in,
                                 const char *path_out, const struct quantize_params *params,
                                 struct mscope_error *err)
{
    struct quantiser q = {.params = params};
    *out = (struct quantize_summary){0};
    enum mscope_status status = open_parts(&q, path_in, path_out, err);
    if (status == MSCOPE_OK) {
        copy_keys(&q);
        status = choose_types(&q, err);
    }
    if (status == MSCOPE_OK) {
        status = gguf_writer_begin_data(q.writer, err);
    }
    uint64_t n_tensors = status == MSCOPE_OK ? gguf_n_tensors(q.gguf) : 0;
    for (uint64_t i = 0; i < n_tensors && status == MSCOPE_OK; i++) {
        status = convert_tensor(&q, i, err);
    }
    if (status == MSCOPE_OK) {
        status = gguf_writer_finish(q.writer, err);
    }
    if (status == MSCOPE_OK) {
        *out = (struct quantize_summary){.bytes_in = gguf_file_bytes(q.gguf),
                                         .bytes_out = gguf_writer_total_bytes(q.writer),
                                         .n_tensors = (uint32_t)n_tensors,
                                         .n_converted = q.n_converted};
    }
    close_parts(&q);
    return status;
}

static enum mscope_status open_parts(struct quantiser *q, const char *path_in, const char *path_out,
                                     struct mscope_error *err)
{
    int n_threads = q->params->n_threads < 1 ? 1 : q->params->n_threads;
    enum mscope_status status = gguf_open(&q->gguf, path_in, err);
    if (status == MSCOPE_OK) {
        status = refuse_same_file(q->gguf, path_out, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t batch_bytes = (size_t)BATCH_PIECES * PIECE_ELEMS * sizeof(float);
    q->types = calloc((size_t)gguf_n_tensors(q->gguf) + 1, sizeof *q->types);
    q->floats = malloc((size_t)n_threads * PIECE_ELEMS * sizeof *q->floats);
    q->batch = malloc(batch_bytes);
    if (q->types == NULL || q->floats == NULL || q->batch == NULL) {
        return error_set_memory(err, "quantising", batch_bytes);
    }
    for (uint64_t i = 0; i < gguf_n_tensors(q->gguf); i++) {
        q->total_bytes += gguf_tensor_at(q->gguf, i)->n_bytes;
    }
    status = pool_open(&q->pool, n_threads, err);
    return status == MSCOPE_OK ? gguf_writer_open(&q->writer, path_out, err) : status;
}

static void close_parts(struct quantiser *q)
{
    gguf_writer_close(&q->writer);
    pool_close(&q->pool);
    gguf_close(&q->gguf);
    free(q->types);
    free(q->floats);
    free(q->batch);
}

/* By device and inode, so that links do not deceive. */
static enum mscope_status refuse_same_file(const struct gguf *gguf, const char *path_out,
                                           struct mscope_error *err)
{
    struct stat out;
    if (stat(path_out, &out) != 0) {
        return MSCOPE_OK;
    }
    for (uint32_t i = 0; i < gguf_n_parts(gguf); i++) {
        struct stat in;
        if (stat(gguf_part_path(gguf, i), &in) == 0 && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino) {
            enum mscope_status status =
                error_set(err, MSCOPE_ERR_ARGUMENT, "file",
                          "is the input itself, expected another output file");
            error_set_object(err, "file %s", path_out);
            return status;
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status choose_types(struct quantiser *q, struct mscope_error *err)
{
    struct gguf_string name;
    enum mscope_status status = gguf_get_string(q->gguf, "general.architecture", &name, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    char arch[64];
    snprintf(arch, sizeof arch, "%.*s", (int)(name.n_bytes < 63 ? name.n_bytes : 63), name.data);
    const struct recipe_model model = {
        .arch = arch,
        .n_layer = hint_u32(q->gguf, "block_count"),
        .n_expert = hint_u32(q->gguf, "expert_count"),
        .n_head = hint_u32(q->gguf, "attention.head_count"),
        .n_head_kv = hint_u32(q->gguf, "attention.head_count_kv"),
        .tied_output = gguf_find_tensor(q->gguf, "output.weight") == NULL,
    };
    struct recipe_state state;
    recipe_begin(&state, q->params->recipe, &model);
    state.overrides = q->params->overrides;
    state.n_overrides = q->params->n_overrides;
    uint64_t n_tensors = gguf_n_tensors(q->gguf);
    for (uint64_t i = 0; i < n_tensors; i++) {
        const struct gguf_tensor *t = gguf_tensor_at(q->gguf, i);
        recipe_count(&state, t->name, t->n_dims);
    }
    for (uint64_t i = 0; i < n_tensors && status == MSCOPE_OK; i++) {
        const struct gguf_tensor *t = gguf_tensor_at(q->gguf, i);
        status = recipe_choose(&q->types[i], &state, t->name, t->n_dims, t->ne, t->type, err);
        if (status == MSCOPE_OK) {
            status = check_convertible(q, t, q->types[i], err);
        }
        if (status == MSCOPE_OK) {
            gguf_writer_add_tensor(q->writer, t->name, t->n_dims, t->ne, q->types[i]);
        }
    }
    return status == MSCOPE_OK ? recipe_check_overrides(&state, err) : status;
}

static enum mscope_status check_convertible(const struct quantiser *q,
                                            const struct gguf_tensor *tensor, enum dtype type,
                                            struct mscope_error *err)
{
    bool is_plain =
        tensor->type == DTYPE_F32 || tensor->type == DTYPE_F16 || tensor->type == DTYPE_BF16;
    if (type == tensor->type || is_plain || q->params->allow_requantize) {
        return MSCOPE_OK;
    }
    enum mscope_status status =
        error_set(err, MSCOPE_ERR_ARGUMENT, "tensor",
                  "type %s is quantised already, expected F32, F16 or BF16 (or ask to requantise)",
                  dtype_name((uint32_t)tensor->type));
    error_set_object(err, "tensor %s", tensor->name);
    return status;
}

/* The output is one file, whatever the input was. */
static void copy_keys(struct quantiser *q)
{
    for (uint64_t i = 0; i < gguf_n_kv(q->gguf); i++) {
        const struct gguf_kv *kv = gguf_kv_at(q->gguf, i);
        if (kv->key.n_bytes < 6 || memcmp(kv->key.data, "split.", 6) != 0) {
            gguf_writer_copy_kv(q->writer, kv);
        }
    }
    gguf_writer_set_u32(q->writer, "general.file_type", recipe_file_type(q->params->recipe));
    gguf_writer_set_u32(q->writer, "general.quantization_version", 2);
}

static enum mscope_status convert_tensor(struct quantiser *q, uint64_t i_tensor,
                                         struct mscope_error *err)
{
    const struct gguf_tensor *tensor = gguf_tensor_at(q->gguf, i_tensor);
    struct batch_job job = {.quantiser = q, .from = tensor->type, .to = q->types[i_tensor]};
    if (job.from == job.to) {
        return copy_tensor(q, tensor, err);
    }
    const uint64_t batch_elems = (uint64_t)BATCH_PIECES * PIECE_ELEMS;
    enum mscope_status status = MSCOPE_OK;
    for (uint64_t i = 0; i < tensor->n_elems && status == MSCOPE_OK; i += job.n_elems) {
        uint64_t left = tensor->n_elems - i;
        job.n_elems = left < batch_elems ? left : batch_elems;
        job.src = (const uint8_t *)tensor->data + dtype_row_bytes(job.from, i);
        int n_pieces = (int)((job.n_elems + PIECE_ELEMS - 1) / PIECE_ELEMS);
        pool_for(q->pool, n_pieces, convert_piece, &job);
        if (job.has_nonfinite) {
            return refuse_nonfinite(tensor, err);
        }
        status = gguf_writer_write(q->writer, q->batch,
                                   (size_t)dtype_row_bytes(job.to, job.n_elems), err);
        report(q, tensor, job.to, dtype_row_bytes(job.from, job.n_elems));
    }
    q->n_converted++;
    return status;
}

static enum mscope_status copy_tensor(struct quantiser *q, const struct gguf_tensor *tensor,
                                      struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    for (uint64_t i = 0; i < tensor->n_bytes && status == MSCOPE_OK;) {
        uint64_t left = tensor->n_bytes - i;
        uint64_t n = left < COPY_BYTES ? left : COPY_BYTES;
        status = gguf_writer_write(q->writer, (const uint8_t *)tensor->data + i, (size_t)n, err);
        report(q, tensor, tensor->type, n);
        i += n;
    }
    return status;
}

/* PIECE_ELEMS is a multiple of every block, and so is what is left of a whole number of rows. */
static void convert_piece(void *ctx, int i_chunk, int i_thread)
{
    struct batch_job *job = ctx;
    struct quantiser *q = job->quantiser;
    uint64_t first = (uint64_t)i_chunk * PIECE_ELEMS;
    uint64_t left = job->n_elems - first;
    size_t n = (size_t)(left < PIECE_ELEMS ? left : PIECE_ELEMS);
    float *floats = q->floats + (size_t)i_thread * PIECE_ELEMS;
    quants_dequantize_row(job->from, floats, job->src + dtype_row_bytes(job->from, first), n);
    if (!all_finite(floats, n)) {
        job->has_nonfinite = true;
    }
    quants_quantize_row(job->to, q->batch + dtype_row_bytes(job->to, first), floats, n);
}

/* A block has one scale: a single NaN or infinity would take its neighbours with it, unseen. */
static bool all_finite(const float *values, size_t n)
{
    float product = 0; /* 0 times a finite number is 0, times any other is NaN */
    for (size_t i = 0; i < n; i++) {
        product += values[i] * 0.0f;
    }
    return !isnan(product);
}

static enum mscope_status refuse_nonfinite(const struct gguf_tensor *tensor,
                                           struct mscope_error *err)
{
    error_set(err, MSCOPE_ERR_FORMAT, "tensor",
              "not all weights are finite, expected no NaN and no infinity");
    error_set_object(err, "tensor %s", tensor->name);
    return MSCOPE_ERR_FORMAT;
}

static void report(struct quantiser *q, const struct gguf_tensor *tensor, enum dtype to,
                   uint64_t n_bytes)
{
    q->done_bytes += n_bytes;
    if (q->params->progress != NULL) {
        q->params->progress(q->params->user, tensor->name, tensor->type, to, q->done_bytes,
                            q->total_bytes);
    }
}
