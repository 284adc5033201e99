/* SPDX-License-Identifier: MIT */
/* `run` on a terminal: line in, continuation out, the same session going on. */
#include "cli/interactive.h"

#include "cli/input.h"
#include "cli/run_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conversation {
    struct runtime *runtime;
    const struct options *options;
    const struct generate_params *params;
    int32_t pending; /* token made but not evaluated, -1: none */
    bool has_result;
    struct generate_result result; /* of the latest line */
    double roof_per_s;
};

static enum mscope_status answer(struct conversation *talk, const char *line, size_t n_bytes,
                                 struct mscope_error *err);
static enum mscope_status obey(struct conversation *talk, const char *command,
                               struct mscope_error *err);
static void show_report(struct conversation *talk);

bool interactive_wanted(const struct options *options)
{
    return !options_given(options, "prompt") && !options_given(options, "file") &&
           isatty(STDIN_FILENO);
}

unsigned interactive_tokenize_flags(const struct options *options)
{
    return (options_flag(options, "no-bos") ? 0u : MSCOPE_ADD_SPECIAL) |
           (options_flag(options, "no-special") ? 0u : MSCOPE_PARSE_SPECIAL);
}

enum mscope_status interactive_run(struct runtime *runtime, const struct options *options,
                                   const struct generate_params *params, struct mscope_error *err)
{
    struct conversation talk = {
        .runtime = runtime, .options = options, .params = params, .pending = -1};
    char *line = NULL;
    size_t capacity = 0;
    fputs("Type a line to have it continued. /help for commands, Ctrl-D ends.\n", stderr);
    for (;;) {
        fputs("> ", stderr);
        if (!interrupt_wait_readable(STDIN_FILENO)) {
            interrupt_clear();
            fputc('\n', stderr);
            continue;
        }
        ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0) {
            break;
        }
        n -= n > 0 && line[n - 1] == '\n' ? 1 : 0;
        line[n] = '\0';
        interrupt_clear();
        enum mscope_status status = line[0] == '/' ? obey(&talk, line, err)
                                    : n > 0        ? answer(&talk, line, (size_t)n, err)
                                                   : MSCOPE_OK;
        if (status == MSCOPE_ERR_MEMORY || status == MSCOPE_ERR_IO) {
            free(line);
            return status;
        }
        if (status != MSCOPE_OK) {
            out_error(err);
        }
        if (!out_alive()) {
            break;
        }
    }
    fputc('\n', stderr);
    free(line);
    if (talk.has_result) {
        show_report(&talk);
    }
    return MSCOPE_OK;
}

static enum mscope_status answer(struct conversation *talk, const char *line, size_t n_bytes,
                                 struct mscope_error *err)
{
    struct mscope_session *session = talk->runtime->session;
    unsigned flags = interactive_tokenize_flags(talk->options);
    if (mscope_session_position(session) > 0) {
        flags &= ~(unsigned)MSCOPE_ADD_SPECIAL;
    }
    struct input_ids typed;
    enum mscope_status status =
        input_tokenize(&typed, talk->runtime->model, line, n_bytes, flags, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    int n_pending = talk->pending >= 0 ? 1 : 0;
    int32_t *ids = malloc(((size_t)typed.n + 1) * sizeof *ids);
    if (ids == NULL) {
        input_ids_free(&typed);
        return error_set_memory(err, "token ids", (uint64_t)typed.n * sizeof *ids);
    }
    ids[0] = talk->pending;
    for (int i = 0; i < typed.n && status == MSCOPE_OK; i++) {
        ids[n_pending + i] = typed.ids[i];
        status = text_flow_follow(talk->params->flow, talk->runtime->model, typed.ids[i], err);
    }
    if (status == MSCOPE_OK && n_pending + typed.n > 0) {
        struct generate_result result;
        int position = mscope_session_position(session);
        status = generate_text(&result, talk->runtime, talk->params, ids, n_pending + typed.n, err);
        if (status == MSCOPE_OK) {
            talk->result = result;
            talk->has_result = true;
            talk->pending = result.pending;
            out_write("\n", 1);
            out_flush();
            if (result.end == GENERATE_CONTEXT) {
                out_note("the context of %d tokens is full; /reset starts over",
                         mscope_session_n_ctx(session));
            }
        } else {
            mscope_session_rewind(session, position, NULL);
        }
    }
    free(ids);
    input_ids_free(&typed);
    return status;
}

static enum mscope_status obey(struct conversation *talk, const char *command,
                               struct mscope_error *err)
{
    if (strcmp(command, "/reset") == 0) {
        talk->pending = -1;
        talk->params->flow->anchor = -1;
        return mscope_session_rewind(talk->runtime->session, 0, err);
    }
    if (strcmp(command, "/stats") == 0) {
        if (talk->has_result) {
            show_report(talk);
        }
        fprintf(stderr, "%d of %d positions used\n",
                mscope_session_position(talk->runtime->session),
                mscope_session_n_ctx(talk->runtime->session));
        return MSCOPE_OK;
    }
    if (strcmp(command, "/help") == 0) {
        fputs("A line is continued where the text so far ended; Ctrl-C ends a continuation.\n"
              "  /reset  forget the text so far\n"
              "  /stats  speed and memory of the latest line\n"
              "  /help   this\n"
              "Ctrl-D ends.\n",
              stderr);
        return MSCOPE_OK;
    }
    return error_set(err, MSCOPE_ERR_ARGUMENT, "command",
                     "unknown, expected /help, /reset or /stats");
}

static void show_report(struct conversation *talk)
{
    struct run_report report;
    run_report_make(&report, talk->runtime, &talk->result, !options_flag(talk->options, "no-roof"),
                    talk->roof_per_s);
    talk->roof_per_s = report.roof_per_s;
    run_report_print_line(&report, &talk->result);
}
