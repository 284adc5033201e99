/* SPDX-License-Identifier: MIT */
/* The type table agrees with the layout of each block, counted field by field from the format. */
#include "base/dtype.h"
#include "unit.h"

#include <string.h>

static void blocks_have_the_bytes_of_their_fields(void **state)
{
    (void)state;
    const struct {
        enum dtype type;
        const char *name;
        uint32_t elems, bytes; /* bytes as the sum of the fields */
    } cases[] = {
        {DTYPE_F32, "F32", 1, 4},
        {DTYPE_F16, "F16", 1, 2},
        {DTYPE_BF16, "BF16", 1, 2},
        {DTYPE_Q4_0, "Q4_0", 32, 2 + 32 / 2},
        {DTYPE_Q4_1, "Q4_1", 32, 2 + 2 + 32 / 2},
        {DTYPE_Q5_0, "Q5_0", 32, 2 + 32 / 8 + 32 / 2},
        {DTYPE_Q5_1, "Q5_1", 32, 2 + 2 + 32 / 8 + 32 / 2},
        {DTYPE_Q8_0, "Q8_0", 32, 2 + 32},
        {DTYPE_Q8_1, "Q8_1", 32, 2 + 2 + 32},
        {DTYPE_Q2_K, "Q2_K", 256, 16 + 256 / 4 + 2 + 2},
        {DTYPE_Q3_K, "Q3_K", 256, 256 / 8 + 256 / 4 + 12 + 2},
        {DTYPE_Q4_K, "Q4_K", 256, 2 + 2 + 12 + 256 / 2},
        {DTYPE_Q5_K, "Q5_K", 256, 2 + 2 + 12 + 256 / 8 + 256 / 2},
        {DTYPE_Q6_K, "Q6_K", 256, 256 / 2 + 256 / 4 + 16 + 2},
        {DTYPE_Q8_K, "Q8_K", 256, 4 + 256 + 16 * 2},
        {DTYPE_IQ4_NL, "IQ4_NL", 32, 2 + 32 / 2},
        {DTYPE_IQ4_XS, "IQ4_XS", 256, 2 + 2 + 4 + 256 / 2},
        {DTYPE_MXFP4, "MXFP4", 32, 1 + 32 / 2},
    };
    int n_known = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct dtype_info *info = dtype_get((uint32_t)cases[i].type);
        assert_non_null(info);
        assert_string_equal(info->name, cases[i].name);
        assert_int_equal(info->block_elems, cases[i].elems);
        assert_int_equal(info->block_bytes, cases[i].bytes);
        assert_int_equal(dtype_row_bytes(cases[i].type, 4096),
                         4096 / cases[i].elems * cases[i].bytes);
        bool is_activation = cases[i].type == DTYPE_Q8_1 || cases[i].type == DTYPE_Q8_K;
        assert_int_equal(info->storage, !is_activation);
    }
    for (uint32_t id = 0; id < 300; id++) {
        n_known += dtype_get(id) != NULL;
    }
    assert_int_equal(n_known, sizeof cases / sizeof cases[0]);
}

static void every_id_has_a_name(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 300; id++) {
        assert_true(strlen(dtype_name(id)) > 0);
        if (dtype_get(id) != NULL) {
            assert_string_equal(dtype_name(id), dtype_get(id)->name);
        }
    }
    assert_string_equal(dtype_name(16), "IQ2_XXS");
    assert_non_null(strstr(dtype_name(4), "retired"));
    assert_string_equal(dtype_name(UINT32_MAX), "unknown type");
    assert_null(dtype_get(UINT32_MAX));
}

static void names_are_found_in_any_case(void **state)
{
    (void)state;
    enum dtype type;
    assert_true(dtype_from_name(&type, "q4_k") && type == DTYPE_Q4_K);
    assert_true(dtype_from_name(&type, "F32") && type == DTYPE_F32);
    assert_true(dtype_from_name(&type, "Mxfp4") && type == DTYPE_MXFP4);
    assert_false(dtype_from_name(&type, "Q8_1")); /* holds no weights */
    assert_false(dtype_from_name(&type, "IQ2_XXS"));
    assert_false(dtype_from_name(&type, ""));
    assert_false(dtype_from_name(&type, "Q4_K_M"));
}

static void large_rows_do_not_overflow(void **state)
{
    (void)state;
    uint64_t n = (uint64_t)1 << 40;
    assert_int_equal(dtype_row_bytes(DTYPE_Q6_K, n), n / 256 * 210);
    assert_int_equal(dtype_row_bytes(DTYPE_F32, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_have_the_bytes_of_their_fields),
        cmocka_unit_test(every_id_has_a_name),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(large_rows_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
