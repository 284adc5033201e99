/* SPDX-License-Identifier: MIT */
/* Opening models, engines and sessions from the options that verbs share. */
#include "cli/runtime.h"

#include "cli/output.h"

#include <string.h>

enum mscope_status runtime_open_model(struct runtime *runtime, const char *path, unsigned parts,
                                      struct mscope_error *err)
{
    *runtime = (struct runtime){0};
    enum mscope_status status = mscope_model_open(&runtime->model, path, parts, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    runtime->info = mscope_model_get_info(runtime->model);
    runtime->path = path;
    return MSCOPE_OK;
}

void runtime_say_synthetic(const struct runtime *runtime)
{
    if (runtime->info->is_synthetic) {
        out_note("%s is synthetic: random weights, good for measuring, not for text",
                 runtime->path);
    }
}

struct runtime_params runtime_params_of(const struct options *options, int n_ctx, int n_outputs)
{
    const char *kv = options_text(options, "kv");
    return (struct runtime_params){
        .n_threads = options_int(options, "threads"),
        .cpu_level = options_text(options, "cpu"),
        .exact = options_flag(options, "exact"),
        .kv = kv == NULL               ? MSCOPE_KV_DEFAULT
              : strcmp(kv, "f32") == 0 ? MSCOPE_KV_F32
              : strcmp(kv, "f16") == 0 ? MSCOPE_KV_F16
                                       : MSCOPE_KV_Q8_0,
        .n_ctx = n_ctx,
        .n_outputs = n_outputs,
    };
}

enum mscope_status runtime_open_session(struct runtime *runtime,
                                        const struct runtime_params *params,
                                        struct mscope_error *err)
{
    const struct mscope_engine_params engine = {
        .n_threads = params->n_threads,
        .cpu_level = params->cpu_level,
        .exact = params->exact,
        .n_ctx = params->n_ctx,
        .n_outputs = params->n_outputs,
    };
    const struct mscope_session_params session = {.n_ctx = params->n_ctx, .kv = params->kv};
    enum mscope_status status = mscope_engine_open(&runtime->engine, runtime->model, &engine, err);
    if (status == MSCOPE_OK) {
        status = mscope_session_open(&runtime->session, runtime->engine, &session, err);
    }
    return status;
}

void runtime_close_session(struct runtime *runtime)
{
    mscope_session_close(&runtime->session);
    mscope_engine_close(&runtime->engine);
}

void runtime_close(struct runtime *runtime)
{
    runtime_close_session(runtime);
    mscope_model_close(&runtime->model);
}

int runtime_choose_ctx(const struct runtime *runtime, const struct options *options,
                       int64_t n_needed)
{
    int n_ctx = options_int(options, "ctx");
    if (n_ctx > 0) {
        return n_ctx;
    }
    int64_t n_train = runtime->info->n_ctx_train;
    int64_t n_wanted = n_needed > RUNTIME_DEFAULT_CTX ? n_needed : RUNTIME_DEFAULT_CTX;
    return (int)(n_wanted < n_train ? n_wanted : n_train);
}
