/* SPDX-License-Identifier: MIT */
/* A whole small study with the own engine on tiny synthetic models: what a row must contain. */
#include "measure/rows.h"

#include "base/strbuf.h"
#include "measure/bench.h"
#include "measure/runner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { N_GEN = 6, N_WORDS = 40, MAX_ROWS = 16 };

static char folder[512], out_path[700];
static struct config *config;
static struct record base;

struct taken {
    struct record rows[MAX_ROWS];
    int n;
};

static enum mscope_status collect(void *user, const struct record *record, uint64_t i_line,
                                  struct mscope_error *err)
{
    (void)i_line;
    struct taken *taken = user;
    assert_true(taken->n < MAX_ROWS);
    record_init(&taken->rows[taken->n]);
    return record_copy(&taken->rows[taken->n++], record, err);
}

static void take(void *user, const struct record *record)
{
    struct mscope_error err;
    assert_ok(collect(user, record, 0, &err), &err);
}

static void release(struct taken *taken)
{
    for (int i = 0; i < taken->n; i++) {
        record_free(&taken->rows[i]);
    }
    taken->n = 0;
}

static void check_common(const struct record *row)
{
    assert_string_equal(row->status, "ok");
    assert_string_equal(row->engine, "moescope");
    assert_int_equal(row->synthetic, 1);
    assert_int_equal(row->n_gen, N_GEN);
    assert_int_equal(row->prompt_words, N_WORDS);
    assert_int_equal(row->prompt_tokens, 54); /* 1.35 per word */
    assert_int_equal(row->token_ms.n, N_GEN - 1);
    assert_near(row->token_ms.values[N_GEN - 2], row->decode_ms, 1e-6);
    assert_near(row->decode_tps, (N_GEN - 1) / row->decode_ms * 1e3, 1e-3 * row->decode_tps);
    assert_near(row->prefill_tps, 54 / row->prefill_ms * 1e3, 1e-3 * row->prefill_tps);
    assert_true(row->ttft_ms >= row->prefill_ms && row->wall_ms >= row->ttft_ms + row->decode_ms);
    assert_true(row->tpot_ms_p50 <= row->tpot_ms_p95 && row->tpot_ms_p95 <= row->tpot_ms_p99);
    assert_true(row->prefill_parts_share > 0 && row->prefill_parts_share <= 1);
    assert_true(row->decode_parts_share > 0 && row->decode_parts_share <= 1);
    assert_true(row->bytes_per_token > 0 && row->prefill_flops > 0 && row->decode_flops > 0);
    assert_true(row->kv_bytes > 0 && row->scratch_bytes > 0 && row->peak_rss_bytes > 0);
    assert_int_equal(strlen(row->model_sha256), 64);
    assert_true(row->warmup_runs >= 1);
    assert_string_equal(row->order_kind, "interleaved");
    int64_t n_bytes = row->decode_kv_bytes;
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        n_bytes += row->decode_weight_bytes.of[i];
    }
    assert_near(row->bytes_per_token, (double)n_bytes / (N_GEN - 1), 1);
    assert_null(row->energy_source); /* a folder without sensors */
    assert_non_null(row->energy_reason);
    assert_true(isnan(row->decode_j) && isnan(row->decode_j_per_token));
}

static void check_moe(const struct record *row)
{
    assert_string_equal(row->model_role, "moe");
    assert_true(row->routing_share > 0 && row->routing_share < 1);
    assert_true(row->routing_entropy_share > 0 && row->routing_entropy_share <= 1 + 1e-9);
    assert_true(row->routing_reuse_share >= 0 && row->routing_reuse_share <= 1);
    const struct record_table *table = &row->routing_histogram;
    assert_non_null(table->values);
    assert_true(row->routing_distinct_decode >= 1 &&
                row->routing_distinct_decode <= (double)table->n_cols);
    for (size_t i = 0; i < table->n_rows; i++) { /* each decoded token uses as many experts */
        int64_t sum = 0, first = 0;
        for (size_t j = 0; j < table->n_cols; j++) {
            sum += table->values[i * table->n_cols + j];
            first += table->values[j];
        }
        assert_true(sum > 0 && sum % (N_GEN - 1) == 0 && sum == first);
    }
    assert_true(row->decode_weight_bytes.of[MSCOPE_CLASS_EXPERTS] > 0);
    assert_true(row->params_active < row->params_total);
}

