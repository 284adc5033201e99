/* SPDX-License-Identifier: MIT */
/*
 * The vocabulary of a synthetic model: of the true size, with the special tokens where the
 * published model has them. Every byte has a token and common English words have one, so any text
 * tokenises; the rest are pronounceable fillers (" kalomi"), so that what a random model says can
 * be read.
 *
 *   gpt2:  256 bytes | merged pieces | fillers | control tokens
 *   llama: control tokens | <0x00> .. <0xFF> | space and ASCII | merged pieces | fillers
 */
#include "model/synth_parts.h"

#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_BYTE = 6 };

struct vocab_kind {
    const char *model, *pre;
    uint32_t n_control, n_control_tiny;
    int bos, eos, eot, unknown, padding; /* counted from the first control token; -1: none */
    bool add_bos, add_space_prefix;
    const char *control[10]; /* names of the first ones, or NULL */
};

static const struct vocab_kind kinds[] = {
    [SYNTH_VOCAB_LLAMA3] = {"gpt2",
                            "llama-bpe",
                            256,
                            16,
                            0,
                            9,
                            -1,
                            -1,
                            -1,
                            true,
                            false,
                            {"<|begin_of_text|>", "<|end_of_text|>", [6] = "<|start_header_id|>",
                             [7] = "<|end_header_id|>", [9] = "<|eot_id|>"}},
    [SYNTH_VOCAB_QWEN2] = {"gpt2",
                           "qwen2",
                           293,
                           16,
                           0,
                           2,
                           -1,
                           -1,
                           0,
                           false,
                           false,
                           {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}},
    [SYNTH_VOCAB_OLMO] =
        {"gpt2", "olmo", 25, 16, 0, 0, -1, -1, -1, false, false, {"<|endoftext|>"}},
    [SYNTH_VOCAB_GEMMA] = {"llama",
                           "default",
                           8,
                           8,
                           2,
                           1,
                           5,
                           3,
                           0,
                           true,
                           false,
                           {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>",
                            "<end_of_turn>"}},
    [SYNTH_VOCAB_LLAMA2] =
        {"llama", "default", 3, 3, 1, 2, -1, 0, -1, true, true, {"<unk>", "<s>", "</s>"}},
};

enum { N_BYTES = 256, TINY_VOCAB = 2048, FIRST_CHARACTER = 33, LAST_CHARACTER = 126 };

struct piece {
    char text[2 * SYNTH_MERGE_BYTES];
};

struct builder {
    const struct vocab_kind *kind;
    uint32_t n_vocab, n_control, n_tokens; /* n_tokens so far */
    bool is_bpe;
    struct strbuf text; /* all tokens, one after the other */
    size_t *ends;       /* (n_vocab) into text */
    int32_t *types;
    float *scores;
    struct gguf_string *strings;
    struct synth_merge *merges;
    int n_merges;
    struct piece *sorted; /* (n_merges), to keep fillers apart from the merged pieces */
};

static enum mscope_status builder_open(struct builder *b, const struct synth_shape *shape,
                                       struct mscope_error *err);
static void builder_close(struct builder *b);
static void add_controls(struct builder *b);
static void add_bpe_bytes(struct builder *b);
static void add_spm_bytes(struct builder *b);
static void add_merged(struct builder *b);
static void add_fillers(struct builder *b, uint32_t until);
static void add_token(struct builder *b, const char *text, int32_t type, float score);
static void append_visible(struct strbuf *out, const char *text, bool is_bpe);
static void write_keys(struct builder *b, struct gguf_writer *writer);
static void write_merges(const struct builder *b, struct gguf_writer *writer);
static void write_special_ids(const struct builder *b, struct gguf_writer *writer);
static int compare_pieces(const void *a, const void *b);

enum mscope_status synth_vocab_write(struct gguf_writer *writer, const struct synth_shape *shape,
                                     struct mscope_error *err)
{
    struct builder b;
    enum mscope_status status = builder_open(&b, shape, err);
    if (status != MSCOPE_OK) {
        builder_close(&b);
        return status;
    }
    if (b.is_bpe) {
        add_bpe_bytes(&b);
        add_merged(&b);
        add_fillers(&b, b.n_vocab - b.n_control);
        add_controls(&b);
    } else {
        add_controls(&b);
        add_spm_bytes(&b);
        add_merged(&b);
        add_fillers(&b, b.n_vocab);
    }
    if (b.text.failed) {
        status = error_set_memory(err, "vocabulary", b.text.n_bytes);
    } else {
        write_keys(&b, writer);
    }
    builder_close(&b);
    return status;
}

