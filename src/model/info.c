/* SPDX-License-Identifier: MIT */
/*
 * The public description of a model from header and directory alone. It judges nothing, so that
 * `info` also works on families we cannot run and on vocabulary-only files: what the file does not
 * say is 0 or "".
 */
#include "model/hints.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static void fill_shape(struct mscope_model_info *out, const struct gguf *gguf);
static void fill_kv_bytes(struct mscope_model_info *out, const struct gguf *gguf);
static void fill_tensors(struct mscope_model_info *out, const struct gguf *gguf);
static void add_active(struct mscope_model_info *out, const struct gguf_tensor *tensor,
                       enum mscope_class cls);
static void count_type(struct mscope_model_info *out, const struct gguf_tensor *tensor);
static int compare_types(const void *a, const void *b);
static enum mscope_status fill_strings(struct mscope_model_info *out, const struct gguf *gguf,
                                       struct arena *arena, struct mscope_error *err);
static const char *string_or_empty(const struct gguf *gguf, const char *key, struct arena *arena,
                                   struct mscope_error *err);

enum mscope_status model_info_fill(struct mscope_model_info *out, const struct gguf *gguf,
                                   struct arena *arena, struct mscope_error *err)
{
    *out = (struct mscope_model_info){0};
    enum mscope_status status = fill_strings(out, gguf, arena, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    out->file_bytes = gguf_file_bytes(gguf);
    out->n_parts = gguf_n_parts(gguf);
    out->has_chat_template = gguf_find(gguf, "tokenizer.chat_template") != NULL;
    status = gguf_get_bool_or(gguf, "moescope.synthetic", &out->is_synthetic, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    fill_shape(out, gguf);
    fill_kv_bytes(out, gguf);
    fill_tensors(out, gguf);
    return MSCOPE_OK;
}

static void fill_shape(struct mscope_model_info *out, const struct gguf *gguf)
{
    out->n_embd = hint_u32(gguf, "embedding_length");
    out->n_layer = hint_u32(gguf, "block_count");
    out->n_ctx_train = hint_u32(gguf, "context_length");
    out->n_head = hint_u32(gguf, "attention.head_count");
    out->n_head_kv = hint_u32(gguf, "attention.head_count_kv");
    out->n_head_kv = out->n_head_kv == 0 ? out->n_head : out->n_head_kv;
    out->head_dim = hint_u32(gguf, "attention.key_length");
    if (out->head_dim == 0 && out->n_head > 0) {
        out->head_dim = out->n_embd / out->n_head;
    }
    out->n_ff = hint_u32(gguf, "feed_forward_length");
    out->n_expert = hint_u32(gguf, "expert_count");
    if (out->n_expert > 0) {
        out->n_expert_used = hint_u32(gguf, "expert_used_count");
        out->n_expert_shared = hint_u32(gguf, "expert_shared_count");
        out->n_ff_expert = hint_u32(gguf, "expert_feed_forward_length");
        out->n_ff_expert = out->n_ff_expert == 0 ? out->n_ff : out->n_ff_expert;
    }
    const struct gguf_tensor *embedding = gguf_find_tensor(gguf, "token_embd.weight");
    const struct gguf_kv *tokens = gguf_find(gguf, "tokenizer.ggml.tokens");
    uint64_t n_vocab = hint_u32(gguf, "vocab_size");
    if (embedding != NULL) {
        n_vocab = embedding->ne[1];
    } else if (tokens != NULL && tokens->type == GGUF_ARRAY) {
        n_vocab = tokens->array.n;
    }
    out->n_vocab = n_vocab > UINT32_MAX ? UINT32_MAX : (uint32_t)n_vocab;
    out->tied_output = embedding != NULL && gguf_find_tensor(gguf, "output.weight") == NULL &&
                       hint_is_causal(gguf);
}

/* Keys and values of all layers; for compressed attention the latent and the rope part instead. */
static void fill_kv_bytes(struct mscope_model_info *out, const struct gguf *gguf)
{
    enum { F16_BYTES = 2 };
    uint32_t latent = hint_u32(gguf, "attention.kv_lora_rank");
    if (latent > 0) {
        uint64_t n_values = (uint64_t)latent + hint_u32(gguf, "rope.dimension_count");
        out->kv_bytes_per_token_f16 = n_values * out->n_layer * F16_BYTES;
        return;
    }
    uint32_t head_dim_v = hint_u32(gguf, "attention.value_length");
    uint64_t width = (uint64_t)out->head_dim + (head_dim_v == 0 ? out->head_dim : head_dim_v);
    uint64_t n_heads = hint_sum(gguf, "attention.head_count_kv", out->n_layer);
    n_heads = n_heads == 0 ? hint_sum(gguf, "attention.head_count", out->n_layer) : n_heads;
    out->kv_bytes_per_token_f16 = n_heads * width * F16_BYTES;
}

static void fill_tensors(struct mscope_model_info *out, const struct gguf *gguf)
{
    bool has_dense_ffn = false;
    uint64_t n_expert_params = 0;
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(gguf, i);
        enum mscope_class cls = model_tensor_class(tensor->name);
        out->n_params += tensor->n_elems;
        out->class_bytes[cls] += tensor->n_bytes;
        n_expert_params += cls == MSCOPE_CLASS_EXPERTS ? tensor->n_elems : 0;
        has_dense_ffn = has_dense_ffn || cls == MSCOPE_CLASS_FFN;
        add_active(out, tensor, cls);
        count_type(out, tensor);
    }
    if (out->n_expert > 0 && out->n_expert_used <= out->n_expert) {
        uint64_t n_active = n_expert_params / out->n_expert * out->n_expert_used;
        uint64_t *expert_bytes = &out->class_bytes_token[MSCOPE_CLASS_EXPERTS];
        out->n_params_active -= n_expert_params - n_active;
        *expert_bytes = *expert_bytes / out->n_expert * out->n_expert_used;
    }
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        out->bytes_per_token += out->class_bytes_token[i];
    }
    if (out->n_expert > 0 && !has_dense_ffn) {
        out->n_ff = 0;
    }
    qsort(out->types, out->n_types, sizeof out->types[0], compare_types);
}

