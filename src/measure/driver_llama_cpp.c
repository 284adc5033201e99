/* SPDX-License-Identifier: MIT */
/*
 * A program of llama.cpp as a driver: llama-completion or llama-cli with a text, llama-bench with
 * random tokens. Every run is a process of its own, which loads the model; its own footer tells the
 * times of prefill and decode. What it cannot tell (single tokens, phases, bytes, routing) stays
 * null; the time to the first token too, since it would have to be guessed from what is printed.
 */
#include "measure/driver.h"

#include "base/clock.h"
#include "measure/fit_text.h"
#include "measure/footer.h"
#include "measure/program.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 48, NUMBER_BYTES = 24, MAX_PROMPT_BYTES = 120000, CTX_STEP = 256 };
/* llama-cli became a chat program then, which neither ends by itself nor prints a footer. */
enum { FIRST_CHAT_BUILD = 7350 };
static const double VERSION_TIMEOUT_S = 20;

enum program_kind { COMPLETION, CHAT, BENCH };

struct driver {
    enum program_kind kind;
    char *path, *model_path;
    const char *name; /* last part of the path */
    int n_threads, n_ctx, n_batch;
    bool cache_is_f16;
    const char *kv_type;
    double timeout_s;
    uint64_t seed;
    struct fit_text fit;
    char bench_build[FOOTER_NAME_BYTES];
};

struct command { /* argv with the numbers in it */
    const char *words[MAX_ARGUMENTS];
    char numbers[MAX_ARGUMENTS][NUMBER_BYTES];
    int n;
};

static enum mscope_status llama_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err);
static enum mscope_status llama_run(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct driver_marks *marks,
                                    struct mscope_error *err);
static void llama_close(struct driver **driver);
static enum mscope_status check_files(const struct driver_settings *settings,
                                      struct mscope_error *err);
static enum mscope_status ask_version(struct driver *driver, struct record *record,
                                      struct mscope_error *err);
static enum mscope_status run_text(struct driver *driver, const struct driver_task *task,
                                   struct record *record, struct mscope_error *err);
static enum mscope_status take_footer(struct driver *driver, const struct program_result *result,
                                      struct record *record, struct mscope_error *err);
static enum mscope_status run_bench(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct mscope_error *err);
static enum mscope_status bench_once(struct driver *driver, int n_prompt, int n_gen, int n_depth,
                                     struct footer_bench *row, struct record *record,
                                     struct mscope_error *err);
static void add(struct command *command, const char *word);
static void add_number(struct command *command, const char *option, long long number);
static void add_common(struct command *command, const struct driver *driver);
static enum mscope_status execute(struct driver *driver, const struct command *command,
                                  struct program_result *result, struct record *record,
                                  struct mscope_error *err);

const struct driver_class driver_llama_cpp = {"llama.cpp", llama_open, llama_run, llama_close};

static enum mscope_status llama_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err)
{
    *out = NULL;
    enum mscope_status status = check_files(settings, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return error_set_memory(err, "driver", sizeof *driver);
    }
    driver->path = strdup(settings->target);
    driver->model_path = strdup(settings->model_path);
    if (driver->path == NULL || driver->model_path == NULL) {
        llama_close(&driver);
        return error_set_memory(err, "driver", strlen(settings->target));
    }
    const char *slash = strrchr(driver->path, '/');
    driver->name = slash != NULL ? slash + 1 : driver->path;
    driver->kind = strstr(driver->name, "bench") != NULL ? BENCH : COMPLETION;
    driver->n_threads = settings->n_threads;
    driver->n_ctx = settings->n_ctx;
    driver->n_batch = settings->n_batch;
    driver->kv_type = settings->kv_type != NULL ? settings->kv_type : "f16";
    driver->cache_is_f16 = strcmp(driver->kv_type, "f16") == 0;
    driver->timeout_s = settings->timeout_s;
    driver->seed = settings->seed;
    status = ask_version(driver, record, err);
    if (status != MSCOPE_OK) {
        llama_close(&driver);
        return status;
    }
    *out = driver;
    return MSCOPE_OK;
}

