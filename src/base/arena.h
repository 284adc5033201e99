/* SPDX-License-Identifier: MIT */
/*
 * Named arenas: memory taken piece by piece while something is opened, released all at once when it
 * is closed. After arena_seal() any further request is a programmer error (asserted, and counted
 * for tests): that is how the token loop is kept free of allocation. Pieces are zeroed and aligned
 * to 64 bytes. Pages are only reserved, so a large piece that is never written costs no memory. Not
 * for use by two threads.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/error.h"

#include <stddef.h>

struct arena;

enum mscope_status arena_open(struct arena **out, const char *name, struct mscope_error *err);
void arena_close(struct arena **arena);

/* `n_items` items of `item_bytes` bytes; NULL and MSCOPE_ERR_MEMORY in `err` on overflow or
 * exhaustion. */
void *arena_take(struct arena *arena, size_t n_items, size_t item_bytes, struct mscope_error *err);

/* Copy of a string; NULL as above. */
char *arena_string(struct arena *arena, const char *text, size_t n_bytes, struct mscope_error *err);

void arena_seal(struct arena *arena);
uint64_t arena_bytes(const struct arena *arena);

#endif
