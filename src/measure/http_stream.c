/* SPDX-License-Identifier: MIT */
/* Lines of server-sent events to pieces, counts and problems. */
#include "measure/http_stream.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE_BYTES = 1 << 20, MAX_PIECES = 1 << 20 };

static bool take_line(struct http_stream *stream, const char *line, size_t n, uint64_t clock_ns);
static bool take_object(struct http_stream *stream, const json_t *json, uint64_t clock_ns);
static bool take_choice(struct http_stream *stream, const json_t *choice, uint64_t clock_ns);
static void take_usage(struct http_stream *stream, const json_t *usage);
static bool has_text(const json_t *object, const char *key);
static int64_t count_of(const json_t *object, const char *key);
static bool fail(struct http_stream *stream, const char *format, ...) BASE_PRINTF(2, 3);
static const char *message_of(const json_t *json);

void http_stream_init(struct http_stream *stream)
{
    *stream = (struct http_stream){.prompt_tokens = -1,
                                   .completion_tokens = -1,
                                   .cached_tokens = -1,
                                   .prompt_ms = NAN,
                                   .prompt_n = -1};
}

void http_stream_free(struct http_stream *stream)
{
    strbuf_free(&stream->line);
    free(stream->stamps_ns);
    stream->stamps_ns = NULL;
}

bool http_stream_feed(struct http_stream *stream, const char *bytes, size_t n_bytes,
                      uint64_t clock_ns)
{
    const char *end = bytes + n_bytes;
    while (bytes < end && stream->problem[0] == '\0') {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t n = (size_t)((stop != NULL ? stop : end) - bytes);
        if (stream->line.n_bytes + n > MAX_LINE_BYTES) {
            return fail(stream, "a line of more than %d bytes", MAX_LINE_BYTES);
        }
        strbuf_append(&stream->line, bytes, n);
        if (stream->line.failed) {
            return fail(stream, "out of memory");
        }
        bytes += n;
        if (stop != NULL) {
            bytes++;
            bool good = stream->line.n_bytes == 0 ||
                        take_line(stream, stream->line.data, stream->line.n_bytes, clock_ns);
            strbuf_clear(&stream->line);
            if (!good) {
                return false;
            }
        }
    }
    return stream->problem[0] == '\0';
}

/* "data: ..."; comments, names of events and empty lines are passed over. */
static bool take_line(struct http_stream *stream, const char *line, size_t n, uint64_t clock_ns)
{
    n -= n > 0 && line[n - 1] == '\r';
    if (n < 5 || memcmp(line, "data:", 5) != 0) {
        return true;
    }
    line += 5;
    n -= 5;
    while (n > 0 && *line == ' ') {
        line++;
        n--;
    }
    if (n == 6 && memcmp(line, "[DONE]", 6) == 0) {
        stream->is_done = true;
        return true;
    }
    stream->n_events++;
    json_error_t problem;
    json_t *json = json_loadb(line, n, 0, &problem);
    if (json == NULL) {
        return fail(stream, "event %d: %.120s", stream->n_events, problem.text);
    }
    bool good = take_object(stream, json, clock_ns);
    json_decref(json);
    return good;
}

static bool take_object(struct http_stream *stream, const json_t *json, uint64_t clock_ns)
{
    const char *message = message_of(json);
    if (message != NULL) {
        return fail(stream, "the server says: %.160s", message);
    }
    const json_t *choices = json_object_get(json, "choices");
    const json_t *timings = json_object_get(json, "timings");
    if (!json_is_object(json)) {
        return fail(stream, "event %d is no object", stream->n_events);
    }
    for (size_t i = 0; i < json_array_size(choices); i++) {
        if (!take_choice(stream, json_array_get(choices, i), clock_ns)) {
            return false;
        }
    }
    take_usage(stream, json_object_get(json, "usage"));
    if (json_is_object(timings)) { /* of llama.cpp's server */
        const json_t *ms = json_object_get(timings, "prompt_ms");
        stream->prompt_ms = json_is_number(ms) ? json_number_value(ms) : NAN;
        stream->prompt_n = count_of(timings, "prompt_n");
    }
    return true;
}

static bool take_choice(struct http_stream *stream, const json_t *choice, uint64_t clock_ns)
{
    const json_t *delta = json_object_get(choice, "delta");
    stream->is_finished |= json_is_string(json_object_get(choice, "finish_reason"));
    if (!has_text(choice, "text") && !has_text(delta, "content") &&
        !has_text(delta, "reasoning_content") && !has_text(delta, "reasoning")) {
        return true;
    }
    if (stream->n_pieces == stream->capacity) {
        size_t capacity = stream->capacity > 0 ? 2 * stream->capacity : 512;
        uint64_t *grown =
            capacity <= MAX_PIECES ? realloc(stream->stamps_ns, capacity * sizeof *grown) : NULL;
        if (grown == NULL) {
            return fail(stream, "no memory for more than %zu pieces", stream->n_pieces);
        }
        stream->stamps_ns = grown;
        stream->capacity = capacity;
    }
    stream->stamps_ns[stream->n_pieces++] = clock_ns;
    return true;
}

static void take_usage(struct http_stream *stream, const json_t *usage)
{
    if (!json_is_object(usage)) {
        return;
    }
    stream->prompt_tokens = count_of(usage, "prompt_tokens");
    stream->completion_tokens = count_of(usage, "completion_tokens");
    stream->cached_tokens =
        count_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
}

enum mscope_status http_stream_check(const struct http_stream *stream, const char *object,
                                     struct mscope_error *err)
{
    if (stream->problem[0] != '\0') {
        return error_set(err, MSCOPE_ERR_FORMAT, object, "%s", stream->problem);
    }
    if (!stream->is_done && !stream->is_finished) {
        return error_set(err, MSCOPE_ERR_FORMAT, object,
                         "the stream ended after %zu pieces of text without [DONE]",
                         stream->n_pieces);
    }
    if (stream->n_pieces == 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, object, "%d events without any text",
                         stream->n_events);
    }
    return MSCOPE_OK;
}

static bool has_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) && json_string_length(value) > 0;
}

static int64_t count_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

static bool fail(struct http_stream *stream, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(stream->problem, sizeof stream->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* {"error": {"message": "..."}}, {"error": "..."} or {"detail": "..."}; NULL: no error. */
static const char *message_of(const json_t *json)
{
    const json_t *error = json_object_get(json, "error");
    if (error == NULL || json_is_null(error)) {
        return NULL;
    }
    const json_t *message = json_is_object(error) ? json_object_get(error, "message") : error;
    return json_is_string(message) ? json_string_value(message) : "an error without message";
}

const char *http_error_text(char text[HTTP_PROBLEM_BYTES], const char *body, size_t n_bytes)
{
    json_t *json = n_bytes > 0 ? json_loadb(body, n_bytes, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const char *message = json != NULL ? message_of(json) : NULL;
    if (message == NULL && json_is_string(json_object_get(json, "detail"))) {
        message = json_string_value(json_object_get(json, "detail"));
    }
    if (message != NULL) {
        snprintf(text, HTTP_PROBLEM_BYTES, "%.190s", message);
    } else {
        int n = (int)(n_bytes < 150 ? n_bytes : 150);
        snprintf(text, HTTP_PROBLEM_BYTES, "%.*s", n, n > 0 ? body : "");
        text[strcspn(text, "\r\n")] = '\0';
    }
    json_decref(json);
    return text;
}
