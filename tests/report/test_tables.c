/* SPDX-License-Identifier: MIT */
/* Every table's figures against the same figures computed here from the formula of the rows. */
#include "report/read.h"

static const double T3 = 3.182446305284263, T4 = 2.776445105197799; /* Student's t, 0.975 */

static struct rows_file file;

static int make(void **state)
{
    (void)state;
    rows_open(&file);
    rows_add_study(&file);
    struct report *report = rows_report(&file, NULL);
    report_close(&report);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    rows_remove(&file);
    return 0;
}

static void throughput_has_mean_median_deviation_and_interval_over_prompts(void **state)
{
    (void)state;
    for (int m = 0; m < ROWS_N_MODELS; m++) {
        const struct rows_model *model = &rows_models[m];
        char where[64];
        snprintf(where, sizeof where, "arm=%s", model->label);
        double sum = 0, squares = 0, between = 0;
        for (int p = 0; p < 4; p++) {
            for (int r = 1; r <= 3; r++) {
                sum += rows_factor(p, r);
            }
        }
        double mean = sum / 12;
        for (int p = 0; p < 4; p++) {
            for (int r = 1; r <= 3; r++) {
                squares += pow(rows_factor(p, r) - mean, 2);
            }
            between += pow(rows_factor(p, 2) - mean, 2);
        }
        double sd = sqrt(squares / 11), half = T3 * sqrt(between / 3) / 2;
        assert_near(read_number(&file, "throughput", where, "n"), 12, 0);
        assert_near(read_number(&file, "throughput", where, "n_prompts"), 4, 0);
        assert_near(read_number(&file, "throughput", where, "decode_tps"), model->decode_tps * mean,
                    1e-6);
        assert_near(read_number(&file, "throughput", where, "decode_tps_median"), model->decode_tps,
                    1e-6);
        assert_near(read_number(&file, "throughput", where, "decode_tps_sd"),
                    model->decode_tps * sd, 1e-6);
        assert_near(read_number(&file, "throughput", where, "decode_tps_cv"), sd / mean, 1e-8);
        assert_near(read_number(&file, "throughput", where, "decode_tps_ci95"),
                    model->decode_tps * half, 1e-6);
        assert_near(read_number(&file, "throughput", where, "prefill_tps_ci95"),
                    model->prefill_tps * half, 1e-6);
        assert_near(read_number(&file, "throughput", where, "bytes_per_token"),
                    (double)model->bytes * model->per_token_share, 1);
    }
    assert_int_equal(read_count(&file, "throughput", ""), ROWS_N_MODELS);
    /* three experiments, one of them at two numbers of threads */
    assert_int_equal(read_count(&file, "experiments", ""), 4 * ROWS_N_MODELS);
}

static void memory_is_in_bytes_and_relative_to_the_file(void **state)
{
    (void)state;
    assert_near(read_number(&file, "memory", "arm=OLMoE-1B-7B", "peak_rss_bytes"), 4294200000, 1);
    assert_near(read_number(&file, "memory", "arm=OLMoE-1B-7B", "peak_share"), 1.02, 1e-9);
    assert_near(read_number(&file, "memory", "arm=Gemma-2-2B", "model_bytes"), 1710000000, 0);
}

static void both_axes_are_ratios_of_the_moe_model_to_each_dense_one(void **state)
{
    (void)state;
    const char *where = "dense=Llama-3.2-1B; axis=active";
    assert_near(read_number(&file, "two_axis", where, "decode_ratio"), 14.0 / 17, 1e-9);
    assert_near(read_number(&file, "two_axis", where, "prefill_ratio"), 55.0 / 75, 1e-9);
    assert_near(read_number(&file, "two_axis", where, "file_ratio"), 4210.0 / 810, 1e-8);
    assert_near(read_number(&file, "two_axis", where, "active_ratio"), 128.0 / 124, 1e-8);
    assert_near(read_number(&file, "two_axis", where, "memory_ratio"), 4210 * 1.02 / (810 * 1.08),
                1e-8);
    /* both arms scatter alike by prompt, so their ratio does not */
    assert_near(read_number(&file, "two_axis", where, "decode_ratio_low"), 14.0 / 17, 1e-9);
    assert_near(read_number(&file, "two_axis", "dense=Gemma-2-2B; axis=memory", "decode_ratio"),
                14.0 / 8, 1e-9);
    assert_near(read_number(&file, "two_axis", "dense=Qwen2.5-1.5B; axis=active", "bytes_ratio"),
                0.19 * 4210 / 990, 1e-8);
    assert_int_equal(read_count(&file, "two_axis", ""), 3);
}

