/* SPDX-License-Identifier: MIT */
/* The merge loop of byte-level BPE and its table of ranks. */
#include "token/bpe.h"

#include "token/utf8.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SHORT_PIECE_BYTES = 32 };

struct bpe_merge {
    uint32_t left, right, rank, result;
};

static void merge_short(const struct bpe *bpe, struct encode *encode, const char *piece,
                        size_t n_bytes);
static void merge_long(const struct bpe *bpe, struct encode *encode, const char *piece,
                       size_t n_bytes);
static void push_candidate(const struct bpe *bpe, struct encode *encode,
                           const struct symbol *symbols, int32_t left, int32_t right);
static void emit(const struct bpe *bpe, struct encode *encode, uint32_t id, const char *bytes,
                 size_t n);
static const struct bpe_merge *find_merge(const struct bpe *bpe, uint32_t left, uint32_t right);
static struct bpe_merge *find_slot(const struct bpe *bpe, uint32_t left, uint32_t right);
static enum mscope_status read_merges(struct bpe *bpe, const struct gguf_array *array,
                                      struct arena *arena, struct mscope_error *err);
static enum mscope_status add_merge(struct bpe *bpe, struct gguf_string line, uint32_t rank,
                                    char *joined, struct arena *arena, struct mscope_error *err);
static uint32_t intern(struct bpe *bpe, struct gguf_string text, struct arena *arena, bool copy,
                       struct mscope_error *err);
static const char *keep(struct bpe *bpe, struct gguf_string text, struct arena *arena,
                        struct mscope_error *err);

void bpe_encode_piece(const struct bpe *bpe, struct encode *encode, const char *piece,
                      size_t n_bytes)
{
    if (encode_recall(encode, piece, n_bytes)) {
        return;
    }
    size_t n_ids_before = encode->n_ids;
    uint32_t whole = TEXT_NONE;
    if (bpe->ignore_merges && n_bytes <= bpe->vocab->max_text_bytes) {
        char *spelled = encode_spelled(encode, n_bytes * ALPHABET_MAX_BYTES);
        if (spelled == NULL) {
            return;
        }
        size_t n_spelled = 0;
        for (size_t i = 0; i < n_bytes; i++) {
            n_spelled += alphabet_spell(spelled + n_spelled, (uint8_t)piece[i]);
        }
        whole = vocab_find(bpe->vocab, spelled, n_spelled);
    }
    if (whole != TEXT_NONE) {
        encode_push(encode, (int32_t)whole);
    } else if (n_bytes <= SHORT_PIECE_BYTES) {
        merge_short(bpe, encode, piece, n_bytes);
    } else {
        merge_long(bpe, encode, piece, n_bytes);
    }
    encode_remember(encode, piece, n_bytes, n_ids_before);
}

/* Words: scanning a few ranks beats keeping a queue. */
static void merge_short(const struct bpe *bpe, struct encode *encode, const char *piece,
                        size_t n_bytes)
{
    uint32_t ids[SHORT_PIECE_BYTES];
    uint8_t starts[SHORT_PIECE_BYTES + 1];
    const struct bpe_merge *merges[SHORT_PIECE_BYTES]; /* of symbols i and i + 1, or NULL */
    size_t n = n_bytes;
    for (size_t i = 0; i < n; i++) {
        ids[i] = bpe->byte_symbols[(uint8_t)piece[i]];
        starts[i] = (uint8_t)i;
    }
    starts[n] = (uint8_t)n;
    for (size_t i = 0; i + 1 < n; i++) {
        merges[i] = find_merge(bpe, ids[i], ids[i + 1]);
    }
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++) {
            if (merges[i] != NULL && (best == n || merges[i]->rank < merges[best]->rank)) {
                best = i;
            }
        }
        if (best == n) {
            break;
        }
        ids[best] = merges[best]->result;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            starts[i] = starts[i + 1];
            merges[i - 1] = merges[i];
        }
        starts[n] = (uint8_t)n_bytes;
        if (best > 0) {
            merges[best - 1] = find_merge(bpe, ids[best - 1], ids[best]);
        }
        if (best + 1 < n) {
            merges[best] = find_merge(bpe, ids[best], ids[best + 1]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        emit(bpe, encode, ids[i], piece + starts[i], (size_t)(starts[i + 1] - starts[i]));
    }
}

