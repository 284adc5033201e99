/* SPDX-License-Identifier: MIT */
/* Rounds of processes, one for each engine, and the rows that they come to. */
#include "measure/bench.h"

#include "base/rng.h"
#include "base/strbuf.h"
#include "measure/bench_internal.h"
#include "measure/provenance.h"
#include "measure/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double GRACE_S = 60;
enum { REASON_BYTES = 800 };

struct slot { /* one test with one engine */
    struct bench_samples samples;
    int n_now; /* runs of this process */
    char status[16], reason[REASON_BYTES];
};

struct bench {
    const struct bench_params *params;
    struct record base;
    struct slot *slots;              /* (n_engines, n_tests) */
    bool is_dead[BENCH_MAX_ENGINES]; /* gave nothing in a round: not tried again */
    struct roof roof;                /* last measured */
    bool has_prompt;                 /* one of the tests: each process has peaks of its own */
    double fp32[BENCH_MAX_ROUNDS * BENCH_MAX_ENGINES + 1];
    double int8[BENCH_MAX_ROUNDS * BENCH_MAX_ENGINES + 1];
    int n_peaks;
    bool was_stopped;
};

static void look_at_roofs(struct bench *bench, bool with_peaks);
static enum mscope_status run_round(struct bench *bench, int i_round, struct mscope_error *err);
static enum mscope_status add_roofs(struct bench *bench, int i_engine, const struct roof *before,
                                    struct mscope_error *err);
static enum mscope_status run_process(struct bench *bench, int i_engine, struct mscope_error *err);
static enum mscope_status take_line(struct bench *bench, int i_engine, char *line,
                                    struct mscope_error *err);
static enum mscope_status take_run(struct slot *slot, const char *json, struct mscope_error *err);
static void take_failure(struct bench *bench, int i_engine, int i_test, const char *text);
static void note_end(struct bench *bench, int i_engine, enum child_event event,
                     const struct child_end *end);
static enum mscope_status send_slot(struct bench *bench, int i_engine, int i_test,
                                    struct mscope_error *err);

enum mscope_status bench_run(const struct bench_params *params, struct mscope_error *err)
{
    struct bench bench = {.params = params};
    size_t n_slots = (size_t)params->n_engines * (size_t)params->n_tests;
    bench.slots = calloc(n_slots, sizeof *bench.slots);
    if (bench.slots == NULL) {
        return error_set_memory(err, "samples", n_slots * sizeof *bench.slots);
    }
    for (size_t i = 0; i < n_slots; i++) {
        bench_samples_init(&bench.slots[i].samples);
    }
    for (int i = 0; i < params->n_tests; i++) {
        bench.has_prompt |= params->tests[i].n_prompt > 0;
    }
    record_init(&bench.base);
    enum mscope_status status = record_copy(&bench.base, params->base, err);
    status = status == MSCOPE_OK ? provenance_fill_model(&bench.base, params->path, err) : status;
    look_at_roofs(&bench, true);
    for (int i = 0; i < params->n_rounds && status == MSCOPE_OK && !bench.was_stopped; i++) {
        status = run_round(&bench, i, err);
    }
    for (int e = 0; e < params->n_engines; e++) {
        for (int t = 0; t < params->n_tests && status == MSCOPE_OK; t++) {
            status = send_slot(&bench, e, t, err);
        }
    }
    for (size_t i = 0; i < n_slots; i++) {
        bench_samples_free(&bench.slots[i].samples);
    }
    free(bench.slots);
    record_free(&bench.base);
    return status;
}

static void look_at_roofs(struct bench *bench, bool with_peaks)
{
    const struct bench_params *params = bench->params;
    bench->roof = (struct roof){params->n_threads, NAN, NAN, NAN, NAN};
    if (!params->measure_roofs || bench->was_stopped) {
        return;
    }
    if (params->step != NULL) {
        params->step(params->user, "the ceilings of this machine");
    }
    bench->roof = roofs_look(params->n_threads, with_peaks);
    if (with_peaks) {
        bench->fp32[bench->n_peaks] = bench->roof.fp32_gflops;
        bench->int8[bench->n_peaks] = bench->roof.int8_gops;
        bench->n_peaks++;
    }
}

static enum mscope_status run_round(struct bench *bench, int i_round, struct mscope_error *err)
{
    const struct bench_params *params = bench->params;
    int order[BENCH_MAX_ENGINES];
    struct rng rng;
    rng_seed_stream(&rng, params->seed, (uint64_t)i_round);
    for (int i = 0; i < params->n_engines; i++) {
        int at = (int)rng_below(&rng, (uint32_t)i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < params->n_engines && status == MSCOPE_OK && !bench->was_stopped; i++) {
        if (!bench->is_dead[order[i]]) {
            bench->base.order_index = (int64_t)i_round * params->n_engines + i;
            struct roof before = bench->roof;
            status = run_process(bench, order[i], err);
            look_at_roofs(bench, bench->has_prompt || i + 1 == params->n_engines);
            status = status == MSCOPE_OK ? add_roofs(bench, order[i], &before, err) : status;
        }
    }
    return status;
}

/* To what the process of this engine has just measured. After a stop there is no second one. */
static enum mscope_status add_roofs(struct bench *bench, int i_engine, const struct roof *before,
                                    struct mscope_error *err)
{
    const struct roof *after = isnan(bench->roof.read_gbps) ? before : &bench->roof;
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < bench->params->n_tests && status == MSCOPE_OK; i++) {
        struct slot *slot = &bench->slots[i_engine * bench->params->n_tests + i];
        status = bench_samples_add_roof(&slot->samples, slot->n_now, before, after, err);
    }
    return status;
}

