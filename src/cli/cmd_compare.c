/* SPDX-License-Identifier: MIT */
/* compare: the distance of two models, or of two files of logits. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/windows.h"
#include "sample/measure.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *check_usage(const struct options *options);
static enum mscope_status compare_models(struct measure_distance *acc,
                                         const struct options *options, struct mscope_error *err);
static enum mscope_status open_models(struct runtime *a, struct runtime *b, struct windows *windows,
                                      const struct options *options, struct mscope_error *err);
static enum mscope_status compare_windows(struct measure_distance *acc, struct runtime *a,
                                          struct runtime *b, const struct windows *windows,
                                          struct mscope_error *err);
static enum mscope_status compare_files(struct measure_distance *acc, const char *path_a,
                                        const char *path_b, int n_vocab, struct mscope_error *err);
static void report(const struct options *options, const struct measure_distance *acc);

int cmd_compare(const struct cli_verb *verb, const struct options *options)
{
    const char *wrong = check_usage(options);
    if (wrong != NULL) {
        return cli_usage_error(verb, wrong);
    }
    struct mscope_error err;
    struct measure_distance acc = {0};
    enum mscope_status status =
        options_given(options, "vocab")
            ? compare_files(&acc, options_argument(options, 0), options_argument(options, 1),
                            options_int(options, "vocab"), &err)
            : compare_models(&acc, options, &err);
    if (status == MSCOPE_OK && !(isfinite(acc.kl_sum) && isfinite(acc.max_error))) {
        status = error_set(&err, MSCOPE_ERR_FORMAT, "logits of A or B",
                           "not all are finite numbers ('moescope check' tells where it begins)");
    }
    if (status != MSCOPE_OK) {
        return out_error(&err);
    }
    report(options, &acc);
    return CLI_OK;
}

static const char *check_usage(const struct options *options)
{
    int n_sources = options_given(options, "file") + options_given(options, "tokens") +
                    options_given(options, "vocab");
    if (n_sources != 1) {
        return n_sources == 0 ? "what to compare on is missing: -f TEXT, --tokens LIST or --vocab N"
                              : "-f, --tokens and --vocab exclude each other";
    }
    if (options_given(options, "vocab") && options_int(options, "vocab") < 5) {
        return "option --vocab: expected at least 5";
    }
    return NULL;
}

/* ---- two models ------------------------------------------------------------------------------ */

static enum mscope_status compare_models(struct measure_distance *acc,
                                         const struct options *options, struct mscope_error *err)
{
    struct runtime a = {0}, b = {0};
    struct windows windows = {0};
    enum mscope_status status = open_models(&a, &b, &windows, options, err);
    if (status == MSCOPE_OK) {
        runtime_say_synthetic(&a);
        runtime_say_synthetic(&b);
        status = compare_windows(acc, &a, &b, &windows, err);
    }
    windows_free(&windows);
    runtime_close(&b);
    runtime_close(&a);
    return status;
}

static enum mscope_status open_models(struct runtime *a, struct runtime *b, struct windows *windows,
                                      const struct options *options, struct mscope_error *err)
{
    const char *list = options_text(options, "tokens");
    int n_ctx = options_int(options, "ctx") > 0 ? options_int(options, "ctx") : WINDOWS_DEFAULT_CTX;
    unsigned parts = list != NULL ? MSCOPE_PART_WEIGHTS : MSCOPE_PART_ALL;
    enum mscope_status status = runtime_open_model(a, options_argument(options, 0), parts, err);
    if (status == MSCOPE_OK) {
        status = runtime_open_model(b, options_argument(options, 1), MSCOPE_PART_WEIGHTS, err);
    }
    if (status == MSCOPE_OK && (a->info->n_vocab != b->info->n_vocab || a->info->n_vocab < 5)) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "vocabulary of B",
                           "%u tokens, expected the %u of A, at least 5", b->info->n_vocab,
                           a->info->n_vocab);
    }
    if (status == MSCOPE_OK && list != NULL) {
        *windows = (struct windows){.bos = -1, .n_ctx = n_ctx};
        status = input_read_ids(&windows->ids, list, a->info->n_vocab, err);
    } else if (status == MSCOPE_OK) {
        status = windows_from_text(windows, a->model, options_text(options, "file"), n_ctx, err);
    }
    struct runtime_params opening = runtime_params_of(options, n_ctx, WINDOWS_ROWS_AT_ONCE);
    if (status == MSCOPE_OK) {
        struct runtime_params reference = opening;
        reference.exact = opening.exact || options_flag(options, "exact-a");
        status = runtime_open_session(a, &reference, err);
    }
    if (status == MSCOPE_OK) {
        status = runtime_open_session(b, &opening, err);
    }
    return status;
}

