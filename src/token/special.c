/* SPDX-License-Identifier: MIT */
/*
 * Special tokens in two steps: one scan marks which of them occur at all (usually none or few),
 * walking the sorted texts like a trie; then each one that occurs cuts the fragments that are still
 * raw text.
 */
#include "token/special.h"

#include <stdlib.h>

struct special_set {
    const struct vocab *vocab;
    uint32_t n;
    uint32_t *by_text;       /* (n) ids, sorted by text */
    uint32_t *rank;          /* (n) matching order of by_text[i] */
    uint32_t first[256 + 1]; /* by_text[first[c] .. first[c + 1]) begin with byte c */
    uint8_t
        pairs[65536 / 8]; /* first two bytes of a text; every second byte for texts of one byte */
};

struct marked { /* a special token that occurs */
    uint32_t rank, id;
};

struct marked_list {
    struct marked *items;
    size_t n, capacity;
};

struct sort_item {
    struct gguf_string text;
    uint32_t id, i_sorted;
};

static bool mark_occurring(struct marked_list *out, uint8_t *seen, const struct special_set *set,
                           const char *text, size_t n_bytes, bool parse_special);
static bool mark_at(struct marked_list *out, uint8_t *seen, const struct special_set *set,
                    const char *text, size_t n_bytes, bool parse_special);
static bool cut_out(struct fragment_list *out, const struct fragment_list *in,
                    const struct vocab *vocab, uint32_t id);
static bool push_fragment(struct fragment_list *list, const char *text, size_t n_bytes,
                          int32_t token);
static const char *find_text(const char *text, size_t n_bytes, struct gguf_string wanted);
static int compare_texts(const void *a, const void *b);
static int compare_priority(const void *a, const void *b);
static int compare_rank(const void *a, const void *b);
static void index_first_bytes(struct special_set *set);

enum mscope_status special_cut(struct fragment_list *out, const struct special_set *set,
                               const char *text, size_t n_bytes, bool parse_special,
                               struct mscope_error *err)
{
    struct marked_list marked = {0};
    struct fragment_list other = {0};
    uint8_t *seen = NULL;
    enum mscope_status status = MSCOPE_ERR_MEMORY;
    out->n = 0;
    if (n_bytes > 0 && !push_fragment(out, text, n_bytes, -1)) {
        goto done;
    }
    if (set->n == 0 || n_bytes == 0) {
        status = MSCOPE_OK;
        goto done;
    }
    seen = calloc(set->n, 1);
    if (seen == NULL || !mark_occurring(&marked, seen, set, text, n_bytes, parse_special)) {
        goto done;
    }
    if (marked.n > 1) {
        qsort(marked.items, marked.n, sizeof *marked.items, compare_rank);
    }
    for (size_t i = 0; i < marked.n; i++) {
        if (!cut_out(&other, out, set->vocab, marked.items[i].id)) {
            goto done;
        }
        struct fragment_list swapped = *out;
        *out = other;
        other = swapped;
    }
    status = MSCOPE_OK;
done:
    if (status != MSCOPE_OK) {
        error_set_memory(err, "text to tokenize", n_bytes);
    }
    free(seen);
    free(marked.items);
    fragment_list_free(&other);
    return status;
}

void fragment_list_free(struct fragment_list *list)
{
    free(list->items);
    *list = (struct fragment_list){0};
}

enum mscope_status special_open(struct special_set **out, const struct vocab *vocab,
                                struct arena *arena, struct mscope_error *err)
{
    const unsigned kinds = TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN;
    struct special_set *set = arena_take(arena, 1, sizeof *set, err);
    if (set == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    set->vocab = vocab;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        set->n += (vocab->kinds[id] & kinds) != 0 && vocab->texts[id].n_bytes > 0;
    }
    set->by_text = arena_take(arena, set->n, sizeof *set->by_text, err);
    set->rank = arena_take(arena, set->n, sizeof *set->rank, err);
    if (set->by_text == NULL || set->rank == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    *out = set;
    if (set->n == 0) {
        return MSCOPE_OK;
    }
    struct sort_item *items = calloc(set->n, sizeof *items);
    if (items == NULL) {
        return error_set_memory(err, "special tokens", (uint64_t)set->n * sizeof *items);
    }
    uint32_t n = 0;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        if ((vocab->kinds[id] & kinds) != 0 && vocab->texts[id].n_bytes > 0) {
            items[n++] = (struct sort_item){.text = vocab->texts[id], .id = id};
        }
    }
    qsort(items, n, sizeof *items, compare_texts);
    for (uint32_t i = 0; i < n; i++) {
        set->by_text[i] = items[i].id;
        items[i].i_sorted = i;
    }
    qsort(items, n, sizeof *items, compare_priority);
    for (uint32_t i = 0; i < n; i++) {
        set->rank[items[i].i_sorted] = i;
    }
    free(items);
    index_first_bytes(set);
    return MSCOPE_OK;
}

static void index_first_bytes(struct special_set *set)
{
    uint32_t i = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        set->first[byte] = i;
        while (i < set->n && (uint8_t)set->vocab->texts[set->by_text[i]].data[0] == byte) {
            const struct gguf_string *text = &set->vocab->texts[set->by_text[i]];
            if (text->n_bytes == 1) {
                memset(set->pairs + byte * 32, 0xFF, 32);
            } else {
                uint32_t pair = byte << 8 | (uint8_t)text->data[1];
                set->pairs[pair / 8] |= (uint8_t)(1u << pair % 8);
            }
            i++;
        }
    }
    set->first[256] = i;
}

