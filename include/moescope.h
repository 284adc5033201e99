/* SPDX-License-Identifier: MIT */
/*
 * moescope: run GGUF language models, dense and Mixture-of-Experts, on the CPU at hand.
 *
 * Four nouns. A `model` is an opened file: configuration, weights (mapped read-only) and tokenizer;
 * it is immutable and may be shared by any number of engines and threads. An `engine` is the
 * machinery that evaluates one model: kernels chosen for this CPU, a thread pool, scratch memory;
 * one evaluation at a time. A `session` is one timeline of tokens inside an engine: its key-value
 * cache and its position. A `sampler` turns logits into tokens.
 *
 * Every function that can fail returns a status and, if `err` is not NULL, fills it with the object
 * that is at fault and what was expected of it. The library never prints, never exits and never
 * reads the environment. `x_close(&p)` accepts NULL and leaves NULL.
 *
 * Thread rule: a model may be used from many threads at once. An engine with its sessions, and a
 * sampler, belong to one thread at a time.
 */
#ifndef MOESCOPE_H
#define MOESCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---------------------------------------------------------------------------------- */

enum mscope_status {
    MSCOPE_OK = 0,
    MSCOPE_ERR_IO,          /* the operating system refused: open, read, write, map */
    MSCOPE_ERR_FORMAT,      /* the bytes are not what the format promises */
    MSCOPE_ERR_UNSUPPORTED, /* well formed, but a type, architecture or option we do not implement
                             */
    MSCOPE_ERR_ARGUMENT, /* the caller asked for something impossible (token id, empty prompt, ...)
                          */
    MSCOPE_ERR_MEMORY,   /* not enough memory */
    MSCOPE_ERR_CONTEXT,  /* the session's context is full */
    MSCOPE_ERR_BUFFER,   /* the caller's buffer is too small; the needed size was returned */
};

struct mscope_error {
    enum mscope_status status;
    char object[256]; /* "tensor blk.3.ffn_up_exps.weight", "file model.gguf", "token 7" */
    char detail[512]; /* "type q5_1, expected q4_k or q6_k" */
};

/* Writes "object: detail" to `text` (at most `size` bytes, always terminated); returns `text`. */
const char *mscope_error_text(const struct mscope_error *err, char *text, size_t size);

/* ---- model ----------------------------------------------------------------------------------- */

struct mscope_model;

enum mscope_model_parts {
    MSCOPE_PART_WEIGHTS = 1, /* bind and check every tensor (touches no weight byte) */
    MSCOPE_PART_TOKENIZER =
        2, /* build the tokenizer; files without one give a model without tokenizer */
    MSCOPE_PART_ALL = 3,
    /*
     * Not a part but how: the file is read into memory of this process, in huge pages where the
     * system has them, instead of mapped. Opening takes as long as reading the file, and nothing is
     * shared with other processes; decode is faster where the mapping has small pages.
     */
    MSCOPE_OPEN_COPIED = 16,
};

/*
 * Opens a GGUF file (the first part of a split file stands for all). `parts` is a set of
 * mscope_model_parts: 0 reads the header only, which is what `mscope_model_get_info` needs.
 * On failure *out is NULL.
 */
enum mscope_status mscope_model_open(struct mscope_model **out, const char *path, unsigned parts,
                                     struct mscope_error *err);
void mscope_model_close(struct mscope_model **model);

enum mscope_class { /* what a weight byte is for */
                    MSCOPE_CLASS_EMBEDDING,
                    MSCOPE_CLASS_ATTENTION, /* q, k, v, output projections, their biases and norms
                                             */
                    MSCOPE_CLASS_ROUTER,
                    MSCOPE_CLASS_EXPERTS, /* routed experts */
                    MSCOPE_CLASS_SHARED,  /* shared experts and their gates */
                    MSCOPE_CLASS_FFN,     /* dense feed-forward blocks */
                    MSCOPE_CLASS_NORM,    /* norms outside attention, rope factors and the like */
                    MSCOPE_CLASS_OUTPUT,  /* output head; 0 when tied to the embedding */
                    MSCOPE_N_CLASS
};
const char *mscope_class_name(enum mscope_class cls);

struct mscope_type_count {
    const char *name; /* "Q4_K" */
    uint32_t n_tensors;
    uint64_t n_params, n_bytes;
};

