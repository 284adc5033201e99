/* SPDX-License-Identifier: MIT */
/* Arenas as a list of anonymous mappings: small pieces share one, large pieces get their own. */
#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE_ALIGNMENT = 64 };
static const size_t CHUNK_BYTES = (size_t)1 << 20;

struct chunk { /* header at the start of each mapping */
    struct chunk *next;
    size_t n_bytes, used;
};

struct arena {
    char name[64];
    struct chunk *chunks; /* the newest small chunk first */
    uint64_t taken_bytes;
    bool sealed;
};

static struct chunk *map_chunk(size_t n_bytes);
static size_t align_up(size_t n)
{
    return (n + PIECE_ALIGNMENT - 1) / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
}

void *arena_take(struct arena *arena, size_t n_items, size_t item_bytes, struct mscope_error *err)
{
    assert(!arena->sealed);
    size_t n_bytes;
    size_t header = align_up(sizeof(struct chunk));
    if (__builtin_mul_overflow(n_items, item_bytes, &n_bytes) || n_bytes > SIZE_MAX / 2 - header) {
        error_set(err, MSCOPE_ERR_MEMORY, arena->name, "%zu items of %zu bytes overflow", n_items,
                  item_bytes);
        return NULL;
    }
    n_bytes = align_up(n_bytes == 0 ? 1 : n_bytes);

    struct chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->n_bytes - chunk->used < n_bytes) {
        bool own_mapping = n_bytes > CHUNK_BYTES / 4;
        chunk = map_chunk(own_mapping ? header + n_bytes : CHUNK_BYTES);
        if (chunk == NULL) {
            error_set_memory(err, arena->name, n_bytes);
            return NULL;
        }
        if (own_mapping && arena->chunks != NULL) { /* keep the partly used chunk in front */
            chunk->next = arena->chunks->next;
            arena->chunks->next = chunk;
        } else {
            chunk->next = arena->chunks;
            arena->chunks = chunk;
        }
    }
    void *piece = (char *)chunk + chunk->used;
    chunk->used += n_bytes;
    arena->taken_bytes += n_bytes;
    return piece;
}

enum mscope_status arena_open(struct arena **out, const char *name, struct mscope_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return error_set_memory(err, name, sizeof **out);
    }
    strncpy((*out)->name, name, sizeof(*out)->name - 1);
    return MSCOPE_OK;
}

void arena_close(struct arena **arena)
{
    if (*arena == NULL) {
        return;
    }
    struct chunk *next;
    for (struct chunk *chunk = (*arena)->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        munmap(chunk, chunk->n_bytes);
    }
    free(*arena);
    *arena = NULL;
}

char *arena_string(struct arena *arena, const char *text, size_t n_bytes, struct mscope_error *err)
{
    char *copy = arena_take(arena, n_bytes + 1, 1, err);
    if (copy != NULL) {
        memcpy(copy, text, n_bytes);
    }
    return copy;
}

void arena_seal(struct arena *arena)
{
    arena->sealed = true;
}

uint64_t arena_bytes(const struct arena *arena)
{
    return arena->taken_bytes;
}

static struct chunk *map_chunk(size_t n_bytes)
{
    struct chunk *chunk =
        mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) {
        return NULL;
    }
    chunk->n_bytes = n_bytes;
    chunk->used = align_up(sizeof *chunk);
    return chunk;
}
