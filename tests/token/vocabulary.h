/* SPDX-License-Identifier: MIT */
/* An opened tokenizer over a hand-made image, and its output as text for comparison. Include after
 * unit.h. */
#ifndef TESTS_TOKEN_VOCABULARY_H
#define TESTS_TOKEN_VOCABULARY_H

#include "image.h"
#include "token/tokenizer.h"

#include <stdio.h>

struct vocabulary {
    struct image image;
    struct gguf *gguf;
    struct tokenizer *tokenizer;
};

/* The image is complete: opens it; fails the test with the error. */
static inline void vocabulary_open(struct vocabulary *vocabulary)
{
    struct mscope_error err;
    assert_ok(gguf_open_memory(&vocabulary->gguf, vocabulary->image.data, vocabulary->image.n_bytes,
                               "test", &err),
              &err);
    assert_ok(tokenizer_open(&vocabulary->tokenizer, vocabulary->gguf, &err), &err);
    assert_non_null(vocabulary->tokenizer);
}

static inline void vocabulary_close(struct vocabulary *vocabulary)
{
    tokenizer_close(&vocabulary->tokenizer);
    gguf_close(&vocabulary->gguf);
    image_free(&vocabulary->image);
}

/* Encodes and compares with ids given as text, "3 1 4". */
static inline void vocabulary_expect(const struct vocabulary *vocabulary, const char *text,
                                     size_t n_bytes, unsigned flags, const char *expected)
{
    int32_t ids[512];
    size_t n_ids, n = 0;
    struct mscope_error err;
    char got[4096] = "";
    assert_ok(tokenizer_encode(vocabulary->tokenizer, text, n_bytes, flags, ids, 512, &n_ids, &err),
              &err);
    for (size_t i = 0; i < n_ids; i++) {
        n += (size_t)snprintf(got + n, sizeof got - n, i == 0 ? "%d" : " %d", ids[i]);
    }
    if (strcmp(got, expected) != 0) {
        fail_msg("'%.*s': expected '%s', got '%s'", (int)n_bytes, text, expected, got);
    }
}

static inline void vocabulary_expect_text(const struct vocabulary *vocabulary, const char *text,
                                          unsigned flags, const char *expected)
{
    vocabulary_expect(vocabulary, text, strlen(text), flags, expected);
}

/* Decodes and compares. */
static inline void vocabulary_expect_decoded(const struct vocabulary *vocabulary,
                                             const int32_t *ids, size_t n_ids, bool special,
                                             const char *expected)
{
    char text[512];
    size_t n_bytes;
    struct mscope_error err;
    assert_ok(tokenizer_decode(vocabulary->tokenizer, ids, n_ids, special, text, sizeof text - 1,
                               &n_bytes, &err),
              &err);
    text[n_bytes] = '\0';
    assert_int_equal(n_bytes, strlen(expected));
    assert_string_equal(text, expected);
}

#endif
