/* SPDX-License-Identifier: MIT */
/* bench: short tests of model files, and the comparison of two such runs. */
#include "cli/bench_engines.h"
#include "cli/bench_table.h"
#include "cli/bench_versus.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"

#include "base/strbuf.h"
#include "machine/machine.h"
#include "measure/bench.h"
#include "measure/plan.h"
#include "measure/provenance.h"
#include "measure/row_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TOKENS = 1 << 20, MAX_TESTS = 512, MAX_FILES = 256 };

struct bench {
    const struct options *options;
    struct bench_table table;
    struct row_file *file; /* --append; NULL: none */
    struct driver_test tests[MAX_TESTS];
    int n_tests;
    int threads[BENCH_MAX_LIST], batches[BENCH_MAX_LIST];
    int n_threads, n_batches;
    char *caches; /* split in place */
    const char *kv[8];
    int n_kv;
    struct bench_engine engines[BENCH_MAX_ENGINES];
    int n_engines;
    bool is_versus; /* several engines, as a table for people */
    struct bench_versus versus;
    bool random;
    struct strbuf text, api_key;
    struct record base;
    int n_failed;
    bool is_terminal, drawn;
    struct mscope_error append_error;
};

static int show(const struct cli_verb *verb, const struct options *options);
static enum mscope_status read_options(struct bench *bench, const struct options *options,
                                       struct mscope_error *err);
static enum mscope_status read_tests(struct bench *bench, struct mscope_error *err);
static enum mscope_status add_test(struct bench *bench, struct driver_test test,
                                   struct mscope_error *err);
static enum mscope_status read_named_tests(struct bench *bench, const char *list,
                                           struct mscope_error *err);
static enum mscope_status read_engines(struct bench *bench, struct mscope_error *err);
static enum mscope_status read_pairs(struct bench *bench, const int *depths, int n_depths,
                                     struct mscope_error *err);
static enum mscope_status read_caches(struct bench *bench, struct mscope_error *err);
static enum mscope_status fill_base(struct bench *bench, struct mscope_error *err);
static enum mscope_status bench_model(struct bench *bench, const char *path,
                                      struct mscope_error *err);
static enum mscope_status describe_model(struct bench *bench, const char *path,
                                         struct mscope_error *err);
static void take_row(void *user, const struct record *row);
static void show_step(void *user, const char *text);
static void clear_step(struct bench *bench);
static bool wants_stop(void *user);

int cmd_bench(const struct cli_verb *verb, const struct options *options)
{
    struct mscope_error err = {0};
    const char *first = options_argument(options, 0);
    if (first != NULL && strcmp(first, "compare") == 0) {
        const char *a = options_argument(options, 1), *b = options_argument(options, 2);
        if (a == NULL || b == NULL || options_argument(options, 3) != NULL) {
            return cli_usage_error(verb, "compare needs two files of rows");
        }
        return bench_compare(a, b, options_text(options, "output"), &err) == MSCOPE_OK
                   ? CLI_OK
                   : out_error(&err);
    }
    if (first != NULL && strcmp(first, "show") == 0) {
        return show(verb, options);
    }
    if (options_flag(options, "random") && options_given(options, "file")) {
        return cli_usage_error(verb, "--random and --file exclude each other");
    }
    if (options_given(options, "test") &&
        (options_given(options, "prompt") || options_given(options, "gen") ||
         options_given(options, "depth") || options_given(options, "pg"))) {
        return cli_usage_error(verb, "--test and -p, -n, -d, --pg exclude each other");
    }
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        error_set_memory(&err, "bench", sizeof *bench);
        return out_error(&err);
    }
    record_init(&bench->base);
    enum mscope_status status = read_options(bench, options, &err);
    if (status == MSCOPE_OK) {
        interrupt_watch();
        if (!bench->is_versus) {
            bench_table_start(&bench->table, options_text(options, "output"));
        }
        for (int i = 0;
             status == MSCOPE_OK && options_argument(options, i) != NULL && !interrupt_requested();
             i++) {
            status = bench_model(bench, options_argument(options, i), &err);
            if (bench->is_versus) {
                bench_versus_print(&bench->versus);
                bench_versus_free(&bench->versus);
            }
        }
        clear_step(bench);
        if (!bench->is_versus) {
            bench_table_end(&bench->table);
        }
    }
    int exit_code = status != MSCOPE_OK                            ? out_error(&err)
                    : bench->n_failed > 0 || interrupt_requested() ? CLI_FAILED
                                                                   : CLI_OK;
    row_file_close(&bench->file);
    record_free(&bench->base);
    strbuf_free(&bench->text);
    strbuf_free(&bench->api_key);
    bench_versus_free(&bench->versus);
    free(bench->caches);
    free(bench);
    return exit_code;
}

