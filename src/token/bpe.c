/* SPDX-License-Identifier: MIT */
/* The merge loop of byte-level BPE and its table of ranks. */
#include "token/bpe.h"

#include "token/utf8.h"

#include <inttypes.h>

enum { SHORT_PIECE_SYMBOLS = 32 };

static void merge_short(const struct bpe *bpe, struct encode *encode, const char *text,
                        size_t n_bytes);
static void merge_long(const struct bpe *bpe, struct encode *encode, const char *text,
                       size_t n_bytes);
static void push_candidate(const struct bpe *bpe, struct encode *encode, const char *text,
                           const struct symbol *symbols, int32_t left, int32_t right);
static void emit(const struct bpe *bpe, struct encode *encode, const char *text, size_t n_bytes);
static uint32_t find_rank(const struct bpe *bpe, struct encode *encode, const char *text,
                          size_t n_left, size_t n_right);
static size_t character_bytes(const char *text);
static enum mscope_status check_line(struct gguf_string line, uint32_t rank,
                                     struct mscope_error *err);

void bpe_encode_piece(const struct bpe *bpe, struct encode *encode, const char *piece,
                      size_t n_bytes)
{
    if (encode_recall(encode, piece, n_bytes)) {
        return;
    }
    size_t n_ids_before = encode->n_ids;
    char *text = encode_spelled(encode, n_bytes * ALPHABET_MAX_BYTES);
    if (text == NULL) {
        return;
    }
    size_t n_text = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        n_text += alphabet_spell(text + n_text, (uint8_t)piece[i]);
    }
    uint32_t whole = bpe->ignore_merges ? vocab_find(bpe->vocab, text, n_text) : TEXT_NONE;
    if (whole != TEXT_NONE) {
        encode_push(encode, (int32_t)whole);
    } else if (n_bytes <= SHORT_PIECE_SYMBOLS) {
        merge_short(bpe, encode, text, n_text);
    } else {
        merge_long(bpe, encode, text, n_text);
    }
    encode_remember(encode, piece, n_bytes, n_ids_before);
}

/* Words: scanning a few ranks beats keeping a queue. */
static void merge_short(const struct bpe *bpe, struct encode *encode, const char *text,
                        size_t n_bytes)
{
    uint8_t starts[SHORT_PIECE_SYMBOLS + 1]; /* of symbols; behind the last one, the end */
    uint32_t ranks[SHORT_PIECE_SYMBOLS];     /* of joining symbols i and i + 1, or TEXT_NONE */
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i += character_bytes(text + i)) {
        starts[n++] = (uint8_t)i;
    }
    starts[n] = (uint8_t)n_bytes;
    for (size_t i = 0; i + 1 < n; i++) {
        ranks[i] = find_rank(bpe, encode, text + starts[i], (size_t)(starts[i + 1] - starts[i]),
                             (size_t)(starts[i + 2] - starts[i + 1]));
    }
    for (;;) {
        size_t best = 0;
        uint32_t best_rank = TEXT_NONE;
        for (size_t i = 0; i + 1 < n; i++) {
            if (ranks[i] < best_rank) {
                best = i;
                best_rank = ranks[i];
            }
        }
        if (best_rank == TEXT_NONE) {
            break;
        }
        n--;
        for (size_t i = best + 1; i <= n; i++) {
            starts[i] = starts[i + 1];
            ranks[i - 1] = ranks[i < n ? i : n - 1];
        }
        for (size_t i = best > 0 ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            ranks[i] = find_rank(bpe, encode, text + starts[i], (size_t)(starts[i + 1] - starts[i]),
                                 (size_t)(starts[i + 2] - starts[i + 1]));
        }
    }
    for (size_t i = 0; i < n; i++) {
        emit(bpe, encode, text + starts[i], (size_t)(starts[i + 1] - starts[i]));
    }
}

/* Any length in n log n: a linked list of symbols and a queue of possible merges. */
static void merge_long(const struct bpe *bpe, struct encode *encode, const char *text,
                       size_t n_bytes)
{
    struct symbol *symbols = encode_symbols(encode, n_bytes);
    if (symbols == NULL) {
        return;
    }
    int32_t n = 0;
    for (size_t i = 0; i < n_bytes; n++) {
        size_t n_char = character_bytes(text + i);
        symbols[n] = (struct symbol){
            .start = (uint32_t)i,
            .n_bytes = (uint32_t)n_char,
            .prev = n - 1, /* SYMBOL_NONE for the first */
            .next = n + 1,
        };
        i += n_char;
    }
    symbols[n - 1].next = SYMBOL_NONE;
    for (int32_t i = 0; i + 1 < n; i++) {
        push_candidate(bpe, encode, text, symbols, i, i + 1);
    }
    int32_t i_merged;
    while ((i_merged = encode_merge_next(encode, symbols)) != SYMBOL_NONE) {
        const struct symbol *merged = &symbols[i_merged];
        if (merged->next != SYMBOL_NONE) {
            push_candidate(bpe, encode, text, symbols, i_merged, merged->next);
        }
        if (merged->prev != SYMBOL_NONE) {
            push_candidate(bpe, encode, text, symbols, merged->prev, i_merged);
        }
    }
    for (int32_t i = 0; i != SYMBOL_NONE; i = symbols[i].next) {
        emit(bpe, encode, text + symbols[i].start, symbols[i].n_bytes);
    }
}

