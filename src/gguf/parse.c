/* SPDX-License-Identifier: MIT */
/* Header and key-value pairs of one GGUF file. Specification: GGUF version 3; checks:
 * docs/FORMAT.md. */
#include "gguf/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status parse_header(struct gguf_part *part, struct cursor *cursor,
                                       struct mscope_error *err);
static enum mscope_status check_counts(const struct gguf_part *part, const struct cursor *cursor,
                                       uint64_t n_tensors, uint64_t n_kv, struct mscope_error *err);
static enum mscope_status parse_kv(const struct gguf_part *part, struct cursor *cursor,
                                   uint64_t i_kv, struct gguf_kv *kv, struct mscope_error *err);
static enum mscope_status parse_value(struct cursor *cursor, struct gguf_kv *kv,
                                      struct mscope_error *err);
static enum mscope_status parse_array(struct cursor *cursor, struct gguf_kv *kv,
                                      struct mscope_error *err);
static enum mscope_status check_bools(const unsigned char *bytes, uint64_t n,
                                      struct mscope_error *err);
static enum mscope_status index_keys(struct gguf_part *part, struct mscope_error *err);
static enum mscope_status find_alignment(struct gguf_part *part, struct mscope_error *err);
static int compare_keys(const void *a, const void *b);

enum mscope_status gguf_parse_metadata(struct gguf_part *part, struct cursor *cursor,
                                       struct mscope_error *err)
{
    enum mscope_status status = parse_header(part, cursor, err);
    if (status != MSCOPE_OK) {
        error_set_object(err, "file %s", part->path);
        return status;
    }
    uint64_t n_kv = part->n_kv;
    for (part->n_kv = 0; part->n_kv < n_kv; part->n_kv++) {
        status = gguf_grow((void **)&part->kvs, part->n_kv, &part->kv_capacity, sizeof *part->kvs,
                           "GGUF metadata", err);
        if (status != MSCOPE_OK) {
            return status;
        }
        status = parse_kv(part, cursor, part->n_kv, &part->kvs[part->n_kv], err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    status = index_keys(part, err);
    return status == MSCOPE_OK ? find_alignment(part, err) : status;
}

/* Sets n_tensors_claimed and n_kv; the caller names the file in errors. */
static enum mscope_status parse_header(struct gguf_part *part, struct cursor *cursor,
                                       struct mscope_error *err)
{
    const unsigned char *magic = cursor_take(cursor, 4);
    if (magic != NULL && memcmp(magic, "GGUF", 4) != 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "not a GGUF file: starts with bytes %02x %02x %02x %02x, "
                         "expected 47 47 55 46 (GGUF)",
                         magic[0], magic[1], magic[2], magic[3]);
    }
    uint32_t version = cursor_u32(cursor);
    if (!cursor->failed && version != 0 && (version & 0xffff) == 0) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "",
                         "big-endian GGUF (version field %08" PRIx32 "), expected little-endian",
                         version);
    }
    if (!cursor->failed && version == 1) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "",
                         "GGUF version 1 (32-bit lengths), expected version 2 or 3");
    }
    if (!cursor->failed && (version < 2 || version > GGUF_VERSION)) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "",
                         "GGUF version %" PRIu32 ", expected version 2 or 3", version);
    }
    uint64_t n_tensors = cursor_u64(cursor);
    uint64_t n_kv = cursor_u64(cursor);
    if (cursor->failed) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "truncated: %" PRIu64 " bytes, expected a header of at least %d",
                         part->n_bytes, GGUF_HEADER_BYTES);
    }
    part->n_tensors_claimed = n_tensors;
    part->n_kv = n_kv;
    return check_counts(part, cursor, n_tensors, n_kv, err);
}

