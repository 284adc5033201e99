/* SPDX-License-Identifier: MIT */
/* What all drivers share: choosing one, and the arithmetic of rates. */
#include "measure/driver.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
        *out = &driver_llama_cpp;
        *target = text + strlen(program);
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
