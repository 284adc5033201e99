/* SPDX-License-Identifier: MIT */
/* Writes an opened file again: same pairs, same tensors, same order. */
#ifndef TESTS_GGUF_REWRITE_H
#define TESTS_GGUF_REWRITE_H

#include "gguf/writer.h"

static inline enum mscope_status rewrite(const struct gguf *gguf, const char *path,
                                         struct mscope_error *err)
{
    struct gguf_writer *writer;
    enum mscope_status status = gguf_writer_open(&writer, path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    for (uint64_t i = 0; i < gguf_n_kv(gguf); i++) {
        gguf_writer_copy_kv(writer, gguf_kv_at(gguf, i));
    }
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(gguf, i);
        gguf_writer_add_tensor(writer, tensor->name, tensor->n_dims, tensor->ne, tensor->type);
    }
    status = gguf_writer_begin_data(writer, err);
    for (uint64_t i = 0; status == MSCOPE_OK && i < gguf_n_tensors(gguf); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(gguf, i);
        uint64_t n_first = tensor->n_bytes / 3; /* in two pieces */
        status = gguf_writer_write(writer, tensor->data, (size_t)n_first, err);
        if (status == MSCOPE_OK) {
            status = gguf_writer_write(writer, (const char *)tensor->data + n_first,
                                       (size_t)(tensor->n_bytes - n_first), err);
        }
    }
    if (status == MSCOPE_OK) {
        status = gguf_writer_finish(writer, err);
    }
    gguf_writer_close(&writer);
    return status;
}

#endif
