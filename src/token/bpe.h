/* SPDX-License-Identifier: MIT */
/*
 * Byte-level BPE of one piece: starts from single bytes and merges, again and again, the adjacent
 * pair of the lowest rank, the leftmost on ties. Merges are looked up by pairs of symbol ids: a
 * token id, or for a text that occurs in merges but is no token, an id from n_tokens on. Immutable
 * after open.
 */
#ifndef TOKEN_BPE_H
#define TOKEN_BPE_H

#include "token/encode.h"
#include "token/vocab.h"

struct bpe {
    const struct vocab *vocab;
    bool ignore_merges;
    uint32_t byte_symbols[256]; /* id of each byte's spelling, or TEXT_NONE */
    struct bpe_merge *merges;   /* (n_slots) hash table, rank TEXT_NONE: empty */
    uint32_t n_slots;
    struct text_table foreign_by_text; /* texts that are no tokens */
    struct gguf_string *foreign;       /* (n_foreign); bytes in the mapping or in the arena */
    uint32_t n_foreign, foreign_capacity;
    char *spare; /* room for more of their bytes */
    size_t spare_bytes;
};

/* Reads tokenizer.ggml.merges. bpe_close also after failure. */
enum mscope_status bpe_open(struct bpe *bpe, const struct vocab *vocab, const struct gguf *gguf,
                            struct arena *arena, struct mscope_error *err);
void bpe_close(struct bpe *bpe);

/* Appends the ids of a piece of at most INT32_MAX bytes. Memory failures stick in `encode`. */
void bpe_encode_piece(const struct bpe *bpe, struct encode *encode, const char *piece,
                      size_t n_bytes);

#endif
