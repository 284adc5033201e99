/* SPDX-License-Identifier: MIT */
/*
 * A byte-level BPE vocabulary as an image: ids 0 to 255 are the bytes in order, tokens of the test
 * follow from 256.
 */
#ifndef TESTS_TOKEN_BYTES_IMAGE_H
#define TESTS_TOKEN_BYTES_IMAGE_H

#include "token/utf8.h"
#include "image.h"

enum { BYTES_N = 256, BYTES_MAX_EXTRA = 64 };

struct bytes_extra { /* list ends with text NULL */
    const char *text;
    int32_t type;
};

/* Writes model, pre (NULL: no key), tokens, types and merges (ends with NULL) to an image that is
 * begun. */
static inline void bytes_vocabulary(struct image *image, const char *pre,
                                    const struct bytes_extra *extra, const char *const *merges)
{
    uint32_t n_extra = 0;
    while (extra[n_extra].text != NULL) {
        n_extra++;
    }
    image_set_string(image, "tokenizer.ggml.model", "gpt2");
    if (pre != NULL) {
        image_set_string(image, "tokenizer.ggml.pre", pre);
    }
    image_array(image, "tokenizer.ggml.tokens", GGUF_STRING, BYTES_N + n_extra);
    for (unsigned byte = 0; byte < BYTES_N; byte++) {
        char spelled[ALPHABET_MAX_BYTES];
        size_t n = alphabet_spell(spelled, (uint8_t)byte);
        image_string(image, spelled, n);
    }
    int32_t types[BYTES_N + BYTES_MAX_EXTRA];
    for (uint32_t i = 0; i < BYTES_N; i++) {
        types[i] = TYPE_NORMAL;
    }
    for (uint32_t i = 0; i < n_extra; i++) {
        image_string(image, extra[i].text, strlen(extra[i].text));
        types[BYTES_N + i] = extra[i].type;
    }
    image_set_i32s(image, "tokenizer.ggml.token_type", types, BYTES_N + n_extra);
    image_set_strings(image, "tokenizer.ggml.merges", merges);
}

#endif