static void llama_close(struct driver **driver)
{
    if (*driver == NULL) {
        return;
    }
    free((*driver)->path);
    free((*driver)->model_path);
    free(*driver);
    *driver = NULL;
}

static enum mscope_status check_files(const struct driver_settings *settings,
                                      struct mscope_error *err)
{
    struct stat stat_of;
    if (settings->target == NULL || stat(settings->target, &stat_of) != 0) {
        return error_set_errno(err, errno, settings->target != NULL ? settings->target : "engine",
                               "find program");
    }
    if (!S_ISREG(stat_of.st_mode) || access(settings->target, X_OK) != 0) {
        return error_set(err, MSCOPE_ERR_IO, settings->target,
                         "not a program, expected llama-completion, llama-cli or llama-bench");
    }
    if (settings->model_path == NULL || stat(settings->model_path, &stat_of) != 0) {
        return error_set_errno(err, errno,
                               settings->model_path != NULL ? settings->model_path : "model",
                               "find model for llama.cpp");
    }
    return MSCOPE_OK;
}

/* llama-bench knows no --version; its rows tell the build. */
static enum mscope_status ask_version(struct driver *driver, struct record *record,
                                      struct mscope_error *err)
{
    struct strbuf detail = {0};
    strbuf_printf(&detail, "%s", driver->name);
    if (driver->kind != BENCH) {
        const char *argv[] = {driver->path, "--version", NULL};
        struct program_result result;
        enum mscope_status status = program_run(&result, argv, VERSION_TIMEOUT_S, err);
        if (status != MSCOPE_OK) {
            strbuf_free(&detail);
            return status;
        }
        char version[FOOTER_NAME_BYTES * 2];
        const struct strbuf *said = result.err.n_bytes > 0 ? &result.err : &result.out;
        int64_t build = said->n_bytes > 0 ? footer_parse_version(version, sizeof version,
                                                                 said->data, said->n_bytes)
                                          : 0;
        if (said->n_bytes > 0 && version[0] != '\0') {
            strbuf_printf(&detail, " %s", version);
        }
        if (strstr(driver->name, "llama-cli") != NULL && build >= FIRST_CHAT_BUILD) {
            driver->kind = CHAT;
        }
        program_free(&result);
    }
    enum mscope_status status = detail.failed
                                    ? error_set_memory(err, "driver", detail.n_bytes)
                                    : record_set_text(&record->engine_detail, detail.data, err);
    strbuf_free(&detail);
    return status;
}

static enum mscope_status llama_run(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct driver_marks *marks,
                                    struct mscope_error *err)
{
    *marks = (struct driver_marks){0};
    record->wall_ms = 0;
    record->threads = driver->n_threads;
    enum mscope_status status = driver->kind == BENCH ? run_bench(driver, task, record, err)
                                                      : run_text(driver, task, record, err);
    return status;
}

