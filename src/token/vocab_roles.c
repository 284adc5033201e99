/* SPDX-License-Identifier: MIT */
/*
 * Roles that many files leave to the text of a token: which tokens end a turn, which are control
 * tokens in spite of their declared type, and after which white space is dropped. The lists record
 * the behaviour of llama.cpp, which produced the reference token sequences.
 */
#include "token/vocab.h"

#include <ctype.h>

static enum mscope_status assign_middle_roles(struct vocab *vocab, const struct gguf *gguf,
                                              struct mscope_error *err);
static void assign_end_texts(struct vocab *vocab);
static void apply_harmony(struct vocab *vocab);
static enum mscope_status apply_phi3(struct vocab *vocab, const struct gguf *gguf,
                                     struct mscope_error *err);
static uint32_t find_literal(const struct vocab *vocab, const char *text);
static void add_kind(struct vocab *vocab, uint32_t id, unsigned kind);

enum mscope_status vocab_assign_roles(struct vocab *vocab, const struct gguf *gguf,
                                      struct mscope_error *err)
{
    int32_t eot = -1, eom = -1;
    enum mscope_status status = vocab_id_key(&eot, vocab, gguf, "tokenizer.ggml.eot_token_id", err);
    if (status == MSCOPE_OK) {
        status = vocab_id_key(&eom, vocab, gguf, "tokenizer.ggml.eom_token_id", err);
    }
    if (status == MSCOPE_OK) {
        status = assign_middle_roles(vocab, gguf, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    assign_end_texts(vocab);
    const int32_t declared[] = {vocab->eos, eot, eom};
    for (size_t i = 0; i < sizeof declared / sizeof declared[0]; i++) {
        if (declared[i] >= 0) {
            add_kind(vocab, (uint32_t)declared[i], TOKEN_END);
        }
    }
    apply_harmony(vocab);
    return apply_phi3(vocab, gguf, err);
}

/* Fill-in-the-middle tokens; those that pad or separate files also end a generation. */
static enum mscope_status assign_middle_roles(struct vocab *vocab, const struct gguf *gguf,
                                              struct mscope_error *err)
{
    enum { MAX_TEXTS = 8 };
    static const struct {
        const char *key, *old_key;
        bool ends;
        const char *texts[MAX_TEXTS];
    } roles[] = {
        {"tokenizer.ggml.fim_pre_token_id",
         "tokenizer.ggml.prefix_token_id",
         false,
         {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
          "<|code_prefix|>", "<|prefix|>"}},
        {"tokenizer.ggml.fim_suf_token_id",
         "tokenizer.ggml.suffix_token_id",
         false,
         {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
          "<|code_suffix|>", "<|suffix|>"}},
        {"tokenizer.ggml.fim_mid_token_id",
         "tokenizer.ggml.middle_token_id",
         false,
         {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
          "<|code_middle|>", "<|middle|>"}},
        {"tokenizer.ggml.fim_pad_token_id",
         NULL,
         true,
         {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
        {"tokenizer.ggml.fim_rep_token_id",
         NULL,
         true,
         {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
        {"tokenizer.ggml.fim_sep_token_id", NULL, true, {"<|file_sep|>"}},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        int32_t id = -1;
        enum mscope_status status = vocab_id_key(&id, vocab, gguf, roles[i].key, err);
        if (status == MSCOPE_OK && roles[i].old_key != NULL) {
            status = vocab_id_key(&id, vocab, gguf, roles[i].old_key, err);
        }
        if (status != MSCOPE_OK) {
            return status;
        }
        for (size_t k = 0; k < MAX_TEXTS && id < 0 && roles[i].texts[k] != NULL; k++) {
            uint32_t found = find_literal(vocab, roles[i].texts[k]);
            if (found != TEXT_NONE) {
                add_kind(vocab, found, TOKEN_CONTROL);
                id = (int32_t)found;
            }
        }
        if (id >= 0 && roles[i].ends) {
            add_kind(vocab, (uint32_t)id, TOKEN_END);
        }
    }
    return MSCOPE_OK;
}

static void assign_end_texts(struct vocab *vocab)
{
    static const char *const texts[] = {
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<turn|>",
        "<|tool_response>",
        "<｜end▁of▁sentence｜>",
        "[e~[",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint32_t id = find_literal(vocab, texts[i]);
        if (id != TEXT_NONE) {
            add_kind(vocab, id, TOKEN_CONTROL | TOKEN_END);
        }
    }
}

/*
 * gpt-oss (and solar-open) write messages between marks that must stay visible, and <|end|> only
 * closes a message there: it ends nothing when <|return|> and <|call|> exist.
 */
static void apply_harmony(struct vocab *vocab)
{
    static const char *const visible[] = {"<|channel|>", "<|message|>", "<|start|>",
                                          "<|constrain|>"};
    for (size_t i = 0; i < sizeof visible / sizeof visible[0]; i++) {
        uint32_t id = find_literal(vocab, visible[i]);
        if (id != TEXT_NONE) {
            vocab->kinds[id] = (uint8_t)(TOKEN_USER | (vocab->kinds[id] & TOKEN_END));
        }
    }
    uint32_t end = find_literal(vocab, "<|end|>");
    bool has_call = find_literal(vocab, "<|call|>") != TEXT_NONE;
    bool has_calls = find_literal(vocab, "<|calls|>") != TEXT_NONE;
    bool has_return = find_literal(vocab, "<|return|>") != TEXT_NONE;
    bool has_flush = find_literal(vocab, "<|flush|>") != TEXT_NONE;
    if (end != TEXT_NONE && (has_call || has_calls) && (has_return || has_flush)) {
        vocab->kinds[end] = TOKEN_USER;
    }
}

/* phi-3 files do not say it: the tokens of the chat format swallow the white space that follows. */
static enum mscope_status apply_phi3(struct vocab *vocab, const struct gguf *gguf,
                                     struct mscope_error *err)
{
    struct gguf_string name = {.data = "", .n_bytes = 0};
    enum mscope_status status = gguf_get_string_or(gguf, "general.name", &name, err);
    bool is_phi3 = false;
    for (size_t i = 0; status == MSCOPE_OK && i + 4 <= name.n_bytes && !is_phi3; i++) {
        char lower[5] = {0};
        size_t n = name.n_bytes - i < 5 ? name.n_bytes - i : 5;
        for (size_t k = 0; k < n; k++) {
            lower[k] = (char)tolower((unsigned char)name.data[i + k]);
        }
        is_phi3 = memcmp(lower, "phi3", 4) == 0 || (n == 5 && memcmp(lower, "phi-3", 5) == 0);
    }
    if (!is_phi3) {
        return status;
    }
    const unsigned matched = TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        if (vocab->kinds[id] & matched) {
            add_kind(vocab, id, TOKEN_EATS_SPACE);
        }
    }
    static const char *const exempt[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof exempt / sizeof exempt[0]; i++) {
        uint32_t id = find_literal(vocab, exempt[i]);
        if (id != TEXT_NONE) {
            vocab->kinds[id] = (uint8_t)(vocab->kinds[id] & ~(unsigned)TOKEN_EATS_SPACE);
        }
    }
    return MSCOPE_OK;
}

static uint32_t find_literal(const struct vocab *vocab, const char *text)
{
    return vocab_find(vocab, text, strlen(text));
}

static void add_kind(struct vocab *vocab, uint32_t id, unsigned kind)
{
    vocab->kinds[id] = (uint8_t)(vocab->kinds[id] | kind);
}
