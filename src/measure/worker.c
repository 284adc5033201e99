/* SPDX-License-Identifier: MIT */
/* One block of runs in a child process. */
#include "measure/worker.h"

#include "base/clock.h"
#include "machine/machine.h"
#include "measure/condition.h"
#include "measure/provenance.h"
#include "measure/roofs.h"
#include "measure/sense.h"
#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WARMUP_GEN = 16,
    OVERHEAD_FOURS = 96, /* of steps: off, on, on, off */
    OVERHEAD_GEN = 4 * OVERHEAD_FOURS + 1,
    FIT_WORDS_TO_TOKENS = 3
};
static const double TOKENS_PER_WORD = 1.35; /* of English, vocabularies of 50 to 256 thousand */
static const char WARMUP_TEXT[] =
    "Before anything is timed, the machine reads a few lines so that its caches, clocks and memory "
    "are in the state in which they will stay. This text is only read for that purpose.";

struct worker {
    const struct worker_job *job;
    FILE *out;
    struct driver *driver;
    struct record row; /* of the current cell */
    struct sense *sense;
    double load_ms;       /* NaN once it was reported */
    struct record opened; /* what open told of the model */
    int n_warmup;
    int warmup_stable;
    double handoff_ns;              /* of a cache line, after the row before; NaN: not known */
    double overhead, overhead_ci95; /* of the split, NaN when not measured */
};

static int open_block(struct worker *worker);
static enum mscope_status warm_up(struct worker *worker, struct mscope_error *err);
static enum mscope_status short_run(struct record *scratch, struct worker *worker,
                                    const struct driver_task *task, struct mscope_error *err);
static enum mscope_status measure_overhead(struct worker *worker, struct mscope_error *err);
static enum mscope_status run_cell(struct worker *worker, int i, struct mscope_error *err);
static enum mscope_status prepare_row(struct worker *worker, const struct worker_cell *cell,
                                      struct mscope_error *err);
static enum mscope_status finish_row(struct worker *worker, struct mscope_error *err);
static enum mscope_status judge_place(struct worker *worker, struct mscope_error *err);
static enum mscope_status send_row(struct worker *worker, struct mscope_error *err);
static int give_up(struct worker *worker, const struct mscope_error *err);
static void sleep_s(double seconds);

int worker_main(void *user, FILE *out)
{
    struct worker worker = {.job = user, .out = out, .load_ms = NAN, .handoff_ns = NAN};
    worker.overhead = worker.overhead_ci95 = NAN;
    worker.warmup_stable = RECORD_NO_BOOL;
    record_init(&worker.row);
    record_init(&worker.opened);
    struct mscope_error err = {0};
    int code = open_block(&worker);
    if (code == 0) {
        enum mscope_status status = warm_up(&worker, &err);
        if (status == MSCOPE_OK && worker.job->experiment->probe_overhead &&
            worker.job->class == &driver_own) { /* no other engine has a split to pay for */
            status = measure_overhead(&worker, &err);
        }
        if (status != MSCOPE_OK) {
            code = give_up(&worker, &err);
        }
    }
    for (int i = 0; i < worker.job->n_cells && code == 0; i++) {
        if (run_cell(&worker, i, &err) != MSCOPE_OK) {
            code = give_up(&worker, &err);
        }
    }
    sense_close(&worker.sense);
    if (worker.driver != NULL) {
        worker.job->class->close(&worker.driver);
    }
    record_free(&worker.row);
    record_free(&worker.opened);
    return code;
}

int worker_stand_in_tokens(const struct config_prompt *prompt)
{
    int n = (int)lround(prompt->n_words * TOKENS_PER_WORD);
    return n > 0 ? n : 1;
}

static int open_block(struct worker *worker)
{
    const struct worker_job *job = worker->job;
    struct driver_settings settings = job->settings;
    int n_most = 0;
    for (int i = 0; i < job->n_cells; i++) {
        const struct config_prompt *prompt = job->cells[i].prompt;
        int n = job->is_stand_in ? worker_stand_in_tokens(prompt)
                                 : FIT_WORDS_TO_TOKENS * prompt->n_words;
        n_most = n > n_most ? n : n_most;
        if (!job->is_stand_in &&
            (settings.fit_prompt == NULL || strlen(prompt->text) > strlen(settings.fit_prompt))) {
            settings.fit_prompt = prompt->text;
        }
    }
    int n_warm = job->is_stand_in ? 256 : FIT_WORDS_TO_TOKENS * config_count_words(WARMUP_TEXT);
    n_most = n_most > n_warm ? n_most : n_warm;
    int n_least = job->experiment->probe_overhead ? OVERHEAD_GEN : WARMUP_GEN;
    int n_gen = job->experiment->n_gen > n_least ? job->experiment->n_gen : n_least;
    settings.n_ctx = n_most + n_gen;
    settings.fit_gen = n_gen;
    struct mscope_error err = {0};
    if (job->class->open(&worker->driver, &settings, &worker->opened, &err) != MSCOPE_OK) {
        return give_up(worker, &err);
    }
    worker->load_ms = worker->opened.load_ms;
    if (sense_open(&worker->sense, job->device, job->sensor_root, &err) != MSCOPE_OK) {
        return give_up(worker, &err);
    }
    fprintf(worker->out, "O\n");
    fflush(worker->out);
    return 0;
}

