/* SPDX-License-Identifier: MIT */
/* Typed getters: every integer type where the value fits, a message where it does not. */
#include "image.h"

#include <math.h>

static struct image image;
static struct gguf *gguf;
static struct mscope_error err;

static int open_small(void **state)
{
    (void)state;
    image_small_model(&image);
    return gguf_open_memory(&gguf, image.bytes, image.n, "image", &err) == MSCOPE_OK ? 0 : -1;
}

static int close_small(void **state)
{
    (void)state;
    gguf_close(&gguf);
    return 0;
}

static void expect_error(enum mscope_status status, const char *object, const char *detail)
{
    assert_int_equal(status, MSCOPE_ERR_FORMAT);
    assert_int_equal(err.status, MSCOPE_ERR_FORMAT);
    assert_string_equal(err.object, object);
    assert_string_equal(err.detail, detail);
}

static void u32_takes_any_integer_that_fits(void **state)
{
    (void)state;
    uint32_t value = 7;
    assert_ok(gguf_get_u32(gguf, "u8", &value, &err), &err);
    assert_int_equal(value, 200);
    assert_ok(gguf_get_u32(gguf, "u16", &value, &err), &err);
    assert_int_equal(value, 60000);
    assert_ok(gguf_get_u32(gguf, "general.alignment", &value, &err), &err);
    assert_int_equal(value, 32);
    expect_error(gguf_get_u32(gguf, "i8", &value, &err), "key i8", "-5, expected 0 to 4294967295");
    expect_error(gguf_get_u32(gguf, "i16", &value, &err), "key i16",
                 "-300, expected 0 to 4294967295");
    expect_error(gguf_get_u32(gguf, "i32", &value, &err), "key i32",
                 "-70000, expected 0 to 4294967295");
    expect_error(gguf_get_u32(gguf, "i64", &value, &err), "key i64",
                 "-9223372036854775808, expected 0 to 4294967295");
    expect_error(gguf_get_u32(gguf, "u64", &value, &err), "key u64",
                 "18446744073709551615, expected 0 to 4294967295");
    expect_error(gguf_get_u32(gguf, "f32", &value, &err), "key f32",
                 "type f32, expected an integer");
    expect_error(gguf_get_u32(gguf, "bool", &value, &err), "key bool",
                 "type bool, expected an integer");
    expect_error(gguf_get_u32(gguf, "numbers", &value, &err), "key numbers",
                 "type array of i32, expected an integer");
    expect_error(gguf_get_u32(gguf, "absent", &value, &err), "key absent",
                 "absent, expected an integer");
    assert_int_equal(value, 32);
}

static void u32_takes_64_bit_values_and_signed_ones_up_to_its_largest(void **state)
{
    (void)state;
    struct image other;
    image_begin(&other, 0, 4);
    image_key(&other, "fits", GGUF_U64);
    image_u64(&other, UINT32_MAX);
    image_key(&other, "over", GGUF_I64);
    image_u64(&other, (uint64_t)UINT32_MAX + 1);
    image_key(&other, "i8", GGUF_I8);
    image_u8(&other, 127);
    image_key(&other, "i64", GGUF_I64);
    image_u64(&other, 3);
    struct gguf *file;
    uint32_t value = 0;
    assert_ok(gguf_open_memory(&file, other.bytes, other.n, "other", &err), &err);
    assert_ok(gguf_get_u32(file, "fits", &value, &err), &err);
    assert_int_equal(value, UINT32_MAX);
    assert_ok(gguf_get_u32(file, "i8", &value, &err), &err);
    assert_int_equal(value, 127);
    assert_ok(gguf_get_u32(file, "i64", &value, &err), &err);
    assert_int_equal(value, 3);
    expect_error(gguf_get_u32(file, "over", &value, &err), "key over",
                 "4294967296, expected 0 to 4294967295");
    gguf_close(&file);
}

static void floats_come_from_either_float_type(void **state)
{
    (void)state;
    float value = 7;
    assert_ok(gguf_get_f32(gguf, "f32", &value, &err), &err);
    assert_true(value == 1.5F);
    assert_ok(gguf_get_f32(gguf, "f64", &value, &err), &err);
    assert_true(value == 0.25F);
    expect_error(gguf_get_f32(gguf, "u8", &value, &err), "key u8", "type u8, expected a float");
    expect_error(gguf_get_f32(gguf, "absent", &value, &err), "key absent",
                 "absent, expected a float");
    assert_true(value == 0.25F);

    struct image other;
    image_begin(&other, 0, 2);
    image_key(&other, "large", GGUF_F64);
    image_put(&other, &(double){-1e39}, 8);
    image_key(&other, "infinite", GGUF_F64);
    image_put(&other, &(double){INFINITY}, 8);
    struct gguf *file;
    assert_ok(gguf_open_memory(&file, other.bytes, other.n, "other", &err), &err);
    expect_error(gguf_get_f32(file, "large", &value, &err), "key large",
                 "-1e+39, expected at most 3.40282e+38 in size");
    assert_ok(gguf_get_f32(file, "infinite", &value, &err), &err);
    assert_true(isinf(value));
    gguf_close(&file);
}

static void strings_and_bools_need_their_own_type(void **state)
{
    (void)state;
    struct gguf_string text = {"kept", 4};
    assert_ok(gguf_get_string(gguf, "general.architecture", &text, &err), &err);
    assert_true(gguf_string_equals(text, "llama"));
    assert_false(gguf_string_equals(text, "llam"));
    assert_false(gguf_string_equals(text, "llama2"));
    assert_ok(gguf_get_string(gguf, "", &text, &err), &err);
    assert_true(gguf_string_equals(text, "value of the empty key"));
    expect_error(gguf_get_string(gguf, "u8", &text, &err), "key u8", "type u8, expected a string");
    assert_ok(gguf_get_string(gguf, "empty", &text, &err), &err);
    assert_true(gguf_string_equals(text, ""));
    bool flag = false;
    assert_ok(gguf_get_bool_or(gguf, "bool", &flag, &err), &err);
    assert_true(flag);
    expect_error(gguf_get_bool_or(gguf, "u8", &flag, &err), "key u8", "type u8, expected a bool");
}