static enum mscope_status compare_windows(struct measure_distance *acc, struct runtime *a,
                                          struct runtime *b, const struct windows *windows,
                                          struct mscope_error *err)
{
    int n_ids = windows->ids.n, n_ctx = windows->n_ctx, n_vocab = (int)a->info->n_vocab;
    int32_t *tokens = malloc((size_t)n_ctx * sizeof *tokens);
    if (tokens == NULL) {
        return error_set_memory(err, "a window of tokens", (size_t)n_ctx * sizeof *tokens);
    }
    enum mscope_status status = MSCOPE_OK;
    struct progress progress;
    progress_start(&progress, "compare", PROGRESS_TOKENS);
    for (int start = 0; start < n_ids && status == MSCOPE_OK; start += n_ctx) {
        int n = n_ids - start < n_ctx ? n_ids - start : n_ctx;
        windows_copy(windows, start, n, tokens);
        mscope_session_rewind(a->session, 0, NULL);
        mscope_session_rewind(b->session, 0, NULL);
        for (int i = 0; i < n && status == MSCOPE_OK;) {
            int n_rows = n - i < WINDOWS_ROWS_AT_ONCE ? n - i : WINDOWS_ROWS_AT_ONCE;
            status = mscope_eval(a->session, tokens + i, n_rows, MSCOPE_OUTPUT_ALL, err);
            if (status == MSCOPE_OK) {
                status = mscope_eval(b->session, tokens + i, n_rows, MSCOPE_OUTPUT_ALL, err);
            }
            for (int k = 0; k < n_rows && status == MSCOPE_OK; k++) {
                measure_distance_add(acc, mscope_engine_logits(a->engine, k),
                                     mscope_engine_logits(b->engine, k), n_vocab);
            }
            i += n_rows;
            progress_update(&progress, (uint64_t)start + (uint64_t)i, (uint64_t)n_ids);
        }
    }
    progress_end(&progress);
    free(tokens);
    return status;
}

/* ---- two files ------------------------------------------------------------------------------- */

static enum mscope_status open_rows(FILE **out, uint64_t *n_rows, const char *path, int n_vocab,
                                    struct mscope_error *err)
{
    struct stat status;
    *out = fopen(path, "rb");
    if (*out == NULL || fstat(fileno(*out), &status) != 0) {
        error_set_errno(err, errno, "", "cannot open");
        error_set_object(err, "file %s", path);
        return MSCOPE_ERR_IO;
    }
    uint64_t row_bytes = (uint64_t)n_vocab * sizeof(float), n_bytes = (uint64_t)status.st_size;
    if (!S_ISREG(status.st_mode) || n_bytes == 0 || n_bytes % row_bytes != 0) {
        error_set(err, MSCOPE_ERR_FORMAT, "", "%llu bytes, expected rows of %d floats (--vocab)",
                  (unsigned long long)n_bytes, n_vocab);
        error_set_object(err, "file %s", path);
        return MSCOPE_ERR_FORMAT;
    }
    *n_rows = n_bytes / row_bytes;
    return MSCOPE_OK;
}

static enum mscope_status read_row(float *row, FILE *stream, const char *path, int n_vocab,
                                   struct mscope_error *err)
{
    if (fread(row, sizeof *row, (size_t)n_vocab, stream) != (size_t)n_vocab) {
        error_set_errno(err, ferror(stream) ? errno : ENODATA, "", "cannot read");
        error_set_object(err, "file %s", path);
        return MSCOPE_ERR_IO;
    }
    return MSCOPE_OK;
}

static enum mscope_status compare_files(struct measure_distance *acc, const char *path_a,
                                        const char *path_b, int n_vocab, struct mscope_error *err)
{
    FILE *a = NULL, *b = NULL;
    uint64_t n_rows = 0, n_rows_b = 0;
    float *rows = calloc((size_t)n_vocab * 2, sizeof *rows);
    enum mscope_status status = rows != NULL
                                    ? open_rows(&a, &n_rows, path_a, n_vocab, err)
                                    : error_set_memory(err, "logits", (uint64_t)n_vocab * 8);
    if (status == MSCOPE_OK) {
        status = open_rows(&b, &n_rows_b, path_b, n_vocab, err);
    }
    if (status == MSCOPE_OK && n_rows != n_rows_b) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "", "%llu rows, expected the %llu of A",
                           (unsigned long long)n_rows_b, (unsigned long long)n_rows);
        error_set_object(err, "file %s", path_b);
    }
    for (uint64_t i = 0; i < n_rows && status == MSCOPE_OK; i++) {
        status = read_row(rows, a, path_a, n_vocab, err);
        if (status == MSCOPE_OK) {
            status = read_row(rows + n_vocab, b, path_b, n_vocab, err);
        }
        if (status == MSCOPE_OK) {
            measure_distance_add(acc, rows, rows + n_vocab, n_vocab);
        }
    }
    if (a != NULL) {
        fclose(a);
    }
    if (b != NULL) {
        fclose(b);
    }
    free(rows);
    return status;
}

static void report(const struct options *options, const struct measure_distance *acc)
{
    double n = (double)acc->n;
    double top1 = (double)acc->top1_equal / n, top5 = (double)acc->top5_hits / (5 * n);
    if (options_flag(options, "json")) {
        json_t *json = json_object();
        json_object_set_new(json, "positions", json_count(acc->n));
        json_object_set_new(json, "kl_mean", json_number(acc->kl_sum / n));
        json_object_set_new(json, "kl_max", json_number(acc->kl_max));
        json_object_set_new(json, "top1_agreement", json_number(top1));
        json_object_set_new(json, "top5_agreement", json_number(top5));
        json_object_set_new(json, "relative_error", json_number(measure_distance_relative(acc)));
        json_object_set_new(json, "max_difference", json_number(acc->max_error));
        out_json(json);
        return;
    }
    out_printf("positions          %llu\n", (unsigned long long)acc->n);
    out_printf("KL divergence      mean %.6g nats, max %.6g\n", acc->kl_sum / n, acc->kl_max);
    out_printf("top-1 agreement    %.2f %% (%llu of %llu)\n", 100 * top1,
               (unsigned long long)acc->top1_equal, (unsigned long long)acc->n);
    out_printf("top-5 agreement    %.2f %%\n", 100 * top5);
    out_printf("relative error     %.3g of the standard deviation of A's logits (rms)\n",
               measure_distance_relative(acc));
    out_printf("largest difference %.3g\n", acc->max_error);
}
