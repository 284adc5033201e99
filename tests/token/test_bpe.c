/* SPDX-License-Identifier: MIT */
/* Byte-level BPE: order of merges, ties, whole pieces, symbols that are no tokens, bytes that are
 * not UTF-8. */
#include "base/rng.h"
#include "unit.h"

#include "bytes_vocabulary.h"

#include <pthread.h>
#include <string.h>

#define EXTRA(...)  ((const struct bytes_extra[]){__VA_ARGS__, {NULL, 0}})
#define MERGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_lowest_rank_merges_first(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2", EXTRA({"ab", TYPE_NORMAL}, {"bc", TYPE_NORMAL}),
                          MERGES("b c", "a b"));
    vocabulary_expect_text(&vocabulary, "abc", 0, "97 257");
    vocabulary_close(&vocabulary);
    bytes_vocabulary_open(&vocabulary, "gpt-2", EXTRA({"ab", TYPE_NORMAL}, {"bc", TYPE_NORMAL}),
                          MERGES("a b", "b c"));
    vocabulary_expect_text(&vocabulary, "abc", 0, "256 99");
    vocabulary_expect_text(&vocabulary, "", 0, "");
    vocabulary_close(&vocabulary);
}

static void ties_go_to_the_left(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2", EXTRA({"aa", TYPE_NORMAL}, {"aaaa", TYPE_NORMAL}),
                          MERGES("a a", "aa aa"));
    vocabulary_expect_text(&vocabulary, "aaa", 0, "256 97");
    vocabulary_expect_text(&vocabulary, "aaaaa", 0, "257 97");
    vocabulary_expect_text(&vocabulary, "aaaaaaa", 0, "257 256 97");
    vocabulary_close(&vocabulary);
}

static void merging_stays_inside_pieces(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2",
                          EXTRA({"\xC4\xA0"
                                 "b",
                                 TYPE_NORMAL},
                                {"a\xC4\xA0", TYPE_NORMAL}),
                          MERGES("a \xC4\xA0", "\xC4\xA0 b"));
    vocabulary_expect_text(&vocabulary, "a b", 0, "97 256"); /* "a " spans two pieces */
    vocabulary_close(&vocabulary);
}

static void whole_pieces_are_taken_where_merges_are_ignored(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    const struct bytes_extra *extra =
        EXTRA({"hello", TYPE_NORMAL}, {"he", TYPE_NORMAL}, {"\xC4\xA0hello", TYPE_NORMAL});
    bytes_vocabulary_open(&vocabulary, "dbrx", extra, MERGES("h e"));
    vocabulary_expect_text(&vocabulary, "hello", 0, "257 108 108 111");
    vocabulary_close(&vocabulary);
    bytes_vocabulary_open(&vocabulary, "llama-bpe", extra, MERGES("h e"));
    vocabulary_expect_text(&vocabulary, "hello hello", 0, "256 258");
    vocabulary_expect_text(&vocabulary, "help", 0, "257 108 112");
    vocabulary_close(&vocabulary);
}

static void merges_may_pass_through_texts_that_are_no_tokens(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "gpt-2", EXTRA({"xyz", TYPE_NORMAL}),
                          MERGES("x y", "xy z", "p q", "pq r", "x y"));
    vocabulary_expect_text(&vocabulary, "xyz", 0, "256");
    vocabulary_expect_text(&vocabulary, "xy", 0, "120 121");
    vocabulary_expect_text(&vocabulary, "pqrxyz", 0, "112 113 114 256");
    vocabulary_close(&vocabulary);
}

static void bytes_that_are_not_utf8_become_replacements(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    bytes_vocabulary_open(&vocabulary, "qwen2", EXTRA({"ab", TYPE_NORMAL}), MERGES("a b"));
    vocabulary_expect(&vocabulary, "\xFF", 1, 0, "239 191 189");
    vocabulary_expect(&vocabulary,
                      "ab\xE8"
                      "ab",
                      5, 0, "256 239 191 189 256");
    vocabulary_expect(&vocabulary, "\xE4\xBD", 2, 0, "239 191 189 239 191 189"); /* cut off */
    vocabulary_expect(&vocabulary, "\xC0\xAF", 2, 0, "239 191 189 239 191 189"); /* overlong '/' */
    vocabulary_expect(&vocabulary, "a\0b", 3, 0, "97 0 98");
    vocabulary_close(&vocabulary);
}

static void a_byte_without_a_token_is_dropped(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    struct image *image = &vocabulary.image;
    image_begin(image);
    image_set_string(image, "tokenizer.ggml.model", "gpt2");
    image_set_string(image, "tokenizer.ggml.pre", "gpt-2");
    image_set_strings(image, "tokenizer.ggml.tokens", (const char *const[]){"a", "b", "ab", NULL});
    image_set_strings(image, "tokenizer.ggml.merges", (const char *const[]){"a b", "a c", NULL});
    vocabulary_open(&vocabulary);
    vocabulary_expect_text(&vocabulary, "abxb", 0, "2 1");
    vocabulary_expect_text(&vocabulary, "acb", 0, "0 1"); /* "ac" falls apart, c has no token */
    vocabulary_close(&vocabulary);
}