static enum mscope_status run_text(struct driver *driver, const struct driver_task *task,
                                   struct record *record, struct mscope_error *err)
{
    if (task->prompt == NULL || task->n_depth > 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, driver->name,
                         "%s, expected a text (llama-bench takes those)",
                         task->prompt == NULL ? "random tokens" : "a depth");
    }
    struct strbuf prompt = {0};
    enum mscope_status status =
        fit_text_make(&prompt, &driver->fit, task->prompt, task->n_bytes, task->n_tokens, err);
    if (status == MSCOPE_OK &&
        (prompt.n_bytes > MAX_PROMPT_BYTES || strlen(prompt.data) != prompt.n_bytes)) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "prompt",
                           "%zu bytes, expected at most %d and no zero among them", prompt.n_bytes,
                           MAX_PROMPT_BYTES);
    }
    if (status != MSCOPE_OK) {
        strbuf_free(&prompt);
        return status;
    }
    struct command command = {0};
    add(&command, driver->path);
    add_common(&command, driver);
    add(&command, "-p");
    add(&command, prompt.data);
    if (strchr(prompt.data, '\\') != NULL) {
        add(&command, "--no-escape"); /* else "\n" in a program would become a line end */
    }
    int n_ctx = (driver->n_ctx / 4 * 5 / CTX_STEP + 1) * CTX_STEP; /* its tokens may be more */
    add_number(&command, "-c", n_ctx);
    add_number(&command, "-n", task->n_gen > 0 ? task->n_gen : 1); /* 0 would not read the prompt */
    add_number(&command, "-s", (long long)(driver->seed & 0x7fffffff));
    add(&command, "--temp");
    add(&command, "0");
    add(&command, "--ignore-eos");
    add(&command, driver->kind == CHAT ? "-st" : "-no-cnv");
    struct program_result result;
    status = execute(driver, &command, &result, record, err);
    if (status == MSCOPE_OK) {
        status = take_footer(driver, &result, record, err);
        program_free(&result);
    }
    if (status == MSCOPE_OK) {
        record->n_depth = 0;
        record->n_ctx = n_ctx;
        fit_text_learn(&driver->fit, prompt.n_bytes, record->prompt_tokens);
        if (task->n_gen == 0) {
            record->n_gen = 0;
        }
    }
    strbuf_free(&prompt);
    return status;
}

/* The load time of the footer includes the program's own warm-up. */
static enum mscope_status take_footer(struct driver *driver, const struct program_result *result,
                                      struct record *record, struct mscope_error *err)
{
    struct footer footer = {0};
    const struct strbuf *streams[] = {&result->err, &result->out};
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        found =
            streams[i]->n_bytes > 0 && footer_parse(&footer, streams[i]->data, streams[i]->n_bytes);
    }
    if (!found) {
        return error_set(err, MSCOPE_ERR_FORMAT, driver->name,
                         "no performance footer in what it printed (%zu and %zu bytes)",
                         result->out.n_bytes, result->err.n_bytes);
    }
    record->load_ms = footer.load_ms;
    record->prompt_tokens = footer.prompt_tokens > 0 ? footer.prompt_tokens : RECORD_NO_INT;
    record->n_gen = footer.eval_runs < 0 ? RECORD_NO_INT
                    : footer.eval_ms > 0 ? footer.eval_runs + 1
                                         : 1; /* it never says fewer than one run */
    record->prefill_ms = footer.prompt_ms > 0 ? footer.prompt_ms : NAN;
    record->decode_ms = footer.eval_ms > 0 && footer.eval_runs > 0 ? footer.eval_ms : NAN;
    record->sampling_ms = footer.sample_ms;
    driver_derive_times(record);
    if (isnan(record->prefill_tps)) {
        record->prefill_tps = footer.prompt_tps;
    }
    if (isnan(record->decode_tps)) {
        record->decode_tps = footer.eval_tps;
    }
    return MSCOPE_OK;
}

/* Two programs: llama-bench generates from an empty cache unless a depth is asked for, and a depth
 * counts for all tests of one call. Its prefill is of random tokens, whatever the text. */
