/* SPDX-License-Identifier: MIT */
/*
 * Numbers for people: bytes in powers of ten with the unit spelled (GB = 1e9 bytes), counts,
 * durations. Stateless; every function writes into the caller's buffer and returns it.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum { UNITS_TEXT_BYTES = 32 };

const char *units_bytes(char text[UNITS_TEXT_BYTES], uint64_t n_bytes); /* "4.21 GB", "512 B" */
const char *units_count(char text[UNITS_TEXT_BYTES], uint64_t n); /* "6.92 B", "1.18 M", "240" */
const char *units_duration(char text[UNITS_TEXT_BYTES],
                           uint64_t ns); /* "1.25 s", "340 ms", "2 min 05 s" */

#endif
