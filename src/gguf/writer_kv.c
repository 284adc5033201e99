/* SPDX-License-Identifier: MIT */
/*
 * The key-value pairs of a file to be written. Each call copies its value into the arena as it will
 * stand in the file; a key set again is found by sorting once at the end, so that millions of pairs
 * stay cheap.
 */
#include "gguf/writer_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_HEAD_BYTES = 12 }; /* element type u32, count u64 */

static void add_scalar(struct gguf_writer *writer, const char *key, enum gguf_type type,
                       const void *value);
static void add_string(struct gguf_writer *writer, struct gguf_string key, struct gguf_string text);
static unsigned char *add_pair(struct gguf_writer *writer, struct gguf_string key,
                               enum gguf_type type, uint64_t n_bytes);
static unsigned char *add_array(struct gguf_writer *writer, struct gguf_string key,
                                enum gguf_type type, uint64_t n, uint64_t data_bytes);
static struct gguf_string key_string(const char *key);
static int compare_entries(const void *a, const void *b);

void gguf_writer_copy_kv(struct gguf_writer *writer, const struct gguf_kv *kv)
{
    if (gguf_string_equals(kv->key, "split.no") || gguf_string_equals(kv->key, "split.count") ||
        gguf_string_equals(kv->key, "split.tensors.count")) {
        return;
    }
    if (kv->type == GGUF_ARRAY) {
        uint64_t n_bytes = (uint64_t)((const char *)kv->array.end - (const char *)kv->array.data);
        unsigned char *value = add_array(writer, kv->key, kv->array.type, kv->array.n, n_bytes);
        if (value != NULL) {
            memcpy(value, kv->array.data, (size_t)n_bytes);
        }
    } else if (kv->type == GGUF_STRING) {
        add_string(writer, kv->key, kv->text);
    } else {
        unsigned char *value = add_pair(writer, kv->key, kv->type, gguf_type_bytes(kv->type));
        if (value != NULL) {
            memcpy(value, kv->data, gguf_type_bytes(kv->type));
        }
    }
}

void gguf_writer_set_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    add_scalar(writer, key, GGUF_U32, &value);
}

void gguf_writer_set_u64(struct gguf_writer *writer, const char *key, uint64_t value)
{
    add_scalar(writer, key, GGUF_U64, &value);
}

void gguf_writer_set_i32(struct gguf_writer *writer, const char *key, int32_t value)
{
    add_scalar(writer, key, GGUF_I32, &value);
}

void gguf_writer_set_u16(struct gguf_writer *writer, const char *key, uint16_t value)
{
    add_scalar(writer, key, GGUF_U16, &value);
}

void gguf_writer_set_f32(struct gguf_writer *writer, const char *key, float value)
{
    add_scalar(writer, key, GGUF_F32, &value);
}

void gguf_writer_set_bool(struct gguf_writer *writer, const char *key, bool value)
{
    unsigned char byte = value ? 1 : 0;
    add_scalar(writer, key, GGUF_BOOL, &byte);
}

void gguf_writer_set_string(struct gguf_writer *writer, const char *key, const char *text,
                            size_t n_bytes)
{
    add_string(writer, key_string(key), (struct gguf_string){text, n_bytes});
}

void gguf_writer_set_array(struct gguf_writer *writer, const char *key, enum gguf_type type,
                           const void *data, uint64_t n)
{
    assert(type != GGUF_STRING && type != GGUF_ARRAY && type < GGUF_N_TYPE);
    uint64_t n_bytes;
    if (!checked_mul_u64(&n_bytes, n, gguf_type_bytes(type))) {
        n_bytes = UINT64_MAX; /* refused as too large to hold */
    }
    unsigned char *value = add_array(writer, key_string(key), type, n, n_bytes);
    if (value != NULL && n_bytes > 0) {
        memcpy(value, data, (size_t)n_bytes);
    }
}

void gguf_writer_set_string_array(struct gguf_writer *writer, const char *key,
                                  const struct gguf_string *texts, uint64_t n)
{
    uint64_t n_bytes = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_bytes += sizeof(uint64_t) + texts[i].n_bytes; /* of texts in memory: cannot overflow */
    }
    unsigned char *value = add_array(writer, key_string(key), GGUF_STRING, n, n_bytes);
    if (value == NULL) {
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = texts[i].n_bytes;
        memcpy(value, &length, sizeof length);
        value += sizeof length;
        if (length > 0) {
            memcpy(value, texts[i].data, texts[i].n_bytes);
            value += length;
        }
    }
}

