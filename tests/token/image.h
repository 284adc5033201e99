/* SPDX-License-Identifier: MIT */
/*
 * Small GGUF images written by hand in memory, for tests of the tokenizer: header and keys, no
 * tensors. Values are not checked, so that wrong files can be made as easily as right ones.
 */
#ifndef TESTS_TOKEN_IMAGE_H
#define TESTS_TOKEN_IMAGE_H

#include "gguf/gguf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct image {
    char *data;
    size_t n_bytes, capacity;
    uint64_t n_keys;
};

enum { IMAGE_N_KEYS_OFFSET = 16 };

/* of tokens, as in tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

static inline void image_bytes(struct image *image, const void *bytes, size_t n_bytes)
{
    if (image->n_bytes + n_bytes > image->capacity) {
        image->capacity = (image->n_bytes + n_bytes) * 2;
        image->data = realloc(image->data, image->capacity);
        assert(image->data != NULL);
    }
    if (n_bytes > 0) {
        memcpy(image->data + image->n_bytes, bytes, n_bytes);
    }
    image->n_bytes += n_bytes;
}

static inline void image_u32(struct image *image, uint32_t value)
{
    image_bytes(image, &value, sizeof value);
}

static inline void image_u64(struct image *image, uint64_t value)
{
    image_bytes(image, &value, sizeof value);
}

static inline void image_string(struct image *image, const char *text, size_t n_bytes)
{
    image_u64(image, n_bytes);
    image_bytes(image, text, n_bytes);
}

static inline void image_begin(struct image *image)
{
    image->n_bytes = 0;
    image->n_keys = 0;
    image_bytes(image, "GGUF", 4);
    image_u32(image, 3);
    image_u64(image, 0);
    image_u64(image, 0);
}

static inline void image_key(struct image *image, const char *key, enum gguf_type type)
{
    image->n_keys++;
    memcpy(image->data + IMAGE_N_KEYS_OFFSET, &image->n_keys, sizeof image->n_keys);
    image_string(image, key, strlen(key));
    image_u32(image, (uint32_t)type);
}

static inline void image_set_string(struct image *image, const char *key, const char *text)
{
    image_key(image, key, GGUF_STRING);
    image_string(image, text, strlen(text));
}

static inline void image_set_u32(struct image *image, const char *key, uint32_t value)
{
    image_key(image, key, GGUF_U32);
    image_u32(image, value);
}

static inline void image_set_bool(struct image *image, const char *key, bool value)
{
    unsigned char byte = value;
    image_key(image, key, GGUF_BOOL);
    image_bytes(image, &byte, 1);
}

static inline void image_array(struct image *image, const char *key, enum gguf_type type,
                               uint64_t n)
{
    image_key(image, key, GGUF_ARRAY);
    image_u32(image, (uint32_t)type);
    image_u64(image, n);
}

/* `texts` ends with NULL. Returns how many there are. */
static inline uint32_t image_set_strings(struct image *image, const char *key,
                                         const char *const *texts)
{
    uint32_t n = 0;
    while (texts[n] != NULL) {
        n++;
    }
    image_array(image, key, GGUF_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        image_string(image, texts[i], strlen(texts[i]));
    }
    return n;
}

static inline void image_set_i32s(struct image *image, const char *key, const int32_t *values,
                                  uint64_t n)
{
    image_array(image, key, GGUF_I32, n);
    image_bytes(image, values, n * sizeof *values);
}

static inline void image_set_f32s(struct image *image, const char *key, const float *values,
                                  uint64_t n)
{
    image_array(image, key, GGUF_F32, n);
    image_bytes(image, values, n * sizeof *values);
}

static inline void image_free(struct image *image)
{
    free(image->data);
    *image = (struct image){0};
}

#endif
