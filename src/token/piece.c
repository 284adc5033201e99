/* SPDX-License-Identifier: MIT */
/* Spells tokens. */
#include "token/piece.h"

#include "token/utf8.h"

#include <stdlib.h>

struct output { /* counts everything, stores what fits */
    char *text;
    size_t n, max;
    bool drop_space; /* if it comes first */
};

static void put(struct output *out, const char *bytes, size_t n_bytes);
static void put_spm(struct output *out, struct gguf_string text);
static void put_byte_level(struct output *out, struct gguf_string text);

size_t piece_bytes(const struct vocab *vocab, uint32_t id, bool render_special, bool drop_space,
                   char *text, size_t max_bytes)
{
    struct gguf_string spelling = vocab->texts[id];
    unsigned kind = vocab->kinds[id];
    if (kind & (TOKEN_CONTROL | TOKEN_UNKNOWN)) {
        if (!render_special) {
            return 0;
        }
        kind = TOKEN_USER;
    }
    struct output out = {.text = text, .max = max_bytes, .drop_space = drop_space};
    if (kind & TOKEN_USER) {
        put(&out, spelling.data, spelling.n_bytes);
    } else if (kind & TOKEN_BYTE) {
        const char digits[3] = {spelling.data[3], spelling.data[4], '\0'};
        char byte = (char)strtoul(digits, NULL, 16);
        put(&out, &byte, 1);
    } else if ((kind & TOKEN_NORMAL) && vocab->model == VOCAB_SPM) {
        put_spm(&out, spelling);
    } else if (kind & TOKEN_NORMAL) {
        put_byte_level(&out, spelling);
    }
    return out.n;
}

static void put_spm(struct output *out, struct gguf_string text)
{
    for (size_t i = 0; i < text.n_bytes;) {
        if (text.n_bytes - i >= UTF8_SPM_SPACE_BYTES &&
            memcmp(text.data + i, UTF8_SPM_SPACE, UTF8_SPM_SPACE_BYTES) == 0) {
            put(out, " ", 1);
            i += UTF8_SPM_SPACE_BYTES;
        } else {
            put(out, text.data + i, 1);
            i++;
        }
    }
}

/* Characters outside the byte alphabet, which no sound file has in a normal token, stand for
 * themselves. */
static void put_byte_level(struct output *out, struct gguf_string text)
{
    for (size_t i = 0; i < text.n_bytes;) {
        size_t n_char = utf8_char_bytes(text.data + i, text.n_bytes - i);
        int byte = n_char == 0 ? -1 : alphabet_byte(utf8_code_point(text.data + i, n_char));
        if (byte >= 0) {
            char c = (char)byte;
            put(out, &c, 1);
        } else {
            n_char = n_char == 0 ? 1 : n_char;
            put(out, text.data + i, n_char);
        }
        i += n_char;
    }
}

static void put(struct output *out, const char *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (out->drop_space && bytes[i] == ' ') {
            out->drop_space = false;
            continue;
        }
        out->drop_space = false;
        if (out->n < out->max) {
            out->text[out->n] = bytes[i];
        }
        out->n++;
    }
}
