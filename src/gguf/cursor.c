/* SPDX-License-Identifier: MIT */
/* The bounds-checked cursor: every read goes through cursor_take. */
#include "gguf/cursor.h"

#include <string.h>

const void *cursor_take(struct cursor *cursor, uint64_t n_bytes)
{
    if (cursor->failed) {
        return NULL;
    }
    if (n_bytes > cursor_left(cursor)) {
        cursor->failed = true;
        cursor->wanted_bytes = n_bytes;
        return NULL;
    }
    const unsigned char *bytes = cursor->at;
    cursor->at += n_bytes;
    return bytes;
}

void cursor_init(struct cursor *cursor, const void *data, size_t n_bytes)
{
    memset(cursor, 0, sizeof *cursor);
    cursor->start = data;
    cursor->at = cursor->start;
    cursor->end = cursor->start + n_bytes;
}

uint64_t cursor_offset(const struct cursor *cursor)
{
    return (uint64_t)(cursor->at - cursor->start);
}

uint64_t cursor_left(const struct cursor *cursor)
{
    return (uint64_t)(cursor->end - cursor->at);
}

uint32_t cursor_u32(struct cursor *cursor)
{
    uint32_t value = 0;
    const void *bytes = cursor_take(cursor, sizeof value);
    if (bytes != NULL) {
        memcpy(&value, bytes, sizeof value);
    }
    return value;
}

uint64_t cursor_u64(struct cursor *cursor)
{
    uint64_t value = 0;
    const void *bytes = cursor_take(cursor, sizeof value);
    if (bytes != NULL) {
        memcpy(&value, bytes, sizeof value);
    }
    return value;
}

bool cursor_string(struct cursor *cursor, struct gguf_string *out)
{
    uint64_t n_bytes = cursor_u64(cursor);
    const void *bytes = cursor_take(cursor, n_bytes);
    if (bytes == NULL) {
        return false;
    }
    out->data = bytes;
    out->n_bytes = (size_t)n_bytes;
    return true;
}