static int show(const struct cli_verb *verb, const struct options *options)
{
    struct mscope_error err = {0};
    const char *paths[MAX_FILES];
    int n = 0;
    while (n < MAX_FILES && options_argument(options, n + 1) != NULL) {
        paths[n] = options_argument(options, n + 1);
        n++;
    }
    if (n == 0 || n == MAX_FILES) {
        return cli_usage_error(verb, n == 0 ? "show needs a file of rows" : "too many files");
    }
    const struct bench_show_options chosen = {.format = options_text(options, "output"),
                                              .ratios = options_flag(options, "ratios"),
                                              .roof = options_text(options, "roof")};
    return bench_show(paths, n, &chosen, &err) == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static enum mscope_status read_options(struct bench *bench, const struct options *options,
                                       struct mscope_error *err)
{
    bench->options = options;
    bench->is_terminal = isatty(STDERR_FILENO) != 0;
    char cores[16];
    snprintf(cores, sizeof cores, "%d", machine_n_physical_cores());
    const char *threads = options_text(options, "threads");
    enum mscope_status status =
        plan_parse_list(bench->threads, &bench->n_threads, BENCH_MAX_LIST,
                        threads != NULL ? threads : cores, "--threads", 1, 1024, err);
    status = status == MSCOPE_OK
                 ? plan_parse_list(bench->batches, &bench->n_batches, BENCH_MAX_LIST,
                                   options_text(options, "batch"), "--batch", 1, MAX_TOKENS, err)
                 : status;
    const char *tests = options_text(options, "test");
    if (status == MSCOPE_OK) {
        status = tests != NULL ? read_named_tests(bench, tests, err) : read_tests(bench, err);
    }
    status = status == MSCOPE_OK ? read_engines(bench, err) : status;
    status = status == MSCOPE_OK ? read_caches(bench, err) : status;
    if (status == MSCOPE_OK && options_given(options, "file")) {
        status = input_read_text(&bench->text, options_text(options, "file"), err);
        if (status == MSCOPE_OK && bench->text.n_bytes == 0) {
            status = error_set(err, MSCOPE_ERR_ARGUMENT, options_text(options, "file"),
                               "empty, expected a text");
        }
    }
    if (status == MSCOPE_OK && options_given(options, "append")) {
        status = row_file_open(&bench->file, options_text(options, "append"), NULL, err);
    }
    return status == MSCOPE_OK ? fill_base(bench, err) : status;
}

/* For each depth: prompts alone, generation alone, and the pairs of --pg. */
static enum mscope_status read_tests(struct bench *bench, struct mscope_error *err)
{
    int prompts[BENCH_MAX_LIST], gens[BENCH_MAX_LIST], depths[BENCH_MAX_LIST];
    int n_prompts = 0, n_gens = 0, n_depths = 0;
    const struct options *options = bench->options;
    enum mscope_status status =
        plan_parse_list(prompts, &n_prompts, BENCH_MAX_LIST, options_text(options, "prompt"),
                        "--prompt", 0, MAX_TOKENS, err);
    status = status == MSCOPE_OK
                 ? plan_parse_list(gens, &n_gens, BENCH_MAX_LIST, options_text(options, "gen"),
                                   "--gen", 0, MAX_TOKENS, err)
                 : status;
    status = status == MSCOPE_OK
                 ? plan_parse_list(depths, &n_depths, BENCH_MAX_LIST,
                                   options_text(options, "depth"), "--depth", 0, MAX_TOKENS, err)
                 : status;
    for (int d = 0; d < n_depths && status == MSCOPE_OK; d++) {
        for (int i = 0; i < n_prompts && status == MSCOPE_OK; i++) {
            status = add_test(bench, (struct driver_test){prompts[i], 0, depths[d]}, err);
        }
        for (int i = 0; i < n_gens && status == MSCOPE_OK; i++) {
            status = add_test(bench, (struct driver_test){0, gens[i], depths[d]}, err);
        }
    }
    status = status == MSCOPE_OK ? read_pairs(bench, depths, n_depths, err) : status;
    if (status == MSCOPE_OK && bench->n_tests == 0) {
        status =
            error_set(err, MSCOPE_ERR_ARGUMENT, "bench", "no tests: all of -p, -n and --pg are 0");
    }
    return status;
}

static enum mscope_status read_pairs(struct bench *bench, const int *depths, int n_depths,
                                     struct mscope_error *err)
{
    const char *text;
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; (text = options_listed(bench->options, "pg", i)) != NULL; i++) {
        int pair[2], n;
        status = plan_parse_list(pair, &n, 2, text, "--pg", 1, MAX_TOKENS, err);
        if (status == MSCOPE_OK && n != 2) {
            status = error_set(err, MSCOPE_ERR_ARGUMENT, "--pg", "'%s', expected P,N as in 512,128",
                               text);
        }
        for (int d = 0; d < n_depths && status == MSCOPE_OK; d++) {
            status = add_test(bench, (struct driver_test){pair[0], pair[1], depths[d]}, err);
        }
        if (status != MSCOPE_OK) {
            break;
        }
    }
    return status;
}

