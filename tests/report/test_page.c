/* SPDX-License-Identifier: MIT */
/* The page: well formed, complete, and asking nothing of the network. */
#include "report/read.h"

#include "report/figures.h"
#include "report/spawn.h"

#include <ctype.h>

enum { MAX_OPEN = 64, NAME_BYTES = 32 };

/* Every element that is opened is closed, in order; attributes are quoted; ids are unique. */
static void check_markup(const char *html)
{
    static const char *const alone[] = {"meta", "br", "hr", "img", "!doctype", NULL};
    char open[MAX_OPEN][NAME_BYTES];
    size_t n_open = 0;
    for (const char *at = strchr(html, '<'); at != NULL; at = strchr(at, '<')) {
        if (strncmp(at, "<style>", 7) == 0) {
            at = strstr(at, "</style>") + 8;
            continue;
        }
        bool closing = at[1] == '/';
        const char *name = at + 1 + closing;
        char word[NAME_BYTES] = "";
        for (size_t i = 0;
             i + 1 < NAME_BYTES && (isalnum((unsigned char)name[i]) || name[i] == '!'); i++) {
            word[i] = (char)tolower((unsigned char)name[i]);
        }
        assert_true(word[0] != '\0'); /* a bare < in text */
        const char *end = at;
        char quote = '\0';
        while (*end != '\0' && (quote != '\0' || *end != '>')) {
            quote = quote == '\0' && (*end == '"' || *end == '\'') ? *end
                    : quote == *end                                ? '\0'
                                                                   : quote;
            end++;
        }
        assert_true(*end == '>');
        bool is_alone = end[-1] == '/';
        for (size_t i = 0; alone[i] != NULL; i++) {
            is_alone = is_alone || strcmp(word, alone[i]) == 0;
        }
        if (closing) {
            assert_true(n_open > 0);
            if (strcmp(open[n_open - 1], word) != 0) {
                fail_msg("</%s> closes <%s>", word, open[n_open - 1]);
            }
            n_open--;
        } else if (!is_alone) {
            assert_true(n_open < MAX_OPEN);
            memcpy(open[n_open++], word, NAME_BYTES);
        }
        at = end;
    }
    assert_int_equal(n_open, 0);
}

static void check_ids(const char *html)
{
    for (const char *at = strstr(html, " id="); at != NULL; at = strstr(at + 1, " id=")) {
        size_t length = strcspn(at + 5, "'\"") + 6;
        char needle[128];
        assert_true(length < sizeof needle);
        memcpy(needle, at, length);
        needle[length] = '\0';
        const char *again = strstr(at + 1, needle);
        if (again != NULL) {
            fail_msg("twice:%s", needle);
        }
    }
}

static void expect_nothing_outside(const char *html)
{
    static const char *const outside[] = {"http:", "https:",  "//",   "@import", "<script",
                                          "<link", "<iframe", "src=", "xlink:"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        const char *at = strstr(html, outside[i]);
        if (at != NULL) {
            fail_msg("the page has %.60s", at);
        }
    }
}

