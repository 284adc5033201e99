/* SPDX-License-Identifier: MIT */
/* Growing arrays, merge queue and piece cache of one encoding. */
#include "token/encode.h"

#include "token/text_table.h"

#include <stdlib.h>

enum { CACHE_MIN_SLOTS = 16, CACHE_MAX_SLOTS = 1 << 14, CACHE_MAX_PIECE_BYTES = 64 };

static bool queue_pop(struct encode *encode, struct merge *out);
static bool grow(struct encode *encode, void **items, size_t *capacity, size_t n_needed,
                 size_t item_bytes);

void encode_init(struct encode *encode, size_t n_bytes)
{
    *encode = (struct encode){0};
    size_t n_slots = CACHE_MIN_SLOTS;
    while (n_slots < CACHE_MAX_SLOTS && n_slots < n_bytes / 8) {
        n_slots *= 2;
    }
    encode->cache = calloc(n_slots, sizeof *encode->cache);
    encode->cache_mask = n_slots - 1;
    encode->failed = encode->cache == NULL;
}

void encode_free(struct encode *encode)
{
    free(encode->ids);
    free(encode->symbols);
    free(encode->queue);
    free(encode->spelled);
    free(encode->line);
    free(encode->cache);
    *encode = (struct encode){0};
}

void encode_push(struct encode *encode, int32_t id)
{
    if (grow(encode, (void **)&encode->ids, &encode->ids_capacity, encode->n_ids + 1, sizeof id)) {
        encode->ids[encode->n_ids++] = id;
    }
}

struct symbol *encode_symbols(struct encode *encode, size_t n)
{
    bool ok = grow(encode, (void **)&encode->symbols, &encode->symbols_capacity, n,
                   sizeof(struct symbol));
    return ok ? encode->symbols : NULL;
}

char *encode_spelled(struct encode *encode, size_t n)
{
    return grow(encode, (void **)&encode->spelled, &encode->spelled_capacity, n, 1)
               ? encode->spelled
               : NULL;
}

char *encode_line(struct encode *encode, size_t n)
{
    return grow(encode, (void **)&encode->line, &encode->line_capacity, n, 1) ? encode->line : NULL;
}

int32_t encode_merge_next(struct encode *encode, struct symbol *symbols)
{
    struct merge next;
    while (queue_pop(encode, &next)) {
        int32_t i_left = (int32_t)(uint32_t)next.key;
        struct symbol *left = &symbols[i_left];
        struct symbol *right = &symbols[next.right];
        if (left->n_bytes == 0 || right->n_bytes == 0 || right->n_bytes != next.n_right) {
            continue;
        }
        left->n_bytes += right->n_bytes;
        right->n_bytes = 0;
        left->next = right->next;
        if (left->next != SYMBOL_NONE) {
            symbols[left->next].prev = i_left;
        }
        return i_left;
    }
    return SYMBOL_NONE;
}

void encode_queue_push(struct encode *encode, struct merge merge)
{
    if (!grow(encode, (void **)&encode->queue, &encode->queue_capacity, encode->n_queue + 1,
              sizeof merge)) {
        return;
    }
    size_t i = encode->n_queue++;
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (encode->queue[parent].key <= merge.key) {
            break;
        }
        encode->queue[i] = encode->queue[parent];
        i = parent;
    }
    encode->queue[i] = merge;
}

static bool queue_pop(struct encode *encode, struct merge *out)
{
    if (encode->n_queue == 0) {
        return false;
    }
    struct merge *queue = encode->queue;
    *out = queue[0];
    size_t n = --encode->n_queue;
    struct merge last = queue[n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && queue[child + 1].key < queue[child].key) {
            child++;
        }
        if (last.key <= queue[child].key) {
            break;
        }
        queue[i] = queue[child];
        i = child;
    }
    queue[i] = last;
    return true;
}

bool encode_recall(struct encode *encode, const char *piece, size_t n_bytes)
{
    if (n_bytes > CACHE_MAX_PIECE_BYTES || encode->cache == NULL) {
        return false;
    }
    const struct cached_piece *have =
        &encode->cache[text_hash(piece, n_bytes) & encode->cache_mask];
    if (have->n_bytes != n_bytes || have->text == NULL || memcmp(have->text, piece, n_bytes) != 0) {
        return false;
    }
    size_t n = have->n_ids;
    if (grow(encode, (void **)&encode->ids, &encode->ids_capacity, encode->n_ids + n,
             sizeof *encode->ids)) {
        for (size_t i = 0; i < n; i++) {
            encode->ids[encode->n_ids + i] = encode->ids[have->i_ids + i];
        }
        encode->n_ids += n;
    }
    return true;
}

void encode_remember(struct encode *encode, const char *piece, size_t n_bytes, size_t n_ids_before)
{
    if (n_bytes > CACHE_MAX_PIECE_BYTES || encode->failed) {
        return;
    }
    encode->cache[text_hash(piece, n_bytes) & encode->cache_mask] = (struct cached_piece){
        .text = piece,
        .n_bytes = (uint32_t)n_bytes,
        .n_ids = (uint32_t)(encode->n_ids - n_ids_before),
        .i_ids = n_ids_before,
    };
}

static bool grow(struct encode *encode, void **items, size_t *capacity, size_t n_needed,
                 size_t item_bytes)
{
    if (n_needed <= *capacity) {
        return true;
    }
    size_t n = n_needed + n_needed / 2 + 16;
    void *grown =
        encode->failed || n > SIZE_MAX / item_bytes ? NULL : realloc(*items, n * item_bytes);
    if (grown == NULL) {
        encode->failed = true;
        return false;
    }
    *items = grown;
    *capacity = n;
    return true;
}
