/* SPDX-License-Identifier: MIT */
/* Special tokens in raw text, begin and end of a sequence, what ends a generation, what is
 * rendered. */
#include "unit.h"

#include "bytes_vocabulary.h"

#include <string.h>

#define EXTRA(...) ((const struct bytes_extra[]){__VA_ARGS__, {NULL, 0}})
#define NO_EXTRA   ((const struct bytes_extra[]){{NULL, 0}})
#define NO_MERGES  ((const char *const[]){NULL})

static const unsigned both = MSCOPE_ADD_SPECIAL | MSCOPE_PARSE_SPECIAL;

static void control_tokens_need_parsing_and_user_tokens_do_not(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2",
                          EXTRA({"<c>", TYPE_CONTROL}, {"<u>", TYPE_USER}, {"<k>", TYPE_UNKNOWN},
                                {"<n>", TYPE_NORMAL}),
                          NO_MERGES);
    vocabulary_expect_text(&vocabulary, "a<c>b", MSCOPE_PARSE_SPECIAL, "97 256 98");
    vocabulary_expect_text(&vocabulary, "<c>", 0, "60 99 62");
    vocabulary_expect_text(&vocabulary, "a<u>b<u>", 0, "97 257 98 257");
    vocabulary_expect_text(&vocabulary, "<u>", MSCOPE_PARSE_SPECIAL, "257");
    vocabulary_expect_text(&vocabulary, "<k>", MSCOPE_PARSE_SPECIAL, "258");
    vocabulary_expect_text(&vocabulary, "<k>", 0, "60 107 62");
    vocabulary_expect_text(&vocabulary, "<n>", MSCOPE_PARSE_SPECIAL, "60 110 62");
    vocabulary_expect_text(&vocabulary, "<c><u><c", MSCOPE_PARSE_SPECIAL, "256 257 60 99");
    vocabulary_close(&vocabulary);
}

static void longer_tokens_win_wherever_they_stand(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2",
                          EXTRA({"ab", TYPE_USER}, {"bcd", TYPE_USER}, {"  ", TYPE_USER},
                                {"    ", TYPE_USER}, {"zz", TYPE_USER}, {"zzz", TYPE_USER}),
                          NO_MERGES);
    vocabulary_expect_text(&vocabulary, "abcd", 0,
                           "97 257"); /* not "ab", although it comes first */
    vocabulary_expect_text(&vocabulary, "abcab", 0, "256 99 256");
    vocabulary_expect_text(&vocabulary, "       x", 0, "259 258 32 120"); /* 7 spaces: 4 + 2 + 1 */
    vocabulary_expect_text(&vocabulary, "zzzzz", 0, "261 260");
    vocabulary_close(&vocabulary);
}

static void many_special_tokens_are_told_apart(void **state)
{
    (void)state;
    enum { N = 60 };
    static char names[N][16];
    struct bytes_extra extra[N + 1] = {{NULL, 0}};
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "<extra_%d>", i);
        extra[i] = (struct bytes_extra){names[i], TYPE_CONTROL};
    }
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "qwen2", extra, NO_MERGES);
    for (int i = 0; i < N; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%d 120", BYTES_N + i);
        char text[32];
        snprintf(text, sizeof text, "%.15sx", names[i]);
        vocabulary_expect_text(&vocabulary, text, MSCOPE_PARSE_SPECIAL, expected);
    }
    vocabulary_close(&vocabulary);
}

static void begin_and_end_follow_keys_and_pre_tokenizer(void **state)
{
    (void)state;
    const struct bytes_extra *extra = EXTRA({"<bos>", TYPE_CONTROL}, {"<eos>", TYPE_CONTROL});
    static const struct {
        const char *pre;
        int bos_key, add_bos, add_eos; /* -1: no key */
        const char *expected;
    } cases[] = {
        {"gpt-2", 256, -1, -1, "97"},       {"gpt-2", 256, 1, -1, "256 97"},
        {"gpt-2", 256, 1, 1, "256 97 257"}, {"llama-bpe", 256, -1, -1, "256 97"},
        {"llama-bpe", 256, 0, -1, "97"},    {"llama-bpe", -1, -1, -1, "97"},
        {"gpt-2", 256, 0, 1, "97 257"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vocabulary vocabulary = {.gguf = NULL};
        image_begin(&vocabulary.image);
        bytes_vocabulary(&vocabulary.image, cases[i].pre, extra, NO_MERGES);
        image_set_u32(&vocabulary.image, "tokenizer.ggml.eos_token_id", 257);
        if (cases[i].bos_key >= 0) {
            image_set_u32(&vocabulary.image, "tokenizer.ggml.bos_token_id",
                          (uint32_t)cases[i].bos_key);
        }
        if (cases[i].add_bos >= 0) {
            image_set_bool(&vocabulary.image, "tokenizer.ggml.add_bos_token",
                           cases[i].add_bos == 1);
        }
        if (cases[i].add_eos >= 0) {
            image_set_bool(&vocabulary.image, "tokenizer.ggml.add_eos_token",
                           cases[i].add_eos == 1);
        }
        vocabulary_open(&vocabulary);
        vocabulary_expect_text(&vocabulary, "a", both, cases[i].expected);
        vocabulary_expect_text(&vocabulary, "a", MSCOPE_PARSE_SPECIAL, "97");
        assert_int_equal(tokenizer_bos(vocabulary.tokenizer), cases[i].bos_key);
        assert_int_equal(tokenizer_eos(vocabulary.tokenizer), 257);
        vocabulary_close(&vocabulary);
    }
}

static void ends_are_declared_or_known_by_their_text(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    image_begin(&vocabulary.image);
    bytes_vocabulary(&vocabulary.image, "qwen2",
                     EXTRA({"<|im_end|>", TYPE_NORMAL}, {"<my-eot>", TYPE_CONTROL},
                           {"<my-eos>", TYPE_CONTROL}, {"<|fim_pad|>", TYPE_CONTROL},
                           {"<|im_start|>", TYPE_CONTROL}, {"<|end|>", TYPE_CONTROL},
                           {"<end_of_turn>", TYPE_CONTROL}, {"<my-eom>", TYPE_CONTROL}),
                     NO_MERGES);
    image_set_u32(&vocabulary.image, "tokenizer.ggml.eos_token_id", 258);
    image_set_u32(&vocabulary.image, "tokenizer.ggml.eot_token_id", 257);
    image_set_u32(&vocabulary.image, "tokenizer.ggml.eom_token_id", 263);
    vocabulary_open(&vocabulary);
    static const bool ends[] = {true, true, true, true, false, true, true, true};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tokenizer_is_end(vocabulary.tokenizer, BYTES_N + i), ends[i]);
    }
    assert_false(tokenizer_is_end(vocabulary.tokenizer, 97));
    assert_false(tokenizer_is_end(vocabulary.tokenizer, -1));
    assert_false(tokenizer_is_end(vocabulary.tokenizer, 264));
    /* the text makes it a control token, whatever its declared type */
    vocabulary_expect_text(&vocabulary, "<|im_end|>", MSCOPE_PARSE_SPECIAL, "256");
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, 256, false, NULL, 0), 0);
    vocabulary_close(&vocabulary);
}