/* ---- the same result as the plainest possible implementation, for short and long pieces
 * -------------- */

enum { MAX_SYMBOLS = 400, MAX_SYMBOL_BYTES = 32 };

static const char *const random_merges[] = {"a b",   "c a",     "b b",  "ab c", "a a",
                                            "bb bb", "aa aa",   "ca b", "c c",  "ab ab",
                                            "cc c",  "abab ab", "b a",  NULL};
static const struct bytes_extra random_extra[] = {
    {"ab", TYPE_NORMAL},   {"ca", TYPE_NORMAL},
    {"bb", TYPE_NORMAL},   {"abc", TYPE_NORMAL},
    {"aa", TYPE_NORMAL},   {"bbbb", TYPE_NORMAL},
    {"aaaa", TYPE_NORMAL}, {"cab", TYPE_NORMAL},
    {"cc", TYPE_NORMAL},   {"abab", TYPE_NORMAL},
    {"ccc", TYPE_NORMAL},  {"ababab", TYPE_NORMAL},
    {"ba", TYPE_NORMAL},   {NULL, 0},
};

struct plain_symbol {
    char text[MAX_SYMBOL_BYTES];
};

static struct plain_symbol join(const struct plain_symbol *left, const char *between,
                                const struct plain_symbol *right)
{
    struct plain_symbol joined;
    size_t n_left = strlen(left->text), n_between = strlen(between), n_right = strlen(right->text);
    assert_true(n_left + n_between + n_right < sizeof joined.text);
    memcpy(joined.text, left->text, n_left);
    memcpy(joined.text + n_left, between, n_between);
    memcpy(joined.text + n_left + n_between, right->text, n_right + 1);
    return joined;
}

static int rank_of(const struct plain_symbol *left, const struct plain_symbol *right)
{
    struct plain_symbol line = join(left, " ", right);
    for (int i = 0; random_merges[i] != NULL; i++) {
        if (strcmp(random_merges[i], line.text) == 0) {
            return i;
        }
    }
    return -1;
}

static size_t encode_plainly(int32_t *ids, const char *text, size_t n_bytes)
{
    static struct plain_symbol symbols[MAX_SYMBOLS];
    size_t n = n_bytes;
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (struct plain_symbol){{text[i]}};
    }
    for (;;) {
        size_t best = n;
        int best_rank = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int rank = rank_of(&symbols[i], &symbols[i + 1]);
            if (rank >= 0 && (best == n || rank < best_rank)) {
                best = i;
                best_rank = rank;
            }
        }
        if (best == n) {
            break;
        }
        symbols[best] = join(&symbols[best], "", &symbols[best + 1]);
        n--;
        for (size_t i = best + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
        }
    }
    for (size_t i = 0; i < n; i++) {
        ids[i] = (unsigned char)symbols[i].text[0];
        for (int k = 0; random_extra[k].text != NULL; k++) {
            if (strcmp(random_extra[k].text, symbols[i].text) == 0) {
                ids[i] = BYTES_N + k;
            }
        }
    }
    return n;
}

static void random_words_agree_with_a_plain_implementation(void **state)
{
    (void)state;
    enum { N_ROUNDS = 400 };
    struct vocabulary vocabulary;
    struct mscope_error err;
    struct rng rng;
    rng_seed(&rng, 99);
    bytes_vocabulary_open(&vocabulary, "gpt-2", random_extra, random_merges);
    for (int round = 0; round < N_ROUNDS; round++) {
        char text[MAX_SYMBOLS];
        int32_t want[MAX_SYMBOLS], got[MAX_SYMBOLS];
        size_t n_bytes = 1 + rng_below(&rng, round % 4 == 0 ? MAX_SYMBOLS - 1 : 40);
        for (size_t i = 0; i < n_bytes; i++) {
            text[i] = (char)('a' + rng_below(&rng, 3));
        }
        size_t n_want = encode_plainly(want, text, n_bytes), n_got;
        assert_ok(tokenizer_encode(vocabulary.tokenizer, text, n_bytes, 0, got, MAX_SYMBOLS, &n_got,
                                   &err),
                  &err);
        assert_int_equal(n_got, n_want);
        assert_memory_equal(got, want, n_want * sizeof *want);
    }
    vocabulary_close(&vocabulary);
}

/* One letter a million times: n log n is a second at most, n squared would be hours. */
static void a_million_letters_are_encoded(void **state)
{
    (void)state;
    enum { N_BYTES = 1000000 };
    struct vocabulary vocabulary;
    struct mscope_error err;
    char *text = malloc(N_BYTES);
    int32_t *ids = malloc(N_BYTES * sizeof *ids);
    size_t n_ids;
    assert_true(text != NULL && ids != NULL);
    memset(text, 'a', N_BYTES);
    bytes_vocabulary_open(&vocabulary, "gpt-2", random_extra, random_merges);
    assert_ok(tokenizer_encode(vocabulary.tokenizer, text, N_BYTES, 0, ids, N_BYTES, &n_ids, &err),
              &err);
    assert_int_equal(n_ids, N_BYTES / 4);
    assert_int_equal(ids[0], BYTES_N + 6); /* aaaa */
    assert_int_equal(ids[n_ids - 1], BYTES_N + 6);
    vocabulary_close(&vocabulary);
    free(text);
    free(ids);
}

