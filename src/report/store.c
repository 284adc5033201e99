/* SPDX-License-Identifier: MIT */
/* Rows into SQLite: the table is made from the list of fields of a record. */
#include "report/store.h"

#include "measure/record.h"
#include "report/store_names.h"

#include "base/strbuf.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status create_rows(struct store *store, struct mscope_error *err);
static void list_columns(struct strbuf *sql, const char *type_of_column);
static enum mscope_status add_lines(struct store *store, const char *path,
                                    struct mscope_error *err);
static enum mscope_status add_line(struct store *store, const char *path, uint64_t i_line,
                                   const char *line, size_t n_bytes, struct record *record,
                                   struct mscope_error *err);
static int bind_record(sqlite3_stmt *insert, const struct record *record, int i);
static int bind_field(sqlite3_stmt *insert, const struct record *record, const json_t *row,
                      const struct record_field *field, int *i);
static int bind_integers(sqlite3_stmt *insert, const int64_t *values, int n, int *i);
static int bind_real(sqlite3_stmt *insert, int i, double value);
static int bind_list(sqlite3_stmt *insert, int i, const json_t *list);
static enum mscope_status add_problem(struct store *store, const char *file, uint64_t line,
                                      const char *kind, const char *message,
                                      struct mscope_error *err);

enum mscope_status store_open(struct store *store, struct mscope_error *err)
{
    *store = (struct store){0};
    if (sqlite3_open(":memory:", &store->db) != SQLITE_OK ||
        aggregates_register(store->db) != SQLITE_OK) {
        enum mscope_status status = store_error(store, "open a database", err);
        store_close(store);
        return status;
    }
    enum mscope_status status = create_rows(store, err);
    if (status != MSCOPE_OK) {
        store_close(store);
    }
    return status;
}

void store_close(struct store *store)
{
    sqlite3_finalize(store->insert);
    sqlite3_close(store->db);
    *store = (struct store){0};
}

/* Phases and classes are columns of their own; the rest is one column per field. */
static enum mscope_status create_rows(struct store *store, struct mscope_error *err)
{
    struct strbuf create = {0}, insert = {0};
    strbuf_printf(&create, "CREATE TABLE rows(file TEXT, line INTEGER");
    list_columns(&create, "typed");
    strbuf_printf(&create,
                  ", arm TEXT, arm_rank INTEGER, part TEXT, used INTEGER, main INTEGER DEFAULT 0,"
                  " at_headline INTEGER DEFAULT 0, in_sweep INTEGER DEFAULT 0);"
                  "CREATE UNIQUE INDEX one_row ON rows(COALESCE(cell,''), COALESCE(session_id,''),"
                  " COALESCE(started_at,''), COALESCE(host_fingerprint,''));"
                  "CREATE TABLE problems(file TEXT, line INTEGER, kind TEXT, message TEXT);"
                  "CREATE TABLE inputs(file TEXT, rows INTEGER, corrupt INTEGER,"
                  " other_schema INTEGER, refused INTEGER, duplicates INTEGER);");
    strbuf_printf(&insert, "INSERT OR IGNORE INTO rows(file, line");
    list_columns(&insert, NULL);
    strbuf_printf(&insert, ") VALUES(?, ?");
    list_columns(&insert, "?");
    strbuf_printf(&insert, ")");
    enum mscope_status status = MSCOPE_OK;
    if (create.failed || insert.failed) {
        status = error_set_memory(err, "a statement", 0);
    } else {
        status = store_run(store, create.data, err);
    }
    if (status == MSCOPE_OK &&
        sqlite3_prepare_v2(store->db, insert.data, -1, &store->insert, NULL) != SQLITE_OK) {
        status = store_error(store, "prepare", err);
    }
    strbuf_free(&create);
    strbuf_free(&insert);
    return status;
}

/* ", name" for every column; with "typed" ", name TYPE"; with "?" ", ?". */
static void list_columns(struct strbuf *sql, const char *how)
{
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        int n = store_n_columns(field);
        for (int i = 0; i < n; i++) {
            char name[STORE_NAME_BYTES];
            store_column_name(name, field, i);
            const char *type = field->kind == RECORD_REAL ? "REAL"
                               : store_is_whole(field)    ? "INTEGER"
                                                          : "TEXT";
            if (how == NULL) {
                strbuf_printf(sql, ", \"%s\"", name);
            } else if (how[0] == '?') {
                strbuf_printf(sql, ", ?");
            } else {
                strbuf_printf(sql, ", \"%s\" %s", name, type);
            }
        }
    }
}