/* Until two successive decode rates agree; what did not settle is measured all the same, and says
 * so. */
static enum mscope_status warm_up(struct worker *worker, struct mscope_error *err)
{
    const struct config_experiment *experiment = worker->job->experiment;
    double before = NAN;
    for (int i = 1; i <= experiment->warmup_max && worker->warmup_stable != 1; i++) {
        fprintf(worker->out, "W %d\n", i);
        fflush(worker->out);
        struct record scratch;
        enum mscope_status status = short_run(
            &scratch, worker, &(struct driver_task){.n_gen = WARMUP_GEN, .timing = true}, err);
        /* the median step ignores what a neighbour did to some of them */
        double rate = scratch.tpot_ms_p50 > 0 ? 1e3 / scratch.tpot_ms_p50 : scratch.decode_tps;
        record_free(&scratch);
        if (status != MSCOPE_OK) {
            return status;
        }
        worker->n_warmup = i;
        worker->warmup_stable = fabs(rate - before) <= experiment->warmup_spread * rate ? 1 : 0;
        before = rate;
    }
    return MSCOPE_OK;
}

/* Steps without and with the split in turn, each four of them a pair of pairs in which a drift
 * cancels: the median over the fours of time with over time without. */
static enum mscope_status measure_overhead(struct worker *worker, struct mscope_error *err)
{
    double ratios[OVERHEAD_FOURS];
    struct record scratch;
    const struct driver_task task = {.n_gen = OVERHEAD_GEN, .timing_in_turn = true};
    fprintf(worker->out, "W %d\n", worker->n_warmup + 1);
    fflush(worker->out);
    enum mscope_status status = short_run(&scratch, worker, &task, err);
    for (int i = 0; i < OVERHEAD_FOURS && status == MSCOPE_OK; i++) {
        double ms[2] = {0, 0};
        for (int k = 4 * i; k < 4 * i + 4; k++) {
            const double *stamps = scratch.token_ms.values;
            ms[driver_step_is_split(k)] += stamps[k] - (k > 0 ? stamps[k - 1] : 0);
        }
        ratios[i] = ms[1] / ms[0] - 1;
    }
    record_free(&scratch);
    if (status == MSCOPE_OK) {
        worker->overhead = stats_of(ratios, OVERHEAD_FOURS).median;
        worker->overhead_ci95 = stats_median_ci95(ratios, OVERHEAD_FOURS);
        fprintf(worker->out, "N cost of the split by phase: %+.2f %% of a token (± %.2f %%)\n",
                100 * worker->overhead, 100 * worker->overhead_ci95);
        fflush(worker->out);
    }
    return status;
}

/* The task with our own text. The caller frees `scratch`. */
static enum mscope_status short_run(struct record *scratch, struct worker *worker,
                                    const struct driver_task *task, struct mscope_error *err)
{
    struct driver_marks marks;
    struct driver_task whole = *task;
    whole.prompt = WARMUP_TEXT;
    whole.n_bytes = strlen(WARMUP_TEXT);
    whole.n_tokens = worker->job->is_stand_in ? 32 : 0;
    record_init(scratch);
    return worker->job->class->run(worker->driver, &whole, scratch, &marks, err);
}

