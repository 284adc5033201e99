/* SPDX-License-Identifier: MIT */
/*
 * A table of results: described by data (tables_list.c), filled by one SQL statement or by code,
 * shown as CSV (plain values), as text for a terminal and as HTML. Inside report/ only. One thread.
 */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include "report/store.h"

#include "base/strbuf.h"

enum table_format {
    TABLE_TEXT,
    TABLE_COUNT,   /* an integer */
    TABLE_REAL,    /* `decimals` digits after the point */
    TABLE_FIGURES, /* `decimals` significant figures */
    TABLE_PERCENT, /* a share; `decimals` digits */
    TABLE_GB,      /* bytes in units of 1e9 */
    TABLE_MB       /* bytes in units of 1e6 */
};

enum table_flags {
    TABLE_FOLD = 1,  /* left out where it says the same in every row; the caption says it instead */
    TABLE_MINOR = 2, /* left out of the terminal and the page; CSV has it */
    TABLE_SPARE = 4, /* left out of the terminal and the page where empty in every row */
    TABLE_NONZERO = 16, /* with TABLE_SPARE: zeros are empty, too */
    TABLE_TRUTH = 8     /* 1 shows as "yes", 0 as "no" */
};

struct table_column {
    const char *name;  /* in CSV and SQL; NULL ends a list */
    const char *label; /* for people, unit included */
    enum table_format format;
    int decimals;
    unsigned flags;
};

struct table_spec {
    const char *name; /* of the CSV file and of the SQL table */
    const char *title;
    const char *note; /* what a reader must know; may be NULL */
    const struct table_column *columns;
    const char *sql; /* SELECT giving those columns; NULL: filled by code */
};

struct table_cell {
    enum { TABLE_NULL, TABLE_NUMBER, TABLE_WORDS } kind;
    double number;
    char *words; /* owned */
};

struct table {
    const struct table_spec *spec;
    size_t n_columns, n_rows, capacity;
    struct table_cell *cells; /* (n_rows, n_columns) */
};

/* Runs spec->sql, also leaving the result in the database as a table of that name. */
enum mscope_status table_select(struct table *table, struct store *store,
                                const struct table_spec *spec, struct mscope_error *err);
/* An empty one to be filled. */
void table_init(struct table *table, const struct table_spec *spec);
void table_free(struct table *table);
enum mscope_status table_add_row(struct table *table, struct mscope_error *err); /* of nulls */
/* Into the last row; a NaN or NULL stays null. */
void table_set_number(struct table *table, const char *column, double value);
enum mscope_status table_set_text(struct table *table, const char *column, const char *text,
                                  struct mscope_error *err);
const struct table_cell *table_at(const struct table *table, size_t row, const char *column);
/* Stores a table filled by code in the database. */
enum mscope_status table_keep(const struct table *table, struct store *store,
                              struct mscope_error *err);

void table_write_csv(const struct table *table, struct strbuf *to);
void table_write_text(const struct table *table, struct strbuf *to);
void table_write_html(const struct table *table, struct strbuf *to);
/* A line per column, for few rows of many columns. */
void table_write_html_upright(const struct table *table, struct strbuf *to);

/* One value as people read it; "–" for null. */
void table_format_cell(struct strbuf *to, const struct table_column *column,
                       const struct table_cell *cell);
/* One field, quoted where it must be; NULL is empty. */
void csv_append(struct strbuf *to, const char *text);
/* Text with & < > " made safe. */
void html_append(struct strbuf *to, const char *text);

#endif
