/* SPDX-License-Identifier: MIT */
/* The child process of a bench: one engine, all tests. */
#include "measure/bench_internal.h"

#include "measure/condition.h"
#include "measure/sense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP_TOKENS = 128, WARM_UP_GEN = 2 };

static const char bench_passage[] =
    "The clock in the tower had stopped at twenty past four so long ago that the people of the "
    "town set their appointments by it: to meet at the clock meant to meet whenever both had "
    "arrived. When the council decided to have it mended, there was a vote, and the vote was "
    "close. The clockmaker came from two valleys away with his tools in a pram. He found that "
    "the works were sound. A nest of jackdaws had blocked the weights, and the oil had turned to "
    "something like varnish. He cleaned the wheels with a brush and paraffin, moved the nest to "
    "the chimney of the town hall, and set the hands by the radio. For a week nothing changed. "
    "Then the baker noticed that his first customers came earlier, and the teacher that her "
    "pupils came later, because they could now see from their beds how much time was left. Old "
    "Mrs Ferrand complained that the striking of the hours reminded her of how few of them she "
    "slept. The ferryman, who had never owned a watch, put up a timetable. In the second month "
    "somebody climbed the tower at night and stopped the clock again, at twenty past four. "
    "Nobody was seen, and nobody was asked. But in the morning both hands had been tied together "
    "with a blue ribbon of the kind that only the teacher used, and when the clockmaker was sent "
    "for he answered that he had many orders, that the road was bad, and that a clock which is "
    "right twice a day need not be ashamed before most of us. ";

static enum mscope_status measure(struct bench_job *job, struct driver *driver,
                                  const struct record *opened, struct mscope_error *err);
static enum mscope_status run_text_tests(struct bench_job *job, struct driver *driver,
                                         const struct record *opened, struct mscope_error *err);
static enum mscope_status run_once(struct bench_job *job, struct driver *driver, int i_test,
                                   const struct record *opened, struct mscope_error *err);
static void run_warm_up(struct bench_job *job, struct driver *driver);
static enum mscope_status run_program_tests(struct bench_job *job, struct driver *driver,
                                            const struct record *opened, struct mscope_error *err);
static struct driver_task make_task(const struct bench_params *params,
                                    const struct driver_test *test);
static enum mscope_status start_row(struct record *row, const struct bench_job *job, int i_test,
                                    const struct record *opened, struct mscope_error *err);
static enum mscope_status send(struct bench_job *job, int i_test, const struct record *row,
                               struct mscope_error *err);
static void send_failure(struct bench_job *job, int i_test, const struct record *row,
                         const struct mscope_error *err);

int bench_worker_main(void *user, FILE *out)
{
    struct bench_job *job = user;
    const struct bench_params *params = job->params;
    job->out = out;
    struct driver_settings settings = {.target = job->engine->target,
                                       .model_path = params->path,
                                       .model_id = job->base->model,
                                       .n_threads = params->n_threads,
                                       .n_ctx = WARM_UP_TOKENS + WARM_UP_GEN,
                                       .n_batch = params->n_batch,
                                       .kv_type = params->kv_type,
                                       .cpu_level = params->cpu_level,
                                       .timeout_s = params->timeout_s,
                                       .api_key = params->api_key,
                                       .seed = params->seed};
    for (int i = 0; i < params->n_tests; i++) {
        const struct driver_test *test = &params->tests[i];
        int n_ctx = test->n_depth + (test->n_prompt > 0 ? test->n_prompt : 1) + test->n_gen + 1;
        settings.n_ctx = n_ctx > settings.n_ctx ? n_ctx : settings.n_ctx;
    }
    struct record opened;
    struct driver *driver = NULL;
    struct mscope_error err = {0};
    record_init(&opened);
    enum mscope_status status = job->engine->class->open(&driver, &settings, &opened, &err);
    status = status == MSCOPE_OK ? measure(job, driver, &opened, &err) : status;
    if (status != MSCOPE_OK) {
        send_failure(job, -1, NULL, &err);
    }
    if (driver != NULL) {
        job->engine->class->close(&driver);
    }
    record_free(&opened);
    return status == MSCOPE_OK ? 0 : 1;
}