static void length_sensitivity_has_rates_and_the_drop_with_its_interval(void **state)
{
    (void)state;
    assert_int_equal(read_count(&file, "length", ""), 3 * ROWS_N_MODELS);
    assert_near(read_number(&file, "length", "arm=OLMoE-1B-7B; stratum=long", "decode_tps"),
                0.9 * 14, 1e-6);
    assert_near(read_number(&file, "length", "arm=OLMoE-1B-7B; stratum=long", "prompt_tokens"),
                1500, 0);
    double logs[] = {log(0.995), 0, log(1.005)};
    double mean = (logs[0] + logs[2]) / 3, squares = 0;
    for (int i = 0; i < 3; i++) {
        squares += pow(logs[i] - mean, 2);
    }
    double half = T4 * sqrt(2 * (squares / 2) / 3);
    assert_near(read_number(&file, "length_drop", "arm=OLMoE-1B-7B", "drop_share"), 0.1, 1e-9);
    assert_near(read_number(&file, "length_drop", "arm=OLMoE-1B-7B", "drop_low"),
                1 - 0.9 * exp(half), 1e-8);
    assert_near(read_number(&file, "length_drop", "arm=OLMoE-1B-7B", "drop_high"),
                1 - 0.9 * exp(-half), 1e-8);
    assert_near(read_number(&file, "length_drop", "arm=Gemma-2-2B", "drop_share"), 0.2, 1e-9);
}

static void stability_tells_prompts_from_repetitions(void **state)
{
    (void)state;
    /* repetitions at -1, 0, +1 of 1/200: their deviation is 1/200 of the model's rate */
    assert_near(read_number(&file, "stability", "arm=Qwen2.5-1.5B", "cv_repeat"), 0.005, 1e-8);
    assert_near(read_number(&file, "stability", "arm=Qwen2.5-1.5B", "cv_worst"),
                0.005 / (1 - 1.5 / 100), 1e-8);
    assert_near(read_number(&file, "stability", "arm=Qwen2.5-1.5B", "slowest"),
                13.5 * rows_factor(0, 1), 1e-6);
}

static void router_split_is_by_stratum_and_says_both_shares(void **state)
{
    (void)state;
    /* 12 runs of 100 tokens and 3 of 60; 3 of 400; 3 of 1500 */
    const char *where = "stratum=1 to 200";
    assert_near(read_number(&file, "router", where, "n"), 15, 0);
    assert_near(read_number(&file, "router", "stratum=201 to 499", "n"), 3, 0);
    assert_near(read_number(&file, "router", "stratum=500 and more", "n"), 3, 0);
    assert_near(read_number(&file, "router", where, "share"), 1.0 / 6, 1e-9);
    assert_near(read_number(&file, "router", where, "share_of_means"), 1.0 / 6, 1e-6);
    assert_near(read_number(&file, "router", where, "prefill_share"), 1.0 / 6, 1e-6);
    assert_near(read_number(&file, "router", where, "dispatch_share"), 1.0 / 7, 1e-6);
    assert_near(read_number(&file, "router", where, "decode_wall_share"), 0.1, 1e-6);
    assert_int_equal(read_count(&file, "router", "arm=Gemma-2-2B"), 0);
}

static void breakdown_adds_up_to_the_wall_clock(void **state)
{
    (void)state;
    const char *where = "arm=OLMoE-1B-7B; side=decode";
    double per_token = 0;
    for (int p = 0; p < 4; p++) {
        for (int r = 1; r <= 3; r++) {
            per_token += 1000 / (14 * rows_factor(p, r)) / 12;
        }
    }
    assert_near(read_number(&file, "breakdown", where, "wall_ms"), per_token, 1e-6);
    assert_near(read_number(&file, "breakdown", where, "experts_ms"), per_token / 2, 1e-4);
    assert_near(read_number(&file, "breakdown", where, "router_ms"), per_token / 10, 1e-4);
    assert_near(read_number(&file, "breakdown", where, "ffn_ms"), 0, 0);
    assert_near(read_number(&file, "breakdown", where, "parts_share"), 1, 0);
    assert_near(read_number(&file, "breakdown", "arm=Llama-3.2-1B; side=prefill", "ffn_ms"),
                0.6 * read_number(&file, "breakdown", "arm=Llama-3.2-1B; side=prefill", "wall_ms"),
                1e-4);
}

