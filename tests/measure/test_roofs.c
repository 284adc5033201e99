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

static void each_sample_has_the_roof_of_its_process(void **state)
{
    (void)state;
    struct mscope_error err;
    struct bench_samples samples;
    const struct driver_test test = {0, 4, 0};
    const double rates[3] = {10, 20, 24};
    bench_samples_init(&samples);
    for (int i = 0; i < 3; i++) {
        struct record run;
        rows_make(&run, "x");
        run.n_gen = 4;
        run.n_prompt = 0;
        run.decode_tps = rates[i];
        run.bytes_per_token = 1e9;
        assert_ok(record_set_text(&run.condition, "trust", &err), &err);
        assert_ok(bench_samples_add(&samples, &run, &err), &err);
        record_free(&run);
        if (i != 1) { /* the second and third are of one process */
            assert_ok(bench_samples_add_roof(&samples, i == 0 ? 1 : 2, i == 0 ? 20 : 30,
                                             i == 0 ? 20 : 34, &err),
                      &err);
        }
    }
    assert_ok(bench_samples_summarise(&samples, &test, &err), &err);
    const struct record *row = &samples.row;
    assert_int_equal(row->roof_read_gbps_samples.n, 3);
    assert_near(row->roof_read_gbps_samples.values[0], 20, 0);
    assert_near(row->roof_read_gbps_samples.values[1], 32, 0);
    assert_near(row->roof_read_gbps_samples.values[2], 32, 0);
    assert_near(row->roof_read_gbps, 32, 0);
    assert_near(row->roof_read_drift_share, 4.0 / 32, 1e-12);
    assert_string_equal(row->condition, "caution");
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
    assert_true(isnan(row.roof_read_drift_share));
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
        assert_ok(condition_judge_roof(&row, &err), &err); /* not judged: stays so */
        assert_null(row.condition);
        assert_ok(record_set_text(&row.condition, cases[i].condition, &err), &err);
        row.roof_read_drift_share = cases[i].drift;
        assert_ok(condition_judge_roof(&row, &err), &err);
        assert_string_equal(row.condition, cases[i].expected);
        assert_int_equal(row.condition_reasons.n, cases[i].n_reasons);
        if (cases[i].n_reasons > 0) {
            assert_non_null(strstr(row.condition_reasons.values[0], "changed by 25 %"));
        }
        record_free(&row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_over_the_mean),
        cmocka_unit_test(each_sample_has_the_roof_of_its_process),
        cmocka_unit_test(a_measurement_is_a_row_and_a_change_since_the_last),
        cmocka_unit_test(a_change_above_a_tenth_is_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
