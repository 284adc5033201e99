/* SPDX-License-Identifier: MIT */
/* Reads the tokenizer.ggml.* keys into a vocabulary and checks them. */
#include "token/vocab.h"

#include "token/special.h"

#include <inttypes.h>
#include <stdio.h>

static enum mscope_status read_texts(struct vocab *vocab, const struct gguf *gguf,
                                     struct arena *arena, struct mscope_error *err);
static enum mscope_status read_kinds(struct vocab *vocab, const struct gguf *gguf,
                                     struct arena *arena, struct mscope_error *err);
static enum mscope_status read_scores(struct vocab *vocab, const struct gguf *gguf,
                                      struct mscope_error *err);
static enum mscope_status read_rules(struct vocab *vocab, const struct gguf *gguf,
                                     struct mscope_error *err);
static enum mscope_status check_kind(const struct vocab *vocab, uint32_t id, int32_t declared,
                                     struct mscope_error *err);

enum mscope_status vocab_declared_model(enum vocab_model *out, const struct gguf *gguf,
                                        struct mscope_error *err)
{
    static const char key[] = "tokenizer.ggml.model";
    *out = VOCAB_NONE;
    if (gguf_find(gguf, key) == NULL) {
        if (gguf_find(gguf, "tokenizer.ggml.tokens") != NULL) {
            return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.model",
                             "absent although the file has tokens, expected gpt2 or llama");
        }
        return MSCOPE_OK;
    }
    struct gguf_string model;
    enum mscope_status status = gguf_get_string(gguf, key, &model, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (gguf_string_equals(model, "gpt2")) {
        *out = VOCAB_BPE;
    } else if (gguf_string_equals(model, "llama")) {
        *out = VOCAB_SPM;
    } else if (!gguf_string_equals(model, "no_vocab") && !gguf_string_equals(model, "none")) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "key tokenizer.ggml.model",
                         "tokenizer model '%.*s', expected gpt2, llama or no_vocab",
                         (int)(model.n_bytes < 64 ? model.n_bytes : 64), model.data);
    }
    return MSCOPE_OK;
}

enum mscope_status vocab_open(struct vocab *vocab, enum vocab_model model, const struct gguf *gguf,
                              struct arena *arena, struct mscope_error *err)
{
    *vocab = (struct vocab){.model = model, .bos = -1, .eos = -1, .unknown = -1};
    enum mscope_status status = read_texts(vocab, gguf, arena, err);
    if (status == MSCOPE_OK) {
        status = read_kinds(vocab, gguf, arena, err);
    }
    if (status == MSCOPE_OK) {
        status = read_scores(vocab, gguf, err);
    }
    if (status == MSCOPE_OK) {
        status = read_rules(vocab, gguf, err);
    }
    if (status == MSCOPE_OK) {
        status = vocab_assign_roles(vocab, gguf, err);
    }
    return status;
}

void vocab_close(struct vocab *vocab)
{
    text_table_free(&vocab->by_text);
}

enum mscope_status vocab_id_key(int32_t *out, const struct vocab *vocab, const struct gguf *gguf,
                                const char *key, struct mscope_error *err)
{
    uint32_t id = 0;
    if (gguf_find(gguf, key) == NULL) {
        return MSCOPE_OK;
    }
    enum mscope_status status = gguf_get_u32(gguf, key, &id, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (id == UINT32_MAX) { /* how some writers say "none" */
        *out = -1;
        return MSCOPE_OK;
    }
    if (id >= vocab->n_tokens) {
        error_set(err, MSCOPE_ERR_FORMAT, key, "token %" PRIu32 ", expected less than %" PRIu32, id,
                  vocab->n_tokens);
        error_set_object(err, "key %s", key);
        return MSCOPE_ERR_FORMAT;
    }
    *out = (int32_t)id;
    return MSCOPE_OK;
}

static enum mscope_status read_texts(struct vocab *vocab, const struct gguf *gguf,
                                     struct arena *arena, struct mscope_error *err)
{
    struct gguf_array array;
    enum mscope_status status =
        gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &array, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (array.n == 0 || array.n > INT32_MAX / 2) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens",
                         "%" PRIu64 " tokens, expected 1 to %d", array.n, INT32_MAX / 2);
    }
    vocab->n_tokens = (uint32_t)array.n;
    struct gguf_string *texts = arena_take(arena, vocab->n_tokens, sizeof *texts, err);
    if (texts == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    vocab->texts = texts;
    if (!text_table_reserve(&vocab->by_text, texts, vocab->n_tokens)) {
        return error_set_memory(err, "vocabulary", (uint64_t)vocab->n_tokens * sizeof *texts);
    }
    const void *cursor = array.data;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        if (!gguf_array_next_string(&array, &cursor, &texts[id])) {
            return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens",
                             "ends after %" PRIu32 " of %" PRIu32 " tokens", id, vocab->n_tokens);
        }
        if (texts[id].n_bytes == 0) { /* can never be matched */
            continue;
        }
        uint32_t existing;
        if (!text_table_insert(&vocab->by_text, texts, id, &existing)) {
            return error_set_memory(err, "vocabulary", (uint64_t)vocab->n_tokens * sizeof *texts);
        }
        if (existing != TEXT_NONE) {
            return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.tokens",
                             "tokens %" PRIu32 " and %" PRIu32
                             " have the same text '%.*s', expected unique texts",
                             existing, id, (int)(texts[id].n_bytes < 64 ? texts[id].n_bytes : 64),
                             texts[id].data);
        }
        if (texts[id].n_bytes > vocab->max_text_bytes) {
            vocab->max_text_bytes = texts[id].n_bytes;
        }
    }
    return MSCOPE_OK;
}