/*
 * What one decoded token uses: one row of an embedding, all of the rest (the share of the experts
 * is taken at the end). A tied embedding is read whole once more as the output, and counted there.
 */
static void add_active(struct mscope_model_info *out, const struct gguf_tensor *tensor,
                       enum mscope_class cls)
{
    uint64_t n_elems = tensor->n_elems, n_bytes = tensor->n_bytes;
    if (strncmp(tensor->name, "rope_", 5) == 0) {
        return; /* factors of the angles are read when the model is opened */
    }
    if (cls == MSCOPE_CLASS_EMBEDDING && tensor->ne[1] > 1) {
        bool is_output = out->tied_output && strcmp(tensor->name, "token_embd.weight") == 0;
        out->class_bytes_token[MSCOPE_CLASS_OUTPUT] += is_output ? n_bytes : 0;
        n_elems = is_output ? n_elems : tensor->ne[0]; /* the row is one of the output's */
        n_bytes /= tensor->ne[1];
    }
    out->n_params_active += n_elems;
    out->class_bytes_token[cls] += n_bytes;
}

static void count_type(struct mscope_model_info *out, const struct gguf_tensor *tensor)
{
    const char *name = dtype_name((uint32_t)tensor->type);
    uint32_t i = 0;
    while (i < out->n_types && strcmp(out->types[i].name, name) != 0) {
        i++;
    }
    if (i == sizeof out->types / sizeof out->types[0]) {
        return; /* there are fewer types than places */
    }
    out->n_types = i == out->n_types ? i + 1 : out->n_types;
    out->types[i].name = name;
    out->types[i].n_tensors++;
    out->types[i].n_params += tensor->n_elems;
    out->types[i].n_bytes += tensor->n_bytes;
}

static int compare_types(const void *a, const void *b)
{
    const struct mscope_type_count *x = a, *y = b;
    return x->n_bytes != y->n_bytes ? (x->n_bytes < y->n_bytes ? 1 : -1) : strcmp(x->name, y->name);
}

static enum mscope_status fill_strings(struct mscope_model_info *out, const struct gguf *gguf,
                                       struct arena *arena, struct mscope_error *err)
{
    struct gguf_string arch;
    enum mscope_status status = gguf_get_string(gguf, "general.architecture", &arch, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    out->architecture = string_or_empty(gguf, "general.architecture", arena, err);
    out->name = string_or_empty(gguf, "general.name", arena, err);
    out->tokenizer_model = string_or_empty(gguf, "tokenizer.ggml.model", arena, err);
    out->tokenizer_pre = string_or_empty(gguf, "tokenizer.ggml.pre", arena, err);
    uint32_t file_type = UINT32_MAX;
    const char *name = NULL;
    if (gguf_get_u32(gguf, "general.file_type", &file_type, NULL) == MSCOPE_OK) {
        name = hint_file_type_name(file_type);
    }
    out->file_type = name == NULL ? "" : name;
    bool complete = out->architecture != NULL && out->name != NULL &&
                    out->tokenizer_model != NULL && out->tokenizer_pre != NULL;
    return complete ? MSCOPE_OK : MSCOPE_ERR_MEMORY;
}

static const char *string_or_empty(const struct gguf *gguf, const char *key, struct arena *arena,
                                   struct mscope_error *err)
{
    const struct gguf_kv *kv = gguf_find(gguf, key);
    if (kv == NULL || kv->type != GGUF_STRING) {
        return "";
    }
    return arena_string(arena, kv->text.data, kv->text.n_bytes, err);
}