struct mscope_model_info {
    const char *architecture; /* "olmoe" */
    const char *name;         /* general.name or "" */
    const char *file_type;    /* "Q4_K_M", from general.file_type, "" when absent */
    uint32_t n_vocab, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    uint32_t n_expert, n_expert_used, n_expert_shared, n_ff_expert; /* 0 for a dense model */
    uint32_t n_ctx_train;
    uint64_t n_params; /* all weights */
    uint64_t
        n_params_active; /* weights that one decoded token uses; the embedding counts one row */
    uint64_t file_bytes; /* all parts of a split file */
    uint64_t class_bytes[MSCOPE_N_CLASS];       /* bytes in the file */
    uint64_t class_bytes_token[MSCOPE_N_CLASS]; /* bytes read to decode one token */
    uint64_t bytes_per_token;                   /* their sum, KV cache excluded */
    uint64_t kv_bytes_per_token_f16;            /* bytes that one token occupies in an F16 cache */
    uint32_t n_types;
    struct mscope_type_count types[32]; /* most bytes first */
    const char *tokenizer_model;        /* "gpt2", "llama", "no_vocab" or "" */
    const char *tokenizer_pre;          /* "llama-bpe", or "" */
    bool tied_output, has_chat_template, is_synthetic;
    uint32_t n_parts; /* files of a split model, else 1 */
};
/* Valid as long as the model. Needs no part. */
const struct mscope_model_info *mscope_model_get_info(const struct mscope_model *model);

/* ---- tokenizer ------------------------------------------------------------------------------- */

enum mscope_tokenize_flags {
    MSCOPE_ADD_SPECIAL = 1,   /* add BOS/EOS as the file's metadata says */
    MSCOPE_PARSE_SPECIAL = 2, /* text that spells a special token becomes that token */
};

/*
 * Text (n_bytes bytes, any content, zero bytes included) to ids. Writes at most `max_ids` ids and
 * always sets *n_ids to the number needed; MSCOPE_ERR_BUFFER when they did not fit (nothing else is
 * lost). Bytes that are not UTF-8 are replaced as docs/TOKENIZERS.md says; they never fail.
 */
enum mscope_status mscope_tokenize(const struct mscope_model *model, const char *text,
                                   size_t n_bytes, unsigned flags, int32_t *ids, size_t max_ids,
                                   size_t *n_ids, struct mscope_error *err);

/*
 * Ids to bytes, not necessarily complete UTF-8 at the end; special tokens are rendered when
 * `render_special`. Sets *n_bytes to the number needed; MSCOPE_ERR_BUFFER when they did not fit.
 */
enum mscope_status mscope_detokenize(const struct mscope_model *model, const int32_t *ids,
                                     size_t n_ids, bool render_special, char *text,
                                     size_t max_bytes, size_t *n_bytes, struct mscope_error *err);

int32_t mscope_token_bos(const struct mscope_model *model); /* -1 when the file declares none */
int32_t mscope_token_eos(const struct mscope_model *model);
/* End of generation: EOS, EOT or any token that ends a turn. */
bool mscope_token_is_end(const struct mscope_model *model, int32_t id);

/* Collects token bytes and gives them out at UTF-8 character boundaries, for streaming. */
struct mscope_utf8_stream {
    char held[8];
    size_t n_held;
};
/*
 * Appends `n_in` bytes; writes to `out` (room for n_in + 8) every byte that completes a character
 * and returns how many. Bytes that can never become UTF-8 pass through unchanged.
 */
size_t mscope_utf8_stream_push(struct mscope_utf8_stream *stream, const char *in, size_t n_in,
                               char *out);
size_t mscope_utf8_stream_flush(struct mscope_utf8_stream *stream, char *out);

/* ---- engine ---------------------------------------------------------------------------------- */

struct mscope_engine;

struct mscope_engine_params {
    int n_threads;         /* 0: one per physical core available to this process. Fewer than there
                              are, on a CPU whose cores differ: the calling thread and those of the
                              engine are bound to the fastest until the engine is closed */
    const char *cpu_level; /* NULL: the best this CPU has; else one of mscope_cpu_levels() */
    bool exact;            /* weights dequantised to F32, F32 activations */
    int n_batch;           /* most rows evaluated at once; 0: 512 */
    int n_ctx;             /* longest context of any session; 0: the model's training context */
    int n_outputs;         /* most rows of logits kept by one eval; 0: 1 */
};

