/* SPDX-License-Identifier: MIT */
/* SentencePiece-style vocabularies: scores, ties, the space prefix, byte fallback, special tokens,
 * decoding. */
#include "base/rng.h"
#include "unit.h"

#include "spm_image.h"
#include "vocabulary.h"

#include <string.h>

static void open_entries(struct vocabulary *vocabulary, const struct entry *entries)
{
    *vocabulary = (struct vocabulary){.gguf = NULL};
    spm_begin(&vocabulary->image, entries);
    image_set_bool(&vocabulary->image, "tokenizer.ggml.add_space_prefix", false);
    vocabulary_open(vocabulary);
}

static void the_highest_score_merges_first(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    static const struct entry entries[] = {
        {"a", -9, 0}, {"b", -9, 0}, {"c", -9, 0}, {"ab", -2, 0}, {"bc", -1, 0}, {NULL, 0, 0},
    };
    open_entries(&vocabulary, entries);
    vocabulary_expect_text(&vocabulary, "abc", 0, "259 263");
    vocabulary_expect_text(&vocabulary, "ab", 0, "262");
    vocabulary_close(&vocabulary);
}

static void equal_scores_merge_from_the_left(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    static const struct entry entries[] = {
        {"a", -9, 0},     {"b", -9, 0},  {"c", -9, 0}, {"ab", 0, 0},
        {"bc", -0.0f, 0}, {"aa", -3, 0}, {NULL, 0, 0},
    };
    open_entries(&vocabulary, entries);
    vocabulary_expect_text(&vocabulary, "abc", 0, "262 261");
    vocabulary_expect_text(&vocabulary, "aaa", 0, "264 259");
    vocabulary_close(&vocabulary);
}

static void characters_without_a_token_become_bytes(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    static const struct entry entries[] = {{"a", -9, 0}, {"\xC3\xA9", -8, 0}, {NULL, 0, 0}};
    open_entries(&vocabulary, entries);
    vocabulary_expect_text(&vocabulary, "a\xC3\xA9", 0, "259 260");
    vocabulary_expect_text(&vocabulary, "\xE4\xBD\xA0", 0, "231 192 163"); /* 3 + each byte */
    vocabulary_expect(&vocabulary,
                      "\xE8"
                      "a\xFF\0",
                      4, 0, "235 259 258 3");
    vocabulary_expect_text(&vocabulary, " ", 0, "229 153 132"); /* U+2581 */
    vocabulary_close(&vocabulary);
}

static void the_space_prefix_comes_at_the_start_and_after_special_tokens(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    static const struct entry entries[] = {
        {"a", -9, 0},   {SP, -5, 0},           {SP "a", -1, 0},
        {SP SP, -2, 0}, {"<u>", 0, TYPE_USER}, {NULL, 0, 0},
    };
    spm_begin(&vocabulary.image, entries);
    vocabulary_open(&vocabulary);
    const unsigned all = MSCOPE_ADD_SPECIAL | MSCOPE_PARSE_SPECIAL;
    vocabulary_expect_text(&vocabulary, "", 0, "");
    vocabulary_expect_text(&vocabulary, "", all, "1");
    vocabulary_expect_text(&vocabulary, "a", 0, "261");
    vocabulary_expect_text(&vocabulary, "a", all, "1 261");
    vocabulary_expect_text(&vocabulary, "a a", 0, "261 261");
    vocabulary_expect_text(&vocabulary, " a", 0,
                           "260 261"); /* two spaces: the score of "_a" wins */
    vocabulary_expect_text(&vocabulary, "a</s>a", all, "1 261 2 261");
    vocabulary_expect_text(&vocabulary, "a<u>a", 0,
                           "261 263 261"); /* user-defined: also without parsing */
    vocabulary_expect_text(&vocabulary, "<u><u>", 0, "263 263");
    vocabulary_close(&vocabulary);
}

