/* SPDX-License-Identifier: MIT */
/*
 * The runner with a driver of our own that does what its prompt says: succeeds, fails, crashes,
 * hangs, is killed. Rows say what happened, the rest goes on, and a study killed at any moment
 * continues without losing or doubling a row.
 */
#include "measure/rows.h"

#include "measure/runner.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

struct driver {
    double rate;
};

static enum mscope_status fake_open(struct driver **out, const struct driver_settings *settings,
                                    struct record *record, struct mscope_error *err)
{
    static struct driver driver;
    if (strcmp(settings->model_id, "broken") == 0) {
        *out = NULL;
        return error_set(err, MSCOPE_ERR_FORMAT, "file", "broken on purpose");
    }
    record->load_ms = 5;
    driver.rate = 10;
    *out = &driver;
    return MSCOPE_OK;
}

static enum mscope_status fake_run(struct driver *driver, const struct driver_task *task,
                                   struct record *record, struct driver_marks *marks,
                                   struct mscope_error *err)
{
    (void)marks;
    if (strstr(task->prompt, "crash") != NULL) {
        signal(SIGABRT, SIG_DFL); /* a sanitizer would make an exit code of it */
        abort();
    }
    if (strstr(task->prompt, "killed") != NULL) {
        raise(SIGKILL);
    }
    if (strstr(task->prompt, "hang") != NULL) {
        poll(NULL, 0, -1);
    }
    if (strstr(task->prompt, "want memory") != NULL) {
        return error_set_memory(err, "cache", 1u << 30);
    }
    if (strstr(task->prompt, "backwards") != NULL) {
        const double stamps[] = {2, 1};
        return record_set_reals(&record->token_ms, stamps, 2, err);
    }
    record->prompt_tokens = 10;
    record->n_gen = task->n_gen;
    record->wall_ms = 100;
    record->prefill_ms = 50;
    record->decode_ms = 1000;
    record->temp_peak_c = NAN;
    if (strstr(task->prompt, "hot") != NULL) {
        record->peak_rss_bytes = 1;
    }
    driver_derive_times(record);
    record->decode_tps = driver->rate;
    driver->rate += 10; /* repetitions in one process vary; in one of each they do not */
    return MSCOPE_OK;
}

static void fake_close(struct driver **driver)
{
    *driver = NULL;
}

static const struct driver_class fake = {"fake", fake_open, fake_run, fake_close, NULL};
static const struct plan_engine engine = {&fake, NULL, "fake"};

static char folder[512], out_path[700];
static struct config *config;
static struct record base;
static int n_told_rows, n_told_total;

static void tell(void *user, const struct runner_news *news)
{
    n_told_rows += news->kind == RUNNER_ROW;
    assert_true(news->n_done <= news->n_total);
    n_told_total = news->n_total;
    if (user != NULL && news->kind != RUNNER_NOTE) { /* lets the parent count what we did */
        assert_int_equal(write(*(int *)user, ".", 1), 1);
    }
}

static struct plan *make_plan(const char *experiment)
{
    struct mscope_error err;
    const struct config_experiment *list[] = {config_find_experiment(config, experiment, &err)};
    assert_non_null(list[0]);
    struct plan_params params = {.study = "s",
                                 .experiments = list,
                                 .n_experiments = 1,
                                 .engines = &engine,
                                 .n_engines = 1,
                                 .device_threads = 1,
                                 .max_threads = 1,
                                 .seed = 3};
    struct plan *plan = NULL;
    assert_ok(plan_make(&plan, config, &params, &err), &err);
    return plan;
}

static enum mscope_status run_plan(struct runner_result *result, const struct plan *plan,
                                   void *user, struct mscope_error *err)
{
    struct runner_params params = {.config = config,
                                   .plan = plan,
                                   .device = &config->devices[0],
                                   .base = &base,
                                   .models_dir = folder,
                                   .out_path = out_path,
                                   .kv_type = "f16",
                                   .grace_s = 0.3,
                                   .sensor_root = folder, /* no sensors, no counters */
                                   .tell = tell,
                                   .user = user};
    return runner_run(result, &params, err);
}

enum { MAX_ROWS = 64 };
struct tally {
    int n;
    char cells[MAX_ROWS][96], status[MAX_ROWS][16], reason[MAX_ROWS][200];
    double cv[MAX_ROWS];
    int flag[MAX_ROWS];
};

static enum mscope_status collect(void *user, const struct record *record, uint64_t i_line,
                                  struct mscope_error *err)
{
    (void)i_line;
    (void)err;
    struct tally *tally = user;
    assert_true(tally->n < MAX_ROWS);
    snprintf(tally->cells[tally->n], sizeof tally->cells[0], "%s", record->cell);
    snprintf(tally->status[tally->n], sizeof tally->status[0], "%s", record->status);
    snprintf(tally->reason[tally->n], sizeof tally->reason[0], "%.199s",
             record->reason != NULL ? record->reason : "");
    tally->cv[tally->n] = record->decode_tps_cv;
    tally->flag[tally->n] = record->cv_flag;
    tally->n++;
    return MSCOPE_OK;
}

