/* SPDX-License-Identifier: MIT */
/* Tests of one file in a child process, summarised. */
#include "measure/bench.h"

#include "base/strbuf.h"
#include "measure/child.h"
#include "measure/condition.h"
#include "measure/driver.h"
#include "measure/provenance.h"
#include "measure/sense.h"
#include "measure/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char bench_passage[] =
    "The clock in the tower had stopped at twenty past four so long ago that the people of the "
    "town "
    "set their appointments by it: to meet at the clock meant to meet whenever both had arrived. "
    "When "
    "the council decided to have it mended, there was a vote, and the vote was close. The "
    "clockmaker "
    "came from two valleys away with his tools in a pram. He found that the works were sound. A "
    "nest "
    "of jackdaws had blocked the weights, and the oil had turned to something like varnish. He "
    "cleaned "
    "the wheels with a brush and paraffin, moved the nest to the chimney of the town hall, and set "
    "the "
    "hands by the radio. For a week nothing changed. Then the baker noticed that his first "
    "customers "
    "came earlier, and the teacher that her pupils came later, because they could now see from "
    "their "
    "beds how much time was left. Old Mrs Ferrand complained that the striking of the hours "
    "reminded "
    "her of how few of them she slept. The ferryman, who had never owned a watch, put up a "
    "timetable. "
    "In the second month somebody climbed the tower at night and stopped the clock again, at "
    "twenty "
    "past four. Nobody was seen, and nobody was asked. But in the morning both hands had been tied "
    "together with a blue ribbon of the kind that only the teacher used, and when the clockmaker "
    "was "
    "sent for he answered that he had many orders, that the road was bad, and that a clock which "
    "is "
    "right twice a day need not be ashamed before most of us. ";

struct job {
    const struct bench_params *params;
    FILE *out;
    struct record base;
};

struct samples { /* of one test */
    double *prefill_tps, *decode_tps, *ttft_ms, *wall_ms;
    double *steps_ms; /* of all repetitions together */
    size_t n, n_steps, steps_capacity;
};

static int bench_main(void *user, FILE *out);
static enum mscope_status run_test(struct job *job, struct driver *driver,
                                   const struct bench_test *test, const struct record *opened,
                                   struct mscope_error *err);
static enum mscope_status repeat(struct job *job, struct driver *driver,
                                 const struct bench_test *test, struct samples *samples,
                                 struct record *row, struct mscope_error *err);
static enum mscope_status name_row(struct record *row, const struct job *job,
                                   const struct bench_test *test, struct mscope_error *err);
static enum mscope_status summarise(struct record *row, const struct samples *samples,
                                    struct mscope_error *err);
static bool add_steps(struct samples *samples, const struct record *row);
static enum mscope_status send(struct job *job, const struct record *row, struct mscope_error *err);
static enum mscope_status take_row(struct job *job, const char *line, int *n_taken,
                                   struct mscope_error *err);
static enum mscope_status fail_row(struct job *job, int i_test, const char *status,
                                   const char *reason, struct mscope_error *err);

enum mscope_status bench_run(const struct bench_params *params, struct mscope_error *err)
{
    struct job job = {.params = params};
    record_init(&job.base);
    enum mscope_status status = record_copy(&job.base, params->base, err);
    status = status == MSCOPE_OK ? provenance_fill_model(&job.base, params->path, err) : status;
    if (status == MSCOPE_OK && params->roofs != NULL) {
        roofs_measure(params->roofs, &job.base, params->n_threads);
    }
    struct child child;
    int n_taken = 0;
    if (status == MSCOPE_OK) {
        status = child_start(&child, bench_main, &job, err);
    }
    if (status != MSCOPE_OK) {
        record_free(&job.base);
        return status;
    }
    char *line;
    char reason[800] = "";
    enum child_event event;
    while ((event = child_read(&child, &line, 0, params->stopped, params->user)) == CHILD_LINE &&
           status == MSCOPE_OK) {
        if (line[0] == 'R') {
            status = take_row(&job, line + 2, &n_taken, err);
        } else if (line[0] == 'X') {
            snprintf(reason, sizeof reason, "%.799s", line + 2);
        } else if (params->step != NULL) {
            params->step(params->user, line + 2);
        }
    }
    struct child_end end;
    child_finish(&child, event != CHILD_END, &end);
    if (event == CHILD_END && reason[0] == '\0' && n_taken < params->n_tests) {
        snprintf(reason, sizeof reason, "%s",
                 end.killed_for_memory
                     ? "the process was killed (signal 9), most likely for lack of memory"
                     : end.text);
    }
    while (event == CHILD_END && n_taken < params->n_tests && status == MSCOPE_OK) {
        status = fail_row(&job, n_taken++, end.killed_for_memory ? "oom" : "failed", reason, err);
    }
    record_free(&job.base);
    return status;
}

const char *bench_test_name(char text[BENCH_NAME_BYTES], const struct bench_test *test)
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

