/* SPDX-License-Identifier: MIT */
/*
 * A .jsonl file of rows. The writer holds a lock (flock) from open to close, so that a second
 * program on the same file is refused; each row is one write() to a file opened O_APPEND, then
 * fsync. What a kill can leave behind is a torn last line: opening for writing cuts it off. Readers
 * take no lock and change nothing. One thread.
 */
#ifndef MEASURE_ROW_FILE_H
#define MEASURE_ROW_FILE_H

#include "measure/record.h"

#include <stdbool.h>

enum { ROW_FILE_LISTED = 16 };

struct row_file_report { /* what reading found */
    uint64_t n_rows;     /* good ones */
    uint64_t n_corrupt;  /* lines that are no row */
    uint64_t n_other_schema;
    uint64_t n_duplicates; /* rows whose cell had been seen (writer's reading only) */
    uint64_t corrupt_lines[ROW_FILE_LISTED]; /* numbers of the first ones, from 1 */
    char first_problem[256];                 /* of the first corrupt line, "" when none */
    int64_t other_schema;                    /* the first one seen, 0 when none */
    bool torn;                               /* the last line had no line end and is no row */
};

typedef enum mscope_status row_visit_fn(void *user, const struct record *record, uint64_t i_line,
                                        struct mscope_error *err);
/*
 * Calls `visit` for every good row in order; it may stop the reading by failing. Corrupt lines are
 * counted, not errors; rows of another schema version are counted and not visited.
 */
enum mscope_status row_file_read(const char *path, row_visit_fn *visit, void *user,
                                 struct row_file_report *report, struct mscope_error *err);

struct row_file;
/*
 * Creates or continues `path`. Refused (MSCOPE_ERR_IO): another program writes to it for a second,
 * not a regular file, not writable. MSCOPE_ERR_UNSUPPORTED: it holds rows of another schema
 * version. `report` may be NULL.
 */
enum mscope_status row_file_open(struct row_file **out, const char *path,
                                 struct row_file_report *report, struct mscope_error *err);
void row_file_close(struct row_file **file);

/* True when the file holds a row of this cell, whatever its status. */
bool row_file_has(const struct row_file *file, const char *cell);
/* Checks (record_check), appends, syncs. A cell that is there already: MSCOPE_ERR_ARGUMENT. After a
 * failed write (full disk) the file is cut back to its last whole row. */
enum mscope_status row_file_append(struct row_file *file, const struct record *record,
                                   struct mscope_error *err);

#endif
