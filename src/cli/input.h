/* SPDX-License-Identifier: MIT */
/*
 * What verbs read besides models: text from a file or standard input, byte for byte, and lists of
 * token ids. Results belong to the caller. One thread.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/error.h"
#include "base/strbuf.h"

/* The whole file, appended to `text`; "-" is standard input. */
enum mscope_status input_read_text(struct strbuf *text, const char *path, struct mscope_error *err);

struct input_ids {
    int32_t *ids; /* free with input_ids_free */
    int n;
};
/* Numbers separated by commas or white space; each must be one of 0 .. n_vocab-1. */
enum mscope_status input_parse_ids(struct input_ids *out, const char *text, size_t n_bytes,
                                   uint32_t n_vocab, struct mscope_error *err);
/* "1,2,3", or "@FILE" for the text of a file ("@-": standard input). An empty list is an error. */
enum mscope_status input_read_ids(struct input_ids *out, const char *list, uint32_t n_vocab,
                                  struct mscope_error *err);
/* Text to ids with the model's tokenizer; flags are enum mscope_tokenize_flags. May give an empty
 * list. */
enum mscope_status input_tokenize(struct input_ids *out, const struct mscope_model *model,
                                  const char *text, size_t n_bytes, unsigned flags,
                                  struct mscope_error *err);
/* Which special tokens the vocabulary puts around a text: what an empty text becomes. */
enum mscope_status input_special_ends(bool *adds_bos, bool *adds_eos,
                                      const struct mscope_model *model, struct mscope_error *err);
void input_ids_free(struct input_ids *ids);

#endif
