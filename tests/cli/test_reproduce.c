/* SPDX-License-Identifier: MIT */
/* report and reproduce as their users meet them: output, exit codes, a failure that does not stop.
 */
#include "unit.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PATH_BYTES = 512, TEXT_BYTES = 16384 };
static char folder[PATH_BYTES];
static char said[TEXT_BYTES];

static int make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/moescope-reproduce-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(folder) == NULL;
}

static int clean(void **state)
{
    (void)state;
    char command[2 * PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    FILE *shell = popen(command, "r");
    return shell == NULL || pclose(shell) != 0;
}

static void put(const char *name, const char *text)
{
    static const char *const below[] = {"results", "docs", "configs"};
    char path[2 * PATH_BYTES];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, below[i]);
        mkdir(path, 0777);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* The exit code; what was printed on both streams is in `said`. */
static int run(const char *const *words)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/said", folder);
    const char *argv[16] = {"moescope"};
    int argc = 1;
    while (words[argc - 1] != NULL) {
        argv[argc] = words[argc - 1];
        argc++;
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen(path, "w", stdout) == NULL || dup2(fileno(stdout), 2) < 0) {
            _exit(99);
        }
        int code = cli_main(argc, (char **)(uintptr_t)argv);
        fflush(NULL);
        _exit(code);
    }
    int state;
    assert_int_equal(waitpid(child, &state, 0), child);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    assert_true(WIFEXITED(state));
    return WEXITSTATUS(state);
}

static int reproduce(const char *what)
{
    return run((const char *const[]){"reproduce", what, "--root", folder, "--out", "fresh", NULL});
}

static void expect(const char *text)
{
    if (strstr(said, text) == NULL) {
        fail_msg("'%s' is not in: %s", text, said);
    }
}

#define GATES                                                                                      \
    "claims:\n"                                                                                    \
    "  - {id: holds, claim: it holds, kind: gate, command: \"test -n $MOESCOPE\"}\n"               \
    "  - {id: absent, claim: needs what is not here, kind: gate, command: exit 77}\n"              \
    "  - {id: figure, claim: a figure, kind: gate, command: \"echo run >> $OUT/runs; printf"       \
    " 'a,b\\\\n1,2.5\\\\n' > $OUT/x.csv\", result: x.csv, column: b, least: 2, most: 3}\n"         \
    "  - {id: again, claim: the same run, kind: gate, command: \"echo run >> $OUT/runs; printf"    \
    " 'a,b\\\\n1,2.5\\\\n' > $OUT/x.csv\", result: x.csv, column: a, most: 1}\n"

static void documents(const char *number)
{
    char text[128];
    put("results/x.csv", "a,b\n1,2.25\n");
    put("ARCHITECTURE.md", "nothing\n");
    snprintf(text, sizeof text, "It is %s<!-- claim:figure -->.\n", number);
    put("README.md", text);
}

static void gates_that_hold_end_with_zero(void **state)
{
    (void)state;
    put("configs/claims.yaml", GATES);
    documents("2.25");
    assert_int_equal(reproduce("gates"), 0);
    expect("1 numbers compared with results/, 0 wrong");
    expect("[1/4] holds: it holds");
    expect("$ test -n $MOESCOPE");
    expect("skipped: what it needs is not on this machine");
    expect("holds: 2.5, committed 2.25, claimed 2 to 3");
    expect("(ran above)");
    expect("3 hold, 0 fail, 1 skipped");
    char path[2 * PATH_BYTES], runs[32];
    snprintf(path, sizeof path, "%s/fresh/runs", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    runs[fread(runs, 1, sizeof runs - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(runs, "run\n"); /* one run for both claims */
}

static void a_failing_step_does_not_stop_the_rest_but_the_gates_fail(void **state)
{
    (void)state;
    put("configs/claims.yaml",
        GATES "  - {id: broken, claim: it breaks, kind: gate, command: exit 3}\n"
              "  - {id: outside, claim: too large, kind: gate, command: \"true\", result: x.csv,"
              " column: b, most: 2}\n"
              "  - {id: measured, claim: only in all, kind: measured, command: \"true\"}\n");
    documents("2.2");
    assert_int_equal(reproduce("gates"), 1);
    expect("FAILS: the command ended with 3");
    expect("FAILS: 2.5, committed 2.25, claimed at most 2");
    expect("3 hold, 2 fail, 1 skipped");
    assert_null(strstr(said, "only in all"));
    assert_int_equal(reproduce("all"), 0);
    expect("only in all");
    expect("4 hold, 2 fail, 1 skipped");
}

static void one_claim_runs_alone(void **state)
{
    (void)state;
    put("configs/claims.yaml",
        GATES "  - {id: broken, claim: it breaks, kind: gate, command: exit 3}\n");
    documents("2.25");
    assert_int_equal(reproduce("figure"), 0);
    expect("[1/1] figure: a figure");
    expect("result: x.csv");
    expect("1 hold, 0 fail, 0 skipped");
    assert_int_equal(reproduce("broken"), 1);
    assert_int_equal(reproduce("absent"), 77);
}

static void documents_that_disagree_fail_the_check(void **state)
{
    (void)state;
    put("configs/claims.yaml", GATES);
    documents("2.25");
    assert_int_equal(reproduce("check"), 0);
    documents("2.3");
    assert_int_equal(reproduce("check"), 0);
    documents("2.31");
    assert_int_equal(reproduce("check"), 1);
    expect("README.md:1: claim figure: says 2.31, results/x.csv has 2.250");
    assert_int_equal(reproduce("gates"), 1);
    assert_int_equal(reproduce("fill"), 0);
    expect("1 numbers compared with results/, 0 wrong, 1 written anew");
    assert_int_equal(reproduce("check"), 0);
}

static void wrong_use_is_said(void **state)
{
    (void)state;
    put("configs/claims.yaml", GATES);
    documents("2.25");
    assert_int_equal(reproduce("some"), CLI_USAGE);
    expect("all, gates, check, fill or the id of a claim");
    assert_int_equal(run((const char *const[]){"reproduce", "--root", "/nonexistent", NULL}), 1);
    expect("/nonexistent");
    put("configs/claims.yaml", "claims:\n  - id: a\n    claim: b\n    sort: gate\n");
    assert_int_equal(reproduce("check"), 1);
    expect("claims.yaml");
    expect("sort");
}

static void report_of_nothing_says_so(void **state)
{
    (void)state;
    char rows[2 * PATH_BYTES], out[2 * PATH_BYTES];
    put("results/empty.jsonl", "");
    snprintf(rows, sizeof rows, "%s/results", folder);
    snprintf(out, sizeof out, "%s/report", folder);
    assert_int_equal(
        run((const char *const[]){"report", "--raw", rows, "--out", out, "--no-figures", NULL}), 0);
    expect("no rows in 1 files");
    expect("report.html");
    assert_int_equal(
        run((const char *const[]){"report", "--raw", "/nonexistent", "--out", out, NULL}), 1);
    expect("moescope: /nonexistent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_that_hold_end_with_zero),
        cmocka_unit_test(a_failing_step_does_not_stop_the_rest_but_the_gates_fail),
        cmocka_unit_test(one_claim_runs_alone),
        cmocka_unit_test(documents_that_disagree_fail_the_check),
        cmocka_unit_test(wrong_use_is_said),
        cmocka_unit_test(report_of_nothing_says_so),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
