/* SPDX-License-Identifier: MIT */
/*
 * llama-bench of llama.cpp, or of ik_llama.cpp, as a driver: tests of random tokens, whatever the
 * text. It loads the model anew at every start, so several tests go into one. Both programs differ
 * in how a depth is asked for (-d, or -gp in place of -n) and in the word that turns off the
 * warm-up; their --help tells which. Warmed up is by the shortest prompt, whose row is dropped:
 * warming up every test by itself, as llama.cpp's would, doubles the time of long prompts.
 */
#include "measure/driver.h"

#include "measure/footer.h"
#include "measure/llama_command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 64, WARM_UP_TOKENS = 128, PAIR_BYTES = 32 };
static const double HELP_TIMEOUT_S = 20;

struct driver {
    struct llama_program program;
    bool has_depth, has_pairs; /* -d; -gp P,N: N tokens behind P */
    bool has_no_warmup, has_warmup_switch;
};

struct call { /* one start of the program */
    const struct driver_test *tests;
    const bool *is_in; /* which of them are asked for */
    int n_tests, n_repetitions;
    int n_depth; /* of all, 0 where pairs say it */
    char pairs[MAX_ROWS][PAIR_BYTES];
};

static enum mscope_status bench_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err);
static enum mscope_status bench_run(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct driver_marks *marks,
                                    struct mscope_error *err);
static enum mscope_status bench_run_all(struct driver *driver, const struct driver_test *tests,
                                        int n_tests, int n_repetitions, struct record *rows,
                                        struct mscope_error *err);
static void bench_close(struct driver **driver);
static enum mscope_status ask_help(struct driver *driver, struct mscope_error *err);
static enum mscope_status run_call(struct driver *driver, struct call *call, struct record *rows,
                                   struct mscope_error *err);
static void make_command(struct llama_command *command, const struct driver *driver,
                         struct call *call);
static void add_tests(struct llama_command *command, struct call *call, bool with_pairs);
static enum mscope_status take_rows(const struct driver *driver, const struct call *call,
                                    const struct footer_bench *found, int n_found,
                                    struct record *rows, struct mscope_error *err);
static enum mscope_status fill(const struct driver *driver, const struct driver_test *test,
                               const struct footer_bench *found, struct record *record,
                               struct mscope_error *err);

const struct driver_class driver_llama_bench = {"llama.cpp", bench_open, bench_run, bench_close,
                                                bench_run_all};

static enum mscope_status bench_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err)
{
    *out = NULL;
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return error_set_memory(err, "driver", sizeof *driver);
    }
    enum mscope_status status = llama_program_open(&driver->program, settings, err);
    status = status == MSCOPE_OK ? ask_help(driver, err) : status;
    status = status == MSCOPE_OK
                 ? record_set_text(&record->engine_detail, driver->program.name, err)
                 : status;
    if (status != MSCOPE_OK) {
        bench_close(&driver);
        return status;
    }
    *out = driver;
    return MSCOPE_OK;
}

static void bench_close(struct driver **driver)
{
    if (*driver == NULL) {
        return;
    }
    llama_program_close(&(*driver)->program);
    free(*driver);
    *driver = NULL;
}

static enum mscope_status ask_help(struct driver *driver, struct mscope_error *err)
{
    const char *argv[] = {driver->program.target.place, "--help", NULL};
    struct program_result result;
    enum mscope_status status = program_run(&result, argv, HELP_TIMEOUT_S, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    const struct strbuf *streams[] = {&result.out, &result.err};
    for (int i = 0; i < 2; i++) {
        const char *text = streams[i]->n_bytes > 0 ? streams[i]->data : "";
        driver->has_depth |= strstr(text, "--n-depth") != NULL;
        driver->has_pairs |= strstr(text, "-gp <") != NULL;
        driver->has_no_warmup |= strstr(text, "--no-warmup") != NULL;
        driver->has_warmup_switch |= strstr(text, "-w, --warmup <") != NULL;
    }
    program_free(&result);
    return MSCOPE_OK;
}

/* A prompt, then generation behind it: two tests. */
static enum mscope_status bench_run(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct driver_marks *marks,
                                    struct mscope_error *err)
{
    *marks = (struct driver_marks){0};
    if (task->n_tokens <= 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, driver->program.name,
                         "a text, expected a number of random tokens (llama-completion takes "
                         "texts)");
    }
    const struct driver_test tests[2] = {
        {task->n_tokens, 0, task->n_depth},
        {0, task->n_gen - 1, task->n_depth + task->n_tokens},
    };
    struct record rows[2];
    record_init(&rows[0]);
    record_init(&rows[1]);
    enum mscope_status status = bench_run_all(driver, tests, task->n_gen > 1 ? 2 : 1, 1, rows, err);
    if (status == MSCOPE_OK) {
        status = record_set_text(&record->engine_detail, rows[0].engine_detail, err);
        record->prompt_tokens = task->n_tokens;
        record->n_gen = task->n_gen;
        record->n_depth = task->n_depth;
        record->prefill_ms = rows[0].prefill_ms;
        record->decode_ms = task->n_gen > 1 ? rows[1].decode_ms : NAN;
        if (rows[0].params_total > 0) {
            record->params_total = rows[0].params_total;
        }
        driver_derive_times(record);
    } else if (rows[0].status != NULL) {
        enum mscope_status told = record_set_text(&record->status, rows[0].status, err);
        status = told == MSCOPE_OK ? status : told;
    }
    record->threads = driver->program.n_threads;
    record->wall_ms = rows[0].wall_ms; /* run_all gives all of them the whole */
    record->peak_rss_bytes = rows[0].peak_rss_bytes;
    record_free(&rows[0]);
    record_free(&rows[1]);
    return status;
}