static enum mscope_status check_counts(const struct gguf_part *part, const struct cursor *cursor,
                                       uint64_t n_tensors, uint64_t n_kv, struct mscope_error *err)
{
    if (n_tensors > INT64_MAX) {
        return error_set(err, MSCOPE_ERR_FORMAT, "", "number of tensors is negative (%" PRId64 ")",
                         (int64_t)n_tensors);
    }
    if (n_kv > INT64_MAX) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "number of key-value pairs is negative (%" PRId64 ")", (int64_t)n_kv);
    }
    uint64_t max_kv = cursor_left(cursor) / GGUF_MIN_KV_BYTES;
    if (n_kv > max_kv) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "%" PRIu64 " key-value pairs claimed, a file of %" PRIu64
                         " bytes holds at most %" PRIu64,
                         n_kv, part->n_bytes, max_kv);
    }
    uint64_t max_tensors = cursor_left(cursor) / GGUF_MIN_TENSOR_BYTES;
    if (n_tensors > max_tensors) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "%" PRIu64 " tensors claimed, a file of %" PRIu64
                         " bytes holds at most %" PRIu64,
                         n_tensors, part->n_bytes, max_tensors);
    }
    return MSCOPE_OK;
}

static enum mscope_status parse_kv(const struct gguf_part *part, struct cursor *cursor,
                                   uint64_t i_kv, struct gguf_kv *kv, struct mscope_error *err)
{
    memset(kv, 0, sizeof *kv);
    if (!cursor_string(cursor, &kv->key)) {
        enum mscope_status status = gguf_error_truncated(err, cursor, "a key");
        error_set_object(err, "file %s, key-value pair %" PRIu64, part->path, i_kv);
        return status;
    }
    uint32_t type = cursor_u32(cursor);
    enum mscope_status status;
    if (cursor->failed) {
        status = gguf_error_truncated(err, cursor, "the value type");
    } else if (type >= GGUF_N_TYPE) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "", "value type %" PRIu32 ", expected 0 to %d",
                           type, GGUF_N_TYPE - 1);
    } else {
        kv->type = (enum gguf_type)type;
        status = parse_value(cursor, kv, err);
    }
    if (status != MSCOPE_OK) {
        gguf_error_object_key(err, kv->key);
    }
    return status;
}

static enum mscope_status parse_value(struct cursor *cursor, struct gguf_kv *kv,
                                      struct mscope_error *err)
{
    if (kv->type == GGUF_ARRAY) {
        return parse_array(cursor, kv, err);
    }
    if (kv->type == GGUF_STRING) {
        if (!cursor_string(cursor, &kv->text)) {
            return gguf_error_truncated(err, cursor, "the string");
        }
        kv->data = kv->text.data;
        return MSCOPE_OK;
    }
    kv->data = cursor_take(cursor, gguf_type_bytes(kv->type));
    if (kv->data == NULL) {
        return gguf_error_truncated(err, cursor, "the value");
    }
    return kv->type == GGUF_BOOL ? check_bools(kv->data, 1, err) : MSCOPE_OK;
}

static enum mscope_status parse_array(struct cursor *cursor, struct gguf_kv *kv,
                                      struct mscope_error *err)
{
    uint32_t type = cursor_u32(cursor);
    uint64_t n = cursor_u64(cursor);
    if (cursor->failed) {
        return gguf_error_truncated(err, cursor, "the element type and count");
    }
    if (type == GGUF_ARRAY) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "array of arrays, expected elements of a plain type");
    }
    if (type >= GGUF_N_TYPE) {
        return error_set(err, MSCOPE_ERR_FORMAT, "", "element type %" PRIu32 ", expected 0 to %d",
                         type, GGUF_N_TYPE - 1);
    }
    uint64_t min_bytes =
        type == GGUF_STRING ? sizeof(uint64_t) : gguf_type_bytes((enum gguf_type)type);
    if (n > cursor_left(cursor) / min_bytes) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "array of %" PRIu64 " elements of type %s, the %" PRIu64
                         " bytes left in the file hold at most %" PRIu64,
                         n, gguf_type_name(type), cursor_left(cursor),
                         cursor_left(cursor) / min_bytes);
    }
    kv->array.type = (enum gguf_type)type;
    kv->array.n = n;
    if (type == GGUF_STRING) {
        kv->array.data = cursor_take(cursor, 0);
        struct gguf_string text;
        for (uint64_t i = 0; i < n; i++) {
            if (!cursor_string(cursor, &text)) {
                char what[64];
                snprintf(what, sizeof what, "string %" PRIu64 " of %" PRIu64, i, n);
                return gguf_error_truncated(err, cursor, what);
            }
        }
        kv->array.end = cursor_take(cursor, 0);
    } else {
        kv->array.data = cursor_take(cursor, n * min_bytes);
        kv->array.end = cursor_take(cursor, 0);
    }
    kv->data = kv->array.data;
    return type == GGUF_BOOL ? check_bools(kv->data, n, err) : MSCOPE_OK;
}

