/* SPDX-License-Identifier: MIT */
/* check: five gates on a model file and a verdict. */
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/output.h"

#include "base/rng.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status choose_ids(struct input_ids *ids, const struct runtime *runtime, int n,
                                     struct mscope_error *err);
static void print_verdict(const struct mscope_model_info *info, const char *path,
                          const struct check_gate *gates, bool passed);
static void print_json(const char *path, const struct check_gate *gates, bool passed);

int cmd_check(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct check_gate gates[CHECK_N_GATES] = {
        {.name = "dequantise"}, {.name = "stages"},  {.name = "repeat"},
        {.name = "decode"},     {.name = "default"},
    };
    struct mscope_error err;
    struct runtime runtime = {0};
    struct input_ids ids = {0};
    const char *path = options_argument(options, 0), *cpu_level = options_text(options, "cpu");
    enum mscope_status status = runtime_open_model(&runtime, path, MSCOPE_PART_ALL, &err);
    if (status == MSCOPE_OK && runtime.info->n_vocab < 5) {
        status = error_set(&err, MSCOPE_ERR_UNSUPPORTED, "vocabulary",
                           "%u tokens, expected at least 5", runtime.info->n_vocab);
    }
    if (status == MSCOPE_OK) {
        status = choose_ids(&ids, &runtime, options_int(options, "tokens"), &err);
    }
    if (status != MSCOPE_OK) {
        runtime_close(&runtime);
        return out_error(&err);
    }
    runtime_say_synthetic(&runtime);
    check_dequantise(&gates[0], path, cpu_level);
    check_evaluate(gates + 1, &runtime, &ids, options_int(options, "threads"), cpu_level);
    bool passed = true;
    for (int i = 0; i < CHECK_N_GATES; i++) {
        passed = passed && gates[i].passed;
    }
    if (options_flag(options, "json")) {
        print_json(path, gates, passed);
    } else {
        print_verdict(runtime.info, path, gates, passed);
    }
    input_ids_free(&ids);
    runtime_close(&runtime);
    return passed ? CLI_OK : CLI_FAILED;
}

void check_pass_if(struct check_gate *gate, bool passed, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(gate->measured, sizeof gate->measured, format, args);
    va_end(args);
    gate->passed = passed;
}

void check_fail_with(struct check_gate *gate, const struct mscope_error *err)
{
    mscope_error_text(err, gate->measured, sizeof gate->measured);
    gate->passed = false;
}

/* Text where there is a tokenizer, since models are trained on it; random ids fill up or stand in.
 */
static enum mscope_status choose_ids(struct input_ids *ids, const struct runtime *runtime, int n,
                                     struct mscope_error *err)
{
    static const char text[] =
        "In the beginning the memory was read, line after line, and the numbers that came out of "
        "it were "
        "multiplied and added until one word was more likely than the others. Then it began again.";
    struct input_ids words = {0};
    enum mscope_status status = MSCOPE_OK;
    struct mscope_error ignored;
    if (mscope_tokenize(runtime->model, "", 0, 0, NULL, 0, &(size_t){0}, &ignored) == MSCOPE_OK) {
        status =
            input_tokenize(&words, runtime->model, text, sizeof text - 1, MSCOPE_ADD_SPECIAL, err);
    }
    ids->ids = status == MSCOPE_OK ? malloc((size_t)n * sizeof *ids->ids) : NULL;
    if (status == MSCOPE_OK && ids->ids == NULL) {
        status = error_set_memory(err, "token ids", (uint64_t)n * sizeof *ids->ids);
    }
    if (status == MSCOPE_OK) {
        struct rng rng;
        rng_seed(&rng, 1);
        for (int i = 0; i < n; i++) {
            ids->ids[i] =
                i < words.n ? words.ids[i] : (int32_t)rng_below(&rng, runtime->info->n_vocab);
        }
        ids->n = n;
    }
    input_ids_free(&words);
    return status;
}

static void print_verdict(const struct mscope_model_info *info, const char *path,
                          const struct check_gate *gates, bool passed)
{
    char shown[512], text[160], count[UNITS_TEXT_BYTES];
    out_printf("%s: %s, %s parameters", out_printable(shown, sizeof shown, path),
               info->architecture, units_count(count, info->n_params));
    out_printf("%s%s\n\n", info->file_type[0] != '\0' ? ", " : "",
               out_printable(text, sizeof text, info->file_type));
    for (int i = 0; i < CHECK_N_GATES; i++) {
        out_printf("  %d  %-10s  %s  %s\n", i + 1, gates[i].name, gates[i].passed ? "pass" : "FAIL",
                   out_printable(shown, sizeof shown, gates[i].measured));
    }
    out_printf("\nverdict: %s\n", passed ? "pass" : "FAIL");
}

static void print_json(const char *path, const struct check_gate *gates, bool passed)
{
    json_t *list = json_array();
    for (int i = 0; i < CHECK_N_GATES; i++) {
        json_t *gate = json_object();
        json_object_set_new(gate, "name", json_text(gates[i].name));
        json_object_set_new(gate, "passed", json_boolean(gates[i].passed));
        json_object_set_new(gate, "measured", json_text(gates[i].measured));
        json_array_append_new(list, gate);
    }
    json_t *json = json_object();
    json_object_set_new(json, "file", json_text(path));
    json_object_set_new(json, "passed", json_boolean(passed));
    json_object_set_new(json, "gates", list);
    out_json(json);
}
