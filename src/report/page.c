/* SPDX-License-Identifier: MIT */
/* The page. */
#include "report/page.h"

#include "report/verdict.h"

#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

static void write_head(const struct page *page, struct strbuf *to);
static void write_banners(const struct page *page, struct strbuf *to);
static void write_figures(const struct page *page, struct strbuf *to);
static void write_verdicts(const struct page *page, struct strbuf *to);
static void write_tables(const struct page *page, struct strbuf *to);
static void write_filled(const struct table *table, struct strbuf *to);
static void write_section(struct strbuf *to, const char *title);
static void write_paragraph(struct strbuf *to, const char *class, const char *text);

void page_write_html(const struct page *page, struct strbuf *to)
{
    write_head(page, to);
    write_banners(page, to);
    write_section(to, "Both axes: active parameters and memory");
    write_filled(page->two_axis, to);
    if (page->two_axis->n_rows == 0) {
        write_paragraph(to, "note", "No pair of an MoE and a dense model was measured.");
    }
    write_filled(page->engines, to);
    write_figures(page, to);
    write_verdicts(page, to);
    write_tables(page, to);
    write_section(to, "Condition of the machine");
    write_filled(&page->tables[TABLES_CONDITION], to);
    write_filled(&page->tables[TABLES_FAILURES], to);
    write_section(to, "Hardware");
    if (page->tables[TABLES_HOSTS].n_rows > 0) {
        table_write_html_upright(&page->tables[TABLES_HOSTS], to);
    }
    write_section(to, "What to bear in mind");
    struct files_list caveats = {0};
    page_list_caveats(page, &caveats);
    strbuf_printf(to, "<ul>\n");
    for (size_t i = 0; i < caveats.n; i++) {
        strbuf_printf(to, "<li>");
        html_append(to, caveats.paths[i]);
        strbuf_printf(to, "</li>\n");
    }
    strbuf_printf(to, "</ul>\n");
    files_list_free(&caveats);
    write_section(to, "Where the numbers come from");
    write_filled(&page->tables[TABLES_MODELS], to);
    if (page->tables[TABLES_BUILDS].n_rows > 0) {
        table_write_html_upright(&page->tables[TABLES_BUILDS], to);
    }
    write_filled(&page->tables[TABLES_INPUTS], to);
    write_filled(&page->tables[TABLES_PROBLEMS], to);
    strbuf_printf(to,
                  "<footer class=\"sub\">Made by moescope report from raw rows alone.</footer>\n"
                  "</body>\n</html>\n");
}

