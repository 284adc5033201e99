/* SPDX-License-Identifier: MIT */
/*
 * The GGUF writer: tensors and the order of things. Header and directory are written at once,
 * tensor data follows. The pairs are in writer_kv.c. Specification: GGUF version 3.
 */
#include "gguf/writer_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool check_alignment(struct gguf_writer *writer);
static bool check_unique_names(struct gguf_writer *writer);
static bool layout(struct gguf_writer *writer);
static void write_head(struct gguf_writer *writer);
static void fail_tensor(struct gguf_writer *writer, const struct gguf_tensor *tensor,
                        const char *detail, uint64_t found, uint64_t expected);
static enum mscope_status report(struct gguf_writer *writer, struct mscope_error *err);
static int compare_names(const void *a, const void *b);

enum mscope_status gguf_writer_begin_data(struct gguf_writer *writer, struct mscope_error *err)
{
    assert(!writer->in_data);
    writer->in_data = true;
    writer_kv_resolve(writer);
    if (writer->error.status == MSCOPE_OK && check_alignment(writer) &&
        check_unique_names(writer) && layout(writer)) {
        enum mscope_status status =
            output_check_space(writer->output, writer->total_bytes, &writer->error);
        if (status == MSCOPE_OK) {
            write_head(writer);
        }
    }
    return report(writer, err);
}

enum mscope_status gguf_writer_write(struct gguf_writer *writer, const void *data, size_t n_bytes,
                                     struct mscope_error *err)
{
    assert(writer->in_data);
    if (writer->error.status != MSCOPE_OK || n_bytes == 0) {
        return report(writer, err);
    }
    if (writer->i_tensor == writer->n_tensors) {
        error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "",
                  "%zu bytes after the data of the last tensor, expected none", n_bytes);
        error_set_object(&writer->error, "file %s", writer->path);
        return report(writer, err);
    }
    const struct gguf_tensor *tensor = &writer->tensors[writer->i_tensor];
    if (n_bytes > tensor->n_bytes - writer->n_written) {
        fail_tensor(writer, tensor, "too much data", writer->n_written + n_bytes, tensor->n_bytes);
        return report(writer, err);
    }
    writer_put(writer, data, n_bytes);
    writer->n_written += n_bytes;
    if (writer->n_written == tensor->n_bytes) {
        writer_put_padding(writer, tensor->n_bytes);
        writer->i_tensor++;
        writer->n_written = 0;
    }
    return report(writer, err);
}

enum mscope_status gguf_writer_finish(struct gguf_writer *writer, struct mscope_error *err)
{
    assert(writer->in_data);
    if (writer->error.status == MSCOPE_OK && writer->i_tensor < writer->n_tensors) {
        const struct gguf_tensor *tensor = &writer->tensors[writer->i_tensor];
        fail_tensor(writer, tensor, "data missing", writer->n_written, tensor->n_bytes);
    }
    if (writer->error.status == MSCOPE_OK) {
        output_commit(writer->output, &writer->error);
    }
    return report(writer, err);
}

uint64_t gguf_writer_total_bytes(const struct gguf_writer *writer)
{
    return writer->total_bytes;
}

enum mscope_status gguf_writer_open(struct gguf_writer **out, const char *path,
                                    struct mscope_error *err)
{
    *out = NULL;
    struct gguf_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return error_set_memory(err, "GGUF writer", sizeof *writer);
    }
    writer->path = strdup(path);
    enum mscope_status status;
    if (writer->path == NULL) {
        status = error_set_memory(err, "GGUF writer", strlen(path) + 1);
    } else {
        status = arena_open(&writer->arena, "GGUF writer", err);
    }
    if (status == MSCOPE_OK) {
        status = output_open(&writer->output, path, err);
    }
    if (status != MSCOPE_OK) {
        gguf_writer_close(&writer);
        return status;
    }
    *out = writer;
    return MSCOPE_OK;
}

void gguf_writer_close(struct gguf_writer **writer)
{
    if (*writer == NULL) {
        return;
    }
    output_close(&(*writer)->output);
    arena_close(&(*writer)->arena);
    free((*writer)->entries);
    free((*writer)->tensors);
    free((*writer)->path);
    free(*writer);
    *writer = NULL;
}

void gguf_writer_add_tensor(struct gguf_writer *writer, const char *name, uint32_t n_dims,
                            const uint64_t *ne, enum dtype type)
{
    const struct dtype_info *info = dtype_get((uint32_t)type);
    assert(!writer->in_data && info != NULL && info->storage && n_dims <= GGUF_MAX_DIMS);
    assert(strlen(name) < GGUF_MAX_NAME_BYTES);
    if (writer->error.status != MSCOPE_OK ||
        gguf_grow((void **)&writer->tensors, writer->n_tensors, &writer->tensor_capacity,
                  sizeof *writer->tensors, "GGUF writer", &writer->error) != MSCOPE_OK) {
        return;
    }
    struct gguf_tensor *tensor = &writer->tensors[writer->n_tensors];
    *tensor =
        (struct gguf_tensor){.n_dims = n_dims, .ne = {1, 1, 1, 1}, .n_elems = 1, .type = type};
    strncpy(tensor->name, name, sizeof tensor->name - 1);
    bool fits = true;
    for (uint32_t i = 0; i < n_dims; i++) {
        assert(ne[i] > 0);
        tensor->ne[i] = ne[i];
        fits = fits && checked_mul_u64(&tensor->n_elems, tensor->n_elems, ne[i]) &&
               tensor->n_elems <= INT64_MAX;
    }
    assert(tensor->ne[0] % info->block_elems == 0);
    fits = fits && checked_mul_u64(&tensor->n_bytes, tensor->n_elems / info->block_elems,
                                   info->block_bytes);
    if (!fits) {
        error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "", "more than 2^63 elements or 2^64 bytes");
        error_set_object(&writer->error, "tensor %s", name);
        return;
    }
    writer->n_tensors++;
}

