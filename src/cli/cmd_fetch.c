/* SPDX-License-Identifier: MIT */
/* fetch: models of configs/models.yaml from where they are published. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"

#include "base/strbuf.h"
#include "base/units.h"
#include "measure/config.h"
#include "measure/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct job {
    const struct options *options;
    struct config *config;
    json_t *list; /* with --json */
    struct progress progress;
    bool has_first;
};

static enum mscope_status open_config(struct job *job, struct mscope_error *err);
static enum mscope_status check_names(const struct job *job, struct mscope_error *err);
static bool is_chosen(const struct options *options, const struct config_model *model);
static void list_model(struct job *job, const struct config_model *model);
static enum mscope_status fetch_model(struct job *job, const struct config_model *model,
                                      struct mscope_error *err);
static enum mscope_status make_url(struct strbuf *url, const struct config_model *model,
                                   struct mscope_error *err);
static enum mscope_status note_hash(const struct job *job, const struct config_model *model,
                                    const char *url, const struct fetch_result *result,
                                    struct mscope_error *err);
static void say_result(struct job *job, const struct config_model *model, const char *path,
                       const struct fetch_result *result, uint64_t ns);
static void show_progress(void *user, uint64_t done, uint64_t total);
static bool wants_stop(void *user);

int cmd_fetch(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct job job = {.options = options};
    struct mscope_error err = {0};
    int exit_code = CLI_OK;
    enum mscope_status status = open_config(&job, &err);
    if (status != MSCOPE_OK) {
        config_close(&job.config);
        return out_error(&err);
    }
    bool lists = options_flag(options, "list");
    job.list = options_flag(options, "json") ? json_array() : NULL;
    interrupt_watch();
    for (unsigned i = 0; i < job.config->n_models && !interrupt_requested(); i++) {
        const struct config_model *model = &job.config->models[i];
        if (!is_chosen(options, model)) {
            continue;
        }
        if (lists) {
            list_model(&job, model);
        } else if (fetch_model(&job, model, &err) != MSCOPE_OK) {
            exit_code = out_error(&err); /* the next one may be there */
        }
    }
    if (job.list != NULL) {
        out_json(json_pack("{s:o}", "models", job.list));
    }
    config_close(&job.config);
    return exit_code;
}

static enum mscope_status open_config(struct job *job, struct mscope_error *err)
{
    const char *named = options_text(job->options, "configs");
    char *folder = named != NULL ? strdup(named) : config_default_folder();
    if (folder == NULL) {
        return error_set_memory(err, "path", 0);
    }
    enum mscope_status status = config_load_models(&job->config, folder, err);
    free(folder);
    return status == MSCOPE_OK ? check_names(job, err) : status;
}

static enum mscope_status check_names(const struct job *job, struct mscope_error *err)
{
    const char *name;
    for (int i = 0; (name = options_argument(job->options, i)) != NULL; i++) {
        if (config_find_model(job->config, name, err) == NULL) {
            return MSCOPE_ERR_ARGUMENT;
        }
    }
    return MSCOPE_OK;
}

static bool is_chosen(const struct options *options, const struct config_model *model)
{
    const char *name = options_argument(options, 0);
    for (int i = 1; name != NULL && strcmp(name, model->id) != 0; i++) {
        name = options_argument(options, i);
        if (name == NULL) {
            return false;
        }
    }
    return true;
}

static void list_model(struct job *job, const struct config_model *model)
{
    char *path = config_model_path(model, options_text(job->options, "models-dir"));
    struct strbuf partial = {0};
    struct stat stat_of;
    if (path == NULL) {
        return;
    }
    strbuf_printf(&partial, "%s.partial", path);
    const char *state = "missing";
    uint64_t n_bytes = 0;
    if (stat(path, &stat_of) == 0) {
        state = "here";
        n_bytes = (uint64_t)stat_of.st_size;
    } else if (!partial.failed && stat(partial.data, &stat_of) == 0) {
        state = "interrupted";
        n_bytes = (uint64_t)stat_of.st_size;
    } else if (model->url == NULL && model->repo == NULL) {
        state = "not published";
    }
    if (job->list != NULL) {
        json_array_append_new(job->list, json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", model->id,
                                                   "label", model->label, "path", path, "state",
                                                   state, "bytes", (json_int_t)n_bytes));
    } else {
        char size[UNITS_TEXT_BYTES];
        out_printf("%-16s %-13s %10s  %s\n", model->id, state,
                   n_bytes > 0 ? units_bytes(size, n_bytes) : "", path);
    }
    strbuf_free(&partial);
    free(path);
}

