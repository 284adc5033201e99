/* SPDX-License-Identifier: MIT */
/* Filling struct mscope_error: truncation, escaping of control characters, system error texts. */
#include "base/error.h"

#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *text);

enum mscope_status error_set(struct mscope_error *err, enum mscope_status status,
                             const char *object, const char *detail_format, ...)
{
    if (err == NULL) {
        return status;
    }
    err->status = status;
    snprintf(err->object, sizeof err->object, "%s", object);
    va_list args;
    va_start(args, detail_format);
    vsnprintf(err->detail, sizeof err->detail, detail_format, args);
    va_end(args);
    make_printable(err->object);
    make_printable(err->detail);
    return status;
}

void error_set_object(struct mscope_error *err, const char *object_format, ...)
{
    if (err == NULL) {
        return;
    }
    va_list args;
    va_start(args, object_format);
    vsnprintf(err->object, sizeof err->object, object_format, args);
    va_end(args);
    make_printable(err->object);
}

enum mscope_status error_set_errno(struct mscope_error *err, int errno_value, const char *object,
                                   const char *action)
{
    char reason[128];
    if (strerror_r(errno_value, reason, sizeof reason) != 0) {
        snprintf(reason, sizeof reason, "error %d", errno_value);
    }
    return error_set(err, MSCOPE_ERR_IO, object, "%s: %s", action, reason);
}

enum mscope_status error_set_memory(struct mscope_error *err, const char *purpose, uint64_t n_bytes)
{
    char text[UNITS_TEXT_BYTES];
    return error_set(err, MSCOPE_ERR_MEMORY, purpose, "not enough memory for %s",
                     units_bytes(text, n_bytes));
}

const char *mscope_error_text(const struct mscope_error *err, char *text, size_t size)
{
    if (size > 0) {
        snprintf(text, size, "%s: %s", err->object, err->detail);
    }
    return text;
}

/* Names come from files: nothing in them may move the cursor of a terminal. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            *text = '?';
        }
    }
}
