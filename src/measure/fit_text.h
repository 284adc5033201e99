/* SPDX-License-Identifier: MIT */
/*
 * Text of about so many tokens for engines that take text only: cut at white space, or repeated, by
 * the tokens per byte that the engine counted last. How many it became, the engine tells. One
 * thread.
 */
#ifndef MEASURE_FIT_TEXT_H
#define MEASURE_FIT_TEXT_H

#include "base/strbuf.h"

struct fit_text {
    double tokens_per_byte; /* 0: not seen yet */
};

/* `out` gets the text for n_tokens; all of it when n_tokens is 0. */
enum mscope_status fit_text_make(struct strbuf *out, const struct fit_text *fit, const char *text,
                                 size_t n_bytes, int n_tokens, struct mscope_error *err);
/* What the engine counted. */
void fit_text_learn(struct fit_text *fit, size_t n_bytes, int64_t n_tokens);

#endif
