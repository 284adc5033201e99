/* SPDX-License-Identifier: MIT */
/* Streams token bytes at character boundaries: holds the start of a character until it is complete.
 */
#include "moescope.h"

#include <stdint.h>
#include <string.h>

/*
 * Whether `held` (n bytes, 1 to 4) is a proper beginning of a character. Sets *complete when it is
 * a whole one.
 */
static bool is_beginning(const char *held, size_t n, bool *complete);

size_t mscope_utf8_stream_push(struct mscope_utf8_stream *stream, const char *in, size_t n_in,
                               char *out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n_in; i++) {
        stream->held[stream->n_held++] = in[i];
        bool complete;
        if (!is_beginning(stream->held, stream->n_held, &complete)) {
            /* what was held can never become a character; the new byte may begin one */
            size_t n_dead = stream->n_held - 1;
            memcpy(out + n_out, stream->held, n_dead);
            n_out += n_dead;
            stream->held[0] = in[i];
            stream->n_held = 1;
            if (!is_beginning(stream->held, 1, &complete)) {
                complete = true;
            }
        }
        if (complete) {
            memcpy(out + n_out, stream->held, stream->n_held);
            n_out += stream->n_held;
            stream->n_held = 0;
        }
    }
    return n_out;
}

size_t mscope_utf8_stream_flush(struct mscope_utf8_stream *stream, char *out)
{
    size_t n_out = stream->n_held;
    memcpy(out, stream->held, n_out);
    stream->n_held = 0;
    return n_out;
}

static bool is_beginning(const char *held, size_t n, bool *complete)
{
    uint8_t lead = (uint8_t)held[0];
    size_t n_needed = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    *complete = n == n_needed;
    if (lead < 0x80) {
        return n == 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return false;
    }
    if (n >= 2) {
        uint8_t second = (uint8_t)held[1];
        uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (second < lowest || second > highest) {
            return false;
        }
    }
    for (size_t i = 2; i < n; i++) {
        if (((uint8_t)held[i] & 0xC0) != 0x80) {
            return false;
        }
    }
    return n <= n_needed;
}
