/* SPDX-License-Identifier: MIT */
/*
 * Rows made by hand for tests of the report: an OLMoE-shaped MoE model and three dense ones, in one
 * folder below the temporary one. Rates come from a closed formula, so that every mean can be
 * computed again in the test.
 */
#ifndef TESTS_REPORT_ROWS_H
#define TESTS_REPORT_ROWS_H

#include "unit.h"

#include "measure/record.h"
#include "report/report.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { ROWS_PATH_BYTES = 512 };

struct rows_model {
    const char *id, *label, *role, *arch;
    int64_t bytes, total, active;
    double decode_tps, prefill_tps, peak_share, per_token_share; /* of the file */
};
static const struct rows_model rows_models[] = {
    {"olmoe", "OLMoE-1B-7B", "moe", "olmoe", 4210000000, 6920000000, 1280000000, 14.0, 55.0, 1.02,
     0.19},
    {"llama", "Llama-3.2-1B", "dense", "llama", 810000000, 1240000000, 1240000000, 17.0, 75.0, 1.08,
     1.0},
    {"qwen", "Qwen2.5-1.5B", "dense", "qwen2", 990000000, 1540000000, 1540000000, 13.5, 61.0, 1.07,
     1.0},
    {"gemma", "Gemma-2-2B", "dense", "gemma2", 1710000000, 2610000000, 2610000000, 8.0, 31.0, 1.05,
     1.0},
};
enum { ROWS_OLMOE, ROWS_LLAMA, ROWS_QWEN, ROWS_GEMMA, ROWS_N_MODELS };

struct rows_run {
    const struct rows_model *model;
    const char *experiment, *prompt, *stratum; /* stratum may be NULL */
    int tokens, threads, repetition;
    double factor; /* of the model's rates */
};

