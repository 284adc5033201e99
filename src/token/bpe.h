/* SPDX-License-Identifier: MIT */
/*
 * Byte-level BPE of one piece: starts from single bytes, spelled in the byte alphabet, and merges,
 * again and again, the adjacent pair of the lowest rank, the leftmost on ties. Merges are found by
 * their line in the file, "left right"; the texts in between need not be tokens. Immutable after
 * open.
 */
#ifndef TOKEN_BPE_H
#define TOKEN_BPE_H

#include "token/encode.h"
#include "token/vocab.h"

struct bpe {
    const struct vocab *vocab;
    bool ignore_merges;
    const struct gguf_string *lines; /* (n_lines), by rank */
    struct text_table rank_by_line;
    size_t max_line_bytes;
};

/* Reads tokenizer.ggml.merges. bpe_close also after failure. */
enum mscope_status bpe_open(struct bpe *bpe, const struct vocab *vocab, const struct gguf *gguf,
                            struct arena *arena, struct mscope_error *err);
void bpe_close(struct bpe *bpe);

/* Appends the ids of a piece of 1 to 2^30 bytes. Memory failures stick in `encode`. */
void bpe_encode_piece(const struct bpe *bpe, struct encode *encode, const char *piece,
                      size_t n_bytes);

#endif