/* The cache of pieces serves many repeated words: the same ids as each word alone. */
static void repeated_words_keep_their_ids(void **state)
{
    (void)state;
    enum { N_WORDS = 3000 };
    struct vocabulary vocabulary;
    struct mscope_error err;
    struct rng rng;
    rng_seed(&rng, 5);
    bytes_vocabulary_open(&vocabulary, "gpt-2", random_extra, random_merges);
    static char text[N_WORDS * 8];
    static int32_t want[N_WORDS * 8], got[N_WORDS * 8];
    size_t n = 0, n_want = 0, n_got;
    for (int i = 0; i < N_WORDS; i++) {
        char word[8] = " ";
        size_t n_word = 2 + rng_below(&rng, 4);
        for (size_t k = 1; k < n_word; k++) {
            word[k] = (char)('a' + rng_below(&rng, 3));
        }
        memcpy(text + n, word, n_word);
        n += n_word;
        size_t n_ids;
        assert_ok(
            tokenizer_encode(vocabulary.tokenizer, word, n_word, 0, want + n_want, 8, &n_ids, &err),
            &err);
        n_want += n_ids;
    }
    assert_ok(tokenizer_encode(vocabulary.tokenizer, text, n, 0, got, N_WORDS * 8, &n_got, &err),
              &err);
    assert_int_equal(n_got, n_want);
    assert_memory_equal(got, want, n_want * sizeof *want);
    vocabulary_close(&vocabulary);
}

static void decoding_inverts_encoding(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    struct mscope_error err;
    static const char text[] =
        "na\xC3\xAFve \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x9A\x80\n\ttab\0zero";
    int32_t ids[128];
    size_t n_ids, n_bytes;
    char back[128];
    bytes_vocabulary_open(&vocabulary, "llama-bpe", random_extra, random_merges);
    assert_ok(tokenizer_encode(vocabulary.tokenizer, text, sizeof text, 0, ids, 128, &n_ids, &err),
              &err);
    assert_ok(tokenizer_decode(vocabulary.tokenizer, ids, n_ids, false, back, sizeof back, &n_bytes,
                               &err),
              &err);
    assert_int_equal(n_bytes, sizeof text);
    assert_memory_equal(back, text, sizeof text);
    vocabulary_close(&vocabulary);
}

/* ---- one tokenizer, many threads
 * ---------------------------------------------------------------------- */

enum { N_THREADS = 4, THREAD_TEXT_BYTES = 2000 };

struct thread_job {
    const struct tokenizer *tokenizer;
    const char *text;
    int32_t ids[THREAD_TEXT_BYTES];
    size_t n_ids;
    enum mscope_status status;
};

static void *encode_repeatedly(void *ctx)
{
    struct thread_job *job = ctx;
    for (int i = 0; i < 20 && job->status == MSCOPE_OK; i++) {
        job->status = tokenizer_encode(job->tokenizer, job->text, THREAD_TEXT_BYTES, 0, job->ids,
                                       THREAD_TEXT_BYTES, &job->n_ids, NULL);
    }
    return NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    static struct thread_job jobs[N_THREADS];
    char text[THREAD_TEXT_BYTES];
    struct vocabulary vocabulary;
    pthread_t threads[N_THREADS];
    struct rng rng;
    rng_seed(&rng, 8);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = "ab c1\n"[rng_below(&rng, 6)];
    }
    bytes_vocabulary_open(&vocabulary, "deepseek-v3", random_extra, random_merges);
    for (int i = 0; i < N_THREADS; i++) {
        jobs[i] = (struct thread_job){.tokenizer = vocabulary.tokenizer, .text = text};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_repeatedly, &jobs[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(jobs[i].status, MSCOPE_OK);
        assert_true(jobs[i].n_ids > 0);
        assert_int_equal(jobs[i].n_ids, jobs[0].n_ids);
        assert_memory_equal(jobs[i].ids, jobs[0].ids, jobs[0].n_ids * sizeof(int32_t));
    }
    vocabulary_close(&vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_rank_merges_first),
        cmocka_unit_test(ties_go_to_the_left),
        cmocka_unit_test(merging_stays_inside_pieces),
        cmocka_unit_test(whole_pieces_are_taken_where_merges_are_ignored),
        cmocka_unit_test(merges_may_pass_through_texts_that_are_no_tokens),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacements),
        cmocka_unit_test(a_byte_without_a_token_is_dropped),
        cmocka_unit_test(random_words_agree_with_a_plain_implementation),
        cmocka_unit_test(a_million_letters_are_encoded),
        cmocka_unit_test(repeated_words_keep_their_ids),
        cmocka_unit_test(decoding_inverts_encoding),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