static void a_study_of_tiny_models(void **state)
{
    (void)state;
    struct mscope_error err;
    const struct config_experiment *list[] = {config_find_experiment(config, "e", &err)};
    const struct plan_engine engine = {&driver_own, NULL, "moescope"};
    struct plan_params plan_params = {.study = "s",
                                      .experiments = list,
                                      .n_experiments = 1,
                                      .engines = &engine,
                                      .n_engines = 1,
                                      .device_threads = 2,
                                      .max_threads = 2,
                                      .seed = 1};
    struct plan *plan = NULL;
    assert_ok(plan_make(&plan, config, &plan_params, &err), &err);
    struct runner_params params = {.config = config,
                                   .plan = plan,
                                   .device = &config->devices[0],
                                   .base = &base,
                                   .models_dir = folder,
                                   .out_path = out_path,
                                   .kv_type = "f16",
                                   .sensor_root = folder};
    struct runner_result result;
    assert_ok(runner_run(&result, &params, &err), &err);
    assert_int_equal(result.n_ok, 4);
    struct taken taken = {.n = 0};
    struct row_file_report report;
    assert_ok(row_file_read(out_path, collect, &taken, &report, &err), &err);
    int n_loads = 0, n_ends = 0;
    for (int i = 0; i < taken.n; i++) {
        const struct record *row = &taken.rows[i];
        check_common(row);
        n_loads += !isnan(row->load_ms);
        n_ends += row->shutdown_ms >= 0;
        if (strcmp(row->model, "moe") == 0) {
            check_moe(row);
            assert_true(row->probe_overhead_share > -1 && row->probe_overhead_ci95 >= 0);
        } else {
            assert_string_equal(row->model_role, "dense");
            assert_true(isnan(row->routing_share) && row->routing_histogram.values == NULL);
        }
    }
    assert_int_equal(n_ends, 4);
    assert_int_equal(n_loads, 4); /* one process for each repetition of each model */
    release(&taken);
    plan_close(&plan);
}

static void a_bench_of_a_tiny_model(void **state)
{
    (void)state;
    struct mscope_error err;
    char *path = config_stand_in_path(&config->models[0], folder);
    const struct driver_test tests[] = {{16, 0, 0}, {0, 4, 0}, {16, 4, 32}, {1 << 19, 0, 0}};
    struct taken taken = {.n = 0};
    const struct bench_engine own = {.class = &driver_own, .name = "moescope"};
    struct bench_params params = {.path = path,
                                  .tests = tests,
                                  .n_tests = 3,
                                  .engines = &own,
                                  .n_engines = 1,
                                  .n_threads = 2,
                                  .n_batch = 512,
                                  .kv_type = "q8_0",
                                  .n_rounds = 1,
                                  .n_repetitions = 3,
                                  .base = &base,
                                  .take = take,
                                  .user = &taken};
    assert_ok(bench_run(&params, &err), &err);
    assert_int_equal(taken.n, 3);
    assert_string_equal(taken.rows[0].test, "pp16");
    assert_string_equal(taken.rows[1].test, "tg4");
    assert_string_equal(taken.rows[2].test, "pp16+tg4@d32");
    for (int i = 0; i < 3; i++) {
        const struct record *row = &taken.rows[i];
        assert_string_equal(row->status, "ok");
        assert_int_equal(row->n_runs, 3);
        assert_int_equal(row->prefill_tps > 0, tests[i].n_prompt > 0);
        assert_int_equal(row->decode_tps > 0, tests[i].n_gen > 0);
        assert_int_equal(row->prefill_tps_samples.n, tests[i].n_prompt > 0 ? 3 : 0);
        assert_int_equal(row->decode_tps_samples.n, tests[i].n_gen > 0 ? 3 : 0);
        assert_int_equal(row->n_depth, tests[i].n_depth);
        assert_int_equal(row->n_gen, tests[i].n_gen);
        assert_string_equal(row->kv_type, "q8_0");
    }
    release(&taken);
    params.random = true;
    params.tests = tests + 3; /* beyond the context the model was trained for */
    params.n_tests = 1;
    assert_ok(bench_run(&params, &err), &err);
    assert_int_equal(taken.n, 1);
    assert_string_equal(taken.rows[0].status, "failed");
    assert_string_equal(taken.rows[0].prompt, "random");
    assert_non_null(strstr(taken.rows[0].reason, "positions"));
    release(&taken);
    free(path);
}

