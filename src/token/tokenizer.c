/* SPDX-License-Identifier: MIT */
/* Puts vocabulary, special tokens and the two algorithms together. */
#include "token/tokenizer.h"

#include "token/bpe.h"
#include "token/encode.h"
#include "token/piece.h"
#include "token/pretokenize.h"
#include "token/special.h"
#include "token/spm.h"
#include "token/utf8.h"
#include "token/vocab.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Symbols are numbered by 32-bit integers and a space grows to three bytes. */
static const size_t MAX_TEXT_BYTES = (size_t)1 << 29;

struct tokenizer {
    struct arena *arena;
    struct vocab vocab;
    struct special_set *specials;
    struct bpe bpe;
    struct pretokenizer *pretokenizer; /* BPE only */
    struct spm spm;
};

struct bpe_job {
    const struct bpe *bpe;
    struct encode *encode;
};

static enum mscope_status encode_fragments(const struct tokenizer *tokenizer, struct encode *encode,
                                           const struct fragment_list *fragments, char *prepared,
                                           struct mscope_error *err);
static enum mscope_status prepare_buffer(char **out, const struct tokenizer *tokenizer,
                                         const struct fragment_list *fragments,
                                         struct mscope_error *err);
static size_t spell_spm(char *out, const char *text, size_t n_bytes, bool prefix);
static size_t replace_bad(char *out, const char *text, size_t n_bytes);
static bool encode_bpe_piece(void *ctx, const char *piece, size_t n_bytes);
static enum mscope_status open_bpe(struct tokenizer *tokenizer, const struct gguf *gguf,
                                   struct mscope_error *err);
static enum mscope_status refuse_pre(struct gguf_string pre, struct mscope_error *err);
static enum mscope_status read_added_tokens(struct tokenizer *tokenizer, const struct gguf *gguf,
                                            struct mscope_error *err);

enum mscope_status tokenizer_open(struct tokenizer **out, const struct gguf *gguf,
                                  struct mscope_error *err)
{
    *out = NULL;
    enum vocab_model model;
    enum mscope_status status = vocab_declared_model(&model, gguf, err);
    if (status != MSCOPE_OK || model == VOCAB_NONE) {
        return status;
    }
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (tokenizer == NULL) {
        return error_set_memory(err, "tokenizer", sizeof *tokenizer);
    }
    status = arena_open(&tokenizer->arena, "tokenizer", err);
    if (status == MSCOPE_OK) {
        status = vocab_open(&tokenizer->vocab, model, gguf, tokenizer->arena, err);
    }
    if (status == MSCOPE_OK) {
        status = special_open(&tokenizer->specials, &tokenizer->vocab, tokenizer->arena, err);
    }
    if (status == MSCOPE_OK && model == VOCAB_BPE) {
        status = open_bpe(tokenizer, gguf, err);
    } else if (status == MSCOPE_OK) {
        spm_open(&tokenizer->spm, &tokenizer->vocab);
    }
    if (status == MSCOPE_OK) {
        status = read_added_tokens(tokenizer, gguf, err);
    }
    if (status != MSCOPE_OK) {
        tokenizer_close(&tokenizer);
        return status;
    }
    arena_seal(tokenizer->arena);
    *out = tokenizer;
    return MSCOPE_OK;
}

void tokenizer_close(struct tokenizer **tokenizer)
{
    if (*tokenizer == NULL) {
        return;
    }
    pretokenizer_close(&(*tokenizer)->pretokenizer);
    bpe_close(&(*tokenizer)->bpe);
    vocab_close(&(*tokenizer)->vocab);
    arena_close(&(*tokenizer)->arena);
    free(*tokenizer);
    *tokenizer = NULL;
}

static enum mscope_status open_bpe(struct tokenizer *tokenizer, const struct gguf *gguf,
                                   struct mscope_error *err)
{
    struct vocab *vocab = &tokenizer->vocab;
    const struct pretokenize_rule *rule = pretokenize_find(vocab->pre.data, vocab->pre.n_bytes);
    if (rule == NULL) {
        return refuse_pre(vocab->pre, err);
    }
    vocab->add_bos = rule->add_bos;
    enum mscope_status status = pretokenizer_open(&tokenizer->pretokenizer, rule, err);
    if (status == MSCOPE_OK) {
        status = bpe_open(&tokenizer->bpe, vocab, gguf, tokenizer->arena, err);
        tokenizer->bpe.ignore_merges = rule->ignore_merges;
    }
    return status;
}

/* Names one of each kind; the list of all is longer than an error line. */
static enum mscope_status refuse_pre(struct gguf_string pre, struct mscope_error *err)
{
    char known[400] = "";
    size_t n = 0;
    for (const char *const *name = pretokenize_names(); *name != NULL && n < sizeof known; name++) {
        if (strcmp(pretokenize_find(*name, strlen(*name))->names[0], *name) == 0) {
            int n_added = snprintf(known + n, sizeof known - n, " %s", *name);
            n += n_added > 0 ? (size_t)n_added : 0;
        }
    }
    return error_set(err, MSCOPE_ERR_UNSUPPORTED, "key tokenizer.ggml.pre",
                     "unknown pre-tokenizer '%.*s', expected one of%s or their relatives",
                     (int)(pre.n_bytes < 64 ? pre.n_bytes : 64), pre.data, known);
}

