/* SPDX-License-Identifier: MIT */
/*
 * What one call of tokenizer_encode works with: the ids so far, the symbols and the queue of the
 * merge loop, and a cache of pieces that were already encoded in this call. Running out of memory
 * sticks in `failed`.
 */
#ifndef TOKEN_ENCODE_H
#define TOKEN_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_NONE = -1 };

struct symbol {              /* one run of bytes of the piece; merged away when n_bytes is 0 */
    uint32_t start, n_bytes; /* in the piece */
    uint32_t id;             /* BPE: what it spells (bpe.h) */
    int32_t prev, next;      /* neighbours or SYMBOL_NONE */
};

/* A possible merge of symbol `left` (lower half of the key) with its neighbour; the smallest key
 * goes first. */
struct merge {
    uint64_t key;
    uint32_t right;
    uint32_t check; /* the merge is stale when the right symbol is no longer this (id or bytes) */
};

struct cached_piece {
    const char *text; /* NULL: empty */
    uint32_t n_bytes, n_ids;
    size_t i_ids; /* where its ids stand in the output */
};

struct encode {
    int32_t *ids;
    size_t n_ids, ids_capacity;
    struct symbol *symbols;
    size_t symbols_capacity;
    struct merge *queue; /* binary heap */
    size_t n_queue, queue_capacity;
    char *spelled; /* a piece in the byte alphabet */
    size_t spelled_capacity;
    struct cached_piece *cache; /* (cache_mask + 1), direct mapped */
    size_t cache_mask;
    bool failed;
};

/* Zeroes `encode`, with a cache sized for a text of n_bytes. */
void encode_init(struct encode *encode, size_t n_bytes);
void encode_free(struct encode *encode);

/* Grows the output by one id. */
void encode_push(struct encode *encode, int32_t id);

/* Array of n symbols, or NULL. Lasts until the next call. */
struct symbol *encode_symbols(struct encode *encode, size_t n);
/* Buffer of n bytes, or NULL. Lasts until the next call. */
char *encode_spelled(struct encode *encode, size_t n);

void encode_queue_push(struct encode *encode, struct merge merge);
/* False when the queue is empty. */
bool encode_queue_pop(struct encode *encode, struct merge *out);

/*
 * If `piece` was encoded before, appends its ids again and returns true. Otherwise returns false;
 * the caller appends the ids itself and then calls encode_remember with the n_ids of before. Pieces
 * must stay where they are.
 */
bool encode_recall(struct encode *encode, const char *piece, size_t n_bytes);
void encode_remember(struct encode *encode, const char *piece, size_t n_bytes, size_t n_ids_before);

#endif
