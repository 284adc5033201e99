/* SPDX-License-Identifier: MIT */
/*
 * Uses everything an opened file gives out: each key through every getter, each array element, each
 * tensor's name and edges, and checks the promises of gguf.h on the way. Shared by the tests and
 * the fuzz target.
 */
#ifndef TESTS_GGUF_WALK_H
#define TESTS_GGUF_WALK_H

#include "gguf/gguf.h"

#include <stdlib.h>
#include <string.h>

static inline void walk_require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static inline uint64_t walk_bytes(const void *bytes, uint64_t n)
{
    const unsigned char *at = bytes;
    uint64_t sum = n;
    for (uint64_t i = 0; i < n; i++) {
        sum = sum * 31 + at[i];
    }
    return sum;
}

static inline uint64_t walk_array(const struct gguf_array *array)
{
    uint64_t sum = 0, n_strings = 0;
    if (array->type == GGUF_STRING) {
        const void *cursor = array->data;
        struct gguf_string text;
        while (gguf_array_next_string(array, &cursor, &text)) {
            sum += walk_bytes(text.data, text.n_bytes);
            n_strings++;
        }
        walk_require(n_strings == array->n && cursor == array->end);
        return sum;
    }
    for (uint64_t i = 0; i < array->n; i++) {
        switch (array->type) {
        case GGUF_F32:
            sum += gguf_array_f32(array, i) > 0;
            break;
        case GGUF_U8:
        case GGUF_I8:
        case GGUF_U16:
        case GGUF_I16:
        case GGUF_U32:
        case GGUF_I32:
            sum += (uint64_t)gguf_array_i32(array, i);
            break;
        default:
            break;
        }
    }
    return sum + walk_bytes(array->data,
                            (uint64_t)((const char *)array->end - (const char *)array->data));
}

static inline uint64_t walk_getters(const struct gguf *gguf, const char *key)
{
    struct mscope_error err;
    uint32_t u32 = 0;
    float f32 = 0;
    bool flag = false;
    struct gguf_string text = {"", 0};
    struct gguf_array array;
    uint64_t n_ok = 0;
    n_ok += gguf_get_u32(gguf, key, &u32, &err) == MSCOPE_OK;
    n_ok += gguf_get_u32_or(gguf, key, &u32, &err) == MSCOPE_OK;
    n_ok += gguf_get_f32(gguf, key, &f32, &err) == MSCOPE_OK;
    n_ok += gguf_get_f32_or(gguf, key, &f32, &err) == MSCOPE_OK;
    n_ok += gguf_get_bool_or(gguf, key, &flag, &err) == MSCOPE_OK;
    n_ok += gguf_get_string(gguf, key, &text, &err) == MSCOPE_OK;
    n_ok += gguf_get_string_or(gguf, key, &text, &err) == MSCOPE_OK;
    for (int type = 0; type < GGUF_N_TYPE; type++) {
        if (gguf_get_array(gguf, key, (enum gguf_type)type, &array, &err) == MSCOPE_OK) {
            n_ok += 1 + walk_array(&array);
        }
    }
    return n_ok + walk_bytes(text.data, text.n_bytes);
}

static inline uint64_t walk_kv(const struct gguf *gguf, const struct gguf_kv *kv)
{
    uint64_t sum = walk_bytes(kv->key.data, kv->key.n_bytes);
    if (kv->type == GGUF_ARRAY) {
        sum += walk_array(&kv->array);
    } else if (kv->type == GGUF_STRING) {
        sum += walk_bytes(kv->text.data, kv->text.n_bytes);
    } else {
        static const uint8_t scalar_bytes[GGUF_N_TYPE] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        sum += walk_bytes(kv->data, scalar_bytes[kv->type]);
    }
    char *key = malloc(kv->key.n_bytes + 1);
    if (key == NULL) {
        return sum;
    }
    memcpy(key, kv->key.data, kv->key.n_bytes);
    key[kv->key.n_bytes] = '\0';
    if (memchr(key, '\0', kv->key.n_bytes + 1) == key + kv->key.n_bytes) {
        walk_require(gguf_find(gguf, key) == kv && gguf_string_equals(kv->key, key));
        sum += walk_getters(gguf, key);
    }
    free(key);
    return sum;
}

static inline uint64_t walk_tensor(const struct gguf *gguf, const struct gguf_tensor *tensor)
{
    walk_require(gguf_find_tensor(gguf, tensor->name) == tensor);
    walk_require(tensor->n_dims <= GGUF_MAX_DIMS && tensor->i_part < gguf_n_parts(gguf));
    uint64_t n_elems = 1;
    for (int i = 0; i < GGUF_MAX_DIMS; i++) {
        walk_require(tensor->ne[i] >= 1);
        n_elems *= tensor->ne[i];
    }
    walk_require(n_elems == tensor->n_elems && tensor->n_bytes > 0);
    walk_require(tensor->file_offset % gguf_alignment(gguf) == 0 || tensor->i_part > 0);
    const unsigned char *bytes = tensor->data;
    return bytes[0] + (uint64_t)bytes[tensor->n_bytes - 1];
}

/* The sum only keeps the reads from being optimised away. */
static inline uint64_t walk_all(const struct gguf *gguf)
{
    uint64_t sum = gguf_file_bytes(gguf) + strlen(gguf_path(gguf));
    for (uint32_t i = 0; i < gguf_n_parts(gguf); i++) {
        sum += strlen(gguf_part_path(gguf, i));
    }
    for (uint64_t i = 0; i < gguf_n_kv(gguf); i++) {
        sum += walk_kv(gguf, gguf_kv_at(gguf, i));
    }
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        sum += walk_tensor(gguf, gguf_tensor_at(gguf, i));
    }
    return sum + walk_getters(gguf, "no such key");
}

#endif
