/* SPDX-License-Identifier: MIT */
/*
 * What most verbs open: a model, an engine for it, a session. Knows the options that such verbs
 * share (--threads, --cpu, --exact, --ctx, --kv). Opened in this order, closed in reverse by
 * runtime_close. One thread.
 */
#ifndef CLI_RUNTIME_H
#define CLI_RUNTIME_H

#include "cli/options.h"
#include "moescope.h"

struct runtime {
    const char *path; /* as given */
    struct mscope_model *model;
    const struct mscope_model_info *info;
    struct mscope_engine *engine;
    struct mscope_session *session;
};

enum mscope_status runtime_open_model(struct runtime *runtime, const char *path, unsigned parts,
                                      struct mscope_error *err);
/* A note on stderr when the model is; once everything that was asked for turned out to be possible.
 */
void runtime_say_synthetic(const struct runtime *runtime);

struct runtime_params {
    int n_threads;         /* 0: one per physical core */
    const char *cpu_level; /* NULL: the best */
    bool exact;
    enum mscope_kv_type kv;
    int n_ctx;     /* 0: the engine's choice */
    int n_outputs; /* rows of logits that one evaluation keeps */
};
/* From --threads, --cpu, --exact and --kv. */
struct runtime_params runtime_params_of(const struct options *options, int n_ctx, int n_outputs);
/* Engine and session of an opened model. */
enum mscope_status runtime_open_session(struct runtime *runtime,
                                        const struct runtime_params *params,
                                        struct mscope_error *err);
void runtime_close_session(struct runtime *runtime); /* both again; the model stays */
void runtime_close(struct runtime *runtime);

/*
 * --ctx when given; else room for n_needed tokens, at least RUNTIME_DEFAULT_CTX, at most what the
 * model was trained for. The engine is opened for no more: its scratch grows with the context.
 */
int runtime_choose_ctx(const struct runtime *runtime, const struct options *options,
                       int64_t n_needed);

enum { RUNTIME_DEFAULT_CTX = 4096 }; /* most positions that a session takes unasked */

#endif
