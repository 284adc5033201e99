/* SPDX-License-Identifier: MIT */
/* Lookup by name, typed values with their range checked, array elements. */
#include "gguf/internal.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum mscope_status find_or_error(const struct gguf *gguf, const char *key,
                                        const char *expected, const struct gguf_kv **out,
                                        struct mscope_error *err);
static enum mscope_status wrong_type(const struct gguf_kv *kv, const char *expected,
                                     struct mscope_error *err);
static bool read_integer(enum gguf_type type, const void *bytes, int64_t *out);

enum mscope_status gguf_get_u32(const struct gguf *gguf, const char *key, uint32_t *out,
                                struct mscope_error *err)
{
    const struct gguf_kv *kv;
    enum mscope_status status = find_or_error(gguf, key, "an integer", &kv, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    uint64_t value;
    int64_t as_signed;
    if (gguf_kv_unsigned(kv, &value)) {
        if (value <= UINT32_MAX) {
            *out = (uint32_t)value;
            return MSCOPE_OK;
        }
        status = error_set(err, MSCOPE_ERR_FORMAT, "", "%" PRIu64 ", expected 0 to %" PRIu32, value,
                           UINT32_MAX);
    } else if (read_integer(kv->type, kv->data, &as_signed)) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "", "%" PRId64 ", expected 0 to %" PRIu32,
                           as_signed, UINT32_MAX);
    } else {
        return wrong_type(kv, "an integer", err);
    }
    gguf_error_object_key(err, kv->key);
    return status;
}

enum mscope_status gguf_get_u32_or(const struct gguf *gguf, const char *key, uint32_t *out,
                                   struct mscope_error *err)
{
    return gguf_find(gguf, key) == NULL ? MSCOPE_OK : gguf_get_u32(gguf, key, out, err);
}

enum mscope_status gguf_get_f32(const struct gguf *gguf, const char *key, float *out,
                                struct mscope_error *err)
{
    const struct gguf_kv *kv;
    enum mscope_status status = find_or_error(gguf, key, "a float", &kv, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (kv->type == GGUF_F32) {
        memcpy(out, kv->data, sizeof *out);
        return MSCOPE_OK;
    }
    if (kv->type != GGUF_F64) {
        return wrong_type(kv, "a float", err);
    }
    double value;
    memcpy(&value, kv->data, sizeof value);
    if (isfinite(value) && fabs(value) > (double)FLT_MAX) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "", "%g, expected at most %g in size", value,
                           (double)FLT_MAX);
        gguf_error_object_key(err, kv->key);
        return status;
    }
    *out = (float)value;
    return MSCOPE_OK;
}

enum mscope_status gguf_get_f32_or(const struct gguf *gguf, const char *key, float *out,
                                   struct mscope_error *err)
{
    return gguf_find(gguf, key) == NULL ? MSCOPE_OK : gguf_get_f32(gguf, key, out, err);
}

enum mscope_status gguf_get_bool_or(const struct gguf *gguf, const char *key, bool *out,
                                    struct mscope_error *err)
{
    const struct gguf_kv *kv = gguf_find(gguf, key);
    if (kv == NULL) {
        return MSCOPE_OK;
    }
    if (kv->type != GGUF_BOOL) {
        return wrong_type(kv, "a bool", err);
    }
    *out = *(const unsigned char *)kv->data != 0;
    return MSCOPE_OK;
}

