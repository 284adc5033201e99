/* SPDX-License-Identifier: MIT */
/*
 * Every pre-tokenizer cuts as its expressions say (splits derived by hand), keeps every byte, and
 * takes time in proportion to the text on runs that invite backtracking.
 */
#include "base/clock.h"
#include "token/pretokenize.h"
#include "unit.h"

#include <string.h>

enum { MAX_PIECES = 24 };

struct split {
    char pieces[1024]; /* joined by '|' */
    size_t n, n_pieces, n_total;
};

struct expected {
    const char *pre, *text, *pieces; /* joined by '|' */
};

static bool join(void *ctx, const char *piece, size_t n_bytes)
{
    struct split *split = ctx;
    if (split->n_pieces > 0) {
        split->pieces[split->n++] = '|';
    }
    assert_true(split->n + n_bytes + 2 < sizeof split->pieces);
    memcpy(split->pieces + split->n, piece, n_bytes);
    split->n += n_bytes;
    split->pieces[split->n] = '\0';
    split->n_pieces++;
    return true;
}

static bool add_up(void *ctx, const char *piece, size_t n_bytes)
{
    struct split *split = ctx;
    (void)piece;
    assert_true(n_bytes > 0);
    split->n_total += n_bytes;
    split->n_pieces++;
    return true;
}

static bool stop(void *ctx, const char *piece, size_t n_bytes)
{
    (void)ctx, (void)piece, (void)n_bytes;
    return false;
}

static struct pretokenizer *open_pre(const char *name)
{
    struct pretokenizer *pretokenizer;
    struct mscope_error err;
    const struct pretokenize_rule *rule = pretokenize_find(name, strlen(name));
    assert_non_null(rule);
    assert_ok(pretokenizer_open(&pretokenizer, rule, &err), &err);
    return pretokenizer;
}

static void check(const struct expected *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++) {
        struct split split = {.n = 0};
        struct mscope_error err;
        struct pretokenizer *pretokenizer = open_pre(cases[i].pre);
        const char *text = cases[i].text;
        assert_ok(pretokenizer_split(pretokenizer, text, strlen(text), join, &split, &err), &err);
        if (strcmp(split.pieces, cases[i].pieces) != 0) {
            fail_msg("%s:\n  text     '%s'\n  expected '%s'\n  got      '%s'", cases[i].pre, text,
                     cases[i].pieces, split.pieces);
        }
        pretokenizer_close(&pretokenizer);
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

/* Contractions in both cases, two spaces, digits, an empty line. */
static void contractions_digits_and_spaces(void **state)
{
    (void)state;
#define TEXT "I'm  we'LL 1234 don't\n\n x"
    static const struct expected cases[] = {
        {"gpt-2", TEXT, "I|'m| | we|'|LL| 1234| don|'t|\n\n| x"},
        {"default", TEXT, "I|'|m| | we|'|LL| |123|4| don|'|t|\n\n| x"},
        {"llama-bpe", TEXT, "I|'m| | we|'LL| |123|4| don|'t|\n\n| x"},
        {"dbrx", TEXT, "I|'m| | we|'LL| |123|4| don|'t|\n\n| x"},
        {"qwen2", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"qwen35", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"minicpm5", TEXT, "I|'m| | we|'LL| |123|4| don|'t|\n\n| x"},
        {"laguna", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"seed-coder", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"bailingmoe", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"exaone-moe", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"jais-2", TEXT, "I|'m| | we|'LL| |123|4| don|'t|\n\n| x"},
        {"gpt-4o", TEXT, "I'm| | we'LL| |123|4| don't|\n\n| x"},
        {"tekken", TEXT, "I|'m| | we|'LL| |1|2|3|4| don|'t|\n\n| x"},
        {"youtu", TEXT, "I'm| | we'LL| |1|2|3|4| don't|\n\n| x"},
        {"starcoder", TEXT, "I|'m| | we|'|LL| |1|2|3|4| don|'t|\n\n| x"},
        {"falcon", TEXT, "I|'|m| | we|'|LL| |123|4| don|'|t|\n\n| x"},
        {"deepseek-llm", TEXT, "I|'|m| | we|'|LL| |1234| don|'|t|\n|\n| x"},
        {"deepseek-coder", TEXT, "I|'|m| | we|'|LL| |1|2|3|4| don|'|t|\n|\n| x"},
        {"deepseek-v3", TEXT, "I|'m| | we|'LL| |123|4| don|'t|\n\n| x"},
        {"bloom", TEXT, "I'm| | we'LL| 1234| don't|\n\n| x"},
        {"viking", TEXT, "I'm| | we'LL| |1|2|3|4| don't|\n\n| x"},
    };
#undef TEXT
    CHECK(cases);
}

static void punctuation_and_line_ends(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"gpt-2", "a !!\r\n b", "a| !!|\r\n| b"},
        {"llama-bpe", "a !!\r\n b", "a| !!\r\n| b"},
        {"qwen2", "a !!\r\n b", "a| !!\r\n| b"},
        {"seed-coder", "a !!\r\n b", "a| !!|\r\n| b"},
        {"gpt-4o", "a //\n/b", "a| //\n/|b"},
        {"llama-bpe", "a //\n/b", "a| //\n|/b"},
        {"exaone-moe", "a //\n\nb", "a| //\n|\n|b"},
        {"bailingmoe", "\n\n\nb", "\n\n\n|b"},
        {"laguna", "a!\n\nb", "a|!|\n\n|b"},
        {"falcon", "x == y`z", "x| |==| y|`|z"},
        {"default", "x == y`z", "x| |==| y|`|z"},
        {"deepseek-coder", "f(x)+1", "f|(|x|)|+|1"},
        {"deepseek-llm", "f(x)+1", "f|(|x|)+|1"},
        {"deepseek-v3", "f(x)+1", "f|(x|)+|1"},
        {"bloom", "a, b. c!", "a|,| b|.| c|!"},
        {"bloom", "a . b", "a| .| b"},
        {"gpt-2", "tab\there\t\tx", "tab|\t|here|\t|\t|x"},
        {"llama-bpe", "tab\there\t\tx", "tab|\there|\t|\tx"},
    };
    CHECK(cases);
}

