/* SPDX-License-Identifier: MIT */
/* study: the experiments of configs/, as rows in a file. */
#include "cli/bench_engines.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/study_view.h"

#include "base/strbuf.h"
#include "base/units.h"
#include "machine/machine.h"
#include "measure/models.h"
#include "measure/provenance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NAMES = 32, MAX_MODELS = 32, FULL_SEED = 42 };

struct study {
    const struct options *options;
    struct config *config;
    const struct config_device *device;
    const struct config_experiment *experiments[MAX_NAMES];
    int n_experiments;
    char name[64]; /* "full", "quick", ... */
    struct plan_engine engines[PLAN_MAX_ENGINES];
    struct strbuf api_key;
    int n_engines;
    char *only_models; /* split in place */
    const char *models[MAX_MODELS];
    int n_models;
    int threads[PLAN_MAX_THREADS];
    int n_threads;
    bool by_model;
    struct plan *plan;
    struct record base;
    struct strbuf out_path;
};

static enum mscope_status open_study(struct study *study, const struct options *options,
                                     struct mscope_error *err);
static enum mscope_status choose_experiments(struct study *study, struct mscope_error *err);
static enum mscope_status choose_engines(struct study *study, struct mscope_error *err);
static enum mscope_status choose_device(struct study *study, struct mscope_error *err);
static enum mscope_status split_models(struct study *study, struct mscope_error *err);
static enum mscope_status check_disk(struct study *study, struct mscope_error *err);
static enum mscope_status make_plan(struct study *study, struct mscope_error *err);
static enum mscope_status fill_base(struct study *study, struct mscope_error *err);
static enum mscope_status make_out_path(struct study *study, struct mscope_error *err);
static enum mscope_status run_study(struct study *study, int *exit_code, struct mscope_error *err);
static void say_result(const struct study *study, const struct runner_result *result);
static bool wants_stop(void *user);
static void close_study(struct study *study);

int cmd_study(const struct cli_verb *verb, const struct options *options)
{
    if (options_flag(options, "quick") + options_flag(options, "smoke") +
            (options_argument(options, 0) != NULL) >
        1) {
        return cli_usage_error(verb, "names, --quick and --smoke exclude each other");
    }
    if (options_flag(options, "stand-ins") && options_flag(options, "no-stand-ins")) {
        return cli_usage_error(verb, "--stand-ins and --no-stand-ins exclude each other");
    }
    struct study study = {.options = options};
    struct mscope_error err = {0};
    int exit_code = CLI_OK;
    record_init(&study.base);
    enum mscope_status status = open_study(&study, options, &err);
    if (status == MSCOPE_OK) {
        status = run_study(&study, &exit_code, &err);
    }
    close_study(&study);
    return status == MSCOPE_OK ? exit_code : out_error(&err);
}

static enum mscope_status open_study(struct study *study, const struct options *options,
                                     struct mscope_error *err)
{
    const char *named = options_text(options, "configs");
    char *folder = named != NULL ? strdup(named) : config_default_folder();
    if (folder == NULL) {
        return error_set_memory(err, "path", 0);
    }
    enum mscope_status status = config_load(&study->config, folder, err);
    free(folder);
    status = status == MSCOPE_OK ? choose_experiments(study, err) : status;
    status = status == MSCOPE_OK ? choose_engines(study, err) : status;
    status = status == MSCOPE_OK ? choose_device(study, err) : status;
    status = status == MSCOPE_OK ? split_models(study, err) : status;
    const char *threads = options_text(options, "threads-override");
    if (status == MSCOPE_OK && threads != NULL) {
        status = plan_parse_list(study->threads, &study->n_threads, PLAN_MAX_THREADS, threads,
                                 "--threads-override", 1, 1024, err);
    }
    status = status == MSCOPE_OK ? make_plan(study, err) : status;
    status = status == MSCOPE_OK ? check_disk(study, err) : status;
    status = status == MSCOPE_OK ? fill_base(study, err) : status;
    return status == MSCOPE_OK ? make_out_path(study, err) : status;
}

