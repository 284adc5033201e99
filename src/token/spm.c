/* SPDX-License-Identifier: MIT */
/* The merge loop of SentencePiece-style vocabularies. */
#include "token/spm.h"

#include "token/utf8.h"

#include <stdio.h>

static void encode_piece(const struct spm *spm, struct encode *encode, const char *piece,
                         size_t n_bytes);
static int32_t split_characters(struct symbol *symbols, const char *piece, size_t n_bytes);
static void push_candidate(const struct spm *spm, struct encode *encode, const char *piece,
                           const struct symbol *symbols, int32_t left, int32_t right);
static uint32_t descending_key(float score);

/*
 * Merging never joins across a place where no token has the bytes that meet there. Before a space
 * that is so nearly always, which cuts the text into words that can be remembered.
 */
void spm_encode(const struct spm *spm, struct encode *encode, const char *text, size_t n_bytes)
{
    size_t start = 0;
    for (size_t i = 1; i < n_bytes; i++) {
        if (text[i] == UTF8_SPM_SPACE[0] && n_bytes - i >= UTF8_SPM_SPACE_BYTES &&
            !spm->glued[(uint8_t)text[i - 1]] &&
            memcmp(text + i, UTF8_SPM_SPACE, UTF8_SPM_SPACE_BYTES) == 0) {
            encode_piece(spm, encode, text + start, i - start);
            start = i;
        }
    }
    if (n_bytes > start) {
        encode_piece(spm, encode, text + start, n_bytes - start);
    }
}

static void encode_piece(const struct spm *spm, struct encode *encode, const char *piece,
                         size_t n_bytes)
{
    if (encode_recall(encode, piece, n_bytes)) {
        return;
    }
    size_t n_ids_before = encode->n_ids;
    struct symbol *symbols = encode_symbols(encode, n_bytes);
    if (symbols == NULL) {
        return;
    }
    int32_t n = split_characters(symbols, piece, n_bytes);
    for (int32_t i = 0; i + 1 < n; i++) {
        push_candidate(spm, encode, piece, symbols, i, i + 1);
    }
    int32_t i_merged;
    while ((i_merged = encode_merge_next(encode, symbols)) != SYMBOL_NONE) {
        const struct symbol *merged = &symbols[i_merged];
        if (merged->next != SYMBOL_NONE) {
            push_candidate(spm, encode, piece, symbols, i_merged, merged->next);
        }
        if (merged->prev != SYMBOL_NONE) {
            push_candidate(spm, encode, piece, symbols, merged->prev, i_merged);
        }
    }
    for (int32_t i = 0; i != SYMBOL_NONE; i = symbols[i].next) {
        const char *bytes = piece + symbols[i].start;
        uint32_t id = vocab_find(spm->vocab, bytes, symbols[i].n_bytes);
        if (id != TEXT_NONE) {
            encode_push(encode, (int32_t)id);
            continue;
        }
        for (uint32_t k = 0; k < symbols[i].n_bytes; k++) {
            int32_t byte_id = spm->byte_ids[(uint8_t)bytes[k]];
            if (byte_id >= 0) {
                encode_push(encode, byte_id);
            }
        }
    }
    encode_remember(encode, piece, n_bytes, n_ids_before);
}

static int32_t split_characters(struct symbol *symbols, const char *piece, size_t n_bytes)
{
    int32_t n = 0;
    for (size_t i = 0; i < n_bytes;) {
        size_t n_char = utf8_char_bytes(piece + i, n_bytes - i);
        if (n_char == 0) { /* a stray byte stands for itself */
            n_char = 1;
        }
        symbols[n] = (struct symbol){
            .start = (uint32_t)i,
            .n_bytes = (uint32_t)n_char,
            .prev = n - 1, /* SYMBOL_NONE for the first */
            .next = n + 1,
        };
        i += n_char;
        n++;
    }
    symbols[n - 1].next = SYMBOL_NONE;
    return n;
}

static void push_candidate(const struct spm *spm, struct encode *encode, const char *piece,
                           const struct symbol *symbols, int32_t left, int32_t right)
{
    const struct symbol *first = &symbols[left];
    size_t n_joined = (size_t)first->n_bytes + symbols[right].n_bytes;
    uint32_t id = vocab_find(spm->vocab, piece + first->start, n_joined);
    if (id == TEXT_NONE) {
        return;
    }
    float score = gguf_array_f32(&spm->vocab->scores, id);
    encode_queue_push(encode, (struct merge){
                                  .key = (uint64_t)descending_key(score) << 32 | (uint32_t)left,
                                  .right = (uint32_t)right,
                                  .n_right = symbols[right].n_bytes,
                              });
}

/* Maps scores to integers so that the highest score is the smallest key; both zeros are equal. */
static uint32_t descending_key(float score)
{
    float normal = score == 0.0f ? 0.0f : score;
    uint32_t bits;
    memcpy(&bits, &normal, sizeof bits);
    uint32_t ascending = bits >> 31 ? ~bits : bits | UINT32_C(0x80000000);
    return ~ascending;
}

void spm_open(struct spm *spm, const struct vocab *vocab)
{
    *spm = (struct spm){.vocab = vocab};
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        char single = (char)byte;
        int n = snprintf(name, sizeof name, "<0x%02X>", byte);
        uint32_t id = vocab_find(vocab, name, (size_t)n);
        if (id == TEXT_NONE) {
            id = vocab_find(vocab, &single, 1);
        }
        spm->byte_ids[byte] = id == TEXT_NONE ? vocab->unknown : (int32_t)id;
    }
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        const struct gguf_string *text = &vocab->texts[id];
        for (size_t i = 1; i + UTF8_SPM_SPACE_BYTES <= text->n_bytes; i++) {
            if (memcmp(text->data + i, UTF8_SPM_SPACE, UTF8_SPM_SPACE_BYTES) == 0) {
                spm->glued[(uint8_t)text->data[i - 1]] = true;
            }
        }
    }
}