static enum mscope_status fetch_model(struct job *job, const struct config_model *model,
                                      struct mscope_error *err)
{
    struct strbuf url = {0};
    char *path = config_model_path(model, options_text(job->options, "models-dir"));
    *err = (struct mscope_error){0};
    enum mscope_status status =
        path != NULL ? make_url(&url, model, err) : error_set_memory(err, "path", 0);
    if (status == MSCOPE_OK) {
        struct fetch_params params = {
            .url = url.data,
            .path = path,
            .sha256 = model->sha256,
            .bytes = model->bytes,
            .retries = options_int(job->options, "retries"),
            .retry_wait_s = 1,
            .progress = show_progress,
            .stopped = wants_stop,
            .user = job,
        };
        struct fetch_result result;
        job->has_first = false;
        progress_start(&job->progress, model->id, PROGRESS_BYTES);
        status = fetch_file(&result, &params, err);
        uint64_t ns = progress_end(&job->progress);
        if (status == MSCOPE_OK) {
            say_result(job, model, path, &result, ns);
            status = note_hash(job, model, url.data, &result, err);
        }
    }
    strbuf_free(&url);
    free(path);
    return status;
}

static enum mscope_status make_url(struct strbuf *url, const struct config_model *model,
                                   struct mscope_error *err)
{
    if (model->url != NULL) {
        strbuf_printf(url, "%s", model->url);
    } else if (model->repo != NULL && model->file != NULL) {
        strbuf_printf(url, "https://huggingface.co/%s/resolve/main/%s", model->repo, model->file);
    } else {
        return error_set(err, MSCOPE_ERR_ARGUMENT, model->id,
                         "neither url nor repo in models.yaml; 'moescope synth' makes a stand-in");
    }
    return url->failed ? error_set_memory(err, "address", 0) : MSCOPE_OK;
}

static enum mscope_status note_hash(const struct job *job, const struct config_model *model,
                                    const char *url, const struct fetch_result *result,
                                    struct mscope_error *err)
{
    struct strbuf list = {0};
    struct strbuf name = {0};
    strbuf_printf(&list, "%s/model_hashes.txt", options_text(job->options, "out"));
    strbuf_printf(&name, "%s/%s", model->id, model->file);
    enum mscope_status status = list.failed || name.failed
                                    ? error_set_memory(err, "path", 0)
                                    : fetch_note_hash(list.data, result, name.data, url, err);
    strbuf_free(&list);
    strbuf_free(&name);
    return status;
}

static void say_result(struct job *job, const struct config_model *model, const char *path,
                       const struct fetch_result *result, uint64_t ns)
{
    char size[UNITS_TEXT_BYTES], kept[UNITS_TEXT_BYTES], time[UNITS_TEXT_BYTES];
    const char *how = result->is_verified ? "verified" : "no hash to compare it with";
    if (job->list != NULL) {
        json_array_append_new(
            job->list,
            json_pack("{s:s, s:s, s:I, s:I, s:s, s:b, s:b}", "id", model->id, "path", path, "bytes",
                      (json_int_t)result->bytes, "bytes_resumed", (json_int_t)result->bytes_resumed,
                      "sha256", result->sha256, "was_there", (int)result->was_there, "verified",
                      (int)result->is_verified));
        return;
    }
    if (result->was_there) {
        out_printf("%s: %s, there already, SHA-256 %.16s... %s\n", path,
                   units_bytes(size, result->bytes), result->sha256, how);
        return;
    }
    out_printf("%s: %s in %s%s%s, SHA-256 %.16s... %s\n", path, units_bytes(size, result->bytes),
               units_duration(time, ns), result->bytes_resumed > 0 ? ", continued after " : "",
               result->bytes_resumed > 0 ? units_bytes(kept, result->bytes_resumed) : "",
               result->sha256, how);
    out_flush();
}

static void show_progress(void *user, uint64_t done, uint64_t total)
{
    struct job *job = user;
    if (!job->has_first) { /* what was there before says nothing about the rate */
        job->has_first = true;
        job->progress.first = done;
    }
    progress_update(&job->progress, done, total);
}

static bool wants_stop(void *user)
{
    (void)user;
    return interrupt_requested();
}