static enum mscope_status measure(struct bench_job *job, struct driver *driver,
                                  const struct record *opened, struct mscope_error *err)
{
    return job->engine->class->run_all != NULL ? run_program_tests(job, driver, opened, err)
                                               : run_text_tests(job, driver, opened, err);
}

/* With one engine each test is run once unmeasured; where engines take turns that would be too
 * long, and a process is warmed up once, like a program of tests. */
static enum mscope_status run_text_tests(struct bench_job *job, struct driver *driver,
                                         const struct record *opened, struct mscope_error *err)
{
    const struct bench_params *params = job->params;
    bool alone = params->n_rounds == 1;
    if (!alone) {
        run_warm_up(job, driver);
    }
    for (int i = 0; i < params->n_tests; i++) {
        for (int k = alone ? 0 : 1; k <= params->n_repetitions; k++) {
            char name[BENCH_NAME_BYTES];
            fprintf(job->out, "S %s, %s, run %d of %d\n", job->engine->name,
                    bench_test_name(name, &params->tests[i]), k, params->n_repetitions);
            fflush(job->out);
            if (k == 0) { /* what fails now fails again, and is told then */
                struct driver_task task = make_task(params, &params->tests[i]);
                struct driver_marks marks;
                struct record unused;
                record_init(&unused);
                job->engine->class->run(driver, &task, &unused, &marks, err);
                record_free(&unused);
                *err = (struct mscope_error){0};
                continue;
            }
            struct mscope_error problem = {0};
            enum mscope_status status = run_once(job, driver, i, opened, &problem);
            if (status == MSCOPE_ERR_MEMORY) {
                *err = problem;
                return status;
            }
            if (status != MSCOPE_OK) {
                break; /* told */
            }
        }
    }
    return MSCOPE_OK;
}

static void run_warm_up(struct bench_job *job, struct driver *driver)
{
    const struct driver_test test = {WARM_UP_TOKENS, WARM_UP_GEN, 0};
    struct driver_task task = make_task(job->params, &test);
    struct driver_marks marks;
    struct record unused;
    struct mscope_error ignored = {0};
    if (job->engine->class == &driver_llama_cpp) {
        return; /* every run is a process of its own */
    }
    fprintf(job->out, "S %s, warm-up\n", job->engine->name);
    fflush(job->out);
    record_init(&unused);
    job->engine->class->run(driver, &task, &unused, &marks, &ignored);
    record_free(&unused);
}

static struct driver_task make_task(const struct bench_params *params,
                                    const struct driver_test *test)
{
    const char *text = params->text != NULL ? params->text : bench_passage;
    return (struct driver_task){
        .prompt = params->random ? NULL : text,
        .n_bytes = params->random ? 0 : strlen(text),
        .n_tokens = test->n_prompt > 0 ? test->n_prompt : 1,
        .n_gen = test->n_gen > 0 ? test->n_gen : 1, /* the first token is what TTFT waits for */
        .n_depth = test->n_depth,
        .timing = true,
    };
}

static enum mscope_status run_once(struct bench_job *job, struct driver *driver, int i_test,
                                   const struct record *opened, struct mscope_error *err)
{
    const struct driver_test *test = &job->params->tests[i_test];
    struct driver_task task = make_task(job->params, test);
    struct driver_marks marks;
    struct condition_mark before, after;
    struct record row;
    record_init(&row);
    enum mscope_status status = start_row(&row, job, i_test, opened, err);
    condition_look(&before, "");
    status =
        status == MSCOPE_OK ? job->engine->class->run(driver, &task, &row, &marks, err) : status;
    condition_look(&after, "");
    if (status == MSCOPE_OK) {
        row.n_gen = test->n_gen;
        row.n_prompt = test->n_prompt;
        row.n_depth = test->n_depth;
        if (job->engine->class == &driver_own) {
            row.load_ms = opened->load_ms;
            sense_memory(&row);
        }
        status = condition_judge(&row, &before, &after, 0, err);
    }
    if (status == MSCOPE_OK) {
        status = send(job, i_test, &row, err);
    } else {
        send_failure(job, i_test, &row, err);
    }
    record_free(&row);
    return status;
}

