/* SPDX-License-Identifier: MIT */
/* Opening a model: the file, what its bytes mean, its tokenizer. */
#include "engine/internal.h"

#include <stdlib.h>

static enum mscope_status open_parts(struct mscope_model *model, struct mscope_error *err);

enum mscope_status mscope_model_open(struct mscope_model **out, const char *path, unsigned parts,
                                     struct mscope_error *err)
{
    *out = NULL;
    struct mscope_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return error_set_memory(err, "model", sizeof *model);
    }
    model->parts = parts;
    enum mscope_status status = arena_open(&model->arena, "model tables", err);
    if (status == MSCOPE_OK) {
        status = (parts & MSCOPE_OPEN_COPIED) != 0 ? gguf_open_copied(&model->gguf, path, err)
                                                   : gguf_open(&model->gguf, path, err);
    }
    if (status == MSCOPE_OK) {
        status = open_parts(model, err);
    }
    if (status != MSCOPE_OK) {
        mscope_model_close(&model);
        return status;
    }
    arena_seal(model->arena);
    *out = model;
    return MSCOPE_OK;
}

void mscope_model_close(struct mscope_model **model_pointer)
{
    struct mscope_model *model = *model_pointer;
    if (model == NULL) {
        return;
    }
    tokenizer_close(&model->tokenizer);
    gguf_close(&model->gguf);
    arena_close(&model->arena);
    free(model);
    *model_pointer = NULL;
}

const struct mscope_model_info *mscope_model_get_info(const struct mscope_model *model)
{
    return &model->info;
}

const char *mscope_class_name(enum mscope_class cls)
{
    static const char *const names[MSCOPE_N_CLASS] = {
        [MSCOPE_CLASS_EMBEDDING] = "embedding", [MSCOPE_CLASS_ATTENTION] = "attention",
        [MSCOPE_CLASS_ROUTER] = "router",       [MSCOPE_CLASS_EXPERTS] = "experts",
        [MSCOPE_CLASS_SHARED] = "shared",       [MSCOPE_CLASS_FFN] = "ffn",
        [MSCOPE_CLASS_NORM] = "norm",           [MSCOPE_CLASS_OUTPUT] = "output",
    };
    return cls >= 0 && cls < MSCOPE_N_CLASS ? names[cls] : "unknown";
}

static enum mscope_status open_parts(struct mscope_model *model, struct mscope_error *err)
{
    enum mscope_status status = model_info_fill(&model->info, model->gguf, model->arena, err);
    if (status == MSCOPE_OK && (model->parts & MSCOPE_PART_WEIGHTS) != 0) {
        status = model_config_read(&model->config, model->gguf, err);
        if (status == MSCOPE_OK) {
            status =
                model_weights_bind(&model->weights, &model->config, model->gguf, model->arena, err);
        }
    }
    if (status == MSCOPE_OK && (model->parts & MSCOPE_PART_TOKENIZER) != 0) {
        status = tokenizer_open(&model->tokenizer, model->gguf, err);
    }
    bool both = model->tokenizer != NULL && (model->parts & MSCOPE_PART_WEIGHTS) != 0;
    if (status == MSCOPE_OK && both &&
        tokenizer_n_vocab(model->tokenizer) > model->config.n_vocab) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "tokenizer",
                           "%u tokens, but the embedding has only %u rows",
                           tokenizer_n_vocab(model->tokenizer), model->config.n_vocab);
    }
    return status;
}