static void harmony_messages_end_with_return(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-4o",
                          EXTRA({"<|end|>", TYPE_CONTROL}, {"<|return|>", TYPE_CONTROL},
                                {"<|call|>", TYPE_CONTROL}, {"<|channel|>", TYPE_CONTROL}),
                          NO_MERGES);
    assert_false(tokenizer_is_end(vocabulary.tokenizer, 256));
    assert_true(tokenizer_is_end(vocabulary.tokenizer, 257));
    assert_true(tokenizer_is_end(vocabulary.tokenizer, 258));
    assert_false(tokenizer_is_end(vocabulary.tokenizer, 259));
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, 259, false, NULL, 0),
                     strlen("<|channel|>"));
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, 257, false, NULL, 0), 0);
    vocabulary_close(&vocabulary);
}

static void special_tokens_are_rendered_on_request(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2",
                          EXTRA({"<c>", TYPE_CONTROL}, {"a b", TYPE_USER}, {"xx", TYPE_UNUSED},
                                {"\xC4\xA0t", TYPE_NORMAL}),
                          NO_MERGES);
    const int32_t ids[] = {256, 257, 258, 259};
    vocabulary_expect_decoded(&vocabulary, ids, 4, false, "a b t");
    vocabulary_expect_decoded(&vocabulary, ids, 4, true, "<c>a b t");
    char text[8];
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, 257, false, text, 2),
                     3); /* says what it needs */
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, -1, true, text, 8), 0);
    assert_int_equal(tokenizer_piece(vocabulary.tokenizer, 260, true, text, 8), 0);
    vocabulary_close(&vocabulary);
}

static void small_buffers_and_wrong_ids_are_refused(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    struct mscope_error err;
    int32_t ids[2];
    size_t n;
    bytes_vocabulary_open(&vocabulary, "gpt-2", NO_EXTRA, NO_MERGES);
    assert_int_equal(tokenizer_encode(vocabulary.tokenizer, "abc", 3, 0, ids, 2, &n, &err),
                     MSCOPE_ERR_BUFFER);
    assert_int_equal(n, 3);
    assert_int_equal(ids[1], 'b');
    assert_int_equal(tokenizer_encode(vocabulary.tokenizer, "abc", 3, 0, NULL, 0, &n, &err),
                     MSCOPE_ERR_BUFFER);
    assert_int_equal(n, 3);
    assert_ok(tokenizer_encode(vocabulary.tokenizer, NULL, 0, both, NULL, 0, &n, &err), &err);
    assert_int_equal(n, 0);
    ids[0] = 256;
    assert_int_equal(tokenizer_decode(vocabulary.tokenizer, ids, 1, false, NULL, 0, &n, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "token 256");
    ids[0] = -1;
    assert_int_equal(tokenizer_decode(vocabulary.tokenizer, ids, 1, false, NULL, 0, &n, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_ok(tokenizer_decode(vocabulary.tokenizer, NULL, 0, false, NULL, 0, &n, &err), &err);
    assert_int_equal(n, 0);
    vocabulary_close(&vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_tokens_need_parsing_and_user_tokens_do_not),
        cmocka_unit_test(longer_tokens_win_wherever_they_stand),
        cmocka_unit_test(many_special_tokens_are_told_apart),
        cmocka_unit_test(begin_and_end_follow_keys_and_pre_tokenizer),
        cmocka_unit_test(ends_are_declared_or_known_by_their_text),
        cmocka_unit_test(harmony_messages_end_with_return),
        cmocka_unit_test(special_tokens_are_rendered_on_request),
        cmocka_unit_test(small_buffers_and_wrong_ids_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
