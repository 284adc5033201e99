/* SPDX-License-Identifier: MIT */
/* Blocks in order, a worker for each, rows to the file. */
#include "measure/runner.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "machine/machine.h"
#include "measure/eta.h"
#include "measure/groups.h"
#include "measure/models.h"
#include "measure/provenance.h"
#include "measure/roofs.h"
#include "measure/worker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double GRACE_S = 60;
static const double MEMORY_SPARE_BYTES = 512e6;

struct runner {
    const struct runner_params *params;
    struct runner_result *result;
    struct row_file *file;
    struct roofs roofs;
    struct groups groups;
    struct eta *eta;
    int i_block; /* at which we are */
    struct mscope_error *err;
};

struct block_run { /* one block under way */
    struct runner *runner;
    const struct plan_block *block;
    struct models_choice model;
    struct record base;
    struct worker_job job;
    struct worker_cell *cells; /* unfinished ones */
    int n_cells;
    int i_current;                /* begun and without a row yet; -1: none */
    int n_retired;                /* of cells: those with a row */
    bool has_begun;               /* a cell, in the worker's process */
    uint64_t since_ns;            /* the worker's start, its first cell or its latest row */
    char reason[800], status[16]; /* said by the worker */
};

static enum mscope_status recall_row(void *user, const struct record *record, uint64_t i_line,
                                     struct mscope_error *err);
static enum mscope_status run_block(struct runner *runner, const struct plan_block *block);
static enum mscope_status list_cells(struct block_run *run);
static enum mscope_status prepare_base(struct block_run *run);
static void prepare_job(struct block_run *run);
static enum mscope_status prepare_model(struct block_run *run, bool *skip);
static enum mscope_status run_worker(struct block_run *run);
static enum mscope_status take_line(struct block_run *run, char *line);
static void note_begin(struct block_run *run);
static enum mscope_status take_row(struct block_run *run, const char *json);
static enum mscope_status conclude(struct block_run *run, enum child_event event,
                                   const struct child_end *end);
static enum mscope_status fail_cell(struct block_run *run, const struct worker_cell *cell,
                                    const char *status, const char *reason);
static enum mscope_status fail_rest(struct block_run *run, const char *status, const char *reason);
static enum mscope_status append(struct runner *runner, struct record *record);
static double cv_limit_of(const struct runner *runner, const char *experiment);
static void look_ahead(const struct runner *runner, struct runner_news *news);
static void tell(struct runner *runner, enum runner_news_kind kind, const struct record *record,
                 const char *format, ...) BASE_PRINTF(4, 5);
static void tell_model(void *user, const char *text);

enum mscope_status runner_run(struct runner_result *out, const struct runner_params *params,
                              struct mscope_error *err)
{
    *out = (struct runner_result){0};
    struct runner runner = {.params = params, .result = out, .err = err};
    enum mscope_status status = row_file_open(&runner.file, params->out_path, &out->file, err);
    status = status == MSCOPE_OK ? eta_open(&runner.eta, params->plan, err) : status;
    if (status == MSCOPE_OK) { /* again, for the rates; the lock is ours now */
        struct row_file_report unused;
        status = row_file_read(params->out_path, recall_row, &runner, &unused, err);
    }
    for (int i = 0; i < params->plan->n_cells && status == MSCOPE_OK; i++) {
        out->n_before += row_file_has(runner.file, params->plan->cells[i].name) ? 1 : 0;
    }
    for (int i = 0; i < params->plan->n_blocks && status == MSCOPE_OK && !out->was_stopped; i++) {
        runner.i_block = i;
        if (!params->plan->blocks[i].is_extra || out->hot) {
            status = run_block(&runner, &params->plan->blocks[i]);
        }
    }
    out->n_flagged = groups_n_flagged(&runner.groups);
    groups_free(&runner.groups);
    eta_close(&runner.eta);
    row_file_close(&runner.file);
    return status;
}