enum mscope_status mscope_engine_open(struct mscope_engine **out, const struct mscope_model *model,
                                      const struct mscope_engine_params *params,
                                      struct mscope_error *err);
void mscope_engine_close(struct mscope_engine **engine);

int mscope_engine_n_threads(const struct mscope_engine *engine);
int mscope_engine_n_outputs(const struct mscope_engine *engine);
const char *mscope_engine_cpu_level(const struct mscope_engine *engine);

/* NULL-terminated list of the kernel levels compiled in that this CPU can run, best last: "ref",
 * "avx2". */
const char *const *mscope_cpu_levels(void);

/* Which experts a token was sent to, called on the evaluating thread after each MoE layer's
 * routing. */
struct mscope_routing {
    int i_layer, n_rows, n_used;
    const int32_t *experts;   /* (n_rows, n_used), best first */
    const float *weights;     /* (n_rows, n_used), as applied */
    const int32_t *positions; /* (n_rows) */
};
typedef void mscope_routing_fn(void *user, const struct mscope_routing *routing);
void mscope_engine_on_routing(struct mscope_engine *engine, mscope_routing_fn *fn, void *user);

/* Intermediate activations for model checking; `values` is (n_rows, n_cols), valid during the call.
 */
typedef void mscope_stage_fn(void *user, int i_layer, const char *stage, const float *values,
                             int n_rows, int n_cols);
void mscope_engine_on_stage(struct mscope_engine *engine, mscope_stage_fn *fn, void *user);

/* ---- session --------------------------------------------------------------------------------- */

struct mscope_session;

enum mscope_kv_type { MSCOPE_KV_DEFAULT, MSCOPE_KV_F32, MSCOPE_KV_F16, MSCOPE_KV_Q8_0 };

struct mscope_session_params {
    int n_ctx; /* positions, at most the engine's n_ctx; 0: the engine's, at most 4096 */
    enum mscope_kv_type
        kv; /* default: F32 in exact mode or when it takes at most 4 MiB, else F16 */
};

enum mscope_status mscope_session_open(struct mscope_session **out, struct mscope_engine *engine,
                                       const struct mscope_session_params *params,
                                       struct mscope_error *err);
void mscope_session_close(struct mscope_session **session);

int mscope_session_n_ctx(const struct mscope_session *session);
int mscope_session_position(const struct mscope_session *session); /* tokens evaluated so far */
uint64_t mscope_session_kv_bytes(const struct mscope_session *session);

/* Forgets every token from `position` on. */
enum mscope_status mscope_session_rewind(struct mscope_session *session, int position,
                                         struct mscope_error *err);

enum mscope_outputs { MSCOPE_OUTPUT_NONE, MSCOPE_OUTPUT_LAST, MSCOPE_OUTPUT_ALL };

/* One part of a batch: these tokens continue this session. A session appears once in a batch. */
struct mscope_batch_part {
    struct mscope_session *session;
    const int32_t *tokens;
    int n_tokens;
    enum mscope_outputs outputs;
};

/*
 * Evaluates all parts, in chunks of n_batch rows. Either every session has advanced by its
 * n_tokens, or the status says why and no session has moved. A failed check (token id outside the
 * vocabulary, context overflow, empty part, more outputs than n_outputs) computes nothing.
 */
enum mscope_status mscope_eval_batch(struct mscope_engine *engine,
                                     const struct mscope_batch_part *parts, int n_parts,
                                     struct mscope_error *err);
/* The same for one session. */
enum mscope_status mscope_eval(struct mscope_session *session, const int32_t *tokens, int n_tokens,
                               enum mscope_outputs outputs, struct mscope_error *err);

/*
 * Logits (n_vocab) of output `i_output` of the latest evaluation, counted over all parts in order;
 * NULL when there is no such output. Valid until the next evaluation.
 */
const float *mscope_engine_logits(const struct mscope_engine *engine, int i_output);

/* ---- sampler --------------------------------------------------------------------------------- */

struct mscope_sampler;

/*
 * Order: repetition penalty, top-k, softmax at temperature 1 for top-p and min-p, then temperature,
 * then the draw. Temperature 0 is greedy: the largest logit after the repetition penalty, the
 * lowest id on ties.
 */
