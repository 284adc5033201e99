/* SPDX-License-Identifier: MIT */
/* Lenient reading of keys. */
#include "model/hints.h"

#include <stdio.h>

enum { KEY_BYTES = 160, FILE_TYPE_GUESSED = 1024 };

static const struct gguf_kv *find(const struct gguf *gguf, const char *suffix);
static uint32_t element_u32(const struct gguf_array *array, uint64_t i);

uint32_t hint_u32(const struct gguf *gguf, const char *suffix)
{
    const struct gguf_kv *kv = find(gguf, suffix);
    uint32_t value = 0;
    if (kv == NULL) {
        return 0;
    }
    if (kv->type == GGUF_ARRAY) {
        if (kv->array.type > GGUF_I32) {
            return 0;
        }
        for (uint64_t i = 0; i < kv->array.n; i++) {
            uint32_t element = element_u32(&kv->array, i);
            value = element > value ? element : value;
        }
        return value;
    }
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "%.*s", (int)kv->key.n_bytes, kv->key.data);
    return gguf_get_u32(gguf, key, &value, NULL) == MSCOPE_OK ? value : 0;
}

uint64_t hint_sum(const struct gguf *gguf, const char *suffix, uint32_t n_layer)
{
    const struct gguf_kv *kv = find(gguf, suffix);
    if (kv == NULL || kv->type != GGUF_ARRAY) {
        return (uint64_t)hint_u32(gguf, suffix) * n_layer;
    }
    uint64_t sum = 0;
    for (uint64_t i = 0; kv->array.type <= GGUF_I32 && i < kv->array.n; i++) {
        sum += element_u32(&kv->array, i);
    }
    return sum;
}

bool hint_is_causal(const struct gguf *gguf)
{
    const struct gguf_kv *kv = find(gguf, "attention.causal");
    return kv == NULL || kv->type != GGUF_BOOL || *(const unsigned char *)kv->data != 0;
}

/* Ids: GGUF specification, general.file_type. */
const char *hint_file_type_name(uint32_t file_type)
{
    static const char *const names[] = {
        [0] = "F32",      [1] = "F16",      [2] = "Q4_0",       [3] = "Q4_1",    [7] = "Q8_0",
        [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",      [11] = "Q3_K_S", [12] = "Q3_K_M",
        [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M",    [16] = "Q5_K_S", [17] = "Q5_K_M",
        [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS",    [21] = "Q2_K_S", [22] = "IQ3_XS",
        [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL",    [26] = "IQ3_S",  [27] = "IQ3_M",
        [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS",    [31] = "IQ1_M",  [32] = "BF16",
        [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4_MOE",
    };
    uint32_t id = file_type & ~(uint32_t)FILE_TYPE_GUESSED;
    return id < sizeof names / sizeof names[0] ? names[id] : NULL;
}

static const struct gguf_kv *find(const struct gguf *gguf, const char *suffix)
{
    struct gguf_string arch;
    char key[KEY_BYTES];
    if (gguf_get_string(gguf, "general.architecture", &arch, NULL) != MSCOPE_OK ||
        arch.n_bytes > KEY_BYTES / 2) {
        return NULL;
    }
    snprintf(key, sizeof key, "%.*s.%s", (int)arch.n_bytes, arch.data, suffix);
    return gguf_find(gguf, key);
}

static uint32_t element_u32(const struct gguf_array *array, uint64_t i)
{
    int32_t value = gguf_array_i32(array, i);
    return value < 0 ? 0 : (uint32_t)value;
}