static enum mscope_status check_bools(const unsigned char *bytes, uint64_t n,
                                      struct mscope_error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        if (bytes[i] > 1) {
            return error_set(err, MSCOPE_ERR_FORMAT, "", "bool with the value %u, expected 0 or 1",
                             bytes[i]);
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status index_keys(struct gguf_part *part, struct mscope_error *err)
{
    if (part->n_kv == 0) {
        return MSCOPE_OK;
    }
    part->by_key = malloc((size_t)part->n_kv * sizeof *part->by_key);
    if (part->by_key == NULL) {
        return error_set_memory(err, "GGUF metadata", part->n_kv * sizeof *part->by_key);
    }
    for (uint64_t i = 0; i < part->n_kv; i++) {
        part->by_key[i] = &part->kvs[i];
    }
    qsort(part->by_key, (size_t)part->n_kv, sizeof *part->by_key, compare_keys);
    for (uint64_t i = 1; i < part->n_kv; i++) {
        if (gguf_string_compare(part->by_key[i - 1]->key, part->by_key[i]->key) == 0) {
            error_set(err, MSCOPE_ERR_FORMAT, "", "there more than once, expected unique keys");
            gguf_error_object_key(err, part->by_key[i]->key);
            return MSCOPE_ERR_FORMAT;
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status find_alignment(struct gguf_part *part, struct mscope_error *err)
{
    part->alignment = GGUF_DEFAULT_ALIGNMENT;
    const struct gguf_kv *kv = gguf_part_find(part, "general.alignment");
    if (kv == NULL) {
        return MSCOPE_OK;
    }
    if (kv->type != GGUF_U32) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key general.alignment", "type %s, expected u32",
                         gguf_type_name(kv->type));
    }
    uint32_t alignment;
    memcpy(&alignment, kv->data, sizeof alignment);
    if (!gguf_alignment_is_valid(alignment)) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key general.alignment",
                         "%" PRIu32 ", expected a power of two from 8 on", alignment);
    }
    part->alignment = alignment;
    return MSCOPE_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const struct gguf_kv *const *kv_a = a;
    const struct gguf_kv *const *kv_b = b;
    return gguf_string_compare((*kv_a)->key, (*kv_b)->key);
}

enum mscope_status gguf_error_truncated(struct mscope_error *err, const struct cursor *cursor,
                                        const char *what)
{
    return error_set(err, MSCOPE_ERR_FORMAT, "",
                     "truncated: %s needs %" PRIu64 " bytes at offset %" PRIu64
                     ", the file has %" PRIu64 " left",
                     what, cursor->wanted_bytes, cursor_offset(cursor), cursor_left(cursor));
}

void gguf_error_object_key(struct mscope_error *err, struct gguf_string key)
{
    int n_shown = key.n_bytes > 200 ? 200 : (int)key.n_bytes;
    error_set_object(err, "key %.*s", n_shown, key.data);
}

enum mscope_status gguf_grow(void **items, uint64_t n, uint64_t *capacity, size_t item_bytes,
                             const char *purpose, struct mscope_error *err)
{
    if (n < *capacity) {
        return MSCOPE_OK;
    }
    uint64_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *grown =
        wanted > SIZE_MAX / item_bytes ? NULL : realloc(*items, (size_t)wanted * item_bytes);
    if (grown == NULL) {
        return error_set_memory(err, purpose, wanted * item_bytes);
    }
    *items = grown;
    *capacity = wanted;
    return MSCOPE_OK;
}
