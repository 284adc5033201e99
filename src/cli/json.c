/* SPDX-License-Identifier: MIT */
/* Values that JSON cannot hold as they are: not-a-number, 64 unsigned bits, bytes that are not
 * UTF-8. */
#include "cli/output.h"

#include "base/strbuf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t utf8_length(const unsigned char *at, size_t n_left);

void out_json(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    if (text != NULL) {
        out_printf("%s\n", text);
    }
    free(text);
    json_decref(json);
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_count(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

json_t *json_bytes(const char *text, size_t n_bytes)
{
    struct strbuf clean = {0};
    for (size_t i = 0; i < n_bytes;) {
        size_t n = utf8_length((const unsigned char *)text + i, n_bytes - i);
        if (n == 0) {
            strbuf_append(&clean, "\xef\xbf\xbd", 3);
            i++;
        } else {
            strbuf_append(&clean, text + i, n);
            i += n;
        }
    }
    json_t *json = json_stringn(clean.n_bytes > 0 ? clean.data : "", clean.n_bytes);
    strbuf_free(&clean);
    return json;
}

json_t *json_text(const char *text)
{
    return json_bytes(text, strlen(text));
}

/* Bytes of the well-formed character at `at` (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_length(const unsigned char *at, size_t n_left)
{
    unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t n = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || n > n_left) {
        return 0;
    }
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}