/* A row of an earlier start: what the flags depend on. */
static enum mscope_status recall_row(void *user, const struct record *record, uint64_t i_line,
                                     struct mscope_error *err)
{
    (void)i_line;
    struct runner *runner = user;
    if (record->thermal_hatch == 1) {
        runner->result->hot = true;
    }
    eta_take_row(runner->eta, record, NAN);
    struct stats unused;
    bool is_flagged;
    return groups_take(&runner->groups, record, cv_limit_of(runner, record->experiment), &unused,
                       &is_flagged, err);
}

static enum mscope_status run_block(struct runner *runner, const struct plan_block *block)
{
    struct block_run run = {.runner = runner, .block = block, .i_current = -1};
    bool skip = false;
    record_init(&run.base);
    enum mscope_status status = list_cells(&run);
    if (status == MSCOPE_OK && run.n_cells > 0) {
        status = prepare_base(&run);
        status = status == MSCOPE_OK ? prepare_model(&run, &skip) : status;
        if (status == MSCOPE_OK && !skip && runner->params->measure_roofs) {
            tell(runner, RUNNER_STEP, NULL, "measuring the ceilings of this machine");
            roofs_measure(&runner->roofs, &run.base, block->threads);
        }
        prepare_job(&run);
        while (status == MSCOPE_OK && !skip && run.n_retired < run.n_cells &&
               !runner->result->was_stopped) {
            status = run_worker(&run);
        }
    }
    free(run.model.path);
    free(run.cells);
    record_free(&run.base);
    return status;
}

