/* SPDX-License-Identifier: MIT */
/* Character boundaries and the byte alphabet. */
#include "token/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_continuation(char c);

size_t utf8_char_bytes(const char *text, size_t n_bytes)
{
    uint8_t lead = (uint8_t)text[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n > n_bytes) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(text[i])) {
            return 0;
        }
    }
    uint8_t second = (uint8_t)text[1];
    bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    bool surrogate = lead == 0xED && second >= 0xA0;
    bool too_large = lead == 0xF4 && second >= 0x90;
    return overlong || surrogate || too_large ? 0 : n;
}

size_t utf8_count_bad(const char *text, size_t n_bytes)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t n_bad = 0;
    size_t i = 0;
    while (i < n_bytes) {
        uint64_t word;
        if (n_bytes - i >= sizeof word) {
            memcpy(&word, text + i, sizeof word);
            if ((word & high_bits) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t n = utf8_char_bytes(text + i, n_bytes - i);
        n_bad += n == 0;
        i += n == 0 ? 1 : n;
    }
    return n_bad;
}

uint32_t utf8_code_point(const char *text, size_t n_bytes)
{
    uint8_t lead = (uint8_t)text[0];
    if (n_bytes == 1) {
        return lead;
    }
    uint32_t code_point = lead & (0x7Fu >> n_bytes);
    for (size_t i = 1; i < n_bytes; i++) {
        code_point = code_point << 6 | ((uint8_t)text[i] & 0x3Fu);
    }
    return code_point;
}

size_t alphabet_spell(char out[ALPHABET_MAX_BYTES], uint8_t byte)
{
    uint32_t code_point = byte;
    if (byte <= 32) {
        code_point = 256u + byte;
    } else if (byte >= 127 && byte <= 160) {
        code_point = 256u + 33u + (byte - 127u);
    } else if (byte == 173) {
        code_point = 256u + 67u;
    }
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    out[0] = (char)(0xC0u | code_point >> 6);
    out[1] = (char)(0x80u | (code_point & 0x3Fu));
    return 2;
}

int alphabet_byte(uint32_t code_point)
{
    if ((code_point >= 33 && code_point <= 126) || (code_point >= 161 && code_point <= 172) ||
        (code_point >= 174 && code_point <= 255)) {
        return (int)code_point;
    }
    if (code_point >= 256 && code_point < 256 + 33) {
        return (int)(code_point - 256);
    }
    if (code_point >= 256 + 33 && code_point < 256 + 67) {
        return (int)(code_point - 256 - 33 + 127);
    }
    return code_point == 256 + 67 ? 173 : -1;
}

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xC0) == 0x80;
}
