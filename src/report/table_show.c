/* SPDX-License-Identifier: MIT */
/* Which columns people see, and one value as they read it. */
#include "report/table_show.h"

#include <math.h>
#include <string.h>

enum { MAX_DECIMALS = 3 };

static bool is_constant(const struct table *table, size_t i_column);
static bool is_empty(const struct table *table, size_t i_column);

bool table_is_shown(const struct table *table, size_t i_column, bool *folded)
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

bool table_is_left(const struct table_column *column)
{
    return column->format == TABLE_TEXT || (column->flags & TABLE_TRUTH) != 0;
}

const char *table_show_cell(struct strbuf *to, const struct table *table, size_t row,
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

void table_append_folded(const struct table *table, struct strbuf *to, bool html)
{
    const char *between = html ? "" : " (";
    struct strbuf cell = {0};
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        bool folded = false;
        if (!table_is_shown(table, i, &folded) && folded) {
            const char *value = table_show_cell(&cell, table, 0, i);
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

/* Characters of UTF-8 text, each taken as one column wide. */
size_t table_count_glyphs(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}