static enum mscope_status list_cells(struct block_run *run)
{
    const struct plan *plan = run->runner->params->plan;
    run->cells = calloc((size_t)run->block->n_cells, sizeof *run->cells);
    if (run->cells == NULL) {
        return error_set_memory(run->runner->err, "cells", (uint64_t)run->block->n_cells);
    }
    for (int i = 0; i < run->block->n_cells; i++) {
        const struct plan_cell *cell = &plan->cells[run->block->first_cell + i];
        if (!row_file_has(run->runner->file, cell->name)) {
            run->cells[run->n_cells++] = (struct worker_cell){
                .prompt = cell->prompt, .name = cell->name, .order_index = cell->order_index};
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status prepare_base(struct block_run *run)
{
    const struct runner_params *params = run->runner->params;
    const struct config_model *model = run->block->model;
    struct mscope_error *err = run->runner->err;
    enum mscope_status status = record_copy(&run->base, params->base, err);
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&run->base.experiment, run->block->experiment->id},
        {&run->base.model, model->id},
        {&run->base.model_label, model->label},
        {&run->base.model_role, config_role_name(model->role)},
        {&run->base.quant, model->quant},
        {&run->base.device, params->device->id},
        {&run->base.engine, run->block->engine->name},
        {&run->base.kv_type, params->kv_type},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MSCOPE_OK; i++) {
        status = record_set_text(texts[i].field, texts[i].text, err);
    }
    run->base.threads = run->block->threads;
    run->base.repetition = run->block->repetition;
    run->base.n_gen = run->block->experiment->n_gen;
    run->base.thermal_hatch = run->runner->result->hot ? 1 : 0;
    return status;
}

/* Finds the file; a model that is not there or does not fit is rows that say so. */
static enum mscope_status prepare_model(struct block_run *run, bool *skip)
{
    struct runner *runner = run->runner;
    const struct runner_params *params = runner->params;
    const struct plan_engine *engine = run->block->engine;
    struct models_params finding = {
        .models_dir = params->models_dir,
        .no_stand_ins = params->no_stand_ins,
        .no_real = params->no_real,
        .make_room = true,
        .config = params->config,
        .tell = tell_model,
        .user = runner,
    };
    *skip = false;
    if (engine->class == &driver_http) {
        return MSCOPE_OK; /* the server has it */
    }
    struct mscope_error problem = {0};
    enum mscope_status status = models_find(&run->model, run->block->model, &finding, &problem);
    if (status == MSCOPE_OK) {
        run->base.synthetic = run->model.is_stand_in;
        tell(runner, RUNNER_STEP, NULL, "hashing %s", run->block->model->label);
        status = provenance_fill_model(&run->base, run->model.path, &problem);
    }
    if (status != MSCOPE_OK) {
        char text[800];
        *skip = true;
        return fail_rest(run, "skipped", mscope_error_text(&problem, text, sizeof text));
    }
    struct machine_memory memory;
    double need = (double)run->base.model_bytes + MEMORY_SPARE_BYTES;
    if (params->fit && machine_read_memory(&memory, NULL) == MSCOPE_OK &&
        need > (double)memory.available) {
        char text[200], need_text[UNITS_TEXT_BYTES], free_text[UNITS_TEXT_BYTES];
        snprintf(text, sizeof text, "needs %s of memory, %s are free",
                 units_bytes(need_text, (uint64_t)need), units_bytes(free_text, memory.available));
        *skip = true;
        return fail_rest(run, "skipped", text);
    }
    return MSCOPE_OK;
}

static void prepare_job(struct block_run *run)
{
    const struct runner_params *params = run->runner->params;
    const struct config_experiment *experiment = run->block->experiment;
    run->job = (struct worker_job){
        .class = run->block->engine->class,
        .settings =
            {
                .target = run->block->engine->target,
                .model_path = run->model.path,
                .model_id = run->block->model->id,
                .n_threads = run->block->threads,
                .kv_type = params->kv_type,
                .cpu_level = params->cpu_level,
                .timeout_s = experiment->timeout_s,
                .api_key = params->api_key,
                .seed = (uint64_t)params->base->seed,
            },
        .experiment = experiment,
        .device = params->device,
        .base = &run->base,
        .repetition = run->block->repetition,
        .is_stand_in = run->model.is_stand_in,
        .cooldown_s = fmax(experiment->cooldown_s, params->device->cooldown_s),
        .sensor_root = params->sensor_root,
    };
}

/* One process for the cells that have no row yet; each retires at least one of them. */
static enum mscope_status run_worker(struct block_run *run)
{
    struct runner *runner = run->runner;
    int n_before = run->n_retired;
    run->job.cells = run->cells + n_before;
    run->job.n_cells = run->n_cells - n_before;
    run->i_current = -1;
    run->has_begun = false;
    run->reason[0] = run->status[0] = '\0';
    tell(runner, RUNNER_STEP, NULL, "%s: opening with %d threads", run->block->model->label,
         run->block->threads);
    struct child child;
    enum mscope_status status = child_start(&child, worker_main, &run->job, runner->err);
    if (status != MSCOPE_OK) {
        return status;
    }
    double limit_s = run->job.settings.timeout_s;
    double grace_s = runner->params->grace_s > 0 ? runner->params->grace_s : GRACE_S;
    limit_s = limit_s > 0 ? limit_s + run->job.cooldown_s + grace_s : 0;
    run->since_ns = clock_now_ns();
    char *line;
    enum child_event event;
    while ((event = child_read(&child, &line, limit_s, runner->params->stopped,
                               runner->params->user)) == CHILD_LINE) {
        status = take_line(run, line);
        if (status != MSCOPE_OK) {
            break;
        }
    }
    struct child_end end;
    child_finish(&child, event != CHILD_END, &end);
    return status == MSCOPE_OK ? conclude(run, event, &end) : status;
}

static enum mscope_status take_line(struct block_run *run, char *line)
{
    struct runner *runner = run->runner;
    const char *label = run->block->model->label;
    switch (line[0]) {
    case 'O':
        return MSCOPE_OK;
    case 'W':
        tell(runner, RUNNER_STEP, NULL, "%s: warm-up%s", label, line + 1);
        return MSCOPE_OK;
    case 'N':
        tell(runner, RUNNER_NOTE, NULL, "%s, %d threads: %s", label, run->block->threads, line + 2);
        return MSCOPE_OK;
    case 'B':
        run->i_current = run->n_cells - run->job.n_cells + (int)strtol(line + 1, NULL, 10);
        if (run->i_current < 0 || run->i_current >= run->n_cells) {
            run->i_current = -1;
            return MSCOPE_OK;
        }
        note_begin(run);
        tell(runner, RUNNER_STEP, NULL, "%s: %s, repetition %d", label,
             run->cells[run->i_current].prompt->id, run->block->repetition);
        return MSCOPE_OK;
    case 'R':
        return take_row(run, line + 2);
    case 'X':
        snprintf(run->status, sizeof run->status, "%.*s", (int)strcspn(line + 2, " "), line + 2);
        snprintf(run->reason, sizeof run->reason, "%.799s",
                 line + 2 + strlen(run->status) + (line[2 + strlen(run->status)] == ' ' ? 1 : 0));
        return MSCOPE_OK;
    default:
        return MSCOPE_OK;
    }
}

/* Before the first cell the process opened and warmed up. */
static void note_begin(struct block_run *run)
{
    if (!run->has_begun) {
        uint64_t now_ns = clock_now_ns();
        eta_take_opening(run->runner->eta, run->block, (double)(now_ns - run->since_ns) * 1e-9);
        run->since_ns = now_ns;
        run->has_begun = true;
    }
}

static enum mscope_status take_row(struct block_run *run, const char *json)
{
    struct record record;
    record_init(&record);
    enum mscope_status status = record_from_line(&record, json, strlen(json), run->runner->err);
    if (status == MSCOPE_OK) {
        double limit_c = run->runner->params->device->temp_limit_c;
        if (limit_c > 0 && record.temp_peak_c > limit_c) {
            if (!run->runner->result->hot) {
                tell(run->runner, RUNNER_NOTE, NULL,
                     "%.1f C is above %.1f C: repetitions rise to %d", record.temp_peak_c, limit_c,
                     run->block->experiment->repetitions_hot);
            }
            run->runner->result->hot = true;
            record.thermal_hatch = 1;
        }
        uint64_t now_ns = clock_now_ns();
        eta_take_row(run->runner->eta, &record, (double)(now_ns - run->since_ns) * 1e-9);
        run->since_ns = now_ns;
        status = append(run->runner, &record);
        run->n_retired++;
        run->i_current = -1;
    }
    record_free(&record);
    return status;
}

/* What became of the worker, in rows: the cell it was at, or all where it never began one. */
static enum mscope_status conclude(struct block_run *run, enum child_event event,
                                   const struct child_end *end)
{
    if (event == CHILD_STOPPED) {
        run->runner->result->was_stopped = true;
        return MSCOPE_OK;
    }
    if (run->n_retired == run->n_cells) {
        return MSCOPE_OK;
    }
    char reason[900];
    const char *status = "failed";
    if (event == CHILD_TIMEOUT) {
        status = "timeout";
        snprintf(reason, sizeof reason, "not done after %g s: the process was ended",
                 run->job.settings.timeout_s);
    } else if (run->reason[0] != '\0') {
        status = strcmp(run->status, "oom") == 0 ? "oom" : "failed";
        snprintf(reason, sizeof reason, "%s", run->reason);
    } else if (end->killed_for_memory) {
        status = "oom";
        snprintf(reason, sizeof reason,
                 "the process was killed (signal 9), most likely for lack of memory");
    } else {
        snprintf(reason, sizeof reason, "the process %s", end->text);
    }
    tell(run->runner, RUNNER_NOTE, NULL, "%s: %s", run->block->model->label, reason);
    if (run->i_current < 0 || run->reason[0] != '\0') {
        return fail_rest(run, status,
                         reason); /* opening or warming up: no other cell would do better */
    }
    return fail_cell(run, &run->cells[run->i_current], status, reason);
}

static enum mscope_status fail_rest(struct block_run *run, const char *status, const char *reason)
{
    enum mscope_status result = MSCOPE_OK;
    while (run->n_retired < run->n_cells && result == MSCOPE_OK) {
        result = fail_cell(run, &run->cells[run->n_retired], status, reason);
    }
    return result;
}

static enum mscope_status fail_cell(struct block_run *run, const struct worker_cell *cell,
                                    const char *status, const char *reason)
{
    struct mscope_error *err = run->runner->err;
    struct record record;
    record_init(&record);
    enum mscope_status result = record_copy(&record, &run->base, err);
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&record.cell, cell->name},
        {&record.prompt, cell->prompt->id},
        {&record.prompt_category, config_category_name(cell->prompt->category)},
        {&record.stratum, config_stratum_name(cell->prompt->stratum)},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && result == MSCOPE_OK; i++) {
        result = record_set_text(texts[i].field, texts[i].text, err);
    }
    record.order_index = cell->order_index;
    record.prompt_words = cell->prompt->n_words;
    result = result == MSCOPE_OK ? provenance_stamp(&record, err) : result;
    result = result == MSCOPE_OK ? record_fail(&record, status, reason, err) : result;
    result = result == MSCOPE_OK ? append(run->runner, &record) : result;
    run->n_retired++;
    run->i_current = -1;
    record_free(&record);
    return result;
}