static void push_candidate(const struct bpe *bpe, struct encode *encode, const char *text,
                           const struct symbol *symbols, int32_t left, int32_t right)
{
    uint32_t rank = find_rank(bpe, encode, text + symbols[left].start, symbols[left].n_bytes,
                              symbols[right].n_bytes);
    if (rank != TEXT_NONE) {
        encode_queue_push(encode, (struct merge){
                                      .key = (uint64_t)rank << 32 | (uint32_t)left,
                                      .right = (uint32_t)right,
                                      .n_right = symbols[right].n_bytes,
                                  });
    }
}

/* What is no token falls apart into its bytes; a byte without a token is dropped, as documented. */
static void emit(const struct bpe *bpe, struct encode *encode, const char *text, size_t n_bytes)
{
    uint32_t id = vocab_find(bpe->vocab, text, n_bytes);
    if (id != TEXT_NONE) {
        encode_push(encode, (int32_t)id);
        return;
    }
    for (size_t i = 0; i < n_bytes; i += character_bytes(text + i)) {
        id = vocab_find(bpe->vocab, text + i, character_bytes(text + i));
        if (id != TEXT_NONE) {
            encode_push(encode, (int32_t)id);
        }
    }
}

/* Rank of joining the n_left bytes at `text` with the n_right bytes behind them, or TEXT_NONE. */
static uint32_t find_rank(const struct bpe *bpe, struct encode *encode, const char *text,
                          size_t n_left, size_t n_right)
{
    size_t n_line = n_left + 1 + n_right;
    if (n_line > bpe->max_line_bytes) {
        return TEXT_NONE;
    }
    char *line = encode_line(encode, bpe->max_line_bytes);
    if (line == NULL) {
        return TEXT_NONE;
    }
    memcpy(line, text, n_left);
    line[n_left] = ' ';
    memcpy(line + n_left + 1, text + n_left, n_right);
    return text_table_find(&bpe->rank_by_line, bpe->lines, line, n_line);
}

/* Of a character of the byte alphabet: 1 or 2. */
static size_t character_bytes(const char *text)
{
    return (uint8_t)text[0] < 0x80 ? 1 : 2;
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
    if (array.n > INT32_MAX / 2) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges",
                         "%" PRIu64 " merges, expected at most %d", array.n, INT32_MAX / 2);
    }
    struct gguf_string *lines = arena_take(arena, array.n, sizeof *lines, err);
    if (lines == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    bpe->lines = lines;
    if (!text_table_reserve(&bpe->rank_by_line, lines, (uint32_t)array.n)) {
        return error_set_memory(err, "merges", array.n * sizeof *lines);
    }
    const void *cursor = array.data;
    for (uint32_t rank = 0; rank < array.n; rank++) {
        if (!gguf_array_next_string(&array, &cursor, &lines[rank])) {
            return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges",
                             "ends after %" PRIu32 " of %" PRIu64 " merges", rank, array.n);
        }
        status = check_line(lines[rank], rank, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        uint32_t existing; /* of equal merges the first counts */
        if (!text_table_insert(&bpe->rank_by_line, lines, rank, &existing)) {
            return error_set_memory(err, "merges", array.n * sizeof *lines);
        }
        if (lines[rank].n_bytes > bpe->max_line_bytes) {
            bpe->max_line_bytes = lines[rank].n_bytes;
        }
    }
    return MSCOPE_OK;
}

void bpe_close(struct bpe *bpe)
{
    text_table_free(&bpe->rank_by_line);
}

static enum mscope_status check_line(struct gguf_string line, uint32_t rank,
                                     struct mscope_error *err)
{
    const char *blank = line.n_bytes < 3 ? NULL : memchr(line.data + 1, ' ', line.n_bytes - 2);
    if (blank != NULL && line.data[0] != ' ') {
        return MSCOPE_OK;
    }
    return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.merges",
                     "merge %" PRIu32 " is '%.*s', expected two texts separated by a space", rank,
                     (int)(line.n_bytes < 64 ? line.n_bytes : 64), line.data);
}
