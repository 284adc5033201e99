/* SPDX-License-Identifier: MIT */
/* Errors: what is filled in, truncation, control characters, absence of a place to write to. */
#include "base/error.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static void an_error_names_object_and_detail(void **state)
{
    (void)state;
    struct mscope_error err;
    char text[800];
    enum mscope_status status =
        error_set(&err, MSCOPE_ERR_FORMAT, "tensor blk.0", "%d dimensions, expected %d", 3, 2);
    assert_int_equal(status, MSCOPE_ERR_FORMAT);
    assert_int_equal(err.status, MSCOPE_ERR_FORMAT);
    assert_string_equal(err.object, "tensor blk.0");
    assert_string_equal(err.detail, "3 dimensions, expected 2");
    assert_ptr_equal(mscope_error_text(&err, text, sizeof text), text);
    assert_string_equal(text, "tensor blk.0: 3 dimensions, expected 2");

    error_set_object(&err, "file %s", "a.gguf");
    assert_string_equal(mscope_error_text(&err, text, sizeof text),
                        "file a.gguf: 3 dimensions, expected 2");
}

static void without_a_place_only_the_status_returns(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, MSCOPE_ERR_CONTEXT, "x", "y"), MSCOPE_ERR_CONTEXT);
    assert_int_equal(error_set_errno(NULL, ENOENT, "x", "open"), MSCOPE_ERR_IO);
    assert_int_equal(error_set_memory(NULL, "x", 5), MSCOPE_ERR_MEMORY);
    error_set_object(NULL, "x");
}

static void long_texts_are_cut_and_terminated(void **state)
{
    (void)state;
    static char long_text[2000];
    memset(long_text, 'a', sizeof long_text - 1);
    struct mscope_error err;
    error_set(&err, MSCOPE_ERR_FORMAT, long_text, "%s", long_text);
    assert_int_equal(strlen(err.object), sizeof err.object - 1);
    assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
    char text[10];
    memset(text, 'z', sizeof text);
    mscope_error_text(&err, text, 5);
    assert_string_equal(text, "aaaa");
    assert_int_equal(text[5], 'z');
    mscope_error_text(&err, text, 0); /* writes nothing */
    assert_string_equal(text, "aaaa");
}

static void names_cannot_move_the_cursor(void **state)
{
    (void)state;
    struct mscope_error err;
    error_set(&err, MSCOPE_ERR_FORMAT, "key \033[2Ja\nb", "\x7f%s\t\"", "\r");
    assert_string_equal(err.object, "key ?[2Ja?b");
    assert_string_equal(err.detail, "???\"");
    error_set_object(&err, "%s", "bell\a");
    assert_string_equal(err.object, "bell?");
    error_set(&err, MSCOPE_ERR_FORMAT, "na\xc3\xafve", "x"); /* UTF-8 stays */
    assert_string_equal(err.object, "na\xc3\xafve");
}

static void system_errors_carry_their_reason(void **state)
{
    (void)state;
    struct mscope_error err;
    assert_int_equal(error_set_errno(&err, ENOENT, "file x", "cannot open"), MSCOPE_ERR_IO);
    assert_string_equal(err.object, "file x");
    char expected[256];
    snprintf(expected, sizeof expected, "cannot open: %s", strerror(ENOENT));
    assert_string_equal(err.detail, expected);
    error_set_memory(&err, "KV cache", 4210000000u);
    assert_int_equal(err.status, MSCOPE_ERR_MEMORY);
    assert_string_equal(err.object, "KV cache");
    assert_string_equal(err.detail, "not enough memory for 4.21 GB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_object_and_detail),
        cmocka_unit_test(without_a_place_only_the_status_returns),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(names_cannot_move_the_cursor),
        cmocka_unit_test(system_errors_carry_their_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
