/* SPDX-License-Identifier: MIT */
/* Streaming gives out whole characters, loses nothing, and lets through at once what can never be
 * one. */
#include "base/rng.h"
#include "token/utf8.h"
#include "unit.h"

#include <string.h>

static void expect_push(struct mscope_utf8_stream *stream, const char *in, const char *expected)
{
    char out[64];
    size_t n = mscope_utf8_stream_push(stream, in, strlen(in), out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void a_character_waits_for_its_last_byte(void **state)
{
    (void)state;
    struct mscope_utf8_stream stream = {.n_held = 0};
    expect_push(&stream, "a", "a");
    expect_push(&stream, "\xF0\x9F", "");
    expect_push(&stream, "\x98", "");
    expect_push(&stream, "\x80!", "\xF0\x9F\x98\x80!");
    expect_push(&stream, "x\xC3", "x");
    expect_push(&stream, "\xA9", "\xC3\xA9");
    expect_push(&stream, "", "");
    assert_int_equal(stream.n_held, 0);
}

static void hopeless_bytes_pass_at_once(void **state)
{
    (void)state;
    struct mscope_utf8_stream stream = {.n_held = 0};
    expect_push(&stream, "\x80\xFF\xC0\xC1\xF5", "\x80\xFF\xC0\xC1\xF5");
    expect_push(&stream, "\xE4\xBD", "");
    expect_push(&stream, "a",
                "\xE4\xBD"
                "a"); /* broken off by a letter */
    expect_push(&stream, "\xE4\xBD", "");
    expect_push(&stream, "\xE4", "\xE4\xBD"); /* broken off by another beginning, which is held */
    expect_push(&stream, "\xBD\xA0", "\xE4\xBD\xA0");
    expect_push(&stream, "\xED\xA0\x80", "\xED\xA0\x80");         /* surrogate */
    expect_push(&stream, "\xE0\x80\xAF", "\xE0\x80\xAF");         /* overlong */
    expect_push(&stream, "\xF4\x90\x80\x80", "\xF4\x90\x80\x80"); /* above U+10FFFF */
    assert_int_equal(stream.n_held, 0);
}

static void flush_gives_the_rest(void **state)
{
    (void)state;
    struct mscope_utf8_stream stream = {.n_held = 0};
    char out[8];
    expect_push(&stream, "ab\xF0\x9F\x98", "ab");
    assert_int_equal(mscope_utf8_stream_flush(&stream, out), 3);
    assert_memory_equal(out, "\xF0\x9F\x98", 3);
    assert_int_equal(mscope_utf8_stream_flush(&stream, out), 0);
}

/* Random bytes in random pieces: the concatenation is the input, and no valid character is ever
 * cut. */
static void nothing_is_lost_or_cut(void **state)
{
    (void)state;
    enum { N_BYTES = 4000, N_ROUNDS = 50 };
    static const char alphabet[] = "a\x80\xBF\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xA0\xFF";
    static char in[N_BYTES], out[2 * N_BYTES];
    struct rng rng;
    rng_seed(&rng, 20240607);
    for (int round = 0; round < N_ROUNDS; round++) {
        for (size_t i = 0; i < N_BYTES; i++) {
            in[i] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        }
        bool inside[N_BYTES + 1] = {false}; /* a cut here would be inside a character */
        for (size_t i = 0; i < N_BYTES;) {
            size_t n = utf8_char_bytes(in + i, N_BYTES - i);
            for (size_t k = 1; k < n; k++) {
                inside[i + k] = true;
            }
            i += n == 0 ? 1 : n;
        }
        struct mscope_utf8_stream stream = {.n_held = 0};
        size_t n_in = 0, n_out = 0;
        while (n_in < N_BYTES) {
            size_t n = rng_below(&rng, 7);
            n = n > N_BYTES - n_in ? N_BYTES - n_in : n;
            n_out += mscope_utf8_stream_push(&stream, in + n_in, n, out + n_out);
            n_in += n;
            assert_false(inside[n_out]);
            assert_true(n_in - n_out <= 3);
        }
        n_out += mscope_utf8_stream_flush(&stream, out + n_out);
        assert_int_equal(n_out, N_BYTES);
        assert_memory_equal(in, out, N_BYTES);
    }
}

static void the_byte_alphabet_is_a_bijection(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char spelled[ALPHABET_MAX_BYTES];
        size_t n = alphabet_spell(spelled, (uint8_t)byte);
        assert_int_equal(utf8_char_bytes(spelled, n), n);
        assert_int_equal(alphabet_byte(utf8_code_point(spelled, n)), byte);
    }
    char spelled[ALPHABET_MAX_BYTES];
    assert_int_equal(alphabet_spell(spelled, ' '), 2);
    assert_memory_equal(spelled, "\xC4\xA0", 2); /* U+0120 */
    assert_int_equal(alphabet_spell(spelled, 173), 2);
    assert_memory_equal(spelled, "\xC5\x83", 2); /* U+0143, the last one */
    assert_int_equal(alphabet_byte(0x144), -1);
    assert_int_equal(alphabet_byte(' '), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_character_waits_for_its_last_byte),
        cmocka_unit_test(hopeless_bytes_pass_at_once),
        cmocka_unit_test(flush_gives_the_rest),
        cmocka_unit_test(nothing_is_lost_or_cut),
        cmocka_unit_test(the_byte_alphabet_is_a_bijection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
