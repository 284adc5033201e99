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

static void list_shapes(const struct options *options);
static void show_progress(void *user, uint64_t done_bytes, uint64_t total_bytes);
static void report(const struct options *options, const char *path, uint64_t n_bytes, uint64_t ns);

int cmd_synth(const struct cli_verb *verb, const struct options *options)
{
    const char *path = options_argument(options, 1);
    if (options_flag(options, "list")) {
        list_shapes(options);
        return CLI_OK;
    }
    if (path == NULL) {
        return cli_usage_error(verb, options_argument(options, 0) == NULL
                                         ? "missing argument SHAPE (see --list)"
                                         : "missing argument OUT");
    }
    struct mscope_error err;
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

static void list_shapes(const struct options *options)
{
    const char *const *shapes = synth_shapes();
    json_t *names = json_array();
    for (int i = 0; shapes[i] != NULL; i++) {
        json_array_append_new(names, json_string(shapes[i]));
        if (!options_flag(options, "json")) {
            out_printf("%s\n", shapes[i]);
        }
    }
    if (options_flag(options, "json")) {
        out_json(names);
    } else {
        json_decref(names);
    }
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
