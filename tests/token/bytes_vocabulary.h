/* SPDX-License-Identifier: MIT */
/* Opens the vocabulary of bytes_image.h. Include after unit.h. */
#ifndef TESTS_TOKEN_BYTES_VOCABULARY_H
#define TESTS_TOKEN_BYTES_VOCABULARY_H

#include "bytes_image.h"
#include "vocabulary.h"

static inline void bytes_vocabulary_open(struct vocabulary *vocabulary, const char *pre,
                                         const struct bytes_extra *extra, const char *const *merges)
{
    *vocabulary = (struct vocabulary){.gguf = NULL};
    image_begin(&vocabulary->image);
    bytes_vocabulary(&vocabulary->image, pre, extra, merges);
    vocabulary_open(vocabulary);
}

#endif
