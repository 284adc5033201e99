/* SPDX-License-Identifier: MIT */
/* Flat hash table from text to id. */
#include "token/text_table.h"

#include <stdlib.h>

static struct text_slot *find_slot(const struct text_table *table, const struct gguf_string *texts,
                                   uint64_t hash, const char *text, size_t n_bytes);

uint32_t text_table_find(const struct text_table *table, const struct gguf_string *texts,
                         const char *text, size_t n_bytes)
{
    if (table->n_slots == 0) {
        return TEXT_NONE;
    }
    const struct text_slot *slot = find_slot(table, texts, text_hash(text, n_bytes), text, n_bytes);
    return slot->id_plus_one == 0 ? TEXT_NONE : slot->id_plus_one - 1;
}

bool text_table_insert(struct text_table *table, const struct gguf_string *texts, uint32_t id,
                       uint32_t *existing)
{
    *existing = TEXT_NONE;
    if (table->n_used >= table->n_slots / 2 &&
        !text_table_reserve(table, texts, table->n_used + 1)) {
        return false;
    }
    uint64_t hash = text_hash(texts[id].data, texts[id].n_bytes);
    struct text_slot *slot = find_slot(table, texts, hash, texts[id].data, texts[id].n_bytes);
    if (slot->id_plus_one != 0) {
        *existing = slot->id_plus_one - 1;
        return true;
    }
    *slot = (struct text_slot){.tag = (uint32_t)(hash >> 32), .id_plus_one = id + 1};
    table->n_used++;
    return true;
}

bool text_table_reserve(struct text_table *table, const struct gguf_string *texts,
                        uint32_t n_expected)
{
    uint32_t n_slots = 64;
    while (n_slots / 2 <= n_expected) {
        if (n_slots > UINT32_MAX / 2) {
            return false;
        }
        n_slots *= 2;
    }
    if (n_slots <= table->n_slots) {
        return true;
    }
    struct text_table grown = {.slots = calloc(n_slots, sizeof *grown.slots), .n_slots = n_slots};
    if (grown.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->n_slots; i++) {
        if (table->slots[i].id_plus_one != 0) {
            uint32_t existing;
            text_table_insert(&grown, texts, table->slots[i].id_plus_one - 1, &existing);
        }
    }
    free(table->slots);
    *table = grown;
    return true;
}

void text_table_free(struct text_table *table)
{
    free(table->slots);
    *table = (struct text_table){0};
}

static struct text_slot *find_slot(const struct text_table *table, const struct gguf_string *texts,
                                   uint64_t hash, const char *text, size_t n_bytes)
{
    uint32_t mask = table->n_slots - 1;
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t i = (uint32_t)hash & mask;
    for (;; i = (i + 1) & mask) {
        struct text_slot *slot = &table->slots[i];
        if (slot->id_plus_one == 0) {
            return slot;
        }
        if (slot->tag == tag) {
            const struct gguf_string *have = &texts[slot->id_plus_one - 1];
            if (have->n_bytes == n_bytes && memcmp(have->data, text, n_bytes) == 0) {
                return slot;
            }
        }
    }
}