static enum mscope_status builder_open(struct builder *b, const struct synth_shape *shape,
                                       struct mscope_error *err)
{
    const struct vocab_kind *kind = &kinds[shape->vocab];
    bool is_tiny = shape->n_vocab < TINY_VOCAB;
    *b = (struct builder){.kind = kind,
                          .n_vocab = shape->n_vocab,
                          .n_control = is_tiny ? kind->n_control_tiny : kind->n_control,
                          .is_bpe = strcmp(kind->model, "gpt2") == 0};
    b->ends = calloc(b->n_vocab, sizeof *b->ends);
    b->types = calloc(b->n_vocab, sizeof *b->types);
    b->scores = calloc(b->n_vocab, sizeof *b->scores);
    b->strings = calloc(b->n_vocab, sizeof *b->strings);
    b->merges = calloc(SYNTH_MAX_MERGES, sizeof *b->merges);
    b->sorted = calloc(SYNTH_MAX_MERGES, sizeof *b->sorted);
    if (b->ends != NULL && b->types != NULL && b->scores != NULL && b->strings != NULL &&
        b->merges != NULL && b->sorted != NULL) {
        uint32_t n_taken =
            b->n_control + N_BYTES + (b->is_bpe ? 0 : LAST_CHARACTER - FIRST_CHARACTER + 2);
        int room = (int)((b->n_vocab - n_taken) / 8 * 7); /* some fillers in any case */
        b->n_merges = synth_bpe_train(b->merges, room);
    }
    if (b->sorted == NULL || b->n_merges <= 0) {
        return error_set_memory(err, "vocabulary", b->n_vocab * 32u);
    }
    for (int i = 0; i < b->n_merges; i++) {
        snprintf(b->sorted[i].text, sizeof b->sorted[i].text, "%s%s", b->merges[i].left,
                 b->merges[i].right);
    }
    qsort(b->sorted, (size_t)b->n_merges, sizeof *b->sorted, compare_pieces);
    return MSCOPE_OK;
}

static void builder_close(struct builder *b)
{
    strbuf_free(&b->text);
    free(b->ends);
    free(b->types);
    free(b->scores);
    free(b->strings);
    free(b->merges);
    free(b->sorted);
}

static void add_controls(struct builder *b)
{
    for (uint32_t i = 0; i < b->n_control; i++) {
        char name[40];
        if (i < sizeof b->kind->control / sizeof b->kind->control[0] &&
            b->kind->control[i] != NULL) {
            snprintf(name, sizeof name, "%s", b->kind->control[i]);
        } else {
            snprintf(name, sizeof name, "<|synth_control_%u|>", (unsigned)i);
        }
        add_token(b, name, (int)i == b->kind->unknown ? TOKEN_UNKNOWN : TOKEN_CONTROL, 0.0f);
    }
}

/* GPT-2's alphabet: printable bytes stand for themselves, the other 68 for U+0100 upward, in this
 * order. */
static void add_bpe_bytes(struct builder *b)
{
    for (int pass = 0; pass < 2; pass++) {
        int n_moved = 0;
        for (int byte = 0; byte < N_BYTES; byte++) {
            bool is_printable =
                (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
            int code = is_printable ? byte : N_BYTES + n_moved++;
            if (is_printable != (pass == 0)) {
                continue;
            }
            char text[3] = {(char)code, '\0', '\0'};
            if (code >= 0x80) {
                text[0] = (char)(0xc0 | code >> 6);
                text[1] = (char)(0x80 | (code & 63));
            }
            add_token(b, text, TOKEN_NORMAL, 0.0f);
        }
    }
}

static void add_spm_bytes(struct builder *b)
{
    char text[8];
    for (int byte = 0; byte < N_BYTES; byte++) {
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        add_token(b, text, TOKEN_BYTE, 0.0f);
    }
    add_token(b, " ", TOKEN_NORMAL, -1e5f);
    for (int c = FIRST_CHARACTER; c <= LAST_CHARACTER; c++) {
        snprintf(text, sizeof text, "%c", c);
        add_token(b, text, TOKEN_NORMAL, -1e5f - (float)c);
    }
}

/* The score of a piece falls with its rank, so that SPM merges in the same order as BPE. */
static void add_merged(struct builder *b)
{
    for (int i = 0; i < b->n_merges; i++) {
        char text[2 * SYNTH_MERGE_BYTES];
        snprintf(text, sizeof text, "%s%s", b->merges[i].left, b->merges[i].right);
        add_token(b, text, TOKEN_NORMAL, -(float)(i + 1));
    }
}

/* Three syllables spell the number of the filler, scattered so that neighbours do not look alike.
 */
static void add_fillers(struct builder *b, uint32_t until)
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    enum {
        N_SYLLABLES = 14 * 5,
        N_WORDS = N_SYLLABLES * N_SYLLABLES * N_SYLLABLES,
        SCATTER = 7919
    };
    for (uint32_t i = 0; b->n_tokens < until; i++) {
        uint32_t number = (uint32_t)((uint64_t)i * SCATTER % N_WORDS);
        char text[2 * SYNTH_MERGE_BYTES] = " ";
        for (int k = 0; k < 3; k++, number /= N_SYLLABLES) {
            text[1 + 2 * k] = consonants[number % N_SYLLABLES / 5];
            text[2 + 2 * k] = vowels[number % 5];
        }
        if (bsearch(text, b->sorted, (size_t)b->n_merges, sizeof *b->sorted, compare_pieces) ==
            NULL) {
            add_token(b, text, TOKEN_NORMAL, -1e6f - (float)i);
        }
    }
}

