/* SPDX-License-Identifier: MIT */
/* Compiles and runs the expressions of a pre-tokenizer with PCRE2, by its JIT compiler where that
 * works. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "token/pretokenize.h"

#include <assert.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct pass {
    pcre2_code *code;
    bool jit; /* false where executable memory is refused: the interpreter gives the same matches */
};

struct pretokenizer {
    int n_passes;
    struct pass passes[PRETOKENIZE_MAX_PASSES];
};

struct splitter {
    const struct pretokenizer *pretokenizer;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pretokenize_piece_fn *fn;
    void *ctx;
};

static bool split_from(struct splitter *splitter, int i_pass, const char *text, size_t n_bytes);
static bool find_next(struct splitter *splitter, const struct pass *pass, const char *text,
                      size_t n_bytes, size_t from, size_t *start, size_t *end, bool *found);

enum mscope_status pretokenizer_split(const struct pretokenizer *pretokenizer, const char *text,
                                      size_t n_bytes, pretokenize_piece_fn *fn, void *ctx,
                                      struct mscope_error *err)
{
    struct splitter splitter = {.pretokenizer = pretokenizer, .fn = fn, .ctx = ctx};
    splitter.match = pcre2_match_data_create(1, NULL);
    splitter.limits = pcre2_match_context_create(NULL);
    bool ok = splitter.match != NULL && splitter.limits != NULL;
    if (ok) {
        /* the expressions are linear in the text: the limits would only refuse long input */
        pcre2_set_match_limit(splitter.limits, UINT32_MAX);
        pcre2_set_depth_limit(splitter.limits, UINT32_MAX);
        pcre2_set_heap_limit(splitter.limits, UINT32_MAX);
        ok = split_from(&splitter, 0, text, n_bytes);
    }
    pcre2_match_data_free(splitter.match);
    pcre2_match_context_free(splitter.limits);
    return ok ? MSCOPE_OK : error_set_memory(err, "text to tokenize", n_bytes);
}

/* Recursion over the passes, at most PRETOKENIZE_MAX_PASSES deep. */
static bool split_from(struct splitter *splitter, int i_pass, const char *text, size_t n_bytes)
{
    if (i_pass == splitter->pretokenizer->n_passes) {
        return splitter->fn(splitter->ctx, text, n_bytes);
    }
    const struct pass *pass = &splitter->pretokenizer->passes[i_pass];
    size_t done = 0;
    while (done < n_bytes) {
        size_t start, end;
        bool found;
        if (!find_next(splitter, pass, text, n_bytes, done, &start, &end, &found)) {
            return false;
        }
        if (!found) {
            return split_from(splitter, i_pass + 1, text + done, n_bytes - done);
        }
        if (start > done && !split_from(splitter, i_pass + 1, text + done, start - done)) {
            return false;
        }
        if (!split_from(splitter, i_pass + 1, text + start, end - start)) {
            return false;
        }
        done = end;
    }
    return true;
}

static bool find_next(struct splitter *splitter, const struct pass *pass, const char *text,
                      size_t n_bytes, size_t from, size_t *start, size_t *end, bool *found)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (pass->jit) {
        rc = pcre2_jit_match(pass->code, subject, n_bytes, from, 0, splitter->match,
                             splitter->limits);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(pass->code, subject, n_bytes, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         splitter->match, splitter->limits);
    }
    *found = rc >= 0;
    if (*found) {
        const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(splitter->match);
        *start = offsets[0];
        *end = offsets[1];
        assert(*start >= from && *end > *start &&
               *end <= n_bytes); /* no expression matches nothing */
    }
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH;
}

enum mscope_status pretokenizer_open(struct pretokenizer **out, const struct pretokenize_rule *rule,
                                     struct mscope_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return error_set_memory(err, "pre-tokenizer", sizeof **out);
    }
    for (int i = 0; rule->expressions[i] != NULL; i++) {
        assert(i < PRETOKENIZE_MAX_PASSES);
        struct pass *pass = &(*out)->passes[i];
        int code;
        PCRE2_SIZE offset;
        pass->code = pcre2_compile((PCRE2_SPTR)rule->expressions[i], PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &offset, NULL);
        if (pass->code == NULL) {
            char reason[128] = "";
            pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof reason);
            pretokenizer_close(out);
            return error_set(err, MSCOPE_ERR_UNSUPPORTED, "pre-tokenizer",
                             "PCRE2 refuses expression %d of %s at offset %zu: %s", i + 1,
                             rule->names[0], (size_t)offset, reason);
        }
        pass->jit = pcre2_jit_compile(pass->code, PCRE2_JIT_COMPLETE) == 0;
        (*out)->n_passes = i + 1;
    }
    return MSCOPE_OK;
}

void pretokenizer_close(struct pretokenizer **pretokenizer)
{
    if (*pretokenizer == NULL) {
        return;
    }
    for (int i = 0; i < (*pretokenizer)->n_passes; i++) {
        pcre2_code_free((*pretokenizer)->passes[i].code);
    }
    free(*pretokenizer);
    *pretokenizer = NULL;
}
