/* SPDX-License-Identifier: MIT */
/*
 * A GGUF file (v2 or v3, little-endian), or all parts of a split one: mapped read-only, with its
 * metadata and its tensor directory checked once at open (docs/FORMAT.md lists every check). Gives
 * out typed values and tensor bytes; refuses to know what a key or a tensor means. Immutable after
 * open: any thread may read.
 *
 * Specification: the GGUF document of the ggml project, version 3.
 *
 * Invariants after a successful open:
 *   1. every pointer given out lies inside a mapped file and stays valid until gguf_close;
 *   2. tensor names are unique over all parts, keys are unique, all dims are >= 1;
 *   3. tensor bytes are n_bytes long, inside the file, aligned to the file's alignment, and do not
 *      overlap.
 *
 * A zero-length array or string is valid everywhere. Nobody may shorten a file while it is mapped:
 * reading what was cut off is a SIGBUS (removing or replacing it does no harm).
 */
#ifndef GGUF_GGUF_H
#define GGUF_GGUF_H

#include "base/dtype.h"
#include "base/error.h"

enum gguf_type {
    GGUF_U8 = 0, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING,
    GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64, GGUF_N_TYPE
};

struct gguf_string { /* bytes in the mapping, not terminated */
    const char *data;
    size_t n_bytes;
};

struct gguf_array {
    enum gguf_type type; /* of the elements */
    uint64_t n;
    const void *data; /* packed, unaligned; for strings walk with gguf_array_next_string */
    const void *end;
};

struct gguf_kv {
    struct gguf_string key;
    enum gguf_type type;
    const void *data;        /* scalar: its bytes, unaligned */
    struct gguf_string text; /* GGUF_STRING */
    struct gguf_array array; /* GGUF_ARRAY */
};

enum { GGUF_MAX_DIMS = 4, GGUF_MAX_NAME_BYTES = 64 };

struct gguf_tensor {
    char name[GGUF_MAX_NAME_BYTES]; /* terminated */
    uint32_t n_dims;
    uint64_t ne[GGUF_MAX_DIMS]; /* ne[0] is contiguous; missing dims are 1 */
    enum dtype type;
    uint64_t n_elems, n_bytes;
    uint64_t file_offset; /* of the first byte in its part's file */
    uint32_t i_part;
    const void *data;
};

struct gguf;

/*
 * `path` may be any part of a split model whose name ends in -0000i-of-0000n.gguf: all parts are
 * opened; the metadata is that of the first. Errors name the file, the key or the tensor. On
 * failure *out is NULL.
 */
enum mscope_status gguf_open(struct gguf **out, const char *path, struct mscope_error *err);
/*
 * The same, with every part read into memory of this process instead of mapped: in huge pages where
 * the system has them, at the price of reading all of it now and of sharing it with nobody.
 */
enum mscope_status gguf_open_copied(struct gguf **out, const char *path, struct mscope_error *err);
/* From memory: one part, and the bytes must outlive the result; `name` is used in errors. */
enum mscope_status gguf_open_memory(struct gguf **out, const void *data, size_t n_bytes,
                                    const char *name, struct mscope_error *err);
void gguf_close(struct gguf **gguf);

const char *gguf_path(const struct gguf *gguf); /* as given to open */
uint32_t gguf_n_parts(const struct gguf *gguf);
const char *gguf_part_path(const struct gguf *gguf, uint32_t i_part);
uint64_t gguf_file_bytes(const struct gguf *gguf); /* all parts */
uint64_t gguf_alignment(const struct gguf *gguf);

uint64_t gguf_n_kv(const struct gguf *gguf);
const struct gguf_kv *gguf_kv_at(const struct gguf *gguf, uint64_t i);
const struct gguf_kv *gguf_find(const struct gguf *gguf, const char *key); /* NULL when absent */

/*
 * Typed values. Any integer type is accepted where its value fits; any float type for f32. `*out`
 * is only written on success. MSCOPE_ERR_FORMAT with object "key NAME" when absent or of another
 * type or range. The _or forms keep *out (the default) when the key is absent and still fail on a
 * wrong type.
 */
enum mscope_status gguf_get_u32(const struct gguf *gguf, const char *key, uint32_t *out,
                                struct mscope_error *err);
enum mscope_status gguf_get_u32_or(const struct gguf *gguf, const char *key, uint32_t *out,
                                   struct mscope_error *err);
enum mscope_status gguf_get_f32(const struct gguf *gguf, const char *key, float *out,
                                struct mscope_error *err);
enum mscope_status gguf_get_f32_or(const struct gguf *gguf, const char *key, float *out,
                                   struct mscope_error *err);
enum mscope_status gguf_get_bool_or(const struct gguf *gguf, const char *key, bool *out,
                                    struct mscope_error *err);
enum mscope_status gguf_get_string(const struct gguf *gguf, const char *key,
                                   struct gguf_string *out, struct mscope_error *err);
enum mscope_status gguf_get_string_or(const struct gguf *gguf, const char *key,
                                      struct gguf_string *out, struct mscope_error *err);
enum mscope_status gguf_get_array(const struct gguf *gguf, const char *key,
                                  enum gguf_type element_type, struct gguf_array *out,
                                  struct mscope_error *err);

bool gguf_string_equals(struct gguf_string text, const char *other);

/* Element readers for arrays; i < n is asserted, the element type too. */
/* Any integer type of 32 bits or less; a u32 above INT32_MAX reads as negative. */
int32_t gguf_array_i32(const struct gguf_array *array, uint64_t i);
float gguf_array_f32(const struct gguf_array *array, uint64_t i);
/* Walks a string array: start with *cursor = array->data; returns false at the end. */
bool gguf_array_next_string(const struct gguf_array *array, const void **cursor,
                            struct gguf_string *out);

uint64_t gguf_n_tensors(const struct gguf *gguf);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *gguf, uint64_t i);
/* NULL when absent. */
const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name);

#endif