/* In each round each has a process: the own engine, a fake llama-bench, one that crashes in its
 * second start, one that hangs. */
static char fake_paths[3][600];

static void write_engines(struct bench_engine engines[4])
{
    static const char row[] =
        "[ \"$1\" = --help ] && exit 0\n"
        "echo '[{\"n_prompt\": 16, \"n_gen\": 0, \"avg_ns\": 16000000, \"samples_ns\": [16000000]},"
        " {\"n_prompt\": 0, \"n_gen\": 4, \"avg_ns\": 80000000}]'\n";
    static const char *const names[] = {"good-bench", "crash-bench", "hang-bench"};
    static const char *const last[] = {"", "[ -e \"$0.once\" ] && kill -SEGV $$; : > \"$0.once\"\n",
                                       "[ \"$1\" = --help ] || sleep 1000\n"};
    char script[1024];
    engines[0] = (struct bench_engine){.class = &driver_own, .name = "moescope"};
    for (int i = 0; i < 3; i++) {
        snprintf(script, sizeof script, "#!/bin/sh\n%s%s%s", i == 2 ? last[2] : "", row,
                 i == 1 ? last[1] : "");
        rows_write(folder, names[i], script);
        snprintf(fake_paths[i], sizeof fake_paths[i], "%s/%s", folder, names[i]);
        assert_int_equal(chmod(fake_paths[i], 0755), 0);
        engines[i + 1].class = &driver_llama_bench;
        engines[i + 1].target = fake_paths[i];
        snprintf(engines[i + 1].name, sizeof engines->name, "%s", names[i]);
    }
}

static void engines_take_turns(void **state)
{
    (void)state;
    struct mscope_error err;
    char *path = config_stand_in_path(&config->models[0], folder);
    char once[700];
    struct bench_engine engines[4] = {{0}};
    write_engines(engines);
    const struct driver_test tests[] = {{16, 0, 0}, {0, 4, 0}};
    struct taken taken = {.n = 0};
    struct bench_params params = {.path = path,
                                  .tests = tests,
                                  .n_tests = 2,
                                  .engines = engines,
                                  .n_engines = 4,
                                  .n_threads = 2,
                                  .kv_type = "f16",
                                  .n_rounds = 3,
                                  .n_repetitions = 1,
                                  .random = true,
                                  .timeout_s = 0.5,
                                  .seed = 7,
                                  .base = &base,
                                  .take = take,
                                  .user = &taken};
    assert_ok(bench_run(&params, &err), &err);
    assert_int_equal(taken.n, 8);
    for (int i = 0; i < 8; i++) {
        const struct record *of = &taken.rows[i];
        bool hangs = strcmp(of->engine, "hang-bench") == 0;
        bool crashes = strcmp(of->engine, "crash-bench") == 0;
        assert_string_equal(of->status, hangs ? "timeout" : "ok");
        if (hangs) {
            assert_non_null(strstr(of->reason, "not done after 0.5 s"));
            continue;
        }
        assert_int_equal(of->n_runs, crashes ? 1 : 3);
        assert_int_equal(of->order_index >= 0 && of->order_index < 12, 1);
        assert_string_equal(of->order_kind, "interleaved");
        assert_non_null(strstr(of->cell, of->engine));
        bool is_prefill = of->n_prompt > 0;
        assert_true((is_prefill ? of->prefill_tps_median : of->decode_tps_median) > 0);
        assert_true(isnan(is_prefill ? of->decode_tps : of->prefill_tps));
        if (strcmp(of->engine, "moescope") == 0) {
            assert_true(is_prefill || of->bytes_per_token > 0);
        } else {
            assert_true(isnan(of->bytes_per_token) && isnan(of->s_mbu));
            assert_true(fabs((is_prefill ? of->prefill_tps : of->decode_tps) -
                             (is_prefill ? 1000 : 50)) < 1e-6);
        }
    }
    release(&taken);
    for (int i = 0; i < 3; i++) {
        remove(fake_paths[i]);
    }
    snprintf(once, sizeof once, "%s.once", fake_paths[1]);
    remove(once);
    free(path);
}