static enum mscope_status read_added_tokens(struct tokenizer *tokenizer, const struct gguf *gguf,
                                            struct mscope_error *err)
{
    struct vocab *vocab = &tokenizer->vocab;
    enum mscope_status status =
        gguf_get_bool_or(gguf, "tokenizer.ggml.add_bos_token", &vocab->add_bos, err);
    if (status == MSCOPE_OK) {
        status = gguf_get_bool_or(gguf, "tokenizer.ggml.add_eos_token", &vocab->add_eos, err);
    }
    vocab->add_bos = vocab->add_bos && vocab->bos >= 0;
    vocab->add_eos = vocab->add_eos && vocab->eos >= 0;
    return status;
}

enum mscope_status tokenizer_encode(const struct tokenizer *tokenizer, const char *text,
                                    size_t n_bytes, unsigned flags, int32_t *ids, size_t max_ids,
                                    size_t *n_ids, struct mscope_error *err)
{
    const struct vocab *vocab = &tokenizer->vocab;
    *n_ids = 0;
    if (n_bytes > MAX_TEXT_BYTES) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "text to tokenize",
                         "%zu bytes, expected at most %zu", n_bytes, MAX_TEXT_BYTES);
    }
    struct encode encode;
    struct fragment_list fragments = {0};
    char *prepared = NULL;
    encode_init(&encode, n_bytes);
    enum mscope_status status = special_cut(&fragments, tokenizer->specials, text, n_bytes,
                                            (flags & MSCOPE_PARSE_SPECIAL) != 0, err);
    if (status == MSCOPE_OK) {
        status = prepare_buffer(&prepared, tokenizer, &fragments, err);
    }
    if (status == MSCOPE_OK) {
        if ((flags & MSCOPE_ADD_SPECIAL) != 0 && vocab->add_bos) {
            encode_push(&encode, vocab->bos);
        }
        status = encode_fragments(tokenizer, &encode, &fragments, prepared, err);
        if ((flags & MSCOPE_ADD_SPECIAL) != 0 && vocab->add_eos) {
            encode_push(&encode, vocab->eos);
        }
    }
    if (status == MSCOPE_OK && encode.failed) {
        status = error_set_memory(err, "text to tokenize", n_bytes);
    }
    if (status == MSCOPE_OK) {
        *n_ids = encode.n_ids;
        size_t n_copied = encode.n_ids < max_ids ? encode.n_ids : max_ids;
        if (n_copied > 0) {
            memcpy(ids, encode.ids, n_copied * sizeof *ids);
        }
        if (encode.n_ids > max_ids) {
            status = error_set(err, MSCOPE_ERR_BUFFER, "token buffer",
                               "room for %zu ids, expected %zu", max_ids, encode.n_ids);
        }
    }
    free(prepared);
    fragment_list_free(&fragments);
    encode_free(&encode);
    return status;
}

/* `prepared` is where rewritten text goes; pieces stay there, as the piece cache needs. */
static enum mscope_status encode_fragments(const struct tokenizer *tokenizer, struct encode *encode,
                                           const struct fragment_list *fragments, char *prepared,
                                           struct mscope_error *err)
{
    const struct vocab *vocab = &tokenizer->vocab;
    struct bpe_job job = {.bpe = &tokenizer->bpe, .encode = encode};
    enum mscope_status status = MSCOPE_OK;
    bool after_special = true; /* the start counts as such */
    for (size_t i = 0; i < fragments->n && status == MSCOPE_OK && !encode->failed; i++) {
        const struct fragment *fragment = &fragments->items[i];
        if (fragment->token >= 0) {
            encode_push(encode, fragment->token);
            after_special = true;
            continue;
        }
        if (vocab->model == VOCAB_SPM) {
            size_t n = spell_spm(prepared, fragment->text, fragment->n_bytes,
                                 after_special && vocab->add_space_prefix);
            spm_encode(&tokenizer->spm, encode, prepared, n);
            prepared += n;
        } else {
            const char *text = fragment->text;
            size_t n = fragment->n_bytes;
            if (utf8_count_bad(text, n) > 0) {
                n = replace_bad(prepared, text, n);
                text = prepared;
                prepared += n;
            }
            status =
                pretokenizer_split(tokenizer->pretokenizer, text, n, encode_bpe_piece, &job, err);
        }
        after_special = false;
    }
    return status;
}

