/* SPDX-License-Identifier: MIT */
/*
 * What programs of llama.cpp print about their own speed: the performance footer of
 * llama-completion and llama-cli in all forms since 2023, and the rows of llama-bench as JSON, JSON
 * lines or CSV. Bytes in, numbers out; whatever is not understood is passed over. Stateless, any
 * thread.
 *
 *   llama_print_timings: prompt eval time =  6294.68 ms /   271 tokens (...)       2023
 *   llama_perf_context_print:   eval time =  4852.86 ms /   511 runs   (...)       2024
 *   common_perf_print:          load time =  1226.89 ms                            2025
 *   [ Prompt: 420.3 t/s | Generation: 105.3 t/s ]                                  llama-cli of
 * 2026
 */
#ifndef MEASURE_FOOTER_H
#define MEASURE_FOOTER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct footer { /* NaN and -1 where the footer does not say */
    double load_ms, sample_ms, prompt_ms, eval_ms, total_ms;
    int64_t prompt_tokens, eval_runs; /* evaluations of one token each, the first token not among
                                         them */
    double prompt_tps, eval_tps;      /* where only rates are given */
};
/* The last footer of the text. False when there is none: no line of prompt or of eval. */
bool footer_parse(struct footer *out, const char *text, size_t n_bytes);

/* "version: 4567 (abcdef0)" of `--version` to its line, at most `size` bytes; "" when there is
 * none. Returns the build number, 0 when unknown. */
int64_t footer_parse_version(char *version, size_t size, const char *text, size_t n_bytes);

enum { FOOTER_NAME_BYTES = 64, FOOTER_MAX_SAMPLES = 64 };

struct footer_bench { /* one test of llama-bench */
    int64_t n_prompt, n_gen, n_depth, n_threads;
    double avg_ns;                         /* of one repetition */
    double samples_ns[FOOTER_MAX_SAMPLES]; /* of each; CSV has none: then avg_ns is the one */
    int n_samples;                         /* >= 1 */
    int64_t model_bytes, n_params;         /* -1 where not given */
    char build_commit[FOOTER_NAME_BYTES], model_type[FOOTER_NAME_BYTES];
    int64_t build_number;
};
/*
 * Rows to `out`, at most `max`; returns how many. MSCOPE_ERR_FORMAT says what is missing in the
 * first row that cannot be used; cut-off output is such a row.
 */
enum mscope_status footer_parse_bench(struct footer_bench *out, int max, int *n, const char *text,
                                      size_t n_bytes, struct mscope_error *err);

#endif