static void roofline_places_each_side(void **state)
{
    (void)state;
    /* bytes: 64 × 400 MB attention + 1 MB output + 64 kB cache; operations: 2 × active × 64 */
    double bytes = 64 * 4e8 + 1e6 + 64000, flops = 2 * 1.28e9 * 64;
    const char *where = "arm=OLMoE-1B-7B; side=decode";
    double ms = 0;
    for (int p = 0; p < 4; p++) {
        for (int r = 1; r <= 3; r++) {
            ms += 64000 / (14 * rows_factor(p, r)) / 12;
        }
    }
    assert_near(read_number(&file, "roofline", where, "intensity"), flops / bytes, 1e-6);
    assert_near(read_number(&file, "roofline", where, "gflops"), flops / ms / 1e6, 1e-5);
    assert_near(read_number(&file, "roofline", where, "of_roof"),
                flops / ms / 1e6 / (flops / bytes * 20), 1e-6);
}

static void thread_sweep_names_the_best_and_what_the_headline_loses(void **state)
{
    (void)state;
    assert_int_equal(read_count(&file, "threads", ""), 2 * ROWS_N_MODELS);
    assert_near(read_number(&file, "threads", "arm=OLMoE-1B-7B; threads=1", "decode_tps"), 0.6 * 14,
                1e-6);
    assert_near(read_number(&file, "thread_optimum", "arm=OLMoE-1B-7B", "best_threads"), 2, 0);
    assert_near(read_number(&file, "thread_optimum", "arm=OLMoE-1B-7B", "headline_threads"), 2, 0);
    assert_near(read_number(&file, "thread_optimum", "arm=OLMoE-1B-7B", "shortfall"), 0, 1e-12);
}

static void bookkeeping_names_hosts_models_builds_and_files(void **state)
{
    (void)state;
    assert_near(read_number(&file, "hosts", "host=aaaabbbbccccdddd; threads=2", "roof_read_gbps"),
                20, 0);
    assert_near(read_number(&file, "hosts", "threads=1", "n"), 2 * ROWS_N_MODELS, 0);
    assert_int_equal(read_count(&file, "models", "synthetic=1"), ROWS_N_MODELS);
    assert_near(read_number(&file, "builds", "engine=moescope", "n"), 100, 0);
    assert_near(read_number(&file, "sources", "", "rows"), 100, 0);
    assert_near(read_number(&file, "condition", "condition=trust", "n_used"), 100, 0);
    assert_true(read_has(&file, "HARDWARE.md", "Test CPU"));
    assert_true(read_has(&file, "HARDWARE.md", "no counter in /sys/class/powercap"));
}

static void long_form_has_a_line_for_every_row(void **state)
{
    (void)state;
    struct strbuf text = read_text(&file, "rows.csv");
    size_t n_lines = 0;
    for (const char *c = text.data; *c != '\0'; c++) {
        n_lines += *c == '\n';
    }
    assert_int_equal(n_lines, 101);
    assert_null(strstr(text.data, "token_ms"));
    assert_non_null(strstr(text.data, "decode_weight_experts_bytes"));
    strbuf_free(&text);
}

/* Rows of bench have a table of their own and are in no other; energy has one where it was
 * measured. */
