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
    int32_t prev, next;      /* neighbours or SYMBOL_NONE */
};

/*
 * A possible merge of symbol `left` (lower half of the key) with its right neighbour; the smallest
 * key goes first. It is stale when one of the two was merged away or the right one has grown: the
 * left one cannot grow without swallowing the right one.
 */
struct merge {
    uint64_t key;
    uint32_t right, n_right;
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
    char *line; /* a merge that is looked up */
    size_t line_capacity;
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
/* Buffers of n bytes, or NULL. Each lasts until the next call. */
char *encode_spelled(struct encode *encode, size_t n);
char *encode_line(struct encode *encode, size_t n);

void encode_queue_push(struct encode *encode, struct merge merge);

/*
 * Carries out the first merge of the queue that is not stale. Returns the index of the joined
 * symbol, whose new neighbourhoods the caller then pushes; SYMBOL_NONE when the queue is empty.
 */
int32_t encode_merge_next(struct encode *encode, struct symbol *symbols);

/*
 * If `piece` was encoded before, appends its ids again and returns true. Otherwise returns false;
 * the caller appends the ids itself and then calls encode_remember with the n_ids of before. Pieces
 * must stay where they are.
 */
bool encode_recall(struct encode *encode, const char *piece, size_t n_bytes);
void encode_remember(struct encode *encode, const char *piece, size_t n_bytes, size_t n_ids_before);

#endif
