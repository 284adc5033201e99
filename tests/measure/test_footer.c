/* SPDX-License-Identifier: MIT */
/* What programs of llama.cpp print, in the forms of four years, and what is left when it is cut. */
#include "measure/footer.h"

#include "unit.h"

#include <math.h>
#include <string.h>

static struct footer footer;

/* From a block of exactly this size, so that a sanitizer sees a read past its end. */
static bool parse(const char *text, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    bool found = footer_parse(&footer, copy, n);
    free(copy);
    return found;
}

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) < 1e-9 * (1 + fabs(expected)))) {
        fail_msg("%.12g, expected %.12g", actual, expected);
    }
}

static const char of_2023[] =
    " and so it ends.\n\n"
    "llama_print_timings:        load time =   907.71 ms\n"
    "llama_print_timings:      sample time =   301.80 ms /   512 runs   (    0.59 ms per token, "
    " 1696.48 tokens per second)\n"
    "llama_print_timings: prompt eval time =  6294.68 ms /   271 tokens (   23.23 ms per token,   "
    " 43.05 tokens per second)\n"
    "llama_print_timings:        eval time = 115222.19 ms /   510 runs   (  225.93 ms per token,  "
    "   4.43 tokens per second)\n"
    "llama_print_timings:       total time = 121963.55 ms\n";

static const char of_2024[] =
    "\n\nllama_perf_sampler_print:    sampling time =      12.10 ms /   264 runs   (    0.05 ms "
    "per "
    "token, 21818.18 tokens per second)\n"
    "llama_perf_context_print:        load time =     541.30 ms\n"
    "llama_perf_context_print: prompt eval time =     210.50 ms /     8 tokens (   26.31 ms per "
    "token,    38.00 tokens per second)\n"
    "llama_perf_context_print:        eval time =    7650.00 ms /   255 runs   (   30.00 ms per "
    "token,    33.33 tokens per second)\n"
    "llama_perf_context_print:       total time =    7900.25 ms /   263 tokens\n";

static const char of_2025[] =
    "common_perf_print:    sampling time =      70.90 ms\n"
    "common_perf_print:    samplers time =      45.40 ms /   520 tokens\n"
    "common_perf_print:        load time =    1226.89 ms\n"
    "common_perf_print: prompt eval time =      19.04 ms /     8 tokens (    2.38 ms per token,   "
    "420.28 tokens per second)\n"
    "common_perf_print:        eval time =    4852.86 ms /   511 runs   (    9.50 ms per token,   "
    "105.30 tokens per second)\n"
    "common_perf_print:       total time =    4945.97 ms /   519 tokens\n"
    "common_perf_print: unaccounted time =       3.18 ms /   0.1 %      (total - sampling - peval "
    "- "
    "eval) / (total)\n"
    "common_perf_print:    graphs reused =        508\n"
    "llama_memory_breakdown_print: | memory breakdown [MiB] | total   free    self |\n";

static void footer_of_2023(void **state)
{
    (void)state;
    assert_true(parse(of_2023, strlen(of_2023)));
    assert_near(footer.load_ms, 907.71);
    assert_near(footer.sample_ms, 301.80);
    assert_near(footer.prompt_ms, 6294.68);
    assert_int_equal(footer.prompt_tokens, 271);
    assert_near(footer.eval_ms, 115222.19);
    assert_int_equal(footer.eval_runs, 510);
    assert_near(footer.total_ms, 121963.55);
    assert_true(isnan(footer.prompt_tps) && isnan(footer.eval_tps));
}

static void footer_of_2024(void **state)
{
    (void)state;
    assert_true(parse(of_2024, strlen(of_2024)));
    assert_near(footer.load_ms, 541.30);
    assert_near(footer.sample_ms, 12.10);
    assert_near(footer.prompt_ms, 210.50);
    assert_int_equal(footer.prompt_tokens, 8);
    assert_near(footer.eval_ms, 7650);
    assert_int_equal(footer.eval_runs, 255);
    assert_near(footer.total_ms, 7900.25);
}