static void bench_and_energy_have_their_own_tables(void **state)
{
    (void)state;
    struct rows_file other;
    rows_open(&other);
    for (int r = 1; r <= 3; r++) {
        struct record row;
        rows_fill(&row, &(struct rows_run){&rows_models[ROWS_OLMOE], "experiment_1_efficiency",
                                           "p00", NULL, 100, 2, r, 1});
        record_set_text(&row.energy_source, "rapl", NULL);
        row.decode_j_per_token = 0.9 + 0.1 * r;
        row.idle_before_w = 3;
        row.idle_after_w = 4;
        row.decode_w_max = 10 + r;
        if (r == 3) {
            record_add_text(&row.energy_flags, "idle_drift", NULL);
        }
        rows_append(&other, &row);
        rows_fill(&row, &(struct rows_run){&rows_models[ROWS_OLMOE], "bench", "random", NULL, 512,
                                           2, r, 100});
        record_set_text(&row.kind, "bench", NULL);
        record_set_text(&row.test, "tg128", NULL);
        row.threads = r;
        rows_append(&other, &row);
    }
    struct report *report = rows_report(&other, NULL);
    assert_near(read_number(&other, "throughput", "", "decode_tps"), 14, 1e-9);
    assert_int_equal(read_count(&other, "bench", "test=tg128"), 3);
    assert_near(read_number(&other, "bench", "threads=3", "decode_tps"), 1400, 1e-9);
    assert_near(read_number(&other, "energy", "energy_source=rapl", "decode_j_per_token"), 1.1,
                1e-9);
    /* three runs of one prompt: Student's t with two degrees of freedom */
    assert_near(read_number(&other, "energy", "", "decode_j_per_token_ci95"),
                4.302652729749464 * 0.1 / sqrt(3), 1e-9);
    assert_near(read_number(&other, "energy", "", "idle_w"), 3.5, 0);
    assert_near(read_number(&other, "energy", "", "decode_w_max"), 13, 0);
    assert_near(read_number(&other, "energy", "", "n_flagged"), 1, 0);
    report_close(&report);
    rows_remove(&other);
}

static void engines_are_compared_model_by_model_and_prompt_by_prompt(void **state)
{
    (void)state;
    struct rows_file other;
    rows_open(&other);
    for (int i = 0; i < 2 * ROWS_N_MODELS * 4; i++) {
        char prompt[16];
        struct record row;
        bool ours = i % 2 == 0;
        int p = i / 2 % 4;
        rows_fill(&row, &(struct rows_run){&rows_models[i / 8], "experiment_1_efficiency",
                                           rows_prompt(prompt, p), NULL, 100, 2, 1, 1 + p / 4.0});
        if (!ours) {
            record_set_text(&row.engine, "llama.cpp", NULL);
            record_set_text(&row.session_id, "theirs", NULL); /* else the same row twice */
            row.decode_tps /= p % 2 == 0 ? 1.1 : 1.2;
            row.prefill_tps *= 2;
        }
        rows_append(&other, &row);
    }
    struct report *report = rows_report(&other, NULL);
    assert_int_equal(read_count(&other, "engines", "engine=llama.cpp"), ROWS_N_MODELS);
    const char *where = "arm=Gemma-2-2B; against=Gemma-2-2B on llama.cpp";
    assert_near(read_number(&other, "engines", where, "decode_ratio"), sqrt(1.1 * 1.2), 1e-9);
    /* Student's t, three degrees of freedom, over the logarithms of four ratios */
    double half = 3.182446305284263 * log(1.2 / 1.1) / sqrt(3) / 2;
    assert_near(read_number(&other, "engines", where, "decode_ratio_low"),
                sqrt(1.1 * 1.2) * exp(-half), 1e-8);
    assert_near(read_number(&other, "engines", where, "prefill_ratio"), 0.5, 1e-9);
    assert_near(read_number(&other, "engines", where, "memory_ratio"), 1, 1e-9);
    const char *text = report_text(report); /* ours first */
    assert_ptr_equal(strstr(text, "With moescope: "), text);
    assert_non_null(strstr(text, "With llama.cpp: "));
    report_close(&report);
    rows_remove(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throughput_has_mean_median_deviation_and_interval_over_prompts),
        cmocka_unit_test(memory_is_in_bytes_and_relative_to_the_file),
        cmocka_unit_test(both_axes_are_ratios_of_the_moe_model_to_each_dense_one),
        cmocka_unit_test(length_sensitivity_has_rates_and_the_drop_with_its_interval),
        cmocka_unit_test(stability_tells_prompts_from_repetitions),
        cmocka_unit_test(router_split_is_by_stratum_and_says_both_shares),
        cmocka_unit_test(breakdown_adds_up_to_the_wall_clock),
        cmocka_unit_test(roofline_places_each_side),
        cmocka_unit_test(thread_sweep_names_the_best_and_what_the_headline_loses),
        cmocka_unit_test(bookkeeping_names_hosts_models_builds_and_files),
        cmocka_unit_test(long_form_has_a_line_for_every_row),
        cmocka_unit_test(engines_are_compared_model_by_model_and_prompt_by_prompt),
        cmocka_unit_test(bench_and_energy_have_their_own_tables),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