static enum mscope_status add_test(struct bench *bench, struct driver_test test,
                                   struct mscope_error *err)
{
    if (test.n_prompt == 0 && test.n_gen == 0) {
        return MSCOPE_OK; /* -p 0 or -n 0 takes that kind away */
    }
    if (bench->n_tests == MAX_TESTS) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "bench", "more than %d tests", MAX_TESTS);
    }
    bench->tests[bench->n_tests++] = test;
    return MSCOPE_OK;
}

static enum mscope_status read_named_tests(struct bench *bench, const char *list,
                                           struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    while (status == MSCOPE_OK) {
        char name[BENCH_NAME_BYTES];
        struct driver_test test;
        size_t n = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), list);
        status = bench_test_parse(&test, name, MAX_TOKENS, err);
        status = status == MSCOPE_OK ? add_test(bench, test, err) : status;
        if (list[n] == '\0') {
            break;
        }
        list += n + 1;
    }
    return status;
}

/* Programs of tests know random tokens only: then all engines get them. */
static enum mscope_status read_engines(struct bench *bench, struct mscope_error *err)
{
    const struct options *options = bench->options;
    enum mscope_status status = engines_read(bench->engines, &bench->n_engines, options, err);
    status = status == MSCOPE_OK ? engines_read_key(&bench->api_key, options, err) : status;
    bench->random = options_flag(options, "random");
    bench->is_versus = bench->n_engines > 1 && strcmp(options_text(options, "output"), "md") == 0;
    for (int i = 0; i < bench->n_engines && status == MSCOPE_OK; i++) {
        if (bench->engines[i].class->run_all == NULL || bench->random) {
            continue;
        }
        if (options_given(options, "file")) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, bench->engines[i].name,
                             "takes no text, expected no --file (llama-completion takes texts)");
        }
        out_note("%s takes no text: random tokens for all engines", bench->engines[i].name);
        bench->random = true;
    }
    return status;
}

static enum mscope_status read_caches(struct bench *bench, struct mscope_error *err)
{
    bench->caches = strdup(options_text(bench->options, "type-kv"));
    if (bench->caches == NULL) {
        return error_set_memory(err, "options", 0);
    }
    char *state = NULL;
    for (char *type = strtok_r(bench->caches, ",", &state); type != NULL;
         type = strtok_r(NULL, ",", &state)) {
        bool known =
            strcmp(type, "f16") == 0 || strcmp(type, "q8_0") == 0 || strcmp(type, "f32") == 0;
        if (!known || bench->n_kv == 8) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "--type-kv",
                             "'%s', expected f16, q8_0 or f32, separated by commas", type);
        }
        bench->kv[bench->n_kv++] = type;
    }
    return bench->n_kv > 0 ? MSCOPE_OK : error_set(err, MSCOPE_ERR_ARGUMENT, "--type-kv", "empty");
}

static enum mscope_status fill_base(struct bench *bench, struct mscope_error *err)
{
    int argc;
    const char *const *argv = cli_command_line(&argc);
    struct record *base = &bench->base;
    enum mscope_status status = provenance_fill(base, argc, argv, err);
    status = status == MSCOPE_OK ? record_set_text(&base->kind, "bench", err) : status;
    status = status == MSCOPE_OK ? record_set_text(&base->study, "bench", err) : status;
    status = status == MSCOPE_OK ? record_set_text(&base->experiment, "bench", err) : status;
    base->seed = (int64_t)(options_u64(bench->options, "seed") & INT64_MAX);
    return status;
}