/* Any length in n log n: a linked list of symbols and a queue of possible merges. */
static void merge_long(const struct bpe *bpe, struct encode *encode, const char *piece,
                       size_t n_bytes)
{
    struct symbol *symbols = encode_symbols(encode, n_bytes);
    if (symbols == NULL) {
        return;
    }
    int32_t n = (int32_t)n_bytes;
    for (int32_t i = 0; i < n; i++) {
        symbols[i] = (struct symbol){
            .start = (uint32_t)i,
            .n_bytes = 1,
            .id = bpe->byte_symbols[(uint8_t)piece[i]],
            .prev = i - 1, /* SYMBOL_NONE for the first */
            .next = i + 1 < n ? i + 1 : SYMBOL_NONE,
        };
    }
    for (int32_t i = 0; i + 1 < n; i++) {
        push_candidate(bpe, encode, symbols, i, i + 1);
    }
    struct merge next;
    while (encode_queue_pop(encode, &next)) {
        int32_t i_left = (int32_t)(uint32_t)next.key;
        struct symbol *left = &symbols[i_left];
        struct symbol *right = &symbols[next.right];
        if (left->n_bytes == 0 || right->n_bytes == 0 || right->id != next.check) {
            continue;
        }
        left->id = find_merge(bpe, left->id, right->id)->result;
        left->n_bytes += right->n_bytes;
        right->n_bytes = 0;
        left->next = right->next;
        if (left->next != SYMBOL_NONE) {
            symbols[left->next].prev = i_left;
            push_candidate(bpe, encode, symbols, i_left, left->next);
        }
        if (left->prev != SYMBOL_NONE) {
            push_candidate(bpe, encode, symbols, left->prev, i_left);
        }
    }
    for (int32_t i = 0; i != SYMBOL_NONE; i = symbols[i].next) {
        emit(bpe, encode, symbols[i].id, piece + symbols[i].start, symbols[i].n_bytes);
    }
}

static void push_candidate(const struct bpe *bpe, struct encode *encode,
                           const struct symbol *symbols, int32_t left, int32_t right)
{
    const struct bpe_merge *merge = find_merge(bpe, symbols[left].id, symbols[right].id);
    if (merge != NULL) {
        encode_queue_push(encode, (struct merge){
                                      .key = (uint64_t)merge->rank << 32 | (uint32_t)left,
                                      .right = (uint32_t)right,
                                      .check = symbols[right].id,
                                  });
    }
}

/* A symbol that is no token falls apart into its bytes; a byte without a token is dropped, as
 * documented. */
static void emit(const struct bpe *bpe, struct encode *encode, uint32_t id, const char *bytes,
                 size_t n)
{
    uint32_t n_tokens = bpe->vocab->n_tokens;
    if (id < n_tokens) {
        encode_push(encode, (int32_t)id);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t byte_id = bpe->byte_symbols[(uint8_t)bytes[i]];
        if (byte_id < n_tokens) {
            encode_push(encode, (int32_t)byte_id);
        }
    }
}

static const struct bpe_merge *find_merge(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    const struct bpe_merge *slot = find_slot(bpe, left, right);
    return slot->rank == TEXT_NONE ? NULL : slot;
}

static struct bpe_merge *find_slot(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    uint32_t mask = bpe->n_slots - 1;
    uint64_t hash = text_hash_mix((uint64_t)left << 32 | right, UINT64_C(0xD6E8FEB86659FD93));
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct bpe_merge *slot = &bpe->merges[i];
        if (slot->rank == TEXT_NONE || (slot->left == left && slot->right == right)) {
            return slot;
        }
    }
}

enum mscope_status bpe_open(struct bpe *bpe, const struct vocab *vocab, const struct gguf *gguf,
                            struct arena *arena, struct mscope_error *err)
{
    *bpe = (struct bpe){.vocab = vocab};
    struct gguf_array array;
    enum mscope_status status =
        gguf_get_array(gguf, "tokenizer.ggml.merges", GGUF_STRING, &array, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (array.n > INT32_MAX / 4) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges",
                         "%" PRIu64 " merges, expected at most %d", array.n, INT32_MAX / 4);
    }
    bpe->n_slots = 16;
    while (bpe->n_slots / 2 <= array.n) {
        bpe->n_slots *= 2;
    }
    bpe->merges = arena_take(arena, bpe->n_slots, sizeof *bpe->merges, err);
    if (bpe->merges == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < bpe->n_slots; i++) {
        bpe->merges[i].rank = TEXT_NONE;
    }
    status = read_merges(bpe, &array, arena, err);
    for (unsigned byte = 0; byte < 256 && status == MSCOPE_OK; byte++) {
        char spelled[ALPHABET_MAX_BYTES];
        size_t n = alphabet_spell(spelled, (uint8_t)byte);
        uint32_t id = vocab_find(vocab, spelled, n);
        if (id == TEXT_NONE) {
            uint32_t i_foreign = text_table_find(&bpe->foreign_by_text, bpe->foreign, spelled, n);
            id = i_foreign == TEXT_NONE ? TEXT_NONE : vocab->n_tokens + i_foreign;
        }
        bpe->byte_symbols[byte] = id;
    }
    return status;
}

void bpe_close(struct bpe *bpe)
{
    text_table_free(&bpe->foreign_by_text);
    free(bpe->foreign);
    bpe->foreign = NULL;
}