static void trailing_white_space(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"gpt-2", "ab   ", "ab|   "},
        {"gpt-2", "   ab", "  | ab"},
        {"llama-bpe", "ab  \n  \n  c", "ab|  \n  \n| | c"},
        {"qwen2", "ab \n", "ab| \n"},
        {"starcoder", "a  1", "a|  |1"},
        {"deepseek-llm", "ab  1  ", "ab|  |1|  "},
        {"deepseek-llm", "ab  \nc", "ab|  |\n|c"},
        {"jais-2", "a       b", "a|    |  | b"},
        {"exaone-moe", "a b cd e", "a b cd e"},
    };
    CHECK(cases);
}

static void digits(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"gpt-2", "12345678", "12345678"},
        {"default", "12345678", "123|456|78"},
        {"falcon", "1234567", "123|456|7"},
        {"llama-bpe", "1234567", "123|456|7"},
        {"deepseek-v3", "1234567", "123|456|7"},
        {"refact", "1234", "1|2|3|4"},
        {"command-r", "a12", "a|1|2"},
        {"gpt-4o", "3.14", "3|.|14"},
        {"llama-bpe", "\xD9\xA1\xD9\xA2", "\xD9\xA1\xD9\xA2"}, /* Arabic-Indic digits */
        {"qwen2", "\xD9\xA1\xD9\xA2", "\xD9\xA1|\xD9\xA2"},
        {"falcon", "\xD9\xA1\xD9\xA2", "\xD9\xA1\xD9\xA2"}, /* its triples are ASCII */
    };
    CHECK(cases);
}

