/* SPDX-License-Identifier: MIT */
/* Windows of tokens over a text. */
#include "cli/windows.h"

#include <string.h>

enum mscope_status windows_from_text(struct windows *out, const struct mscope_model *model,
                                     const char *path, int n_ctx, struct mscope_error *err)
{
    *out = (struct windows){.bos = -1, .n_ctx = n_ctx};
    struct strbuf text = {0};
    bool adds_bos = false, adds_eos = false;
    enum mscope_status status = input_read_text(&text, path, err);
    if (status == MSCOPE_OK && text.n_bytes == 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "", "empty, expected text");
        error_set_object(err, "file %s", path);
    }
    if (status == MSCOPE_OK) {
        status = input_special_ends(&adds_bos, &adds_eos, model, err);
    }
    if (status == MSCOPE_OK) {
        status = input_tokenize(&out->ids, model, text.data, text.n_bytes, MSCOPE_ADD_SPECIAL, err);
    }
    if (adds_bos) {
        out->bos = mscope_token_bos(model);
    }
    strbuf_free(&text);
    return status;
}

void windows_free(struct windows *windows)
{
    input_ids_free(&windows->ids);
}

void windows_copy(const struct windows *windows, int start, int n, int32_t *tokens)
{
    memcpy(tokens, windows->ids.ids + start, (size_t)n * sizeof *tokens);
    if (windows->bos >= 0) {
        tokens[0] = windows->bos;
    }
}
