/* SPDX-License-Identifier: MIT */
/* perplexity: how well a model predicts a text. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/windows.h"
#include "sample/measure.h"

#include <math.h>
#include <stdlib.h>

struct plan { /* windows over the text and what is scored of each */
    int n_windows, stride;
    int n_scored; /* tokens at the end of a window */
};

static enum mscope_status make_plan(struct plan *plan, const struct windows *windows,
                                    const struct options *options, struct mscope_error *err);
static enum mscope_status score(struct measure_perplexity *acc, uint64_t *ns,
                                struct runtime *runtime, const struct windows *windows,
                                const struct plan *plan, struct mscope_error *err);
static enum mscope_status score_window(struct measure_perplexity *acc, struct runtime *runtime,
                                       const int32_t *tokens, int n, int n_scored,
                                       struct mscope_error *err);
static void report(const struct options *options, const struct measure_perplexity *acc,
                   const struct plan *plan, const struct windows *windows, uint64_t ns);

int cmd_perplexity(const struct cli_verb *verb, const struct options *options)
{
    const char *path = options_text(options, "file");
    if (path == NULL) {
        return cli_usage_error(verb, "-f TEXT is missing");
    }
    int n_ctx = options_int(options, "ctx") > 0 ? options_int(options, "ctx") : WINDOWS_DEFAULT_CTX;
    struct mscope_error err;
    struct runtime runtime = {0};
    struct windows windows = {0};
    struct plan plan = {0};
    struct measure_perplexity acc = {0};
    uint64_t ns = 0;
    enum mscope_status status =
        runtime_open_model(&runtime, options_argument(options, 0), MSCOPE_PART_ALL, &err);
    if (status == MSCOPE_OK) {
        status = windows_from_text(&windows, runtime.model, path, n_ctx, &err);
    }
    if (status == MSCOPE_OK) {
        status = make_plan(&plan, &windows, options, &err);
    }
    if (status == MSCOPE_OK) {
        struct runtime_params opening = runtime_params_of(options, n_ctx, WINDOWS_ROWS_AT_ONCE);
        status = runtime_open_session(&runtime, &opening, &err);
    }
    if (status == MSCOPE_OK) {
        runtime_say_synthetic(&runtime);
        status = score(&acc, &ns, &runtime, &windows, &plan, &err);
    }
    if (status == MSCOPE_OK && !isfinite(acc.mean)) {
        status = error_set(&err, MSCOPE_ERR_FORMAT, "logits",
                           "not all are finite numbers ('moescope check' tells where it begins)");
    }
    if (status == MSCOPE_OK) {
        report(options, &acc, &plan, &windows, ns);
    }
    windows_free(&windows);
    runtime_close(&runtime);
    return status == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static enum mscope_status make_plan(struct plan *plan, const struct windows *windows,
                                    const struct options *options, struct mscope_error *err)
{
    int n_ctx = windows->n_ctx, n_ids = windows->ids.n;
    int stride = options_int(options, "stride"), most = options_int(options, "windows");
    if (n_ctx < 4) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "window",
                         "%d tokens, expected at least 4 (--ctx)", n_ctx);
    }
    if (n_ids < n_ctx) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "text",
                         "%d tokens, expected at least the %d of a window (--ctx)", n_ids, n_ctx);
    }
    plan->stride = stride > 0 ? stride : n_ctx;
    plan->n_scored = n_ctx - 1 - n_ctx / 2;
    plan->n_scored = stride > 0 && stride < plan->n_scored ? stride : plan->n_scored;
    plan->n_windows = 1 + (n_ids - n_ctx) / plan->stride;
    plan->n_windows = most > 0 && most < plan->n_windows ? most : plan->n_windows;
    return MSCOPE_OK;
}

static enum mscope_status score(struct measure_perplexity *acc, uint64_t *ns,
                                struct runtime *runtime, const struct windows *windows,
                                const struct plan *plan, struct mscope_error *err)
{
    size_t n_ctx = (size_t)windows->n_ctx;
    int32_t *tokens = malloc(n_ctx * sizeof *tokens);
    if (tokens == NULL) {
        return error_set_memory(err, "a window of tokens", n_ctx * sizeof *tokens);
    }
    enum mscope_status status = MSCOPE_OK;
    struct progress progress;
    progress_start(&progress, "perplexity", PROGRESS_TOKENS);
    for (int i = 0; i < plan->n_windows && status == MSCOPE_OK; i++) {
        windows_copy(windows, i * plan->stride, windows->n_ctx, tokens);
        status = score_window(acc, runtime, tokens, windows->n_ctx, plan->n_scored, err);
        progress_update(&progress, (uint64_t)(i + 1) * n_ctx, (uint64_t)plan->n_windows * n_ctx);
    }
    *ns = progress_end(&progress);
    free(tokens);
    return status;
}

/* The logits after token i predict token i+1; those of the last token predict nothing we have. */
static enum mscope_status score_window(struct measure_perplexity *acc, struct runtime *runtime,
                                       const int32_t *tokens, int n, int n_scored,
                                       struct mscope_error *err)
{
    int n_vocab = (int)runtime->info->n_vocab;
    int n_silent = n - 1 - n_scored;
    enum mscope_status status = mscope_session_rewind(runtime->session, 0, err);
    if (status == MSCOPE_OK && n_silent > 0) {
        status = mscope_eval(runtime->session, tokens, n_silent, MSCOPE_OUTPUT_NONE, err);
    }
    for (int i = n_silent; i < n - 1 && status == MSCOPE_OK;) {
        int n_rows = n - 1 - i < WINDOWS_ROWS_AT_ONCE ? n - 1 - i : WINDOWS_ROWS_AT_ONCE;
        status = mscope_eval(runtime->session, tokens + i, n_rows, MSCOPE_OUTPUT_ALL, err);
        for (int k = 0; k < n_rows && status == MSCOPE_OK; k++) {
            measure_perplexity_add(acc, mscope_engine_logits(runtime->engine, k), n_vocab,
                                   tokens[i + k + 1]);
        }
        i += n_rows;
    }
    return status;
}

static void report(const struct options *options, const struct measure_perplexity *acc,
                   const struct plan *plan, const struct windows *windows, uint64_t ns)
{
    double value = measure_perplexity_value(acc), deviation = measure_perplexity_stderr(acc);
    double n_evaluated = (double)plan->n_windows * (windows->n_ctx - 1);
    double per_second = ns > 0 ? n_evaluated / ((double)ns * 1e-9) : 0;
    if (options_flag(options, "json")) {
        json_t *json = json_object();
        json_object_set_new(json, "perplexity", json_number(value));
        json_object_set_new(json, "standard_error", json_number(deviation));
        json_object_set_new(json, "mean_nll", json_number(acc->mean));
        json_object_set_new(json, "scored_tokens", json_count(acc->n));
        json_object_set_new(json, "text_tokens", json_integer(windows->ids.n));
        json_object_set_new(json, "windows", json_integer(plan->n_windows));
        json_object_set_new(json, "window_tokens", json_integer(windows->n_ctx));
        json_object_set_new(json, "stride", json_integer(plan->stride));
        json_object_set_new(json, "tokens_per_s", json_number(per_second));
        out_json(json);
        return;
    }
    out_printf("perplexity %.4f +/- %.4f\n", value, deviation);
    out_printf("  %llu tokens scored in %d windows of %d, %.1f tok/s\n", (unsigned long long)acc->n,
               plan->n_windows, windows->n_ctx, per_second);
}
