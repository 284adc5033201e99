/* SPDX-License-Identifier: MIT */
/* reproduce: every claim of the documents, its command, and whether it holds. */
#include "cli/cli.h"
#include "cli/output.h"

#include "base/clock.h"
#include "base/units.h"
#include "report/claims.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_STEPS = 512, CODE_SKIPPED = 77 };
enum result { RESULT_PASSED, RESULT_FAILED, RESULT_SKIPPED };

struct step {
    const struct claim *claim;
    enum result result;
    char remark[256];
};

struct driver {
    const struct claims *claims;
    char out[4096];           /* absolute; commands find it as $OUT */
    const char *last_command; /* of the step before: claims may share one run */
    int last_code;
    struct step steps[MAX_STEPS];
    size_t n_steps;
};

static int drive(const struct claims *claims, const char *what, const struct options *options);
static int check_documents(const struct claims *claims, bool fill);
static enum mscope_status prepare(struct driver *driver, const char *out, struct mscope_error *err);
static bool is_chosen(const struct claim *claim, const char *what);
static void run_claims(struct driver *driver, const char *what);
static void run_step(struct driver *driver, struct step *step);
static void judge_figure(const struct driver *driver, struct step *step);
static int run_command(const char *command);
static int summarise(const struct driver *driver);

extern char **environ;

int cmd_reproduce(const struct cli_verb *verb, const struct options *options)
{
    const char *what = options_argument(options, 0);
    what = what != NULL ? what : "all";
    struct mscope_error err;
    struct claims *claims = NULL;
    const char *root = options_text(options, "root");
    if (chdir(root) != 0) {
        error_set_errno(&err, errno, root, "enter");
        return out_error(&err);
    }
    if (claims_load(&claims, options_text(options, "claims"), &err) != MSCOPE_OK) {
        return out_error(&err);
    }
    int code;
    bool fill = strcmp(what, "fill") == 0;
    if (fill || strcmp(what, "check") == 0) {
        code = check_documents(claims, fill) == 0 ? CLI_OK : CLI_FAILED;
    } else if (strcmp(what, "all") == 0 || strcmp(what, "gates") == 0) {
        int n_wrong = check_documents(claims, false);
        code = drive(claims, what, options);
        code = code == CLI_OK && n_wrong > 0 && strcmp(what, "gates") == 0 ? CLI_FAILED : code;
    } else if (claims_find(claims, what) != NULL) {
        code = drive(claims, what, options);
    } else {
        code = cli_usage_error(verb, "WHAT must be all, gates, check, fill or the id of a claim");
    }
    claims_close(&claims);
    return code;
}

/* Runs what is asked for. Measurements depend on the machine, so 'all' fails only when it cannot
 * run; gates fail with any of theirs, and one claim with itself. */
static int drive(const struct claims *claims, const char *what, const struct options *options)
{
    struct mscope_error err;
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        error_set_memory(&err, "steps", sizeof *driver);
        return out_error(&err);
    }
    int code = CLI_OK;
    driver->claims = claims;
    if (prepare(driver, options_text(options, "out"), &err) != MSCOPE_OK) {
        code = out_error(&err);
    } else {
        run_claims(driver, what);
        int n_failed = summarise(driver);
        bool one = claims_find(claims, what) != NULL;
        code = n_failed > 0 && strcmp(what, "all") != 0           ? CLI_FAILED
               : one && driver->steps[0].result == RESULT_SKIPPED ? CODE_SKIPPED
                                                                  : CLI_OK;
    }
    free(driver);
    return code;
}

/* Returns how many numbers disagree; a document that cannot be read counts, too. */
static int check_documents(const struct claims *claims, bool fill)
{
    struct claims_tally tally = {0};
    struct mscope_error err;
    int n_wrong = 0;
    if (claims_check_documents(claims, ".", fill, &tally, &err) != MSCOPE_OK) {
        out_error(&err);
        n_wrong++;
    }
    for (size_t i = 0; i < tally.findings.n; i++) {
        out_printf("%s\n", tally.findings.paths[i]);
        n_wrong++;
    }
    out_printf("documents: %zu numbers compared with results/, %d wrong", tally.n_numbers, n_wrong);
    if (fill) {
        out_printf(", %zu written anew", tally.n_filled);
    }
    out_printf("\n");
    files_list_free(&tally.findings);
    return n_wrong;
}