struct mscope_sampler_params {
    float temperature;    /* >= 0 */
    int top_k;            /* 0: off */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float repeat_penalty; /* 1: off; divides positive and multiplies negative logits of recent
                             tokens */
    int repeat_last_n;    /* window of the penalty in tokens */
    uint64_t seed;
};
struct mscope_sampler_params mscope_sampler_defaults(void);

enum mscope_status mscope_sampler_open(struct mscope_sampler **out, int n_vocab,
                                       const struct mscope_sampler_params *params,
                                       struct mscope_error *err);
void mscope_sampler_close(struct mscope_sampler **sampler);
/* Tells the sampler of a token that is now part of the text (prompt or generated). */
void mscope_sampler_accept(struct mscope_sampler *sampler, int32_t id);
/* `logits` (n_vocab). A NaN is never chosen; -1 when there is nothing else. */
int32_t mscope_sampler_next(struct mscope_sampler *sampler, const float *logits);

/* The largest logit, the lowest id on ties: what a sampler at temperature 0 without penalty gives.
 */
int32_t mscope_greedy(const float *logits, int n_vocab);

/* ---- statistics ------------------------------------------------------------------------------ */

/* What the evaluating thread was doing; these sum to eval_ns. */
enum mscope_phase {
    MSCOPE_PHASE_EMBEDDING,
    MSCOPE_PHASE_NORM,      /* norms and residual additions */
    MSCOPE_PHASE_ATTENTION, /* projections and scores */
    MSCOPE_PHASE_KV,        /* rotation and storing keys and values */
    MSCOPE_PHASE_ROUTER,    /* router product, softmax, top-k */
    MSCOPE_PHASE_DISPATCH,  /* sorting, gathering and weighted combination of expert rows */
    MSCOPE_PHASE_EXPERTS,   /* routed expert feed-forward */
    MSCOPE_PHASE_SHARED,    /* shared expert feed-forward */
    MSCOPE_PHASE_FFN,       /* dense feed-forward */
    MSCOPE_PHASE_OUTPUT,    /* final norm and output head */
    MSCOPE_PHASE_BARRIER,   /* waiting for other threads at the end of a parallel loop */
    MSCOPE_PHASE_IO,        /* waiting for expert bytes */
    MSCOPE_PHASE_OTHER,
    MSCOPE_N_PHASE
};
const char *mscope_phase_name(enum mscope_phase phase);

struct mscope_stats { /* since the engine was opened or the statistics were reset */
    uint64_t n_evals, n_tokens, n_outputs;
    uint64_t eval_ns;                      /* wall time inside mscope_eval */
    uint64_t weight_bytes[MSCOPE_N_CLASS]; /* read, each distinct tensor or expert once per chunk */
    uint64_t kv_bytes;                     /* cache bytes read by attention */
    uint64_t flops;                        /* 2 per multiply-add of products and attention */
    uint64_t expert_slots;                 /* (row, expert) pairs computed */
    uint64_t distinct_experts;             /* experts read, each once per layer and chunk */
    uint64_t scratch_bytes;            /* memory held by the engine besides weights and caches */
    uint64_t phase_ns[MSCOPE_N_PHASE]; /* zero unless timing is on */
};
void mscope_engine_get_stats(const struct mscope_engine *engine, struct mscope_stats *stats);
void mscope_engine_reset_stats(struct mscope_engine *engine);
/* Turns the split by phase on or off (off at open). It never changes a result. */
void mscope_engine_set_timing(struct mscope_engine *engine, bool on);
/* Time that thread i_thread computed in each phase; MSCOPE_ERR_ARGUMENT for a thread that does not
 * exist. */
enum mscope_status mscope_engine_get_thread_busy(const struct mscope_engine *engine, int i_thread,
                                                 uint64_t busy_ns[MSCOPE_N_PHASE],
                                                 struct mscope_error *err);

/* ---- version --------------------------------------------------------------------------------- */

#define MSCOPE_VERSION_MAJOR 0
#define MSCOPE_VERSION_MINOR 1
#define MSCOPE_VERSION_PATCH 0

struct mscope_version {
    const char *version;  /* "0.1.0" */
    const char *commit;   /* abbreviated hash, "-dirty" appended, or "unknown" */
    const char *compiler; /* "gcc 12.2.0" */
    const char *flags;    /* compiler flags of the build */
};
const struct mscope_version *mscope_get_version(void);

#ifdef __cplusplus
}
#endif
#endif
