/* SPDX-License-Identifier: MIT */
/* Files that declare nonsense are refused with a line that names it; files without a tokenizer are
 * fine. */
#include "unit.h"

#include "vocabulary.h"

#include <string.h>

enum { N_TOKENS = 3 };

struct parts { /* keys to write; NULL or 0 where the key is left out */
    const char *model, *pre;
    const char *const *tokens, *const *merges;
    const int32_t *types;
    const float *scores;
    uint64_t n_types, n_scores;
};

static const char *const tokens[] = {"a", "b", "ab", NULL};
static const char *const merges[] = {"a b", NULL};
static const int32_t types[] = {1, 1, 1, 1};
static const float scores[] = {0, 0, 0, 0};

static struct parts sound_bpe(void)
{
    return (struct parts){.model = "gpt2",
                          .pre = "gpt-2",
                          .tokens = tokens,
                          .merges = merges,
                          .types = types,
                          .n_types = N_TOKENS};
}

static struct parts sound_spm(void)
{
    return (struct parts){.model = "llama",
                          .tokens = tokens,
                          .types = types,
                          .n_types = N_TOKENS,
                          .scores = scores,
                          .n_scores = N_TOKENS};
}

static void write_parts(struct image *image, const struct parts *parts)
{
    image_begin(image);
    if (parts->model != NULL) {
        image_set_string(image, "tokenizer.ggml.model", parts->model);
    }
    if (parts->pre != NULL) {
        image_set_string(image, "tokenizer.ggml.pre", parts->pre);
    }
    if (parts->tokens != NULL) {
        image_set_strings(image, "tokenizer.ggml.tokens", parts->tokens);
    }
    if (parts->merges != NULL) {
        image_set_strings(image, "tokenizer.ggml.merges", parts->merges);
    }
    if (parts->types != NULL) {
        image_set_i32s(image, "tokenizer.ggml.token_type", parts->types, parts->n_types);
    }
    if (parts->scores != NULL) {
        image_set_f32s(image, "tokenizer.ggml.scores", parts->scores, parts->n_scores);
    }
}

/* Opens the image and frees it; the tokenizer is closed at once. Says in *none whether there was
 * one. */
static enum mscope_status open_image(struct image *image, bool *none, struct mscope_error *err)
{
    struct gguf *gguf;
    struct tokenizer *tokenizer;
    assert_ok(gguf_open_memory(&gguf, image->data, image->n_bytes, "test", err), err);
    enum mscope_status status = tokenizer_open(&tokenizer, gguf, err);
    *none = tokenizer == NULL;
    tokenizer_close(&tokenizer);
    assert_null(tokenizer);
    gguf_close(&gguf);
    image_free(image);
    return status;
}

static void refuses(struct image *image, enum mscope_status expected, const char *object,
                    const char *detail)
{
    struct mscope_error err;
    bool none;
    enum mscope_status status = open_image(image, &none, &err);
    if (status != expected || !none) {
        fail_msg("%s: status %d, expected %d", object, status, expected);
    }
    if (strcmp(err.object, object) != 0 || strstr(err.detail, detail) == NULL) {
        fail_msg("expected '%s: ... %s ...', got '%s: %s'", object, detail, err.object, err.detail);
    }
}

static void refuses_parts(const struct parts *parts, enum mscope_status expected,
                          const char *object, const char *detail)
{
    struct image image = {.data = NULL};
    write_parts(&image, parts);
    refuses(&image, expected, object, detail);
}

static void accepts_parts(const struct parts *parts, bool expect_none)
{
    struct image image = {.data = NULL};
    struct mscope_error err;
    bool none;
    write_parts(&image, parts);
    assert_ok(open_image(&image, &none, &err), &err);
    assert_int_equal(none, expect_none);
}

static void files_without_a_tokenizer_have_none(void **state)
{
    (void)state;
    struct parts parts = {.model = NULL};
    accepts_parts(&parts, true);
    parts.model = "no_vocab";
    accepts_parts(&parts, true);
    parts = sound_bpe();
    accepts_parts(&parts, false);
    parts = sound_spm();
    accepts_parts(&parts, false);
}

static void unknown_kinds_are_named(void **state)
{
    (void)state;
    struct parts parts = sound_bpe();
    parts.pre = "gpt-3000";
    refuses_parts(&parts, MSCOPE_ERR_UNSUPPORTED, "key tokenizer.ggml.pre",
                  "unknown pre-tokenizer 'gpt-3000', expected one of gpt-2 default llama-bpe");
    parts.model = "wordpiece";
    refuses_parts(&parts, MSCOPE_ERR_UNSUPPORTED, "key tokenizer.ggml.model",
                  "'wordpiece', expected gpt2, llama");
    parts.model = NULL;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.model", "absent");
    parts = sound_bpe();
    parts.pre = NULL; /* old files: the documented default */
    accepts_parts(&parts, false);
    parts.pre = "";
    accepts_parts(&parts, false);
    parts.pre = "default";
    accepts_parts(&parts, false);
}