static enum mscope_status choose_experiments(struct study *study, struct mscope_error *err)
{
    const struct options *options = study->options;
    const char *only = options_flag(options, "quick")   ? "quick"
                       : options_flag(options, "smoke") ? "smoke"
                                                        : NULL;
    const char *name;
    struct strbuf joined = {0};
    for (int i = 0; i < MAX_NAMES; i++) {
        name = only != NULL && i == 0 ? only : only == NULL ? options_argument(options, i) : NULL;
        if (name == NULL) {
            break;
        }
        const struct config_experiment *found = config_find_experiment(study->config, name, err);
        if (found == NULL) {
            strbuf_free(&joined);
            return MSCOPE_ERR_ARGUMENT;
        }
        for (int k = 0; k < study->n_experiments; k++) {
            if (study->experiments[k] == found) {
                strbuf_free(&joined);
                return error_set(err, MSCOPE_ERR_ARGUMENT, "experiment", "'%s' named twice", name);
            }
        }
        strbuf_printf(&joined, "%s%s", i > 0 ? "+" : "", name);
        study->experiments[study->n_experiments++] = found;
    }
    for (unsigned i = 0; joined.n_bytes == 0 && i < study->config->n_experiments; i++) {
        if (study->config->experiments[i].in_full && study->n_experiments < MAX_NAMES) {
            study->experiments[study->n_experiments++] = &study->config->experiments[i];
        }
    }
    snprintf(study->name, sizeof study->name, "%.63s",
             joined.n_bytes > 0 && !joined.failed ? joined.data : "full");
    strbuf_free(&joined);
    if (study->n_experiments == 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "study",
                         "no experiment named and none with in_full: true");
    }
    return MSCOPE_OK;
}

static enum mscope_status choose_engines(struct study *study, struct mscope_error *err)
{
    struct bench_engine engines[BENCH_MAX_ENGINES];
    enum mscope_status status = engines_read(engines, &study->n_engines, study->options, err);
    for (int i = 0; i < study->n_engines && status == MSCOPE_OK; i++) {
        study->engines[i].class = engines[i].class;
        study->engines[i].target = engines[i].target;
        memcpy(study->engines[i].name, engines[i].name, sizeof study->engines[i].name);
    }
    return status == MSCOPE_OK ? engines_read_key(&study->api_key, study->options, err) : status;
}

static enum mscope_status choose_device(struct study *study, struct mscope_error *err)
{
    char machine[256];
    provenance_machine_name(machine, sizeof machine);
    study->device =
        config_find_device(study->config, options_text(study->options, "device"), machine, err);
    return study->device != NULL ? MSCOPE_OK : MSCOPE_ERR_ARGUMENT;
}

static enum mscope_status split_models(struct study *study, struct mscope_error *err)
{
    const char *text = options_text(study->options, "only-models");
    if (text == NULL) {
        return MSCOPE_OK;
    }
    study->only_models = strdup(text);
    if (study->only_models == NULL) {
        return error_set_memory(err, "models", strlen(text));
    }
    char *state = NULL;
    for (char *id = strtok_r(study->only_models, ",", &state); id != NULL;
         id = strtok_r(NULL, ",", &state)) {
        if (study->n_models == MAX_MODELS) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "--only-models", "more than %d", MAX_MODELS);
        }
        study->models[study->n_models++] = id;
    }
    if (study->n_models == 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "--only-models", "empty, expected ids");
    }
    return MSCOPE_OK;
}

static enum mscope_status make_plan(struct study *study, struct mscope_error *err)
{
    long n_online = sysconf(_SC_NPROCESSORS_ONLN);
    struct plan_params params = {
        .study = study->name,
        .experiments = study->experiments,
        .n_experiments = (unsigned)study->n_experiments,
        .only_models = study->n_models > 0 ? study->models : NULL,
        .n_only_models = (unsigned)study->n_models,
        .engines = study->engines,
        .n_engines = study->n_engines,
        .threads = study->n_threads > 0 ? study->threads : NULL,
        .n_threads = study->n_threads,
        .device_threads =
            study->device->threads > 0 ? study->device->threads : machine_n_physical_cores(),
        .max_threads = n_online > 0 ? (int)n_online : 1,
        .seed = options_u64(study->options, "order-seed"),
        .by_model = study->by_model,
    };
    plan_close(&study->plan);
    enum mscope_status status = plan_make(&study->plan, study->config, &params, err);
    if (status == MSCOPE_OK && study->plan->n_left_out > 0 && !study->by_model) {
        out_note("%d settings of threads are above the %d of this machine and left out",
                 study->plan->n_left_out, params.max_threads);
    }
    return status;
}

/* Where not all stand-ins fit on the disk together, models come one after the other. */
static enum mscope_status check_disk(struct study *study, struct mscope_error *err)
{
    const struct config_model *models[MAX_MODELS];
    int n_models = 0;
    for (int i = 0; i < study->plan->n_blocks; i++) {
        const struct config_model *model = study->plan->blocks[i].model;
        bool seen = study->plan->blocks[i].engine->class == &driver_http;
        for (int k = 0; k < n_models; k++) {
            seen = seen || models[k] == model;
        }
        if (!seen && n_models < MAX_MODELS) {
            models[n_models++] = model;
        }
    }
    struct models_params params = {
        .models_dir = options_text(study->options, "models-dir"),
        .no_stand_ins = options_flag(study->options, "no-stand-ins"),
        .no_real = options_flag(study->options, "stand-ins"),
        .config = study->config,
    };
    uint64_t need = 0, available = 0;
    enum mscope_status status = models_disk_need(&need, &available, models, n_models, &params, err);
    if (status != MSCOPE_OK || need <= available) {
        return status;
    }
    char need_text[UNITS_TEXT_BYTES], free_text[UNITS_TEXT_BYTES];
    out_note("stand-ins need %s of disk, %s are free: one model at a time, not interleaved",
             units_bytes(need_text, need), units_bytes(free_text, available));
    study->by_model = true;
    return make_plan(study, err);
}

