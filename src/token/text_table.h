/* SPDX-License-Identifier: MIT */
/*
 * Finds the id of a text: a flat hash table of ids over an array of texts that somebody else owns.
 * Open addressing, at most half full. Reading is safe from any thread once nobody inserts.
 */
#ifndef TOKEN_TEXT_TABLE_H
#define TOKEN_TEXT_TABLE_H

#include "gguf/gguf.h"

#include <string.h>

#define TEXT_NONE UINT32_MAX

struct text_table {
    struct text_slot *slots; /* n_slots, a power of two; NULL before the first insertion */
    uint32_t n_slots, n_used;
};

struct text_slot {
    uint32_t tag;         /* upper half of the hash */
    uint32_t id_plus_one; /* 0: empty */
};

/* Any good mixing will do: the value never leaves the process. */
static inline uint64_t text_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static inline uint64_t text_hash(const char *text, size_t n_bytes)
{
    uint64_t hash = n_bytes;
    for (; n_bytes >= 8; text += 8, n_bytes -= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = text_hash_mix(hash, word);
    }
    if (n_bytes >= 4) { /* two loads that may overlap cover 4 to 7 bytes */
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + n_bytes - 4, 4);
        hash = text_hash_mix(hash, (uint64_t)first << 32 | last);
    } else if (n_bytes > 0) {
        uint32_t word = (uint8_t)text[0] | (uint32_t)(uint8_t)text[n_bytes / 2] << 8 |
                        (uint32_t)(uint8_t)text[n_bytes - 1] << 16;
        hash = text_hash_mix(hash, word);
    }
    return text_hash_mix(hash, UINT64_C(0xD6E8FEB86659FD93));
}

/* Room for n_expected texts, so that opening does not grow step by step. False: not enough memory.
 */
bool text_table_reserve(struct text_table *table, const struct gguf_string *texts,
                        uint32_t n_expected);
void text_table_free(struct text_table *table);

/* Id of `text`, or TEXT_NONE. `texts` is the array the ids index. */
uint32_t text_table_find(const struct text_table *table, const struct gguf_string *texts,
                         const char *text, size_t n_bytes);

/*
 * Enters texts[id]. *existing is the id that already has this text (nothing is entered), or
 * TEXT_NONE. False: not enough memory.
 */
bool text_table_insert(struct text_table *table, const struct gguf_string *texts, uint32_t id,
                       uint32_t *existing);

#endif