static enum mscope_status run_process(struct bench *bench, int i_engine, struct mscope_error *err)
{
    const struct bench_params *params = bench->params;
    struct bench_job job = {
        .params = params, .engine = &params->engines[i_engine], .base = &bench->base};
    struct slot *slots = &bench->slots[i_engine * params->n_tests];
    int n_runs = 0;
    for (int i = 0; i < params->n_tests; i++) {
        slots[i].n_now = 0;
    }
    struct child child;
    enum mscope_status status = child_start(&child, bench_worker_main, &job, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    /* The engine's own limit comes first; this is for one that does not answer to it. */
    double limit_s =
        params->timeout_s > 0 ? params->timeout_s * (params->n_tests + 1) + GRACE_S : 0;
    char *line;
    enum child_event event;
    while ((event = child_read(&child, &line, limit_s, params->stopped, params->user)) ==
               CHILD_LINE &&
           status == MSCOPE_OK) {
        status = take_line(bench, i_engine, line, err);
    }
    struct child_end end;
    child_finish(&child, event != CHILD_END, &end);
    bench->was_stopped = event == CHILD_STOPPED;
    note_end(bench, i_engine, event, &end);
    for (int i = 0; i < params->n_tests; i++) {
        n_runs += slots[i].n_now;
    }
    bench->is_dead[i_engine] = n_runs == 0;
    return status;
}

static enum mscope_status take_line(struct bench *bench, int i_engine, char *line,
                                    struct mscope_error *err)
{
    const struct bench_params *params = bench->params;
    if (line[0] == 'S') {
        if (params->step != NULL) {
            params->step(params->user, line + 2);
        }
        return MSCOPE_OK;
    }
    char *rest;
    long i_test = line[0] != '\0' ? strtol(line + 1, &rest, 10) : -1;
    if (i_test >= params->n_tests || line[0] == '\0') {
        return MSCOPE_OK;
    }
    rest += *rest == ' ';
    if (line[0] == 'X') {
        take_failure(bench, i_engine, (int)i_test, rest);
        return MSCOPE_OK;
    }
    if (line[0] != 'R' || i_test < 0) {
        return MSCOPE_OK;
    }
    return take_run(&bench->slots[i_engine * params->n_tests + i_test], rest, err);
}

static enum mscope_status take_run(struct slot *slot, const char *json, struct mscope_error *err)
{
    struct record run;
    int n_before = slot->samples.n_runs;
    record_init(&run);
    enum mscope_status status = record_from_line(&run, json, strlen(json), err);
    status = status == MSCOPE_OK ? bench_samples_add(&slot->samples, &run, err) : status;
    record_free(&run);
    slot->n_now += slot->samples.n_runs - n_before;
    return status;
}

/* "<status> <reason>", of one test or (-1) of all that have no run of this process. */
static void take_failure(struct bench *bench, int i_engine, int i_test, const char *text)
{
    int n_tests = bench->params->n_tests;
    size_t n_status = strcspn(text, " ");
    for (int i = 0; i < n_tests; i++) {
        struct slot *slot = &bench->slots[i_engine * n_tests + i];
        if (i_test == i || (i_test < 0 && slot->n_now == 0)) {
            snprintf(slot->status, sizeof slot->status, "%.*s", (int)n_status, text);
            snprintf(slot->reason, sizeof slot->reason, "%s",
                     text + n_status + (text[n_status] == ' '));
        }
    }
}

/* For tests without a run and without a reason of their own. */
static void note_end(struct bench *bench, int i_engine, enum child_event event,
                     const struct child_end *end)
{
    int n_tests = bench->params->n_tests;
    for (int i = 0; i < n_tests; i++) {
        struct slot *slot = &bench->slots[i_engine * n_tests + i];
        if (slot->n_now > 0 || slot->reason[0] != '\0') {
            continue;
        }
        const char *status = event == CHILD_TIMEOUT   ? "timeout"
                             : end->killed_for_memory ? "oom"
                             : event == CHILD_STOPPED ? "skipped"
                                                      : "failed";
        snprintf(slot->status, sizeof slot->status, "%s", status);
        if (event == CHILD_TIMEOUT) {
            snprintf(slot->reason, sizeof slot->reason,
                     "not done after %g s: the process was ended", bench->params->timeout_s);
        } else if (event == CHILD_STOPPED) {
            snprintf(slot->reason, sizeof slot->reason, "interrupted");
        } else if (end->killed_for_memory) {
            snprintf(slot->reason, sizeof slot->reason,
                     "the process was killed (signal 9), most likely for lack of memory");
        } else {
            snprintf(slot->reason, sizeof slot->reason, "the process %s", end->text);
        }
    }
}

static enum mscope_status send_slot(struct bench *bench, int i_engine, int i_test,
                                    struct mscope_error *err)
{
    const struct bench_params *params = bench->params;
    const struct driver_test *test = &params->tests[i_test];
    struct slot *slot = &bench->slots[i_engine * params->n_tests + i_test];
    if (slot->samples.n_runs > 0) {
        size_t n_peaks = (size_t)bench->n_peaks;
        slot->samples.row.roof_fp32_gflops = stats_of(bench->fp32, n_peaks).median;
        slot->samples.row.roof_int8_gops = stats_of(bench->int8, n_peaks).median;
        enum mscope_status status = bench_samples_summarise(&slot->samples, test, err);
        if (status == MSCOPE_OK) {
            params->take(params->user, &slot->samples.row);
        }
        return status;
    }
    if (bench->was_stopped) {
        return MSCOPE_OK;
    }
    struct record row;
    record_init(&row);
    enum mscope_status status = record_copy(&row, &bench->base, err);
    status = status == MSCOPE_OK
                 ? bench_name_row(&row, params, &params->engines[i_engine], test, err)
                 : status;
    status = status == MSCOPE_OK ? record_fail(&row, slot->status, slot->reason, err) : status;
    if (status == MSCOPE_OK) {
        params->take(params->user, &row);
    }
    record_free(&row);
    return status;
}

enum mscope_status bench_name_row(struct record *row, const struct bench_params *params,
                                  const struct bench_engine *engine, const struct driver_test *test,
                                  struct mscope_error *err)
{
    char name[BENCH_NAME_BYTES];
    struct strbuf cell = {0};
    bench_test_name(name, test);
    strbuf_printf(&cell, "bench/%s/%s/%s,b%d,%s%s/t%d/r1/%s", row->session_id, row->model, name,
                  params->n_batch, params->kv_type, params->random ? ",random" : "",
                  params->n_threads, engine->name);
    if (cell.failed) {
        strbuf_free(&cell);
        return error_set_memory(err, "cell", 0);
    }
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&row->cell, cell.data},
        {&row->test, name},
        {&row->engine, engine->name},
        {&row->kv_type, params->kv_type},
        {&row->prompt, params->random ? "random" : "text"},
        {&row->order_kind, params->n_rounds > 1 ? "interleaved" : NULL},
        {&row->status, "ok"},
    };
    enum mscope_status status = provenance_stamp(row, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MSCOPE_OK; i++) {
        status = record_set_text(texts[i].field, texts[i].text, err);
    }
    row->threads = params->n_threads;
    row->n_batch = params->n_batch;
    row->n_gen = test->n_gen;
    row->n_prompt = test->n_prompt;
    row->n_depth = test->n_depth;
    row->repetition = 1;
    strbuf_free(&cell);
    return status;
}

