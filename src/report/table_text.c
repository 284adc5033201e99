/* SPDX-License-Identifier: MIT */
/* Tables: showing. */
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_shown(const struct table *table, size_t i_column, bool *folded);
static bool is_constant(const struct table *table, size_t i_column);
static bool is_empty(const struct table *table, size_t i_column);
static bool is_left(const struct table_column *column);
static void append_cell(struct strbuf *to, const struct table_cell *cell);
static void append_folded(const struct table *table, struct strbuf *to, bool html);
static size_t count_glyphs(const char *text);
static void append_padded(struct strbuf *to, const char *text, size_t width, bool left);
static const char *show_cell(struct strbuf *to, const struct table *table, size_t row,
                             size_t i_column);

void table_write_csv(const struct table *table, struct strbuf *to)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        strbuf_printf(to, "%s%s", i > 0 ? "," : "", table->spec->columns[i].name);
    }
    strbuf_append(to, "\n", 1);
    for (size_t row = 0; row < table->n_rows; row++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            strbuf_append(to, ",", i > 0);
            append_cell(to, &table->cells[row * table->n_columns + i]);
        }
        strbuf_append(to, "\n", 1);
    }
}

static void append_cell(struct strbuf *to, const struct table_cell *cell)
{
    if (cell->kind == TABLE_NUMBER) {
        strbuf_printf(to, "%.10g", cell->number);
    } else if (cell->kind == TABLE_WORDS) {
        csv_append(to, cell->words);
    }
}

void csv_append(struct strbuf *to, const char *text)
{
    bool quoted = text != NULL && strpbrk(text, ",\"\r\n") != NULL;
    strbuf_append(to, "\"", quoted);
    for (; text != NULL && *text != '\0'; text++) {
        strbuf_append(to, "\"", *text == '"');
        strbuf_append(to, text, 1);
    }
    strbuf_append(to, "\"", quoted);
}

void table_write_text(const struct table *table, struct strbuf *to)
{
    strbuf_printf(to, "%s", table->spec->title);
    append_folded(table, to, false);
    strbuf_append(to, "\n", 1);
    size_t *widths = calloc(table->n_columns, sizeof *widths);
    struct strbuf cell = {0};
    if (widths == NULL) {
        to->failed = true;
        return;
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        widths[i] = count_glyphs(table->spec->columns[i].label);
        for (size_t row = 0; row < table->n_rows; row++) {
            size_t n = count_glyphs(show_cell(&cell, table, row, i));
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    for (size_t line = 0; line <= table->n_rows; line++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            const struct table_column *column = &table->spec->columns[i];
            bool folded;
            if (is_shown(table, i, &folded)) {
                strbuf_append(to, "  ", 2);
                append_padded(to, line == 0 ? column->label : show_cell(&cell, table, line - 1, i),
                              widths[i], is_left(column));
            }
        }
        while (to->n_bytes > 0 && to->data[to->n_bytes - 1] == ' ') {
            to->data[--to->n_bytes] = '\0';
        }
        strbuf_append(to, "\n", 1);
    }
    strbuf_free(&cell);
    free(widths);
}

static void append_folded(const struct table *table, struct strbuf *to, bool html)
{
    const char *between = html ? "" : " (";
    struct strbuf cell = {0};
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        bool folded = false;
        if (!is_shown(table, i, &folded) && folded) {
            const char *value = show_cell(&cell, table, 0, i);
            strbuf_printf(to, "%s%s ", between, table->spec->columns[i].label);
            if (html) {
                html_append(to, value);
            } else {
                strbuf_printf(to, "%s", value);
            }
            between = ", ";
            any = true;
        }
    }
    strbuf_append(to, ")", any && !html);
    strbuf_append(to, ".", any && html);
    strbuf_free(&cell);
}

void table_write_html(const struct table *table, struct strbuf *to)
{
    strbuf_printf(to, "<div class=\"table\"><table id=\"%s\">\n<caption>", table->spec->name);
    html_append(to, table->spec->title);
    struct strbuf folded = {0};
    append_folded(table, &folded, true);
    if (folded.n_bytes > 0) {
        strbuf_printf(to, " <small>%s</small>", folded.data);
    }
    strbuf_free(&folded);
    strbuf_printf(to, "</caption>\n<thead><tr>");
    bool ignored;
    for (size_t i = 0; i < table->n_columns; i++) {
        if (is_shown(table, i, &ignored)) {
            const struct table_column *column = &table->spec->columns[i];
            strbuf_printf(to, "<th scope=\"col\"%s>", is_left(column) ? " class=\"words\"" : "");
            html_append(to, column->label);
            strbuf_printf(to, "</th>");
        }
    }
    strbuf_printf(to, "</tr></thead>\n<tbody>\n");
    struct strbuf cell = {0};
    for (size_t row = 0; row < table->n_rows; row++) {
        strbuf_printf(to, "<tr>");
        for (size_t i = 0; i < table->n_columns; i++) {
            if (is_shown(table, i, &ignored)) {
                bool left = is_left(&table->spec->columns[i]);
                strbuf_printf(to, "<td%s>", left ? " class=\"words\"" : "");
                html_append(to, show_cell(&cell, table, row, i));
                strbuf_printf(to, "</td>");
            }
        }
        strbuf_printf(to, "</tr>\n");
    }
    strbuf_free(&cell);
    strbuf_printf(to, "</tbody></table></div>\n");
    if (table->spec->note != NULL) {
        strbuf_printf(to, "<p class=\"note\">");
        html_append(to, table->spec->note);
        strbuf_printf(to, "</p>\n");
    }
}

