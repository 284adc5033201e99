/* SPDX-License-Identifier: MIT */
/* run: continue a text. */
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interactive.h"
#include "cli/run_report.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sink {         /* where the text goes */
    bool collect;     /* into `text`, for JSON */
    bool is_terminal; /* control characters are shown harmless */
    bool line_open;   /* the last byte was no line end */
    struct strbuf text;
};

static const char *check_usage(const struct options *options);
static enum mscope_status read_prompt(struct strbuf *prompt, const struct options *options,
                                      struct mscope_error *err);
static enum mscope_status continue_text(struct runtime *runtime, const struct options *options,
                                        const struct strbuf *prompt, struct sink *sink,
                                        struct mscope_error *err);
static enum mscope_status run_once(struct runtime *runtime, const struct options *options,
                                   const struct generate_params *params,
                                   const struct input_ids *ids, struct sink *sink,
                                   struct mscope_error *err);
static void show_text(void *user, const char *bytes, size_t n_bytes);
static void finish_line(struct sink *sink);

int cmd_run(const struct cli_verb *verb, const struct options *options)
{
    const char *wrong = check_usage(options);
    if (wrong != NULL) {
        return cli_usage_error(verb, wrong);
    }
    bool interactive = interactive_wanted(options);
    struct mscope_error err;
    struct runtime runtime = {0};
    struct strbuf prompt = {0};
    struct sink sink = {.collect = options_flag(options, "json"),
                        .is_terminal = isatty(STDOUT_FILENO) != 0};
    enum mscope_status status = MSCOPE_OK;
    if (!interactive) {
        status = read_prompt(&prompt, options, &err);
    }
    if (status == MSCOPE_OK) {
        unsigned parts = MSCOPE_PART_ALL;
        parts |= options_flag(options, "copy") ? MSCOPE_OPEN_COPIED : 0;
        status = runtime_open_model(&runtime, options_argument(options, 0), parts, &err);
    }
    if (status == MSCOPE_OK) {
        status = continue_text(&runtime, options, interactive ? NULL : &prompt, &sink, &err);
    }
    runtime_close(&runtime);
    strbuf_free(&prompt);
    strbuf_free(&sink.text);
    return status == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static const char *check_usage(const struct options *options)
{
    if (options_given(options, "prompt") && options_given(options, "file")) {
        return "-p and -f exclude each other";
    }
    const char *stop;
    for (int i = 0; (stop = options_listed(options, "stop", i)) != NULL; i++) {
        if (stop[0] == '\0') {
            return "option --stop: value '', expected a text";
        }
    }
    if (options_flag(options, "json") && interactive_wanted(options)) {
        return "--json needs a prompt (-p or -f)";
    }
    return NULL;
}

static enum mscope_status read_prompt(struct strbuf *prompt, const struct options *options,
                                      struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    const char *text = options_text(options, "prompt");
    if (text != NULL) {
        strbuf_append(prompt, text, strlen(text));
        status = prompt->failed ? error_set_memory(err, "prompt", strlen(text)) : MSCOPE_OK;
    } else {
        const char *file = options_text(options, "file");
        status = input_read_text(prompt, file != NULL ? file : "-", err);
    }
    if (status == MSCOPE_OK && prompt->n_bytes == 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "prompt",
                           "empty, expected at least one byte of text");
    }
    return status;
}

