/* SPDX-License-Identifier: MIT */
/*
 * llama-completion or llama-cli as a driver. Every run is a process of its own, which loads the
 * model; its own footer tells the times of prefill and decode. What it cannot tell (single tokens,
 * phases, bytes, routing) stays null; the time to the first token too, since it would have to be
 * guessed from what is printed.
 */
#include "measure/driver.h"

#include "measure/fit_text.h"
#include "measure/footer.h"
#include "measure/llama_command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROMPT_BYTES = 120000, CTX_STEP = 256 };
/* llama-cli became a chat program then, which neither ends by itself nor prints a footer. */
enum { FIRST_CHAT_BUILD = 7350 };
static const double VERSION_TIMEOUT_S = 20;

struct driver {
    struct llama_program program;
    bool is_chat;
    int n_ctx;
    uint64_t seed;
    struct fit_text fit;
};

static enum mscope_status llama_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err);
static enum mscope_status llama_run(struct driver *driver, const struct driver_task *task,
                                    struct record *record, struct driver_marks *marks,
                                    struct mscope_error *err);
static void llama_close(struct driver **driver);
static enum mscope_status ask_version(struct driver *driver, struct record *record,
                                      struct mscope_error *err);
static enum mscope_status make_prompt(struct strbuf *prompt, const struct driver *driver,
                                      const struct driver_task *task, struct mscope_error *err);
static int make_command(struct llama_command *command, const struct driver *driver,
                        const struct driver_task *task, const char *prompt);
static enum mscope_status take_footer(const struct driver *driver,
                                      const struct program_result *result, struct record *record,
                                      struct mscope_error *err);

const struct driver_class driver_llama_cpp = {"llama.cpp", llama_open, llama_run, llama_close,
                                              NULL};

static enum mscope_status llama_open(struct driver **out, const struct driver_settings *settings,
                                     struct record *record, struct mscope_error *err)
{
    *out = NULL;
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return error_set_memory(err, "driver", sizeof *driver);
    }
    driver->n_ctx = settings->n_ctx;
    driver->seed = settings->seed;
    enum mscope_status status = llama_program_open(&driver->program, settings, err);
    status = status == MSCOPE_OK ? ask_version(driver, record, err) : status;
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
    llama_program_close(&(*driver)->program);
    free(*driver);
    *driver = NULL;
}

static enum mscope_status ask_version(struct driver *driver, struct record *record,
                                      struct mscope_error *err)
{
    const char *name = driver->program.name;
    const char *argv[] = {driver->program.target.place, "--version", NULL};
    struct program_result result;
    enum mscope_status status = program_run(&result, argv, VERSION_TIMEOUT_S, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    char version[FOOTER_NAME_BYTES * 2] = "";
    const struct strbuf *said = result.err.n_bytes > 0 ? &result.err : &result.out;
    int64_t build = said->n_bytes > 0
                        ? footer_parse_version(version, sizeof version, said->data, said->n_bytes)
                        : 0;
    driver->is_chat = strstr(name, "llama-cli") != NULL && build >= FIRST_CHAT_BUILD;
    program_free(&result);
    struct strbuf detail = {0};
    strbuf_printf(&detail, "%s%s%s", name, version[0] != '\0' ? " " : "", version);
    status = detail.failed ? error_set_memory(err, "driver", detail.n_bytes)
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
    record->threads = driver->program.n_threads;
    struct strbuf prompt = {0};
    enum mscope_status status = make_prompt(&prompt, driver, task, err);
    if (status != MSCOPE_OK) {
        strbuf_free(&prompt);
        return status;
    }
    struct llama_command command;
    struct program_result result;
    int n_ctx = make_command(&command, driver, task, prompt.data);
    status = llama_command_run(&command, &driver->program, &result, record, err);
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

static enum mscope_status make_prompt(struct strbuf *prompt, const struct driver *driver,
                                      const struct driver_task *task, struct mscope_error *err)
{
    if (task->prompt == NULL || task->n_depth > 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, driver->program.name,
                         "%s, expected a text (llama-bench takes those)",
                         task->prompt == NULL ? "random tokens" : "a depth");
    }
    enum mscope_status status =
        fit_text_make(prompt, &driver->fit, task->prompt, task->n_bytes, task->n_tokens, err);
    if (status == MSCOPE_OK &&
        (prompt->n_bytes > MAX_PROMPT_BYTES || strlen(prompt->data) != prompt->n_bytes)) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "prompt",
                           "%zu bytes, expected at most %d and no zero among them", prompt->n_bytes,
                           MAX_PROMPT_BYTES);
    }
    return status;
}

/* Returns the positions asked for. */
static int make_command(struct llama_command *command, const struct driver *driver,
                        const struct driver_task *task, const char *prompt)
{
    llama_command_start(command, &driver->program);
    llama_command_add_cache(command, &driver->program, "on");
    llama_command_add(command, "-p");
    llama_command_add(command, prompt);
    if (strchr(prompt, '\\') != NULL) {
        llama_command_add(command, "--no-escape"); /* else "\n" would become a line end */
    }
    int n_ctx = (driver->n_ctx / 4 * 5 / CTX_STEP + 1) * CTX_STEP; /* its tokens may be more */
    llama_command_add_number(command, "-c", n_ctx);
    /* 0 would not read the prompt. */
    llama_command_add_number(command, "-n", task->n_gen > 0 ? task->n_gen : 1);
    llama_command_add_number(command, "-s", (long long)(driver->seed & 0x7fffffff));
    llama_command_add(command, "--temp");
    llama_command_add(command, "0");
    llama_command_add(command, "--ignore-eos");
    llama_command_add(command, driver->is_chat ? "-st" : "-no-cnv");
    return n_ctx;
}

/* The load time of the footer includes the program's own warm-up. */
static enum mscope_status take_footer(const struct driver *driver,
                                      const struct program_result *result, struct record *record,
                                      struct mscope_error *err)
{
    struct footer footer = {0};
    const struct strbuf *streams[] = {&result->err, &result->out};
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        found =
            streams[i]->n_bytes > 0 && footer_parse(&footer, streams[i]->data, streams[i]->n_bytes);
    }
    if (!found) {
        return error_set(err, MSCOPE_ERR_FORMAT, driver->program.name,
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
