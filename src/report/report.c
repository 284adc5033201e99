/* SPDX-License-Identifier: MIT */
/* The whole of a report, step by step. */
#include "report/report.h"

#include "report/figures.h"
#include "report/page.h"
#include "report/verdict.h"

#include <stdlib.h>
#include <string.h>

struct report {
    struct store store;
    struct scene_list scenes;
    struct table tables[TABLES_N], two_axis, engines, length_drop, verdicts;
    struct files_list notes, written;
    struct strbuf text;
};

static enum mscope_status read_rows(struct report *report, const struct report_settings *settings,
                                    struct mscope_error *err);
static enum mscope_status note_findings(struct report *report, struct mscope_error *err);
static enum mscope_status make_tables(struct report *report, struct mscope_error *err);
static enum mscope_status write_tables(struct report *report, const char *out,
                                       struct mscope_error *err);
static enum mscope_status write_table(struct report *report, const struct table *table,
                                      const char *folder, struct mscope_error *err);
static enum mscope_status write_rows(struct report *report, const char *out,
                                     struct mscope_error *err);
static enum mscope_status write_page(struct report *report, const struct report_settings *settings,
                                     struct mscope_error *err);
static enum mscope_status write_text(struct report *report, const char *out, const char *name,
                                     struct strbuf *text, struct mscope_error *err);
static void compose_text(struct report *report);

enum mscope_status report_build(struct report **out, const struct report_settings *settings,
                                struct mscope_error *err)
{
    *out = NULL;
    struct report *report = calloc(1, sizeof *report);
    if (report == NULL) {
        return error_set_memory(err, "a report", sizeof *report);
    }
    enum mscope_status status = files_make_folder(settings->out, err);
    if (status == MSCOPE_OK) {
        status = read_rows(report, settings, err);
    }
    if (status == MSCOPE_OK) {
        status = make_tables(report, err);
    }
    if (status == MSCOPE_OK) {
        status = write_tables(report, settings->out, err);
    }
    if (status == MSCOPE_OK) {
        status = write_rows(report, settings->out, err);
    }
    if (status == MSCOPE_OK) {
        status = figures_draw(settings->out, settings->gnuplot, &report->store, &report->written,
                              &report->notes, err);
    }
    if (status == MSCOPE_OK) {
        status = write_page(report, settings, err);
    }
    if (status == MSCOPE_OK) {
        compose_text(report);
        *out = report;
    } else {
        report_close(&report);
    }
    return status;
}

void report_close(struct report **report)
{
    struct report *closing = *report;
    if (closing == NULL) {
        return;
    }
    for (size_t i = 0; i < TABLES_N; i++) {
        table_free(&closing->tables[i]);
    }
    table_free(&closing->two_axis);
    table_free(&closing->engines);
    table_free(&closing->length_drop);
    table_free(&closing->verdicts);
    scene_list_free(&closing->scenes);
    files_list_free(&closing->notes);
    files_list_free(&closing->written);
    strbuf_free(&closing->text);
    store_close(&closing->store);
    free(closing);
    *report = NULL;
}

static enum mscope_status read_rows(struct report *report, const struct report_settings *settings,
                                    struct mscope_error *err)
{
    struct files_list files = {0};
    enum mscope_status status = store_open(&report->store, err);
    for (size_t i = 0; i < settings->n_raw && status == MSCOPE_OK; i++) {
        status = files_find_rows(&files, settings->raw[i], err);
    }
    for (size_t i = 0; i < files.n && status == MSCOPE_OK; i++) {
        status = store_add_file(&report->store, files.paths[i], err);
    }
    files_list_free(&files);
    if (status == MSCOPE_OK) {
        status = store_finish(&report->store, settings->keep_all, err);
    }
    return status == MSCOPE_OK ? note_findings(report, err) : status;
}

static enum mscope_status note_findings(struct report *report, struct mscope_error *err)
{
    const struct store *store = &report->store;
    const struct {
        uint64_t n;
        const char *format;
    } findings[] = {
        {store->n_corrupt, "lines that are no rows, left out: %llu (tables/rejected.csv)"},
        {store->n_other_schema,
         "rows of another schema version, left out: %llu (tables/rejected.csv)"},
        {store->n_refused,
         "rows without commit, host or other provenance, refused: %llu (tables/rejected.csv)"},
        {store->n_duplicates, "rows that were there twice, counted once: %llu"},
        {store->n_unfit_left,
         "runs on a machine judged \"do not use\", left out: %llu (--keep-all uses them)"},
        {store->n_unfit_used,
         "runs on a machine judged \"do not use\", in the tables for want of others: %llu; take "
         "their figures as hints"},
    };
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < sizeof findings / sizeof findings[0] && status == MSCOPE_OK; i++) {
        if (findings[i].n > 0) {
            status = files_note(&report->notes, err, findings[i].format,
                                (unsigned long long)findings[i].n);
        }
    }
    if (status == MSCOPE_OK && store->n_rows == 0) {
        status =
            files_note(&report->notes, err,
                       "no rows in %llu files: the report is empty; 'moescope study' makes some",
                       (unsigned long long)store->n_files);
    }
    return status;
}