enum mscope_status store_add_file(struct store *store, const char *path, struct mscope_error *err)
{
    const struct store before = *store;
    enum mscope_status status = store_run(store, "BEGIN", err);
    if (status != MSCOPE_OK) {
        return status;
    }
    status = add_lines(store, path, err);
    enum mscope_status ended = store_run(store, "COMMIT", status == MSCOPE_OK ? err : NULL);
    status = status != MSCOPE_OK ? status : ended;
    sqlite3_stmt *insert = NULL;
    if (status == MSCOPE_OK) {
        store->n_files++;
        status = store_prepare(store, &insert, "INSERT INTO inputs VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                               (const char *const[]){path, NULL}, err);
    }
    if (status == MSCOPE_OK) {
        const uint64_t counts[] = {
            store->n_rows - before.n_rows, store->n_corrupt - before.n_corrupt,
            store->n_other_schema - before.n_other_schema, store->n_refused - before.n_refused,
            store->n_duplicates - before.n_duplicates};
        for (int i = 0; i < 5; i++) {
            sqlite3_bind_int64(insert, i + 2, (sqlite3_int64)counts[i]);
        }
        if (sqlite3_step(insert) != SQLITE_DONE) {
            status = store_error(store, "note a file", err);
        }
        sqlite3_finalize(insert);
    }
    return status;
}

static enum mscope_status add_lines(struct store *store, const char *path, struct mscope_error *err)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        return error_set_errno(err, errno, path, "open");
    }
    struct record record;
    record_init(&record);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n_bytes;
    enum mscope_status status = MSCOPE_OK;
    for (uint64_t i = 1; status == MSCOPE_OK && (n_bytes = getline(&line, &capacity, stream)) > 0;
         i++) {
        if (strspn(line, " \t\r\n") < (size_t)n_bytes) {
            status = add_line(store, path, i, line, (size_t)n_bytes, &record, err);
        }
    }
    if (status == MSCOPE_OK && ferror(stream) != 0) {
        status = error_set_errno(err, errno, path, "read");
    }
    free(line);
    record_free(&record);
    fclose(stream);
    return status;
}

/* A row, or why it is none. */
static enum mscope_status add_line(struct store *store, const char *path, uint64_t i_line,
                                   const char *line, size_t n_bytes, struct record *record,
                                   struct mscope_error *err)
{
    struct mscope_error problem;
    const char *kind = NULL;
    enum mscope_status status = record_from_line(record, line, n_bytes, &problem);
    if (status == MSCOPE_ERR_MEMORY) {
        return error_set_memory(err, "a row", n_bytes);
    }
    if (status == MSCOPE_ERR_UNSUPPORTED) {
        kind = "other schema";
        store->n_other_schema++;
    } else if (status != MSCOPE_OK) {
        kind = "corrupt";
        store->n_corrupt++;
    } else if (record_check(record, &problem) != MSCOPE_OK) {
        kind = "refused";
        store->n_refused++;
    }
    if (kind != NULL) {
        return add_problem(store, path, i_line, kind, problem.detail, err);
    }
    sqlite3_reset(store->insert);
    int code = sqlite3_bind_text(store->insert, 1, path, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_int64(store->insert, 2, (sqlite3_int64)i_line);
    }
    if (code == SQLITE_OK) {
        code = bind_record(store->insert, record, 3);
    }
    if (code != SQLITE_OK || sqlite3_step(store->insert) != SQLITE_DONE) {
        return store_error(store, "add a row", err);
    }
    bool is_new = sqlite3_changes(store->db) > 0;
    store->n_rows += is_new;
    store->n_duplicates += !is_new;
    return MSCOPE_OK;
}

static int bind_record(sqlite3_stmt *insert, const struct record *record, int i)
{
    json_t *row = record_to_json(record);
    int code = row == NULL ? SQLITE_NOMEM : SQLITE_OK;
    for (const struct record_field *field = record_fields; field->name != NULL && code == SQLITE_OK;
         field++) {
        code = bind_field(insert, record, row, field, &i);
    }
    json_decref(row);
    return code;
}