static void begin_and_end_tokens_follow_the_keys(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    static const struct entry entries[] = {
        {SP "a", -1, 0}, {"a", -9, 0}, {SP, -9, 0}, {NULL, 0, 0}};
    spm_begin(&vocabulary.image, entries);
    image_set_bool(&vocabulary.image, "tokenizer.ggml.add_bos_token", false);
    image_set_bool(&vocabulary.image, "tokenizer.ggml.add_eos_token", true);
    image_set_u32(&vocabulary.image, "tokenizer.ggml.eos_token_id", 259);
    vocabulary_open(&vocabulary);
    vocabulary_expect_text(&vocabulary, "a", MSCOPE_ADD_SPECIAL, "259 259");
    assert_int_equal(tokenizer_bos(vocabulary.tokenizer), 1);
    assert_int_equal(tokenizer_eos(vocabulary.tokenizer), 259);
    assert_true(tokenizer_is_end(vocabulary.tokenizer, 259));
    assert_true(tokenizer_is_end(vocabulary.tokenizer, 2)); /* </s> by its text */
    assert_false(tokenizer_is_end(vocabulary.tokenizer, 1));
    vocabulary_close(&vocabulary);
}

static void spaces_inside_tokens_are_found(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    static const struct entry entries[] = {
        {"a", -9, 0},        {"b", -9, 0},    {SP, -9, 0},  {"a" SP, -2, 0},
        {"a" SP "b", -1, 0}, {SP "b", -3, 0}, {NULL, 0, 0},
    };
    open_entries(&vocabulary, entries);
    vocabulary_expect_text(&vocabulary, "a b", 0, "263");
    vocabulary_expect_text(&vocabulary, "b b", 0, "260 264");
    vocabulary_close(&vocabulary);
}

static void phi3_chat_tokens_swallow_white_space(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    static const struct entry entries[] = {
        {"a", -9, 0}, {SP "a", -1, 0}, {SP, -9, 0}, {"<|user|>", 0, TYPE_CONTROL}, {NULL, 0, 0},
    };
    spm_begin(&vocabulary.image, entries);
    image_set_string(&vocabulary.image, "general.name", "My Phi-3 mini");
    vocabulary_open(&vocabulary);
    vocabulary_expect_text(&vocabulary, "<|user|>\n \ta", MSCOPE_PARSE_SPECIAL, "262 260");
    vocabulary_expect_text(&vocabulary, "<|user|>  ", MSCOPE_PARSE_SPECIAL, "262");
    vocabulary_expect_text(&vocabulary, "<s> a", MSCOPE_PARSE_SPECIAL, "1 261 260");
    vocabulary_close(&vocabulary);
}

static void decoding_drops_the_prefix_again(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    static const struct entry entries[] = {
        {"a", -9, 0},           {SP "a", -1, 0},       {SP, -9, 0},
        {"u" SP, 0, TYPE_USER}, {"x", 0, TYPE_UNUSED}, {NULL, 0, 0},
    };
    spm_begin(&vocabulary.image, entries);
    vocabulary_open(&vocabulary);
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){1, 260, 260, 2}, 4, false, "a a");
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){1, 260, 260, 2}, 4, true, "<s>a a</s>");
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){261, 261, 260}, 3, false, "  a");
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){259, 260}, 2, false, "a a");
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){262, 263, 260}, 3, false,
                              "u" SP "a"); /* raw text */
    vocabulary_expect_decoded(&vocabulary, (int32_t[]){3 + 0xC3, 3 + 0xA9}, 2, false, "\xC3\xA9");

    struct mscope_error err;
    char text[3];
    size_t n_bytes;
    const int32_t ids[] = {260, 260}; /* "a a" */
    assert_ok(tokenizer_decode(vocabulary.tokenizer, ids, 2, false, text, 3, &n_bytes, &err), &err);
    assert_memory_equal(text, "a a", 3);
    assert_int_equal(tokenizer_decode(vocabulary.tokenizer, ids, 2, false, text, 2, &n_bytes, &err),
                     MSCOPE_ERR_BUFFER);
    assert_int_equal(n_bytes, 3);
    assert_int_equal(tokenizer_decode(vocabulary.tokenizer, ids, 2, false, NULL, 0, &n_bytes, &err),
                     MSCOPE_ERR_BUFFER);
    assert_int_equal(n_bytes, 3);
    vocabulary_close(&vocabulary);
}