static enum mscope_status make_tables(struct report *report, struct mscope_error *err)
{
    struct store *store = &report->store;
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < TABLES_N && status == MSCOPE_OK; i++) {
        status = table_select(&report->tables[i], store, &tables_list[i], err);
    }
    if (status == MSCOPE_OK) {
        status = scene_list_read(&report->scenes, store, err);
    }
    if (status == MSCOPE_OK) {
        status = scene_fill_two_axis(&report->two_axis, &report->scenes, store, err);
    }
    if (status == MSCOPE_OK) {
        status = scene_fill_engines(&report->engines, &report->scenes, store, err);
    }
    if (status == MSCOPE_OK) {
        status = scene_fill_length_drop(&report->length_drop, &report->scenes, store, err);
    }
    if (status == MSCOPE_OK) {
        status = verdict_fill(&report->verdicts, &report->scenes, store, err);
    }
    struct table *const filled[] = {&report->two_axis, &report->engines, &report->length_drop,
                                    &report->verdicts};
    for (size_t i = 0; i < 4 && status == MSCOPE_OK; i++) {
        status = table_keep(filled[i], store, err);
    }
    return status;
}

static enum mscope_status write_tables(struct report *report, const char *out,
                                       struct mscope_error *err)
{
    struct strbuf folder = {0};
    strbuf_printf(&folder, "%s/tables", out);
    enum mscope_status status =
        folder.failed ? error_set_memory(err, "a path", 0) : files_make_folder(folder.data, err);
    for (size_t i = 0; i < TABLES_N && status == MSCOPE_OK; i++) {
        status = write_table(report, &report->tables[i], out, err);
    }
    const struct table *const filled[] = {&report->two_axis, &report->engines, &report->length_drop,
                                          &report->verdicts};
    for (size_t i = 0; i < 4 && status == MSCOPE_OK; i++) {
        status = write_table(report, filled[i], out, err);
    }
    strbuf_free(&folder);
    return status;
}

/* Tables without rows are written, too: a reader must not take an older one for this report's. */
static enum mscope_status write_table(struct report *report, const struct table *table,
                                      const char *out, struct mscope_error *err)
{
    struct strbuf csv = {0}, name = {0};
    table_write_csv(table, &csv);
    strbuf_printf(&name, "tables/%s.csv", table->spec->name);
    enum mscope_status status = name.failed ? error_set_memory(err, "a table", 0)
                                            : write_text(report, out, name.data, &csv, err);
    strbuf_free(&csv);
    strbuf_free(&name);
    return status;
}

/* The long form: every column but the lists, every row; reals as in the tables, whatever SQLite
 * it is. */
