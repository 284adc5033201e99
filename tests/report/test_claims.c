/* SPDX-License-Identifier: MIT */
/* The table of claims, figures in result files, and numbers in documents. */
#include "report/read.h"

static char folder[ROWS_PATH_BYTES];

static int make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/moescope-claims-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(folder) == NULL;
}

static int clean(void **state)
{
    (void)state;
    struct rows_file file = {0};
    memcpy(file.folder, folder, sizeof folder);
    rows_remove(&file);
    return 0;
}

static void put(const char *name, const char *text)
{
    struct mscope_error err;
    char below[2 * ROWS_PATH_BYTES];
    snprintf(below, sizeof below, "%s/results", folder);
    assert_ok(files_make_folder(below, &err), &err);
    snprintf(below, sizeof below, "%s/docs", folder);
    assert_ok(files_make_folder(below, &err), &err);
    assert_ok(files_write(folder, name, text, strlen(text), &err), &err);
}

static enum mscope_status load(struct claims **claims, const char *yaml, struct mscope_error *err)
{
    char path[2 * ROWS_PATH_BYTES];
    put("claims.yaml", yaml);
    snprintf(path, sizeof path, "%s/claims.yaml", folder);
    return claims_load(claims, path, err);
}

#define SPEED                                                                                      \
    "claims:\n"                                                                                    \
    "  - id: speed\n    claim: it is fast\n    kind: measured\n    command: run it\n"              \
    "    result: speed.csv\n    where: model=b; side=decode\n    column: tps\n    scale: 10\n"     \
    "  - id: gate\n    claim: it holds\n    kind: gate\n    command: \"true\"\n"

static const char speed_csv[] =
    "model,side,tps\n\"a, or so\",decode,1\nb,prefill,2\nb,decode,3.14159\n";

static void claims_are_read_with_their_figures(void **state)
{
    (void)state;
    struct claims *claims;
    struct mscope_error err;
    char results[2 * ROWS_PATH_BYTES];
    snprintf(results, sizeof results, "%s/results", folder);
    assert_ok(load(&claims, SPEED, &err), &err);
    assert_int_equal(claims->n, 2);
    assert_int_equal(claims_find(claims, "gate")->kind, CLAIMS_GATE);
    assert_null(claims_find(claims, "other"));
    put("results/speed.csv", speed_csv);
    double figure;
    struct claim claim = *claims_find(claims, "speed");
    assert_ok(claims_read_figure(&figure, &claim, results, &err), &err);
    assert_near(figure, 31.4159, 1e-12);
    claim.scale = NULL;
    claim.where = NULL;
    assert_int_equal(claims_read_figure(&figure, &claim, results, &err), MSCOPE_ERR_FORMAT);
    assert_non_null(strstr(err.detail, "more than one row"));
    claim.take = CLAIMS_MOST;
    assert_ok(claims_read_figure(&figure, &claim, results, &err), &err);
    assert_near(figure, 3.14159, 0);
    claim.take = CLAIMS_LEAST;
    assert_ok(claims_read_figure(&figure, &claim, results, &err), &err);
    assert_near(figure, 1, 0);
    char where[] = "model=a, or so", missing[] = "model=c", column[] = "speed=1", name[] = "side";
    claim.take = CLAIMS_COUNT;
    claim.where = where;
    assert_ok(claims_read_figure(&figure, &claim, results, &err), &err);
    assert_near(figure, 1, 0);
    claim.take = CLAIMS_ONE;
    claim.where = missing;
    assert_int_equal(claims_read_figure(&figure, &claim, results, &err), MSCOPE_ERR_FORMAT);
    assert_non_null(strstr(err.detail, "no row where model=c"));
    claim.where = column;
    assert_int_equal(claims_read_figure(&figure, &claim, results, &err), MSCOPE_ERR_FORMAT);
    assert_non_null(strstr(err.detail, "no column 'speed"));
    claim.where = where;
    claim.column = name;
    assert_int_equal(claims_read_figure(&figure, &claim, results, &err), MSCOPE_ERR_FORMAT);
    assert_non_null(strstr(err.detail, "'decode', expected a number"));
    claims_close(&claims);
}

static void a_wrong_table_is_an_error_that_names_file_and_fault(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *said;
    } cases[] = {
        {"claims:\n  - id: a\n    claim: b\n    kind: maybe\n    command: c\n", "gate"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n    commando: c\n", "commando"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n", "neither command nor result"},
        {"claims:\n  - id: a b\n    claim: b\n    kind: gate\n    command: c\n", "space"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n    result: x.csv\n", "no column"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n    command: c\n    least: 1\n",
         "no result"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n    result: ../x.csv\n    column: y\n",
         "outside"},
        {"claims:\n  - id: a\n    claim: b\n    kind: gate\n    command: c\n"
         "  - id: a\n    claim: b\n    kind: gate\n    command: c\n",
         "twice"},
        {"claims: [", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct claims *claims;
        struct mscope_error err;
        char text[800];
        assert_int_not_equal(load(&claims, cases[i].yaml, &err), MSCOPE_OK);
        assert_null(claims);
        mscope_error_text(&err, text, sizeof text);
        assert_non_null(strstr(text, "claims.yaml"));
        if (strstr(text, cases[i].said) == NULL) {
            fail_msg("'%s' lacks '%s'", text, cases[i].said);
        }
    }
}