/* ---- the same result as the plainest possible implementation
 * ------------------------------------------ */

enum { MAX_CHARACTERS = 40, MAX_SYMBOL_BYTES = 32 };

struct plain_symbol {
    char text[MAX_SYMBOL_BYTES];
};

static const struct entry random_entries[] = {
    {"a", -20, 0},   {"b", -20, 0},   {"ab", -3, 0},  {"ba", -3, 0},  {"aa", -7, 0},
    {"aab", -2, 0},  {"abab", -5, 0}, {"bb", -1, 0},  {"bba", -6, 0}, {"b" SP, -4, 0},
    {SP "a", -2, 0}, {SP, -9, 0},     {SP SP, -4, 0}, {NULL, 0, 0},
};

static struct plain_symbol join(const struct plain_symbol *left, const struct plain_symbol *right)
{
    struct plain_symbol joined;
    size_t n_left = strlen(left->text), n_right = strlen(right->text);
    assert_true(n_left + n_right < sizeof joined.text);
    memcpy(joined.text, left->text, n_left);
    memcpy(joined.text + n_left, right->text, n_right + 1);
    return joined;
}

static const struct entry *find_entry(const struct plain_symbol *symbol)
{
    for (const struct entry *entry = random_entries; entry->text != NULL; entry++) {
        if (strcmp(entry->text, symbol->text) == 0) {
            return entry;
        }
    }
    return NULL;
}

static size_t merge_plainly(struct plain_symbol *symbols, size_t n)
{
    for (;;) {
        size_t best = n;
        float best_score = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            struct plain_symbol joined = join(&symbols[i], &symbols[i + 1]);
            const struct entry *entry = find_entry(&joined);
            if (entry != NULL && (best == n || entry->score > best_score)) {
                best = i;
                best_score = entry->score;
            }
        }
        if (best == n) {
            return n;
        }
        symbols[best] = join(&symbols[best], &symbols[best + 1]);
        n--;
        for (size_t i = best + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
        }
    }
}

static void random_text_agrees_with_a_plain_implementation(void **state)
{
    (void)state;
    enum { N_ROUNDS = 1000 };
    struct vocabulary vocabulary;
    struct mscope_error err;
    struct rng rng;
    rng_seed(&rng, 31);
    open_entries(&vocabulary, random_entries);
    for (int round = 0; round < N_ROUNDS; round++) {
        char text[MAX_CHARACTERS];
        struct plain_symbol symbols[MAX_CHARACTERS];
        size_t n = 1 + rng_below(&rng, MAX_CHARACTERS - 1);
        for (size_t i = 0; i < n; i++) {
            text[i] = "ab "[rng_below(&rng, 3)];
            symbols[i] =
                text[i] == ' ' ? (struct plain_symbol){SP} : (struct plain_symbol){{text[i]}};
        }
        size_t n_symbols = merge_plainly(symbols, n);
        int32_t ids[MAX_CHARACTERS];
        size_t n_ids;
        assert_ok(
            tokenizer_encode(vocabulary.tokenizer, text, n, 0, ids, MAX_CHARACTERS, &n_ids, &err),
            &err);
        assert_int_equal(n_ids, n_symbols);
        for (size_t i = 0; i < n_ids; i++) {
            assert_string_equal(random_entries[ids[i] - N_FIXED].text, symbols[i].text);
        }
    }
    vocabulary_close(&vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_score_merges_first),
        cmocka_unit_test(equal_scores_merge_from_the_left),
        cmocka_unit_test(characters_without_a_token_become_bytes),
        cmocka_unit_test(the_space_prefix_comes_at_the_start_and_after_special_tokens),
        cmocka_unit_test(begin_and_end_tokens_follow_the_keys),
        cmocka_unit_test(spaces_inside_tokens_are_found),
        cmocka_unit_test(phi3_chat_tokens_swallow_white_space),
        cmocka_unit_test(decoding_drops_the_prefix_again),
        cmocka_unit_test(random_text_agrees_with_a_plain_implementation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
