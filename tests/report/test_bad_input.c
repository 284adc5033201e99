/* SPDX-License-Identifier: MIT */
/* Rows as they should not be: counted, named, left out; the rest goes on. */
#include "report/read.h"

static struct rows_file file;

static int open_file(void **state)
{
    (void)state;
    rows_open(&file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    rows_remove(&file);
    return 0;
}

static bool has_note(const struct report *report, const char *text)
{
    for (size_t i = 0; report_note(report, i) != NULL; i++) {
        if (strstr(report_note(report, i), text) != NULL) {
            return true;
        }
    }
    return false;
}

static void add_one(int model, const char *prompt, int repetition, struct record *row)
{
    rows_fill(row, &(struct rows_run){&rows_models[model], "experiment_1_efficiency", prompt, NULL,
                                      100, 2, repetition, 1});
}

static void an_empty_file_gives_an_empty_report(void **state)
{
    (void)state;
    struct report *report = rows_report(&file, NULL);
    assert_true(has_note(report, "no rows in 1 files"));
    assert_true(read_has(&file, "report.html", "Nothing was measured yet"));
    assert_int_equal(read_count(&file, "throughput", ""), 0);
    report_close(&report);
}

static void one_row_gives_a_report_without_intervals(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    rows_append(&file, &row);
    struct report *report = rows_report(&file, NULL);
    assert_near(read_number(&file, "throughput", "", "decode_tps"), 14, 0);
    assert_true(read_has(&file, "tables/throughput.csv", ",14,,14,,,"));
    assert_true(read_has(&file, "report.html", "no dense model was measured beside it"));
    report_close(&report);
}

static void corrupt_lines_are_skipped_with_their_numbers(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    rows_append(&file, &row);
    fputs("{\"schema_version\":1,\"cell\":\n", file.stream);
    fputs("not json at all\n[1,2]\n\xff\xfe\n", file.stream);
    add_one(ROWS_LLAMA, "p00", 1, &row);
    rows_append(&file, &row);
    fputs("{\"schema_version\":1,\"cell\":\"torn", file.stream);
    struct report *report = rows_report(&file, NULL);
    assert_true(has_note(report, "lines that are no rows, left out: "));
    assert_near(read_number(&file, "sources", "", "rows"), 2, 0);
    assert_true(read_number(&file, "sources", "", "corrupt") >= 4);
    assert_int_equal(read_count(&file, "rejected", "line=2; kind=corrupt"), 1);
    assert_int_equal(read_count(&file, "rejected", "line=4; kind=corrupt"), 1);
    assert_true(read_has(&file, "report.html", "Lines left out"));
    report_close(&report);
}

static void rows_of_another_schema_are_counted(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    row.schema_version = 7;
    rows_append(&file, &row);
    add_one(ROWS_OLMOE, "p00", 2, &row);
    rows_append(&file, &row);
    struct report *report = rows_report(&file, NULL);
    assert_true(
        has_note(report, "rows of another schema version, left out: 1 (tables/rejected.csv)"));
    assert_near(read_number(&file, "sources", "", "other_schema"), 1, 0);
    assert_int_equal(read_count(&file, "rejected", "line=1; kind=other schema"), 1);
    report_close(&report);
}

static void rows_without_commit_or_host_are_refused(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    record_set_text(&row.commit, NULL, NULL);
    rows_append(&file, &row);
    add_one(ROWS_OLMOE, "p00", 2, &row);
    record_set_text(&row.host_fingerprint, NULL, NULL);
    rows_append(&file, &row);
    add_one(ROWS_OLMOE, "p00", 3, &row);
    rows_append(&file, &row);
    struct report *report = rows_report(&file, NULL);
    assert_true(has_note(report, "rows without commit, host or other provenance, refused: 2"));
    assert_near(read_number(&file, "throughput", "", "n"), 1, 0);
    assert_true(read_has(&file, "tables/rejected.csv", "commit"));
    assert_true(read_has(&file, "tables/rejected.csv", "host_fingerprint"));
    report_close(&report);
}

static void a_row_given_twice_counts_once(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    rows_append(&file, &row);
    assert_int_equal(fclose(file.stream), 0);
    file.stream = NULL;
    const char *raw[] = {file.path, file.folder};
    const struct report_settings settings = {.raw = raw, .n_raw = 2, .out = file.out};
    struct report *report;
    struct mscope_error err;
    assert_ok(report_build(&report, &settings, &err), &err);
    assert_true(has_note(report, "rows that were there twice, counted once: 1"));
    assert_near(read_number(&file, "throughput", "", "n"), 1, 0);
    report_close(&report);
}

static void failed_cells_are_shown_with_their_reasons(void **state)
{
    (void)state;
    struct record row;
    for (int r = 1; r <= 2; r++) {
        add_one(ROWS_LLAMA, "p00", r, &row);
        rows_append(&file, &row);
        add_one(ROWS_OLMOE, "p00", r, &row);
        assert_int_equal(record_fail(&row, "oom", "killed: out of memory <4 GB>", NULL), MSCOPE_OK);
        rows_append(&file, &row);
    }
    struct report *report = rows_report(&file, NULL);
    assert_near(read_number(&file, "failures", "arm=OLMoE-1B-7B; status=oom", "n"), 2, 0);
    assert_true(read_has(&file, "report.html", "killed: out of memory &lt;4 GB&gt;"));
    assert_non_null(strstr(report_text(report), "killed: out of memory"));
    assert_int_equal(read_count(&file, "throughput", ""), 1);
    report_close(&report);
}

static void rows_of_an_engine_that_knows_little_leave_gaps_not_zeros(void **state)
{
    (void)state;
    struct record row;
    for (int m = 0; m < 2; m++) {
        for (int r = 1; r <= 2; r++) {
            add_one(m, "p00", r, &row);
            rows_append(&file, &row);
            add_one(m, "p00", r, &row);
            record_set_text(&row.engine, "http", NULL);
            record_set_text(&row.session_id, "other", NULL);
            record_set_text(&row.arch, NULL, NULL);
            record_set_text(&row.quant, NULL, NULL);
            row.synthetic = RECORD_NO_BOOL;
            row.model_bytes = row.params_total = row.params_active = RECORD_NO_INT;
            row.peak_rss_bytes = RECORD_NO_INT;
            row.prefill_tps = row.bytes_per_token = row.s_mbu = NAN;
            row.decode_tps *= 0.5;
            rows_append(&file, &row);
        }
    }
    struct report *report = rows_report(&file, NULL);
    assert_near(read_number(&file, "throughput", "arm=OLMoE-1B-7B on http", "decode_tps"), 7, 0);
    assert_near(read_number(&file, "throughput", "arm=OLMoE-1B-7B", "decode_tps"), 14, 0);
    struct strbuf text = read_text(&file, "tables/memory.csv");
    assert_non_null(strstr(text.data, "OLMoE-1B-7B on http,0,,,,"));
    strbuf_free(&text);
    /* its sizes are known from the other engine's rows, so it has a scene of its own */
    assert_int_equal(read_count(&file, "two_axis", "engine=http"), 1);
    assert_near(read_number(&file, "engines", "arm=OLMoE-1B-7B; engine=http", "decode_ratio"), 2,
                1e-9);
    text = read_text(&file, "tables/engines.csv"); /* no rates of prefill, no memory: no ratios */
    assert_non_null(strstr(text.data, "OLMoE-1B-7B,OLMoE-1B-7B on http,http,2,"));
    assert_non_null(strstr(text.data, ",,,,,"));
    strbuf_free(&text);
    report_close(&report);
}

static void unfit_runs_are_left_out_while_enough_remain(void **state)
{
    (void)state;
    struct record row;
    for (int r = 1; r <= 3; r++) {
        add_one(ROWS_OLMOE, "p00", r, &row);
        if (r == 3) {
            record_set_text(&row.condition, "do not use", NULL);
            record_add_text(&row.condition_reasons, "load 9.0", NULL);
            row.decode_tps = 1;
        }
        rows_append(&file, &row);
    }
    struct report *report = rows_report(&file, NULL);
    assert_true(has_note(report, "runs on a machine judged \"do not use\", left out: 1"));
    assert_near(read_number(&file, "throughput", "", "decode_tps"), 14, 0);
    assert_true(read_has(&file, "report.html", "load 9.0"));
    report_close(&report);
}

static void unfit_runs_are_kept_with_a_warning_when_nothing_else_is_there(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    record_set_text(&row.condition, "do not use", NULL);
    rows_append(&file, &row);
    struct report *report = rows_report(&file, NULL);
    assert_true(has_note(report, "take their figures as hints"));
    assert_near(read_number(&file, "throughput", "", "n"), 1, 0);
    assert_true(read_has(&file, "report.html", "take those figures as hints"));
    report_close(&report);
}

static void wild_numbers_do_not_break_anything(void **state)
{
    (void)state;
    struct record row;
    for (int r = 1; r <= 3; r++) {
        add_one(ROWS_OLMOE, "p00", r, &row);
        rows_add_phases(&row);
        row.decode_tps = r == 1 ? 1e308 : r == 2 ? 0 : -5; /* a clock that went backwards */
        row.prefill_tps = 1e-300;
        row.decode_flops = INT64_MAX;
        row.prefill_flops = INT64_MAX;
        row.model_bytes = 0;
        row.n_gen = 1;
        row.threads = INT32_MAX;
        rows_append(&file, &row);
    }
    struct report *report = rows_report(&file, NULL);
    assert_int_equal(read_count(&file, "throughput", ""), 1);
    assert_false(read_has(&file, "report.html", "nan"));
    report_close(&report);
}

static void an_absent_gnuplot_is_a_note(void **state)
{
    (void)state;
    struct record row;
    add_one(ROWS_OLMOE, "p00", 1, &row);
    rows_append(&file, &row);
    struct report *report = rows_report(&file, "/nonexistent/gnuplot");
    assert_true(has_note(report, "/nonexistent/gnuplot is not installed"));
    assert_false(read_has(&file, "report.html", "<svg"));
    struct strbuf data = read_text(&file, "figures/throughput.csv");
    assert_non_null(strstr(data.data, "OLMoE-1B-7B"));
    strbuf_free(&data);
    report_close(&report);
}

static void what_cannot_be_read_or_written_is_one_clear_error(void **state)
{
    (void)state;
    struct report *report;
    struct mscope_error err;
    const char *raw[] = {"/nonexistent/rows"};
    struct report_settings settings = {.raw = raw, .n_raw = 1, .out = file.out};
    assert_int_equal(report_build(&report, &settings, &err), MSCOPE_ERR_IO);
    assert_string_equal(err.object, "/nonexistent/rows");
    assert_null(report);
    raw[0] = file.path;
    settings.out = file.path; /* a file */
    assert_int_equal(report_build(&report, &settings, &err), MSCOPE_ERR_IO);
    assert_string_equal(err.object, file.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_file_gives_an_empty_report, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(one_row_gives_a_report_without_intervals, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(corrupt_lines_are_skipped_with_their_numbers, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(rows_of_another_schema_are_counted, open_file, remove_file),
        cmocka_unit_test_setup_teardown(rows_without_commit_or_host_are_refused, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(a_row_given_twice_counts_once, open_file, remove_file),
        cmocka_unit_test_setup_teardown(failed_cells_are_shown_with_their_reasons, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(rows_of_an_engine_that_knows_little_leave_gaps_not_zeros,
                                        open_file, remove_file),
        cmocka_unit_test_setup_teardown(unfit_runs_are_left_out_while_enough_remain, open_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(
            unfit_runs_are_kept_with_a_warning_when_nothing_else_is_there, open_file, remove_file),
        cmocka_unit_test_setup_teardown(wild_numbers_do_not_break_anything, open_file, remove_file),
        cmocka_unit_test_setup_teardown(an_absent_gnuplot_is_a_note, open_file, remove_file),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_or_written_is_one_clear_error,
                                        open_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
