/* SPDX-License-Identifier: MIT */
/* Tables: showing. */
#include "report/table.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_TEXT = 32, MAX_DECIMALS = 3 };

static bool is_shown(const struct table *table, size_t i_column, bool *folded);
static bool is_constant(const struct table *table, size_t i_column);
static bool is_empty(const struct table *table, size_t i_column);
static bool is_left(const struct table_column *column);
static void append_cell(struct strbuf *to, const struct table_cell *cell);
static void append_folded(const struct table *table, struct strbuf *to, bool html);
static void write_caption(const struct table *table, struct strbuf *to);
static void write_cell(const struct table *table, size_t row, size_t i_column, struct strbuf *to);
static void write_end(const struct table *table, struct strbuf *to);
static size_t count_glyphs(const char *text);
static size_t count_longest_word(const char *label);
static size_t count_head_lines(const struct table *table, const size_t *widths);
static size_t take_head_line(struct strbuf *to, const char *label, size_t width, size_t i_line);
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
        widths[i] = count_longest_word(table->spec->columns[i].label);
        for (size_t row = 0; row < table->n_rows; row++) {
            size_t n = count_glyphs(show_cell(&cell, table, row, i));
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    size_t n_head = count_head_lines(table, widths);
    for (size_t line = 0; line < n_head + table->n_rows; line++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            bool folded;
            if (!is_shown(table, i, &folded)) {
                continue;
            }
            const struct table_column *column = &table->spec->columns[i];
            if (line < n_head) { /* heads stand on the first row of the table */
                size_t n_lines = take_head_line(&cell, column->label, widths[i], SIZE_MAX);
                size_t skipped = n_head - n_lines;
                take_head_line(&cell, column->label, widths[i],
                               line < skipped ? SIZE_MAX : line - skipped);
            } else {
                show_cell(&cell, table, line - n_head, i);
            }
            strbuf_append(to, "  ", 2);
            append_padded(to, cell.data != NULL ? cell.data : "", widths[i], is_left(column));
        }
        while (to->n_bytes > 0 && to->data[to->n_bytes - 1] == ' ') {
            to->data[--to->n_bytes] = '\0';
        }
        strbuf_append(to, "\n", 1);
    }
    strbuf_free(&cell);
    free(widths);
}

static size_t count_longest_word(const char *label)
{
    size_t longest = 0;
    while (*label != '\0') {
        size_t length = strcspn(label, " "), n = 0;
        for (size_t i = 0; i < length; i++) {
            n += ((unsigned char)label[i] & 0xC0) != 0x80;
        }
        longest = n > longest ? n : longest;
        label += length + (label[length] == ' ');
    }
    return longest;
}

static size_t count_head_lines(const struct table *table, const size_t *widths)
{
    size_t most = 1;
    struct strbuf line = {0};
    for (size_t i = 0; i < table->n_columns; i++) {
        bool folded;
        if (is_shown(table, i, &folded)) {
            size_t n = take_head_line(&line, table->spec->columns[i].label, widths[i], SIZE_MAX);
            most = n > most ? n : most;
        }
    }
    strbuf_free(&line);
    return most;
}

/* The i-th line of a label broken at spaces to `width`, empty past the last; returns how many. */
static size_t take_head_line(struct strbuf *to, const char *label, size_t width, size_t i_line)
{
    strbuf_clear(to);
    size_t n_lines = 0, used = 0;
    while (*label != '\0') {
        size_t length = strcspn(label, " "), n = 0;
        for (size_t i = 0; i < length; i++) {
            n += ((unsigned char)label[i] & 0xC0) != 0x80;
        }
        bool breaks = n_lines == 0 || used + 1 + n > width;
        n_lines += breaks;
        used = breaks ? n : used + 1 + n;
        if (n_lines - 1 == i_line) {
            strbuf_append(to, " ", !breaks);
            strbuf_append(to, label, length);
        }
        label += length + (label[length] == ' ');
    }
    return n_lines;
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
            strbuf_printf(to, "%s%s: ", between, table->spec->columns[i].label);
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
    write_caption(table, to);
    strbuf_printf(to, "<div class=\"table\"><table id=\"%s\">\n<thead><tr>", table->spec->name);
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
    for (size_t row = 0; row < table->n_rows; row++) {
        strbuf_printf(to, "<tr>");
        for (size_t i = 0; i < table->n_columns; i++) {
            if (is_shown(table, i, &ignored)) {
                write_cell(table, row, i, to);
            }
        }
        strbuf_printf(to, "</tr>\n");
    }
    write_end(table, to);
}

void table_write_html_upright(const struct table *table, struct strbuf *to)
{
    write_caption(table, to);
    strbuf_printf(to, "<div class=\"table\"><table id=\"%s\" class=\"upright\">\n<tbody>\n",
                  table->spec->name);
    for (size_t i = 0; i < table->n_columns; i++) {
        bool folded = false;
        if (!is_shown(table, i, &folded) && !folded) {
            continue;
        }
        strbuf_printf(to, "<tr><th scope=\"row\" class=\"words\">");
        html_append(to, table->spec->columns[i].label);
        strbuf_printf(to, "</th>");
        for (size_t row = 0; row < table->n_rows; row++) {
            write_cell(table, row, i, to);
        }
        strbuf_printf(to, "</tr>\n");
    }
    write_end(table, to);
}

static void write_caption(const struct table *table, struct strbuf *to)
{
    struct strbuf folded = {0};
    strbuf_printf(to, "<p class=\"caption\"><b>");
    html_append(to, table->spec->title);
    strbuf_printf(to, "</b>");
    append_folded(table, &folded, true);
    if (folded.n_bytes > 0) {
        strbuf_printf(to, " <small>%s</small>", folded.data);
    }
    strbuf_printf(to, "</p>\n");
    strbuf_free(&folded);
}

static void write_cell(const struct table *table, size_t row, size_t i_column, struct strbuf *to)
{
    struct strbuf cell = {0};
    const char *text = show_cell(&cell, table, row, i_column);
    const char *class = !is_left(&table->spec->columns[i_column]) ? ""
                        : count_glyphs(text) > LONG_TEXT          ? " class=\"words long\""
                                                                  : " class=\"words\"";
    strbuf_printf(to, "<td%s>", class);
    html_append(to, text);
    strbuf_printf(to, "</td>");
    strbuf_free(&cell);
}

static void write_end(const struct table *table, struct strbuf *to)
{
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
        bool zero = (table->spec->columns[i_column].flags & TABLE_NONZERO) != 0 &&
                    cell->kind == TABLE_NUMBER && cell->number == 0;
        if (cell->kind != TABLE_NULL && !zero &&
            !(cell->kind == TABLE_WORDS && cell->words[0] == '\0')) {
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
            int before = size > 1e-6 ? (int)floor(log10(size)) + 1 : decimals;
            int after = before < decimals ? decimals - before : 0;
            strbuf_printf(to, "%.*f", after < MAX_DECIMALS ? after : MAX_DECIMALS, cell->number);
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