static enum mscope_status read_merges(struct bpe *bpe, const struct gguf_array *array,
                                      struct arena *arena, struct mscope_error *err)
{
    char *joined = NULL;
    size_t joined_capacity = 0;
    enum mscope_status status = MSCOPE_OK;
    const void *cursor = array->data;
    struct gguf_string line;
    for (uint32_t rank = 0; rank < array->n && status == MSCOPE_OK; rank++) {
        if (!gguf_array_next_string(array, &cursor, &line)) {
            break;
        }
        if (line.n_bytes > joined_capacity) {
            free(joined);
            joined_capacity = line.n_bytes * 2;
            joined = malloc(joined_capacity);
            if (joined == NULL) {
                status = error_set_memory(err, "merges", joined_capacity);
                break;
            }
        }
        status = add_merge(bpe, line, rank, joined, arena, err);
    }
    free(joined);
    return status;
}

/* `joined` has room for the line. Of equal merges the first counts. */
static enum mscope_status add_merge(struct bpe *bpe, struct gguf_string line, uint32_t rank,
                                    char *joined, struct arena *arena, struct mscope_error *err)
{
    /* the blank may not be the first byte: a text is never empty */
    const char *blank = line.n_bytes < 3 ? NULL : memchr(line.data + 1, ' ', line.n_bytes - 1);
    if (blank == NULL || blank + 1 == line.data + line.n_bytes) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges",
                         "merge %" PRIu32 " is '%.*s', expected two texts separated by a space",
                         rank, (int)(line.n_bytes < 64 ? line.n_bytes : 64), line.data);
    }
    size_t n_left = (size_t)(blank - line.data);
    size_t n_right = line.n_bytes - n_left - 1;
    struct gguf_string left = {.data = line.data, .n_bytes = n_left};
    struct gguf_string right = {.data = blank + 1, .n_bytes = n_right};
    memcpy(joined, left.data, n_left);
    memcpy(joined + n_left, right.data, n_right);
    struct gguf_string result = {.data = joined, .n_bytes = n_left + n_right};
    uint32_t left_id = intern(bpe, left, arena, false, err);
    uint32_t right_id = left_id == TEXT_NONE ? TEXT_NONE : intern(bpe, right, arena, false, err);
    uint32_t result_id = right_id == TEXT_NONE ? TEXT_NONE : intern(bpe, result, arena, true, err);
    if (result_id == TEXT_NONE) {
        return MSCOPE_ERR_MEMORY;
    }
    struct bpe_merge *slot = find_slot(bpe, left_id, right_id);
    if (slot->rank == TEXT_NONE) {
        *slot = (struct bpe_merge){
            .left = left_id, .right = right_id, .rank = rank, .result = result_id};
    }
    return MSCOPE_OK;
}

/* Symbol id of a text, new if need be; `copy` when its bytes do not stay. TEXT_NONE: not enough
 * memory. */
static uint32_t intern(struct bpe *bpe, struct gguf_string text, struct arena *arena, bool copy,
                       struct mscope_error *err)
{
    uint32_t id = vocab_find(bpe->vocab, text.data, text.n_bytes);
    if (id != TEXT_NONE) {
        return id;
    }
    uint32_t n_tokens = bpe->vocab->n_tokens;
    id = text_table_find(&bpe->foreign_by_text, bpe->foreign, text.data, text.n_bytes);
    if (id != TEXT_NONE) {
        return n_tokens + id;
    }
    if (copy) {
        text.data = keep(bpe, text, arena, err);
        if (text.data == NULL) {
            return TEXT_NONE;
        }
    }
    if (bpe->n_foreign == bpe->foreign_capacity) {
        uint32_t capacity = bpe->foreign_capacity == 0 ? 64 : bpe->foreign_capacity * 2;
        struct gguf_string *grown = realloc(bpe->foreign, capacity * sizeof *grown);
        if (grown == NULL) {
            error_set_memory(err, "merges", capacity * sizeof *grown);
            return TEXT_NONE;
        }
        bpe->foreign = grown;
        bpe->foreign_capacity = capacity;
    }
    bpe->foreign[bpe->n_foreign] = text;
    uint32_t existing;
    if (!text_table_insert(&bpe->foreign_by_text, bpe->foreign, bpe->n_foreign, &existing)) {
        error_set_memory(err, "merges", (uint64_t)bpe->n_foreign * sizeof text);
        return TEXT_NONE;
    }
    return n_tokens + bpe->n_foreign++;
}

/* Copies a text behind the others: the arena's own pieces are too coarse for a few bytes each. */
static const char *keep(struct bpe *bpe, struct gguf_string text, struct arena *arena,
                        struct mscope_error *err)
{
    enum { BLOCK_BYTES = 1 << 14 };
    if (text.n_bytes > bpe->spare_bytes) {
        bpe->spare_bytes = text.n_bytes > BLOCK_BYTES ? text.n_bytes : BLOCK_BYTES;
        bpe->spare = arena_take(arena, bpe->spare_bytes, 1, err);
        if (bpe->spare == NULL) {
            bpe->spare_bytes = 0;
            return NULL;
        }
    }
    char *copy = bpe->spare;
    memcpy(copy, text.data, text.n_bytes);
    bpe->spare += text.n_bytes;
    bpe->spare_bytes -= text.n_bytes;
    return copy;
}