static void read_tally(struct tally *tally)
{
    struct row_file_report report;
    struct mscope_error err;
    tally->n = 0;
    assert_ok(row_file_read(out_path, collect, tally, &report, &err), &err);
    assert_int_equal(report.n_corrupt, 0);
    assert_false(report.torn);
    for (int i = 0; i < tally->n; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(tally->cells[i], tally->cells[j]);
        }
    }
}

static int find(const struct tally *tally, const char *part)
{
    for (int i = 0; i < tally->n; i++) {
        if (strstr(tally->cells[i], part) != NULL) {
            return i;
        }
    }
    fail_msg("no row of %s", part);
    return -1;
}

static void expect(const struct tally *tally, const char *part, const char *status,
                   const char *reason)
{
    int i = find(tally, part);
    assert_string_equal(tally->status[i], status);
    if (strstr(tally->reason[i], reason) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", part, tally->reason[i], reason);
    }
}

static void every_kind_of_failure_is_a_row(void **state)
{
    (void)state;
    static struct tally tally;
    struct plan *plan = make_plan("bad");
    struct runner_result result;
    struct mscope_error err;
    unlink(out_path);
    assert_ok(run_plan(&result, plan, NULL, &err), &err);
    read_tally(&tally);
    assert_int_equal(tally.n, plan->n_cells - plan->n_extra_cells);
    expect(&tally, "/good/crash/", "failed", "signal 6");
    expect(&tally, "/good/killed/", "oom", "lack of memory");
    expect(&tally, "/good/hang/", "timeout", "not done after 0.2 s");
    expect(&tally, "/good/memory/", "oom", "cache");
    expect(&tally, "/good/backwards/", "failed", "backwards");
    expect(&tally, "/good/fine/", "ok", "");
    expect(&tally, "/broken/fine/", "failed", "broken on purpose");
    expect(&tally, "/absent/fine/", "skipped", "no file");
    assert_int_equal(result.n_ok, 1);
    assert_int_equal(result.n_skipped, 6);
    assert_int_equal(result.n_failed, 5 + 6);
    plan_close(&plan);
}

static void a_finished_study_does_nothing(void **state)
{
    (void)state;
    struct plan *plan = make_plan("bad");
    struct runner_result result;
    struct mscope_error err;
    n_told_rows = 0;
    assert_ok(run_plan(&result, plan, NULL, &err), &err);
    assert_int_equal(n_told_rows, 0);
    assert_int_equal(result.n_before, plan->n_cells - plan->n_extra_cells);
    plan_close(&plan);
}

static void varying_repetitions_are_flagged(void **state)
{
    (void)state;
    static struct tally tally;
    struct plan *plan = make_plan("steady");
    struct runner_result result;
    struct mscope_error err;
    unlink(out_path);
    assert_ok(run_plan(&result, plan, NULL, &err), &err);
    read_tally(&tally);
    assert_int_equal(tally.n, 6);
    assert_int_equal(result.n_ok, 6);
    int first = find(&tally, "/p1/t1/r1/"), last = find(&tally, "/p1/t1/r3/");
    assert_true(isnan(tally.cv[first]));
    assert_true(tally.flag[first] == RECORD_NO_BOOL);
    assert_true(!isnan(tally.cv[last]));
    assert_true(tally.flag[last] == (tally.cv[last] > 0.10 ? 1 : 0));
    plan_close(&plan);
}

/* Kills the program after ever more steps until it comes through; no wait, no clock. */
static void killed_at_any_moment_it_goes_on(void **state)
{
    (void)state;
    static struct tally tally;
    struct plan *plan = make_plan("steady");
    unlink(out_path);
    bool finished = false;
    int n_before = 0, n_kills = 0;
    for (int n_steps = 1; !finished; n_steps++) {
        int ends[2];
        assert_true(n_steps < 200);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct runner_result result;
            struct mscope_error err;
            close(ends[0]);
            _exit(run_plan(&result, plan, &ends[1], &err) == MSCOPE_OK ? 0 : 1);
        }
        close(ends[1]);
        char byte;
        int n_seen = 0;
        while (n_seen < n_steps && read(ends[0], &byte, 1) == 1) {
            n_seen++;
        }
        int status = 0;
        if (n_seen == n_steps) {
            kill(pid, SIGKILL);
            n_kills++;
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        finished = WIFEXITED(status);
        close(ends[0]);
        if (finished) {
            assert_int_equal(WEXITSTATUS(status), 0);
        }
        struct row_file *file = NULL;
        struct row_file_report report;
        struct mscope_error err;
        /* the lock went with the program: its worker holds no copy of it */
        assert_ok(row_file_open(&file, out_path, &report, &err), &err);
        row_file_close(&file);
        assert_true((int)report.n_rows >= n_before); /* nothing measured is lost */
        assert_int_equal(report.n_duplicates, 0);
        n_before = (int)report.n_rows;
    }
    assert_true(n_kills > 3);
    read_tally(&tally);
    assert_int_equal(tally.n, 6);
    plan_close(&plan);
}

