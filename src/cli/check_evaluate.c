/* SPDX-License-Identifier: MIT */
/* Gates 2 to 5 of `check`: the same tokens evaluated in several ways. */
#include "cli/check.h"

#include "sample/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Allowances. Activations of trained models reach some thousands; a dead or exploding layer is far
 * outside. */
static const double RMS_LEAST = 1e-7, RMS_MOST = 1e6;
static const double DECODE_ALLOWED = 1e-3; /* max |difference| / std of logits */
static const double DEFAULT_RELATIVE = 0.25, DEFAULT_KL = 0.2, DEFAULT_TOP1 = 0.7;

enum { GATE_STAGES, GATE_REPEAT, GATE_DECODE, GATE_DEFAULT };

struct stage_tally {
    int n_stages, n_layers;
    bool finite;
    double least, most; /* rms */
    char where[80];     /* first stage that is not finite, or whose rms is outside */
};

struct job {
    struct runtime *runtime;
    const struct input_ids *ids;
    int n_threads;
    const char *cpu_level;
    size_t n_values;             /* of all logits */
    float *fast, *exact, *other; /* (n ids, n_vocab) */
};

static enum mscope_status gates_of_default(struct check_gate gates[4], struct job *job,
                                           struct mscope_error *err);
static enum mscope_status gates_of_exact(struct check_gate gates[4], struct job *job,
                                         struct mscope_error *err);
static enum mscope_status open_engine(struct job *job, bool exact, int n_threads,
                                      struct mscope_error *err);
static enum mscope_status evaluate(struct job *job, bool step, float *logits,
                                   struct mscope_error *err);
static void note_stage(void *user, int i_layer, const char *stage, const float *values, int n_rows,
                       int n_cols);
static double deviation(const float *values, size_t n);

void check_evaluate(struct check_gate gates[4], struct runtime *runtime,
                    const struct input_ids *ids, int n_threads, const char *cpu_level)
{
    struct mscope_error err;
    struct job job = {
        .runtime = runtime, .ids = ids, .n_threads = n_threads, .cpu_level = cpu_level};
    job.n_values = (size_t)ids->n * runtime->info->n_vocab;
    job.fast = malloc(3 * job.n_values * sizeof *job.fast);
    enum mscope_status status =
        job.fast != NULL ? MSCOPE_OK : error_set_memory(&err, "logits", 12 * job.n_values);
    if (status == MSCOPE_OK) {
        job.exact = job.fast + job.n_values;
        job.other = job.exact + job.n_values;
        status = gates_of_default(gates, &job, &err);
    }
    if (status == MSCOPE_OK) {
        status = gates_of_exact(gates, &job, &err);
    }
    for (int i = 0; i < 4 && status != MSCOPE_OK; i++) {
        if (gates[i].measured[0] == '\0') {
            check_fail_with(&gates[i], &err);
        }
    }
    runtime_close_session(runtime);
    free(job.fast);
}

