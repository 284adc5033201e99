/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target of the tokenizers. The first byte chooses: a built-in vocabulary that encodes the
 * other bytes as text, or (from N_BUILT_IN on) the other bytes are a GGUF file whose tokenizer, if
 * it opens, encodes a sample and spells every token.
 *
 * What must hold for text: encoding never fails; asking for the count first gives the same ids;
 * every id is in the vocabulary; decoding gives the text back, with U+FFFD for what is not UTF-8
 * (byte-level BPE) or with spaces for U+2581 (SentencePiece style).
 */
#include "token/tokenizer.h"

#include "../token/bytes_image.h"
#include "../token/spm_image.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT_BYTES = 1 << 14 };

struct built_in {
    const char *pre; /* NULL: SentencePiece style */
    bool specials;   /* has special tokens: the text does not come back exactly */
    struct image image;
    struct gguf *gguf;
    struct tokenizer *tokenizer;
};

static struct built_in built_in[] = {
    {.pre = "gpt-2"},
    {.pre = "default"},
    {.pre = "llama-bpe"},
    {.pre = "qwen2"},
    {.pre = "gpt-4o"},
    {.pre = "deepseek-llm"},
    {.pre = "deepseek-coder"},
    {.pre = "deepseek-v3"},
    {.pre = "falcon"},
    {.pre = "starcoder"},
    {.pre = "exaone-moe"},
    {.pre = "jais-2"},
    {.pre = "viking"},
    {.pre = "llama-bpe", .specials = true},
    {.pre = NULL},
    {.pre = NULL, .specials = true},
};
enum { N_BUILT_IN = sizeof built_in / sizeof built_in[0] };

static void require(bool holds, const char *what);
static void open_all(void);
static void fuzz_text(const struct built_in *vocabulary, const char *text, size_t n_bytes,
                      unsigned flags);
static void compare_decoded(const struct built_in *vocabulary, const char *text, size_t n_bytes,
                            const int32_t *ids, size_t n_ids);
static size_t expected_bytes(char *out, bool is_spm, const char *text, size_t n_bytes);
static void fuzz_file(const char *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MAX_TEXT_BYTES) {
        return 0;
    }
    open_all();
    const char *text = (const char *)data + 1;
    if (data[0] >= N_BUILT_IN) {
        fuzz_file(text, size - 1);
        return 0;
    }
    fuzz_text(&built_in[data[0]], text, size - 1, 0);
    fuzz_text(&built_in[data[0]], text, size - 1, MSCOPE_ADD_SPECIAL | MSCOPE_PARSE_SPECIAL);
    return 0;
}

static void fuzz_text(const struct built_in *vocabulary, const char *text, size_t n_bytes,
                      unsigned flags)
{
    struct mscope_error err;
    size_t n_wanted = 0, n_ids = 0;
    enum mscope_status status =
        tokenizer_encode(vocabulary->tokenizer, text, n_bytes, flags, NULL, 0, &n_wanted, &err);
    require(status == (n_wanted == 0 ? MSCOPE_OK : MSCOPE_ERR_BUFFER), "counting ids");
    int32_t *ids = malloc((n_wanted + 1) * sizeof *ids);
    require(ids != NULL, "memory");
    status =
        tokenizer_encode(vocabulary->tokenizer, text, n_bytes, flags, ids, n_wanted, &n_ids, &err);
    require(status == MSCOPE_OK && n_ids == n_wanted, "encoding");
    for (size_t i = 0; i < n_ids; i++) {
        require(ids[i] >= 0 && (uint32_t)ids[i] < tokenizer_n_vocab(vocabulary->tokenizer),
                "ids in range");
    }
    bool has_control = vocabulary->pre == NULL; /* <s> and the like, when parsed */
    if (!vocabulary->specials && !(has_control && (flags & MSCOPE_PARSE_SPECIAL) != 0)) {
        bool has_bos = (flags & MSCOPE_ADD_SPECIAL) != 0 && n_ids > 0 &&
                       ids[0] == tokenizer_bos(vocabulary->tokenizer);
        compare_decoded(vocabulary, text, n_bytes, ids + has_bos, n_ids - has_bos);
    }
    free(ids);
}

static void compare_decoded(const struct built_in *vocabulary, const char *text, size_t n_bytes,
                            const int32_t *ids, size_t n_ids)
{
    struct mscope_error err;
    char *expected = malloc(3 * n_bytes + 1);
    char *decoded = malloc(3 * n_bytes + 1);
    require(expected != NULL && decoded != NULL, "memory");
    size_t n_expected = expected_bytes(expected, vocabulary->pre == NULL, text, n_bytes);
    size_t n_decoded = 0;
    enum mscope_status status = tokenizer_decode(vocabulary->tokenizer, ids, n_ids, false, decoded,
                                                 n_expected, &n_decoded, &err);
    require(status == MSCOPE_OK, "decoding");
    require(n_decoded == n_expected && memcmp(decoded, expected, n_expected) == 0,
            "the text comes back");
    free(expected);
    free(decoded);
}