static void missing_or_wrong_arrays_are_named(void **state)
{
    (void)state;
    struct parts parts = sound_bpe();
    parts.tokens = NULL;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens", "");
    parts = sound_bpe();
    parts.merges = NULL;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges", "");
    parts = sound_spm();
    parts.scores = NULL;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.scores", "");
    parts.scores = scores;
    parts.n_scores = 2;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.scores",
                  "2 scores, expected one for each of 3");
    parts = sound_spm();
    parts.n_types = 4;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.token_type",
                  "4 types, expected one for each of 3");
    parts.types = NULL;
    accepts_parts(&parts, false); /* all normal */

    struct image image = {.data = NULL};
    image_begin(&image);
    image_set_string(&image, "tokenizer.ggml.model", "gpt2");
    image_array(&image, "tokenizer.ggml.tokens", GGUF_STRING, 0);
    refuses(&image, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens", "0 tokens");
    image_begin(&image);
    image_set_string(&image, "tokenizer.ggml.model", "gpt2");
    image_set_string(&image, "tokenizer.ggml.tokens", "a b c");
    refuses(&image, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens", "");
    image_begin(&image);
    image_set_u32(&image, "tokenizer.ggml.model", 2);
    refuses(&image, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.model", "");
    parts = sound_spm();
    parts.scores = NULL;
    write_parts(&image, &parts);
    image_set_i32s(&image, "tokenizer.ggml.scores", types, N_TOKENS);
    refuses(&image, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.scores", "");
}

static void wrong_tokens_are_named(void **state)
{
    (void)state;
    struct parts parts = sound_bpe();
    static const char *const twice[] = {"a", "b", "a", NULL};
    parts.tokens = twice;
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens",
                  "tokens 0 and 2 have the same text 'a'");
    parts = sound_bpe();
    parts.types = (const int32_t[]){1, 7, 1};
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "token 1", "token type 7, expected 0 to 6");
    parts.types = (const int32_t[]){1, -1, 1};
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "token 1", "token type -1");
    parts.types = (const int32_t[]){1, 1, 6};
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "token 2",
                  "'ab' of a byte token, expected the form <0xNN>");
    static char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    parts.tokens = (const char *const[]){"a", long_text, "b", NULL};
    parts.types = (const int32_t[]){1, 3, 1};
    refuses_parts(&parts, MSCOPE_ERR_FORMAT, "token 1", "1999 bytes, expected at most 1024");
    parts.types = types;
    accepts_parts(&parts, false);                            /* a normal one may be long */
    parts.tokens = (const char *const[]){"", "a", "", NULL}; /* padding that can never match */
    accepts_parts(&parts, false);
}

static void wrong_merges_are_named(void **state)
{
    (void)state;
    struct parts parts = sound_bpe();
    static const char *const bad[] = {"ab", "", " ", "a ", " b", "a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const lines[] = {"a b", bad[i], NULL};
        parts.merges = lines;
        refuses_parts(&parts, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges", "merge 1 is '");
    }
    parts.merges = (const char *const[]){"x y", "xy z", "a b", "a b", "q a", NULL};
    accepts_parts(&parts, false); /* texts that are no tokens, and repetitions, do no harm */
    parts.merges = (const char *const[]){NULL};
    accepts_parts(&parts, false);
}

static void ids_out_of_range_are_named(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "tokenizer.ggml.bos_token_id",     "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.fim_pad_token_id",
    };
    struct image image = {.data = NULL};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char object[64];
        struct parts parts = i % 2 == 0 ? sound_bpe() : sound_spm();
        snprintf(object, sizeof object, "key %s", keys[i]);
        write_parts(&image, &parts);
        image_set_u32(&image, keys[i], N_TOKENS);
        refuses(&image, MSCOPE_ERR_FORMAT, object, "token 3, expected less than 3");
        write_parts(&image, &parts);
        image_set_string(&image, keys[i], "one");
        refuses(&image, MSCOPE_ERR_FORMAT, object, "");
        write_parts(&image, &parts);
        image_set_u32(&image, keys[i], UINT32_MAX); /* none */
        struct mscope_error err;
        bool none;
        assert_ok(open_image(&image, &none, &err), &err);
    }
    struct parts parts = sound_bpe();
    write_parts(&image, &parts);
    image_set_u32(&image, "tokenizer.ggml.add_bos_token", 1);
    refuses(&image, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.add_bos_token", "");
}

/* A vocabulary of one token has no room for the usual BOS 1 and EOS 2. */
static void a_tiny_vocabulary_works(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.gguf = NULL};
    struct parts parts = sound_spm();
    parts.tokens = (const char *const[]){"a", NULL};
    parts.n_types = parts.n_scores = 1;
    write_parts(&vocabulary.image, &parts);
    vocabulary_open(&vocabulary);
    assert_int_equal(tokenizer_bos(vocabulary.tokenizer), -1);
    assert_int_equal(tokenizer_eos(vocabulary.tokenizer), -1);
    vocabulary_expect_text(&vocabulary, "ab", MSCOPE_ADD_SPECIAL,
                           "0 0 0 0 0"); /* 3 bytes of the prefix, a, b */
    vocabulary_close(&vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_without_a_tokenizer_have_none),
        cmocka_unit_test(unknown_kinds_are_named),
        cmocka_unit_test(missing_or_wrong_arrays_are_named),
        cmocka_unit_test(wrong_tokens_are_named),
        cmocka_unit_test(wrong_merges_are_named),
        cmocka_unit_test(ids_out_of_range_are_named),
        cmocka_unit_test(a_tiny_vocabulary_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
