/* SPDX-License-Identifier: MIT */
/* Rows and folders for the tests of measure/. */
#ifndef TESTS_MEASURE_ROWS_H
#define TESTS_MEASURE_ROWS_H

#define _XOPEN_SOURCE 700 /* nftw */

#include "unit.h"

#include "measure/record.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* cmocka's assert_float_equal compares floats. */
#define assert_near(value, expected, tolerance)                                                    \
    do {                                                                                           \
        double value_ = (value), expected_ = (expected);                                           \
        if (!(value_ - expected_ <= (tolerance) && expected_ - value_ <= (tolerance))) {           \
            fail_msg(#value " is %.17g, expected %.17g", value_, expected_);                       \
        }                                                                                          \
    } while (0)

/* A row that a writer accepts. */
static inline void rows_make(struct record *record, const char *cell)
{
    struct mscope_error err;
    record_init(record);
    assert_ok(record_set_text(&record->cell, cell, &err), &err);
    assert_ok(record_set_text(&record->commit, "0123abc", &err), &err);
    assert_ok(record_set_text(&record->host_fingerprint, "0011223344556677", &err), &err);
    assert_ok(record_set_text(&record->started_at, "2025-01-31T12:34:56.789Z", &err), &err);
    assert_ok(record_set_text(&record->status, "ok", &err), &err);
}

/* A new folder below $TMPDIR; the name stays valid until the next call. */
static inline const char *rows_folder(void)
{
    static char path[512];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/moescope-measure-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline int rows_remove_one(const char *path, const struct stat *info, int kind,
                                  struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void rows_remove(const char *folder)
{
    assert_int_equal(nftw(folder, rows_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void rows_write(const char *folder, const char *name, const char *text)
{
    char path[800];
    snprintf(path, sizeof path, "%.600s/%.190s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

#endif