static void footer_of_2025(void **state)
{
    (void)state;
    assert_true(parse(of_2025, strlen(of_2025)));
    assert_near(footer.load_ms, 1226.89);
    assert_near(footer.sample_ms, 70.90); /* not "samplers time", not "unaccounted time" */
    assert_near(footer.prompt_ms, 19.04);
    assert_int_equal(footer.prompt_tokens, 8);
    assert_near(footer.eval_ms, 4852.86);
    assert_int_equal(footer.eval_runs, 511);
    assert_near(footer.total_ms, 4945.97);
}

static void log_prefixes_and_colours_do_no_harm(void **state)
{
    (void)state;
    static const char text[] =
        "\x1b[0m0.18.129.547 I slot print_timing: id  0 | task 28 | prompt eval time =   20002.35 "
        "ms "
        "/ 27277 tokens (    0.73 ms per token,  1363.69 tokens per second)\r\n"
        "0.18.129.551 I slot print_timing: id  0 | task 28 |        eval time =    1969.90 ms /   "
        "128 tokens (   15.39 ms per token,    64.98 tokens per second)\x1b[0m\r\n";
    assert_true(parse(text, strlen(text)));
    assert_near(footer.prompt_ms, 20002.35);
    assert_int_equal(footer.prompt_tokens, 27277);
    assert_int_equal(footer.eval_runs, 128);
}

static void rates_of_the_chat_program(void **state)
{
    (void)state;
    static const char text[] =
        "> hello\n\nHi!\n\n[ Prompt: 420.3 t/s | Generation: 105.25 t/s ]\n\n>";
    assert_true(parse(text, strlen(text)));
    assert_near(footer.prompt_tps, 420.3);
    assert_near(footer.eval_tps, 105.25);
    assert_true(isnan(footer.prompt_ms) && footer.eval_runs == -1);
}

static void the_last_footer_counts(void **state)
{
    (void)state;
    char both[4096];
    snprintf(both, sizeof both, "%s%s", of_2023, of_2024);
    assert_true(parse(both, strlen(both)));
    assert_near(footer.eval_ms, 7650);
}

static void text_that_is_none_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "Segmentation fault",
        "load time = 5.0 ms\n", /* alone it is no footer */
        "prompt eval time = x ms\n",
        "prompt eval time = -3 ms / 2 tokens",
        "eval time = 3",
        "eval time = 3 m",
        "reeval time = 3.0 ms / 2 runs",
        "prompt eval time = 99999999999999999999.0 ms",
        "[ Prompt: 420.3 t/s | Generation: ]",
        "[ Prompt: 0.0 t/s | Generation: 0.0 t/s ]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (parse(texts[i], strlen(texts[i]))) {
            fail_msg("found a footer in \"%s\"", texts[i]);
        }
    }
}

static void a_cut_footer_gives_what_is_whole(void **state)
{
    (void)state;
    for (size_t n = 0; n <= strlen(of_2024); n++) { /* wherever it was cut */
        bool found = parse(of_2024, n);
        assert_true(isnan(footer.load_ms) || footer.load_ms == 541.30);
        assert_true(isnan(footer.prompt_ms) || footer.prompt_ms == 210.50);
        assert_true(footer.prompt_tokens == -1 || footer.prompt_tokens <= 8);
        assert_true(isnan(footer.eval_ms) || footer.eval_ms == 7650);
        assert_true(footer.eval_runs == -1 || footer.eval_runs == 255);
        assert_true(found == (!isnan(footer.prompt_ms) || !isnan(footer.eval_ms)));
    }
}

