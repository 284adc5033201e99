/* SPDX-License-Identifier: MIT */
/*
 * The tensor directory of one GGUF file: every entry is checked so that the bytes it names can be
 * used as they are. Offsets are relative to the data section, whose start is known only after the
 * last entry.
 */
#include "gguf/internal.h"

#include "base/checked.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status parse_entry(struct cursor *cursor, struct gguf_tensor *tensor,
                                      struct mscope_error *err);
static enum mscope_status parse_name(const struct gguf_part *part, struct cursor *cursor,
                                     uint64_t i_tensor, struct gguf_tensor *tensor,
                                     struct mscope_error *err);
static enum mscope_status check_type(uint32_t type, struct mscope_error *err);
static enum mscope_status check_size(struct gguf_tensor *tensor, struct mscope_error *err);
static enum mscope_status check_offset(const struct gguf_tensor *tensor, uint64_t alignment,
                                       uint64_t *running_sum, struct mscope_error *err);
static enum mscope_status place(const struct gguf_part *part, struct gguf_tensor *tensor,
                                uint64_t data_start, struct mscope_error *err);
static int compare_names(const void *a, const void *b);

enum mscope_status gguf_parse_directory(struct gguf *gguf, uint32_t i_part, struct cursor *cursor,
                                        struct mscope_error *err)
{
    const struct gguf_part *part = &gguf->parts[i_part];
    uint64_t i_first = gguf->n_tensors, running_sum = 0;
    for (uint64_t i = 0; i < part->n_tensors_claimed; i++) {
        enum mscope_status status =
            gguf_grow((void **)&gguf->tensors, gguf->n_tensors, &gguf->tensor_capacity,
                      sizeof *gguf->tensors, "GGUF tensor directory", err);
        if (status != MSCOPE_OK) {
            return status;
        }
        struct gguf_tensor *tensor = &gguf->tensors[gguf->n_tensors];
        memset(tensor, 0, sizeof *tensor);
        tensor->i_part = i_part;
        status = parse_name(part, cursor, i, tensor, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        status = parse_entry(cursor, tensor, err);
        if (status == MSCOPE_OK) {
            status = check_offset(tensor, part->alignment, &running_sum, err);
        }
        if (status != MSCOPE_OK) {
            error_set_object(err, "tensor %s", tensor->name);
            return status;
        }
        gguf->n_tensors++;
    }
    uint64_t data_start = cursor_offset(cursor); /* at most the file's size: cannot overflow */
    data_start = (data_start + part->alignment - 1) & ~(part->alignment - 1);
    for (uint64_t i = i_first; i < gguf->n_tensors; i++) {
        enum mscope_status status = place(part, &gguf->tensors[i], data_start, err);
        if (status != MSCOPE_OK) {
            error_set_object(err, "tensor %s", gguf->tensors[i].name);
            return status;
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status parse_name(const struct gguf_part *part, struct cursor *cursor,
                                     uint64_t i_tensor, struct gguf_tensor *tensor,
                                     struct mscope_error *err)
{
    struct gguf_string name;
    enum mscope_status status;
    if (!cursor_string(cursor, &name)) {
        status = gguf_error_truncated(err, cursor, "a tensor name");
    } else if (name.n_bytes >= GGUF_MAX_NAME_BYTES) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "",
                           "name of %zu bytes (%.60s...), expected at most %d", name.n_bytes,
                           name.data, GGUF_MAX_NAME_BYTES - 1);
    } else if (memchr(name.data, '\0', name.n_bytes) != NULL) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "", "zero byte in the name, expected text");
    } else {
        memcpy(tensor->name, name.data, name.n_bytes);
        return MSCOPE_OK;
    }
    error_set_object(err, "file %s, tensor %" PRIu64, part->path, i_tensor);
    return status;
}

/* After the name: dimensions, type, offset (left in file_offset). */
static enum mscope_status parse_entry(struct cursor *cursor, struct gguf_tensor *tensor,
                                      struct mscope_error *err)
{
    tensor->n_dims = cursor_u32(cursor);
    if (tensor->n_dims > GGUF_MAX_DIMS) {
        return error_set(err, MSCOPE_ERR_FORMAT, "", "%" PRIu32 " dimensions, expected at most %d",
                         tensor->n_dims, GGUF_MAX_DIMS);
    }
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        tensor->ne[i] = i < tensor->n_dims ? cursor_u64(cursor) : 1;
    }
    uint32_t type = cursor_u32(cursor);
    tensor->file_offset = cursor_u64(cursor);
    if (cursor->failed) {
        return gguf_error_truncated(err, cursor, "the directory entry");
    }
    enum mscope_status status = check_type(type, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    tensor->type = (enum dtype)type;
    return check_size(tensor, err);
}

