/* SPDX-License-Identifier: MIT */
/* logits: the raw logits of every position, for comparison with other programs. */
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/runtime.h"

enum { ROWS_AT_ONCE = 64 }; /* bounds the memory for logits */

static enum mscope_status open_all(struct runtime *runtime, struct input_ids *ids,
                                   const struct options *options, struct mscope_error *err);
static enum mscope_status write_rows(struct runtime *runtime, const struct input_ids *ids,
                                     int n_chunk, struct out_file *file, struct mscope_error *err);

int cmd_logits(const struct cli_verb *verb, const struct options *options)
{
    const char *out = options_text(options, "out");
    if (options_text(options, "tokens") == NULL || out == NULL) {
        return cli_usage_error(verb,
                               out == NULL ? "--out FILE is missing" : "--tokens LIST is missing");
    }
    struct mscope_error err;
    struct runtime runtime = {0};
    struct input_ids ids = {0};
    struct out_file file = {0};
    enum mscope_status status = open_all(&runtime, &ids, options, &err);
    if (status == MSCOPE_OK) {
        status = out_file_open(&file, out, &err);
    }
    if (status == MSCOPE_OK) {
        runtime_say_synthetic(&runtime);
        int n_chunk = options_flag(options, "step") ? 1 : mscope_engine_n_outputs(runtime.engine);
        status = write_rows(&runtime, &ids, n_chunk, &file, &err);
    }
    if (status == MSCOPE_OK) {
        status = out_file_finish(&file, &err);
    }
    out_file_close(&file);
    input_ids_free(&ids);
    runtime_close(&runtime);
    return status == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static enum mscope_status open_all(struct runtime *runtime, struct input_ids *ids,
                                   const struct options *options, struct mscope_error *err)
{
    enum mscope_status status =
        runtime_open_model(runtime, options_argument(options, 0), MSCOPE_PART_WEIGHTS, err);
    if (status == MSCOPE_OK) {
        status = input_read_ids(ids, options_text(options, "tokens"), runtime->info->n_vocab, err);
    }
    if (status == MSCOPE_OK) {
        int n_ctx = runtime_choose_ctx(runtime, options, ids->n);
        int n_outputs = ids->n < ROWS_AT_ONCE ? ids->n : ROWS_AT_ONCE;
        struct runtime_params opening = runtime_params_of(options, n_ctx, n_outputs);
        status = runtime_open_session(runtime, &opening, err);
    }
    int n_ctx = status == MSCOPE_OK ? mscope_session_n_ctx(runtime->session) : 0;
    if (status == MSCOPE_OK && ids->n > n_ctx) {
        status = error_set(err, MSCOPE_ERR_CONTEXT, "token list",
                           "%d tokens, expected at most the context of %d (--ctx)", ids->n, n_ctx);
    }
    return status;
}

static enum mscope_status write_rows(struct runtime *runtime, const struct input_ids *ids,
                                     int n_chunk, struct out_file *file, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    size_t row_bytes = runtime->info->n_vocab * sizeof(float);
    struct progress progress;
    progress_start(&progress, "logits", PROGRESS_TOKENS);
    for (int done = 0; done < ids->n && status == MSCOPE_OK && out_alive();) {
        int n = ids->n - done < n_chunk ? ids->n - done : n_chunk;
        status = mscope_eval(runtime->session, ids->ids + done, n, MSCOPE_OUTPUT_ALL, err);
        for (int i = 0; i < n && status == MSCOPE_OK; i++) {
            status = out_file_write(file, mscope_engine_logits(runtime->engine, i), row_bytes, err);
        }
        done += n;
        progress_update(&progress, (uint64_t)done, (uint64_t)ids->n);
    }
    progress_end(&progress);
    return status;
}
