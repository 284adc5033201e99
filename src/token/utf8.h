/* SPDX-License-Identifier: MIT */
/*
 * Character boundaries in bytes that may not be UTF-8, and the printable alphabet in which
 * byte-level BPE files spell bytes: 33-126, 161-172 and 174-255 stand for themselves, the other 68
 * bytes for U+0100 upwards in order (Radford et al., GPT-2, 2019). Strict UTF-8: no overlong forms,
 * no surrogates, at most U+10FFFF. Stateless.
 */
#ifndef TOKEN_UTF8_H
#define TOKEN_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* U+FFFD, what a byte that is not UTF-8 becomes in byte-level BPE. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"
/* U+2581, how SentencePiece spells a space. */
#define UTF8_SPM_SPACE "\xE2\x96\x81"
enum { UTF8_REPLACEMENT_BYTES = 3, UTF8_SPM_SPACE_BYTES = 3 };

/* Bytes of the character at `text` (n_bytes >= 1 readable): 1 to 4, or 0 when that byte starts
 * none. */
size_t utf8_char_bytes(const char *text, size_t n_bytes);

/* How many bytes belong to no character. */
size_t utf8_count_bad(const char *text, size_t n_bytes);

/* Code point of the valid character of n_bytes bytes at `text`. */
uint32_t utf8_code_point(const char *text, size_t n_bytes);

enum { ALPHABET_MAX_BYTES = 2 };

/* Spells `byte` in the printable alphabet; returns 1 or 2, the bytes written. */
size_t alphabet_spell(char out[ALPHABET_MAX_BYTES], uint8_t byte);

/* The byte that a code point of the alphabet stands for, or -1. */
int alphabet_byte(uint32_t code_point);

#endif