static size_t expected_bytes(char *out, bool is_spm, const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes;) {
        size_t n_char = utf8_char_bytes(text + i, n_bytes - i);
        if (n_char == 0 && !is_spm) {
            memcpy(out + n, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES);
            n += UTF8_REPLACEMENT_BYTES;
        } else if (is_spm && n_char == 3 && memcmp(text + i, UTF8_SPM_SPACE, 3) == 0) {
            out[n++] = ' ';
        } else {
            memcpy(out + n, text + i, n_char == 0 ? 1 : n_char);
            n += n_char == 0 ? 1 : n_char;
        }
        i += n_char == 0 ? 1 : n_char;
    }
    return n;
}

static void fuzz_file(const char *data, size_t n_bytes)
{
    static const char sample[] = "a ab  b\n<s>c\xC3\xA9 \xFF 12 <x>";
    struct mscope_error err = {0};
    struct gguf *gguf;
    struct tokenizer *tokenizer;
    if (gguf_open_memory(&gguf, data, n_bytes, "fuzz", &err) != MSCOPE_OK) {
        return;
    }
    enum mscope_status status = tokenizer_open(&tokenizer, gguf, &err);
    if (status != MSCOPE_OK) {
        require(tokenizer == NULL && err.status == status, "a refused file leaves no tokenizer");
        require(err.object[0] != '\0' && err.detail[0] != '\0', "an error says what");
    }
    if (tokenizer != NULL) {
        int32_t ids[256];
        char text[256];
        size_t n;
        for (unsigned flags = 0; flags < 4; flags++) {
            status =
                tokenizer_encode(tokenizer, sample, sizeof sample - 1, flags, ids, 256, &n, &err);
            require(status == MSCOPE_OK, "encoding the sample");
        }
        for (uint32_t id = 0; id < tokenizer_n_vocab(tokenizer); id++) {
            tokenizer_piece(tokenizer, (int32_t)id, true, text, sizeof text);
            tokenizer_piece(tokenizer, (int32_t)id, false, text, 1);
            tokenizer_is_end(tokenizer, (int32_t)id);
        }
        tokenizer_close(&tokenizer);
    }
    gguf_close(&gguf);
}

/* Small vocabularies with merges over letters, digits, spaces and part of a character; kept for all
 * runs. */
static void open_all(void)
{
    static const struct bytes_extra plain[] = {
        {"ab", TYPE_NORMAL},
        {"aa", TYPE_NORMAL},
        {"abab", TYPE_NORMAL},
        {"\xC4\xA0"
         "a",
         TYPE_NORMAL},
        {"11", TYPE_NORMAL},
        {"\xC3\xA4\xC2\xBD", TYPE_NORMAL},
        {"\xC4\xA0\xC4\xA0", TYPE_NORMAL},
        {NULL, 0},
    };
    static const struct bytes_extra special[] = {
        {"ab", TYPE_NORMAL}, {"<s>", TYPE_CONTROL},        {"s>a", TYPE_USER},  {"  ", TYPE_USER},
        {" ", TYPE_USER},    {"<|eot_id|>", TYPE_CONTROL}, {"\xE4", TYPE_USER}, {NULL, 0},
    };
    static const char *const merges[] = {
        "a b", "a a",   "ab ab", "\xC4\xA0 a", "1 1", "\xC3\xA4 \xC2\xBD", "\xC4\xA0 \xC4\xA0",
        "b a", "ba ba", NULL};
    static const struct entry entries[] = {
        {"a", -9, 0},    {"b", -9, 0},    {SP, -8, 0},    {"ab", -3, 0},
        {SP "a", -2, 0}, {"aa", -3, 0},   {SP SP, -4, 0}, {"\xC3\xA9", -5, 0},
        {"b" SP, -6, 0}, {"abab", -1, 0}, {NULL, 0, 0},
    };
    static const struct entry special_entries[] = {
        {"a", -9, 0}, {SP "a", -2, 0}, {"<x>", 0, TYPE_USER}, {"x>a", 0, TYPE_USER}, {NULL, 0, 0},
    };
    for (size_t i = 0; i < N_BUILT_IN && built_in[i].tokenizer == NULL; i++) {
        struct built_in *vocabulary = &built_in[i];
        struct mscope_error err;
        if (vocabulary->pre == NULL) {
            spm_begin(&vocabulary->image, vocabulary->specials ? special_entries : entries);
            if (vocabulary->specials) {
                image_set_string(&vocabulary->image, "general.name", "phi-3");
            }
        } else {
            image_begin(&vocabulary->image);
            bytes_vocabulary(&vocabulary->image, vocabulary->pre,
                             vocabulary->specials ? special : plain, merges);
        }
        require(gguf_open_memory(&vocabulary->gguf, vocabulary->image.data,
                                 vocabulary->image.n_bytes, "built-in", &err) == MSCOPE_OK &&
                    tokenizer_open(&vocabulary->tokenizer, vocabulary->gguf, &err) == MSCOPE_OK,
                "built-in vocabularies open");
    }
}

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz_token: does not hold: %s\n", what);
        abort();
    }
}
