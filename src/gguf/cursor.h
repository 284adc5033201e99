/* SPDX-License-Identifier: MIT */
/*
 * The one way this module reads bytes of a file: a position in a byte range whose every step is
 * checked. The first read past the end makes the cursor fail for good: later reads give zero or
 * NULL and move nothing, so a caller may read several fields and ask once. Numbers are
 * little-endian. One thread.
 */
#ifndef GGUF_CURSOR_H
#define GGUF_CURSOR_H

#include "gguf/gguf.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "mapped tensors are little-endian: a big-endian host is not supported"
#endif

struct cursor {
    const unsigned char *start, *at, *end;
    bool failed;
    uint64_t wanted_bytes; /* by the read that failed, at the position `at` */
};

void cursor_init(struct cursor *cursor, const void *data, size_t n_bytes);
uint64_t cursor_offset(const struct cursor *cursor); /* from the start */
uint64_t cursor_left(const struct cursor *cursor);   /* bytes up to the end */

/* The next n_bytes bytes, in place; NULL on failure, never NULL otherwise (n_bytes of 0 included).
 */
const void *cursor_take(struct cursor *cursor, uint64_t n_bytes);
uint32_t cursor_u32(struct cursor *cursor); /* 0 on failure */
uint64_t cursor_u64(struct cursor *cursor); /* 0 on failure */
/* u64 length, then that many bytes; false on failure. */
bool cursor_string(struct cursor *cursor, struct gguf_string *out);

#endif
