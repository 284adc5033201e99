/* SPDX-License-Identifier: MIT */
/*
 * The vocabulary of a file: texts (in the mapping), kinds, scores, the ids with a role, and the
 * rules the keys declare. Knows nothing of how text is cut. Immutable after open.
 *
 * Invariants: 1. texts of one or more bytes are unique; 2. every id with a role is -1 or below
 * n_tokens;
 * 3. a token of kind TOKEN_BYTE has a text of the form <0xNN>.
 */
#ifndef TOKEN_VOCAB_H
#define TOKEN_VOCAB_H

#include "base/arena.h"
#include "gguf/gguf.h"
#include "token/text_table.h"

enum vocab_model { VOCAB_NONE, VOCAB_BPE, VOCAB_SPM };

enum token_kind { /* bits; a control-looking text may be both normal and control */
                  TOKEN_NORMAL = 1,
                  TOKEN_UNKNOWN = 2,
                  TOKEN_CONTROL = 4,
                  TOKEN_USER = 8,
                  TOKEN_UNUSED = 16,
                  TOKEN_BYTE = 32,
                  TOKEN_EATS_SPACE = 64, /* white space after it in the text is dropped */
                  TOKEN_END = 128,       /* generation stops */
};

struct vocab {
    enum vocab_model model;
    uint32_t n_tokens;
    const struct gguf_string *texts; /* (n_tokens) */
    uint8_t *kinds;                  /* (n_tokens), enum token_kind */
    struct gguf_array scores;        /* (n_tokens) f32 in the mapping; n is 0 without */
    struct text_table by_text;
    size_t max_text_bytes;
    int32_t bos, eos, unknown; /* -1: none */
    bool add_bos, add_eos, add_space_prefix;
    struct gguf_string pre; /* as declared; "default" when absent or empty */
};

/*
 * Which tokenizer the file declares. VOCAB_NONE for model "no_vocab" or "none" and for files
 * without tokenizer keys; an error for models we do not know.
 */
enum mscope_status vocab_declared_model(enum vocab_model *out, const struct gguf *gguf,
                                        struct mscope_error *err);

/* Reads tokens, kinds, scores and declared rules; arrays come from `arena`. vocab_close also after
 * failure. */
enum mscope_status vocab_open(struct vocab *vocab, enum vocab_model model, const struct gguf *gguf,
                              struct arena *arena, struct mscope_error *err);
void vocab_close(struct vocab *vocab);

/* Id of the token with exactly this text, or TEXT_NONE. */
static inline uint32_t vocab_find(const struct vocab *vocab, const char *text, size_t n_bytes)
{
    if (n_bytes > vocab->max_text_bytes) {
        return TEXT_NONE;
    }
    return text_table_find(&vocab->by_text, vocab->texts, text, n_bytes);
}

/* Roles that texts imply: end of turn, fill-in-the-middle, phi-3's white space (vocab_roles.c). */
enum mscope_status vocab_assign_roles(struct vocab *vocab, const struct gguf *gguf,
                                      struct mscope_error *err);

/*
 * The value of an optional id key: *out is kept when the key is absent, -1 for 0xFFFFFFFF; an id
 * outside the vocabulary is an error that names the key.
 */
enum mscope_status vocab_id_key(int32_t *out, const struct vocab *vocab, const struct gguf *gguf,
                                const char *key, struct mscope_error *err);

#endif