/* `prompt` NULL: line by line on the terminal. */
static enum mscope_status continue_text(struct runtime *runtime, const struct options *options,
                                        const struct strbuf *prompt, struct sink *sink,
                                        struct mscope_error *err)
{
    struct mscope_sampler_params sampling = {
        .temperature = (float)options_float(options, "temp"),
        .top_k = options_int(options, "top-k"),
        .top_p = (float)options_float(options, "top-p"),
        .min_p = (float)options_float(options, "min-p"),
        .repeat_penalty = (float)options_float(options, "repeat-penalty"),
        .repeat_last_n = options_int(options, "repeat-last-n"),
        .seed = options_u64(options, "seed"),
    };
    struct text_flow flow;
    text_flow_init(&flow, show_text, sink);
    while ((flow.stops[flow.n_stops] = options_listed(options, "stop", flow.n_stops)) != NULL) {
        flow.n_stops++;
        if (flow.n_stops == TEXT_FLOW_MAX_STOPS) {
            break;
        }
    }
    struct generate_params params = {
        .flow = &flow,
        .n_predict = options_int(options, "predict"),
        .ignore_eos = options_flag(options, "ignore-eos"),
    };
    struct input_ids ids = {0};
    unsigned flags = interactive_tokenize_flags(options);
    enum mscope_status status = MSCOPE_OK;
    if (prompt != NULL) {
        status = input_tokenize(&ids, runtime->model, prompt->data, prompt->n_bytes, flags, err);
    }
    if (status == MSCOPE_OK && prompt != NULL && ids.n == 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "prompt", "no tokens, expected at least one");
    }
    if (status == MSCOPE_OK) {
        int n_predict = params.n_predict > 0 ? params.n_predict : 0;
        int n_ctx = runtime_choose_ctx(runtime, options, (int64_t)ids.n + n_predict);
        struct runtime_params opening = runtime_params_of(options, n_ctx, 1);
        status = runtime_open_session(runtime, &opening, err);
    }
    if (status == MSCOPE_OK) {
        status = mscope_sampler_open(&params.sampler, (int)runtime->info->n_vocab, &sampling, err);
    }
    if (status == MSCOPE_OK) {
        status = generate_check_room(runtime, ids.n, err);
    }
    if (status == MSCOPE_OK) {
        runtime_say_synthetic(runtime);
        interrupt_watch();
        if (prompt == NULL) {
            status = interactive_run(runtime, options, &params, err);
        } else {
            if (options_flag(options, "echo")) {
                show_text(sink, prompt->data, prompt->n_bytes);
            }
            status = run_once(runtime, options, &params, &ids, sink, err);
        }
    }
    mscope_sampler_close(&params.sampler);
    text_flow_free(&flow);
    input_ids_free(&ids);
    return status;
}

static enum mscope_status run_once(struct runtime *runtime, const struct options *options,
                                   const struct generate_params *params,
                                   const struct input_ids *ids, struct sink *sink,
                                   struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < ids->n && status == MSCOPE_OK; i++) {
        status = text_flow_follow(params->flow, runtime->model, ids->ids[i], err);
    }
    struct generate_result result;
    if (status == MSCOPE_OK) {
        status = generate_text(&result, runtime, params, ids->ids, ids->n, err);
    }
    if (!sink->collect) {
        finish_line(sink);
    }
    if (status != MSCOPE_OK || !out_alive()) {
        return status;
    }
    struct run_report report;
    run_report_make(&report, runtime, &result, !options_flag(options, "no-roof"), 0);
    if (sink->collect) {
        json_t *json = run_report_json(&report, runtime, &result);
        json_object_set_new(json, "file", json_text(runtime->path));
        json_object_set_new(
            json, "text",
            json_bytes(sink->text.n_bytes > 0 ? sink->text.data : "", sink->text.n_bytes));
        out_json(json);
    } else {
        if (result.end == GENERATE_CONTEXT) {
            out_note("the context of %d tokens is full (--ctx)",
                     mscope_session_n_ctx(runtime->session));
        }
        run_report_print_line(&report, &result);
    }
    return MSCOPE_OK;
}

/* A terminal obeys control characters, and a model may make any byte: there they are shown as a
 * dot. */
static void show_text(void *user, const char *bytes, size_t n_bytes)
{
    struct sink *sink = user;
    if (n_bytes == 0) {
        return;
    }
    if (sink->collect) {
        strbuf_append(&sink->text, bytes, n_bytes);
        return;
    }
    sink->line_open = bytes[n_bytes - 1] != '\n';
    if (!sink->is_terminal) {
        out_write(bytes, n_bytes);
        return;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool is_c0 = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        bool is_c1 = c == 0xc2 && i + 1 < n_bytes && (unsigned char)bytes[i + 1] < 0xa0;
        if (is_c0 || is_c1) {
            out_write("\xc2\xb7", 2);
            i += is_c1 ? 1 : 0;
        } else {
            out_write(&bytes[i], 1);
        }
    }
}

/* The text ends as it was made, unless the last line goes to the same place: then it begins on a
 * line of its own. */
static void finish_line(struct sink *sink)
{
    struct stat text, notes;
    bool shared = fstat(STDOUT_FILENO, &text) == 0 && fstat(STDERR_FILENO, &notes) == 0 &&
                  text.st_dev == notes.st_dev && text.st_ino == notes.st_ino;
    if (sink->line_open && (sink->is_terminal || shared)) {
        out_write("\n", 1);
        sink->line_open = false;
    }
    out_flush();
}
