/* SPDX-License-Identifier: MIT */
/* Reading back what a report wrote. */
#ifndef TESTS_REPORT_READ_H
#define TESTS_REPORT_READ_H

#include "report/rows.h"

#include "report/claims.h"
#include "report/files.h"

/* The file out/name as text; caller frees with strbuf_free. */
static inline struct strbuf read_text(const struct rows_file *file, const char *name)
{
    char path[2 * ROWS_PATH_BYTES];
    struct strbuf text = {0};
    struct mscope_error err;
    snprintf(path, sizeof path, "%s/%s", file->out, name);
    assert_ok(files_read(&text, path, &err), &err);
    strbuf_append(&text, "", 0);
    return text;
}

/* A number of out/tables/TABLE.csv: of the one row where `where` ("arm=A; side=decode") holds. */
static inline double read_number(const struct rows_file *file, const char *table, const char *where,
                                 const char *column)
{
    char result[64], filter[128], name[64];
    snprintf(result, sizeof result, "tables/%s.csv", table);
    snprintf(filter, sizeof filter, "%s", where);
    snprintf(name, sizeof name, "%s", column);
    const struct claim claim = {
        .id = name, .result = result, .where = filter, .column = name, .take = CLAIMS_ONE};
    struct mscope_error err;
    double value = NAN;
    assert_ok(claims_read_figure(&value, &claim, file->out, &err), &err);
    return value;
}

static inline int read_count(const struct rows_file *file, const char *table, const char *where)
{
    char result[64], filter[128];
    snprintf(result, sizeof result, "tables/%s.csv", table);
    snprintf(filter, sizeof filter, "%s", where);
    const struct claim claim = {
        .id = result, .result = result, .where = filter, .take = CLAIMS_COUNT};
    struct mscope_error err;
    double value = NAN;
    assert_ok(claims_read_figure(&value, &claim, file->out, &err), &err);
    return (int)value;
}

static inline bool read_has(const struct rows_file *file, const char *name, const char *text)
{
    struct strbuf all = read_text(file, name);
    bool found = strstr(all.data, text) != NULL;
    strbuf_free(&all);
    return found;
}

#define assert_near(value, expected, tolerance)                                                    \
    do {                                                                                           \
        double value_ = (value), expected_ = (expected);                                           \
        if (!(fabs(value_ - expected_) <= (tolerance))) {                                          \
            fail_msg("%s is %.12g, expected %.12g", #value, value_, expected_);                    \
        }                                                                                          \
    } while (0)

#endif
