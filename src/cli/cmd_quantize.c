/* SPDX-License-Identifier: MIT */
/* quantize: a model with other tensor types. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/runtime.h"

#include "base/strbuf.h"
#include "base/units.h"
#include "machine/machine.h"
#include "model/quantize.h"

#include <stdlib.h>
#include <string.h>

static enum mscope_status read_overrides(struct recipe_override *overrides, int *n_overrides,
                                         const struct options *options, struct mscope_error *err);
static enum mscope_status find_recipe(const struct recipe **out, const char *name,
                                      struct mscope_error *err);
static void show_progress(void *user, const char *tensor, enum dtype from, enum dtype to,
                          uint64_t done_bytes, uint64_t total_bytes);
static void say_synthetic(const char *path);
static void report(const struct options *options, const struct quantize_summary *summary,
                   uint64_t ns);

int cmd_quantize(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct mscope_error err;
    struct recipe_override overrides[OPTIONS_MAX_LISTED];
    struct progress progress;
    int n_threads = options_int(options, "threads");
    struct quantize_params params = {
        .overrides = overrides,
        .n_threads = n_threads > 0 ? n_threads : machine_n_physical_cores(),
        .allow_requantize = options_flag(options, "allow-requantize"),
        .progress = show_progress,
        .user = &progress,
    };
    struct quantize_summary summary;
    const char *out = options_argument(options, 1);
    enum mscope_status status = find_recipe(&params.recipe, options_argument(options, 2), &err);
    if (status == MSCOPE_OK) {
        status = read_overrides(overrides, &params.n_overrides, options, &err);
    }
    if (status == MSCOPE_OK) {
        status = out_path_guard(out, &err);
    }
    if (status != MSCOPE_OK) {
        return out_error(&err);
    }
    progress_start(&progress, "quantize", PROGRESS_BYTES);
    status = quantize_file(&summary, options_argument(options, 0), out, &params, &err);
    uint64_t ns = progress_end(&progress);
    out_path_release();
    if (status != MSCOPE_OK) {
        return out_error(&err);
    }
    say_synthetic(out);
    report(options, &summary, ns);
    return CLI_OK;
}

static enum mscope_status find_recipe(const struct recipe **out, const char *name,
                                      struct mscope_error *err)
{
    *out = recipe_find(name);
    if (*out != NULL) {
        return MSCOPE_OK;
    }
    struct strbuf known = {0};
    const char *const *names = recipe_names();
    for (int i = 0; names[i] != NULL; i++) {
        strbuf_printf(&known, "%s%s", i > 0 ? " " : "", names[i]);
    }
    error_set(err, MSCOPE_ERR_ARGUMENT, "", "unknown, expected one of %s or a plain type",
              known.data != NULL ? known.data : "");
    error_set_object(err, "recipe %s", name);
    strbuf_free(&known);
    return MSCOPE_ERR_ARGUMENT;
}

/* PATTERN=TYPE, split at the last '='. */
static enum mscope_status read_overrides(struct recipe_override *overrides, int *n_overrides,
                                         const struct options *options, struct mscope_error *err)
{
    const char *text;
    for (int i = 0; (text = options_listed(options, "tensor-type", i)) != NULL; i++) {
        struct recipe_override *override = &overrides[i];
        const char *equals = strrchr(text, '=');
        size_t n_pattern = equals != NULL ? (size_t)(equals - text) : 0;
        if (n_pattern == 0 || n_pattern >= sizeof override->pattern) {
            error_set(err, MSCOPE_ERR_ARGUMENT, "",
                      "expected PATTERN=TYPE, the pattern of 1 to %zu bytes",
                      sizeof override->pattern - 1);
            error_set_object(err, "tensor type '%s'", text);
            return MSCOPE_ERR_ARGUMENT;
        }
        memcpy(override->pattern, text, n_pattern);
        override->pattern[n_pattern] = '\0';
        if (!dtype_from_name(&override->type, equals + 1)) {
            error_set(err, MSCOPE_ERR_ARGUMENT, "",
                      "unknown type '%s', expected one such as Q4_K or F16", equals + 1);
            error_set_object(err, "tensor type '%s'", text);
            return MSCOPE_ERR_ARGUMENT;
        }
        *n_overrides = i + 1;
    }
    return MSCOPE_OK;
}

static void show_progress(void *user, const char *tensor, enum dtype from, enum dtype to,
                          uint64_t done_bytes, uint64_t total_bytes)
{
    (void)tensor;
    (void)from;
    (void)to;
    progress_update(user, done_bytes, total_bytes);
}

/* A family that we can convert but not run is passed over in silence. */
static void say_synthetic(const char *path)
{
    struct runtime runtime;
    if (runtime_open_model(&runtime, path, 0, NULL) == MSCOPE_OK) {
        runtime_say_synthetic(&runtime);
    }
    runtime_close(&runtime);
}

static void report(const struct options *options, const struct quantize_summary *summary,
                   uint64_t ns)
{
    const char *out = options_argument(options, 1);
    double seconds = (double)(ns > 0 ? ns : 1) * 1e-9;
    if (options_flag(options, "json")) {
        json_t *json = json_object();
        json_object_set_new(json, "file", json_text(out));
        json_object_set_new(json, "bytes_in", json_count(summary->bytes_in));
        json_object_set_new(json, "bytes_out", json_count(summary->bytes_out));
        json_object_set_new(json, "tensors", json_count(summary->n_tensors));
        json_object_set_new(json, "converted", json_count(summary->n_converted));
        json_object_set_new(json, "seconds", json_number(seconds));
        out_json(json);
        return;
    }
    char in_bytes[UNITS_TEXT_BYTES], out_bytes[UNITS_TEXT_BYTES], rate[UNITS_TEXT_BYTES],
        time[UNITS_TEXT_BYTES];
    char shown[512];
    out_printf("%s: %s from %s, %u of %u tensors converted, %s, %s/s\n",
               out_printable(shown, sizeof shown, out), units_bytes(out_bytes, summary->bytes_out),
               units_bytes(in_bytes, summary->bytes_in), summary->n_converted, summary->n_tensors,
               units_duration(time, ns),
               units_bytes(rate, (uint64_t)((double)summary->bytes_in / seconds)));
}
