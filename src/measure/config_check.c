/* SPDX-License-Identifier: MIT */
/* What a schema cannot say: ranges, unique ids, references between the files, texts of prompts. */
#include "measure/config_internal.h"

#include "base/strbuf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024, MAX_REPETITIONS = 1000, MAX_TOKENS = 1 << 20 };

static enum mscope_status check_ids(const void *items, size_t size, unsigned n, const char *what,
                                    const char *path, struct mscope_error *err);
static enum mscope_status check_range(const char *path, const char *id, const char *key,
                                      double value, double least, double most,
                                      struct mscope_error *err);
static enum mscope_status load_text(struct config_prompt *prompt, const char *folder,
                                    struct mscope_error *err);
static enum mscope_status check_experiment(const struct config *config,
                                           struct config_experiment *experiment, const char *path,
                                           struct mscope_error *err);
static bool is_plain_name(const char *text);

enum mscope_status config_check_models(struct config *config, const char *path,
                                       struct mscope_error *err)
{
    enum mscope_status status =
        check_ids(config->models, sizeof *config->models, config->n_models, "model", path, err);
    for (unsigned i = 0; i < config->n_models && status == MSCOPE_OK; i++) {
        struct config_model *model = &config->models[i];
        if (model->repo == NULL && model->url == NULL && model->stand_in == NULL) {
            return error_set(err, MSCOPE_ERR_FORMAT, path,
                             "model %s: neither repo, url nor stand_in, expected one", model->id);
        }
        if (model->sha256 != NULL && (strlen(model->sha256) != 64 ||
                                      strspn(model->sha256, "0123456789abcdefABCDEF") != 64)) {
            return error_set(err, MSCOPE_ERR_FORMAT, path,
                             "model %s: sha256 '%.70s', expected 64 hexadecimal digits", model->id,
                             model->sha256);
        }
        status = check_range(path, model->id, "bytes", (double)model->bytes, 0, 1e15, err);
        for (char *c = model->sha256; c != NULL && *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        if (!is_plain_name(model->file)) {
            return error_set(err, MSCOPE_ERR_FORMAT, path,
                             "model %s: file '%.200s', expected a name without folders", model->id,
                             model->file);
        }
    }
    return status;
}

enum mscope_status config_check_prompts(struct config *config, const char *folder, const char *path,
                                        struct mscope_error *err)
{
    enum mscope_status status =
        check_ids(config->prompts, sizeof *config->prompts, config->n_prompts, "prompt", path, err);
    for (unsigned i = 0; i < config->n_prompts && status == MSCOPE_OK; i++) {
        struct config_prompt *prompt = &config->prompts[i];
        if ((prompt->text != NULL) == (prompt->file != NULL)) {
            return error_set(err, MSCOPE_ERR_FORMAT, path,
                             "prompt %s: %s text and file, expected one of them", prompt->id,
                             prompt->text != NULL ? "both" : "neither");
        }
        status = prompt->file != NULL ? load_text(prompt, folder, err) : MSCOPE_OK;
        if (status == MSCOPE_OK) {
            prompt->n_words = config_count_words(prompt->text);
            status = check_range(path, prompt->id, "words", prompt->n_words, 1, MAX_TOKENS, err);
        }
    }
    return status;
}

enum mscope_status config_check_devices(struct config *config, const char *path,
                                        struct mscope_error *err)
{
    enum mscope_status status =
        check_ids(config->devices, sizeof *config->devices, config->n_devices, "device", path, err);
    for (unsigned i = 0; i < config->n_devices && status == MSCOPE_OK; i++) {
        struct config_device *device = &config->devices[i];
        status = check_range(path, device->id, "threads", device->threads, 0, MAX_THREADS, err);
        if (status == MSCOPE_OK) {
            status = check_range(path, device->id, "cooldown_s", device->cooldown_s, 0, 3600, err);
        }
        if (status == MSCOPE_OK) {
            status =
                check_range(path, device->id, "temp_limit_c", device->temp_limit_c, 0, 150, err);
        }
    }
    return status;
}

enum mscope_status config_check_experiments(struct config *config, const char *path,
                                            struct mscope_error *err)
{
    enum mscope_status status = check_ids(config->experiments, sizeof *config->experiments,
                                          config->n_experiments, "experiment", path, err);
    for (unsigned i = 0; i < config->n_experiments && status == MSCOPE_OK; i++) {
        status = check_experiment(config, &config->experiments[i], path, err);
    }
    return status;
}

static enum mscope_status check_experiment(const struct config *config,
                                           struct config_experiment *experiment, const char *path,
                                           struct mscope_error *err)
{
    if (experiment->repetitions_hot == 0) {
        experiment->repetitions_hot = experiment->repetitions > 5 ? experiment->repetitions : 5;
    }
    experiment->warmup_spread = experiment->warmup_spread > 0 ? experiment->warmup_spread : 0.05;
    experiment->cv_limit = experiment->cv_limit > 0 ? experiment->cv_limit : 0.10;
    const struct {
        const char *key;
        double value, least, most;
    } ranges[] = {
        {"repetitions", experiment->repetitions, 1, MAX_REPETITIONS},
        {"repetitions_hot", experiment->repetitions_hot, experiment->repetitions, MAX_REPETITIONS},
        {"n_gen", experiment->n_gen, 0, MAX_TOKENS},
        {"warmup_max", experiment->warmup_max, 0, 100},
        {"warmup_spread", experiment->warmup_spread, 0, 1},
        {"cv_limit", experiment->cv_limit, 0, 1},
        {"timeout_s", experiment->timeout_s, 0, 86400},
        {"cooldown_s", experiment->cooldown_s, 0, 3600},
    };
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && status == MSCOPE_OK; i++) {
        status = check_range(path, experiment->id, ranges[i].key, ranges[i].value, ranges[i].least,
                             ranges[i].most, err);
    }
    for (unsigned i = 0; i < experiment->n_threads && status == MSCOPE_OK; i++) {
        status = check_range(path, experiment->id, "threads", experiment->threads[i], 0,
                             MAX_THREADS, err);
    }
    for (unsigned i = 0; i < experiment->n_models && status == MSCOPE_OK; i++) {
        if (config_find_model(config, experiment->models[i], err) == NULL) {
            error_set_object(err, "%s: experiment %s: model", path, experiment->id);
            status = MSCOPE_ERR_FORMAT;
        }
    }
    for (unsigned i = 0; i < experiment->n_prompts && status == MSCOPE_OK; i++) {
        if (config_find_prompt(config, experiment->prompts[i], err) == NULL) {
            error_set_object(err, "%s: experiment %s: prompt", path, experiment->id);
            status = MSCOPE_ERR_FORMAT;
        }
        for (unsigned j = 0; j < i && status == MSCOPE_OK; j++) {
            if (strcmp(experiment->prompts[i], experiment->prompts[j]) == 0) {
                status = error_set(err, MSCOPE_ERR_FORMAT, path,
                                   "experiment %s: prompt %s twice, expected each once",
                                   experiment->id, experiment->prompts[i]);
            }
        }
    }
    return status;
}