static bool is_shown(const struct table *table, size_t i_column, bool *folded)
{
    unsigned flags = table->spec->columns[i_column].flags;
    *folded = (flags & TABLE_FOLD) != 0 && table->n_rows > 0 && is_constant(table, i_column) &&
              !is_empty(table, i_column);
    return (flags & TABLE_MINOR) == 0 && !*folded &&
           ((flags & (TABLE_SPARE | TABLE_FOLD)) == 0 || !is_empty(table, i_column));
}

static bool is_constant(const struct table *table, size_t i_column)
{
    const struct table_cell *first = &table->cells[i_column];
    for (size_t row = 1; row < table->n_rows; row++) {
        const struct table_cell *cell = &table->cells[row * table->n_columns + i_column];
        bool same = cell->kind == first->kind &&
                    (cell->kind != TABLE_NUMBER || cell->number == first->number) &&
                    (cell->kind != TABLE_WORDS || strcmp(cell->words, first->words) == 0);
        if (!same) {
            return false;
        }
    }
    return true;
}

static bool is_empty(const struct table *table, size_t i_column)
{
    for (size_t row = 0; row < table->n_rows; row++) {
        const struct table_cell *cell = &table->cells[row * table->n_columns + i_column];
        if (cell->kind != TABLE_NULL && !(cell->kind == TABLE_WORDS && cell->words[0] == '\0')) {
            return false;
        }
    }
    return true;
}

static bool is_left(const struct table_column *column)
{
    return column->format == TABLE_TEXT || (column->flags & TABLE_TRUTH) != 0;
}

static const char *show_cell(struct strbuf *to, const struct table *table, size_t row,
                             size_t i_column)
{
    strbuf_clear(to);
    table_format_cell(to, &table->spec->columns[i_column],
                      &table->cells[row * table->n_columns + i_column]);
    return to->failed || to->data == NULL ? "" : to->data;
}

void table_format_cell(struct strbuf *to, const struct table_column *column,
                       const struct table_cell *cell)
{
    int decimals = column->decimals;
    if (cell->kind == TABLE_WORDS) {
        strbuf_printf(to, "%s", cell->words);
    } else if (cell->kind == TABLE_NULL) {
        strbuf_printf(to, "–");
    } else if ((column->flags & TABLE_TRUTH) != 0) {
        strbuf_printf(to, "%s", cell->number != 0 ? "yes" : "no");
    } else {
        switch (column->format) {
        case TABLE_TEXT:
        case TABLE_COUNT:
            strbuf_printf(to, "%.0f", cell->number);
            break;
        case TABLE_REAL:
            strbuf_printf(to, "%.*f", decimals, cell->number);
            break;
        case TABLE_FIGURES: {
            double size = fabs(cell->number);
            int before = size >= 1 ? (int)floor(log10(size)) + 1 : 1;
            strbuf_printf(to, "%.*f", before < decimals ? decimals - before : 0, cell->number);
            break;
        }
        case TABLE_PERCENT:
            strbuf_printf(to, "%.*f %%", decimals, 100 * cell->number);
            break;
        case TABLE_GB:
            strbuf_printf(to, "%.2f", cell->number / 1e9);
            break;
        case TABLE_MB:
            strbuf_printf(to, "%.0f", cell->number / 1e6);
            break;
        }
    }
}

/* Characters of UTF-8 text, each taken as one column wide. */
static size_t count_glyphs(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}

static void append_padded(struct strbuf *to, const char *text, size_t width, bool left)
{
    size_t n = count_glyphs(text);
    int padding = (int)(width > n ? width - n : 0);
    if (left) {
        strbuf_printf(to, "%s%*s", text, padding, "");
    } else {
        strbuf_printf(to, "%*s%s", padding, "", text);
    }
}

void html_append(struct strbuf *to, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            strbuf_printf(to, "&amp;");
            break;
        case '<':
            strbuf_printf(to, "&lt;");
            break;
        case '>':
            strbuf_printf(to, "&gt;");
            break;
        case '"':
            strbuf_printf(to, "&quot;");
            break;
        default:
            if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t') {
                strbuf_append(to, text, 1);
            } else {
                strbuf_append(to, "?", 1);
            }
        }
    }
}