static int bind_field(sqlite3_stmt *insert, const struct record *record, const json_t *row,
                      const struct record_field *field, int *i)
{
    const char *at = (const char *)record + field->offset;
    const char *text;
    switch (field->kind) {
    case RECORD_TEXT:
        memcpy(&text, at, sizeof text);
        return sqlite3_bind_text(insert, (*i)++, text, -1, SQLITE_TRANSIENT);
    case RECORD_INT:
        return bind_integers(insert, (const int64_t *)(const void *)at, 1, i);
    case RECORD_BOOL: {
        int truth;
        memcpy(&truth, at, sizeof truth);
        int64_t value = truth == RECORD_NO_BOOL ? RECORD_NO_INT : truth;
        return bind_integers(insert, &value, 1, i);
    }
    case RECORD_REAL:
        return bind_real(insert, (*i)++, record_number(record, field));
    case RECORD_PHASES:
    case RECORD_CLASSES:
        return bind_integers(insert, (const int64_t *)(const void *)at, store_n_columns(field), i);
    case RECORD_REALS:
    case RECORD_TEXTS:
    case RECORD_TABLE:
        break;
    }
    return bind_list(insert, (*i)++, json_object_get(row, field->name));
}

/* An object that is null has the null value in its first slot only. */
static int bind_integers(sqlite3_stmt *insert, const int64_t *values, int n, int *i)
{
    int code = SQLITE_OK;
    for (int k = 0; k < n && code == SQLITE_OK; k++, (*i)++) {
        bool null = values[0] == RECORD_NO_INT || values[k] == RECORD_NO_INT;
        code = null ? sqlite3_bind_null(insert, *i) : sqlite3_bind_int64(insert, *i, values[k]);
    }
    return code;
}

static int bind_real(sqlite3_stmt *insert, int i, double value)
{
    return isfinite(value) ? sqlite3_bind_double(insert, i, value) : sqlite3_bind_null(insert, i);
}

/* Lists of texts read best joined; lists of numbers stay JSON. */
static int bind_list(sqlite3_stmt *insert, int i, const json_t *list)
{
    int code = SQLITE_OK;
    if (list == NULL || json_is_null(list)) {
        code = sqlite3_bind_null(insert, i);
    } else if (json_array_size(list) > 0 && json_is_string(json_array_get(list, 0))) {
        struct strbuf joined = {0};
        for (size_t k = 0; k < json_array_size(list); k++) {
            const char *text = json_string_value(json_array_get(list, k));
            strbuf_printf(&joined, "%s%s", k > 0 ? "; " : "", text != NULL ? text : "");
        }
        code = joined.failed ? SQLITE_NOMEM
                             : sqlite3_bind_text(insert, i, joined.data, -1, SQLITE_TRANSIENT);
        strbuf_free(&joined);
    } else if (json_array_size(list) == 0) {
        code = sqlite3_bind_text(insert, i, "", -1, SQLITE_STATIC);
    } else {
        char *text = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(9));
        code =
            text == NULL ? SQLITE_NOMEM : sqlite3_bind_text(insert, i, text, -1, SQLITE_TRANSIENT);
        free(text);
    }
    return code;
}

/* A message may quote bytes of the line: only plain characters are kept. */
static enum mscope_status add_problem(struct store *store, const char *file, uint64_t line,
                                      const char *kind, const char *message,
                                      struct mscope_error *err)
{
    char safe[512];
    snprintf(safe, sizeof safe, "%s", message);
    for (char *c = safe; *c != '\0'; c++) {
        *c = *c >= 0x20 && *c < 0x7F ? *c : '?';
    }
    sqlite3_stmt *insert;
    enum mscope_status status =
        store_prepare(store, &insert, "INSERT INTO problems VALUES(?1, ?4, ?2, ?3)",
                      (const char *const[]){file, kind, safe, NULL}, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    sqlite3_bind_int64(insert, 4, (sqlite3_int64)line);
    if (sqlite3_step(insert) != SQLITE_DONE) {
        status = store_error(store, "note a problem", err);
    }
    sqlite3_finalize(insert);
    return status;
}
