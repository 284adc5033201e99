/* SPDX-License-Identifier: MIT */
/*
 * What runs a prompt and measures it: the own engine (driver_own.c), a llama.cpp program, an HTTP
 * server. A driver lives in a process of its own (runner.h), is opened once per block of runs, and
 * fills the measured part of a row; fields it cannot give stay null. It never prints. One thread.
 */
#ifndef MEASURE_DRIVER_H
#define MEASURE_DRIVER_H

#include "measure/record.h"

#include <stdbool.h>

struct driver_settings {
    const char *target;     /* as driver_choose gives it; NULL for the own engine */
    const char *model_path; /* NULL when the server chooses */
    const char *model_id;
    int n_threads;          /* > 0 */
    int n_ctx;              /* positions that the longest run of the block may need */
    const char *fit_prompt; /* own engine: when not NULL, n_ctx is as many as this text and fit_gen
                               tokens need instead */
    int fit_gen;
    int n_batch;           /* 0: the engine's choice */
    const char *kv_type;   /* "f16", "q8_0", "f32" */
    const char *cpu_level; /* NULL: the best; own engine only */
    double timeout_s;      /* of one run; <= 0: none */
    const char *api_key;   /* http: sent with every request, never written to a row; NULL: none */
    uint64_t seed;
};

struct driver_task {
    const char *prompt; /* n_bytes bytes of text; NULL: n_tokens random tokens */
    size_t n_bytes;
    int n_tokens; /* > 0: exactly so many tokens: the text is repeated or cut (own engine; others
                     refuse unless 0) */
    int n_gen;    /* tokens to make, end of text ignored, temperature 0; 0: prefill only */
    int n_depth;  /* tokens put into the cache before the clock starts (own engine) */
    bool timing;  /* split by phase */
    bool timing_in_turn; /* decode only: steps without the split and with it, in turn (own engine;
                            driver_step_is_split) */
    bool want_histogram; /* fill routing_histogram */
};

struct driver_marks { /* clock_now_ns() of this computer; 0 where not known */
    uint64_t prefill_start_ns, prefill_end_ns, decode_start_ns, decode_end_ns;
};

struct driver_test { /* n_prompt random tokens in, or n_gen out, after n_depth in the cache */
    int n_prompt, n_gen, n_depth;
};

struct driver;
struct driver_class {
    const char *engine; /* as in the row: "moescope", "llama.cpp", "http" */
    /*
     * Fills of `record`: engine_detail, load_ms, and what it knows of the model (arch, quant,
     * params_*, synthetic, model_bytes). On failure *out is NULL.
     */
    enum mscope_status (*open)(struct driver **out, const struct driver_settings *settings,
                               struct record *record, struct mscope_error *err);
    /*
     * One run. Fills prompt_tokens, n_gen (really made), n_ctx, n_batch, time (wall_ms included),
     * phases, bytes, routing, and memory where the process measured is not the caller's (otherwise
     * the runner reads it). A run that exceeded timeout_s: record->status "timeout" and a failure.
     * After a failure the driver may be used again.
     */
    enum mscope_status (*run)(struct driver *driver, const struct driver_task *task,
                              struct record *record, struct driver_marks *marks,
                              struct mscope_error *err);
    void (*close)(struct driver **driver);
    /*
     * NULL but for a program that takes tests, and no text, and is costly to start: all tests,
     * n_repetitions each, in as few starts as it allows, after a warm-up of its own. rows:
     * (n_tests) initialised records, filled as by `run`, with the samples of the rates.
     */
    enum mscope_status (*run_all)(struct driver *driver, const struct driver_test *tests,
                                  int n_tests, int n_repetitions, struct record *rows,
                                  struct mscope_error *err);
};

extern const struct driver_class driver_own;
extern const struct driver_class driver_llama_cpp;   /* llama-completion, llama-cli */
extern const struct driver_class driver_llama_bench; /* llama-bench */
extern const struct driver_class driver_http;

/*
 * "own" (or NULL), "llama.cpp:PATH", "http:URL" or "https:..." to a class and its target (points
 * into `text`, options included). MSCOPE_ERR_ARGUMENT names what is allowed.
 */
enum mscope_status driver_choose(const struct driver_class **out, const char **target,
                                 const char *text, struct mscope_error *err);

enum { DRIVER_NAME_BYTES = 32, DRIVER_MAX_ARGUMENTS = 32 };

/* "PLACE[,name=NAME][,args=WORD WORD...]" taken apart. */
struct driver_target {
    char *place;                                 /* path or URL */
    char name[DRIVER_NAME_BYTES];                /* of the engine in rows; "": that of its class */
    const char *arguments[DRIVER_MAX_ARGUMENTS]; /* more words for its command line */
    int n_arguments;
    char *memory;
};
/* A name has letters, digits and "._-+#". After a failure there is nothing to close. */
enum mscope_status driver_target_open(struct driver_target *out, const char *target,
                                      struct mscope_error *err);
void driver_target_close(struct driver_target *target);

/* Of decode steps 0, 1, 2, ... with timing_in_turn: off, on, on, off, and again. */
static inline bool driver_step_is_split(int i_step)
{
    return i_step % 4 == 1 || i_step % 4 == 2;
}

/* tpot_*, decode_tps, prefill_tps and decode_ms from token_ms, prefill_ms, prompt_tokens, n_gen:
 * the same arithmetic for every driver. Leaves fields null whose inputs are. */
void driver_derive_times(struct record *record);

#endif