/* Stages and repetition. */
static enum mscope_status gates_of_default(struct check_gate gates[4], struct job *job,
                                           struct mscope_error *err)
{
    struct stage_tally stages = {.finite = true, .least = INFINITY};
    size_t n_bytes = job->n_values * sizeof(float);
    enum mscope_status status = open_engine(job, false, job->n_threads, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    int n_threads = mscope_engine_n_threads(job->runtime->engine);
    mscope_engine_on_stage(job->runtime->engine, note_stage, &stages);
    status = evaluate(job, false, job->fast, err);
    mscope_engine_on_stage(job->runtime->engine, NULL, NULL);
    if (status != MSCOPE_OK) {
        return status;
    }
    bool sane = stages.finite && stages.least >= RMS_LEAST && stages.most <= RMS_MOST;
    check_pass_if(&gates[GATE_STAGES], sane && stages.n_layers >= (int)job->runtime->info->n_layer,
                  "%d stages of %d layers: %s, rms %.1e to %.1e, allowed %.0e to %.0e%s%s",
                  stages.n_stages, stages.n_layers, stages.finite ? "all finite" : "not all finite",
                  stages.least, stages.most, RMS_LEAST, RMS_MOST,
                  sane ? "" : "; first wrong: ", sane ? "" : stages.where);
    status = evaluate(job, false, job->other, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    bool same = memcmp(job->fast, job->other, n_bytes) == 0;
    int n_other = n_threads > 1 ? 1 : 2;
    status = open_engine(job, false, n_other, err);
    if (status == MSCOPE_OK) {
        status = evaluate(job, false, job->other, err);
    }
    if (status == MSCOPE_OK) {
        bool same_threads = memcmp(job->fast, job->other, n_bytes) == 0;
        check_pass_if(&gates[GATE_REPEAT], same && same_threads,
                      "%zu logits: a second run %s; %d instead of %d threads: %s", job->n_values,
                      same ? "identical" : "different", n_other, n_threads,
                      same_threads ? "identical" : "different");
    }
    return status;
}

/* Decoding against prefill, and the default arithmetic against the exact one. */
static enum mscope_status gates_of_exact(struct check_gate gates[4], struct job *job,
                                         struct mscope_error *err)
{
    enum mscope_status status = open_engine(job, true, job->n_threads, err);
    if (status == MSCOPE_OK) {
        status = evaluate(job, false, job->exact, err);
    }
    if (status == MSCOPE_OK) {
        status = evaluate(job, true, job->other, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    double largest = 0, std = deviation(job->exact, job->n_values);
    for (size_t i = 0; i < job->n_values; i++) {
        double difference = fabs((double)job->exact[i] - (double)job->other[i]);
        largest = difference <= largest ? largest : difference; /* a NaN sticks */
    }
    check_pass_if(&gates[GATE_DECODE], largest / std <= DECODE_ALLOWED,
                  "%d tokens: largest difference %.1e of the logits' deviation, allowed %.0e",
                  job->ids->n, largest / std, DECODE_ALLOWED);

    struct measure_distance distance = {0};
    int n_vocab = (int)job->runtime->info->n_vocab;
    for (int i = 0; i < job->ids->n; i++) {
        size_t row = (size_t)i * (size_t)n_vocab;
        measure_distance_add(&distance, job->exact + row, job->fast + row, n_vocab);
    }
    double kl = distance.kl_sum / (double)distance.n;
    double top1 = (double)distance.top1_equal / (double)distance.n;
    double relative = measure_distance_relative(&distance);
    check_pass_if(
        &gates[GATE_DEFAULT],
        relative <= DEFAULT_RELATIVE && kl <= DEFAULT_KL && top1 >= DEFAULT_TOP1,
        "rms error %.3f of the deviation, allowed %.2f; mean KL %.4f, allowed %.1f; top-1 %.0f %%, "
        "at least %.0f %%",
        relative, DEFAULT_RELATIVE, kl, DEFAULT_KL, 100 * top1, 100 * DEFAULT_TOP1);
    return MSCOPE_OK;
}

static enum mscope_status open_engine(struct job *job, bool exact, int n_threads,
                                      struct mscope_error *err)
{
    runtime_close_session(job->runtime);
    const struct runtime_params params = {
        .n_threads = n_threads,
        .cpu_level = job->cpu_level,
        .exact = exact,
        .n_ctx = job->ids->n,
        .n_outputs = job->ids->n,
    };
    return runtime_open_session(job->runtime, &params, err);
}

static enum mscope_status evaluate(struct job *job, bool step, float *logits,
                                   struct mscope_error *err)
{
    struct runtime *runtime = job->runtime;
    size_t n_vocab = runtime->info->n_vocab;
    int n = job->ids->n, n_chunk = step ? 1 : n;
    enum mscope_status status = mscope_session_rewind(runtime->session, 0, err);
    for (int done = 0; done < n && status == MSCOPE_OK; done += n_chunk) {
        status =
            mscope_eval(runtime->session, job->ids->ids + done, n_chunk, MSCOPE_OUTPUT_ALL, err);
        for (int i = 0; i < n_chunk && status == MSCOPE_OK; i++) {
            memcpy(logits + (size_t)(done + i) * n_vocab, mscope_engine_logits(runtime->engine, i),
                   n_vocab * sizeof *logits);
        }
    }
    return status;
}

static void note_stage(void *user, int i_layer, const char *stage, const float *values, int n_rows,
                       int n_cols)
{
    struct stage_tally *tally = user;
    double squares = 0;
    size_t n = (size_t)n_rows * (size_t)n_cols;
    for (size_t i = 0; i < n; i++) {
        squares += (double)values[i] * (double)values[i];
    }
    if (n == 0) {
        return;
    }
    double rms = sqrt(squares / (double)n);
    bool finite = isfinite(rms);
    if (tally->where[0] == '\0' && !(finite && rms >= RMS_LEAST && rms <= RMS_MOST)) {
        snprintf(tally->where, sizeof tally->where, "%s of layer %d", stage, i_layer);
    }
    tally->n_stages++;
    tally->n_layers = strcmp(stage, "layer_out") == 0 ? tally->n_layers + 1 : tally->n_layers;
    tally->finite = tally->finite && finite;
    tally->least = finite && rms < tally->least ? rms : tally->least;
    tally->most = finite && rms > tally->most ? rms : tally->most;
}

static double deviation(const float *values, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
    }
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += ((double)values[i] - mean) * ((double)values[i] - mean);
    }
    return sqrt(squares / (double)n);
}
