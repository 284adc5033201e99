/* SPDX-License-Identifier: MIT */
/* The own engine as a driver: phases, bytes, operations and routing from inside. */
#include "measure/driver.h"

#include "base/clock.h"
#include "base/rng.h"
#include "measure/routing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_BATCH = 512, FIT_LEAST_CTX = 256 /* room for a warm-up */ };

struct driver {
    struct mscope_model *model;
    const struct mscope_model_info *info;
    struct mscope_engine *engine;
    struct mscope_session *session;
    struct routing routing; /* n_layer 0 for a dense model */
    double timeout_s;
    uint64_t seed;
    int n_batch;
    int32_t *tokens; /* of the current task, depth first */
    size_t n_tokens;
    size_t n_evaluated; /* of tokens, in the session; 0 after a failure */
    size_t n_same;      /* of n_evaluated, the first that this run's tokens begin with too */
};

struct run { /* one run under way */
    struct driver *driver;
    const struct driver_task *task;
    struct record *record;
    struct driver_marks *marks;
    uint64_t deadline_ns; /* 0: none */
    uint64_t sampling_ns;
    double router_ns, experts_ns; /* of prefill and decode together */
    double *token_ms;
    int32_t id; /* latest token */
};

static enum mscope_status own_open(struct driver **out, const struct driver_settings *settings,
                                   struct record *record, struct mscope_error *err);
static enum mscope_status open_parts(struct driver *driver, const struct driver_settings *settings,
                                     struct mscope_error *err);
static enum mscope_status describe(const struct driver *driver, struct record *record,
                                   struct mscope_error *err);
static enum mscope_status own_run(struct driver *driver, const struct driver_task *task,
                                  struct record *record, struct driver_marks *marks,
                                  struct mscope_error *err);
static void own_close(struct driver **driver);
static enum mscope_status make_tokens(struct driver *driver, const struct driver_task *task,
                                      struct mscope_error *err);
static enum mscope_status tokenize(int32_t **out, size_t *n, const struct driver *driver,
                                   const struct driver_task *task, struct mscope_error *err);
static enum mscope_status evaluate(struct run *run, const int32_t *tokens, size_t n,
                                   bool wants_logits, struct mscope_error *err);
static enum mscope_status prefill(struct run *run, struct mscope_error *err);
static enum mscope_status decode(struct run *run, struct mscope_error *err);
static enum mscope_status next_token(struct run *run, struct mscope_error *err);
static void take_stats(struct run *run, bool is_decode, double part_ms);

const struct driver_class driver_own = {"moescope", own_open, own_run, own_close, NULL};

static enum mscope_status own_open(struct driver **out, const struct driver_settings *settings,
                                   struct record *record, struct mscope_error *err)
{
    *out = NULL;
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return error_set_memory(err, "driver", sizeof *driver);
    }
    driver->timeout_s = settings->timeout_s;
    driver->seed = settings->seed;
    driver->n_batch = settings->n_batch > 0 ? settings->n_batch : DEFAULT_BATCH;
    uint64_t start_ns = clock_now_ns();
    enum mscope_status status = open_parts(driver, settings, err);
    record->load_ms = (double)(clock_now_ns() - start_ns) * 1e-6;
    if (status == MSCOPE_OK) {
        status = describe(driver, record, err);
    }
    if (status != MSCOPE_OK) {
        own_close(&driver);
        return status;
    }
    *out = driver;
    return MSCOPE_OK;
}

