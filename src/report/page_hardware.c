/* SPDX-License-Identifier: MIT */
/* HARDWARE.md, and what a reader must bear in mind. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void write_table(const struct table *table, struct strbuf *to);

void page_write_hardware(const struct page *page, struct strbuf *to)
{
    strbuf_printf(to,
                  "# Hardware and programs\n\nMade by `moescope report` from the raw rows; do not "
                  "edit.\n");
    const struct table *hosts = &page->tables[TABLES_HOSTS];
    const struct table_column *columns = hosts->spec->columns;
    for (size_t row = 0; row < hosts->n_rows; row++) {
        strbuf_printf(to, "\n## %s, %.0f threads used\n\n", table_at(hosts, row, "host")->words,
                      table_at(hosts, row, "threads")->number);
        strbuf_printf(to, "| | |\n|---|---|\n");
        for (size_t i = 1; i < hosts->n_columns; i++) {
            const struct table_cell *cell = &hosts->cells[row * hosts->n_columns + i];
            if (cell->kind != TABLE_NULL) {
                strbuf_printf(to, "| %s | ", columns[i].label);
                table_format_cell(to, &columns[i], cell);
                strbuf_printf(to, " |\n");
            }
        }
    }
    strbuf_printf(to,
                  "\nRead bandwidth and arithmetic peaks were measured in the same sessions with "
                  "the same number of threads (median).\n");
    strbuf_printf(to, "\n## Models\n\n");
    write_table(&page->tables[TABLES_MODELS], to);
    strbuf_printf(to, "\n## Programs\n\n");
    write_table(&page->tables[TABLES_BUILDS], to);
}

static void write_table(const struct table *table, struct strbuf *to)
{
    const struct table_column *columns = table->spec->columns;
    for (size_t i = 0; i < table->n_columns; i++) {
        strbuf_printf(to, "| %s ", columns[i].label);
    }
    strbuf_printf(to, "|\n");
    for (size_t i = 0; i < table->n_columns; i++) {
        strbuf_printf(to, "|---");
    }
    strbuf_printf(to, "|\n");
    struct strbuf cell = {0};
    for (size_t row = 0; row < table->n_rows; row++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            strbuf_clear(&cell);
            table_format_cell(&cell, &columns[i], &table->cells[row * table->n_columns + i]);
            strbuf_printf(to, "| ");
            for (const char *c = cell.data; c != NULL && *c != '\0'; c++) {
                strbuf_append(to, "\\", *c == '|');
                strbuf_append(to, *c == '\n' ? " " : c, 1);
            }
            strbuf_append(to, " ", 1);
        }
        strbuf_printf(to, "|\n");
    }
    strbuf_free(&cell);
}

void page_list_caveats(const struct page *page, struct files_list *caveats)
{
    struct store *store = page->store;
    const struct {
        bool holds;
        const char *text;
    } fixed[] = {
        {store_number(store, "SELECT max(synthetic) FROM runs", NULL) > 0,
         "Synthetic models have random weights: which experts a token takes, how evenly they are "
         "used and how often they repeat is that of a random router. A trained one chooses "
         "otherwise, which changes the bytes read in prefill and what stays in the caches."},
        {store_number(store, "SELECT count(DISTINCT host_fingerprint) FROM runs", NULL) == 1,
         "One machine was measured. Ratios carry over to others only as far as their memory and "
         "caches resemble it."},
        {store_number(store, "SELECT count(DISTINCT \"commit\") FROM runs", NULL) > 1,
         "The rows come from more than one build of moescope; see the programs below."},
        {store_number(store, "SELECT count(*) FROM runs WHERE \"commit\" LIKE '%-dirty'", NULL) > 0,
         "Some rows were measured with a program built from uncommitted changes (commit ends in "
         "-dirty)."},
        {store_number(store,
                      "SELECT max(n) FROM (SELECT count(DISTINCT session_id) AS n FROM runs)",
                      NULL) == 1,
         "All rows are of one session; a second one on another day would show what drifts."},
        {store_number(store, "SELECT count(DISTINCT engine) FROM runs", NULL) > 1,
         "Engines differ in what they can tell: a dash is a figure an engine does not give."},
        {store_number(store, "SELECT max(s_mbu) FROM runs", NULL) > 1,
         "Some runs have an S-MBU above 100 %: they read faster than the ceiling measured in their "
         "session, so that ceiling was measured too low (a busy machine, or weights that stay in a "
         "cache)."},
        {true, "Output quality is not measured here: a fast model is not thereby a good one."},
        {true, "Peak resident memory counts mapped pages of the model file that were touched; the "
               "system may take them back."},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (fixed[i].holds) {
            files_list_add(caveats, fixed[i].text, NULL);
        }
    }
    for (size_t i = 0; i < page->notes->n; i++) {
        files_list_add(caveats, page->notes->paths[i], NULL);
    }
}
