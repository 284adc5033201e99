/* SPDX-License-Identifier: MIT */
/* What writer.c (order of writing, tensors) and writer_kv.c (key-value pairs) share. */
#ifndef GGUF_WRITER_INTERNAL_H
#define GGUF_WRITER_INTERNAL_H

#include "base/arena.h"
#include "gguf/internal.h"
#include "gguf/output.h"
#include "gguf/writer.h"

struct writer_entry { /* a pair to be written */
    struct gguf_string key;
    enum gguf_type type;
    const void *value; /* as it stands in the file after the type */
    uint64_t n_bytes;
};

struct gguf_writer {
    char *path;
    struct output *output; /* NULL after a failure */
    struct arena *arena;   /* keys and values */
    uint64_t n_entries, entry_capacity;
    struct writer_entry *entries; /* as declared; a key may recur until writer_kv_resolve */
    uint64_t n_tensors, tensor_capacity;
    struct gguf_tensor *tensors; /* file_offset is relative to the data section; no data */
    uint64_t alignment, head_bytes, total_bytes;
    bool in_data;
    uint64_t i_tensor, n_written; /* the tensor being written and its bytes so far */
    struct mscope_error error;    /* the first; status is MSCOPE_OK while there is none */
};

/* Keeps the last value of each key, at the place of the first. Failures set error. */
void writer_kv_resolve(struct gguf_writer *writer);
const struct writer_entry *writer_kv_find(const struct gguf_writer *writer, const char *key);
/* Bytes that writer_kv_write will write, the count excluded. */
uint64_t writer_kv_bytes(const struct gguf_writer *writer);
void writer_kv_write(struct gguf_writer *writer); /* number of pairs, then the pairs */

void writer_put(struct gguf_writer *writer, const void *data, uint64_t n_bytes);
void writer_put_u32(struct gguf_writer *writer, uint32_t value);
void writer_put_u64(struct gguf_writer *writer, uint64_t value);
/* Zeros from n_bytes up to the next multiple of the alignment. */
void writer_put_padding(struct gguf_writer *writer, uint64_t n_bytes);

#endif
