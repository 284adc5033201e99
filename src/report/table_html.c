/* SPDX-License-Identifier: MIT */
/* Tables as HTML. */
#include "report/table_show.h"

enum { LONG_TEXT = 32, WIDE_COLUMNS = 14 };

static void write_caption(const struct table *table, struct strbuf *to);
static void write_cell(const struct table *table, size_t row, size_t i_column, struct strbuf *to);
static void write_end(const struct table *table, struct strbuf *to);

void table_write_html(const struct table *table, struct strbuf *to)
{
    write_caption(table, to);
    bool ignored;
    size_t n_shown = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        n_shown += table_is_shown(table, i, &ignored);
    }
    strbuf_printf(to, "<div class=\"table%s\"><table id=\"%s\">\n<thead><tr>",
                  n_shown >= WIDE_COLUMNS ? " wide" : "", table->spec->name);
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table_is_shown(table, i, &ignored)) {
            const struct table_column *column = &table->spec->columns[i];
            strbuf_printf(to, "<th scope=\"col\"%s>",
                          table_is_left(column) ? " class=\"words\"" : "");
            html_append(to, column->label);
            strbuf_printf(to, "</th>");
        }
    }
    strbuf_printf(to, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < table->n_rows; row++) {
        strbuf_printf(to, "<tr>");
        for (size_t i = 0; i < table->n_columns; i++) {
            if (table_is_shown(table, i, &ignored)) {
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
        if (!table_is_shown(table, i, &folded) && !folded) {
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
    table_append_folded(table, &folded, true);
    if (folded.n_bytes > 0) {
        strbuf_printf(to, " <small>%s</small>", folded.data);
    }
    strbuf_printf(to, "</p>\n");
    strbuf_free(&folded);
}

static void write_cell(const struct table *table, size_t row, size_t i_column, struct strbuf *to)
{
    struct strbuf cell = {0};
    const char *text = table_show_cell(&cell, table, row, i_column);
    const char *class = !table_is_left(&table->spec->columns[i_column]) ? ""
                        : table_count_glyphs(text) > LONG_TEXT          ? " class=\"words long\""
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
        case ' ': /* a number keeps its sign of per cent */
            strbuf_printf(to, "%s", text[1] == '%' ? "&#160;" : " ");
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