static void words_of_other_scripts(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {"gpt-4o", "iPhoneHTTPServer", "i|Phone|HTTPServer"},
        {"tekken", "CamelCASE x", "Camel|CASE| x"},
        {"gpt-2", "na\xC3\xAFve", "na\xC3\xAFve"},
        {"gpt-2", "e\xCC\x81t", "e|\xCC\x81|t"}, /* a combining mark is no letter */
        {"llama-bpe", "e\xCC\x81t", "e|\xCC\x81t"},
        {"qwen35", "e\xCC\x81t", "e\xCC\x81t"},
        {"deepseek-v3", "e\xCC\x81t", "e\xCC\x81t"},
        {"gpt-4o", "e\xCC\x81t", "e|\xCC\x81t"},
        {"deepseek-llm", "中文English混合", "中文|English|混合"},
        {"deepseek-coder", "中文English", "中文|English"},
        {"deepseek-v3", "中文English", "中文|English"},
        {"gpt-2", "你好，世界", "你好|，|世界"},
        {"llama-bpe", "你好，世界", "你好|，世界"},
        {"deepseek-llm", "你好，世界", "你好|，|世界"},
        {"youtu", "你好，世界", "你好|，|世界"},
        {"youtu", "가나 ab", "가나| ab"},
        {"bloom", "你好，世界。", "你好|，|世界|。"},
        {"gpt-2", "😀 🚀🚀", "😀| 🚀🚀"},
        /* U+3000 is white space, although the ranges of deepseek-llm contain it */
        {"deepseek-llm", "全角　スペース", "全角|　|スペース"},
        {"gpt-2", "全角　スペース", "全角|　|スペース"},
        {"llama-bpe", "全角　スペース", "全角|　スペース"},
        /* U+180E is none, although \s of PCRE2 contains it */
        {"gpt-2",
         "a\xE1\xA0\x8E"
         "b",
         "a|\xE1\xA0\x8E|b"},
        {"gpt-2",
         "a\xC2\x85"
         "b",
         "a|\xC2\x85|b"},
    };
    CHECK(cases);
}

static void every_name_is_found_and_compiles(void **state)
{
    (void)state;
    int n = 0;
    for (const char *const *name = pretokenize_names(); *name != NULL; name++) {
        struct pretokenizer *pretokenizer = open_pre(*name);
        pretokenizer_close(&pretokenizer);
        assert_null(pretokenizer);
        n++;
    }
    assert_true(n > 60);
    assert_null(pretokenize_find("gpt-3000", 8));
    assert_null(pretokenize_find("gpt-22", 6));
    assert_null(pretokenize_find("", 0));
    assert_non_null(pretokenize_find("gpt-2x", 5));
    assert_true(pretokenize_find("llama-bpe", 9)->ignore_merges);
    assert_true(pretokenize_find("llama-bpe", 9)->add_bos);
    assert_false(pretokenize_find("dbrx", 4)->ignore_merges);
    assert_false(pretokenize_find("qwen2", 5)->add_bos);
}

/* Doubling the text may not quadruple the time; a wide margin, as the clock of a busy machine is
 * poor. */
static void long_runs_take_linear_time(void **state)
{
    (void)state;
    enum { N_BYTES = 1 << 18 };
    static const char *const units[] = {"a",  "A",  " ",  "7",  "!", "'",  " \n",
                                        "\n", "\t", "aB", "你", "́",  "' ", "　"};
    static char text[N_BYTES + 1];
    struct mscope_error err;
    for (const char *const *name = pretokenize_names(); *name != NULL; name++) {
        if (strcmp(pretokenize_find(*name, strlen(*name))->names[0], *name) != 0) {
            continue; /* the same expressions again */
        }
        struct pretokenizer *pretokenizer = open_pre(*name);
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            size_t n_unit = strlen(units[i]);
            size_t n = 0;
            for (; n + n_unit < N_BYTES; n += n_unit) {
                memcpy(text + n, units[i], n_unit);
            }
            text[n++] = '1'; /* a run of white space that is not the last */
            struct split split = {.n = 0};
            uint64_t start = clock_now_ns();
            assert_ok(pretokenizer_split(pretokenizer, text, n, add_up, &split, &err), &err);
            double seconds = (double)(clock_now_ns() - start) / 1e9;
            assert_int_equal(split.n_total, n);
            if (seconds > 5.0) { /* linear: a few hundredths; quadratic: minutes */
                fail_msg("%s: %.1f s for a run of %zu bytes of '%s'", *name, seconds, n, units[i]);
            }
        }
        pretokenizer_close(&pretokenizer);
    }
}

static void a_receiver_may_stop(void **state)
{
    (void)state;
    struct mscope_error err;
    struct pretokenizer *pretokenizer = open_pre("qwen2");
    assert_int_equal(pretokenizer_split(pretokenizer, "a b", 3, stop, NULL, &err),
                     MSCOPE_ERR_MEMORY);
    pretokenizer_close(&pretokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contractions_digits_and_spaces),
        cmocka_unit_test(punctuation_and_line_ends),
        cmocka_unit_test(trailing_white_space),
        cmocka_unit_test(digits),
        cmocka_unit_test(words_of_other_scripts),
        cmocka_unit_test(every_name_is_found_and_compiles),
        cmocka_unit_test(long_runs_take_linear_time),
        cmocka_unit_test(a_receiver_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
