/* SPDX-License-Identifier: MIT */
/* Growing byte string. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct strbuf *buf, size_t n_more);

void strbuf_append(struct strbuf *buf, const char *bytes, size_t n_bytes)
{
    if (!reserve(buf, n_bytes)) {
        return;
    }
    if (n_bytes > 0) {
        memcpy(buf->data + buf->n_bytes, bytes, n_bytes);
    }
    buf->n_bytes += n_bytes;
    buf->data[buf->n_bytes] = '\0';
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && reserve(buf, (size_t)n)) {
        vsnprintf(buf->data + buf->n_bytes, (size_t)n + 1, format, again);
        buf->n_bytes += (size_t)n;
    }
    va_end(again);
}

void strbuf_clear(struct strbuf *buf)
{
    buf->n_bytes = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

void strbuf_free(struct strbuf *buf)
{
    free(buf->data);
    *buf = (struct strbuf){0};
}

/* Room for n_more bytes and a terminator. */
static bool reserve(struct strbuf *buf, size_t n_more)
{
    if (buf->failed || n_more > SIZE_MAX / 4 - buf->n_bytes) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->n_bytes + n_more + 1;
    if (needed <= buf->capacity) {
        return true;
    }
    size_t capacity = needed < 64 ? 64 : needed + needed / 2;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}
