/* SPDX-License-Identifier: MIT */
/* Ceilings beside what is held against them, and what a change of them makes of a row. */
#include "measure/rows.h"

#include "measure/bench_internal.h"
#include "measure/condition.h"
#include "measure/roofs.h"

#include <math.h>

static void a_difference_is_over_the_mean(void **state)
{
    (void)state;
    assert_near(roofs_drift(30, 33), 3 / 31.5, 1e-12);
    assert_near(roofs_drift(33, 30), 3 / 31.5, 1e-12);
    assert_near(roofs_drift(30, 30), 0, 0);
    assert_true(isnan(roofs_drift(NAN, 30)) && isnan(roofs_drift(30, NAN)));
}

static void some_places_differ_and_some_vary(void **state)
{
    (void)state;
    assert_true(roofs_moved(33, 157) && roofs_moved(157, 33) && roofs_moved(17, 33));
    assert_false(roofs_moved(33, 36) || roofs_moved(157, 134));
    assert_false(roofs_moved(NAN, 157) || roofs_moved(33, NAN) || roofs_moved(NAN, NAN));
}

/* A run of four tokens, or with a prompt of eight. */
static void add_run(struct bench_samples *samples, double tps, bool is_prefill)
{
    struct mscope_error err;
    struct record run;
    rows_make(&run, "x");
    run.n_gen = is_prefill ? 0 : 4;
    run.n_prompt = is_prefill ? 8 : 0;
    run.decode_tps = is_prefill ? NAN : tps;
    run.prefill_tps = is_prefill ? tps : NAN;
    run.prefill_flops = is_prefill ? 8000000000 : RECORD_NO_INT;
    run.roof_int8_gops = 500;
    run.bytes_per_token = 1e9;
    assert_ok(record_set_text(&run.condition, "trust", &err), &err);
    assert_ok(bench_samples_add(samples, &run, &err), &err);
    record_free(&run);
}

static void add_roof(struct bench_samples *samples, int n, struct roof before, struct roof after)
{
    struct mscope_error err;
    assert_ok(bench_samples_add_roof(samples, n, &before, &after, &err), &err);
}

static void each_sample_has_the_roof_of_its_process(void **state)
{
    (void)state;
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {0, 4, 0};
    bench_samples_init(&samples);
    add_run(&samples, 10, false);
    add_roof(&samples, 1, (struct roof){2, 20, NAN, NAN, 33}, (struct roof){2, 20, NAN, NAN, 35});
    add_run(&samples, 20, false); /* the second and third are of one process */
    add_run(&samples, 24, false);
    add_roof(&samples, 2, (struct roof){2, 30, NAN, NAN, 36}, (struct roof){2, 34, NAN, NAN, 36});
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    const struct record *row = &samples.row;
    assert_int_equal(row->roof_read_gbps_samples.n, 3);
    assert_near(row->roof_read_gbps_samples.values[0], 20, 0);
    assert_near(row->roof_read_gbps_samples.values[1], 32, 0);
    assert_near(row->roof_read_gbps_samples.values[2], 32, 0);
    assert_near(row->roof_read_gbps, 32, 0);
    assert_near(row->roof_handoff_ns, 36, 0);
    assert_near(row->roof_read_drift_share, 4.0 / 32, 1e-12);
    assert_near(row->s_mbu, 18.0 / 32, 1e-12);
    assert_string_equal(row->condition, "caution");
    assert_int_equal(row->condition_reasons.n, 1);
    struct roofs_medians medians = roofs_medians(row);
    assert_near(medians.tps_per_gbps, 20.0 / 32, 1e-12);
    assert_null(row->roof_int8_gops_samples.values); /* nothing is held against it */
    assert_near(row->roof_int8_gops, 500, 0);
    bench_samples_free(&samples);
}

