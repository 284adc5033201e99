/* SPDX-License-Identifier: MIT */
/* Bytes of tokens: the inverse of encoding. Stateless. */
#ifndef TOKEN_PIECE_H
#define TOKEN_PIECE_H

#include "token/vocab.h"

/*
 * Writes the bytes of token `id` (below n_tokens) to `text`, as many as fit in max_bytes; returns
 * how many there are. Control and unknown tokens have none unless render_special; unused tokens
 * have none. With drop_space a space at the front is left out.
 */
size_t piece_bytes(const struct vocab *vocab, uint32_t id, bool render_special, bool drop_space,
                   char *text, size_t max_bytes);

#endif