static void defaults_stay_when_a_key_is_absent_but_not_when_it_is_wrong(void **state)
{
    (void)state;
    uint32_t number = 11;
    float real = 2.5F;
    bool flag = true;
    struct gguf_string text = {"kept", 4};
    assert_ok(gguf_get_u32_or(gguf, "absent", &number, &err), &err);
    assert_ok(gguf_get_f32_or(gguf, "absent", &real, &err), &err);
    assert_ok(gguf_get_bool_or(gguf, "absent", &flag, &err), &err);
    assert_ok(gguf_get_string_or(gguf, "absent", &text, &err), &err);
    assert_int_equal(number, 11);
    assert_true(real == 2.5F && flag && gguf_string_equals(text, "kept"));
    assert_ok(gguf_get_u32_or(gguf, "u8", &number, &err), &err);
    assert_int_equal(number, 200);
    assert_ok(gguf_get_f32_or(gguf, "f32", &real, &err), &err);
    assert_true(real == 1.5F);
    assert_ok(gguf_get_string_or(gguf, "empty", &text, &err), &err);
    assert_int_equal(text.n_bytes, 0);
    assert_int_equal(gguf_get_u32_or(gguf, "f32", &number, &err), MSCOPE_ERR_FORMAT);
    assert_int_equal(gguf_get_f32_or(gguf, "u8", &real, &err), MSCOPE_ERR_FORMAT);
    assert_int_equal(gguf_get_string_or(gguf, "u8", &text, &err), MSCOPE_ERR_FORMAT);
    assert_int_equal(gguf_get_u32_or(gguf, "f32", &number, NULL), MSCOPE_ERR_FORMAT);
}

static void arrays_give_their_elements_one_by_one(void **state)
{
    (void)state;
    struct gguf_array array;
    assert_ok(gguf_get_array(gguf, "numbers", GGUF_I32, &array, &err), &err);
    assert_int_equal(array.n, 3);
    assert_int_equal(gguf_array_i32(&array, 1), -2);
    assert_int_equal(gguf_array_i32(&array, 2), 3);
    assert_ok(gguf_get_array(gguf, "floats", GGUF_F32, &array, &err), &err);
    assert_true(gguf_array_f32(&array, 0) == 0.5F && gguf_array_f32(&array, 1) == -2.0F);
    assert_ok(gguf_get_array(gguf, "bools", GGUF_BOOL, &array, &err), &err);
    assert_int_equal(array.n, 2);
    assert_ok(gguf_get_array(gguf, "no numbers", GGUF_F32, &array, &err), &err);
    assert_int_equal(array.n, 0);

    static const char *const expected[] = {"one", "", "three"};
    struct gguf_string text;
    assert_ok(gguf_get_array(gguf, "strings", GGUF_STRING, &array, &err), &err);
    const void *cursor = array.data;
    for (int i = 0; i < 3; i++) {
        assert_true(gguf_array_next_string(&array, &cursor, &text));
        assert_true(gguf_string_equals(text, expected[i]));
    }
    assert_false(gguf_array_next_string(&array, &cursor, &text));
    assert_ok(gguf_get_array(gguf, "no strings", GGUF_STRING, &array, &err), &err);
    cursor = array.data;
    assert_false(gguf_array_next_string(&array, &cursor, &text));

    expect_error(gguf_get_array(gguf, "numbers", GGUF_F32, &array, &err), "key numbers",
                 "type array of i32, expected an array of f32");
    expect_error(gguf_get_array(gguf, "u8", GGUF_F32, &array, &err), "key u8",
                 "type u8, expected an array of f32");
    expect_error(gguf_get_array(gguf, "absent", GGUF_STRING, &array, &err), "key absent",
                 "absent, expected an array of string");
}

static void small_integers_of_arrays_keep_their_sign(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0xff, 0xff, 0xfe, 0x7f};
    struct gguf_array array = {GGUF_I8, 4, bytes, bytes + 4};
    assert_int_equal(gguf_array_i32(&array, 0), -1);
    assert_int_equal(gguf_array_i32(&array, 3), 127);
    array.type = GGUF_U8;
    assert_int_equal(gguf_array_i32(&array, 0), 255);
    array = (struct gguf_array){GGUF_I16, 2, bytes, bytes + 4};
    assert_int_equal(gguf_array_i32(&array, 0), -1);
    assert_int_equal(gguf_array_i32(&array, 1), 0x7ffe);
    array.type = GGUF_U16;
    assert_int_equal(gguf_array_i32(&array, 0), 65535);
    array = (struct gguf_array){GGUF_U32, 1, bytes, bytes + 4};
    assert_int_equal(gguf_array_i32(&array, 0), 0x7ffeffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u32_takes_any_integer_that_fits),
        cmocka_unit_test(u32_takes_64_bit_values_and_signed_ones_up_to_its_largest),
        cmocka_unit_test(floats_come_from_either_float_type),
        cmocka_unit_test(strings_and_bools_need_their_own_type),
        cmocka_unit_test(defaults_stay_when_a_key_is_absent_but_not_when_it_is_wrong),
        cmocka_unit_test(arrays_give_their_elements_one_by_one),
        cmocka_unit_test(small_integers_of_arrays_keep_their_sign),
    };
    return cmocka_run_group_tests(tests, open_small, close_small);
}
