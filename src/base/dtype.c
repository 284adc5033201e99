/* SPDX-License-Identifier: MIT */
/* The table of storage types. Sizes and ids: GGUF specification, type table. */
#include "base/dtype.h"

#include <assert.h>
#include <stddef.h>
#include <strings.h>

static const struct dtype_info table[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 1, 4, true},         [DTYPE_F16] = {"F16", 1, 2, true},
    [DTYPE_Q4_0] = {"Q4_0", 32, 18, true},     [DTYPE_Q4_1] = {"Q4_1", 32, 20, true},
    [DTYPE_Q5_0] = {"Q5_0", 32, 22, true},     [DTYPE_Q5_1] = {"Q5_1", 32, 24, true},
    [DTYPE_Q8_0] = {"Q8_0", 32, 34, true},     [DTYPE_Q8_1] = {"Q8_1", 32, 36, false},
    [DTYPE_Q2_K] = {"Q2_K", 256, 84, true},    [DTYPE_Q3_K] = {"Q3_K", 256, 110, true},
    [DTYPE_Q4_K] = {"Q4_K", 256, 144, true},   [DTYPE_Q5_K] = {"Q5_K", 256, 176, true},
    [DTYPE_Q6_K] = {"Q6_K", 256, 210, true},   [DTYPE_Q8_K] = {"Q8_K", 256, 292, false},
    [DTYPE_IQ4_NL] = {"IQ4_NL", 32, 18, true}, [DTYPE_IQ4_XS] = {"IQ4_XS", 256, 136, true},
    [DTYPE_BF16] = {"BF16", 1, 2, true},       [DTYPE_MXFP4] = {"MXFP4", 32, 17, true},
};

/* Types that exist in files but that we do not read. */
static const struct {
    uint32_t id;
    const char *name;
} refused[] = {
    {4, "retired type 4 (Q4_2)"},
    {5, "retired type 5 (Q4_3)"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {31, "retired type 31 (Q4_0_4_4)"},
    {32, "retired type 32 (Q4_0_4_8)"},
    {33, "retired type 33 (Q4_0_8_8)"},
    {34, "TQ1_0"},
    {35, "TQ2_0"},
    {36, "retired type 36 (IQ4_NL_4_4)"},
    {37, "retired type 37 (IQ4_NL_4_8)"},
    {38, "retired type 38 (IQ4_NL_8_8)"},
    {40, "NVFP4"},
    {41, "Q1_0"},
    {42, "Q2_0"},
};

const struct dtype_info *dtype_get(uint32_t id)
{
    return id < DTYPE_COUNT && table[id].name != NULL ? &table[id] : NULL;
}

const char *dtype_name(uint32_t id)
{
    if (dtype_get(id) != NULL) {
        return table[id].name;
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (refused[i].id == id) {
            return refused[i].name;
        }
    }
    return "unknown type";
}

bool dtype_from_name(enum dtype *out, const char *name)
{
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (table[i].name != NULL && table[i].storage && strcasecmp(table[i].name, name) == 0) {
            *out = (enum dtype)i;
            return true;
        }
    }
    return false;
}

uint64_t dtype_row_bytes(enum dtype type, uint64_t n_elems)
{
    const struct dtype_info *info = dtype_get((uint32_t)type);
    assert(info != NULL && n_elems % info->block_elems == 0);
    return n_elems / info->block_elems * info->block_bytes;
}
