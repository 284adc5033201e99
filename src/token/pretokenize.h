/* SPDX-License-Identifier: MIT */
/*
 * Pre-tokenizers of byte-level BPE: a list of regular expressions, applied one after the other,
 * cuts text into the pieces inside which merging happens. The first expression cuts the whole text
 * into its matches and what lies between them, the next one cuts each of those, and so on; an
 * expression never sees beyond its piece. The table (pretokenize_rules.c) maps the names that files
 * use to expressions. Immutable after open; splitting keeps its state in a splitter that belongs to
 * the call.
 */
#ifndef TOKEN_PRETOKENIZE_H
#define TOKEN_PRETOKENIZE_H

#include "base/error.h"

enum { PRETOKENIZE_MAX_PASSES = 6 };

struct pretokenize_rule {
    const char *const *names;       /* NULL-terminated, as in tokenizer.ggml.pre */
    const char *const *expressions; /* NULL-terminated, at most PRETOKENIZE_MAX_PASSES */
    bool ignore_merges;             /* a piece that is a token is taken whole */
    bool add_bos;                   /* unless the file says otherwise */
};

/* Rule for the name a file declares; NULL when we do not know it. */
const struct pretokenize_rule *pretokenize_find(const char *name, size_t n_bytes);

/* All names, NULL-terminated. */
const char *const *pretokenize_names(void);

struct pretokenizer;

enum mscope_status pretokenizer_open(struct pretokenizer **out, const struct pretokenize_rule *rule,
                                     struct mscope_error *err);
void pretokenizer_close(struct pretokenizer **pretokenizer);

/* Receives the pieces in order; together they are the text. Returns false to stop (out of memory).
 */
typedef bool pretokenize_piece_fn(void *ctx, const char *piece, size_t n_bytes);

/*
 * Cuts `text`, which must be valid UTF-8. Fails only for want of memory (also when `fn` said stop).
 */
enum mscope_status pretokenizer_split(const struct pretokenizer *pretokenizer, const char *text,
                                      size_t n_bytes, pretokenize_piece_fn *fn, void *ctx,
                                      struct mscope_error *err);

#endif