static enum mscope_status bench_model(struct bench *bench, const char *path,
                                      struct mscope_error *err)
{
    enum mscope_status status = describe_model(bench, path, err);
    for (int k = 0; k < bench->n_kv && status == MSCOPE_OK; k++) {
        for (int b = 0; b < bench->n_batches && status == MSCOPE_OK; b++) {
            for (int t = 0; t < bench->n_threads && status == MSCOPE_OK && !interrupt_requested();
                 t++) {
                int n_wanted = options_int(bench->options, "repetitions");
                int n_rounds = options_given(bench->options, "rounds")
                                   ? options_int(bench->options, "rounds")
                               : bench->n_engines > 1 ? n_wanted
                                                      : 1;
                struct bench_params params = {
                    .path = path,
                    .tests = bench->tests,
                    .n_tests = bench->n_tests,
                    .engines = bench->engines,
                    .n_engines = bench->n_engines,
                    .n_threads = bench->threads[t],
                    .n_batch = bench->batches[b],
                    .kv_type = bench->kv[k],
                    .cpu_level = options_text(bench->options, "cpu"),
                    .n_rounds = n_rounds,
                    .n_repetitions = (n_wanted + n_rounds - 1) / n_rounds,
                    .random = bench->random,
                    .text = bench->text.data,
                    .timeout_s = options_float(bench->options, "timeout"),
                    .api_key = bench->api_key.n_bytes > 0 ? bench->api_key.data : NULL,
                    .seed = options_u64(bench->options, "seed"),
                    .base = &bench->base,
                    .measure_roofs = !options_flag(bench->options, "no-roof"),
                    .take = take_row,
                    .step = show_step,
                    .stopped = wants_stop,
                    .user = bench,
                };
                status = bench_run(&params, err);
            }
        }
    }
    if (status == MSCOPE_OK && bench->append_error.status != MSCOPE_OK) {
        *err = bench->append_error;
        status = err->status;
    }
    return status;
}

/* From the header alone: a file that cannot be opened ends the bench before anything is measured.
 */
static enum mscope_status describe_model(struct bench *bench, const char *path,
                                         struct mscope_error *err)
{
    struct mscope_model *model = NULL;
    enum mscope_status status = mscope_model_open(&model, path, 0, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    const struct mscope_model_info *info = mscope_model_get_info(model);
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    struct record *base = &bench->base;
    status = record_set_text(&base->model, name, err);
    status = status == MSCOPE_OK ? record_set_text(&base->model_label, name, err) : status;
    status = status == MSCOPE_OK
                 ? record_set_text(&base->model_role, info->n_expert > 0 ? "moe" : "dense", err)
                 : status;
    base->synthetic = info->is_synthetic;
    mscope_model_close(&model);
    return status;
}

static void take_row(void *user, const struct record *row)
{
    struct bench *bench = user;
    clear_step(bench);
    if (bench->is_versus) {
        if (bench->append_error.status == MSCOPE_OK) {
            bench_versus_add(&bench->versus, row, &bench->append_error);
        }
    } else {
        bench_table_row(&bench->table, row);
    }
    bench->n_failed += strcmp(row->status, "ok") != 0;
    if (strcmp(row->status, "ok") == 0 && row->condition != NULL &&
        strcmp(row->condition, "trust") != 0 && row->condition_reasons.n > 0) {
        out_note("%s: %s: %s", row->test, row->condition, row->condition_reasons.values[0]);
    }
    if (bench->file != NULL && bench->append_error.status == MSCOPE_OK) {
        row_file_append(bench->file, row, &bench->append_error);
    }
}

static void show_step(void *user, const char *text)
{
    struct bench *bench = user;
    if (bench->is_terminal) {
        fprintf(stderr, "\r\033[K%s", text);
        fflush(stderr);
        bench->drawn = true;
    }
}

static void clear_step(struct bench *bench)
{
    if (bench->drawn) {
        fputs("\r\033[K", stderr);
        bench->drawn = false;
    }
}

static bool wants_stop(void *user)
{
    (void)user;
    return interrupt_requested();
}