static int bench_main(void *user, FILE *out)
{
    struct job *job = user;
    const struct bench_params *params = job->params;
    job->out = out;
    struct driver_settings settings = {.model_path = params->path,
                                       .model_id = job->base.model,
                                       .n_threads = params->n_threads,
                                       .n_batch = params->n_batch,
                                       .kv_type = params->kv_type,
                                       .cpu_level = params->cpu_level,
                                       .seed = params->seed};
    for (int i = 0; i < params->n_tests; i++) {
        const struct bench_test *test = &params->tests[i];
        int n_ctx = test->n_depth + (test->n_prompt > 0 ? test->n_prompt : 1) + test->n_gen + 1;
        settings.n_ctx = n_ctx > settings.n_ctx ? n_ctx : settings.n_ctx;
    }
    struct record opened;
    struct driver *driver = NULL;
    struct mscope_error err = {0};
    record_init(&opened);
    enum mscope_status status = driver_own.open(&driver, &settings, &opened, &err);
    for (int i = 0; i < params->n_tests && status == MSCOPE_OK; i++) {
        status = run_test(job, driver, &params->tests[i], &opened, &err);
    }
    if (status != MSCOPE_OK) {
        char text[800];
        fprintf(out, "X %s\n", mscope_error_text(&err, text, sizeof text));
    }
    if (driver != NULL) {
        driver_own.close(&driver);
    }
    record_free(&opened);
    return status == MSCOPE_OK ? 0 : 1;
}

static enum mscope_status run_test(struct job *job, struct driver *driver,
                                   const struct bench_test *test, const struct record *opened,
                                   struct mscope_error *err)
{
    size_t n = (size_t)job->params->n_repetitions;
    struct samples samples = {0};
    double *room = calloc(4 * n, sizeof *room);
    if (room == NULL) {
        return error_set_memory(err, "samples", 4 * n * sizeof *room);
    }
    samples.prefill_tps = room;
    samples.decode_tps = room + n;
    samples.ttft_ms = room + 2 * n;
    samples.wall_ms = room + 3 * n;
    struct record row;
    record_init(&row);
    enum mscope_status status = record_copy(&row, &job->base, err);
    status = status == MSCOPE_OK ? name_row(&row, job, test, err) : status;
    status = status == MSCOPE_OK ? record_set_text(&row.arch, opened->arch, err) : status;
    status = status == MSCOPE_OK ? record_set_text(&row.quant, opened->quant, err) : status;
    status = status == MSCOPE_OK ? record_set_text(&row.engine_detail, opened->engine_detail, err)
                                 : status;
    row.params_total = opened->params_total;
    row.params_active = opened->params_active;
    row.model_bytes = opened->model_bytes;
    row.synthetic = opened->synthetic;
    status = status == MSCOPE_OK ? repeat(job, driver, test, &samples, &row, err) : status;
    if (status == MSCOPE_OK) {
        row.load_ms = opened->load_ms;
        status = send(job, &row, err);
    }
    record_free(&row);
    free(samples.steps_ms);
    free(room);
    return status;
}

/* One run that is not counted, then the counted ones. */
static enum mscope_status repeat(struct job *job, struct driver *driver,
                                 const struct bench_test *test, struct samples *samples,
                                 struct record *row, struct mscope_error *err)
{
    const struct bench_params *params = job->params;
    const char *text = params->text != NULL ? params->text : bench_passage;
    struct driver_task task = {
        .prompt = params->random ? NULL : text,
        .n_bytes = params->random ? 0 : strlen(text),
        .n_tokens = test->n_prompt > 0 ? test->n_prompt : 1,
        .n_gen = test->n_gen > 0 ? test->n_gen : 1, /* the first token is what TTFT waits for */
        .n_depth = test->n_depth,
        .timing = true,
    };
    struct condition_mark before, after;
    struct driver_marks marks;
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i <= params->n_repetitions && status == MSCOPE_OK; i++) {
        char name[BENCH_NAME_BYTES];
        fprintf(job->out, "S %s, run %d of %d\n", bench_test_name(name, test), i,
                params->n_repetitions);
        fflush(job->out);
        if (i == 1) {
            condition_look(&before, "");
        }
        record_set_reals(&row->token_ms, NULL, 0, NULL);
        row->decode_ms = row->decode_tps = row->prefill_tps = NAN;
        status = driver_own.run(driver, &task, row, &marks, err);
        if (status == MSCOPE_OK && i > 0) {
            samples->prefill_tps[samples->n] = test->n_prompt > 0 ? row->prefill_tps : NAN;
            samples->decode_tps[samples->n] = row->decode_tps;
            samples->ttft_ms[samples->n] = row->ttft_ms;
            samples->wall_ms[samples->n++] = row->wall_ms;
            status = add_steps(samples, row) ? status : error_set_memory(err, "samples", 0);
        }
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    condition_look(&after, "");
    row->n_gen = test->n_gen;
    row->n_prompt = test->n_prompt;
    row->n_runs = params->n_repetitions;
    sense_memory(row);
    status = summarise(row, samples, err);
    return status == MSCOPE_OK ? condition_judge(row, &before, &after, 0, err) : status;
}