void writer_kv_resolve(struct gguf_writer *writer)
{
    uint64_t n = writer->n_entries;
    if (writer->error.status != MSCOPE_OK || n == 0) {
        return;
    }
    struct writer_entry **sorted =
        arena_take(writer->arena, (size_t)n, sizeof *sorted, &writer->error);
    if (sorted == NULL) {
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        sorted[i] = &writer->entries[i];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_entries);
    struct writer_entry *first = sorted[0];
    for (uint64_t i = 1; i < n; i++) {
        if (gguf_string_compare(first->key, sorted[i]->key) != 0) {
            first = sorted[i];
            continue;
        }
        first->type = sorted[i]->type;
        first->value = sorted[i]->value;
        first->n_bytes = sorted[i]->n_bytes;
        sorted[i]->value = NULL;
    }
    writer->n_entries = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (writer->entries[i].value != NULL) {
            writer->entries[writer->n_entries++] = writer->entries[i];
        }
    }
}

const struct writer_entry *writer_kv_find(const struct gguf_writer *writer, const char *key)
{
    for (uint64_t i = 0; i < writer->n_entries; i++) {
        if (gguf_string_equals(writer->entries[i].key, key)) {
            return &writer->entries[i];
        }
    }
    return NULL;
}

uint64_t writer_kv_bytes(const struct gguf_writer *writer)
{
    uint64_t n_bytes = 0;
    for (uint64_t i = 0; i < writer->n_entries; i++) {
        const struct writer_entry *entry = &writer->entries[i];
        n_bytes += sizeof(uint64_t) + entry->key.n_bytes + sizeof(uint32_t) + entry->n_bytes;
    }
    return n_bytes;
}

void writer_kv_write(struct gguf_writer *writer)
{
    writer_put_u64(writer, writer->n_entries);
    for (uint64_t i = 0; i < writer->n_entries; i++) {
        const struct writer_entry *entry = &writer->entries[i];
        writer_put_u64(writer, entry->key.n_bytes);
        writer_put(writer, entry->key.data, entry->key.n_bytes);
        writer_put_u32(writer, (uint32_t)entry->type);
        writer_put(writer, entry->value, entry->n_bytes);
    }
}

static void add_scalar(struct gguf_writer *writer, const char *key, enum gguf_type type,
                       const void *value)
{
    unsigned char *bytes = add_pair(writer, key_string(key), type, gguf_type_bytes(type));
    if (bytes != NULL) {
        memcpy(bytes, value, gguf_type_bytes(type));
    }
}

static void add_string(struct gguf_writer *writer, struct gguf_string key, struct gguf_string text)
{
    uint64_t length = text.n_bytes;
    unsigned char *value = add_pair(writer, key, GGUF_STRING, sizeof length + length);
    if (value != NULL) {
        memcpy(value, &length, sizeof length);
        if (length > 0) {
            memcpy(value + sizeof length, text.data, text.n_bytes);
        }
    }
}

static unsigned char *add_array(struct gguf_writer *writer, struct gguf_string key,
                                enum gguf_type type, uint64_t n, uint64_t data_bytes)
{
    uint64_t n_bytes;
    if (!checked_add_u64(&n_bytes, data_bytes, ARRAY_HEAD_BYTES)) {
        n_bytes = UINT64_MAX;
    }
    unsigned char *value = add_pair(writer, key, GGUF_ARRAY, n_bytes);
    if (value == NULL) {
        return NULL;
    }
    uint32_t type_id = (uint32_t)type;
    memcpy(value, &type_id, sizeof type_id);
    memcpy(value + sizeof type_id, &n, sizeof n);
    return value + ARRAY_HEAD_BYTES;
}

/* Room for a value of n_bytes bytes; NULL after a failure, which stays in writer->error. */
static unsigned char *add_pair(struct gguf_writer *writer, struct gguf_string key,
                               enum gguf_type type, uint64_t n_bytes)
{
    assert(!writer->in_data);
    if (writer->error.status != MSCOPE_OK ||
        gguf_grow((void **)&writer->entries, writer->n_entries, &writer->entry_capacity,
                  sizeof *writer->entries, "GGUF writer", &writer->error) != MSCOPE_OK) {
        return NULL;
    }
    struct writer_entry *entry = &writer->entries[writer->n_entries];
    char *name = arena_string(writer->arena, key.data, key.n_bytes, &writer->error);
    unsigned char *value =
        name == NULL ? NULL : arena_take(writer->arena, (size_t)n_bytes, 1, &writer->error);
    if (value == NULL) {
        return NULL;
    }
    *entry = (struct writer_entry){{name, key.n_bytes}, type, value, n_bytes};
    writer->n_entries++;
    return value;
}

static struct gguf_string key_string(const char *key)
{
    return (struct gguf_string){key, strlen(key)};
}

/* By key; equal keys in order of declaration, which is the order of the array they point into. */
static int compare_entries(const void *a, const void *b)
{
    const struct writer_entry *entry_a = *(struct writer_entry *const *)a;
    const struct writer_entry *entry_b = *(struct writer_entry *const *)b;
    int order = gguf_string_compare(entry_a->key, entry_b->key);
    return order != 0 ? order : (entry_a > entry_b) - (entry_a < entry_b);
}
