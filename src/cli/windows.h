/* SPDX-License-Identifier: MIT */
/*
 * A long text as windows of tokens, for verbs that evaluate texts: each window starts with an empty
 * session and, where the vocabulary adds one, with the BOS token in place of its first token. One
 * thread.
 */
#ifndef CLI_WINDOWS_H
#define CLI_WINDOWS_H

#include "cli/input.h"
#include "cli/runtime.h"

enum { WINDOWS_DEFAULT_CTX = 512, WINDOWS_ROWS_AT_ONCE = 64 };

struct windows {
    struct input_ids ids;
    int32_t bos; /* -1: windows start as the text does */
    int n_ctx;   /* tokens of a window */
};

/* The text of `path` with the tokenizer of `model`. */
enum mscope_status windows_from_text(struct windows *out, const struct mscope_model *model,
                                     const char *path, int n_ctx, struct mscope_error *err);
void windows_free(struct windows *windows);

/* Copies the window of n tokens that starts at token `start` to `tokens`. */
void windows_copy(const struct windows *windows, int start, int n, int32_t *tokens);

#endif
