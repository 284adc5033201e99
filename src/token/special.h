/* SPDX-License-Identifier: MIT */
/*
 * Finds the tokens that are matched in raw text before anything else (control, unknown and
 * user-defined) and cuts a text into fragments around them. Longer tokens are matched first over
 * the whole text, tokens of equal length in the order of their ids, each from left to right.
 * Immutable after open.
 */
#ifndef TOKEN_SPECIAL_H
#define TOKEN_SPECIAL_H

#include "token/vocab.h"

enum { SPECIAL_MAX_BYTES = 1024 };

struct special_set;

/* `vocab` must outlive the set; its kinds are final. Memory comes from `arena`. */
enum mscope_status special_open(struct special_set **out, const struct vocab *vocab,
                                struct arena *arena, struct mscope_error *err);

struct fragment {
    const char *text; /* raw text when token is negative */
    size_t n_bytes;
    int32_t token;
};

struct fragment_list { /* zeroed before first use */
    struct fragment *items;
    size_t n, capacity;
};

/* Replaces the content of `out`. Without parse_special only user-defined tokens count. */
enum mscope_status special_cut(struct fragment_list *out, const struct special_set *set,
                               const char *text, size_t n_bytes, bool parse_special,
                               struct mscope_error *err);
void fragment_list_free(struct fragment_list *list);

#endif
