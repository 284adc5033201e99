/* SPDX-License-Identifier: MIT */
/*
 * Where results go. Standard output: a reader that went away ends the program quietly, any other
 * failure (a full disk) is reported once at the end. Files: written to PATH.partial and renamed
 * when complete, so that no partial output is ever seen under its name; an interrupt removes the
 * partial file. Standard output is one per process, hence file-scope state. One thread.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "base/error.h"

#include <jansson.h>
#include <stdio.h>

/* ---- standard output and error --------------------------------------------------------------- */

void out_write(const void *bytes, size_t n_bytes);
void out_printf(const char *format, ...) BASE_PRINTF(1, 2);
void out_flush(void);
/* False once writing is pointless: the reader left or a write failed. */
bool out_alive(void);
/* Flushes; reports a failed write. Returns the exit code to end with. */
int out_end(int exit_code);

/* One line "moescope: object: detail" on stderr; returns CLI_FAILED. */
int out_error(const struct mscope_error *err);
/* One line on stderr, "moescope: " in front. */
void out_note(const char *format, ...) BASE_PRINTF(1, 2);

/* Bytes as text in a terminal: control characters as '?', at most `size` - 1 bytes. Returns `text`.
 */
const char *out_printable(char *text, size_t size, const char *source);

/* A field of CSV, quoted where it must be; NULL is empty. */
void out_csv_text(const char *text);

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Prints the object, indented, and releases it. */
void out_json(json_t *json);
json_t *json_number(double value);                    /* null when not finite */
json_t *json_count(uint64_t value);                   /* an integer; a real above 2^63 */
json_t *json_bytes(const char *text, size_t n_bytes); /* bytes that are not UTF-8 become U+FFFD */
json_t *json_text(const char *text);

/* ---- files ----------------------------------------------------------------------------------- */

struct out_file {
    FILE *stream;
    char *path, *partial; /* partial NULL: written in place (standard output, a device) */
};

/* "-" is standard output. What is no regular file (a device, a pipe) is written in place. */
enum mscope_status out_file_open(struct out_file *file, const char *path, struct mscope_error *err);
enum mscope_status out_file_write(struct out_file *file, const void *bytes, size_t n_bytes,
                                  struct mscope_error *err);
/* Flushes and renames. */
enum mscope_status out_file_finish(struct out_file *file, struct mscope_error *err);
/* Releases; removes the partial file when finish was not reached. */
void out_file_close(struct out_file *file);

/*
 * For writers of the library that replace `path` themselves: refuses a path that exists and is no
 * regular file, and has PATH.partial removed should an interrupt end the program.
 */
enum mscope_status out_path_guard(const char *path, struct mscope_error *err);
void out_path_release(void);

/* ---- interrupts ------------------------------------------------------------------------------ */

/* From now on Ctrl-C asks instead of killing; the second one kills. */
void interrupt_watch(void);
/* From now on a mapped file that shrinks under us ends the program with one line and exit 1. */
void vanished_bytes_watch(void);
bool interrupt_requested(void);
/* Waits for input on `fd`; false when Ctrl-C came first, even before the wait began. */
bool interrupt_wait_readable(int fd);
void interrupt_clear(void);

#endif