static enum mscope_status append(struct runner *runner, struct record *record)
{
    struct stats stats;
    bool is_flagged;
    enum mscope_status status =
        groups_take(&runner->groups, record, cv_limit_of(runner, record->experiment), &stats,
                    &is_flagged, runner->err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (strcmp(record->status, "ok") == 0) {
        record->decode_tps_cv = stats.cv;
        record->cv_flag = stats.n > 1 ? is_flagged : RECORD_NO_BOOL;
        runner->result->n_ok++;
    } else if (strcmp(record->status, "skipped") == 0) {
        runner->result->n_skipped++;
    } else {
        runner->result->n_failed++;
    }
    status = row_file_append(runner->file, record, runner->err);
    if (status == MSCOPE_OK) {
        tell(runner, RUNNER_ROW, record, "%s", record->cell);
    }
    return status;
}

static double cv_limit_of(const struct runner *runner, const char *experiment)
{
    const struct config *config = runner->params->config;
    for (unsigned i = 0; i < config->n_experiments && experiment != NULL; i++) {
        if (strcmp(config->experiments[i].id, experiment) == 0) {
            return config->experiments[i].cv_limit;
        }
    }
    return 0.10;
}

static void tell(struct runner *runner, enum runner_news_kind kind, const struct record *record,
                 const char *format, ...)
{
    if (runner->params->tell == NULL) {
        return;
    }
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct runner_news news = {.kind = kind, .text = text, .record = record};
    look_ahead(runner, &news);
    runner->params->tell(runner->params->user, &news);
}

/* Cells with and without a row, and the time that the latter will take. Extra repetitions count
 * where they are there or will be run. */
static void look_ahead(const struct runner *runner, struct runner_news *news)
{
    const struct plan *plan = runner->params->plan;
    for (int i = 0; i < plan->n_blocks; i++) {
        const struct plan_block *block = &plan->blocks[i];
        bool wanted = !block->is_extra || (runner->result->hot && i >= runner->i_block);
        int n_left = 0;
        for (int j = 0; j < block->n_cells; j++) {
            const struct plan_cell *cell = &plan->cells[block->first_cell + j];
            bool there = row_file_has(runner->file, cell->name);
            news->n_done += there ? 1 : 0;
            news->n_total += there || wanted ? 1 : 0;
            if (!there && wanted) {
                news->left_s += eta_cell_s(runner->eta, block, cell);
                n_left++;
            }
        }
        if (n_left > 0 && i != runner->i_block) {
            news->left_s += eta_opening_s(runner->eta, block);
        }
    }
}

static void tell_model(void *user, const char *text)
{
    tell(user, RUNNER_NOTE, NULL, "%s", text);
}
