/* SPDX-License-Identifier: MIT */
/*
 * A growing byte string for building text. Always terminated. Running out of memory sticks: later
 * appends do nothing and strbuf_failed() says so once at the end. One owner, one thread.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include "base/error.h"

struct strbuf {
    char *data; /* NULL until the first append */
    size_t n_bytes, capacity;
    bool failed;
};

void strbuf_append(struct strbuf *buf, const char *bytes, size_t n_bytes);
void strbuf_printf(struct strbuf *buf, const char *format, ...) BASE_PRINTF(2, 3);
void strbuf_clear(struct strbuf *buf);
void strbuf_free(struct strbuf *buf);

#endif
