/* SPDX-License-Identifier: MIT */
/* Text given out piece by piece: stop texts and characters never appear by halves; ids and JSON
 * from outside bytes. */
#include "cli/input.h"
#include "cli/output.h"
#include "cli/text_flow.h"
#include "unit.h"

#include <string.h>

struct collected {
    struct strbuf text;
    int n_calls;
};

static void collect(void *user, const char *bytes, size_t n_bytes)
{
    struct collected *collected = user;
    strbuf_append(&collected->text, bytes, n_bytes);
    collected->n_calls++;
}

/* Pushes `pieces` (ended by NULL) one by one; compares what is out before and after the flush. */
static void check_flow(const char *const *stops, const char *const *pieces, const char *before,
                       const char *after, bool stopped)
{
    struct collected collected = {0};
    struct text_flow flow;
    text_flow_init(&flow, collect, &collected);
    while (stops[flow.n_stops] != NULL) {
        flow.stops[flow.n_stops] = stops[flow.n_stops];
        flow.n_stops++;
    }
    for (int i = 0; pieces[i] != NULL; i++) {
        text_flow_push_bytes(&flow, pieces[i], strlen(pieces[i]));
    }
    assert_string_equal(collected.text.n_bytes > 0 ? collected.text.data : "", before);
    assert_int_equal(flow.stopped, stopped);
    text_flow_flush(&flow);
    assert_string_equal(collected.text.n_bytes > 0 ? collected.text.data : "", after);
    assert_false(flow.stopped);
    text_flow_free(&flow);
    strbuf_free(&collected.text);
}

#define STRINGS(...) ((const char *const[]){__VA_ARGS__ NULL})

static void text_flows_at_once_without_stops(void **state)
{
    (void)state;
    check_flow(STRINGS(), STRINGS("Hel", "lo", " there", ), "Hello there", "Hello there", false);
}

static void a_stop_text_never_appears(void **state)
{
    (void)state;
    check_flow(STRINGS("END", ), STRINGS("one E", "ND two", ), "one ", "one ", true);
    check_flow(STRINGS("END", ), STRINGS("one E", "N", ), "one ", "one EN", false);
    check_flow(STRINGS("END", ), STRINGS("one EN", "Ex", ), "one ENEx", "one ENEx", false);
    check_flow(STRINGS("END", ), STRINGS("END", ), "", "", true);
    check_flow(STRINGS("aab", ), STRINGS("a", "a", "a", "b", "c", ), "a", "a", true);
    check_flow(STRINGS("long stop", "st", ), STRINGS("a long s", "top", ), "a ", "a ", true);
    check_flow(STRINGS("x", ), STRINGS("ab", "x", "more", ), "ab", "ab", true);
}

static void characters_come_whole(void **state)
{
    (void)state;
    check_flow(STRINGS(), STRINGS("a\xe2", "\x82", ), "a", "a\xe2\x82", false);
    check_flow(STRINGS(), STRINGS("a\xe2", "\x82", "\xac.", ), "a\xe2\x82\xac.", "a\xe2\x82\xac.",
               false);
    check_flow(STRINGS("\xac", ), STRINGS("\xf0\x9f\x98", "\x80!", ), "\xf0\x9f\x98\x80!",
               "\xf0\x9f\x98\x80!", false);
}

static void a_long_piece_passes(void **state)
{
    (void)state;
    static char text[3001];
    memset(text, 'z', 3000);
    check_flow(STRINGS("zq", ), STRINGS(text, "q", ), text + 1, text + 1, true);
}

static void ids_are_read_and_checked(void **state)
{
    (void)state;
    struct input_ids ids;
    struct mscope_error err;
    assert_ok(input_parse_ids(&ids, " 1,2\n3\t,, 04 ", 13, 5, &err), &err);
    assert_int_equal(ids.n, 4);
    assert_int_equal(ids.ids[3], 4);
    input_ids_free(&ids);
    assert_ok(input_parse_ids(&ids, " \n", 2, 5, &err), &err);
    assert_int_equal(ids.n, 0);
    input_ids_free(&ids);

    const char *const wrong[] = {"5",   "-1",    "1x", "1.5", "+", "99999999999999999999",
                                 "0x1", "1\0002"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t n = i == 7 ? 3 : strlen(wrong[i]);
        assert_int_equal(input_parse_ids(&ids, wrong[i], n, 5, &err), MSCOPE_ERR_ARGUMENT);
        assert_string_equal(err.detail, "expected a token id from 0 to 4");
        assert_null(ids.ids);
    }
    assert_int_equal(input_read_ids(&ids, "", 5, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(input_read_ids(&ids, "@/nonexistent/ids", 5, &err), MSCOPE_ERR_IO);
    assert_string_equal(err.object, "file /nonexistent/ids");
    char many[4096];
    size_t n_many = 0;
    for (int i = 0; i < 1000; i++) {
        n_many += (size_t)snprintf(many + n_many, sizeof many - n_many, "%d ", i % 5);
    }
    assert_ok(input_parse_ids(&ids, many, n_many, 5, &err), &err);
    assert_int_equal(ids.n, 1000);
    assert_int_equal(ids.ids[999], 4);
    input_ids_free(&ids);
}

static void json_text_is_always_unicode(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
        const char *expected;
    } cases[] = {
        {"plain", 5, "plain"},
        {"\xc3\xa9", 2, "\xc3\xa9"},
        {"a\xff"
         "b",
         3,
         "a\xef\xbf\xbd"
         "b"},
        {"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {"\xf4\x90\x80\x80", 4,
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        {"\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd"}, /* cut off */
        {"", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = json_bytes(cases[i].bytes, cases[i].n);
        assert_non_null(json);
        assert_string_equal(json_string_value(json), cases[i].expected);
        json_decref(json);
    }
    json_t *not_a_number = json_number(0.0 / 0.0);
    assert_true(json_is_null(not_a_number));
    json_decref(not_a_number);
    json_t *huge = json_count(UINT64_MAX);
    assert_true(json_real_value(huge) > 1.8e19);
    json_decref(huge);
}

static void control_characters_are_not_shown(void **state)
{
    (void)state;
    char text[8];
    assert_string_equal(out_printable(text, sizeof text, "a\x1b[2Jlong"), "a?[2Jlo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_flows_at_once_without_stops),
        cmocka_unit_test(a_stop_text_never_appears),
        cmocka_unit_test(characters_come_whole),
        cmocka_unit_test(a_long_piece_passes),
        cmocka_unit_test(ids_are_read_and_checked),
        cmocka_unit_test(json_text_is_always_unicode),
        cmocka_unit_test(control_characters_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
