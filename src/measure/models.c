/* SPDX-License-Identifier: MIT */
/* Real files first, stand-ins second, and room on the disk for them. */
#include "measure/models.h"

#include "base/strbuf.h"
#include "base/units.h"
#include "model/synth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const uint64_t SPARE_BYTES = 256u
                                    << 20; /* left free on the disk, and header and vocabulary */

static enum mscope_status make_stand_in(const char *path, const struct config_model *model,
                                        const struct models_params *params,
                                        struct mscope_error *err);
static enum mscope_status size_of(uint64_t *n_bytes, const struct config_model *model,
                                  struct mscope_error *err);
static uint64_t free_bytes_of(const char *folder);
static void make_room(uint64_t need_bytes, const char *kept, const struct models_params *params);
static enum mscope_status make_folder(const char *path, struct mscope_error *err);
static void tell(const struct models_params *params, const char *format, ...) BASE_PRINTF(2, 3);

enum mscope_status models_find(struct models_choice *out, const struct config_model *model,
                               const struct models_params *params, struct mscope_error *err)
{
    *out = (struct models_choice){0};
    char *real = config_model_path(model, params->models_dir);
    if (real == NULL) {
        return error_set_memory(err, "path", strlen(params->models_dir));
    }
    if (!params->no_real && access(real, R_OK) == 0) {
        out->path = real;
        return MSCOPE_OK;
    }
    if (params->no_stand_ins || model->stand_in == NULL) {
        enum mscope_status status =
            error_set(err, MSCOPE_ERR_IO, model->id, "no file %s and %s (moescope fetch %s)", real,
                      params->no_stand_ins ? "stand-ins are not wanted" : "no stand-in is defined",
                      model->id);
        free(real);
        return status;
    }
    free(real);
    char *path = config_stand_in_path(model, params->models_dir);
    if (path == NULL) {
        return error_set_memory(err, "path", strlen(params->models_dir));
    }
    enum mscope_status status =
        access(path, R_OK) == 0 ? MSCOPE_OK : make_stand_in(path, model, params, err);
    if (status != MSCOPE_OK) {
        free(path);
        return status;
    }
    *out = (struct models_choice){.path = path, .is_stand_in = true};
    return MSCOPE_OK;
}

enum mscope_status models_disk_need(uint64_t *need_bytes, uint64_t *free_bytes,
                                    const struct config_model *const *models, int n_models,
                                    const struct models_params *params, struct mscope_error *err)
{
    *need_bytes = 0;
    *free_bytes = free_bytes_of(params->models_dir);
    for (int i = 0; i < n_models; i++) {
        char *real = config_model_path(models[i], params->models_dir);
        char *path = config_stand_in_path(models[i], params->models_dir);
        bool there = (real != NULL && !params->no_real && access(real, R_OK) == 0) ||
                     (path != NULL && access(path, R_OK) == 0);
        free(real);
        free(path);
        if (!there && models[i]->stand_in != NULL && !params->no_stand_ins) {
            uint64_t n_bytes = 0;
            enum mscope_status status = size_of(&n_bytes, models[i], err);
            if (status != MSCOPE_OK) {
                return status;
            }
            *need_bytes += n_bytes;
        }
    }
    *need_bytes += *need_bytes > 0 ? SPARE_BYTES : 0;
    return MSCOPE_OK;
}

static enum mscope_status make_stand_in(const char *path, const struct config_model *model,
                                        const struct models_params *params,
                                        struct mscope_error *err)
{
    uint64_t n_bytes = 0;
    char need_text[UNITS_TEXT_BYTES], free_text[UNITS_TEXT_BYTES];
    enum mscope_status status = make_folder(path, err);
    if (status == MSCOPE_OK) {
        status = size_of(&n_bytes, model, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    uint64_t need = n_bytes + SPARE_BYTES;
    if (params->make_room) {
        make_room(need, path, params);
    }
    uint64_t available = free_bytes_of(params->models_dir);
    if (available < need) {
        return error_set(
            err, MSCOPE_ERR_IO, model->id, "its stand-in needs %s of disk, %s are free in %s",
            units_bytes(need_text, need), units_bytes(free_text, available), params->models_dir);
    }
    tell(params, "making the stand-in %s of %s, %s", model->stand_in->shape, model->label,
         units_bytes(need_text, n_bytes));
    struct synth_params synth = {.shape = model->stand_in->shape,
                                 .recipe = model->stand_in->recipe,
                                 .seed = model->stand_in->seed};
    return synth_write(path, &synth, err);
}

static enum mscope_status size_of(uint64_t *n_bytes, const struct config_model *model,
                                  struct mscope_error *err)
{
    struct synth_description description;
    enum mscope_status status =
        synth_describe(&description, model->stand_in->shape, model->stand_in->recipe, err);
    *n_bytes = status == MSCOPE_OK ? description.n_bytes : 0;
    return status;
}

/* Of the nearest folder above that exists. */
static uint64_t free_bytes_of(const char *folder)
{
    struct strbuf path = {0};
    struct statvfs info;
    uint64_t n_bytes = 0;
    strbuf_printf(&path, "%s", folder);
    while (!path.failed && path.data[0] != '\0') {
        if (statvfs(path.data, &info) == 0) {
            n_bytes = (uint64_t)info.f_bavail * info.f_frsize;
            strbuf_free(&path);
            return n_bytes;
        }
        char *slash = strrchr(path.data, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
    }
    strbuf_free(&path);
    return statvfs(".", &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize : 0;
}

/* Stand-ins can be made again at any time: the same seed gives the same bytes. */
static void make_room(uint64_t need_bytes, const char *kept, const struct models_params *params)
{
    for (unsigned i = 0; i < params->config->n_models; i++) {
        if (free_bytes_of(params->models_dir) >= need_bytes) {
            return;
        }
        char *path = config_stand_in_path(&params->config->models[i], params->models_dir);
        if (path != NULL && strcmp(path, kept) != 0 && access(path, F_OK) == 0 &&
            unlink(path) == 0) {
            tell(params, "disk is short: removed the stand-in of %s",
                 params->config->models[i].label);
        }
        free(path);
    }
}

/* All folders above the file. */
static enum mscope_status make_folder(const char *path, struct mscope_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set_memory(err, "path", strlen(path));
    }
    enum mscope_status status = MSCOPE_OK;
    for (char *at = copy + 1; (at = strchr(at, '/')) != NULL && status == MSCOPE_OK; at++) {
        *at = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST) {
            status = error_set_errno(err, errno, copy, "make the folder");
        }
        *at = '/';
    }
    free(copy);
    return status;
}

static void tell(const struct models_params *params, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (params->tell != NULL) {
        params->tell(params->user, text);
    }
}