static void page_is_well_formed_and_self_contained(void **state)
{
    (void)state;
    struct rows_file file;
    rows_open(&file);
    rows_add_study(&file);
    bool drawing = spawn_can_find("gnuplot");
    if (!drawing) {
        print_message("SKIP figures: no gnuplot\n");
    }
    struct report *report = rows_report(&file, drawing ? "gnuplot" : NULL);
    struct strbuf html = read_text(&file, "report.html");
    check_markup(html.data);
    check_ids(html.data);
    expect_nothing_outside(html.data);
    static const char *const wanted[] = {
        "<title>",
        "name=\"viewport\"",
        "prefers-color-scheme: dark",
        "@media print",
        "more slowly than a dense model with about as many active",
        "but faster than the dense one nearest to it in memory, at ",
        "synthetic stand-ins</text>",
        "reproduced, ",
        "Synthetic stand-ins",
        "id=\"two_axis\"",
        "id=\"throughput\"",
        "id=\"memory\"",
        "id=\"condition\"",
        "id=\"hosts\"",
        "id=\"builds\"",
        "Test CPU &lt;2 cores&gt;",
        "Energy: not available on this machine: no counter",
        "One machine was measured",
        "0123456789abcdef"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        bool of_figures = strstr(wanted[i], "</text>") != NULL;
        if ((drawing || !of_figures) && strstr(html.data, wanted[i]) == NULL) {
            fail_msg("the page lacks %s", wanted[i]);
        }
    }
    static const char *const figures[] = {"throughput", "memory", "breakdown",
                                          "roofline",   "length", "threads"};
    for (size_t i = 0; drawing && i < sizeof figures / sizeof figures[0]; i++) {
        char id[64];
        snprintf(id, sizeof id, "id=\"figure-%s\"", figures[i]);
        assert_non_null(strstr(html.data, id));
        static const char *const formats[] = {"svg", "png", "pdf", "csv", "gp"};
        for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++) {
            char name[64];
            snprintf(name, sizeof name, "figures/%s.%s", figures[i], formats[k]);
            struct strbuf drawn = read_text(&file, name);
            assert_true(drawn.n_bytes > 100);
            strbuf_free(&drawn);
        }
    }
    assert_null(strstr(html.data, "figure-energy")); /* nothing to draw */
    assert_null(report_note(report, 0));
    strbuf_free(&html);
    report_close(&report);
    rows_remove(&file);
}

/* What people name models and machines must not become markup, in the page or in a figure. */
static void names_are_text(void **state)
{
    (void)state;
    struct rows_file file;
    rows_open(&file);
    struct record row;
    for (int r = 1; r <= 2; r++) {
        rows_fill(&row, &(struct rows_run){&rows_models[0], "experiment_1_efficiency", "p00", NULL,
                                           100, 2, r, 1});
        record_set_text(&row.model_label, "a\"b' <b>&amp; \\ , 'x", NULL);
        record_set_text(&row.cpu, "</title><i>\x01", NULL);
        rows_append(&file, &row);
    }
    struct report *report = rows_report(&file, spawn_can_find("gnuplot") ? "gnuplot" : NULL);
    struct strbuf html = read_text(&file, "report.html");
    check_markup(html.data);
    assert_null(strstr(html.data, "<b>&amp; "));
    assert_null(strstr(html.data, "<i>"));
    assert_non_null(strstr(html.data, "a&quot;b"));
    strbuf_free(&html);
    assert_int_equal(read_count(&file, "throughput", ""), 1);
    report_close(&report);
    rows_remove(&file);
}

static void a_drawing_loses_its_header_and_its_ids_become_its_own(void **state)
{
    (void)state;
    static const char svg[] =
        "<?xml version=\"1.0\"?>\n<svg \n viewBox=\"0 0 5 4\"\n "
        "xmlns=\"http://www.w3.org/2000/svg\">\n"
        "<title>Gnuplot</title><desc>made by</desc><filter id='f'><a/></filter>"
        "<g id=\"one\" stroke=\"rgb( 28,  30,  33)\" fill=\"rgb(216, 218, 221)\"><use "
        "xlink:href='#two'/></g></svg>";
    struct strbuf out = {0};
    svg_inline(&out, svg, "x", "a \"label\"");
    assert_string_equal(
        out.data,
        "<svg viewBox=\"0 0 5 4\" role=\"img\" aria-label=\"a "
        "&quot;label&quot;\" font-family=\"inherit\">\n"
        "<g id=\"x-one\" stroke=\"currentColor\" fill=\"var(--line)\"><use href='#x-two'/></g>"
        "</svg>");
    strbuf_free(&out);
    svg_inline(&out, "no drawing", "x", "");
    assert_int_equal(out.n_bytes, 0);
    strbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_is_well_formed_and_self_contained),
        cmocka_unit_test(names_are_text),
        cmocka_unit_test(a_drawing_loses_its_header_and_its_ids_become_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