static enum mscope_status run_bench(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct mscope_error *err)
{
    if (task->n_tokens <= 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, driver->name,
                         "a text, expected a number of random tokens (llama-completion takes "
                         "texts)");
    }
    struct footer_bench prefill = {0};
    struct footer_bench decode = {0};
    enum mscope_status status =
        bench_once(driver, task->n_tokens, 0, task->n_depth, &prefill, record, err);
    if (status == MSCOPE_OK && task->n_gen > 1) {
        status = bench_once(driver, 0, task->n_gen - 1, task->n_depth + task->n_tokens, &decode,
                            record, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    record->prompt_tokens = task->n_tokens;
    record->n_gen = task->n_gen;
    record->n_depth = task->n_depth;
    record->prefill_ms = prefill.avg_ns * 1e-6;
    record->decode_ms = task->n_gen > 1 ? decode.avg_ns * 1e-6 : NAN;
    if (prefill.n_params > 0) {
        record->params_total = prefill.n_params;
    }
    driver_derive_times(record);
    struct strbuf detail = {0};
    strbuf_printf(&detail, "%s %lld (%s), random tokens", driver->name,
                  (long long)prefill.build_number, prefill.build_commit);
    status = detail.failed ? error_set_memory(err, "driver", detail.n_bytes)
                           : record_set_text(&record->engine_detail, detail.data, err);
    strbuf_free(&detail);
    return status;
}

static enum mscope_status bench_once(struct driver *driver, int n_prompt, int n_gen, int n_depth,
                                     struct footer_bench *row, struct record *record,
                                     struct mscope_error *err)
{
    struct command command = {0};
    add(&command, driver->path);
    add_common(&command, driver);
    add_number(&command, "-p", n_prompt);
    add_number(&command, "-n", n_gen);
    add_number(&command, "-r", 1);
    if (n_depth > 0) {
        add_number(&command, "-d", n_depth); /* old programs do not know it */
    }
    add(&command, "-o");
    add(&command, "json");
    struct program_result result;
    enum mscope_status status = execute(driver, &command, &result, record, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    int n = 0;
    status = footer_parse_bench(row, 1, &n, result.out.n_bytes > 0 ? result.out.data : "",
                                result.out.n_bytes, err);
    program_free(&result);
    if (status == MSCOPE_OK && (n != 1 || row->n_prompt != n_prompt || row->n_gen != n_gen ||
                                row->n_depth != n_depth || !(row->avg_ns > 0))) {
        status = error_set(err, MSCOPE_ERR_FORMAT, driver->name,
                           "%d rows, the first of %lld+%lld tokens at depth %lld, expected one of "
                           "%d+%d at %d",
                           n, (long long)row->n_prompt, (long long)row->n_gen,
                           (long long)row->n_depth, n_prompt, n_gen, n_depth);
    }
    return status;
}

static void add_common(struct command *command, const struct driver *driver)
{
    add(command, "-m");
    add(command, driver->model_path);
    add_number(command, "-t", driver->n_threads);
    if (driver->n_batch > 0) {
        add_number(command, "-b", driver->n_batch);
    }
    if (!driver->cache_is_f16) { /* which is its default */
        add(command, "-ctk");
        add(command, driver->kv_type);
        add(command, "-ctv");
        add(command, driver->kv_type);
        if (strcmp(driver->kv_type, "q8_0") == 0) {
            add(command, "-fa"); /* a quantised cache of values needs it */
            add(command, driver->kind == BENCH ? "1" : "on");
        }
    }
}

static void add(struct command *command, const char *word)
{
    if (command->n < MAX_ARGUMENTS - 1) {
        command->words[command->n++] = word;
    }
}

static void add_number(struct command *command, const char *option, long long number)
{
    add(command, option);
    char *text = command->numbers[command->n];
    snprintf(text, NUMBER_BYTES, "%lld", number);
    add(command, text);
}

/* On success the caller frees the result. Time and memory of the program go to the row: of several
 * programs the sum and the largest. */
static enum mscope_status execute(struct driver *driver, const struct command *command,
                                  struct program_result *result, struct record *record,
                                  struct mscope_error *err)
{
    enum mscope_status status = program_run(result, command->words, driver->timeout_s, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    record->wall_ms += result->wall_ms;
    if (result->peak_rss_bytes > record->peak_rss_bytes) {
        record->peak_rss_bytes = result->peak_rss_bytes;
    }
    status = program_judge(result, driver->name, driver->timeout_s, err);
    if (status != MSCOPE_OK) {
        if (result->timed_out) {
            enum mscope_status told = record_set_text(&record->status, "timeout", err);
            status = told == MSCOPE_OK ? status : told;
        }
        program_free(result);
    }
    return status;
}
