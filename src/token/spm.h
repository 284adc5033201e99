/* SPDX-License-Identifier: MIT */
/*
 * SentencePiece-style merging: starts from characters and merges, again and again, the adjacent
 * pair whose joined text is the token of the highest score, the leftmost on ties. A character that
 * is no token becomes byte tokens. Works on text whose spaces are already spelled U+2581. Immutable
 * after open.
 */
#ifndef TOKEN_SPM_H
#define TOKEN_SPM_H

#include "token/encode.h"
#include "token/vocab.h"

struct spm {
    const struct vocab *vocab;
    int32_t byte_ids[256]; /* <0xNN>, or the token of that single byte, or the unknown token; -1:
                              none */
    bool glued[256];       /* some token has U+2581 right after this byte: no cut there */
};

void spm_open(struct spm *spm, const struct vocab *vocab);

/* Appends the ids of one fragment of at most INT32_MAX bytes. Memory failures stick in `encode`. */
void spm_encode(const struct spm *spm, struct encode *encode, const char *text, size_t n_bytes);

#endif