static enum mscope_status open_parts(struct driver *driver, const struct driver_settings *settings,
                                     struct mscope_error *err)
{
    enum mscope_status status =
        mscope_model_open(&driver->model, settings->model_path, MSCOPE_PART_ALL, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    driver->info = mscope_model_get_info(driver->model);
    int n_ctx = settings->n_ctx;
    if (settings->fit_prompt != NULL) {
        size_t n_tokens = 0;
        mscope_tokenize(driver->model, settings->fit_prompt, strlen(settings->fit_prompt),
                        MSCOPE_ADD_SPECIAL, NULL, 0, &n_tokens, NULL);
        n_ctx = (int)n_tokens + settings->fit_gen;
        n_ctx = n_ctx > FIT_LEAST_CTX ? n_ctx : FIT_LEAST_CTX;
    }
    if (driver->info->n_ctx_train > 0 && n_ctx > (int)driver->info->n_ctx_train) {
        return error_set(err, MSCOPE_ERR_CONTEXT, settings->model_id,
                         "%d positions wanted, expected at most the %u it was trained for", n_ctx,
                         driver->info->n_ctx_train);
    }
    struct mscope_engine_params params = {
        .n_threads = settings->n_threads,
        .cpu_level = settings->cpu_level,
        .n_batch = driver->n_batch,
        .n_ctx = n_ctx,
    };
    status = mscope_engine_open(&driver->engine, driver->model, &params, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    const char *kv = settings->kv_type != NULL ? settings->kv_type : "f16";
    struct mscope_session_params session = {
        .n_ctx = n_ctx,
        .kv = strcmp(kv, "q8_0") == 0  ? MSCOPE_KV_Q8_0
              : strcmp(kv, "f32") == 0 ? MSCOPE_KV_F32
                                       : MSCOPE_KV_F16,
    };
    status = mscope_session_open(&driver->session, driver->engine, &session, err);
    if (status == MSCOPE_OK && driver->info->n_expert > 0) {
        status = routing_open(&driver->routing, (int)driver->info->n_layer,
                              (int)driver->info->n_expert, (int)driver->info->n_expert_used, err);
        if (status == MSCOPE_OK) {
            mscope_engine_on_routing(driver->engine, routing_take, &driver->routing);
        }
    }
    return status;
}

static enum mscope_status describe(const struct driver *driver, struct record *record,
                                   struct mscope_error *err)
{
    const struct mscope_model_info *info = driver->info;
    record->model_bytes = (int64_t)info->file_bytes;
    record->params_total = (int64_t)info->n_params;
    record->params_active = (int64_t)info->n_params_active;
    record->synthetic = info->is_synthetic;
    enum mscope_status status = record_set_text(&record->arch, info->architecture, err);
    if (status == MSCOPE_OK && info->file_type[0] != '\0') {
        status = record_set_text(&record->quant, info->file_type, err);
    }
    if (status == MSCOPE_OK) {
        status =
            record_set_text(&record->engine_detail, mscope_engine_cpu_level(driver->engine), err);
    }
    return status;
}

static void own_close(struct driver **driver)
{
    if (*driver == NULL) {
        return;
    }
    mscope_session_close(&(*driver)->session);
    mscope_engine_close(&(*driver)->engine);
    mscope_model_close(&(*driver)->model);
    routing_close(&(*driver)->routing);
    free((*driver)->tokens);
    free(*driver);
    *driver = NULL;
}

static enum mscope_status own_run(struct driver *driver, const struct driver_task *task,
                                  struct record *record, struct driver_marks *marks,
                                  struct mscope_error *err)
{
    *marks = (struct driver_marks){0};
    struct run run = {.driver = driver, .task = task, .record = record, .marks = marks};
    enum mscope_status status = make_tokens(driver, task, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t n_depth = (size_t)task->n_depth;
    int64_t n_needed = (int64_t)driver->n_tokens + task->n_gen;
    if (n_needed > mscope_session_n_ctx(driver->session)) {
        return error_set(err, MSCOPE_ERR_CONTEXT, "run",
                         "%lld positions needed, expected at most %d", (long long)n_needed,
                         mscope_session_n_ctx(driver->session));
    }
    run.token_ms = calloc((size_t)task->n_gen + 1, sizeof *run.token_ms);
    if (run.token_ms == NULL) {
        return error_set_memory(err, "time stamps", (uint64_t)task->n_gen * sizeof(double));
    }
    uint64_t start_ns = clock_now_ns();
    run.deadline_ns = driver->timeout_s > 0 ? start_ns + (uint64_t)(driver->timeout_s * 1e9) : 0;
    mscope_engine_set_timing(driver->engine, task->timing);
    bool has_depth = n_depth > 0 && driver->n_same >= n_depth; /* from the run before */
    driver->n_evaluated = 0;
    status = mscope_session_rewind(driver->session, has_depth ? (int)n_depth : 0, err);
    if (status == MSCOPE_OK && n_depth > 0 && !has_depth) {
        status = evaluate(&run, driver->tokens, n_depth, false, err);
    }
    if (status == MSCOPE_OK) {
        status = prefill(&run, err);
    }
    if (status == MSCOPE_OK && task->n_gen > 0) {
        status = decode(&run, err);
    }
    record->wall_ms = (double)(clock_now_ns() - start_ns) * 1e-6;
    if (status == MSCOPE_OK && task->n_gen > 1) {
        status = record_set_reals(&record->token_ms, run.token_ms, (size_t)task->n_gen - 1, err);
    }
    free(run.token_ms);
    if (status != MSCOPE_OK) {
        return status;
    }
    driver->n_evaluated = driver->n_tokens;
    struct mscope_stats stats;
    mscope_engine_get_stats(driver->engine, &stats);
    record->prompt_tokens = (int64_t)(driver->n_tokens - n_depth);
    record->n_gen = task->n_gen;
    record->n_depth = task->n_depth;
    record->n_ctx = mscope_session_n_ctx(driver->session);
    record->n_batch = driver->n_batch;
    record->threads = mscope_engine_n_threads(driver->engine);
    record->kv_bytes = (int64_t)mscope_session_kv_bytes(driver->session);
    record->scratch_bytes = (int64_t)stats.scratch_bytes;
    driver_derive_times(record);
    return driver->routing.n_layer > 0
               ? routing_report(&driver->routing, task->want_histogram, record, err)
               : MSCOPE_OK;
}

static enum mscope_status prefill(struct run *run, struct mscope_error *err)
{
    struct driver *driver = run->driver;
    size_t n_depth = (size_t)run->task->n_depth;
    if (driver->routing.n_layer > 0) {
        routing_reset(&driver->routing);
    }
    mscope_engine_reset_stats(driver->engine);
    run->marks->prefill_start_ns = clock_now_ns();
    enum mscope_status status =
        evaluate(run, driver->tokens + n_depth, driver->n_tokens - n_depth, true, err);
    run->marks->prefill_end_ns = clock_now_ns();
    if (status == MSCOPE_OK) {
        run->record->prefill_ms =
            (double)(run->marks->prefill_end_ns - run->marks->prefill_start_ns) * 1e-6;
        take_stats(run, false, run->record->prefill_ms);
    }
    return status;
}

/* The first token comes from the prefill's logits; decode is from there to the last token. */
static enum mscope_status decode(struct run *run, struct mscope_error *err)
{
    enum mscope_status status = next_token(run, err);
    uint64_t start_ns = clock_now_ns();
    run->record->ttft_ms = (double)(start_ns - run->marks->prefill_start_ns) * 1e-6;
    run->marks->decode_start_ns = start_ns;
    run->driver->routing.in_decode = true;
    run->sampling_ns = 0;
    mscope_engine_reset_stats(run->driver->engine);
    for (int i = 1; i < run->task->n_gen && status == MSCOPE_OK; i++) {
        if (run->task->timing_in_turn) {
            mscope_engine_set_timing(run->driver->engine, driver_step_is_split(i - 1));
        }
        status = evaluate(run, &run->id, 1, true, err);
        if (status == MSCOPE_OK) {
            status = next_token(run, err);
            run->token_ms[i - 1] = (double)(clock_now_ns() - start_ns) * 1e-6;
        }
    }
    run->marks->decode_end_ns = clock_now_ns();
    if (status == MSCOPE_OK && run->task->n_gen > 1) {
        run->record->decode_ms = run->token_ms[run->task->n_gen - 2];
        run->record->sampling_ms = (double)run->sampling_ns * 1e-6;
        take_stats(run, true, run->record->decode_ms);
    }
    return status;
}

static enum mscope_status next_token(struct run *run, struct mscope_error *err)
{
    uint64_t start_ns = clock_now_ns();
    run->id = mscope_greedy(mscope_engine_logits(run->driver->engine, 0),
                            (int)run->driver->info->n_vocab);
    run->sampling_ns += clock_now_ns() - start_ns;
    if (run->id < 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, "logits",
                         "no number among them, expected a finite one");
    }
    return MSCOPE_OK;
}

/* In pieces of n_batch, as the engine would cut them itself, to look at the clock between. */
static enum mscope_status evaluate(struct run *run, const int32_t *tokens, size_t n,
                                   bool wants_logits, struct mscope_error *err)
{
    size_t n_batch = (size_t)run->driver->n_batch;
    for (size_t done = 0; done < n;) {
        if (run->deadline_ns > 0 && clock_now_ns() > run->deadline_ns) {
            error_set(err, MSCOPE_ERR_IO, "run", "not done after %g s", run->driver->timeout_s);
            enum mscope_status status = record_set_text(&run->record->status, "timeout", err);
            return status == MSCOPE_OK ? MSCOPE_ERR_IO : status;
        }
        size_t n_now = n - done < n_batch ? n - done : n_batch;
        bool is_last = done + n_now == n;
        enum mscope_status status =
            mscope_eval(run->driver->session, tokens + done, (int)n_now,
                        wants_logits && is_last ? MSCOPE_OUTPUT_LAST : MSCOPE_OUTPUT_NONE, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        done += n_now;
    }
    return MSCOPE_OK;
}

static void take_stats(struct run *run, bool is_decode, double part_ms)
{
    struct record *record = run->record;
    struct mscope_stats stats;
    mscope_engine_get_stats(run->driver->engine, &stats);
    struct record_classes *weights =
        is_decode ? &record->decode_weight_bytes : &record->prefill_weight_bytes;
    struct record_phases *phases = is_decode ? &record->decode_phase_ns : &record->prefill_phase_ns;
    uint64_t n_bytes = stats.kv_bytes;
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        weights->of[i] = (int64_t)stats.weight_bytes[i];
        n_bytes += stats.weight_bytes[i];
    }
    if (is_decode) {
        record->decode_kv_bytes = (int64_t)stats.kv_bytes;
        record->decode_flops = (int64_t)stats.flops;
        record->bytes_per_token = (double)n_bytes / (double)(run->task->n_gen - 1);
    } else {
        record->prefill_kv_bytes = (int64_t)stats.kv_bytes;
        record->prefill_flops = (int64_t)stats.flops;
    }
    if (!run->task->timing) {
        return;
    }
    double named_ns = is_decode ? (double)run->sampling_ns : 0;
    for (int i = 0; i < MSCOPE_N_PHASE; i++) {
        phases->of[i] = (int64_t)stats.phase_ns[i];
        named_ns += i != MSCOPE_PHASE_OTHER ? (double)stats.phase_ns[i] : 0;
    }
    *(is_decode ? &record->decode_parts_share : &record->prefill_parts_share) =
        named_ns / (part_ms * 1e6);
    run->router_ns += (double)stats.phase_ns[MSCOPE_PHASE_ROUTER];
    run->experts_ns +=
        (double)stats.phase_ns[MSCOPE_PHASE_EXPERTS] + (double)stats.phase_ns[MSCOPE_PHASE_SHARED];
    if (run->experts_ns > 0) {
        record->routing_share = run->router_ns / (run->router_ns + run->experts_ns);
    }
}

/* Depth tokens, then prompt tokens; both from the start of the text, which repeats as needed. */
static enum mscope_status make_tokens(struct driver *driver, const struct driver_task *task,
                                      struct mscope_error *err)
{
    int32_t *text = NULL;
    size_t n_text = 0;
    enum mscope_status status = MSCOPE_OK;
    if (task->prompt != NULL) {
        status = tokenize(&text, &n_text, driver, task, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t n_prompt = task->n_tokens > 0 ? (size_t)task->n_tokens : n_text;
    size_t n = (size_t)task->n_depth + n_prompt;
    int32_t *tokens = n_prompt > 0 ? malloc(n * sizeof *tokens) : NULL;
    if (tokens == NULL) {
        free(text);
        return n_prompt > 0 ? error_set_memory(err, "prompt", n * sizeof *tokens)
                            : error_set(err, MSCOPE_ERR_ARGUMENT, "prompt",
                                        "no tokens, expected at least one");
    }
    struct rng rng;
    rng_seed(&rng, driver->seed);
    for (size_t i = 0; i < n; i++) {
        tokens[i] =
            text != NULL ? text[i % n_text] : (int32_t)rng_below(&rng, driver->info->n_vocab);
    }
    free(text);
    driver->n_same = 0;
    while (driver->n_same < n && driver->n_same < driver->n_evaluated &&
           tokens[driver->n_same] == driver->tokens[driver->n_same]) {
        driver->n_same++;
    }
    free(driver->tokens);
    driver->tokens = tokens;
    driver->n_tokens = n;
    return MSCOPE_OK;
}

/* At least one token. */
static enum mscope_status tokenize(int32_t **out, size_t *n, const struct driver *driver,
                                   const struct driver_task *task, struct mscope_error *err)
{
    enum mscope_status status = mscope_tokenize(driver->model, task->prompt, task->n_bytes,
                                                MSCOPE_ADD_SPECIAL, NULL, 0, n, err);
    if (status != MSCOPE_OK && status != MSCOPE_ERR_BUFFER) {
        return status;
    }
    if (*n == 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "prompt", "no tokens, expected at least one");
    }
    *out = malloc(*n * sizeof **out);
    if (*out == NULL) {
        return error_set_memory(err, "prompt", *n * sizeof **out);
    }
    status = mscope_tokenize(driver->model, task->prompt, task->n_bytes, MSCOPE_ADD_SPECIAL, *out,
                             *n, n, err);
    if (status != MSCOPE_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}
