/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on numbers that came from a file: each operation says whether the result is right.
 * Returns true on success; on overflow returns false and leaves *out unspecified. Stateless.
 */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool checked_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool checked_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Rounds `a` up to a multiple of `alignment` (a power of two). */
static inline bool checked_align_u64(uint64_t *out, uint64_t a, uint64_t alignment)
{
    if (!checked_add_u64(out, a, alignment - 1)) {
        return false;
    }
    *out &= ~(alignment - 1);
    return true;
}

#endif