static void a_sample_while_the_cores_were_moved_has_no_roof(void **state)
{
    (void)state;
    static const struct roof near = {2, 34, NAN, 850, 33}, far = {2, 60, NAN, 1000, 157};
    for (int is_prefill = 0; is_prefill < 2; is_prefill++) {
        struct mscope_error err;
        struct bench_samples samples;
        const struct driver_test test = {is_prefill ? 8 : 0, is_prefill ? 0 : 4, 0};
        bench_samples_init(&samples);
        add_run(&samples, 17, is_prefill);
        add_roof(&samples, 1, near, near);
        add_run(&samples, 90, is_prefill);
        add_roof(&samples, 1, near, far);
        add_run(&samples, 30, is_prefill);
        add_roof(&samples, 1, far, far);
        assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
        const struct record *row = &samples.row;
        assert_int_equal(row->n_runs, 3);
        assert_int_equal(row->roof_read_gbps_samples.n, 3);
        assert_true(isnan(row->roof_read_gbps_samples.values[1]));
        assert_near(row->roof_read_gbps, 47, 0);
        assert_near(row->roof_handoff_ns, 95, 0);
        struct roofs_medians medians = roofs_medians(row);
        assert_near(medians.tps_per_gbps, 0.5, 1e-12);
        if (is_prefill) {
            assert_near(row->prefill_tps_median, 30, 0);
            assert_int_equal(row->roof_int8_gops_samples.n, 3);
            assert_near(row->roof_int8_gops_samples.values[0], 850, 0);
            assert_true(isnan(row->roof_int8_gops_samples.values[1]));
            assert_near(row->roof_int8_gops, 925, 0);
            assert_near(medians.tps_per_gops, 0.025, 1e-12); /* of 0.02 and 0.03 */
            assert_near(row->s_mfu, 0.025, 1e-12);
        } else {
            assert_near(row->decode_tps_median, 30, 0);
            assert_near(row->s_mbu, 23.5 / 47, 1e-12);
        }
        assert_string_equal(row->condition, "caution");
        assert_non_null(strstr(row->condition_reasons.values[row->condition_reasons.n - 1],
                               "the cores were moved during 1 of 3 samples, expected during none: "
                               "a cache line took 33 ns from one to the next before, 157 ns "
                               "after"));
        bench_samples_free(&samples);
    }
}

/* Hardware threads of one core in the first process, two cores in the others. */
static void each_prompt_has_the_peak_of_its_process(void **state)
{
    (void)state;
    static const struct roof siblings = {2, 35, 110, 460, 17}, slow = {2, 35, 110, 480, 17},
                             cores = {2, 36, 220, 900, 34};
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {8, 0, 0};
    bench_samples_init(&samples);
    add_run(&samples, 235, true);
    add_roof(&samples, 1, siblings, slow);
    add_run(&samples, 432, true);
    add_run(&samples, 468, true);
    add_roof(&samples, 2, cores, cores);
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    struct record *row = &samples.row;
    assert_int_equal(row->roof_int8_gops_samples.n, 3);
    assert_near(row->roof_int8_gops_samples.values[0], 470, 0);
    assert_near(row->roof_int8_gops_samples.values[2], 900, 0);
    assert_near(row->roof_int8_gops, 900, 0);
    assert_near(row->s_mfu, 0.5, 1e-12); /* of 0.5, 0.48 and 0.52 */
    assert_near(roofs_medians(row).tps_per_gops, 0.5, 1e-12);
    assert_string_equal(row->condition, "trust");

    struct record again;
    record_init(&again);
    json_t *json = record_to_json(row);
    assert_ok(record_from_json(&again, json, &err), &err);
    assert_near(roofs_medians(&again).tps_per_gops, 0.5, 1e-12);
    json_decref(json);
    /* as a row of before: one peak for all samples that have a read bandwidth */
    assert_ok(record_set_reals(&again.roof_int8_gops_samples, NULL, 0, &err), &err);
    assert_near(roofs_medians(&again).tps_per_gops, 432.0 / 900, 1e-12);
    again.roof_read_gbps_samples.values[0] = NAN;
    assert_near(roofs_medians(&again).tps_per_gops, 450.0 / 900, 1e-12);
    record_free(&again);
    bench_samples_free(&samples);
}

