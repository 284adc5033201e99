/* SPDX-License-Identifier: MIT */
/*
 * Byte-pair training (Sennrich, Haddow and Birch, 2016) on the word list, each word with and
 * without the space before it and weighted by its place in the list. Small enough to count all
 * pairs anew for every merge.
 */
#include "model/synth_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 2000, N_CAPITALISED = 200, MAX_LETTERS = 20, N_BYTES = 256, N_SLOTS = 1 << 13 };

struct word {
    int16_t symbols[MAX_LETTERS];
    int n_symbols, weight;
};

struct pair {
    int32_t key; /* left symbol * 2^15 + right symbol + 1; 0: free */
    int32_t count;
};

struct trainer {
    struct word words[MAX_WORDS];
    int n_words;
    char text[N_BYTES + SYNTH_MAX_MERGES][SYNTH_MERGE_BYTES]; /* of every symbol */
    struct pair slots[N_SLOTS];
};

static void add_word(struct trainer *trainer, const char *letters, size_t n, bool with_space,
                     int weight);
static struct pair best_pair(struct trainer *trainer);
static void count_pair(struct trainer *trainer, int32_t key, int weight);
static void apply_merge(struct trainer *trainer, int left, int right, int merged);

int synth_bpe_train(struct synth_merge *merges, int max_merges)
{
    struct trainer *trainer = calloc(1, sizeof *trainer);
    if (trainer == NULL) {
        return -1;
    }
    for (int i = 0; i < N_BYTES; i++) {
        trainer->text[i][0] = (char)i;
    }
    int rank = 0;
    for (const char *at = synth_words; *at != '\0'; rank++) {
        size_t n = strcspn(at, " ");
        int weight = 100000 / (rank + 20);
        add_word(trainer, at, n, true, 4 * weight);
        add_word(trainer, at, n, false, weight);
        if (rank < N_CAPITALISED) {
            char first[MAX_LETTERS];
            memcpy(first, at, n < MAX_LETTERS ? n : MAX_LETTERS);
            first[0] = (char)toupper((unsigned char)first[0]);
            add_word(trainer, first, n, true, weight);
            add_word(trainer, first, n, false, weight);
        }
        at += n + (at[n] == ' ');
    }
    int n_merges = 0;
    max_merges = max_merges < SYNTH_MAX_MERGES ? max_merges : SYNTH_MAX_MERGES;
    for (; n_merges < max_merges; n_merges++) {
        struct pair best = best_pair(trainer);
        if (best.count == 0) {
            break;
        }
        int left = (best.key - 1) >> 15, right = (best.key - 1) & 0x7fff,
            merged = N_BYTES + n_merges;
        memcpy(merges[n_merges].left, trainer->text[left], SYNTH_MERGE_BYTES);
        memcpy(merges[n_merges].right, trainer->text[right], SYNTH_MERGE_BYTES);
        size_t n_left = strlen(trainer->text[left]); /* together at most MAX_LETTERS */
        memcpy(trainer->text[merged], trainer->text[left], n_left);
        memcpy(trainer->text[merged] + n_left, trainer->text[right], SYNTH_MERGE_BYTES - n_left);
        apply_merge(trainer, left, right, merged);
    }
    free(trainer);
    return n_merges;
}

static void add_word(struct trainer *trainer, const char *letters, size_t n, bool with_space,
                     int weight)
{
    if (trainer->n_words == MAX_WORDS || n + with_space > MAX_LETTERS) {
        return;
    }
    struct word *word = &trainer->words[trainer->n_words++];
    word->weight = weight;
    if (with_space) {
        word->symbols[word->n_symbols++] = ' ';
    }
    for (size_t i = 0; i < n; i++) {
        word->symbols[word->n_symbols++] = (unsigned char)letters[i];
    }
}

/* The pair of the largest weighted count; the smaller symbols on ties. */
static struct pair best_pair(struct trainer *trainer)
{
    memset(trainer->slots, 0, sizeof trainer->slots);
    for (int w = 0; w < trainer->n_words; w++) {
        const struct word *word = &trainer->words[w];
        for (int i = 0; i + 1 < word->n_symbols; i++) {
            count_pair(trainer, word->symbols[i] * 32768 + word->symbols[i + 1] + 1, word->weight);
        }
    }
    struct pair best = {0, 0};
    for (int i = 0; i < N_SLOTS; i++) {
        struct pair pair = trainer->slots[i];
        if (pair.count > best.count ||
            (pair.count == best.count && pair.count > 0 && pair.key < best.key)) {
            best = pair;
        }
    }
    return best;
}

/* Open addressing; there are far fewer pairs (letters of all words) than slots. */
static void count_pair(struct trainer *trainer, int32_t key, int weight)
{
    uint32_t slot = (uint32_t)key * 2654435761u >> 19;
    while (trainer->slots[slot].key != 0 && trainer->slots[slot].key != key) {
        slot = (slot + 1) % N_SLOTS;
    }
    trainer->slots[slot].key = key;
    trainer->slots[slot].count += weight;
}

static void apply_merge(struct trainer *trainer, int left, int right, int merged)
{
    for (int w = 0; w < trainer->n_words; w++) {
        struct word *word = &trainer->words[w];
        int n = 0;
        for (int i = 0; i < word->n_symbols; i++) {
            if (i + 1 < word->n_symbols && word->symbols[i] == left &&
                word->symbols[i + 1] == right) {
                word->symbols[n++] = (int16_t)merged;
                i++;
            } else {
                word->symbols[n++] = word->symbols[i];
            }
        }
        word->n_symbols = n;
    }
}
