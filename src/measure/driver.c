/* SPDX-License-Identifier: MIT */
/* What all drivers share: choosing one, and the arithmetic of rates. */
#include "measure/driver.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_bench(const char *target);
static const char *find_option(const char *target, const char **key);
static enum mscope_status take_name(struct driver_target *out, const char *name,
                                    struct mscope_error *err);
static enum mscope_status take_arguments(struct driver_target *out, char *words,
                                         struct mscope_error *err);

enum mscope_status driver_choose(const struct driver_class **out, const char **target,
                                 const char *text, struct mscope_error *err)
{
    static const char *const program = "llama.cpp:";
    *target = NULL;
    if (text == NULL || strcmp(text, "own") == 0 || strcmp(text, "moescope") == 0) {
        *out = &driver_own;
        return MSCOPE_OK;
    }
    if (strncmp(text, program, strlen(program)) == 0 && text[strlen(program)] != '\0') {
        *target = text + strlen(program);
        *out = is_bench(*target) ? &driver_llama_bench : &driver_llama_cpp;
        return MSCOPE_OK;
    }
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        *out = &driver_http;
        *target = text;
        return MSCOPE_OK;
    }
    if (strncmp(text, "http:http://", 12) == 0 || strncmp(text, "http:https://", 13) == 0) {
        *out = &driver_http;
        *target = text + strlen("http:");
        return MSCOPE_OK;
    }
    return error_set(err, MSCOPE_ERR_ARGUMENT, "engine",
                     "'%s', expected own, llama.cpp:PATH or http:URL", text);
}

/* By the last part of the path. */
static bool is_bench(const char *target)
{
    const char *key;
    size_t n = (size_t)(find_option(target, &key) - target);
    while (n > 0 && target[n - 1] != '/') {
        n--;
        if (strncmp(target + n, "bench", 5) == 0) {
            return true;
        }
    }
    return false;
}

/* Where the first option begins, else the end. */
static const char *find_option(const char *target, const char **key)
{
    static const char *const keys[] = {",name=", ",args="};
    const char *first = target + strlen(target);
    *key = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *at = strstr(target, keys[i]);
        if (at != NULL && at < first) {
            first = at;
            *key = keys[i];
        }
    }
    return first;
}

enum mscope_status driver_target_open(struct driver_target *out, const char *target,
                                      struct mscope_error *err)
{
    *out = (struct driver_target){.memory = strdup(target)};
    if (out->memory == NULL) {
        return error_set_memory(err, "engine", strlen(target));
    }
    const char *key;
    char *at = out->memory + (find_option(out->memory, &key) - out->memory);
    enum mscope_status status = MSCOPE_OK;
    out->place = out->memory;
    while (key != NULL && status == MSCOPE_OK) {
        const char *next_key;
        char *value = at + strlen(key);
        char *next = value + (find_option(value, &next_key) - value);
        *at = '\0';
        *next = '\0';
        status = strcmp(key, ",name=") == 0 ? take_name(out, value, err)
                                            : take_arguments(out, value, err);
        at = next;
        key = next_key;
    }
    if (status != MSCOPE_OK) {
        driver_target_close(out);
    }
    return status;
}

void driver_target_close(struct driver_target *target)
{
    free(target->memory);
    *target = (struct driver_target){0};
}

/* It becomes a part of a cell's name, between slashes. */
static enum mscope_status take_name(struct driver_target *out, const char *name,
                                    struct mscope_error *err)
{
    size_t n = strlen(name);
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-+#";
    if (n == 0 || n >= DRIVER_NAME_BYTES || strspn(name, allowed) != n) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "engine",
                         "name '%.60s', expected 1 to %d letters, digits or ._-+#", name,
                         DRIVER_NAME_BYTES - 1);
    }
    memcpy(out->name, name, n + 1);
    return MSCOPE_OK;
}

static enum mscope_status take_arguments(struct driver_target *out, char *words,
                                         struct mscope_error *err)
{
    char *state = NULL;
    for (char *word = strtok_r(words, " ", &state); word != NULL;
         word = strtok_r(NULL, " ", &state)) {
        if (out->n_arguments == DRIVER_MAX_ARGUMENTS) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "engine",
                             "more than %d words in args=", DRIVER_MAX_ARGUMENTS);
        }
        out->arguments[out->n_arguments++] = word;
    }
    return MSCOPE_OK;
}

void driver_derive_times(struct record *record)
{
    size_t n = record->token_ms.n; /* stamps of the tokens after the first */
    if (n > 0 && isnan(record->decode_ms)) {
        record->decode_ms = record->token_ms.values[n - 1];
    }
    if (record->prefill_ms > 0 && record->prompt_tokens > 0) {
        record->prefill_tps = (double)record->prompt_tokens / record->prefill_ms * 1e3;
    }
    if (record->decode_ms > 0 && record->n_gen > 1) {
        record->decode_tps = (double)(record->n_gen - 1) / record->decode_ms * 1e3;
        record->tpot_ms_mean = record->decode_ms / (double)(record->n_gen - 1);
    }
    double *steps = n > 0 ? malloc(n * sizeof *steps) : NULL;
    if (steps == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        steps[i] = record->token_ms.values[i] - (i > 0 ? record->token_ms.values[i - 1] : 0);
    }
    record->tpot_ms_p50 = stats_percentile(steps, n, 0.50);
    record->tpot_ms_p95 = stats_percentile(steps, n, 0.95);
    record->tpot_ms_p99 = stats_percentile(steps, n, 0.99);
    free(steps);
}