static enum mscope_status run_program_tests(struct bench_job *job, struct driver *driver,
                                            const struct record *opened, struct mscope_error *err)
{
    const struct bench_params *params = job->params;
    struct record *rows = calloc((size_t)params->n_tests, sizeof *rows);
    if (rows == NULL) {
        return error_set_memory(err, "rows", (uint64_t)params->n_tests * sizeof *rows);
    }
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < params->n_tests; i++) {
        record_init(&rows[i]);
        status = status == MSCOPE_OK ? start_row(&rows[i], job, i, opened, err) : status;
    }
    fprintf(job->out, "S %s\n", job->engine->name);
    fflush(job->out);
    struct condition_mark before, after;
    condition_look(&before, "");
    if (status == MSCOPE_OK) {
        status = job->engine->class->run_all(driver, params->tests, params->n_tests,
                                             params->n_repetitions, rows, err);
    }
    condition_look(&after, "");
    for (int i = 0; i < params->n_tests && status == MSCOPE_OK; i++) {
        rows[i].n_prompt = params->tests[i].n_prompt;
        status = condition_judge(&rows[i], &before, &after, 0, err);
        status = status == MSCOPE_OK ? send(job, i, &rows[i], err) : status;
    }
    if (status != MSCOPE_OK) {
        send_failure(job, -1, &rows[0], err);
    }
    for (int i = 0; i < params->n_tests; i++) {
        record_free(&rows[i]);
    }
    free(rows);
    return MSCOPE_OK; /* a failure is told */
}

static enum mscope_status start_row(struct record *row, const struct bench_job *job, int i_test,
                                    const struct record *opened, struct mscope_error *err)
{
    enum mscope_status status = record_copy(row, job->base, err);
    status = status == MSCOPE_OK
                 ? bench_name_row(row, job->params, job->engine, &job->params->tests[i_test], err)
                 : status;
    const struct {
        char **field;
        const char *text;
    } texts[] = {{&row->arch, opened->arch},
                 {&row->quant, opened->quant},
                 {&row->engine_detail, opened->engine_detail}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MSCOPE_OK; i++) {
        status =
            texts[i].text != NULL ? record_set_text(texts[i].field, texts[i].text, err) : status;
    }
    row->params_total = opened->params_total;
    row->params_active = opened->params_active;
    if (opened->model_bytes > 0) {
        row->model_bytes = opened->model_bytes;
    }
    return status;
}

static enum mscope_status send(struct bench_job *job, int i_test, const struct record *row,
                               struct mscope_error *err)
{
    json_t *json = record_to_json(row);
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (line == NULL) {
        return error_set_memory(err, "row", sizeof *row);
    }
    fprintf(job->out, "R %d %s\n", i_test, line);
    fflush(job->out);
    free(line);
    return MSCOPE_OK;
}

static void send_failure(struct bench_job *job, int i_test, const struct record *row,
                         const struct mscope_error *err)
{
    char text[800];
    bool timed_out = row != NULL && row->status != NULL && strcmp(row->status, "timeout") == 0;
    mscope_error_text(err, text, sizeof text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    fprintf(job->out, "X %d %s %s\n", i_test,
            timed_out                          ? "timeout"
            : err->status == MSCOPE_ERR_MEMORY ? "oom"
                                               : "failed",
            text);
    fflush(job->out);
}