static void versions(void **state)
{
    (void)state;
    char version[64];
    static const char older[] = "warming\nversion: 4567 (abcdef01)\nbuilt with cc 12.2.0 for x86\n";
    assert_int_equal(footer_parse_version(version, sizeof version, older, strlen(older)), 4567);
    assert_string_equal(version, "4567 (abcdef01)");
    static const char newer[] = "version: 0.1.0-dev (build 10453, commit 3cb7ffb1a)\nbuilt with X";
    assert_int_equal(footer_parse_version(version, sizeof version, newer, strlen(newer)), 10453);
    assert_string_equal(version, "0.1.0-dev (build 10453, commit 3cb7ffb1a)");
    static const char none[] = "error: invalid parameter for argument: --version";
    assert_int_equal(footer_parse_version(version, sizeof version, none, strlen(none)), 0);
    assert_string_equal(version, "");
    static const char odd[] = "version: unknown";
    assert_int_equal(footer_parse_version(version, 8, odd, strlen(odd)), 0);
    assert_string_equal(version, "unknown");
}

/* ---- llama-bench ---- */

static const char json_of_2026[] =
    "[\n  {\n    \"build_commit\": \"3f545becc\",\n    \"build_number\": 10587,\n"
    "    \"cpu_info\": \"AMD EPYC\",\n    \"model_type\": \"olmoe ?B Q8_0\",\n"
    "    \"model_size\": 3363840,\n    \"model_n_params\": 3151104,\n    \"n_batch\": 2048,\n"
    "    \"n_threads\": 2,\n    \"flash_attn\": -1,\n    \"n_prompt\": 16,\n    \"n_gen\": 0,\n"
    "    \"n_depth\": 4,\n    \"test_time\": \"2026-11-21T14:03:06Z\",\n    \"avg_ns\": 537085,\n"
    "    \"stddev_ns\": 86160,\n    \"avg_ts\": 30178.691044,\n    \"stddev_ts\": 4841.003853,\n"
    "    \"samples_ns\": [ 598006, 476165 ],\n    \"samples_ts\": [ 26755.6, 33601.8 ]\n  },\n"
    "  {\n    \"build_commit\": \"3f545becc\",\n    \"build_number\": 10587,\n"
    "    \"n_prompt\": 0,\n    \"n_gen\": 8,\n    \"avg_ns\": 726862\n  }\n]\n";

static void assert_first_row(const struct footer_bench *row)
{
    assert_int_equal(row->n_prompt, 16);
    assert_int_equal(row->n_gen, 0);
    assert_int_equal(row->n_depth, 4);
    assert_int_equal(row->n_threads, 2);
    assert_near(row->avg_ns, 537085);
    assert_int_equal(row->model_bytes, 3363840);
    assert_int_equal(row->n_params, 3151104);
    assert_int_equal(row->build_number, 10587);
    assert_string_equal(row->build_commit, "3f545becc");
    assert_string_equal(row->model_type, "olmoe ?B Q8_0");
}

static void bench_rows_as_json(void **state)
{
    (void)state;
    struct mscope_error err;
    struct footer_bench rows[4];
    int n;
    assert_ok(footer_parse_bench(rows, 4, &n, json_of_2026, strlen(json_of_2026), &err), &err);
    assert_int_equal(n, 2);
    assert_first_row(&rows[0]);
    assert_int_equal(rows[1].n_gen, 8);
    assert_near(rows[1].avg_ns, 726862);
    assert_int_equal(rows[1].n_depth, 0); /* older programs have none */
    assert_int_equal(rows[1].model_bytes, -1);
    assert_ok(footer_parse_bench(rows, 1, &n, json_of_2026, strlen(json_of_2026), &err), &err);
    assert_int_equal(n, 1);
}

static void bench_rows_as_json_lines_after_a_warning(void **state)
{
    (void)state;
    static const char text[] = "warning: asserts enabled\n"
                               "{\"n_prompt\": 512, \"n_gen\": 0, \"avg_ns\": 1000}\n"
                               "{\"n_prompt\": 0, \"n_gen\": 128, \"avg_ns\": 2000.5}\n";
    struct mscope_error err;
    struct footer_bench rows[4];
    int n;
    assert_ok(footer_parse_bench(rows, 4, &n, text, strlen(text), &err), &err);
    assert_int_equal(n, 2);
    assert_int_equal(rows[1].n_gen, 128);
    assert_near(rows[1].avg_ns, 2000.5);
}