static void names_of_tests(void **state)
{
    (void)state;
    static const char *const good[] = {"pp512", "tg64", "pp512+tg64", "tg64@d2048", "pp1@d1"};
    static const char *const bad[] = {"",       "pp",       "pp0",    "tg64@",      "@d5",
                                      "pp512+", "tg6pp512", "pp 512", "pp99999999", "tg64@d0"};
    struct mscope_error err;
    struct driver_test test;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char name[BENCH_NAME_BYTES];
        assert_ok(bench_test_parse(&test, good[i], 4096, &err), &err);
        assert_string_equal(bench_test_name(name, &test), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(bench_test_parse(&test, bad[i], 4096, &err), MSCOPE_ERR_ARGUMENT);
    }
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "%s", rows_folder());
    snprintf(out_path, sizeof out_path, "%s/rows.jsonl", folder);
    rows_write(folder, "models.yaml",
               "models:\n"
               "  - {id: moe, label: M, role: moe, file: m, quant: Q8_0,\n"
               "     stand_in: {shape: tiny-olmoe, recipe: Q8_0, seed: 1}}\n"
               "  - {id: dense, label: D, role: dense, file: m, quant: Q8_0,\n"
               "     stand_in: {shape: tiny-llama, recipe: Q8_0, seed: 1}}\n");
    struct strbuf prompts = {0};
    strbuf_printf(&prompts, "prompts:\n  - {id: p, category: qa, text: ");
    for (int i = 0; i < N_WORDS; i++) {
        strbuf_printf(&prompts, i % 2 == 0 ? "left " : "right ");
    }
    strbuf_printf(&prompts, "}\n");
    assert_false(prompts.failed);
    rows_write(folder, "prompts.yaml", prompts.data);
    strbuf_free(&prompts);
    rows_write(folder, "devices.yaml", "devices:\n  - {id: auto, label: A}\n");
    rows_write(folder, "experiments.yaml",
               "experiments:\n"
               "  - {id: e, title: E, prompts: [p], repetitions: 2, repetitions_hot: 2, n_gen: 6,\n"
               "     warmup_max: 2, histogram: true, probe_overhead: true}\n");
    struct mscope_error err;
    assert_ok(config_load(&config, folder, &err), &err);
    rows_make(&base, "x");
    assert_ok(record_set_text(&base.order_kind, "interleaved", &err), &err);
    assert_ok(record_set_text(&base.model, "m.gguf", &err), &err);
    assert_ok(record_set_text(&base.session_id, "20250131T123456Z-00", &err), &err);
    base.seed = 42;
}

int main(void)
{
    setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_of_tiny_models),
        cmocka_unit_test(a_bench_of_a_tiny_model),
        cmocka_unit_test(engines_take_turns),
        cmocka_unit_test(names_of_tests),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_close(&config);
    record_free(&base);
    rows_remove(folder);
    return failed;
}