static void write_head(const struct page *page, struct strbuf *to)
{
    const struct embedded_file *style = embedded_find("style.css");
    strbuf_printf(to, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<title>moescope: does MoE help on this machine?</title>\n<style>\n");
    if (style != NULL) {
        strbuf_append(to, (const char *)style->bytes, style->n_bytes);
    }
    strbuf_printf(to, "</style>\n</head>\n<body>\n<h1>Does Mixture-of-Experts help here?</h1>\n");
    struct strbuf text = {0};
    char *when = store_text(page->store,
                            "SELECT substr(min(started_at), 1, 10) || CASE WHEN substr("
                            "min(started_at), 1, 10) <> substr(max(started_at), 1, 10) THEN ' to ' "
                            "|| substr(max(started_at), 1, 10) ELSE '' END FROM runs",
                            NULL);
    double n_runs = store_number(page->store, "SELECT count(*) FROM runs", NULL);
    const char *cpu = page->scenes->n > 0 ? page->scenes->scenes[0].cpu : "no machine";
    strbuf_printf(&text, "%s · %.0f runs%s%s", cpu[0] != '\0' ? cpu : "unknown CPU", n_runs,
                  when != NULL ? " · " : "", when != NULL ? when : "");
    write_paragraph(to, "sub", text.failed ? "" : text.data);
    for (size_t i = 0; i < page->scenes->n; i++) {
        const struct scene *scene = &page->scenes->scenes[i];
        strbuf_clear(&text);
        scene_write_whose(page->scenes, i, &text);
        scene_write_answer(scene, page->store, &text);
        write_paragraph(to, "answer", text.failed || text.data == NULL ? "" : text.data);
        strbuf_clear(&text);
        scene_write_figures(scene, page->store, &text);
        if (!text.failed && text.n_bytes > 0) {
            write_paragraph(to, "", text.data);
        }
    }
    if (page->scenes->n == 0) {
        write_paragraph(to, "answer", "Nothing was measured yet: the rows hold no run that is ok.");
    }
    strbuf_free(&text);
    free(when);
}

static void write_banners(const struct page *page, struct strbuf *to)
{
    if (store_number(page->store, "SELECT max(synthetic) FROM runs", NULL) > 0) {
        write_paragraph(
            to, "banner",
            "Synthetic stand-ins: weights are random, shapes, tensor types and sizes are "
            "those of the published models. Speed, memory and time are real; text, "
            "quality and the choice of experts are not.");
    }
    if (page->store->n_unfit_used > 0) {
        struct strbuf text = {0};
        strbuf_printf(
            &text,
            "%llu runs were made on a machine judged “do not use”. They are in the tables "
            "because their settings have no other run: take those figures as hints.",
            (unsigned long long)page->store->n_unfit_used);
        write_paragraph(to, "banner", text.failed ? "" : text.data);
        strbuf_free(&text);
    }
    if (page->tables[TABLES_FAILURES].n_rows > 0) {
        write_paragraph(to, "banner",
                        "Some runs gave no measurement; they are listed under "
                        "“Condition of the machine” with their reasons.");
    }
}

static void write_figures(const struct page *page, struct strbuf *to)
{
    bool any = false;
    for (const struct figures_spec *spec = figures_list; spec->name != NULL; spec++) {
        struct strbuf path = {0}, svg = {0};
        strbuf_printf(&path, "%s/figures/%s.svg", page->out, spec->name);
        if (!path.failed && files_read(&svg, path.data, NULL) == MSCOPE_OK && svg.n_bytes > 0) {
            if (!any) {
                write_section(to, "Figures");
                strbuf_printf(to, "<div class=\"figures\">\n");
                any = true;
            }
            strbuf_printf(to, "<figure id=\"figure-%s\">\n<figcaption><b>", spec->name);
            html_append(to, spec->title);
            strbuf_printf(to, "</b> ");
            html_append(to, spec->caption);
            strbuf_printf(to, "</figcaption>\n");
            svg_inline(to, svg.data, spec->name, spec->caption);
            strbuf_printf(to, "</figure>\n");
        }
        strbuf_free(&path);
        strbuf_free(&svg);
    }
    strbuf_printf(to, "%s", any ? "</div>\n" : "");
}

static void write_verdicts(const struct page *page, struct strbuf *to)
{
    const struct table *table = page->verdicts;
    write_section(to, "The study’s claims, tried here");
    char counts[VERDICT_COUNTS_BYTES];
    write_paragraph(to, "", verdict_count(counts, table));
    strbuf_printf(to, "<ul class=\"claims\">\n");
    for (size_t row = 0; row < table->n_rows; row++) {
        const char *verdict = table_at(table, row, "verdict")->words;
        strbuf_printf(to, "<li><p><span class=\"tag %.*s\">%s</span> · ",
                      (int)strcspn(verdict, " "), verdict, verdict);
        html_append(to, table_at(table, row, "id")->words);
        strbuf_printf(to, "</p>\n<p><b>");
        html_append(to, table_at(table, row, "claim")->words);
        strbuf_printf(to, "</b></p>\n");
        if (page->scenes->n > 1) {
            strbuf_printf(to, "<p class=\"sub\">");
            html_append(to, table_at(table, row, "engine")->words);
            strbuf_printf(to, " on %.6s</p>\n", table_at(table, row, "host")->words);
        }
        strbuf_printf(to, "<p>Here: ");
        html_append(to, table_at(table, row, "measured")->words);
        strbuf_printf(to, "</p>\n<p class=\"sub\">The study: ");
        html_append(to, table_at(table, row, "source")->words);
        strbuf_printf(to, "</p></li>\n");
    }
    strbuf_printf(to, "</ul>\n");
    write_paragraph(to, "note",
                    "Reproduced or refuted only where the whole interval lies on one side of the "
                    "claim. A verdict holds for this machine, this engine and these files.");
}

static void write_tables(const struct page *page, struct strbuf *to)
{
    static const enum tables_id shown[] = {TABLES_THROUGHPUT,     TABLES_MEMORY,    TABLES_LENGTH,
                                           TABLES_STABILITY,      TABLES_BREAKDOWN, TABLES_ROUTER,
                                           TABLES_ROUTING,        TABLES_ROOFLINE,  TABLES_THREADS,
                                           TABLES_THREAD_OPTIMUM, TABLES_ENERGY,    TABLES_BENCH};
    write_section(to, "Tables");
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        write_filled(&page->tables[shown[i]], to);
        if (shown[i] == TABLES_LENGTH) {
            write_filled(page->length_drop, to);
        }
    }
    if (page->tables[TABLES_ENERGY].n_rows == 0) {
        char *why = store_text(page->store,
                               "SELECT energy_reason FROM rows WHERE energy_reason <> '' GROUP BY 1"
                               " ORDER BY count(*) DESC LIMIT 1",
                               NULL);
        struct strbuf text = {0};
        strbuf_printf(&text, "Energy: not available on this machine%s%s.", why != NULL ? ": " : "",
                      why != NULL ? why : "");
        write_paragraph(to, "", text.failed ? "" : text.data);
        strbuf_free(&text);
        free(why);
    }
    if (page->tables[TABLES_EXPERIMENTS].n_rows > page->tables[TABLES_THROUGHPUT].n_rows) {
        strbuf_printf(to, "<details><summary>All experiments</summary>\n");
        write_filled(&page->tables[TABLES_EXPERIMENTS], to);
        strbuf_printf(to, "</details>\n");
    }
}

static void write_filled(const struct table *table, struct strbuf *to)
{
    if (table->n_rows > 0) {
        table_write_html(table, to);
    }
}

static void write_section(struct strbuf *to, const char *title)
{
    strbuf_printf(to, "<h2>%s</h2>\n", title);
}

static void write_paragraph(struct strbuf *to, const char *class, const char *text)
{
    strbuf_printf(to, "<p%s%s%s>", class[0] != '\0' ? " class=\"" : "", class,
                  class[0] != '\0' ? "\"" : "");
    html_append(to, text);
    strbuf_printf(to, "</p>\n");
}