static enum mscope_status fill_base(struct study *study, struct mscope_error *err)
{
    int argc;
    const char *const *argv = cli_command_line(&argc);
    enum mscope_status status = provenance_fill(&study->base, argc, argv, err);
    status = status == MSCOPE_OK ? record_set_text(&study->base.kind, "study", err) : status;
    status = status == MSCOPE_OK ? record_set_text(&study->base.study, study->name, err) : status;
    study->base.seed = FULL_SEED;
    study->base.order_seed = (int64_t)(options_u64(study->options, "order-seed") & INT64_MAX);
    return status == MSCOPE_OK ? record_set_text(&study->base.order_kind,
                                                 study->by_model ? "by model" : "interleaved", err)
                               : status;
}

/* OUT/raw/STUDY-HOST.jsonl, so that a study is continued where it was begun. */
static enum mscope_status make_out_path(struct study *study, struct mscope_error *err)
{
    struct strbuf *path = &study->out_path;
    const char *out = options_text(study->options, "out");
    strbuf_printf(path, "%s/raw/%s-%.8s.jsonl", out, study->name, study->base.host_fingerprint);
    if (path->failed) {
        return error_set_memory(err, "path", strlen(out));
    }
    for (char *at = path->data + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        int failed = mkdir(path->data, 0755) != 0 && errno != EEXIST ? errno : 0;
        if (failed != 0) {
            return error_set_errno(err, failed, path->data, "make the folder");
        }
        *at = '/';
    }
    return MSCOPE_OK;
}

static enum mscope_status run_study(struct study *study, int *exit_code, struct mscope_error *err)
{
    struct study_view view;
    struct runner_params params = {
        .config = study->config,
        .plan = study->plan,
        .device = study->device,
        .base = &study->base,
        .models_dir = options_text(study->options, "models-dir"),
        .out_path = study->out_path.data,
        .kv_type = options_text(study->options, "kv"),
        .api_key = study->api_key.n_bytes > 0 ? study->api_key.data : NULL,
        .cpu_level = options_text(study->options, "cpu"),
        .fit = options_flag(study->options, "quick") || options_flag(study->options, "smoke"),
        .no_stand_ins = options_flag(study->options, "no-stand-ins"),
        .no_real = options_flag(study->options, "stand-ins"),
        .measure_roofs = !options_flag(study->options, "no-roof"),
        .sensor_root = "",
        .tell = study_view_tell,
        .stopped = wants_stop,
        .user = &view,
    };
    struct runner_result result;
    out_note("study %s: %d runs, device %s, seed %lld, rows to %s", study->name,
             study->plan->n_cells - study->plan->n_extra_cells, study->device->id,
             (long long)study->base.order_seed, study->out_path.data);
    interrupt_watch();
    study_view_start(&view);
    enum mscope_status status = runner_run(&result, &params, err);
    study_view_end(&view);
    say_result(study, &result);
    *exit_code = result.was_stopped || result.n_ok + result.n_before == 0 ? CLI_FAILED : CLI_OK;
    return status;
}

static void say_result(const struct study *study, const struct runner_result *result)
{
    const struct row_file_report *file = &result->file;
    if (file->torn) {
        out_note("%s: the last line was torn and has been cut off", study->out_path.data);
    }
    if (file->n_corrupt > 0) {
        out_note("%s: %llu lines are no rows, the first is line %llu (%s)", study->out_path.data,
                 (unsigned long long)file->n_corrupt, (unsigned long long)file->corrupt_lines[0],
                 file->first_problem);
    }
    if (result->n_before > 0) {
        out_note("%d rows were there already", result->n_before);
    }
    if (result->n_flagged > 0) {
        out_note("%d settings vary more than their cv_limit between repetitions",
                 result->n_flagged);
    }
    out_note("%s%d ok, %d failed, %d skipped; next: moescope report --raw %s/raw",
             result->was_stopped ? "stopped, run the same again to continue: " : "", result->n_ok,
             result->n_failed, result->n_skipped, options_text(study->options, "out"));
}

static bool wants_stop(void *user)
{
    (void)user;
    return interrupt_requested();
}

static void close_study(struct study *study)
{
    plan_close(&study->plan);
    config_close(&study->config);
    record_free(&study->base);
    strbuf_free(&study->out_path);
    strbuf_free(&study->api_key);
    free(study->only_models);
}