/* Without the key every token is normal. */
static enum mscope_status read_kinds(struct vocab *vocab, const struct gguf *gguf,
                                     struct arena *arena, struct mscope_error *err)
{
    static const uint8_t kind_of_type[] = {
        TOKEN_UNUSED, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL,
        TOKEN_USER,   TOKEN_UNUSED, TOKEN_BYTE,
    };
    static const char key[] = "tokenizer.ggml.token_type";
    vocab->kinds = arena_take(arena, vocab->n_tokens, 1, err);
    if (vocab->kinds == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    const struct gguf_kv *kv = gguf_find(gguf, key);
    if (kv == NULL) {
        memset(vocab->kinds, TOKEN_NORMAL, vocab->n_tokens);
        return MSCOPE_OK;
    }
    struct gguf_array types;
    enum gguf_type type = GGUF_I32;
    if (kv->type == GGUF_ARRAY && kv->array.type == GGUF_U32) {
        type = GGUF_U32;
    }
    enum mscope_status status = gguf_get_array(gguf, key, type, &types, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (types.n != vocab->n_tokens) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.token_type",
                         "%" PRIu64 " types, expected one for each of %" PRIu32 " tokens", types.n,
                         vocab->n_tokens);
    }
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        int32_t declared = gguf_array_i32(&types, id);
        status = check_kind(vocab, id, declared, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        vocab->kinds[id] = kind_of_type[declared];
    }
    return MSCOPE_OK;
}

static enum mscope_status check_kind(const struct vocab *vocab, uint32_t id, int32_t declared,
                                     struct mscope_error *err)
{
    enum { TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_BYTE = 6 };
    const struct gguf_string *text = &vocab->texts[id];
    char object[32];
    snprintf(object, sizeof object, "token %" PRIu32, id);
    if (declared < 0 || declared > TYPE_BYTE) {
        return error_set(err, MSCOPE_ERR_FORMAT, object, "token type %" PRId32 ", expected 0 to 6",
                         declared);
    }
    if (declared == TYPE_BYTE) {
        uint32_t value;
        char form[8] = {0};
        if (text->n_bytes == 6) {
            memcpy(form, text->data, 6);
        }
        char last;
        if (sscanf(form, "<0x%2" SCNx32 "%c", &value, &last) != 2 || last != '>') {
            return error_set(err, MSCOPE_ERR_FORMAT, object,
                             "text '%.*s' of a byte token, expected the form <0xNN>",
                             (int)(text->n_bytes < 64 ? text->n_bytes : 64), text->data);
        }
    }
    if ((declared == TYPE_CONTROL || declared == TYPE_USER) && text->n_bytes > SPECIAL_MAX_BYTES) {
        return error_set(err, MSCOPE_ERR_FORMAT, object,
                         "control or user-defined token of %zu bytes, expected at most %d",
                         text->n_bytes, SPECIAL_MAX_BYTES);
    }
    return MSCOPE_OK;
}

/* SPM cannot work without scores; BPE does not use them. */
static enum mscope_status read_scores(struct vocab *vocab, const struct gguf *gguf,
                                      struct mscope_error *err)
{
    if (vocab->model != VOCAB_SPM) {
        return MSCOPE_OK;
    }
    enum mscope_status status =
        gguf_get_array(gguf, "tokenizer.ggml.scores", GGUF_F32, &vocab->scores, err);
    if (status == MSCOPE_OK && vocab->scores.n != vocab->n_tokens) {
        status = error_set(err, MSCOPE_ERR_FORMAT, "key tokenizer.ggml.scores",
                           "%" PRIu64 " scores, expected one for each of %" PRIu32 " tokens",
                           vocab->scores.n, vocab->n_tokens);
    }
    return status;
}

static enum mscope_status read_rules(struct vocab *vocab, const struct gguf *gguf,
                                     struct mscope_error *err)
{
    static const char default_pre[] = "default";
    vocab->pre = (struct gguf_string){.data = default_pre, .n_bytes = sizeof default_pre - 1};
    if (vocab->model == VOCAB_SPM) {
        vocab->add_bos = true;
        vocab->add_space_prefix = true;
        vocab->unknown = 0;
        vocab->bos = vocab->n_tokens > 1 ? 1 : -1;
        vocab->eos = vocab->n_tokens > 2 ? 2 : -1;
    }
    enum mscope_status status = gguf_get_string_or(gguf, "tokenizer.ggml.pre", &vocab->pre, err);
    if (status == MSCOPE_OK && vocab->pre.n_bytes == 0) {
        vocab->pre = (struct gguf_string){.data = default_pre, .n_bytes = sizeof default_pre - 1};
    }
    struct {
        const char *key;
        int32_t *id;
    } const ids[] = {
        {"tokenizer.ggml.bos_token_id", &vocab->bos},
        {"tokenizer.ggml.eos_token_id", &vocab->eos},
        {"tokenizer.ggml.unknown_token_id", &vocab->unknown},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] && status == MSCOPE_OK; i++) {
        status = vocab_id_key(ids[i].id, vocab, gguf, ids[i].key, err);
    }
    if (status == MSCOPE_OK && vocab->model == VOCAB_SPM) {
        status = gguf_get_bool_or(gguf, "tokenizer.ggml.add_space_prefix", &vocab->add_space_prefix,
                                  err);
    }
    return status;
}