static void add_token(struct builder *b, const char *text, int32_t type, float score)
{
    uint32_t id = b->n_tokens++;
    if (type == TOKEN_NORMAL) {
        append_visible(&b->text, text, b->is_bpe);
    } else {
        strbuf_append(&b->text, text, strlen(text));
    }
    b->ends[id] = b->text.n_bytes;
    b->types[id] = type;
    b->scores[id] = score;
}

/* A space is U+0120 in GPT-2's alphabet and U+2581 in SentencePiece. */
static void append_visible(struct strbuf *out, const char *text, bool is_bpe)
{
    if (text[0] == ' ') {
        strbuf_append(out, is_bpe ? "\xc4\xa0" : "\xe2\x96\x81", is_bpe ? 2 : 3);
        text++;
    }
    strbuf_append(out, text, strlen(text));
}

static void write_keys(struct builder *b, struct gguf_writer *writer)
{
    size_t start = 0;
    for (uint32_t i = 0; i < b->n_vocab; i++) {
        b->strings[i] = (struct gguf_string){b->text.data + start, b->ends[i] - start};
        start = b->ends[i];
    }
    gguf_writer_set_string(writer, "tokenizer.ggml.model", b->kind->model, strlen(b->kind->model));
    gguf_writer_set_string(writer, "tokenizer.ggml.pre", b->kind->pre, strlen(b->kind->pre));
    gguf_writer_set_string_array(writer, "tokenizer.ggml.tokens", b->strings, b->n_vocab);
    gguf_writer_set_array(writer, "tokenizer.ggml.token_type", GGUF_I32, b->types, b->n_vocab);
    if (b->is_bpe) {
        write_merges(b, writer);
    } else {
        gguf_writer_set_array(writer, "tokenizer.ggml.scores", GGUF_F32, b->scores, b->n_vocab);
        gguf_writer_set_bool(writer, "tokenizer.ggml.add_space_prefix", b->kind->add_space_prefix);
    }
    gguf_writer_set_bool(writer, "tokenizer.ggml.add_bos_token", b->kind->add_bos);
    gguf_writer_set_bool(writer, "tokenizer.ggml.add_eos_token", false);
    write_special_ids(b, writer);
}

static void write_merges(const struct builder *b, struct gguf_writer *writer)
{
    struct strbuf text = {0};
    struct gguf_string *lines = b->strings; /* the writer has its own copy of the tokens by now */
    size_t *ends = b->ends;
    for (int i = 0; i < b->n_merges; i++) {
        append_visible(&text, b->merges[i].left, true);
        strbuf_append(&text, " ", 1);
        append_visible(&text, b->merges[i].right, true);
        ends[i] = text.n_bytes;
    }
    size_t start = 0;
    for (int i = 0; i < b->n_merges && !text.failed; i++) {
        lines[i] = (struct gguf_string){text.data + start, ends[i] - start};
        start = ends[i];
    }
    gguf_writer_set_string_array(writer, "tokenizer.ggml.merges", lines,
                                 text.failed ? 0 : (uint64_t)b->n_merges);
    strbuf_free(&text);
}

static void write_special_ids(const struct builder *b, struct gguf_writer *writer)
{
    uint32_t first = b->is_bpe ? b->n_vocab - b->n_control : 0;
    const struct {
        const char *key;
        int offset;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", b->kind->bos},
        {"tokenizer.ggml.eos_token_id", b->kind->eos},
        {"tokenizer.ggml.eot_token_id", b->kind->eot},
        {"tokenizer.ggml.unknown_token_id", b->kind->unknown},
        {"tokenizer.ggml.padding_token_id", b->kind->padding},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (ids[i].offset >= 0) {
            gguf_writer_set_u32(writer, ids[i].key, first + (uint32_t)ids[i].offset);
        }
    }
}

static int compare_pieces(const void *a, const void *b)
{
    return strcmp(a, b);
}
