/* SPDX-License-Identifier: MIT */
/*
 * A SentencePiece-style vocabulary as an image: 0 <unk>, 1 <s>, 2 </s>, 3 to 258 the bytes, then
 * the entries of the test.
 */
#ifndef TESTS_TOKEN_SPM_IMAGE_H
#define TESTS_TOKEN_SPM_IMAGE_H

#include "image.h"

#include <stdio.h>

#define SP "\xE2\x96\x81"

struct entry { /* list ends with text NULL */
    const char *text;
    float score;
    int32_t type;
};

enum { MAX_ENTRIES = 64, N_FIXED = 3 + 256 };

/* Begins the image and writes model, tokens, scores and types; the list ends with text NULL. */
static inline void spm_begin(struct image *image, const struct entry *entries)
{
    float scores[N_FIXED + MAX_ENTRIES] = {0};
    int32_t types[N_FIXED + MAX_ENTRIES] = {TYPE_UNKNOWN, TYPE_CONTROL, TYPE_CONTROL};
    char names[256][8];
    const char *texts[N_FIXED + MAX_ENTRIES + 1] = {"<unk>", "<s>", "</s>"};
    uint32_t n = 3;
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(names[byte], sizeof names[byte], "<0x%02X>", byte);
        types[n] = TYPE_BYTE;
        texts[n++] = names[byte];
    }
    for (const struct entry *entry = entries; entry->text != NULL; entry++) {
        scores[n] = entry->score;
        types[n] = entry->type == 0 ? TYPE_NORMAL : entry->type;
        texts[n++] = entry->text;
    }
    texts[n] = NULL;
    image_begin(image);
    image_set_string(image, "tokenizer.ggml.model", "llama");
    image_set_strings(image, "tokenizer.ggml.tokens", texts);
    image_set_f32s(image, "tokenizer.ggml.scores", scores, n);
    image_set_i32s(image, "tokenizer.ggml.token_type", types, n);
}

#endif