static enum mscope_status name_row(struct record *row, const struct job *job,
                                   const struct bench_test *test, struct mscope_error *err)
{
    const struct bench_params *params = job->params;
    char name[BENCH_NAME_BYTES];
    struct strbuf cell = {0};
    bench_test_name(name, test);
    strbuf_printf(&cell, "bench/%s/%s/%s,b%d,%s%s/t%d/r1/moescope", row->session_id, row->model,
                  name, params->n_batch, params->kv_type, params->random ? ",random" : "",
                  params->n_threads);
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
        {&row->kv_type, params->kv_type},
        {&row->prompt, params->random ? "random" : "text"},
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

static enum mscope_status summarise(struct record *row, const struct samples *samples,
                                    struct mscope_error *err)
{
    struct stats prefill = stats_of(samples->prefill_tps, samples->n);
    struct stats decode = stats_of(samples->decode_tps, samples->n);
    row->prefill_tps = prefill.mean;
    row->prefill_tps_median = prefill.median;
    row->prefill_tps_sd = prefill.sd;
    row->prefill_tps_ci95 = prefill.ci95;
    row->decode_tps = decode.mean;
    row->decode_tps_median = decode.median;
    row->decode_tps_sd = decode.sd;
    row->decode_tps_ci95 = decode.ci95;
    row->decode_tps_cv = decode.cv;
    row->wall_ms = stats_of(samples->wall_ms, samples->n).mean;
    row->ttft_ms = row->n_prompt > 0 ? stats_of(samples->ttft_ms, samples->n).mean : NAN;
    if (row->n_prompt == 0) {
        row->prompt_tokens = 0;
        row->prefill_ms = NAN;
    }
    row->tpot_ms_mean = stats_of(samples->steps_ms, samples->n_steps).mean;
    row->tpot_ms_p50 = stats_percentile(samples->steps_ms, samples->n_steps, 0.50);
    row->tpot_ms_p95 = stats_percentile(samples->steps_ms, samples->n_steps, 0.95);
    row->tpot_ms_p99 = stats_percentile(samples->steps_ms, samples->n_steps, 0.99);
    if (row->roof_read_gbps > 0) {
        row->s_mbu = row->bytes_per_token * row->decode_tps / (row->roof_read_gbps * 1e9);
    }
    if (row->roof_int8_gops > 0 && row->n_prompt > 0 && row->prefill_flops != RECORD_NO_INT) {
        row->s_mfu = (double)row->prefill_flops / (double)row->n_prompt * row->prefill_tps /
                     (row->roof_int8_gops * 1e9);
    }
    enum mscope_status status = MSCOPE_OK;
    if (prefill.n > 0) {
        status = record_set_reals(&row->prefill_tps_samples, samples->prefill_tps, samples->n, err);
    }
    if (status == MSCOPE_OK && decode.n > 0) {
        status = record_set_reals(&row->decode_tps_samples, samples->decode_tps, samples->n, err);
    }
    return status;
}

static bool add_steps(struct samples *samples, const struct record *row)
{
    size_t n = row->token_ms.n;
    if (samples->n_steps + n > samples->steps_capacity) {
        size_t capacity = 2 * (samples->n_steps + n);
        double *grown = realloc(samples->steps_ms, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        samples->steps_ms = grown;
        samples->steps_capacity = capacity;
    }
    for (size_t i = 0; i < n; i++) {
        samples->steps_ms[samples->n_steps++] =
            row->token_ms.values[i] - (i > 0 ? row->token_ms.values[i - 1] : 0);
    }
    return true;
}

static enum mscope_status send(struct job *job, const struct record *row, struct mscope_error *err)
{
    json_t *json = record_to_json(row);
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (line == NULL) {
        return error_set_memory(err, "row", sizeof *row);
    }
    fprintf(job->out, "R %s\n", line);
    fflush(job->out);
    free(line);
    return MSCOPE_OK;
}

static enum mscope_status take_row(struct job *job, const char *line, int *n_taken,
                                   struct mscope_error *err)
{
    struct record row;
    record_init(&row);
    enum mscope_status status = record_from_line(&row, line, strlen(line), err);
    if (status == MSCOPE_OK) {
        (*n_taken)++;
        job->params->take(job->params->user, &row);
    }
    record_free(&row);
    return status;
}

static enum mscope_status fail_row(struct job *job, int i_test, const char *status,
                                   const char *reason, struct mscope_error *err)
{
    struct record row;
    record_init(&row);
    enum mscope_status result = record_copy(&row, &job->base, err);
    result = result == MSCOPE_OK ? name_row(&row, job, &job->params->tests[i_test], err) : result;
    result = result == MSCOPE_OK ? record_fail(&row, status, reason, err) : result;
    if (result == MSCOPE_OK) {
        job->params->take(job->params->user, &row);
    }
    record_free(&row);
    return result;
}
