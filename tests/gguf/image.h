/* SPDX-License-Identifier: MIT */
/* Builds GGUF files byte by byte, right or wrong as the test wants, and opens exactly those bytes.
 */
#ifndef TESTS_GGUF_IMAGE_H
#define TESTS_GGUF_IMAGE_H

#include "gguf/gguf.h"
#include "unit.h"

#include <string.h>

struct image {
    unsigned char bytes[8192];
    size_t n;
};

static inline void image_put(struct image *image, const void *bytes, size_t n)
{
    assert_true(n <= sizeof image->bytes - image->n);
    if (n > 0) {
        memcpy(image->bytes + image->n, bytes, n);
    }
    image->n += n;
}

static inline void image_u8(struct image *image, uint8_t value)
{
    image_put(image, &value, sizeof value);
}

static inline void image_u32(struct image *image, uint32_t value)
{
    image_put(image, &value, sizeof value);
}

static inline void image_u64(struct image *image, uint64_t value)
{
    image_put(image, &value, sizeof value);
}

static inline void image_string(struct image *image, const char *text)
{
    image_u64(image, strlen(text));
    image_put(image, text, strlen(text));
}

static inline void image_begin(struct image *image, uint64_t n_tensors, uint64_t n_kv)
{
    image->n = 0;
    image_put(image, "GGUF", 4);
    image_u32(image, 3);
    image_u64(image, n_tensors);
    image_u64(image, n_kv);
}

static inline void image_key(struct image *image, const char *key, uint32_t type)
{
    image_string(image, key);
    image_u32(image, type);
}

static inline void image_kv_u32(struct image *image, const char *key, uint32_t value)
{
    image_key(image, key, GGUF_U32);
    image_u32(image, value);
}

static inline void image_kv_u16(struct image *image, const char *key, uint16_t value)
{
    image_key(image, key, GGUF_U16);
    image_put(image, &value, sizeof value);
}

static inline void image_kv_string(struct image *image, const char *key, const char *value)
{
    image_key(image, key, GGUF_STRING);
    image_string(image, value);
}

/* Head of an array; the elements follow. */
static inline void image_kv_array(struct image *image, const char *key, uint32_t type, uint64_t n)
{
    image_key(image, key, GGUF_ARRAY);
    image_u32(image, type);
    image_u64(image, n);
}

static inline void image_tensor(struct image *image, const char *name, uint32_t n_dims,
                                const uint64_t *ne, uint32_t type, uint64_t offset)
{
    image_string(image, name);
    image_u32(image, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        image_u64(image, ne[i]);
    }
    image_u32(image, type);
    image_u64(image, offset);
}

static inline void image_zeros(struct image *image, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        image_u8(image, 0);
    }
}

static inline void image_pad(struct image *image, size_t alignment)
{
    image_zeros(image, (alignment - image->n % alignment) % alignment);
}

/* A valid file that has one value of every type, arrays, empty things, and two tensors. */
static inline void image_small_model(struct image *image)
{
    static const uint64_t ne_a[] = {4, 3}, ne_b[] = {32, 2};
    image_begin(image, 2, 20);
    image_kv_string(image, "general.architecture", "llama");
    image_kv_u32(image, "general.alignment", 32);
    image_key(image, "u8", GGUF_U8);
    image_u8(image, 200);
    image_key(image, "i8", GGUF_I8);
    image_u8(image, (uint8_t)-5);
    image_kv_u16(image, "u16", 60000);
    image_key(image, "i16", GGUF_I16);
    image_put(image, &(int16_t){-300}, 2);
    image_key(image, "i32", GGUF_I32);
    image_put(image, &(int32_t){-70000}, 4);
    image_key(image, "f32", GGUF_F32);
    image_put(image, &(float){1.5F}, 4);
    image_key(image, "bool", GGUF_BOOL);
    image_u8(image, 1);
    image_key(image, "u64", GGUF_U64);
    image_u64(image, UINT64_MAX);
    image_key(image, "i64", GGUF_I64);
    image_u64(image, (uint64_t)INT64_MIN);
    image_key(image, "f64", GGUF_F64);
    image_put(image, &(double){0.25}, 8);
    image_kv_string(image, "", "value of the empty key");
    image_kv_string(image, "empty", "");
    image_kv_array(image, "no numbers", GGUF_F32, 0);
    image_kv_array(image, "no strings", GGUF_STRING, 0);
    image_kv_array(image, "numbers", GGUF_I32, 3);
    image_put(image, (int32_t[]){1, -2, 3}, 12);
    image_kv_array(image, "floats", GGUF_F32, 2);
    image_put(image, (float[]){0.5F, -2.0F}, 8);
    image_kv_array(image, "bools", GGUF_BOOL, 2);
    image_u8(image, 0);
    image_u8(image, 1);
    image_kv_array(image, "strings", GGUF_STRING, 3);
    image_string(image, "one");
    image_string(image, "");
    image_string(image, "three");
    image_tensor(image, "a.weight", 2, ne_a, DTYPE_F32, 0);
    image_tensor(image, "b.weight", 2, ne_b, DTYPE_Q8_0, 64);
    image_pad(image, 32);
    for (uint32_t i = 0; i < 12; i++) {
        image_put(image, &(float){(float)i}, sizeof(float));
    }
    image_pad(image, 32);
    image_zeros(image, 68);
}

/* Opens a copy that is exactly as long as the image, so that a sanitizer sees every read beyond it.
 */
static inline enum mscope_status image_open(struct gguf **out, unsigned char **copy,
                                            const unsigned char *bytes, size_t n,
                                            struct mscope_error *err)
{
    *copy = malloc(n > 0 ? n : 1);
    assert_non_null(*copy);
    if (n > 0) {
        memcpy(*copy, bytes, n);
    }
    memset(err, 0, sizeof *err);
    enum mscope_status status = gguf_open_memory(out, *copy, n, "image", err);
    assert_true((status == MSCOPE_OK) == (*out != NULL));
    if (status != MSCOPE_OK) { /* every failure says what it is about and what is wrong */
        assert_int_equal(err->status, status);
        assert_true(err->object[0] != '\0' && err->detail[0] != '\0');
    }
    return status;
}

/* The image must be refused; object is equal, detail contains the text. */
static inline void image_expect(const struct image *image, enum mscope_status status,
                                const char *object, const char *detail)
{
    struct gguf *gguf;
    unsigned char *copy;
    struct mscope_error err;
    enum mscope_status found = image_open(&gguf, &copy, image->bytes, image->n, &err);
    gguf_close(&gguf);
    free(copy);
    if (found != status || strcmp(err.object, object) != 0 || strstr(err.detail, detail) == NULL) {
        fail_msg("status %d \"%s: %s\", expected %d \"%s: ...%s...\"", found, err.object,
                 err.detail, status, object, detail);
    }
}

#endif
