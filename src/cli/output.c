/* SPDX-License-Identifier: MIT */
/* Standard output that notices a full disk and a departed reader; notes and errors. */
#include "cli/output.h"

#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static int write_errno; /* of the first failed write, 0: none */

static void remember_failure(void);

void out_write(const void *bytes, size_t n_bytes)
{
    if (write_errno == 0 && fwrite(bytes, 1, n_bytes, stdout) != n_bytes) {
        remember_failure();
    }
}

void out_printf(const char *format, ...)
{
    if (write_errno != 0) {
        return;
    }
    va_list args;
    va_start(args, format);
    if (vfprintf(stdout, format, args) < 0) {
        remember_failure();
    }
    va_end(args);
}

void out_csv_text(const char *text)
{
    if (text == NULL) {
        return;
    }
    if (strpbrk(text, ",\"\n\r") == NULL) {
        out_printf("%s", text);
        return;
    }
    out_printf("\"");
    for (const char *c = text; *c != '\0'; c++) {
        out_printf(*c == '"' ? "\"\"" : "%c", *c);
    }
    out_printf("\"");
}

void out_flush(void)
{
    if (write_errno == 0 && fflush(stdout) != 0) {
        remember_failure();
    }
}

bool out_alive(void)
{
    return write_errno == 0;
}

int out_end(int exit_code)
{
    out_flush();
    if (write_errno == 0 && ferror(stdout)) {
        write_errno = EIO;
    }
    if (write_errno == 0 || write_errno == EPIPE) {
        return exit_code;
    }
    struct mscope_error err;
    error_set_errno(&err, write_errno, "standard output", "cannot write");
    return out_error(&err);
}

int out_error(const struct mscope_error *err)
{
    char text[sizeof err->object + sizeof err->detail + 4];
    fflush(stdout);
    fprintf(stderr, "moescope: %s\n", mscope_error_text(err, text, sizeof text));
    return CLI_FAILED;
}

void out_note(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char shown[1024];
    fprintf(stderr, "moescope: %s\n", out_printable(shown, sizeof shown, text));
}

const char *out_printable(char *text, size_t size, const char *source)
{
    size_t n = 0;
    for (; source[n] != '\0' && n + 1 < size; n++) {
        text[n] = iscntrl((unsigned char)source[n]) ? '?' : source[n];
    }
    text[n] = '\0';
    return text;
}

static void remember_failure(void)
{
    write_errno = errno != 0 ? errno : EIO;
}
