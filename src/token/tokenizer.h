/* SPDX-License-Identifier: MIT */
/*
 * Text to token ids and back, from the `tokenizer.ggml.*` keys of a GGUF file: byte-level BPE
 * ("gpt2") with the pre-tokenizer the file names, and SentencePiece-style merging ("llama"). Owns
 * its tables; refuses to guess: an unknown model or pre-tokenizer is an error that names it.
 * Immutable after open; encoding uses a scratch that belongs to the call, so any thread may encode.
 */
#ifndef TOKEN_TOKENIZER_H
#define TOKEN_TOKENIZER_H

#include "base/error.h"
#include "gguf/gguf.h"

struct tokenizer;

/*
 * Builds the tables. The strings stay in the mapping: `gguf` must outlive the tokenizer. A file
 * with tokenizer model "no_vocab", or without tokenizer keys, succeeds with *out = NULL.
 */
enum mscope_status tokenizer_open(struct tokenizer **out, const struct gguf *gguf,
                                  struct mscope_error *err);
void tokenizer_close(struct tokenizer **tokenizer);

uint32_t tokenizer_n_vocab(const struct tokenizer *tokenizer);

/* As mscope_tokenize of the public header; flags are enum mscope_tokenize_flags. */
enum mscope_status tokenizer_encode(const struct tokenizer *tokenizer, const char *text,
                                    size_t n_bytes, unsigned flags, int32_t *ids, size_t max_ids,
                                    size_t *n_ids, struct mscope_error *err);

/*
 * Bytes of one token, appended at `text` when they fit in max_bytes; returns how many bytes the
 * token has (0 for control tokens unless render_special, and for ids outside the vocabulary).
 */
size_t tokenizer_piece(const struct tokenizer *tokenizer, int32_t id, bool render_special,
                       char *text, size_t max_bytes);

/*
 * Pieces of all ids in a row. SPM vocabularies that add a space prefix drop the first space again,
 * the inverse of encode. Sets *n_bytes to the number needed; MSCOPE_ERR_BUFFER when max_bytes is
 * less; MSCOPE_ERR_ARGUMENT for an id outside the vocabulary.
 */
enum mscope_status tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids,
                                    size_t n_ids, bool render_special, char *text, size_t max_bytes,
                                    size_t *n_bytes, struct mscope_error *err);

int32_t tokenizer_bos(const struct tokenizer *tokenizer); /* -1: none */
int32_t tokenizer_eos(const struct tokenizer *tokenizer);
/* EOS, EOT, EOM and their kin. */
bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id);

#endif
