/* SPDX-License-Identifier: MIT */
/* Cutting and repeating text. */
#include "measure/fit_text.h"

#include <ctype.h>

static const double USUAL = 0.25; /* tokens per byte of English, before anything was counted */
enum { MAX_BYTES = 16 << 20 };

enum mscope_status fit_text_make(struct strbuf *out, const struct fit_text *fit, const char *text,
                                 size_t n_bytes, int n_tokens, struct mscope_error *err)
{
    strbuf_clear(out);
    double rate = fit->tokens_per_byte > 0 ? fit->tokens_per_byte : USUAL;
    double wanted = n_tokens > 0 ? (double)n_tokens / rate + 0.5 : (double)n_bytes;
    if (n_bytes == 0 || wanted > MAX_BYTES) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "prompt",
                         "%zu bytes for %d tokens, expected text for at most %d bytes", n_bytes,
                         n_tokens, MAX_BYTES);
    }
    size_t n_left = (size_t)wanted > 0 ? (size_t)wanted : 1;
    while (n_left > n_bytes) {
        strbuf_append(out, text, n_bytes);
        strbuf_append(out, "\n", 1);
        n_left -= n_bytes;
    }
    size_t n_last = n_left;
    while (n_last < n_bytes && n_last > 1 && !isspace((unsigned char)text[n_last])) {
        n_last--; /* back to the end of a word, so that no character is cut in two */
    }
    strbuf_append(out, text, n_last > 1 || n_left == n_bytes ? n_last : n_bytes);
    return out->failed ? error_set_memory(err, "prompt", n_bytes) : MSCOPE_OK;
}

void fit_text_learn(struct fit_text *fit, size_t n_bytes, int64_t n_tokens)
{
    if (n_bytes > 0 && n_tokens > 0) {
        fit->tokens_per_byte = (double)n_tokens / (double)n_bytes;
    }
}