static void a_prompt_of_no_known_place_has_no_share(void **state)
{
    (void)state;
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {8, 0, 0};
    bench_samples_init(&samples);
    add_run(&samples, 17, true);
    add_roof(&samples, 1, (struct roof){2, 35, 110, 470, 17}, (struct roof){2, 36, 220, 900, 34});
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    assert_near(samples.row.prefill_tps_median, 17, 0);
    assert_int_equal(samples.row.roof_int8_gops_samples.n, 1);
    assert_true(isnan(samples.row.roof_int8_gops) && isnan(samples.row.s_mfu));
    assert_true(isnan(roofs_medians(&samples.row).tps_per_gops));
    bench_samples_free(&samples);
}

static void a_row_of_nothing_else_has_no_share(void **state)
{
    (void)state;
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {0, 4, 0};
    bench_samples_init(&samples);
    add_run(&samples, 17, false);
    add_run(&samples, 19, false);
    add_roof(&samples, 2, (struct roof){2, 60, NAN, NAN, 157}, (struct roof){2, 34, NAN, NAN, 33});
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    const struct record *row = &samples.row;
    assert_near(row->decode_tps, 18, 0);
    assert_true(isnan(row->roof_read_gbps) && isnan(row->roof_handoff_ns) && isnan(row->s_mbu));
    assert_int_equal(row->roof_read_gbps_samples.n, 2);
    struct roofs_medians medians = roofs_medians(row);
    assert_true(isnan(medians.tps_per_gbps));

    struct record again; /* null in the file and back */
    record_init(&again);
    json_t *json = record_to_json(row);
    assert_true(json_is_null(json_array_get(json_object_get(json, "roof_read_gbps_samples"), 1)));
    assert_ok(record_from_json(&again, json, &err), &err);
    assert_true(isnan(roofs_medians(&again).tps_per_gbps));
    json_decref(json);
    record_free(&again);
    bench_samples_free(&samples);
}

static void without_roofs_all_samples_count(void **state)
{
    (void)state;
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {8, 0, 0};
    const struct roof none = {2, NAN, NAN, NAN, NAN};
    bench_samples_init(&samples);
    add_run(&samples, 17, true);
    add_run(&samples, 19, true);
    add_roof(&samples, 2, none, none);
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    assert_null(samples.row.roof_read_gbps_samples.values);
    assert_null(samples.row.roof_int8_gops_samples.values);
    assert_near(samples.row.s_mfu, 18.0 / 500, 1e-12);
    assert_string_equal(samples.row.condition, "trust");
    struct roofs_medians medians = roofs_medians(&samples.row);
    assert_near(medians.tps_per_gops, 18.0 / 500, 1e-12);
    assert_true(isnan(medians.tps_per_gbps));
    samples.row.roof_read_gbps = 36; /* as a row of before there were samples */
    assert_near(roofs_medians(&samples.row).tps_per_gbps, 0.5, 1e-12);
    bench_samples_free(&samples);
}

static void a_measurement_is_a_row_and_a_change_since_the_last(void **state)
{
    (void)state;
    static struct roofs roofs;
    struct record row;
    record_init(&row);
    roofs_measure(&roofs, &row, 1);
    assert_true(row.roof_read_gbps > 0 && row.roof_int8_gops > 0 && row.roof_fp32_gflops > 0);
    assert_true(isnan(row.roof_read_drift_share) && isnan(row.roof_handoff_ns));
    roofs.of[0].read_gbps = row.roof_read_gbps * 100;
    roofs_measure(&roofs, &row, 1);
    assert_true(row.roof_read_drift_share > 1);
    assert_int_equal(roofs.n, 1);
    assert_near(roofs.of[0].read_gbps, row.roof_read_gbps, 0);
    record_free(&row);
}