static bool check_alignment(struct gguf_writer *writer)
{
    writer->alignment = GGUF_DEFAULT_ALIGNMENT;
    const struct writer_entry *entry = writer_kv_find(writer, "general.alignment");
    if (entry == NULL) {
        return true;
    }
    uint32_t alignment = 0;
    if (entry->type == GGUF_U32) {
        memcpy(&alignment, entry->value, sizeof alignment);
    }
    if (!gguf_alignment_is_valid(alignment)) {
        error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "key general.alignment",
                  "%" PRIu32 " of type %s, expected a power of two from 8 on of type u32",
                  alignment, gguf_type_name(entry->type));
        return false;
    }
    writer->alignment = alignment;
    return true;
}

static bool check_unique_names(struct gguf_writer *writer)
{
    uint64_t n = writer->n_tensors;
    const struct gguf_tensor **by_name =
        arena_take(writer->arena, (size_t)n, sizeof *by_name, &writer->error);
    if (by_name == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        by_name[i] = &writer->tensors[i];
    }
    qsort(by_name, (size_t)n, sizeof *by_name, compare_names);
    for (uint64_t i = 1; i < n; i++) {
        if (strcmp(by_name[i - 1]->name, by_name[i]->name) == 0) {
            error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "",
                      "declared more than once, expected unique tensor names");
            error_set_object(&writer->error, "tensor %s", by_name[i]->name);
            return false;
        }
    }
    return true;
}

/* Data offsets (running sum, padded), then the sizes of the parts of the file. */
static bool layout(struct gguf_writer *writer)
{
    uint64_t offset = 0;
    bool fits = true;
    writer->head_bytes = GGUF_HEADER_BYTES + writer_kv_bytes(writer);
    for (uint64_t i = 0; i < writer->n_tensors; i++) {
        struct gguf_tensor *tensor = &writer->tensors[i];
        tensor->file_offset = offset;
        fits = fits && checked_add_u64(&offset, offset, tensor->n_bytes) &&
               checked_align_u64(&offset, offset, writer->alignment);
        writer->head_bytes += GGUF_MIN_TENSOR_BYTES + strlen(tensor->name) + 8 * tensor->n_dims;
    }
    writer->total_bytes = writer->head_bytes;
    if (writer->n_tensors > 0) { /* no data, no padding before it: as published vocabularies are */
        fits = fits &&
               checked_align_u64(&writer->total_bytes, writer->head_bytes, writer->alignment) &&
               checked_add_u64(&writer->total_bytes, writer->total_bytes, offset);
    }
    if (!fits) {
        error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "", "more than 2^64 bytes of tensors");
        error_set_object(&writer->error, "file %s", writer->path);
    }
    return fits;
}

static void write_head(struct gguf_writer *writer)
{
    writer_put(writer, "GGUF", 4);
    writer_put_u32(writer, GGUF_VERSION);
    writer_put_u64(writer, writer->n_tensors);
    writer_kv_write(writer);
    for (uint64_t i = 0; i < writer->n_tensors; i++) {
        const struct gguf_tensor *tensor = &writer->tensors[i];
        writer_put_u64(writer, strlen(tensor->name));
        writer_put(writer, tensor->name, strlen(tensor->name));
        writer_put_u32(writer, tensor->n_dims);
        writer_put(writer, tensor->ne, tensor->n_dims * sizeof tensor->ne[0]);
        writer_put_u32(writer, (uint32_t)tensor->type);
        writer_put_u64(writer, tensor->file_offset);
    }
    if (writer->n_tensors > 0) {
        writer_put_padding(writer, writer->head_bytes);
    }
}

void writer_put(struct gguf_writer *writer, const void *data, uint64_t n_bytes)
{
    if (writer->error.status == MSCOPE_OK) {
        output_write(writer->output, data, (size_t)n_bytes, &writer->error);
    }
}

void writer_put_u32(struct gguf_writer *writer, uint32_t value)
{
    writer_put(writer, &value, sizeof value);
}

void writer_put_u64(struct gguf_writer *writer, uint64_t value)
{
    writer_put(writer, &value, sizeof value);
}

void writer_put_padding(struct gguf_writer *writer, uint64_t n_bytes)
{
    uint64_t n_over = n_bytes & (writer->alignment - 1);
    if (writer->error.status == MSCOPE_OK && n_over != 0) {
        output_write_zeros(writer->output, writer->alignment - n_over, &writer->error);
    }
}

static void fail_tensor(struct gguf_writer *writer, const struct gguf_tensor *tensor,
                        const char *detail, uint64_t found, uint64_t expected)
{
    error_set(&writer->error, MSCOPE_ERR_ARGUMENT, "", "%s: %" PRIu64 " bytes, expected %" PRIu64,
              detail, found, expected);
    error_set_object(&writer->error, "tensor %s", tensor->name);
}

/* The first error, with the partial file gone; every call ends here. */
static enum mscope_status report(struct gguf_writer *writer, struct mscope_error *err)
{
    if (writer->error.status != MSCOPE_OK) {
        output_close(&writer->output);
        if (err != NULL) {
            *err = writer->error;
        }
    }
    return writer->error.status;
}

static int compare_names(const void *a, const void *b)
{
    const struct gguf_tensor *const *tensor_a = a;
    const struct gguf_tensor *const *tensor_b = b;
    return strcmp((*tensor_a)->name, (*tensor_b)->name);
}