/* Room for every fragment as it will be rewritten; none when nothing will be. */
static enum mscope_status prepare_buffer(char **out, const struct tokenizer *tokenizer,
                                         const struct fragment_list *fragments,
                                         struct mscope_error *err)
{
    size_t n_needed = 0;
    for (size_t i = 0; i < fragments->n; i++) {
        const struct fragment *fragment = &fragments->items[i];
        if (fragment->token >= 0) {
            continue;
        }
        if (tokenizer->vocab.model == VOCAB_SPM) {
            n_needed += spell_spm(NULL, fragment->text, fragment->n_bytes, true);
        } else if (utf8_count_bad(fragment->text, fragment->n_bytes) > 0) {
            n_needed += replace_bad(NULL, fragment->text, fragment->n_bytes);
        }
    }
    if (n_needed == 0) {
        return MSCOPE_OK;
    }
    *out = malloc(n_needed);
    return *out == NULL ? error_set_memory(err, "text to tokenize", n_needed) : MSCOPE_OK;
}

/* Spells spaces as U+2581, with one more in front if `prefix`. Returns the bytes written or, for
 * NULL, needed. */
static size_t spell_spm(char *out, const char *text, size_t n_bytes, bool prefix)
{
    size_t n = 0;
    if (prefix) {
        if (out != NULL) {
            memcpy(out, UTF8_SPM_SPACE, UTF8_SPM_SPACE_BYTES);
        }
        n = UTF8_SPM_SPACE_BYTES;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == ' ') {
            if (out != NULL) {
                memcpy(out + n, UTF8_SPM_SPACE, UTF8_SPM_SPACE_BYTES);
            }
            n += UTF8_SPM_SPACE_BYTES;
        } else {
            if (out != NULL) {
                out[n] = text[i];
            }
            n++;
        }
    }
    return n;
}

/* Each byte that belongs to no character becomes U+FFFD. Returns the bytes written or, for NULL,
 * needed. */
static size_t replace_bad(char *out, const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes;) {
        size_t n_char = utf8_char_bytes(text + i, n_bytes - i);
        const char *from = n_char == 0 ? UTF8_REPLACEMENT : text + i;
        size_t n_out = n_char == 0 ? UTF8_REPLACEMENT_BYTES : n_char;
        if (out != NULL) {
            memcpy(out + n, from, n_out);
        }
        n += n_out;
        i += n_char == 0 ? 1 : n_char;
    }
    return n;
}

static bool encode_bpe_piece(void *ctx, const char *piece, size_t n_bytes)
{
    struct bpe_job *job = ctx;
    bpe_encode_piece(job->bpe, job->encode, piece, n_bytes);
    return !job->encode->failed;
}

size_t tokenizer_piece(const struct tokenizer *tokenizer, int32_t id, bool render_special,
                       char *text, size_t max_bytes)
{
    const struct vocab *vocab = &tokenizer->vocab;
    if (id < 0 || (uint32_t)id >= vocab->n_tokens) {
        return 0;
    }
    return piece_bytes(vocab, (uint32_t)id, render_special, false, text, max_bytes);
}

enum mscope_status tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids,
                                    size_t n_ids, bool render_special, char *text, size_t max_bytes,
                                    size_t *n_bytes, struct mscope_error *err)
{
    const struct vocab *vocab = &tokenizer->vocab;
    const unsigned no_text = TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER | TOKEN_UNUSED;
    *n_bytes = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab->n_tokens) {
            char object[32];
            snprintf(object, sizeof object, "token %" PRId32, ids[i]);
            return error_set(err, MSCOPE_ERR_ARGUMENT, object,
                             "not in the vocabulary, expected 0 to %" PRIu32, vocab->n_tokens - 1);
        }
    }
    bool drop_space = vocab->add_space_prefix; /* encode put one before the first text */
    size_t n = 0;
    for (size_t i = 0; i < n_ids; i++) {
        uint32_t id = (uint32_t)ids[i];
        bool is_text = (vocab->kinds[id] & no_text) == 0;
        size_t n_left = n < max_bytes ? max_bytes - n : 0;
        char *to = n_left > 0 ? text + n : NULL;
        size_t n_piece = piece_bytes(vocab, id, render_special, drop_space && is_text, to, n_left);
        drop_space = drop_space && !is_text;
        n += n_piece;
    }
    *n_bytes = n;
    if (n > max_bytes) {
        return error_set(err, MSCOPE_ERR_BUFFER, "text buffer", "room for %zu bytes, expected %zu",
                         max_bytes, n);
    }
    return MSCOPE_OK;
}

uint32_t tokenizer_n_vocab(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.n_tokens;
}

int32_t tokenizer_bos(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.bos;
}

int32_t tokenizer_eos(const struct tokenizer *tokenizer)
{
    return tokenizer->vocab.eos;
}

bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id)
{
    const struct vocab *vocab = &tokenizer->vocab;
    return id >= 0 && (uint32_t)id < vocab->n_tokens && (vocab->kinds[id] & TOKEN_END) != 0;
}
