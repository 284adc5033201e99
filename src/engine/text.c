/* SPDX-License-Identifier: MIT */
/* The tokenizer functions of the public header, for models that have a tokenizer and models that do
 * not. */
#include "engine/internal.h"

static enum mscope_status no_tokenizer(const struct mscope_model *model, struct mscope_error *err)
{
    const char *kind = model->info.tokenizer_model;
    return error_set(
        err, MSCOPE_ERR_UNSUPPORTED, "tokenizer",
        "this model has none (tokenizer.ggml.model is %s%s%s): give token ids instead of text",
        kind[0] == '\0' ? "absent" : "\"", kind, kind[0] == '\0' ? "" : "\"");
}

enum mscope_status mscope_tokenize(const struct mscope_model *model, const char *text,
                                   size_t n_bytes, unsigned flags, int32_t *ids, size_t max_ids,
                                   size_t *n_ids, struct mscope_error *err)
{
    *n_ids = 0;
    if (model->tokenizer == NULL) {
        return no_tokenizer(model, err);
    }
    return tokenizer_encode(model->tokenizer, text, n_bytes, flags, ids, max_ids, n_ids, err);
}

enum mscope_status mscope_detokenize(const struct mscope_model *model, const int32_t *ids,
                                     size_t n_ids, bool render_special, char *text,
                                     size_t max_bytes, size_t *n_bytes, struct mscope_error *err)
{
    *n_bytes = 0;
    if (model->tokenizer == NULL) {
        return no_tokenizer(model, err);
    }
    return tokenizer_decode(model->tokenizer, ids, n_ids, render_special, text, max_bytes, n_bytes,
                            err);
}

int32_t mscope_token_bos(const struct mscope_model *model)
{
    return model->tokenizer == NULL ? -1 : tokenizer_bos(model->tokenizer);
}

int32_t mscope_token_eos(const struct mscope_model *model)
{
    return model->tokenizer == NULL ? -1 : tokenizer_eos(model->tokenizer);
}

bool mscope_token_is_end(const struct mscope_model *model, int32_t id)
{
    return model->tokenizer != NULL && tokenizer_is_end(model->tokenizer, id);
}
