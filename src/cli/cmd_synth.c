/* SPDX-License-Identifier: MIT */
/* synth: a synthetic model of true shape. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"

#include "base/units.h"
#include "machine/machine.h"
#include "model/synth.h"

#include <errno.h>
#include <sys/stat.h>

static enum mscope_status list_shapes(const struct options *options, struct mscope_error *err);
static void print_shape(const char *name, const struct synth_description *shape, const char *type,
                        bool with_heading);
static void show_progress(void *user, uint64_t done_bytes, uint64_t total_bytes);
static void report(const struct options *options, const char *path, uint64_t n_bytes, uint64_t ns);

int cmd_synth(const struct cli_verb *verb, const struct options *options)
{
    const char *path = options_argument(options, 1);
    struct mscope_error err;
    if (options_flag(options, "list")) {
        return list_shapes(options, &err) == MSCOPE_OK ? CLI_OK : out_error(&err);
    }
    if (path == NULL) {
        return cli_usage_error(verb, options_argument(options, 0) == NULL
                                         ? "missing argument SHAPE (see --list)"
                                         : "missing argument OUT");
    }
    struct progress progress;
    int n_threads = options_int(options, "threads");
    const struct synth_params params = {
        .shape = options_argument(options, 0),
        .recipe = options_text(options, "type"),
        .seed = options_u64(options, "seed"),
        .n_threads = n_threads > 0 ? n_threads : machine_n_physical_cores(),
        .progress = show_progress,
        .user = &progress,
    };
    if (out_path_guard(path, &err) != MSCOPE_OK) {
        return out_error(&err);
    }
    progress_start(&progress, "synth", PROGRESS_BYTES);
    enum mscope_status status = synth_write(path, &params, &err);
    uint64_t ns = progress_end(&progress);
    out_path_release();
    struct stat file;
    if (status == MSCOPE_OK && stat(path, &file) != 0) {
        status = error_set_errno(&err, errno, path, "cannot find what was written");
    }
    if (status != MSCOPE_OK) {
        return out_error(&err);
    }
    report(options, path, (uint64_t)file.st_size, ns);
    return CLI_OK;
}

static enum mscope_status list_shapes(const struct options *options, struct mscope_error *err)
{
    const char *const *shapes = synth_shapes(), *type = options_text(options, "type");
    bool as_json = options_flag(options, "json");
    json_t *list = json_array();
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; shapes[i] != NULL && status == MSCOPE_OK; i++) {
        struct synth_description shape;
        status = synth_describe(&shape, shapes[i], type, err);
        if (status == MSCOPE_OK && !as_json) {
            print_shape(shapes[i], &shape, type, i == 0);
        } else if (status == MSCOPE_OK) {
            json_t *json = json_object();
            json_object_set_new(json, "name", json_text(shapes[i]));
            json_object_set_new(json, "architecture", json_text(shape.arch));
            json_object_set_new(json, "n_layer", json_count(shape.n_layer));
            json_object_set_new(json, "n_expert", json_count(shape.n_expert));
            json_object_set_new(json, "n_expert_used", json_count(shape.n_expert_used));
            json_object_set_new(json, "n_params", json_count(shape.n_params));
            json_object_set_new(json, "tensor_bytes", json_count(shape.n_bytes));
            json_array_append_new(list, json);
        }
    }
    if (status == MSCOPE_OK && as_json) {
        out_json(list);
    } else {
        json_decref(list);
    }
    return status;
}

static void print_shape(const char *name, const struct synth_description *shape, const char *type,
                        bool with_heading)
{
    char params[UNITS_TEXT_BYTES], bytes[UNITS_TEXT_BYTES], experts[48] = "-";
    if (with_heading) {
        out_printf("%-14s %-8s %6s %12s %12s %12s\n", "shape", "family", "layers", "experts",
                   "parameters", type);
    }
    if (shape->n_expert > 0) {
        snprintf(experts, sizeof experts, "%u of %u", shape->n_expert_used, shape->n_expert);
    }
    out_printf("%-14s %-8s %6u %12s %12s %12s\n", name, shape->arch, shape->n_layer, experts,
               units_count(params, shape->n_params), units_bytes(bytes, shape->n_bytes));
}

static void show_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    progress_update(user, done_bytes, total_bytes);
}

static void report(const struct options *options, const char *path, uint64_t n_bytes, uint64_t ns)
{
    double seconds = (double)(ns > 0 ? ns : 1) * 1e-9;
    if (options_flag(options, "json")) {
        json_t *json = json_object();
        json_object_set_new(json, "file", json_text(path));
        json_object_set_new(json, "bytes", json_count(n_bytes));
        json_object_set_new(json, "seconds", json_number(seconds));
        out_json(json);
        return;
    }
    char size[UNITS_TEXT_BYTES], rate[UNITS_TEXT_BYTES], time[UNITS_TEXT_BYTES], shown[512];
    out_printf("%s: synthetic %s, %s, %s/s\n", out_printable(shown, sizeof shown, path),
               units_bytes(size, n_bytes), units_duration(time, ns),
               units_bytes(rate, (uint64_t)((double)n_bytes / seconds)));
}
