/* SPDX-License-Identifier: MIT */
/*
 * The common part of reading a configuration: sizes, heads, rope, experts. Ranges are bounded so
 * that products of two sizes fit 64 bits and forward/ may count in int; the shapes of the tensors
 * then confirm every number.
 */
#include "model/arch.h"

#include "base/strbuf.h"

#include <math.h>

enum { MAX_WIDTH = 1 << 24, MAX_HEADS = 1 << 16, MAX_EXPERTS = 1 << 16 };

static enum mscope_status unknown_architecture(struct gguf_string name, struct mscope_error *err);
static void read_sizes(struct model_config *config, struct config_reader *reader);
static void read_vocabulary(struct model_config *config, struct config_reader *reader);
static void read_heads(struct model_config *config, struct config_reader *reader);
static void read_rope(struct rope_config *rope, struct config_reader *reader, uint32_t head_dim,
                      uint32_t n_ctx_train);
static void read_rope_scaling(struct rope_config *rope, struct config_reader *reader);
static void read_yarn(struct rope_config *rope, struct config_reader *reader);
static void read_experts(struct model_config *config, struct config_reader *reader,
                         const struct arch *arch);
static void read_gating(struct model_config *config, struct config_reader *reader);
static void refuse_foreign_keys(struct config_reader *reader);

