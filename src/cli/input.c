/* SPDX-License-Identifier: MIT */
/* Text and token ids from files, standard input and the command line. */
#include "cli/input.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ids_grow(struct input_ids *out, size_t *capacity, struct mscope_error *err);
static enum mscope_status refuse_id(const char *word, uint32_t n_vocab, struct mscope_error *err);

enum mscope_status input_read_text(struct strbuf *text, const char *path, struct mscope_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *stream = is_stdin ? stdin : fopen(path, "rb");
    int failed = stream == NULL ? errno : 0;
    char *block = failed == 0 ? malloc(1 << 16) : NULL;
    while (failed == 0 && block != NULL) {
        size_t n = fread(block, 1, 1 << 16, stream);
        strbuf_append(text, block, n);
        if (n == 0) {
            failed = ferror(stream) ? errno : 0;
            break;
        }
    }
    bool out_of_memory = failed == 0 && (block == NULL || text->failed);
    free(block);
    if (stream != NULL && !is_stdin) {
        fclose(stream);
    }
    if (failed == 0 && !out_of_memory) {
        return MSCOPE_OK;
    }
    enum mscope_status status = out_of_memory ? error_set_memory(err, "text", text->n_bytes)
                                              : error_set_errno(err, failed, "", "cannot read");
    if (is_stdin) {
        error_set_object(err, "standard input");
    } else {
        error_set_object(err, "file %s", path);
    }
    return status;
}

enum mscope_status input_parse_ids(struct input_ids *out, const char *text, size_t n_bytes,
                                   uint32_t n_vocab, struct mscope_error *err)
{
    *out = (struct input_ids){0};
    size_t capacity = 0;
    const char *at = text, *end = text + n_bytes;
    enum mscope_status status = MSCOPE_OK;
    while (status == MSCOPE_OK) {
        while (at < end && (isspace((unsigned char)*at) || *at == ',')) {
            at++;
        }
        if (at == end) {
            break;
        }
        char word[24];
        size_t n_word = 0, n_kept = 0;
        for (; at < end && !isspace((unsigned char)*at) && *at != ','; at++, n_word++) {
            if (n_kept + 1 < sizeof word) {
                word[n_kept++] = *at != '\0' ? *at : '?';
            }
        }
        word[n_kept] = '\0';
        char *word_end;
        long long id = strtoll(word, &word_end, 10);
        if (*word_end != '\0' || n_word != n_kept || id < 0 || id >= (long long)n_vocab) {
            status = refuse_id(word, n_vocab, err);
        } else if (!ids_grow(out, &capacity, err)) {
            status = MSCOPE_ERR_MEMORY;
        } else {
            out->ids[out->n++] = (int32_t)id;
        }
    }
    if (status != MSCOPE_OK) {
        input_ids_free(out);
    }
    return status;
}

enum mscope_status input_read_ids(struct input_ids *out, const char *list, uint32_t n_vocab,
                                  struct mscope_error *err)
{
    *out = (struct input_ids){0};
    struct strbuf text = {0};
    enum mscope_status status = MSCOPE_OK;
    if (list[0] == '@') {
        status = input_read_text(&text, list + 1, err);
    }
    if (status == MSCOPE_OK && list[0] == '@') {
        status =
            input_parse_ids(out, text.data != NULL ? text.data : "", text.n_bytes, n_vocab, err);
    } else if (status == MSCOPE_OK) {
        status = input_parse_ids(out, list, strlen(list), n_vocab, err);
    }
    strbuf_free(&text);
    if (status == MSCOPE_OK && out->n == 0) {
        status =
            error_set(err, MSCOPE_ERR_ARGUMENT, "token list", "empty, expected at least one id");
    }
    return status;
}

enum mscope_status input_tokenize(struct input_ids *out, const struct mscope_model *model,
                                  const char *text, size_t n_bytes, unsigned flags,
                                  struct mscope_error *err)
{
    *out = (struct input_ids){0};
    size_t capacity = n_bytes / 2 + 16, n_ids = 0;
    for (;;) {
        int32_t *ids = realloc(out->ids, capacity * sizeof *ids);
        if (ids == NULL) {
            input_ids_free(out);
            return error_set_memory(err, "token ids", capacity * sizeof *ids);
        }
        out->ids = ids;
        enum mscope_status status =
            mscope_tokenize(model, text, n_bytes, flags, ids, capacity, &n_ids, err);
        if (status == MSCOPE_ERR_BUFFER && n_ids > capacity) {
            capacity = n_ids;
            continue;
        }
        if (status == MSCOPE_OK && n_ids > INT32_MAX / 2) {
            status = error_set(err, MSCOPE_ERR_ARGUMENT, "text", "%zu tokens, expected at most %d",
                               n_ids, INT32_MAX / 2);
        }
        if (status != MSCOPE_OK) {
            input_ids_free(out);
            return status;
        }
        out->n = (int)n_ids;
        return MSCOPE_OK;
    }
}

enum mscope_status input_special_ends(bool *adds_bos, bool *adds_eos,
                                      const struct mscope_model *model, struct mscope_error *err)
{
    struct input_ids around;
    enum mscope_status status = input_tokenize(&around, model, "", 0, MSCOPE_ADD_SPECIAL, err);
    if (status == MSCOPE_OK) {
        *adds_bos = around.n > 0 && around.ids[0] == mscope_token_bos(model);
        *adds_eos =
            around.n > (*adds_bos ? 1 : 0) && around.ids[around.n - 1] == mscope_token_eos(model);
        input_ids_free(&around);
    }
    return status;
}

void input_ids_free(struct input_ids *ids)
{
    free(ids->ids);
    *ids = (struct input_ids){0};
}

static bool ids_grow(struct input_ids *out, size_t *capacity, struct mscope_error *err)
{
    if ((size_t)out->n < *capacity) {
        return true;
    }
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    int32_t *ids = wanted <= INT32_MAX / 2 ? realloc(out->ids, wanted * sizeof *ids) : NULL;
    if (ids == NULL) {
        error_set_memory(err, "token ids", wanted * sizeof *ids);
        return false;
    }
    out->ids = ids;
    *capacity = wanted;
    return true;
}

static enum mscope_status refuse_id(const char *word, uint32_t n_vocab, struct mscope_error *err)
{
    error_set(err, MSCOPE_ERR_ARGUMENT, "", "expected a token id from 0 to %u", n_vocab - 1);
    error_set_object(err, "token '%s'", word);
    return MSCOPE_ERR_ARGUMENT;
}