/* A complete row; the caller changes what it wants and hands it to rows_append. */
static inline void rows_fill(struct record *row, const struct rows_run *run)
{
    const struct rows_model *model = run->model;
    char cell[200];
    snprintf(cell, sizeof cell, "full/%s/%s/%s/t%d/r%d/moescope", run->experiment, model->id,
             run->prompt, run->threads, run->repetition);
    record_init(row);
    const struct {
        char **field;
        const char *text;
    } texts[] = {{&row->cell, cell},
                 {&row->kind, "study"},
                 {&row->study, "full"},
                 {&row->experiment, run->experiment},
                 {&row->session_id, "20250101T000000-1"},
                 {&row->started_at, "2025-01-01T10:00:00.000Z"},
                 {&row->version, "0.1.0"},
                 {&row->commit, "0123456789abcdef0123456789abcdef01234567"},
                 {&row->compiler, "gcc 12.2.0"},
                 {&row->flags, "-O2 -g"},
                 {&row->binary_sha256, "b1b1"},
                 {&row->command, "moescope study"},
                 {&row->engine, "moescope"},
                 {&row->engine_detail, "avx2"},
                 {&row->host_fingerprint, "aaaabbbbccccdddd"},
                 {&row->cpu, "Test CPU <2 cores>"},
                 {&row->os, "Linux 6.1"},
                 {&row->model, model->id},
                 {&row->model_label, model->label},
                 {&row->model_role, model->role},
                 {&row->model_file, model->id},
                 {&row->model_sha256, "5a5a"},
                 {&row->arch, model->arch},
                 {&row->quant, "Q4_K_M"},
                 {&row->prompt, run->prompt},
                 {&row->prompt_category, "qa"},
                 {&row->stratum, run->stratum},
                 {&row->kv_type, "f16"},
                 {&row->status, "ok"},
                 {&row->condition, "trust"},
                 {&row->energy_reason, "no counter in /sys/class/powercap"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(record_set_text(texts[i].field, texts[i].text, NULL), MSCOPE_OK);
    }
    row->synthetic = 1;
    row->n_cores_physical = 2;
    row->n_cores_logical = 4;
    row->ram_bytes = 16000000000;
    row->model_bytes = model->bytes;
    row->params_total = model->total;
    row->params_active = model->active;
    row->prompt_tokens = run->tokens;
    row->n_gen = 65;
    row->threads = run->threads;
    row->repetition = run->repetition;
    row->decode_tps = model->decode_tps * run->factor;
    row->prefill_tps = model->prefill_tps * run->factor;
    row->decode_ms = 64 / row->decode_tps * 1000;
    row->prefill_ms = run->tokens / row->prefill_tps * 1000;
    row->ttft_ms = row->prefill_ms + 1;
    row->tpot_ms_p50 = row->decode_ms / 64;
    row->tpot_ms_p95 = 1.1 * row->decode_ms / 64;
    row->peak_rss_bytes = (int64_t)((double)model->bytes * model->peak_share);
    row->bytes_per_token = (double)model->bytes * model->per_token_share;
    row->roof_read_gbps = 20;
    row->roof_fp32_gflops = 90;
    row->roof_int8_gops = 300;
    row->s_mbu = row->bytes_per_token * row->decode_tps / 20e9;
}

/* Ten tenths of the time: MoE 2 attention, 1 router, 1 dispatch, 5 experts, 1 output; dense FFN 6.
 */
static inline void rows_add_phases(struct record *row)
{
    const bool moe = strcmp(row->model_role, "moe") == 0;
    struct record_phases *const sides[] = {&row->prefill_phase_ns, &row->decode_phase_ns};
    const double ms[] = {row->prefill_ms, row->decode_ms};
    for (size_t i = 0; i < 2; i++) {
        int64_t tenth = (int64_t)(ms[i] * 1e5);
        memset(sides[i]->of, 0, sizeof sides[i]->of);
        sides[i]->of[MSCOPE_PHASE_ATTENTION] = (moe ? 2 : 3) * tenth;
        sides[i]->of[MSCOPE_PHASE_ROUTER] = moe ? tenth : 0;
        sides[i]->of[MSCOPE_PHASE_DISPATCH] = moe ? tenth : 0;
        sides[i]->of[MSCOPE_PHASE_EXPERTS] = moe ? 5 * tenth : 0;
        sides[i]->of[MSCOPE_PHASE_FFN] = moe ? 0 : 6 * tenth;
        sides[i]->of[MSCOPE_PHASE_OUTPUT] = tenth;
    }
    row->prefill_parts_share = 1;
    row->decode_parts_share = 1;
    if (moe) {
        row->routing_share = 1.0 / 6;
    }
    struct record_classes *const bytes[] = {&row->prefill_weight_bytes, &row->decode_weight_bytes};
    for (size_t i = 0; i < 2; i++) {
        memset(bytes[i]->of, 0, sizeof bytes[i]->of);
        bytes[i]->of[MSCOPE_CLASS_OUTPUT] = 1000000;
        bytes[i]->of[MSCOPE_CLASS_ATTENTION] = (int64_t)(i == 0 ? 1 : 64) * 400000000;
    }
    row->prefill_kv_bytes = 1000;
    row->decode_kv_bytes = 64000;
    row->prefill_flops = 2 * row->params_active * row->prompt_tokens;
    row->decode_flops = 2 * row->params_active * 64;
}

struct rows_file {
    char folder[ROWS_PATH_BYTES], path[ROWS_PATH_BYTES + 16], out[ROWS_PATH_BYTES + 16];
    FILE *stream;
};

static inline void rows_open(struct rows_file *file)
{
    const char *base = getenv("TMPDIR");
    snprintf(file->folder, sizeof file->folder, "%s/moescope-report-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(file->folder));
    snprintf(file->path, sizeof file->path, "%s/rows.jsonl", file->folder);
    snprintf(file->out, sizeof file->out, "%s/out", file->folder);
    file->stream = fopen(file->path, "w");
    assert_non_null(file->stream);
}

/* Writes the row and frees it. */
static inline void rows_append(struct rows_file *file, struct record *row)
{
    json_t *json = record_to_json(row);
    assert_non_null(json);
    assert_int_equal(json_dumpf(json, file->stream, JSON_COMPACT), 0);
    fputc('\n', file->stream);
    json_decref(json);
    record_free(row);
}

static inline void rows_add(struct rows_file *file, const struct rows_run *run, bool phases)
{
    struct record row;
    rows_fill(&row, run);
    if (phases) {
        rows_add_phases(&row);
    }
    rows_append(file, &row);
}

static inline const char *rows_prompt(char text[16], int i)
{
    snprintf(text, 16, "p%02d", i);
    return text;
}

/* Repetition r of prompt p runs at 1 + (p - 1.5) / 100 + (r - 2) / 200 of the model's rates. */
static inline double rows_factor(int prompt, int repetition)
{
    return 1 + (prompt - 1.5) / 100 + (repetition - 2) / 200.0;
}

/*
 * Experiment 1 with 4 prompts of 100 tokens × 3; lengths 60, 400, 1500 tokens × 3, where the MoE
 * model keeps 0.9 of its rate at the long one and the dense ones 0.8; a sweep over 1 and 2 threads
 * × 2.
 */
static inline void rows_add_study(struct rows_file *file)
{
    static const struct {
        const char *name;
        int tokens;
    } strata[] = {{"short", 60}, {"medium", 400}, {"long", 1500}};
    for (int m = 0; m < ROWS_N_MODELS; m++) {
        const struct rows_model *model = &rows_models[m];
        char prompt[16];
        for (int i = 0; i < 12; i++) {
            int p = i / 3, r = 1 + i % 3;
            rows_add(file,
                     &(struct rows_run){model, "experiment_1_efficiency", rows_prompt(prompt, p),
                                        NULL, 100, 2, r, rows_factor(p, r)},
                     true);
        }
        for (int i = 0; i < 9; i++) {
            int s = i / 3, r = 1 + i % 3;
            double kept = s == 2 ? (m == ROWS_OLMOE ? 0.9 : 0.8) : s == 1 ? 0.95 : 1;
            rows_add(file,
                     &(struct rows_run){model, "experiment_2_sequence_length", strata[s].name,
                                        strata[s].name, strata[s].tokens, 2, r,
                                        kept * (1 + (r - 2) / 200.0)},
                     true);
        }
        for (int i = 0; i < 4; i++) {
            int threads = 1 + i / 2, r = 1 + i % 2;
            rows_add(file,
                     &(struct rows_run){model, "thread_sweep", "p00", NULL, 100, threads, r,
                                        (threads == 2 ? 1 : 0.6) * (1 + (r - 1.5) / 100)},
                     false);
        }
    }
}

/* Closes the file and makes the report; without figures unless `gnuplot` is given. */
static inline struct report *rows_report(struct rows_file *file, const char *gnuplot)
{
    if (file->stream != NULL) {
        assert_int_equal(fclose(file->stream), 0);
        file->stream = NULL;
    }
    const char *raw[] = {file->path};
    const struct report_settings settings = {
        .raw = raw, .n_raw = 1, .out = file->out, .gnuplot = gnuplot};
    struct report *report = NULL;
    struct mscope_error err;
    assert_ok(report_build(&report, &settings, &err), &err);
    return report;
}

/* Removes the folder and what is in it. */
static inline void rows_remove(struct rows_file *file)
{
    if (file->stream != NULL) {
        fclose(file->stream);
    }
    char command[2 * ROWS_PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", file->folder);
    FILE *shell = popen(command, "r");
    assert_non_null(shell);
    assert_int_equal(pclose(shell), 0);
}

#endif