enum mscope_status model_config_read(struct model_config *out, const struct gguf *gguf,
                                     struct mscope_error *err)
{
    struct gguf_string name;
    enum mscope_status status = gguf_get_string(gguf, "general.architecture", &name, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    const struct arch *arch = arch_find(name);
    if (arch == NULL) {
        return unknown_architecture(name, err);
    }
    struct config_reader reader = {.gguf = gguf, .arch = arch->name, .err = err};
    *out = (struct model_config){.arch = arch->name,
                                 .rope = {.style = arch->rope_style},
                                 .embedding_scale = 1.0f,
                                 .qk_norm_full = (arch->tensors & ARCH_QK_NORM_FULL) != 0,
                                 .expert_renorm = arch->expert_renorm,
                                 .expert_scale = 1.0f};
    read_sizes(out, &reader);
    read_heads(out, &reader);
    read_rope(&out->rope, &reader, out->head_dim_k, out->n_ctx_train);
    read_experts(out, &reader, arch);
    if (reader.status == MSCOPE_OK && arch->read_config != NULL) {
        arch->read_config(out, &reader);
    }
    refuse_foreign_keys(&reader);
    read_vocabulary(out, &reader);
    return reader.status;
}

static enum mscope_status unknown_architecture(struct gguf_string name, struct mscope_error *err)
{
    struct strbuf list = {0};
    for (const char *const *known = model_known_archs(); *known != NULL; known++) {
        strbuf_printf(&list, "%s%s", list.n_bytes == 0 ? "" : ", ", *known);
    }
    enum mscope_status status =
        error_set(err, MSCOPE_ERR_UNSUPPORTED, "architecture", "not supported, expected one of %s",
                  list.failed ? "those of docs/MODELS.md" : list.data);
    error_set_object(err, "architecture %.*s", (int)(name.n_bytes < 64 ? name.n_bytes : 64),
                     name.data);
    strbuf_free(&list);
    return status;
}

static void read_sizes(struct model_config *config, struct config_reader *reader)
{
    config_read_u32(reader, &config->n_layer, "block_count", true, 1, INT32_MAX);
    uint64_t n_tensors = gguf_n_tensors(reader->gguf);
    if (reader->status == MSCOPE_OK && config->n_layer > n_tensors) {
        config_fail(reader, MSCOPE_ERR_FORMAT, "block_count",
                    "%u layers, but the file has only %llu tensors", (unsigned)config->n_layer,
                    (unsigned long long)n_tensors);
    }
    reader->n_layer = config->n_layer;
    config_read_u32(reader, &config->n_embd, "embedding_length", true, 1, MAX_WIDTH);
    config_read_u32(reader, &config->n_ctx_train, "context_length", true, 1, INT32_MAX);
    config_read_u32_per_layer(reader, &config->n_ff, "feed_forward_length", true, 1, MAX_WIDTH);
    config_read_f32(reader, &config->norm_eps, "attention.layer_norm_rms_epsilon", true, 0.0f,
                    1.0f);
}

/* The embedding matrix, the token list and vocab_size must tell the same number. */
static void read_vocabulary(struct model_config *config, struct config_reader *reader)
{
    if (reader->status != MSCOPE_OK) {
        return;
    }
    const struct gguf_tensor *embedding = gguf_find_tensor(reader->gguf, "token_embd.weight");
    if (embedding == NULL) {
        reader->status =
            error_set(reader->err, MSCOPE_ERR_FORMAT, "tensor token_embd.weight",
                      "absent, expected the embedding of %u columns", (unsigned)config->n_embd);
        return;
    }
    uint64_t n_rows = embedding->ne[1];
    if (n_rows > INT32_MAX) {
        reader->status =
            error_set(reader->err, MSCOPE_ERR_FORMAT, "tensor token_embd.weight",
                      "%llu rows, expected at most %d", (unsigned long long)n_rows, INT32_MAX);
        return;
    }
    config->n_vocab = (uint32_t)n_rows;
    const struct gguf_kv *tokens = gguf_find(reader->gguf, "tokenizer.ggml.tokens");
    if (tokens != NULL && tokens->type == GGUF_ARRAY && tokens->array.n != n_rows) {
        reader->status = error_set(reader->err, MSCOPE_ERR_FORMAT, "tensor token_embd.weight",
                                   "%llu rows, expected %llu, the length of tokenizer.ggml.tokens",
                                   (unsigned long long)n_rows, (unsigned long long)tokens->array.n);
        return;
    }
    uint32_t n_vocab = config->n_vocab;
    config_read_u32(reader, &n_vocab, "vocab_size", false, 1, INT32_MAX);
    if (reader->status == MSCOPE_OK && n_vocab != config->n_vocab) {
        reader->status = error_set(reader->err, MSCOPE_ERR_FORMAT, "tensor token_embd.weight",
                                   "%u rows, expected %u, the value of %s.vocab_size",
                                   (unsigned)config->n_vocab, (unsigned)n_vocab, reader->arch);
    }
}

static void read_heads(struct model_config *config, struct config_reader *reader)
{
    config_read_u32_per_layer(reader, &config->n_head, "attention.head_count", true, 1, MAX_HEADS);
    config->n_head_kv = config->n_head;
    config_read_u32_per_layer(reader, &config->n_head_kv, "attention.head_count_kv", false, 1,
                              MAX_HEADS);
    config_read_u32(reader, &config->head_dim_k, "attention.key_length", false, 1, MAX_WIDTH);
    config_read_u32(reader, &config->head_dim_v, "attention.value_length", false, 1, MAX_WIDTH);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (config->n_head % config->n_head_kv != 0) {
        config_fail(reader, MSCOPE_ERR_FORMAT, "attention.head_count_kv",
                    "%u, expected a divisor of the %u heads", (unsigned)config->n_head_kv,
                    (unsigned)config->n_head);
        return;
    }
    if (config->head_dim_k == 0 || config->head_dim_v == 0) {
        if (config->n_embd % config->n_head != 0) {
            config_fail(
                reader, MSCOPE_ERR_FORMAT, "attention.head_count",
                "%u heads, expected a divisor of embedding_length %u (no key_length is given)",
                (unsigned)config->n_head, (unsigned)config->n_embd);
            return;
        }
        uint32_t head_dim = config->n_embd / config->n_head;
        config->head_dim_k = config->head_dim_k == 0 ? head_dim : config->head_dim_k;
        config->head_dim_v = config->head_dim_v == 0 ? head_dim : config->head_dim_v;
    }
    config->attn_scale = 1.0f / sqrtf((float)config->head_dim_k);
}

static void read_rope(struct rope_config *rope, struct config_reader *reader, uint32_t head_dim,
                      uint32_t n_ctx_train)
{
    rope->n_rot = head_dim;
    rope->freq_base = 10000.0f;
    rope->n_ctx_orig = n_ctx_train;
    config_read_u32(reader, &rope->n_rot, "rope.dimension_count", false, 2, MAX_WIDTH);
    config_read_f32(reader, &rope->freq_base, "rope.freq_base", false, 1e-6f, 1e30f);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (rope->n_rot % 2 != 0 || rope->n_rot > head_dim) {
        config_fail(reader, MSCOPE_ERR_FORMAT, "rope.dimension_count",
                    "%u, expected an even number up to the head size %u", (unsigned)rope->n_rot,
                    (unsigned)head_dim);
        return;
    }
    read_rope_scaling(rope, reader);
}

static void read_rope_scaling(struct rope_config *rope, struct config_reader *reader)
{
    char key[ARCH_KEY_BYTES];
    struct gguf_string type = {"linear", 6};
    reader->status = gguf_get_string_or(
        reader->gguf, arch_key(key, reader->arch, "rope.scaling.type"), &type, reader->err);
    float factor = 0.0f; /* 0 in a file means no scaling */
    config_read_f32(reader, &factor, "rope.scale_linear", false, 0.0f, 1e9f);
    config_read_f32(reader, &factor, "rope.scaling.factor", false, 0.0f, 1e9f);
    rope->attn_factor = 1.0f;
    config_read_f32(reader, &rope->attn_factor, "rope.scaling.attn_factor", false, 0.0f, 1e6f);
    config_read_u32(reader, &rope->n_ctx_orig, "rope.scaling.original_context_length", false, 1,
                    INT32_MAX);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    rope->factor = factor == 0.0f ? 1.0f : factor;
    rope->scaling = rope->factor == 1.0f ? ROPE_SCALING_NONE : ROPE_SCALING_LINEAR;
    if (gguf_string_equals(type, "none")) {
        rope->scaling = ROPE_SCALING_NONE;
        rope->factor = 1.0f;
    } else if (gguf_string_equals(type, "yarn")) {
        read_yarn(rope, reader);
    } else if (!gguf_string_equals(type, "linear")) {
        config_fail(reader, MSCOPE_ERR_UNSUPPORTED, "rope.scaling.type",
                    "%.*s, expected none, linear or yarn",
                    (int)(type.n_bytes < 64 ? type.n_bytes : 64), type.data);
    }
}

/* The magnitude correction of YaRN, 1 + 0.1 ln(factor), is folded into attn_factor. */
static void read_yarn(struct rope_config *rope, struct config_reader *reader)
{
    rope->scaling = ROPE_SCALING_YARN;
    rope->yarn_ext_factor = -1.0f;
    rope->yarn_beta_fast = 32.0f;
    rope->yarn_beta_slow = 1.0f;
    config_read_f32(reader, &rope->yarn_ext_factor, "rope.scaling.yarn_ext_factor", false, -1.0f,
                    1.0f);
    config_read_f32(reader, &rope->yarn_beta_fast, "rope.scaling.yarn_beta_fast", false, 1e-3f,
                    1e6f);
    config_read_f32(reader, &rope->yarn_beta_slow, "rope.scaling.yarn_beta_slow", false, 1e-3f,
                    1e6f);
    if (rope->yarn_ext_factor < 0.0f) {
        rope->yarn_ext_factor = 1.0f;
    }
    if (rope->factor > 1.0f && rope->yarn_ext_factor != 0.0f) {
        rope->attn_factor *= 1.0f + 0.1f * logf(rope->factor);
    }
}

static void read_experts(struct model_config *config, struct config_reader *reader,
                         const struct arch *arch)
{
    config_read_u32(reader, &config->n_expert, "expert_count", arch->experts == ARCH_MOE, 0,
                    MAX_EXPERTS);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (arch->experts == ARCH_DENSE && config->n_expert != 0) {
        config_fail(reader, MSCOPE_ERR_UNSUPPORTED, "expert_count",
                    "%u, expected 0: the family %s is dense", (unsigned)config->n_expert,
                    arch->name);
        return;
    }
    if (arch->experts == ARCH_MOE && config->n_expert == 0) {
        config_fail(reader, MSCOPE_ERR_FORMAT, "expert_count",
                    "0 experts, expected at least 1 in the family %s", arch->name);
        return;
    }
    if (config->n_expert == 0) {
        uint32_t n_used = 0;
        config_read_u32(reader, &n_used, "expert_used_count", false, 0, 0);
        return;
    }
    config_read_u32(reader, &config->n_expert_used, "expert_used_count", true, 0, UINT32_MAX);
    if (reader->status == MSCOPE_OK &&
        (config->n_expert_used == 0 || config->n_expert_used > config->n_expert)) {
        config_fail(reader, MSCOPE_ERR_FORMAT, "expert_used_count",
                    "%u experts, expected 1 .. %u (%s.expert_count)",
                    (unsigned)config->n_expert_used, (unsigned)config->n_expert, arch->name);
        return;
    }
    config->n_ff_expert = config->n_ff;
    config->n_ff = 0;
    config_read_u32(reader, &config->n_ff_expert, "expert_feed_forward_length", false, 1,
                    MAX_WIDTH);
    read_gating(config, reader);
}

static void read_gating(struct model_config *config, struct config_reader *reader)
{
    uint32_t gating = GATING_SOFTMAX;
    config_read_u32(reader, &gating, "expert_gating_func", false, 0, UINT32_MAX);
    config_read_f32(reader, &config->expert_scale, "expert_weights_scale", false, 0.0f, 1e6f);
    if (reader->status != MSCOPE_OK) {
        return;
    }
    if (gating > GATING_SOFTMAX_SELECTED) {
        config_fail(reader, MSCOPE_ERR_UNSUPPORTED, "expert_gating_func",
                    "%u, expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the selected)",
                    (unsigned)gating);
        return;
    }
    config->gating = gating == 0 ? GATING_SOFTMAX : (enum expert_gating)gating;
    config->expert_scale = config->expert_scale == 0.0f ? 1.0f : config->expert_scale;
    char key[ARCH_KEY_BYTES];
    reader->status =
        gguf_get_bool_or(reader->gguf, arch_key(key, reader->arch, "expert_weights_norm"),
                         &config->expert_renorm, reader->err);
}

/* Keys that change the computation in families we do not have: a neutral value is accepted, another
 * refused. */
static void refuse_foreign_keys(struct config_reader *reader)
{
    static const struct {
        const char *suffix;
        float neutral;
    } keys[] = {
        {"residual_scale", 1.0f},
        {"embedding_scale", 1.0f},
        {"logit_scale", 1.0f},
        {"attention.scale", 0.0f},
        {"rope.scaling.yarn_attn_factor", 1.0f},
        {"rope.scaling.yarn_log_multiplier", 0.0f},
        {"expert_shared_count", 0.0f},
        {"expert_group_count", 1.0f},
        {"leading_dense_block_count", 0.0f},
        {"nextn_predict_layers", 0.0f},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && reader->status == MSCOPE_OK; i++) {
        char key[ARCH_KEY_BYTES];
        const struct gguf_kv *kv =
            gguf_find(reader->gguf, arch_key(key, reader->arch, keys[i].suffix));
        float value = keys[i].neutral;
        if (kv != NULL && (kv->type == GGUF_F32 || kv->type == GGUF_F64)) {
            config_read_f32(reader, &value, keys[i].suffix, false, -1e30f, 1e30f);
        } else if (kv != NULL) {
            uint32_t integer = 0;
            config_read_u32(reader, &integer, keys[i].suffix, false, 0, UINT32_MAX);
            value = (float)integer;
        }
        if (reader->status == MSCOPE_OK && value != 0.0f && value != keys[i].neutral) {
            config_fail(reader, MSCOPE_ERR_UNSUPPORTED, keys[i].suffix,
                        "%g, not supported in the family %s", (double)value, reader->arch);
        }
    }
}
