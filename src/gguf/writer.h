/* SPDX-License-Identifier: MIT */
/*
 * Writes a GGUF v3 file. Keys and tensors are declared first, then the data follows tensor by
 * tensor in the order of declaration. The bytes go to "PATH.partial", which becomes PATH by an
 * atomic rename in gguf_writer_finish; any failure removes it, so no partial output file is ever
 * seen under the final name. Tensor data goes through large buffered writes. One thread.
 *
 *   open -> set_*, copy_kv, add_tensor (any order) -> begin_data -> write ... write -> finish
 */
#ifndef GGUF_WRITER_H
#define GGUF_WRITER_H

#include "gguf/gguf.h"

struct gguf_writer;

enum mscope_status gguf_writer_open(struct gguf_writer **out, const char *path,
                                    struct mscope_error *err);
/* Releases everything; removes the partial file if finish was not reached. */
void gguf_writer_close(struct gguf_writer **writer);

/* A later value replaces an earlier one of the same key. Memory failures surface in begin_data. */
void gguf_writer_set_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_writer_set_u64(struct gguf_writer *writer, const char *key, uint64_t value);
void gguf_writer_set_i32(struct gguf_writer *writer, const char *key, int32_t value);
void gguf_writer_set_u16(struct gguf_writer *writer, const char *key, uint16_t value);
void gguf_writer_set_f32(struct gguf_writer *writer, const char *key, float value);
void gguf_writer_set_bool(struct gguf_writer *writer, const char *key, bool value);
void gguf_writer_set_string(struct gguf_writer *writer, const char *key, const char *text,
                            size_t n_bytes);
/* Numeric array; `data` is n packed elements of `type` in host order. */
void gguf_writer_set_array(struct gguf_writer *writer, const char *key, enum gguf_type type,
                           const void *data, uint64_t n);
void gguf_writer_set_string_array(struct gguf_writer *writer, const char *key,
                                  const struct gguf_string *texts, uint64_t n);
/*
 * Copies one pair, whatever its type, from an opened file. The keys of a split model (split.no,
 * split.count, split.tensors.count) are left out: what is written is one file.
 */
void gguf_writer_copy_kv(struct gguf_writer *writer, const struct gguf_kv *kv);

/* Declares a tensor; ne[0] must be a multiple of the type's block (asserted). */
void gguf_writer_add_tensor(struct gguf_writer *writer, const char *name, uint32_t n_dims,
                            const uint64_t *ne, enum dtype type);

/* Writes header, keys and directory. Checks free disk space for the whole file first. */
enum mscope_status gguf_writer_begin_data(struct gguf_writer *writer, struct mscope_error *err);
/* The next `n_bytes` of tensor data, in pieces within a tensor; padding is added here. */
enum mscope_status gguf_writer_write(struct gguf_writer *writer, const void *data, size_t n_bytes,
                                     struct mscope_error *err);
/* Fails when bytes are missing; flushes, syncs and renames. */
enum mscope_status gguf_writer_finish(struct gguf_writer *writer, struct mscope_error *err);

/* Of the finished file; after begin_data. */
uint64_t gguf_writer_total_bytes(const struct gguf_writer *writer);

#endif
