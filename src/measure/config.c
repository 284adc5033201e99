/* SPDX-License-Identifier: MIT */
/* Opening the configuration and looking things up in it. */
#include "measure/config_internal.h"

#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum mscope_status load_parts(struct config **out, const char *folder, int n_parts,
                                     struct mscope_error *err);
static enum mscope_status load_part(struct config *config, int i_part, const char *folder,
                                    struct mscope_error *err);
static char *join(const char *folder, const char *inner, const char *name);

/* Items of all lists start with their id. */
static const void *find_id(const void *items, size_t size, unsigned n, const char *what,
                           const char *id, struct mscope_error *err);

enum mscope_status config_load(struct config **out, const char *folder, struct mscope_error *err)
{
    return load_parts(out, folder, CONFIG_N_PARTS, err);
}

enum mscope_status config_load_models(struct config **out, const char *folder,
                                      struct mscope_error *err)
{
    return load_parts(out, folder, 1, err);
}

void config_close(struct config **config)
{
    if (*config == NULL) {
        return;
    }
    for (int i = 0; i < CONFIG_N_PARTS; i++) {
        config_yaml_free(&(*config)->documents[i], &config_parts[i].schema);
    }
    free(*config);
    *config = NULL;
}

const struct config_model *config_find_model(const struct config *config, const char *id,
                                             struct mscope_error *err)
{
    return find_id(config->models, sizeof *config->models, config->n_models, "model", id, err);
}

const struct config_prompt *config_find_prompt(const struct config *config, const char *id,
                                               struct mscope_error *err)
{
    return find_id(config->prompts, sizeof *config->prompts, config->n_prompts, "prompt", id, err);
}

const struct config_experiment *config_find_experiment(const struct config *config, const char *id,
                                                       struct mscope_error *err)
{
    return find_id(config->experiments, sizeof *config->experiments, config->n_experiments,
                   "experiment", id, err);
}

const struct config_device *config_find_device(const struct config *config, const char *id,
                                               const char *machine, struct mscope_error *err)
{
    for (unsigned i = 0; id == NULL && i < config->n_devices; i++) {
        const char *match = config->devices[i].match;
        if (match != NULL && machine != NULL && strstr(machine, match) != NULL) {
            return &config->devices[i];
        }
    }
    return find_id(config->devices, sizeof *config->devices, config->n_devices, "device",
                   id != NULL ? id : "auto", err);
}

char *config_model_path(const struct config_model *model, const char *models_dir)
{
    return join(models_dir, model->id, model->file);
}

char *config_stand_in_path(const struct config_model *model, const char *models_dir)
{
    if (model->stand_in == NULL) {
        return NULL;
    }
    struct strbuf name = {0};
    strbuf_printf(&name, "%s-%s-%llu.gguf", model->stand_in->shape, model->stand_in->recipe,
                  (unsigned long long)model->stand_in->seed);
    char *path = name.failed ? NULL : join(models_dir, "synthetic", name.data);
    strbuf_free(&name);
    return path;
}

char *config_default_folder(void)
{
    static const char *const places[] = {"configs", "../configs", "../share/moescope/configs"};
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (access("configs/models.yaml", R_OK) == 0 || slash == NULL) {
        return strdup("configs");
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *folder = join(program, ".", places[i]);
        char *file = folder != NULL ? join(folder, ".", "models.yaml") : NULL;
        bool there = file != NULL && access(file, R_OK) == 0;
        free(file);
        if (there) {
            return folder;
        }
        free(folder);
    }
    return strdup("configs");
}

int config_count_words(const char *text)
{
    static const char *const white = " \t\r\n\f\v";
    int n = 0;
    for (const char *at = text + strspn(text, white); *at != '\0'; at += strspn(at, white)) {
        at += strcspn(at, white);
        n++;
    }
    return n;
}

static enum mscope_status load_parts(struct config **out, const char *folder, int n_parts,
                                     struct mscope_error *err)
{
    *out = NULL;
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return error_set_memory(err, "configuration", sizeof *config);
    }
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < n_parts && status == MSCOPE_OK; i++) {
        status = load_part(config, i, folder, err);
    }
    if (status != MSCOPE_OK) {
        config_close(&config);
        return status;
    }
    *out = config;
    return MSCOPE_OK;
}

static enum mscope_status load_part(struct config *config, int i_part, const char *folder,
                                    struct mscope_error *err)
{
    char *path = join(folder, ".", config_parts[i_part].file);
    if (path == NULL) {
        return error_set_memory(err, "path", strlen(folder));
    }
    enum mscope_status status =
        config_yaml_load(&config->documents[i_part], path, &config_parts[i_part].schema, err);
    if (status == MSCOPE_OK) {
        const struct config_document *document = config->documents[i_part];
        switch (i_part) {
        case 0:
            config->models = document->items.models;
            config->n_models = document->n;
            status = config_check_models(config, path, err);
            break;
        case 1:
            config->prompts = document->items.prompts;
            config->n_prompts = document->n;
            status = config_check_prompts(config, folder, path, err);
            break;
        case 2:
            config->devices = document->items.devices;
            config->n_devices = document->n;
            status = config_check_devices(config, path, err);
            break;
        default:
            config->experiments = document->items.experiments;
            config->n_experiments = document->n;
            status = config_check_experiments(config, path, err);
        }
    }
    free(path);
    return status;
}

static const void *find_id(const void *items, size_t size, unsigned n, const char *what,
                           const char *id, struct mscope_error *err)
{
    struct strbuf list = {0};
    const char *at = items;
    for (unsigned i = 0; i < n; i++, at += size) {
        const char *known = *(char *const *)at;
        if (strcmp(known, id) == 0) {
            strbuf_free(&list);
            return at;
        }
        strbuf_printf(&list, "%s%s", i > 0 ? ", " : "", known);
    }
    error_set(err, MSCOPE_ERR_ARGUMENT, what, "'%s' is not known, expected one of %s", id,
              list.data != NULL && !list.failed ? list.data : "none");
    strbuf_free(&list);
    return NULL;
}

/* `inner` "." is left out. */
static char *join(const char *folder, const char *inner, const char *name)
{
    struct strbuf path = {0};
    if (strcmp(inner, ".") == 0) {
        strbuf_printf(&path, "%s/%s", folder, name);
    } else {
        strbuf_printf(&path, "%s/%s/%s", folder, inner, name);
    }
    if (path.failed) {
        strbuf_free(&path);
        return NULL;
    }
    return path.data;
}