static bool mark_occurring(struct marked_list *out, uint8_t *seen, const struct special_set *set,
                           const char *text, size_t n_bytes, bool parse_special)
{
    for (size_t i = 0; i < n_bytes; i++) {
        uint32_t second = i + 1 < n_bytes ? (uint8_t)text[i + 1] : 0;
        uint32_t pair = (uint32_t)(uint8_t)text[i] << 8 | second;
        if ((set->pairs[pair / 8] >> pair % 8 & 1) == 0) {
            continue;
        }
        if (!mark_at(out, seen, set, text + i, n_bytes - i, parse_special)) {
            return false;
        }
    }
    return true;
}

/* Narrows the range of sorted texts that share the first `depth` bytes with `text`. */
static bool mark_at(struct marked_list *out, uint8_t *seen, const struct special_set *set,
                    const char *text, size_t n_bytes, bool parse_special)
{
    const struct vocab *vocab = set->vocab;
    uint32_t low = set->first[(uint8_t)text[0]];
    uint32_t high = set->first[(uint8_t)text[0] + 1];
    for (size_t depth = 1; low < high; depth++) {
        uint32_t id = set->by_text[low];
        if (vocab->texts[id].n_bytes ==
            depth) { /* shorter texts sort first, and texts are unique */
            bool wanted =
                parse_special || (vocab->kinds[id] & (TOKEN_CONTROL | TOKEN_UNKNOWN)) == 0;
            if (wanted && seen[low] == 0) {
                seen[low] = 1;
                if (out->n == out->capacity) {
                    size_t capacity = out->capacity == 0 ? 16 : out->capacity * 2;
                    struct marked *items = realloc(out->items, capacity * sizeof *items);
                    if (items == NULL) {
                        return false;
                    }
                    out->items = items;
                    out->capacity = capacity;
                }
                out->items[out->n++] = (struct marked){.rank = set->rank[low], .id = id};
            }
            low++;
        }
        if (depth >= n_bytes) {
            break;
        }
        uint8_t next = (uint8_t)text[depth];
        uint32_t bounds[2] = {low, low}; /* first index whose byte at `depth` is >= next, > next */
        for (int i = 0; i < 2; i++) {
            uint32_t end = high;
            while (bounds[i] < end) {
                uint32_t middle = bounds[i] + (end - bounds[i]) / 2;
                int byte = (uint8_t)vocab->texts[set->by_text[middle]].data[depth];
                if (byte < next + i) {
                    bounds[i] = middle + 1;
                } else {
                    end = middle;
                }
            }
        }
        low = bounds[0];
        high = bounds[1];
    }
    return true;
}

/* Copies `in` to `out` with every occurrence of the token in raw text cut out. */
static bool cut_out(struct fragment_list *out, const struct fragment_list *in,
                    const struct vocab *vocab, uint32_t id)
{
    struct gguf_string wanted = vocab->texts[id];
    out->n = 0;
    for (size_t i = 0; i < in->n; i++) {
        if (in->items[i].token >= 0) {
            if (!push_fragment(out, NULL, 0, in->items[i].token)) {
                return false;
            }
            continue;
        }
        const char *text = in->items[i].text;
        const char *end = text + in->items[i].n_bytes;
        while (text < end) {
            const char *match = find_text(text, (size_t)(end - text), wanted);
            const char *raw_end = match == NULL ? end : match;
            if (raw_end > text && !push_fragment(out, text, (size_t)(raw_end - text), -1)) {
                return false;
            }
            if (match == NULL) {
                break;
            }
            if (!push_fragment(out, NULL, 0, (int32_t)id)) {
                return false;
            }
            text = match + wanted.n_bytes;
            if (vocab->kinds[id] & TOKEN_EATS_SPACE) {
                while (text < end && (*text == ' ' || (*text >= '\t' && *text <= '\r'))) {
                    text++;
                }
            }
        }
    }
    return true;
}

static bool push_fragment(struct fragment_list *list, const char *text, size_t n_bytes,
                          int32_t token)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct fragment *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = (struct fragment){.text = text, .n_bytes = n_bytes, .token = token};
    return true;
}

static const char *find_text(const char *text, size_t n_bytes, struct gguf_string wanted)
{
    const char *end = text + n_bytes;
    size_t i_last = wanted.n_bytes - 1;
    while ((size_t)(end - text) > i_last) {
        const char *candidate = memchr(text, wanted.data[0], (size_t)(end - text) - i_last);
        if (candidate == NULL) {
            return NULL;
        }
        if (candidate[i_last] == wanted.data[i_last] &&
            memcmp(candidate, wanted.data, i_last) == 0) {
            return candidate;
        }
        text = candidate + 1;
    }
    return NULL;
}

static int compare_texts(const void *a, const void *b)
{
    const struct gguf_string *left = &((const struct sort_item *)a)->text;
    const struct gguf_string *right = &((const struct sort_item *)b)->text;
    size_t n = left->n_bytes < right->n_bytes ? left->n_bytes : right->n_bytes;
    int order = memcmp(left->data, right->data, n);
    if (order != 0) {
        return order;
    }
    return (left->n_bytes > right->n_bytes) - (left->n_bytes < right->n_bytes);
}

static int compare_priority(const void *a, const void *b)
{
    const struct sort_item *left = a, *right = b;
    if (left->text.n_bytes != right->text.n_bytes) {
        return left->text.n_bytes > right->text.n_bytes ? -1 : 1;
    }
    return (left->id > right->id) - (left->id < right->id);
}

static int compare_rank(const void *a, const void *b)
{
    const struct marked *left = a, *right = b;
    return (left->rank > right->rank) - (left->rank < right->rank);
}