static void bench_rows_as_csv(void **state)
{
    (void)state;
    static const char text[] =
        "build_commit,build_number,cpu_info,model_type,model_size,model_n_params,n_threads,n_"
        "prompt,"
        "n_gen,n_depth,test_time,avg_ns,stddev_ns\n"
        "\"3f545becc\",\"10587\",\"AMD, \"\"EPYC\"\"\",\"olmoe ?B Q8_0\",\"3363840\",\"3151104\","
        "\"2\",\"16\",\"0\",\"4\",\"2026-11-21T14:03:06Z\",\"537085\",\"0\"\n"
        "\n"
        "\"3f545becc\",\"10587\",\"x\",\"y\",\"1\",\"2\",\"2\",\"0\",\"8\",\"0\",\"z\",\"5\","
        "\"0\"\n";
    struct mscope_error err;
    struct footer_bench rows[4];
    int n;
    assert_ok(footer_parse_bench(rows, 4, &n, text, strlen(text), &err), &err);
    assert_int_equal(n, 2);
    assert_first_row(&rows[0]);
    assert_int_equal(rows[1].n_gen, 8);
    /* Cut anywhere, it never gives a wrong row. */
    for (size_t k = 0; k < strlen(text); k++) {
        char *copy = malloc(k > 0 ? k : 1);
        assert_non_null(copy);
        memcpy(copy, text, k);
        footer_parse_bench(rows, 4, &n, copy, k, &err);
        free(copy);
        if (n > 0) {
            assert_first_row(&rows[0]);
        }
    }
}

static void broken_bench_rows_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "without rows"},
        {"| model | size |\n| --- | --- |\n", "without rows"},
        {"[\n  {\n    \"n_prompt\": 16,\n", "row 1"},
        {"[{\"n_prompt\": 16, \"n_gen\": 0}]", "avg_ns"},
        {"[{\"n_prompt\": \"16\", \"n_gen\": 0, \"avg_ns\": 5}]", "n_prompt"},
        {"[{\"n_prompt\": -1, \"n_gen\": 0, \"avg_ns\": 5}]", "n_prompt"},
        {"[5]", "row 1"},
        {"build_commit,n_prompt,n_gen,avg_ns\n\"a\",\"1\",\"2\"\n", "3 cells, expected 4"},
        {"build_commit,n_prompt,n_gen,avg_ns\n\"a\",\"1\",\"2\",\"7", "no line end"},
        {"build_commit,n_prompt,n_gen,avg_ns\n\"a\",\"1\",\"2\",\"x\"\n", "avg_ns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mscope_error err = {0};
        struct footer_bench rows[4];
        int n;
        assert_int_equal(
            footer_parse_bench(rows, 4, &n, cases[i].text, strlen(cases[i].text), &err),
            MSCOPE_ERR_FORMAT);
        assert_int_equal(n, 0);
        if (strstr(err.detail, cases[i].part) == NULL) {
            fail_msg("\"%s\", expected \"%s\" in it", err.detail, cases[i].part);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(footer_of_2023),
        cmocka_unit_test(footer_of_2024),
        cmocka_unit_test(footer_of_2025),
        cmocka_unit_test(log_prefixes_and_colours_do_no_harm),
        cmocka_unit_test(rates_of_the_chat_program),
        cmocka_unit_test(the_last_footer_counts),
        cmocka_unit_test(text_that_is_none_is_none),
        cmocka_unit_test(a_cut_footer_gives_what_is_whole),
        cmocka_unit_test(versions),
        cmocka_unit_test(bench_rows_as_json),
        cmocka_unit_test(bench_rows_as_json_lines_after_a_warning),
        cmocka_unit_test(bench_rows_as_csv),
        cmocka_unit_test(broken_bench_rows_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