/* Ids become parts of cell names and of paths. */
static enum mscope_status check_ids(const void *items, size_t size, unsigned n, const char *what,
                                    const char *path, struct mscope_error *err)
{
    const char *all = items;
    for (unsigned i = 0; i < n; i++) {
        const char *id = *(char *const *)(all + i * size);
        if (!is_plain_name(id) || strchr(id, ' ') != NULL) {
            return error_set(err, MSCOPE_ERR_FORMAT, path,
                             "%s id '%.100s', expected no blanks, slashes or leading dots", what,
                             id);
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(id, *(char *const *)(all + j * size)) == 0) {
                return error_set(err, MSCOPE_ERR_FORMAT, path,
                                 "%s id '%s' twice, expected unique ids", what, id);
            }
        }
    }
    return MSCOPE_OK;
}

static bool is_plain_name(const char *text)
{
    return text[0] != '\0' && text[0] != '.' && strchr(text, '/') == NULL;
}

static enum mscope_status check_range(const char *path, const char *id, const char *key,
                                      double value, double least, double most,
                                      struct mscope_error *err)
{
    if (isfinite(value) && value >= least && value <= most) {
        return MSCOPE_OK;
    }
    return error_set(err, MSCOPE_ERR_FORMAT, path, "%s: %s is %g, expected %g to %g", id, key,
                     value, least, most);
}

static enum mscope_status load_text(struct config_prompt *prompt, const char *folder,
                                    struct mscope_error *err)
{
    struct strbuf path = {0};
    size_t n_bytes = 0;
    strbuf_printf(&path, "%s/%s", folder, prompt->file);
    enum mscope_status status = path.failed
                                    ? error_set_memory(err, "path", strlen(folder))
                                    : config_read_file(&prompt->text, &n_bytes, path.data, err);
    if (status == MSCOPE_OK && strlen(prompt->text) != n_bytes) {
        status = error_set(err, MSCOPE_ERR_FORMAT, path.data, "a zero byte, expected text");
    }
    strbuf_free(&path);
    return status;
}