static void a_change_above_a_tenth_is_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        double drift;
        const char *expected;
        size_t n_reasons;
    } cases[] = {{"trust", 0.09, "trust", 0},
                 {"trust", 0.25, "caution", 1},
                 {"caution", 0.25, "caution", 1},
                 {"do not use", 0.25, "do not use", 1},
                 {"trust", NAN, "trust", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mscope_error err;
        struct record row;
        record_init(&row);
        assert_ok(condition_judge_roof(&row, NULL, &err), &err); /* not judged: stays so */
        assert_null(row.condition);
        assert_ok(record_set_text(&row.condition, cases[i].condition, &err), &err);
        row.roof_read_drift_share = cases[i].drift;
        assert_ok(condition_judge_roof(&row, NULL, &err), &err);
        assert_string_equal(row.condition, cases[i].expected);
        assert_int_equal(row.condition_reasons.n, cases[i].n_reasons);
        if (cases[i].n_reasons > 0) {
            assert_non_null(strstr(row.condition_reasons.values[0], "changed by 25 %"));
        }
        record_free(&row);
    }
}

static void a_row_from_elsewhere_than_its_roofs_has_no_share(void **state)
{
    (void)state;
    static const struct {
        double roof_ns, before_ns, now_ns;
        const char *text; /* of the reason; NULL: none */
    } cases[] = {{33, NAN, 36, NULL},
                 {33, 34, 36, NULL},
                 {NAN, NAN, 157, NULL},
                 {33, NAN, NAN, NULL},
                 {33, NAN, 157, "33 ns from one to the next before, 157 ns after"},
                 {33, 157, 157, "33 ns from one to the next before, 157 ns after"},
                 {33, 17, 35, "33 ns from one to the next before, 17 ns after"},
                 {33, 17, NAN, "33 ns from one to the next before, 17 ns after"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mscope_error err;
        struct record row;
        record_init(&row);
        assert_ok(record_set_text(&row.condition, "trust", &err), &err);
        row.roof_handoff_ns = cases[i].roof_ns;
        row.s_mbu = row.s_mfu = 0.5;
        assert_ok(condition_judge_place(&row, cases[i].before_ns, cases[i].now_ns, &err), &err);
        bool is_moved = cases[i].text != NULL;
        assert_string_equal(row.condition, is_moved ? "caution" : "trust");
        assert_int_equal(row.condition_reasons.n, is_moved);
        assert_int_equal(isnan(row.s_mbu), is_moved);
        assert_int_equal(isnan(row.s_mfu), is_moved);
        if (is_moved) {
            assert_non_null(strstr(row.condition_reasons.values[0], cases[i].text));
        }
        record_free(&row);
    }
}

static void one_thread_has_no_handoff_to_look_at(void **state)
{
    (void)state;
    assert_true(isnan(roofs_look_at_handoff(1)));
    double two_ns = roofs_look_at_handoff(2); /* NaN beside a busy neighbour */
    assert_true(isnan(two_ns) || two_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_over_the_mean),
        cmocka_unit_test(some_places_differ_and_some_vary),
        cmocka_unit_test(each_sample_has_the_roof_of_its_process),
        cmocka_unit_test(a_sample_while_the_cores_were_moved_has_no_roof),
        cmocka_unit_test(each_prompt_has_the_peak_of_its_process),
        cmocka_unit_test(a_prompt_of_no_known_place_has_no_share),
        cmocka_unit_test(a_row_of_nothing_else_has_no_share),
        cmocka_unit_test(without_roofs_all_samples_count),
        cmocka_unit_test(a_measurement_is_a_row_and_a_change_since_the_last),
        cmocka_unit_test(a_change_above_a_tenth_is_a_reason),
        cmocka_unit_test(a_row_from_elsewhere_than_its_roofs_has_no_share),
        cmocka_unit_test(one_thread_has_no_handoff_to_look_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
