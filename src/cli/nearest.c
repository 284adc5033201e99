/* SPDX-License-Identifier: MIT */
/* What a mistyped word most likely meant: edit distance with swaps of neighbours (optimal string
 * alignment). */
#include "cli/options.h"

#include <string.h>

enum { MAX_WORD = 47, MAX_DISTANCE = 2 };

static int edit_distance(const char *a, size_t n_a, const char *b, size_t n_b);

const char *options_nearest(const char *word, const char *const *candidates, int n_candidates)
{
    size_t n_word = strlen(word);
    if (n_word < 2 || n_word > MAX_WORD) {
        return NULL;
    }
    const char *best = NULL;
    int best_distance = MAX_DISTANCE + 1;
    for (int i = 0; i < n_candidates; i++) {
        size_t n_candidate = strlen(candidates[i]);
        if (n_candidate > MAX_WORD) {
            continue;
        }
        int distance = edit_distance(word, n_word, candidates[i], n_candidate);
        size_t n_common = n_word < n_candidate ? n_word : n_candidate;
        if (n_common >= 3 && memcmp(word, candidates[i], n_common) == 0 && distance > 1) {
            distance = 1; /* "temperature" means "temp" */
        }
        if (distance < best_distance && (size_t)distance * 2 < n_word + 1) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}

static int edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int rows[3][MAX_WORD + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n_b; j++) {
        above[j] = (int)j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= n_b; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[n_b];
}