/* One start for all tests of an empty cache, and of all depths where pairs say them; else one for
 * each depth. */
static enum mscope_status bench_run_all(struct driver *driver, const struct driver_test *tests,
                                        int n_tests, int n_repetitions, struct record *rows,
                                        struct mscope_error *err)
{
    bool is_in[MAX_ROWS], is_done[MAX_ROWS] = {false};
    const char *name = driver->program.name;
    if (n_tests > MAX_ROWS - 1 || n_repetitions > FOOTER_MAX_SAMPLES) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, name,
                         "%d tests of %d repetitions, expected at most %d of %d", n_tests,
                         n_repetitions, MAX_ROWS - 1, FOOTER_MAX_SAMPLES);
    }
    for (int i = 0; i < n_tests; i++) {
        bool can = tests[i].n_depth == 0 || driver->has_depth ||
                   (driver->has_pairs && tests[i].n_prompt == 0);
        if (!can || (tests[i].n_prompt > 0 && tests[i].n_gen > 0)) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, name, "%s, which this program cannot do",
                             can ? "a prompt and generation timed as one"
                                 : "a prompt behind a depth, or any depth");
        }
        rows[i].wall_ms = 0;
        rows[i].peak_rss_bytes = RECORD_NO_INT;
    }
    enum mscope_status status = MSCOPE_OK;
    for (int first = 0; first < n_tests && status == MSCOPE_OK; first++) {
        if (is_done[first]) {
            continue;
        }
        struct call call = {tests, is_in, n_tests, n_repetitions, tests[first].n_depth, {{0}}};
        bool pairs = driver->has_pairs && !driver->has_depth;
        for (int i = 0; i < n_tests; i++) {
            is_in[i] = !is_done[i] && (pairs || tests[i].n_depth == call.n_depth);
            is_done[i] |= is_in[i];
        }
        call.n_depth = pairs ? 0 : call.n_depth;
        status = run_call(driver, &call, rows, err);
    }
    for (int i = 1; i < n_tests; i++) { /* of the whole: the programs do not tell them apart */
        rows[i].wall_ms = rows[0].wall_ms;
        rows[i].peak_rss_bytes = rows[0].peak_rss_bytes;
    }
    return status;
}

