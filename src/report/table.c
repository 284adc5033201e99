/* SPDX-License-Identifier: MIT */
/* Tables: filling. */
#include "report/table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status materialise(struct store *store, const struct table_spec *spec,
                                      struct mscope_error *err);
static size_t count_columns(const struct table_spec *spec);
static size_t find_column(const struct table *table, const char *name);
static enum mscope_status read_row(struct table *table, sqlite3_stmt *query,
                                   struct mscope_error *err);

enum mscope_status table_select(struct table *table, struct store *store,
                                const struct table_spec *spec, struct mscope_error *err)
{
    table_init(table, spec);
    enum mscope_status status = materialise(store, spec, err);
    sqlite3_stmt *query = NULL;
    struct strbuf sql = {0};
    strbuf_printf(&sql, "SELECT * FROM \"%s\"", spec->name);
    if (status == MSCOPE_OK) {
        status = sql.failed ? error_set_memory(err, "a statement", 0)
                            : store_prepare(store, &query, sql.data, NULL, err);
    }
    if (status == MSCOPE_OK) {
        assert((size_t)sqlite3_column_count(query) == table->n_columns);
        int code;
        while (status == MSCOPE_OK && (code = sqlite3_step(query)) != SQLITE_DONE) {
            status = code == SQLITE_ROW ? read_row(table, query, err)
                                        : store_error(store, spec->name, err);
        }
        sqlite3_finalize(query);
    }
    strbuf_free(&sql);
    if (status != MSCOPE_OK) {
        table_free(table);
    }
    return status;
}

/* The result stays in the database, where its reader needs none of our functions. */
static enum mscope_status materialise(struct store *store, const struct table_spec *spec,
                                      struct mscope_error *err)
{
    struct strbuf sql = {0};
    strbuf_printf(&sql, "CREATE TABLE \"%s\" AS %s", spec->name, spec->sql);
    enum mscope_status status =
        sql.failed ? error_set_memory(err, "a statement", 0) : store_run(store, sql.data, err);
    if (status != MSCOPE_OK) {
        error_set_object(err, "table %s of the report", spec->name);
    }
    strbuf_free(&sql);
    return status;
}

static enum mscope_status read_row(struct table *table, sqlite3_stmt *query,
                                   struct mscope_error *err)
{
    enum mscope_status status = table_add_row(table, err);
    for (size_t i = 0; i < table->n_columns && status == MSCOPE_OK; i++) {
        const char *name = table->spec->columns[i].name;
        assert(strcmp(sqlite3_column_name(query, (int)i), name) == 0);
        int type = sqlite3_column_type(query, (int)i);
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
            table_set_number(table, name, sqlite3_column_double(query, (int)i));
        } else if (type == SQLITE_TEXT) {
            const char *text = (const char *)sqlite3_column_text(query, (int)i);
            status = table_set_text(table, name, text, err);
        }
    }
    return status;
}

void table_init(struct table *table, const struct table_spec *spec)
{
    *table = (struct table){.spec = spec, .n_columns = count_columns(spec)};
}

static size_t count_columns(const struct table_spec *spec)
{
    size_t n = 0;
    while (spec->columns[n].name != NULL) {
        n++;
    }
    return n;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
        free(table->cells[i].words);
    }
    free(table->cells);
    *table = (struct table){0};
}

enum mscope_status table_add_row(struct table *table, struct mscope_error *err)
{
    if (table->n_rows == table->capacity) {
        size_t capacity = table->capacity == 0 ? 16 : 2 * table->capacity;
        size_t n_bytes = capacity * table->n_columns * sizeof *table->cells;
        struct table_cell *cells = realloc(table->cells, n_bytes);
        if (cells == NULL) {
            return error_set_memory(err, "a table", n_bytes);
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    struct table_cell *row = &table->cells[table->n_rows * table->n_columns];
    memset(row, 0, table->n_columns * sizeof *row);
    table->n_rows++;
    return MSCOPE_OK;
}

void table_set_number(struct table *table, const char *column, double value)
{
    struct table_cell *cell =
        &table->cells[(table->n_rows - 1) * table->n_columns + find_column(table, column)];
    if (isfinite(value)) {
        cell->kind = TABLE_NUMBER;
        cell->number = value;
    }
}

enum mscope_status table_set_text(struct table *table, const char *column, const char *text,
                                  struct mscope_error *err)
{
    struct table_cell *cell =
        &table->cells[(table->n_rows - 1) * table->n_columns + find_column(table, column)];
    if (text == NULL) {
        return MSCOPE_OK;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return error_set_memory(err, "a table", strlen(text));
    }
    free(cell->words);
    cell->kind = TABLE_WORDS;
    cell->words = copy;
    return MSCOPE_OK;
}

const struct table_cell *table_at(const struct table *table, size_t row, const char *column)
{
    return &table->cells[row * table->n_columns + find_column(table, column)];
}

static size_t find_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (strcmp(table->spec->columns[i].name, name) == 0) {
            return i;
        }
    }
    assert(false && "no such column");
    return 0;
}

enum mscope_status table_keep(const struct table *table, struct store *store,
                              struct mscope_error *err)
{
    struct strbuf sql = {0};
    strbuf_printf(&sql, "CREATE TABLE \"%s\"(", table->spec->name);
    for (size_t i = 0; i < table->n_columns; i++) {
        strbuf_printf(&sql, "%s\"%s\"", i > 0 ? ", " : "", table->spec->columns[i].name);
    }
    strbuf_printf(&sql, ");");
    for (size_t row = 0; row < table->n_rows; row++) {
        strbuf_printf(&sql, "INSERT INTO \"%s\" VALUES(", table->spec->name);
        for (size_t i = 0; i < table->n_columns; i++) {
            const struct table_cell *cell = &table->cells[row * table->n_columns + i];
            strbuf_append(&sql, ", ", i > 0 ? 2 : 0);
            if (cell->kind == TABLE_NUMBER) {
                strbuf_printf(&sql, "%.17g", cell->number);
            } else {
                char *quoted =
                    sqlite3_mprintf("%Q", cell->kind == TABLE_WORDS ? cell->words : NULL);
                strbuf_printf(&sql, "%s", quoted != NULL ? quoted : "NULL");
                sqlite3_free(quoted);
            }
        }
        strbuf_printf(&sql, ");");
    }
    enum mscope_status status =
        sql.failed ? error_set_memory(err, "a statement", 0) : store_run(store, sql.data, err);
    strbuf_free(&sql);
    return status;
}