/* A thermometer above the device's limit: five repetitions instead of three, and the total says so.
 */
static void heat_raises_the_repetitions(void **state)
{
    (void)state;
    static struct tally tally;
    char zone[600];
    snprintf(zone, sizeof zone, "%s", folder);
    for (const char *part = "sys/class/thermal/thermal_zone0"; part != NULL;) {
        size_t n = strcspn(part, "/");
        size_t end = strlen(zone);
        snprintf(zone + end, sizeof zone - end, "/%.*s", (int)n, part);
        assert_int_equal(mkdir(zone, 0755), 0);
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    rows_write(zone, "type", "x86_pkg_temp\n");
    rows_write(zone, "temp", "91000\n");
    struct config_device *device = &config->devices[0];
    device->temp_limit_c = 80;
    struct plan *plan = make_plan("steady");
    struct runner_result result;
    struct mscope_error err;
    unlink(out_path);
    assert_ok(run_plan(&result, plan, NULL, &err), &err);
    read_tally(&tally);
    assert_true(result.hot);
    assert_int_equal(tally.n, 2 * 5);
    assert_int_equal(n_told_total, 2 * 5);
    device->temp_limit_c = 0;
    char path[700];
    snprintf(path, sizeof path, "%.500s/sys", folder);
    rows_remove(path);
    plan_close(&plan);
}

static void an_unwritable_file_is_an_error(void **state)
{
    (void)state;
    struct plan *plan = make_plan("steady");
    struct runner_result result;
    struct mscope_error err;
    unlink(out_path);
    rows_write(folder, "unwritable", "");
    char kept[700];
    snprintf(kept, sizeof kept, "%s", out_path);
    snprintf(out_path, sizeof out_path, "%.500s/unwritable/rows.jsonl", folder);
    assert_int_equal(run_plan(&result, plan, NULL, &err), MSCOPE_ERR_IO);
    snprintf(out_path, sizeof out_path, "%s", kept);
    plan_close(&plan);
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "%s", rows_folder());
    snprintf(out_path, sizeof out_path, "%s/rows.jsonl", folder);
    rows_write(folder, "models.yaml",
               "models:\n"
               "  - {id: good, label: Good, role: moe, file: m, quant: Q, repo: x/y}\n"
               "  - {id: broken, label: Broken, role: dense, file: m, quant: Q, repo: x/y}\n"
               "  - {id: absent, label: Absent, role: dense, file: m, quant: Q, repo: x/y}\n");
    rows_write(folder, "prompts.yaml",
               "prompts:\n"
               "  - {id: fine, category: qa, text: all is well}\n"
               "  - {id: crash, category: qa, text: crash now}\n"
               "  - {id: killed, category: qa, text: be killed now}\n"
               "  - {id: hang, category: qa, text: hang now}\n"
               "  - {id: memory, category: qa, text: want memory}\n"
               "  - {id: backwards, category: qa, text: go backwards}\n"
               "  - {id: p1, category: qa, text: first}\n"
               "  - {id: p2, category: qa, text: second}\n");
    rows_write(folder, "devices.yaml", "devices:\n  - {id: auto, label: A, energy: none}\n");
    rows_write(folder, "experiments.yaml",
               "experiments:\n"
               "  - {id: bad, title: B, repetitions: 1, n_gen: 4, timeout_s: 0.2,\n"
               "     prompts: [fine, crash, killed, hang, memory, backwards]}\n"
               "  - {id: steady, title: S, models: [good], repetitions: 3, n_gen: 4,\n"
               "     prompts: [p1, p2], warmup_max: 2}\n");
    const char *files[] = {"good", "broken"};
    for (int i = 0; i < 2; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        rows_write(path, "m", "not a model, but a file");
    }
    struct mscope_error err;
    assert_ok(config_load(&config, folder, &err), &err);
    rows_make(&base, "x");
    base.seed = 42;
}

int main(void)
{
    setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_failure_is_a_row),
        cmocka_unit_test(a_finished_study_does_nothing),
        cmocka_unit_test(varying_repetitions_are_flagged),
        cmocka_unit_test(killed_at_any_moment_it_goes_on),
        cmocka_unit_test(heat_raises_the_repetitions),
        cmocka_unit_test(an_unwritable_file_is_an_error),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_close(&config);
    record_free(&base);
    rows_remove(folder);
    return failed;
}