const char *bench_test_name(char text[BENCH_NAME_BYTES], const struct driver_test *test)
{
    char prompt[20] = "", gen[20] = "", depth[20] = "";
    if (test->n_prompt > 0) {
        snprintf(prompt, sizeof prompt, "pp%d", test->n_prompt);
    }
    if (test->n_gen > 0) {
        snprintf(gen, sizeof gen, "%stg%d", test->n_prompt > 0 ? "+" : "", test->n_gen);
    }
    if (test->n_depth > 0) {
        snprintf(depth, sizeof depth, "@d%d", test->n_depth);
    }
    snprintf(text, BENCH_NAME_BYTES, "%s%s%s", prompt, gen, depth);
    return text;
}

enum mscope_status bench_test_parse(struct driver_test *test, const char *text, int most,
                                    struct mscope_error *err)
{
    static const char *const keys[] = {"pp", "tg", "@d"};
    int *const numbers[] = {&test->n_prompt, &test->n_gen, &test->n_depth};
    const char *at = text;
    *test = (struct driver_test){0};
    for (int i = 0; i < 3; i++) {
        if (strncmp(at, keys[i], 2) == 0) {
            char *stop;
            long number = strtol(at + 2, &stop, 10);
            bool good = stop != at + 2 && at[2] >= '1' && at[2] <= '9' && number <= most;
            *numbers[i] = good ? (int)number : 0;
            at = good ? stop : at;
            at += i == 0 && *at == '+' ? 1 : 0;
        }
    }
    char name[BENCH_NAME_BYTES];
    if (*at != '\0' || strcmp(bench_test_name(name, test), text) != 0 ||
        test->n_prompt + test->n_gen == 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "--test",
                         "'%.60s', expected pp512, tg64, pp512+tg64 or one with @d2048 behind it, "
                         "at most %d tokens",
                         text, most);
    }
    return MSCOPE_OK;
}