enum mscope_status gguf_get_string(const struct gguf *gguf, const char *key,
                                   struct gguf_string *out, struct mscope_error *err)
{
    const struct gguf_kv *kv;
    enum mscope_status status = find_or_error(gguf, key, "a string", &kv, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (kv->type != GGUF_STRING) {
        return wrong_type(kv, "a string", err);
    }
    *out = kv->text;
    return MSCOPE_OK;
}

enum mscope_status gguf_get_string_or(const struct gguf *gguf, const char *key,
                                      struct gguf_string *out, struct mscope_error *err)
{
    return gguf_find(gguf, key) == NULL ? MSCOPE_OK : gguf_get_string(gguf, key, out, err);
}

enum mscope_status gguf_get_array(const struct gguf *gguf, const char *key,
                                  enum gguf_type element_type, struct gguf_array *out,
                                  struct mscope_error *err)
{
    char expected[32];
    snprintf(expected, sizeof expected, "an array of %s", gguf_type_name(element_type));
    const struct gguf_kv *kv;
    enum mscope_status status = find_or_error(gguf, key, expected, &kv, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (kv->type != GGUF_ARRAY || kv->array.type != element_type) {
        return wrong_type(kv, expected, err);
    }
    *out = kv->array;
    return MSCOPE_OK;
}

const struct gguf_kv *gguf_find(const struct gguf *gguf, const char *key)
{
    return gguf_part_find(&gguf->parts[0], key);
}

const struct gguf_kv *gguf_part_find(const struct gguf_part *part, const char *key)
{
    struct gguf_string wanted = {key, strlen(key)};
    uint64_t low = 0, high = part->n_kv;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = gguf_string_compare(part->by_key[middle]->key, wanted);
        if (order == 0) {
            return part->by_key[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name)
{
    uint64_t low = 0, high = gguf->n_tensors;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = strcmp(gguf->by_name[middle]->name, name);
        if (order == 0) {
            return gguf->by_name[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool gguf_kv_unsigned(const struct gguf_kv *kv, uint64_t *out)
{
    int64_t value;
    if (kv->type == GGUF_U64) {
        memcpy(out, kv->data, sizeof *out);
        return true;
    }
    if (!read_integer(kv->type, kv->data, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

int32_t gguf_array_i32(const struct gguf_array *array, uint64_t i)
{
    assert(i < array->n);
    int64_t value = 0;
    bool is_integer = read_integer(
        array->type, (const char *)array->data + i * gguf_type_bytes(array->type), &value);
    assert(is_integer && gguf_type_bytes(array->type) <= sizeof(int32_t));
    (void)is_integer;
    return (int32_t)value;
}

float gguf_array_f32(const struct gguf_array *array, uint64_t i)
{
    assert(i < array->n && array->type == GGUF_F32);
    float value;
    memcpy(&value, (const char *)array->data + i * sizeof value, sizeof value);
    return value;
}

bool gguf_array_next_string(const struct gguf_array *array, const void **cursor,
                            struct gguf_string *out)
{
    assert(array->type == GGUF_STRING);
    const char *at = *cursor;
    struct cursor range;
    cursor_init(&range, at, (size_t)((const char *)array->end - at));
    if (!cursor_string(&range, out)) {
        return false;
    }
    *cursor = range.at;
    return true;
}

bool gguf_string_equals(struct gguf_string text, const char *other)
{
    return text.n_bytes == strlen(other) && memcmp(text.data, other, text.n_bytes) == 0;
}

int gguf_string_compare(struct gguf_string a, struct gguf_string b)
{
    size_t n_common = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order = n_common == 0 ? 0 : memcmp(a.data, b.data, n_common);
    if (order != 0) {
        return order;
    }
    return (a.n_bytes > b.n_bytes) - (a.n_bytes < b.n_bytes);
}

static enum mscope_status find_or_error(const struct gguf *gguf, const char *key,
                                        const char *expected, const struct gguf_kv **out,
                                        struct mscope_error *err)
{
    *out = gguf_find(gguf, key);
    if (*out == NULL) {
        error_set(err, MSCOPE_ERR_FORMAT, "", "absent, expected %s", expected);
        error_set_object(err, "key %s", key);
        return MSCOPE_ERR_FORMAT;
    }
    return MSCOPE_OK;
}

static enum mscope_status wrong_type(const struct gguf_kv *kv, const char *expected,
                                     struct mscope_error *err)
{
    bool is_array = kv->type == GGUF_ARRAY;
    error_set(err, MSCOPE_ERR_FORMAT, "", "type %s%s, expected %s", is_array ? "array of " : "",
              gguf_type_name(is_array ? kv->array.type : kv->type), expected);
    gguf_error_object_key(err, kv->key);
    return MSCOPE_ERR_FORMAT;
}

/* False for types that are no integer, and for u64, which does not fit. */
static bool read_integer(enum gguf_type type, const void *bytes, int64_t *out)
{
    uint64_t bits = 0;
    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
        memcpy(&bits, bytes, gguf_type_bytes(type));
        *out = (int64_t)bits;
        return true;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64: {
        memcpy(&bits, bytes, gguf_type_bytes(type));
        uint64_t sign = (uint64_t)1 << (8 * gguf_type_bytes(type) - 1);
        *out = (int64_t)((bits ^ sign) - sign);
        return true;
    }
    default:
        return false;
    }
}

static const struct {
    const char *name;
    uint32_t n_bytes;
} types[GGUF_N_TYPE] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

const char *gguf_type_name(uint32_t type)
{
    return type < GGUF_N_TYPE ? types[type].name : "unknown";
}

bool gguf_alignment_is_valid(uint32_t alignment)
{
    return alignment >= GGUF_MIN_ALIGNMENT && (alignment & (alignment - 1)) == 0;
}

uint32_t gguf_type_bytes(enum gguf_type type)
{
    return types[type].n_bytes;
}