static enum mscope_status prepare(struct driver *driver, const char *out, struct mscope_error *err)
{
    enum mscope_status status = files_make_folder(out, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    char *absolute = realpath(out, NULL);
    if (absolute == NULL || strlen(absolute) >= sizeof driver->out) {
        free(absolute);
        return error_set(err, MSCOPE_ERR_IO, out, "its full path cannot be found");
    }
    memcpy(driver->out, absolute, strlen(absolute) + 1);
    free(absolute);
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    setenv("MOESCOPE", n > 0 ? program : "moescope", 1);
    setenv("OUT", driver->out, 1);
    return MSCOPE_OK;
}

static bool is_chosen(const struct claim *claim, const char *what)
{
    return strcmp(what, "all") == 0 || strcmp(what, claim->id) == 0 ||
           (strcmp(what, "gates") == 0 && claim->kind == CLAIMS_GATE);
}

static void run_claims(struct driver *driver, const char *what)
{
    size_t n = 0, done = 0;
    for (unsigned i = 0; i < driver->claims->n; i++) {
        n += is_chosen(&driver->claims->list[i], what);
    }
    for (unsigned i = 0; i < driver->claims->n && driver->n_steps < MAX_STEPS; i++) {
        const struct claim *claim = &driver->claims->list[i];
        if (!is_chosen(claim, what)) {
            continue;
        }
        struct step *step = &driver->steps[driver->n_steps++];
        *step = (struct step){.claim = claim};
        out_printf("\n[%zu/%zu] %s: %s\n", ++done, n, claim->id, claim->text);
        out_printf("  $ %s\n", claim->command != NULL ? claim->command : "(no run)");
        if (claim->result != NULL) {
            out_printf("  result: %s\n", claim->result);
        }
        out_flush();
        uint64_t start_ns = clock_now_ns();
        run_step(driver, step);
        char took[UNITS_TEXT_BYTES];
        static const char *const words[] = {"holds", "FAILS", "skipped"};
        out_printf("  %s%s%s (%s)\n", words[step->result], step->remark[0] != '\0' ? ": " : "",
                   step->remark, units_duration(took, clock_now_ns() - start_ns));
    }
}

static void run_step(struct driver *driver, struct step *step)
{
    const char *command = step->claim->command;
    int code = 0;
    if (command != NULL && driver->last_command != NULL &&
        strcmp(command, driver->last_command) == 0) {
        code = driver->last_code;
        out_printf("  (ran above)\n");
    } else if (command != NULL) {
        code = run_command(command);
        driver->last_command = command;
        driver->last_code = code;
    }
    if (code == CODE_SKIPPED) {
        step->result = RESULT_SKIPPED;
        snprintf(step->remark, sizeof step->remark, "what it needs is not on this machine");
    } else if (code != 0) {
        step->result = RESULT_FAILED;
        snprintf(step->remark, sizeof step->remark, "the command ended with %d", code);
    } else if (step->claim->result != NULL) {
        judge_figure(driver, step);
    }
}

/* A fresh result beside the committed one; a claim without a run is judged by the committed one. */
static void judge_figure(const struct driver *driver, struct step *step)
{
    const struct claim *claim = step->claim;
    double fresh = NAN, committed = NAN;
    struct mscope_error err;
    char text[800];
    bool have_old = claims_read_figure(&committed, claim, "results", NULL) == MSCOPE_OK;
    const char *folder = claim->command != NULL ? driver->out : "results";
    if (claims_read_figure(&fresh, claim, folder, &err) != MSCOPE_OK) {
        step->result = RESULT_FAILED;
        snprintf(step->remark, sizeof step->remark, "%.250s",
                 mscope_error_text(&err, text, sizeof text));
        return;
    }
    bool within = (claim->least == NULL || fresh >= *claim->least) &&
                  (claim->most == NULL || fresh <= *claim->most);
    step->result = within ? RESULT_PASSED : RESULT_FAILED;
    int n = snprintf(step->remark, sizeof step->remark, "%.6g", fresh);
    if (have_old && claim->command != NULL) {
        n += snprintf(step->remark + n, sizeof step->remark - (size_t)n, ", committed %.6g",
                      committed);
    }
    size_t used = n > 0 && (size_t)n < sizeof step->remark ? (size_t)n : sizeof step->remark - 1;
    char *end = step->remark + used;
    size_t room = sizeof step->remark - used;
    if (claim->least != NULL && claim->most != NULL) {
        snprintf(end, room, ", claimed %g to %g", *claim->least, *claim->most);
    } else if (claim->least != NULL) {
        snprintf(end, room, ", claimed at least %g", *claim->least);
    } else if (claim->most != NULL) {
        snprintf(end, room, ", claimed at most %g", *claim->most);
    }
}

static int run_command(const char *command)
{
    char shell[] = "sh", option[] = "-c";
    char *line = strdup(command);
    if (line == NULL) {
        return 1;
    }
    char *arguments[] = {shell, option, line, NULL};
    posix_spawnattr_t attributes;
    sigset_t restored; /* the program ignores a closed pipe, its steps must not */
    sigemptyset(&restored);
    sigaddset(&restored, SIGPIPE);
    pid_t child = -1;
    int code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        posix_spawnattr_setsigdefault(&attributes, &restored);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        code = posix_spawn(&child, "/bin/sh", NULL, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    free(line);
    if (code != 0) {
        out_note("cannot start /bin/sh: %s", strerror(code));
        return 1;
    }
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static int summarise(const struct driver *driver)
{
    int counts[3] = {0};
    out_printf("\nsummary\n");
    for (size_t i = 0; i < driver->n_steps; i++) {
        const struct step *step = &driver->steps[i];
        static const char *const words[] = {"holds", "FAILS", "skipped"};
        counts[step->result]++;
        out_printf("  %-8s %-32s %s\n", words[step->result], step->claim->id, step->remark);
    }
    out_printf("%d hold, %d fail, %d skipped\n", counts[RESULT_PASSED], counts[RESULT_FAILED],
               counts[RESULT_SKIPPED]);
    return counts[RESULT_FAILED];
}
