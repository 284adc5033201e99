/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share: the representation of an opened GGUF file and the steps that
 * fill it. reader.c opens and maps, parse.c reads header and metadata, directory.c the tensors,
 * values.c looks up.
 */
#ifndef GGUF_INTERNAL_H
#define GGUF_INTERNAL_H

#include "gguf/cursor.h"
#include "gguf/gguf.h"

enum { GGUF_DEFAULT_ALIGNMENT = 32, GGUF_MIN_ALIGNMENT = 8, GGUF_VERSION = 3 };

/* Bytes that the shortest entries occupy: what bounds a count before anything is allocated for it.
 */
enum {
    GGUF_HEADER_BYTES = 24,    /* magic, version, two counts */
    GGUF_MIN_KV_BYTES = 13,    /* empty key, type, one byte of value */
    GGUF_MIN_TENSOR_BYTES = 24 /* empty name, no dimension, type, offset */
};

struct gguf_part { /* one file */
    char *path;
    const unsigned char *data;
    uint64_t n_bytes;
    bool is_mapped; /* by us: to be unmapped */
    uint64_t alignment;
    uint64_t n_tensors_claimed;
    uint64_t n_kv, kv_capacity;
    struct gguf_kv *kvs;           /* in the order of the file */
    const struct gguf_kv **by_key; /* sorted */
};

struct gguf {
    char *path;
    uint32_t n_parts;
    struct gguf_part *parts;
    bool copied; /* parts are read into memory, not mapped */
    uint64_t n_tensors, tensor_capacity;
    struct gguf_tensor *tensors;        /* in the order of the files */
    const struct gguf_tensor **by_name; /* sorted */
};

/* Header and metadata of one part; leaves the cursor at the directory. */
enum mscope_status gguf_parse_metadata(struct gguf_part *part, struct cursor *cursor,
                                       struct mscope_error *err);
/* The tensor directory of part i_part, from the cursor on; appends to gguf->tensors. */
enum mscope_status gguf_parse_directory(struct gguf *gguf, uint32_t i_part, struct cursor *cursor,
                                        struct mscope_error *err);
/* Sorts the tensors of all parts by name and refuses a name met twice. */
enum mscope_status gguf_index_tensors(struct gguf *gguf, struct mscope_error *err);

/* Maps and parses part i_part from `path`; the part must be zeroed. */
enum mscope_status gguf_part_open(struct gguf *gguf, uint32_t i_part, const char *path,
                                  struct mscope_error *err);
void gguf_part_release(struct gguf_part *part); /* leaves it zeroed */
/* How many files the model of this part has, by its key split.count; 1 when it is not split. */
enum mscope_status gguf_split_count(const struct gguf_part *part, uint64_t *out,
                                    struct mscope_error *err);
/* gguf->path, opened as part 0, is one of n_parts > 1: opens all of them in order in its place. */
enum mscope_status gguf_split_open(struct gguf *gguf, uint64_t n_parts, struct mscope_error *err);

/* Room for one more item; doubles *capacity. */
enum mscope_status gguf_grow(void **items, uint64_t n, uint64_t *capacity, size_t item_bytes,
                             const char *purpose, struct mscope_error *err);
/* Detail of the error for a failed cursor, while reading `what`; the caller sets the object. */
enum mscope_status gguf_error_truncated(struct mscope_error *err, const struct cursor *cursor,
                                        const char *what);
/* Object "key NAME". */
void gguf_error_object_key(struct mscope_error *err, struct gguf_string key);

const struct gguf_kv *gguf_part_find(const struct gguf_part *part, const char *key);
/* False when the value is no integer or negative. */
bool gguf_kv_unsigned(const struct gguf_kv *kv, uint64_t *out);

/* A power of two and a multiple of 8, so that every tensor can be read in place. */
bool gguf_alignment_is_valid(uint32_t alignment);

const char *gguf_type_name(uint32_t type);     /* "u32"; "unknown" beyond the last */
uint32_t gguf_type_bytes(enum gguf_type type); /* of one element; 0 for strings and arrays */
/* Like memcmp; a prefix is less. */
int gguf_string_compare(struct gguf_string a, struct gguf_string b);

#endif
