/* SPDX-License-Identifier: MIT */
/*
 * The answer of an OpenAI-compatible server as it arrives: server-sent events whose data are JSON
 * objects with pieces of text, at the end one with the counts of tokens, then "[DONE]". Bytes and
 * their time in, a measured stream out. Knows nothing of sockets. One thread.
 */
#ifndef MEASURE_HTTP_STREAM_H
#define MEASURE_HTTP_STREAM_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

enum { HTTP_PROBLEM_BYTES = 200 };

struct http_stream {
    struct strbuf line;  /* not complete yet */
    uint64_t *stamps_ns; /* of every piece of text, n_pieces */
    size_t n_pieces, capacity;
    int64_t prompt_tokens, completion_tokens, cached_tokens; /* -1: not told */
    double prompt_ms;                                        /* of the server's clock; NaN */
    int64_t prompt_n;                                        /* tokens it took for that; -1 */
    bool is_finished; /* a piece gave the reason why it ended */
    bool is_done;     /* "[DONE]" */
    int n_events;
    char problem[HTTP_PROBLEM_BYTES]; /* the first thing that was wrong, "" none */
};

void http_stream_init(struct http_stream *stream);
void http_stream_free(struct http_stream *stream);
/* False when something was wrong: `problem` says what. */
bool http_stream_feed(struct http_stream *stream, const char *bytes, size_t n_bytes,
                      uint64_t clock_ns);
/* MSCOPE_ERR_FORMAT unless the stream came to its end in order. */
enum mscope_status http_stream_check(const struct http_stream *stream, const char *object,
                                     struct mscope_error *err);
/* The message of an error body, JSON or text; writes and returns `text`. */
const char *http_error_text(char text[HTTP_PROBLEM_BYTES], const char *body, size_t n_bytes);

#endif