static enum mscope_status write_rows(struct report *report, const char *out,
                                     struct mscope_error *err)
{
    sqlite3_stmt *query;
    enum mscope_status status =
        store_prepare(&report->store, &query, "SELECT * FROM rows ORDER BY file, line", NULL, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct strbuf csv = {0};
    int n_columns = sqlite3_column_count(query);
    for (bool head = true; head || sqlite3_step(query) == SQLITE_ROW; head = false) {
        const char *between = "";
        for (int i = 0; i < n_columns; i++) {
            const char *name = sqlite3_column_name(query, i);
            size_t length = strlen(name);
            bool is_list = strcmp(name, "token_ms") == 0 ||
                           strcmp(name, "routing_histogram") == 0 ||
                           (length > 8 && strcmp(name + length - 8, "_samples") == 0);
            if (is_list && strcmp(name, "energy_samples") != 0) {
                continue;
            }
            strbuf_printf(&csv, "%s", between);
            between = ",";
            if (!head && sqlite3_column_type(query, i) == SQLITE_FLOAT) {
                strbuf_printf(&csv, "%.10g", sqlite3_column_double(query, i));
            } else {
                csv_append(&csv, head ? name : (const char *)sqlite3_column_text(query, i));
            }
        }
        strbuf_printf(&csv, "\n");
    }
    sqlite3_finalize(query);
    status = write_text(report, out, "rows.csv", &csv, err);
    strbuf_free(&csv);
    return status;
}

static enum mscope_status write_page(struct report *report, const struct report_settings *settings,
                                     struct mscope_error *err)
{
    const struct page page = {settings->out,     &report->store,   &report->scenes,
                              &report->two_axis, &report->engines, &report->length_drop,
                              &report->verdicts, report->tables,   &report->notes};
    struct strbuf html = {0}, hardware = {0}, path = {0};
    page_write_html(&page, &html);
    page_write_hardware(&page, &hardware);
    strbuf_printf(&path, "%s/moescope.sqlite", settings->out);
    enum mscope_status status = write_text(report, settings->out, "report.html", &html, err);
    if (status == MSCOPE_OK) {
        status = write_text(report, settings->out, "HARDWARE.md", &hardware, err);
    }
    if (status == MSCOPE_OK && path.failed) {
        status = error_set_memory(err, "a path", 0);
    }
    if (status == MSCOPE_OK) {
        status = store_save(&report->store, path.data, err);
    }
    if (status == MSCOPE_OK) {
        status = files_list_add(&report->written, path.data, err);
    }
    strbuf_free(&html);
    strbuf_free(&hardware);
    strbuf_free(&path);
    return status;
}

static enum mscope_status write_text(struct report *report, const char *out, const char *name,
                                     struct strbuf *text, struct mscope_error *err)
{
    if (text->failed) {
        return error_set_memory(err, name, text->n_bytes);
    }
    struct strbuf path = {0};
    strbuf_printf(&path, "%s/%s", out, name);
    enum mscope_status status = files_write(out, name, text->data, text->n_bytes, err);
    if (status == MSCOPE_OK) {
        status = path.failed ? error_set_memory(err, name, 0)
                             : files_list_add(&report->written, path.data, err);
    }
    strbuf_free(&path);
    return status;
}

static void compose_text(struct report *report)
{
    struct strbuf *text = &report->text;
    for (size_t i = 0; i < report->scenes.n; i++) {
        scene_write_whose(&report->scenes, i, text);
        scene_write_answer(&report->scenes.scenes[i], &report->store, text);
        strbuf_printf(text, "\n");
        scene_write_figures(&report->scenes.scenes[i], &report->store, text);
        strbuf_printf(text, "\n\n");
    }
    if (store_number(&report->store, "SELECT max(synthetic) FROM runs", NULL) > 0) {
        strbuf_printf(text, "Models are synthetic stand-ins: true shapes and sizes, random "
                            "weights.\n\n");
    }
    const struct table *const shown[] = {&report->two_axis,
                                         &report->engines,
                                         &report->tables[TABLES_THROUGHPUT],
                                         &report->tables[TABLES_MEMORY],
                                         &report->length_drop,
                                         &report->tables[TABLES_ROUTER],
                                         &report->tables[TABLES_THREAD_OPTIMUM],
                                         &report->tables[TABLES_BENCH],
                                         &report->tables[TABLES_FAILURES]};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (shown[i]->n_rows > 0) {
            table_write_text(shown[i], text);
            strbuf_printf(text, "\n");
        }
    }
    const struct table *verdicts = &report->verdicts;
    if (verdicts->n_rows > 0) {
        char counts[VERDICT_COUNTS_BYTES];
        strbuf_printf(text, "The study's claims, tried here: %s\n",
                      verdict_count(counts, verdicts));
    }
    for (size_t row = 0; row < verdicts->n_rows; row++) {
        strbuf_printf(text, "  %-19s  %s\n", table_at(verdicts, row, "verdict")->words,
                      table_at(verdicts, row, "id")->words);
        if (report->scenes.n > 1) {
            strbuf_printf(text, "%23s%s on %.6s\n", "", table_at(verdicts, row, "engine")->words,
                          table_at(verdicts, row, "host")->words);
        }
        strbuf_printf(text, "%23s%s\n", "", table_at(verdicts, row, "measured")->words);
    }
    strbuf_printf(text, "%s", verdicts->n_rows > 0 ? "\n" : "");
}

const char *report_text(const struct report *report)
{
    return report->text.failed || report->text.data == NULL ? "" : report->text.data;
}

const char *report_note(const struct report *report, size_t i)
{
    return i < report->notes.n ? report->notes.paths[i] : NULL;
}

const char *report_file(const struct report *report, size_t i)
{
    return i < report->written.n ? report->written.paths[i] : NULL;
}
