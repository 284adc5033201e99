/* SPDX-License-Identifier: MIT */
/* Tables as CSV and as text for a terminal. */
#include "report/table_show.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void append_cell(struct strbuf *to, const struct table_cell *cell);
static size_t count_longest_word(const char *label);
static size_t count_head_lines(const struct table *table, const size_t *widths);
static size_t take_head_line(struct strbuf *to, const char *label, size_t width, size_t i_line);
static void append_padded(struct strbuf *to, const char *text, size_t width, bool left);

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
    table_append_folded(table, to, false);
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
            size_t n = table_count_glyphs(table_show_cell(&cell, table, row, i));
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    size_t n_head = count_head_lines(table, widths);
    for (size_t line = 0; line < n_head + table->n_rows; line++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            bool folded;
            if (!table_is_shown(table, i, &folded)) {
                continue;
            }
            const struct table_column *column = &table->spec->columns[i];
            if (line < n_head) { /* heads stand on the first row of the table */
                size_t n_lines = take_head_line(&cell, column->label, widths[i], SIZE_MAX);
                size_t skipped = n_head - n_lines;
                take_head_line(&cell, column->label, widths[i],
                               line < skipped ? SIZE_MAX : line - skipped);
            } else {
                table_show_cell(&cell, table, line - n_head, i);
            }
            strbuf_append(to, "  ", 2);
            append_padded(to, cell.data != NULL ? cell.data : "", widths[i], table_is_left(column));
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
        if (table_is_shown(table, i, &folded)) {
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

static void append_padded(struct strbuf *to, const char *text, size_t width, bool left)
{
    size_t n = table_count_glyphs(text);
    int padding = (int)(width > n ? width - n : 0);
    if (left) {
        strbuf_printf(to, "%s%*s", text, padding, "");
    } else {
        strbuf_printf(to, "%*s%s", padding, "", text);
    }
}