static enum mscope_status run_call(struct driver *driver, struct call *call, struct record *rows,
                                   struct mscope_error *err)
{
    struct llama_command command;
    struct program_result result;
    make_command(&command, driver, call);
    enum mscope_status status =
        llama_command_run(&command, &driver->program, &result, &rows[0], err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct footer_bench *found = calloc(MAX_ROWS + 1, sizeof *found);
    if (found == NULL) {
        program_free(&result);
        return error_set_memory(err, "rows of llama-bench", MAX_ROWS * sizeof *found);
    }
    int n_found = 0;
    status =
        footer_parse_bench(found, MAX_ROWS + 1, &n_found,
                           result.out.n_bytes > 0 ? result.out.data : "", result.out.n_bytes, err);
    program_free(&result);
    if (status == MSCOPE_OK) {
        status = take_rows(driver, call, found, n_found, rows, err);
    }
    free(found);
    return status;
}

static void make_command(struct llama_command *command, const struct driver *driver,
                         struct call *call)
{
    llama_command_start(command, &driver->program);
    llama_command_add_cache(command, &driver->program, "1");
    bool has_switch = driver->has_no_warmup || driver->has_warmup_switch;
    if (has_switch && call->n_depth == 0) {
        llama_command_add_number(command, "-p", WARM_UP_TOKENS); /* its row is dropped */
    }
    if (driver->has_no_warmup) {
        llama_command_add(command, "--no-warmup");
    } else if (driver->has_warmup_switch) {
        llama_command_add_number(command, "-w", 0);
    }
    add_tests(command, call, driver->has_pairs && !driver->has_depth);
    llama_command_add_number(command, "-r", call->n_repetitions);
    if (call->n_depth > 0) {
        llama_command_add_number(command, "-d", call->n_depth);
    }
    llama_command_add(command, "-o");
    llama_command_add(command, "json");
}

/* Without -p or -n both programs would take their standard tests. */
static void add_tests(struct llama_command *command, struct call *call, bool with_pairs)
{
    int n_prompts = 0, n_gens = 0;
    for (int i = 0; i < call->n_tests; i++) {
        const struct driver_test *test = &call->tests[i];
        if (!call->is_in[i]) {
            continue;
        }
        if (with_pairs && test->n_depth > 0) {
            snprintf(call->pairs[i], PAIR_BYTES, "%d,%d", test->n_depth, test->n_gen);
            llama_command_add(command, "-gp");
            llama_command_add(command, call->pairs[i]);
        } else if (test->n_prompt > 0) {
            llama_command_add_number(command, "-p", test->n_prompt);
            n_prompts++;
        } else {
            llama_command_add_number(command, "-n", test->n_gen);
            n_gens++;
        }
    }
    if (n_prompts == 0) {
        llama_command_add_number(command, "-p", 0);
    }
    if (n_gens == 0) {
        llama_command_add_number(command, "-n", 0);
    }
}

/* The last row that is a test's: before it comes the warm-up's. */
static enum mscope_status take_rows(const struct driver *driver, const struct call *call,
                                    const struct footer_bench *found, int n_found,
                                    struct record *rows, struct mscope_error *err)
{
    for (int i = 0; i < call->n_tests; i++) {
        const struct driver_test *test = &call->tests[i];
        const struct footer_bench *match = NULL;
        for (int k = 0; k < n_found && call->is_in[i]; k++) {
            bool is_pair = driver->has_pairs && found[k].n_prompt > 0 && found[k].n_gen > 0;
            int64_t n_prompt = is_pair ? 0 : found[k].n_prompt;
            int64_t n_depth = is_pair ? found[k].n_prompt : found[k].n_depth;
            if (n_prompt == test->n_prompt && found[k].n_gen == test->n_gen &&
                n_depth == test->n_depth && found[k].avg_ns > 0) {
                match = &found[k];
            }
        }
        if (!call->is_in[i]) {
            continue;
        }
        if (match == NULL) {
            return error_set(err, MSCOPE_ERR_FORMAT, driver->program.name,
                             "%d rows, none of them of %d+%d tokens at depth %d", n_found,
                             test->n_prompt, test->n_gen, test->n_depth);
        }
        enum mscope_status status = fill(driver, test, match, &rows[i], err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status fill(const struct driver *driver, const struct driver_test *test,
                               const struct footer_bench *found, struct record *record,
                               struct mscope_error *err)
{
    double rates[FOOTER_MAX_SAMPLES];
    bool is_prefill = test->n_prompt > 0;
    int n_tokens = is_prefill ? test->n_prompt : test->n_gen;
    for (int i = 0; i < found->n_samples; i++) {
        rates[i] = n_tokens / found->samples_ns[i] * 1e9;
    }
    record->threads = driver->program.n_threads;
    record->prompt_tokens = test->n_prompt;
    record->n_gen = test->n_gen;
    record->n_depth = test->n_depth;
    *(is_prefill ? &record->prefill_ms : &record->decode_ms) = found->avg_ns * 1e-6;
    *(is_prefill ? &record->prefill_tps : &record->decode_tps) = n_tokens / found->avg_ns * 1e9;
    if (found->n_params > 0) {
        record->params_total = found->n_params;
    }
    enum mscope_status status =
        record_set_reals(is_prefill ? &record->prefill_tps_samples : &record->decode_tps_samples,
                         rates, (size_t)found->n_samples, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct strbuf detail = {0};
    strbuf_printf(&detail, "%s %lld (%s), random tokens", driver->program.name,
                  (long long)found->build_number, found->build_commit);
    for (int i = 0; i < driver->program.target.n_arguments; i++) {
        strbuf_printf(&detail, " %s", driver->program.target.arguments[i]);
    }
    status = detail.failed ? error_set_memory(err, "driver", detail.n_bytes)
                           : record_set_text(&record->engine_detail, detail.data, err);
    strbuf_free(&detail);
    return status;
}