static enum mscope_status run_cell(struct worker *worker, int i, struct mscope_error *err)
{
    const struct worker_job *job = worker->job;
    const struct worker_cell *cell = &job->cells[i];
    const struct config_prompt *prompt = cell->prompt;
    sleep_s(job->cooldown_s);
    enum mscope_status status = prepare_row(worker, cell, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    sense_before(worker->sense, &worker->row);
    fprintf(worker->out, "B %d\n", i);
    fflush(worker->out);
    struct driver_task task = {
        .prompt = prompt->text,
        .n_bytes = strlen(prompt->text),
        .n_tokens = job->is_stand_in ? worker_stand_in_tokens(prompt) : 0,
        .n_gen = job->experiment->n_gen,
        .timing = true,
        .want_histogram = job->experiment->histogram,
    };
    struct condition_mark before, after;
    struct driver_marks marks = {0};
    struct mscope_error problem = {0};
    condition_look(&before, job->sensor_root);
    sense_start(worker->sense);
    enum mscope_status run_status =
        job->class->run(worker->driver, &task, &worker->row, &marks, &problem);
    sense_stop(worker->sense);
    condition_look(&after, job->sensor_root);
    if (run_status != MSCOPE_OK) {
        char text[800];
        mscope_error_text(&problem, text, sizeof text);
        bool timed_out = worker->row.status != NULL && strcmp(worker->row.status, "timeout") == 0;
        status = record_fail(&worker->row,
                             timed_out                         ? "timeout"
                             : run_status == MSCOPE_ERR_MEMORY ? "oom"
                                                               : "failed",
                             text, err);
    } else {
        status = record_set_text(&worker->row.status, "ok", err);
        if (status == MSCOPE_OK && !isnan(worker->load_ms)) {
            worker->row.load_ms = worker->load_ms;
            worker->row.wall_ms += worker->load_ms;
            worker->load_ms = NAN;
        }
        status =
            status == MSCOPE_OK ? sense_report(worker->sense, &marks, &worker->row, err) : status;
        status = status == MSCOPE_OK ? finish_row(worker, err) : status;
        if (i + 1 == job->n_cells && strcmp(worker->row.status, "ok") == 0) {
            uint64_t start_ns = clock_now_ns();
            job->class->close(&worker->driver);
            worker->row.shutdown_ms = (double)(clock_now_ns() - start_ns) * 1e-6;
        }
    }
    if (status == MSCOPE_OK) {
        status = condition_judge(&worker->row, &before, &after, job->device->temp_limit_c, err);
    }
    if (status == MSCOPE_OK && strcmp(worker->row.status, "ok") == 0) {
        status = judge_place(worker, err);
    }
    return status == MSCOPE_OK ? send_row(worker, err) : status;
}

static enum mscope_status prepare_row(struct worker *worker, const struct worker_cell *cell,
                                      struct mscope_error *err)
{
    struct record *row = &worker->row;
    const struct record *opened = &worker->opened;
    enum mscope_status status = record_copy(row, worker->job->base, err);
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&row->cell, cell->name},
        {&row->prompt, cell->prompt->id},
        {&row->prompt_category, config_category_name(cell->prompt->category)},
        {&row->stratum, config_stratum_name(cell->prompt->stratum)},
        {&row->arch, opened->arch},
        {&row->quant, opened->quant != NULL ? opened->quant : worker->job->base->quant},
        {&row->engine_detail, opened->engine_detail},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MSCOPE_OK; i++) {
        status = record_set_text(texts[i].field, texts[i].text, err);
    }
    row->order_index = cell->order_index;
    row->repetition = worker->job->repetition;
    row->prompt_words = cell->prompt->n_words;
    row->params_total = opened->params_total;
    row->params_active = opened->params_active;
    row->n_depth = 0;
    if (opened->model_bytes != RECORD_NO_INT) {
        row->model_bytes = opened->model_bytes;
    }
    if (opened->synthetic != RECORD_NO_BOOL) {
        row->synthetic = opened->synthetic;
    }
    row->warmup_runs = worker->n_warmup;
    row->warmup_stable = worker->warmup_stable;
    row->cooldown_s = worker->job->cooldown_s;
    row->probe_overhead_share = worker->overhead;
    row->probe_overhead_ci95 = worker->overhead_ci95;
    return status == MSCOPE_OK ? provenance_stamp(row, err) : status;
}

/* Sanity, the sparsity-aware utilisations (docs/MEASURING.md), and memory where the run was in this
 * process. */
static enum mscope_status finish_row(struct worker *worker, struct mscope_error *err)
{
    struct record *row = &worker->row;
    for (size_t i = 1; i < row->token_ms.n; i++) {
        if (row->token_ms.values[i] < row->token_ms.values[i - 1]) {
            return record_fail(row, "failed", "time stamps of the tokens go backwards", err);
        }
    }
    if (row->roof_read_gbps > 0) {
        row->s_mbu = row->bytes_per_token * row->decode_tps / (row->roof_read_gbps * 1e9);
    }
    if (row->roof_int8_gops > 0 && row->prefill_flops != RECORD_NO_INT) {
        row->s_mfu =
            (double)row->prefill_flops / (row->prefill_ms * 1e-3) / (row->roof_int8_gops * 1e9);
    }
    if (row->peak_rss_bytes == RECORD_NO_INT && worker->job->class == &driver_own) {
        sense_memory(row);
    }
    return MSCOPE_OK;
}

/* Are the cores where they were when the roofs were measured? */
static enum mscope_status judge_place(struct worker *worker, struct mscope_error *err)
{
    double before_ns = worker->handoff_ns;
    if (isnan(worker->row.roof_handoff_ns)) {
        return MSCOPE_OK;
    }
    worker->handoff_ns = roofs_look_at_handoff(worker->job->settings.n_threads);
    return condition_judge_place(&worker->row, before_ns, worker->handoff_ns, err);
}

static enum mscope_status send_row(struct worker *worker, struct mscope_error *err)
{
    json_t *json = record_to_json(&worker->row);
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (line == NULL) {
        return error_set_memory(err, "row", sizeof worker->row);
    }
    fprintf(worker->out, "R %s\n", line);
    fflush(worker->out);
    free(line);
    return MSCOPE_OK;
}

static int give_up(struct worker *worker, const struct mscope_error *err)
{
    char text[800];
    mscope_error_text(err, text, sizeof text);
    fprintf(worker->out, "X %s %s\n", err->status == MSCOPE_ERR_MEMORY ? "oom" : "failed", text);
    fflush(worker->out);
    return 1;
}

static void sleep_s(double seconds)
{
    if (!(seconds > 0)) {
        return;
    }
    struct timespec left = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&left, &left) != 0) {
    }
}