static enum mscope_status check_type(uint32_t type, struct mscope_error *err)
{
    const struct dtype_info *info = dtype_get(type);
    if (info != NULL && info->storage) {
        return MSCOPE_OK;
    }
    struct strbuf known = {0};
    for (uint32_t id = 0; id < DTYPE_COUNT; id++) {
        if (dtype_get(id) != NULL && dtype_get(id)->storage) {
            strbuf_printf(&known, " %s", dtype_get(id)->name);
        }
    }
    enum mscope_status status =
        error_set(err, MSCOPE_ERR_UNSUPPORTED, "", "type id %" PRIu32 " (%s%s), expected one of%s",
                  type, dtype_name(type), info != NULL ? ", for activations only" : "",
                  known.failed ? " the storage types" : known.data);
    strbuf_free(&known);
    return status;
}

/* Sets n_elems and n_bytes. A tensor without elements is refused: nothing that reads weights
 * expects one. */
static enum mscope_status check_size(struct gguf_tensor *tensor, struct mscope_error *err)
{
    tensor->n_elems = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        if (tensor->ne[i] > INT64_MAX || tensor->ne[i] == 0) {
            return error_set(err, MSCOPE_ERR_FORMAT, "",
                             "dimension %" PRIu32 " is %" PRId64 ", expected at least 1", i,
                             (int64_t)tensor->ne[i]);
        }
        if (!checked_mul_u64(&tensor->n_elems, tensor->n_elems, tensor->ne[i]) ||
            tensor->n_elems > INT64_MAX) {
            return error_set(err, MSCOPE_ERR_FORMAT, "",
                             "%" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
                             " elements, expected fewer than 2^63",
                             tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3]);
        }
    }
    const struct dtype_info *info = dtype_get((uint32_t)tensor->type);
    if (tensor->ne[0] % info->block_elems != 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "rows of %" PRIu64 " elements, expected a multiple of %" PRIu32
                         " for type %s",
                         tensor->ne[0], info->block_elems, info->name);
    }
    if (!checked_mul_u64(&tensor->n_bytes, tensor->n_elems / info->block_elems,
                         info->block_bytes)) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "%" PRIu64 " elements of type %s, expected fewer "
                         "than 2^64 bytes",
                         tensor->n_elems, info->name);
    }
    return MSCOPE_OK;
}

/* running_sum: where this tensor must begin; on success where the next one must. */
static enum mscope_status check_offset(const struct gguf_tensor *tensor, uint64_t alignment,
                                       uint64_t *running_sum, struct mscope_error *err)
{
    uint64_t offset = tensor->file_offset;
    if (offset % alignment != 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "misaligned: data offset %" PRIu64 ", expected a multiple of %" PRIu64,
                         offset, alignment);
    }
    if (offset != *running_sum) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "%s: data offset %" PRIu64 ", expected %" PRIu64,
                         offset < *running_sum ? "overlaps the tensors before it"
                                               : "leaves a gap after the tensor before it",
                         offset, *running_sum);
    }
    uint64_t end;
    if (!checked_add_u64(&end, offset, tensor->n_bytes) ||
        !checked_align_u64(running_sum, end, alignment)) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "%" PRIu64 " bytes at data offset %" PRIu64 ", expected an end below 2^64",
                         tensor->n_bytes, offset);
    }
    return MSCOPE_OK;
}

/* The padding after the last tensor is not asked for: it is only needed where a tensor follows. */
static enum mscope_status place(const struct gguf_part *part, struct gguf_tensor *tensor,
                                uint64_t data_start, struct mscope_error *err)
{
    uint64_t begin, end;
    if (!checked_add_u64(&begin, data_start, tensor->file_offset) ||
        !checked_add_u64(&end, begin, tensor->n_bytes) || end > part->n_bytes) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "truncated: %" PRIu64 " bytes at data offset %" PRIu64
                         " (data starts at %" PRIu64 "), the file has %" PRIu64,
                         tensor->n_bytes, tensor->file_offset, data_start, part->n_bytes);
    }
    tensor->file_offset = begin;
    tensor->data = part->data + begin;
    return MSCOPE_OK;
}

enum mscope_status gguf_index_tensors(struct gguf *gguf, struct mscope_error *err)
{
    if (gguf->n_tensors == 0) {
        return MSCOPE_OK;
    }
    gguf->by_name = malloc((size_t)gguf->n_tensors * sizeof *gguf->by_name);
    if (gguf->by_name == NULL) {
        return error_set_memory(err, "GGUF tensor directory",
                                gguf->n_tensors * sizeof *gguf->by_name);
    }
    for (uint64_t i = 0; i < gguf->n_tensors; i++) {
        gguf->by_name[i] = &gguf->tensors[i];
    }
    qsort(gguf->by_name, (size_t)gguf->n_tensors, sizeof *gguf->by_name, compare_names);
    for (uint64_t i = 1; i < gguf->n_tensors; i++) {
        if (strcmp(gguf->by_name[i - 1]->name, gguf->by_name[i]->name) == 0) {
            error_set(err, MSCOPE_ERR_FORMAT, "",
                      "there more than once, expected unique tensor names");
            error_set_object(err, "tensor %s", gguf->by_name[i]->name);
            return MSCOPE_ERR_FORMAT;
        }
    }
    return MSCOPE_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct gguf_tensor *const *tensor_a = a;
    const struct gguf_tensor *const *tensor_b = b;
    return strcmp((*tensor_a)->name, (*tensor_b)->name);
}
