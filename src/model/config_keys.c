/* SPDX-License-Identifier: MIT */
/* Reading one key of a family with its range. */
#include "model/arch.h"

#include <stdarg.h>
#include <stdio.h>

void config_read_u32(struct config_reader *reader, uint32_t *out, const char *suffix, bool required,
                     uint32_t min, uint32_t max)
{
    if (reader->status != MSCOPE_OK) {
        return;
    }
    char key[ARCH_KEY_BYTES];
    arch_key(key, reader->arch, suffix);
    if (!required && gguf_find(reader->gguf, key) == NULL) {
        return;
    }
    uint32_t value;
    reader->status = gguf_get_u32(reader->gguf, key, &value, reader->err);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (value < min || value > max) {
        config_fail(reader, MSCOPE_ERR_FORMAT, suffix, "%u, expected %u .. %u", (unsigned)value,
                    (unsigned)min, (unsigned)max);
        return;
    }
    *out = value;
}

void config_read_u32_per_layer(struct config_reader *reader, uint32_t *out, const char *suffix,
                               bool required, uint32_t min, uint32_t max)
{
    if (reader->status != MSCOPE_OK) {
        return;
    }
    char key[ARCH_KEY_BYTES];
    const struct gguf_kv *kv = gguf_find(reader->gguf, arch_key(key, reader->arch, suffix));
    if (kv == NULL || kv->type != GGUF_ARRAY) {
        config_read_u32(reader, out, suffix, required, min, max);
        return;
    }
    const struct gguf_array *array = &kv->array;
    bool is_integer = array->type <= GGUF_I32;
    if (!is_integer || array->n != reader->n_layer) {
        config_fail(reader, MSCOPE_ERR_FORMAT, suffix,
                    "array of %llu values, expected %u integers, one per layer",
                    (unsigned long long)array->n, (unsigned)reader->n_layer);
        return;
    }
    int64_t first = gguf_array_i32(array, 0);
    for (uint64_t i = 1; i < array->n; i++) {
        if (gguf_array_i32(array, i) != first) {
            config_fail(
                reader, MSCOPE_ERR_UNSUPPORTED, suffix,
                "%d in layer %llu and %lld in layer 0, expected the same value in every layer",
                gguf_array_i32(array, i), (unsigned long long)i, (long long)first);
            return;
        }
    }
    if (first < (int64_t)min || first > (int64_t)max) {
        config_fail(reader, MSCOPE_ERR_FORMAT, suffix, "%lld, expected %u .. %u", (long long)first,
                    (unsigned)min, (unsigned)max);
        return;
    }
    *out = (uint32_t)first;
}

void config_read_f32(struct config_reader *reader, float *out, const char *suffix, bool required,
                     float min, float max)
{
    if (reader->status != MSCOPE_OK) {
        return;
    }
    char key[ARCH_KEY_BYTES];
    arch_key(key, reader->arch, suffix);
    if (!required && gguf_find(reader->gguf, key) == NULL) {
        return;
    }
    float value;
    reader->status = gguf_get_f32(reader->gguf, key, &value, reader->err);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (!(value >= min && value <= max)) { /* also false for NaN */
        config_fail(reader, MSCOPE_ERR_FORMAT, suffix, "%g, expected %g .. %g", (double)value,
                    (double)min, (double)max);
        return;
    }
    *out = value;
}

void config_fail(struct config_reader *reader, enum mscope_status status, const char *suffix,
                 const char *format, ...)
{
    char detail[256];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    reader->status = error_set(reader->err, status, "key", "%s", detail);
    error_set_object(reader->err, "key %s.%s", reader->arch, suffix);
}
