/* SPDX-License-Identifier: MIT */
/* Growing strings, numbers for people, and arithmetic on numbers from files. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "unit.h"

#include <string.h>

static void strings_grow_and_stay_terminated(void **state)
{
    (void)state;
    struct strbuf buf = {0};
    char expected[6000] = "";
    size_t n = 0;
    for (int i = 0; i < 1000; i++) {
        strbuf_printf(&buf, "%d,", i);
        n += (size_t)snprintf(expected + n, sizeof expected - n, "%d,", i);
        assert_int_equal(buf.n_bytes, n);
        assert_int_equal(strlen(buf.data), n);
    }
    assert_string_equal(buf.data, expected);
    assert_false(buf.failed);
    strbuf_clear(&buf);
    assert_int_equal(buf.n_bytes, 0);
    assert_string_equal(buf.data, "");
    strbuf_append(&buf, "a\0b", 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    strbuf_append(&buf, NULL, 0);
    assert_int_equal(buf.n_bytes, 3);
    strbuf_free(&buf);
    assert_null(buf.data);
    strbuf_clear(&buf);
    strbuf_free(&buf);
}

static void failure_of_a_string_sticks(void **state)
{
    (void)state;
    struct strbuf buf = {0};
    strbuf_append(&buf, "ab", 2);
    strbuf_append(&buf, "x", SIZE_MAX / 2);
    assert_true(buf.failed);
    strbuf_append(&buf, "cd", 2);
    strbuf_printf(&buf, "%d", 1);
    assert_string_equal(buf.data, "ab");
    strbuf_free(&buf);
    assert_false(buf.failed);
}

static void bytes_and_counts_read_well(void **state)
{
    (void)state;
    const struct {
        uint64_t n;
        const char *bytes, *count;
    } cases[] = {
        {0, "0 B", "0"},
        {512, "512 B", "512"},
        {999, "999 B", "999"},
        {1000, "1.00 kB", "1.00 k"},
        {999499, "999 kB", "999 k"},
        {999500, "1.00 MB", "1.00 M"},
        {12345678, "12.3 MB", "12.3 M"},
        {4210000000u, "4.21 GB", "4.21 B"},
        {UINT64_MAX, "18.4 EB", "18446744 T"},
    };
    char text[UNITS_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ptr_equal(units_bytes(text, cases[i].n), text);
        assert_string_equal(text, cases[i].bytes);
        assert_string_equal(units_count(text, cases[i].n), cases[i].count);
    }
}

static void durations_read_well(void **state)
{
    (void)state;
    const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},
        {340000000, "340 ms"},
        {1250000000, "1.25 s"},
        {119000000000u, "119 s"},
        {125000000000u, "2 min 05 s"},
        {7199000000000u, "119 min 59 s"},
        {7260000000000u, "2 h 01 min"},
        {UINT64_MAX, "5124095 h 34 min"},
    };
    char text[UNITS_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(units_duration(text, cases[i].ns), cases[i].text);
    }
}

static void checked_arithmetic_notices_overflow(void **state)
{
    (void)state;
    uint64_t out;
    assert_true(checked_add_u64(&out, UINT64_MAX - 1, 1) && out == UINT64_MAX);
    assert_false(checked_add_u64(&out, UINT64_MAX, 1));
    assert_true(checked_mul_u64(&out, (uint64_t)1 << 32, (uint64_t)1 << 31) && out == (uint64_t)1
                                                                                          << 63);
    assert_false(checked_mul_u64(&out, (uint64_t)1 << 32, (uint64_t)1 << 32));
    assert_true(checked_mul_u64(&out, UINT64_MAX, 0) && out == 0);
    assert_true(checked_align_u64(&out, 0, 32) && out == 0);
    assert_true(checked_align_u64(&out, 33, 32) && out == 64);
    assert_true(checked_align_u64(&out, 64, 32) && out == 64);
    assert_false(checked_align_u64(&out, UINT64_MAX - 3, 32));
    assert_true(checked_align_u64(&out, UINT64_MAX - 31, 32) && out == UINT64_MAX - 31);
}

static void the_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t start = clock_now_ns();
    uint64_t last = start;
    while (last - start < 2000000) {
        uint64_t now = clock_now_ns();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_grow_and_stay_terminated),
        cmocka_unit_test(failure_of_a_string_sticks),
        cmocka_unit_test(bytes_and_counts_read_well),
        cmocka_unit_test(durations_read_well),
        cmocka_unit_test(checked_arithmetic_notices_overflow),
        cmocka_unit_test(the_clock_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