/* Writes the project, checks or fills its README and returns the tally; the caller frees findings.
 */
static struct claims_tally pass_over(const char *document, bool fill)
{
    struct claims *claims;
    struct mscope_error err;
    struct claims_tally tally = {0};
    assert_ok(load(&claims, SPEED, &err), &err);
    put("results/speed.csv", speed_csv);
    put("README.md", document);
    put("ARCHITECTURE.md", "nothing\n");
    assert_ok(claims_check_documents(claims, folder, fill, &tally, &err), &err);
    claims_close(&claims);
    return tally;
}

static size_t check(const char *document, size_t n_expected, const char *said)
{
    struct claims_tally tally = pass_over(document, false);
    if (tally.findings.n != n_expected) {
        fail_msg("%zu findings for '%s': %s", tally.findings.n, document,
                 tally.findings.n > 0 ? tally.findings.paths[0] : "");
    }
    if (said != NULL) {
        assert_non_null(strstr(tally.findings.paths[0], said));
        assert_non_null(strstr(tally.findings.paths[0], "README.md:"));
    }
    files_list_free(&tally.findings);
    return tally.n_numbers;
}

static void a_number_must_agree_at_the_precision_written(void **state)
{
    (void)state;
    assert_int_equal(check("It makes 31.4<!-- claim:speed --> a second.\n", 0, NULL), 1);
    assert_int_equal(check("31<!-- claim:speed -->, 31.42 <!-- claim:speed -->\n", 0, NULL), 2);
    assert_int_equal(check("**31.4 %**<!-- claim:speed -->\n", 0, NULL), 1);
    assert_int_equal(check("31.4 ×<!-- claim:speed --> and 31.4×<!-- claim:speed -->\n", 0, NULL),
                     2);
    assert_int_equal(check("\xE2\x88\x92"
                           "31.4<!-- claim:speed -->\n",
                           1, "says -31.4"),
                     1);
    assert_int_equal(check("line\n31.5<!-- claim:speed -->\n", 1, "says 31.5"), 1);
    assert_int_equal(check("31.40<!-- claim:speed -->\n", 1, "31.416"), 1);
}

static void a_mark_must_have_a_claim_and_a_number(void **state)
{
    (void)state;
    check("1<!-- claim:unknown -->\n", 1, "no claim 'unknown'");
    check("fast<!-- claim:speed -->\n", 1, "no number");
    assert_int_equal(check("It holds.<!-- claim:gate -->\n", 0, NULL), 0);
    /* code may show the notation */
    assert_int_equal(check("```\n1<!-- claim:speed -->\n```\n`2<!-- claim:speed -->`\n", 0, NULL),
                     0);
}

static void fill_writes_what_disagrees_and_nothing_else(void **state)
{
    (void)state;
    struct claims_tally tally =
        pass_over("a 0.00<!-- claim:speed --> b **1,000 %**<!-- claim:speed -->\n"
                  "31.4<!-- claim:speed --> stays, `1<!-- claim:speed -->` too\n"
                  "```\n2<!-- claim:speed -->\n```\nlast line",
                  true);
    assert_int_equal(tally.n_numbers, 3);
    assert_int_equal(tally.n_filled, 2);
    assert_int_equal(tally.findings.n, 0);
    struct strbuf text = {0};
    struct mscope_error err;
    char path[2 * ROWS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/README.md", folder);
    assert_ok(files_read(&text, path, &err), &err);
    assert_string_equal(text.data, "a 31.42<!-- claim:speed --> b **31 %**<!-- claim:speed -->\n"
                                   "31.4<!-- claim:speed --> stays, `1<!-- claim:speed -->` too\n"
                                   "```\n2<!-- claim:speed -->\n```\nlast line");
    strbuf_free(&text);
    tally = pass_over("fast<!-- claim:speed -->, 5<!-- claim:none -->\n", true);
    assert_int_equal(tally.findings.n, 2);
    assert_int_equal(tally.n_filled, 0);
    files_list_free(&tally.findings);
}

/* The table of this project: every mark in its documents, every committed figure. */
static void the_projects_own_documents_agree(void **state)
{
    (void)state;
    const char *source = getenv("MSCOPE_SOURCE");
    assert_non_null(source);
    char path[2 * ROWS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/configs/claims.yaml", source);
    struct claims *claims;
    struct mscope_error err;
    struct claims_tally tally = {0};
    assert_ok(claims_load(&claims, path, &err), &err);
    assert_ok(claims_check_documents(claims, source, false, &tally, &err), &err);
    for (size_t i = 0; i < tally.findings.n; i++) {
        print_error("%s\n", tally.findings.paths[i]);
    }
    assert_int_equal(tally.findings.n, 0);
    assert_true(tally.n_numbers > 0);
    files_list_free(&tally.findings);
    claims_close(&claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_are_read_with_their_figures),
        cmocka_unit_test(a_wrong_table_is_an_error_that_names_file_and_fault),
        cmocka_unit_test(a_number_must_agree_at_the_precision_written),
        cmocka_unit_test(a_mark_must_have_a_claim_and_a_number),
        cmocka_unit_test(fill_writes_what_disagrees_and_nothing_else),
        cmocka_unit_test(the_projects_own_documents_agree),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
