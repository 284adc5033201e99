/* SPDX-License-Identifier: MIT */
/* Files of rows: whole rows only, one writer, damage counted and repaired. */
#include "measure/rows.h"

#include "measure/row_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char path[700];

static void append(struct row_file *file, const char *cell)
{
    struct record record;
    struct mscope_error err;
    rows_make(&record, cell);
    assert_ok(row_file_append(file, &record, &err), &err);
    record_free(&record);
}

static enum mscope_status count_row(void *user, const struct record *record, uint64_t i_line,
                                    struct mscope_error *err)
{
    (void)err;
    assert_non_null(record->cell);
    *(uint64_t *)user += i_line;
    return MSCOPE_OK;
}

static void add_bytes(const char *text)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void rows_are_found_again(void **state)
{
    (void)state;
    struct row_file *file = NULL;
    struct row_file_report report;
    struct mscope_error err;
    unlink(path);
    assert_ok(row_file_open(&file, path, &report, &err), &err);
    assert_int_equal(report.n_rows, 0);
    for (int i = 0; i < 600; i++) {
        char cell[32];
        snprintf(cell, sizeof cell, "s/e/m/p/t1/r%d/x", i);
        append(file, cell);
    }
    assert_true(row_file_has(file, "s/e/m/p/t1/r599/x"));
    assert_false(row_file_has(file, "s/e/m/p/t1/r600/x"));
    row_file_close(&file);
    assert_ok(row_file_open(&file, path, &report, &err), &err);
    assert_int_equal(report.n_rows, 600);
    assert_true(row_file_has(file, "s/e/m/p/t1/r0/x"));
    struct record twice;
    rows_make(&twice, "s/e/m/p/t1/r0/x");
    assert_int_equal(row_file_append(file, &twice, &err), MSCOPE_ERR_ARGUMENT);
    record_free(&twice);
    row_file_close(&file);
}

static void a_torn_last_line_is_cut_off(void **state)
{
    (void)state;
    struct row_file *file = NULL;
    struct row_file_report report;
    struct mscope_error err;
    unlink(path);
    assert_ok(row_file_open(&file, path, NULL, &err), &err);
    append(file, "a");
    row_file_close(&file);
    add_bytes("{\"schema_version\":1,\"cell\":\"b");
    uint64_t lines = 0;
    assert_ok(row_file_read(path, count_row, &lines, &report, &err), &err);
    assert_true(report.torn && report.n_rows == 1 && report.n_corrupt == 0 && lines == 1);
    assert_ok(row_file_open(&file, path, &report, &err), &err);
    assert_true(report.torn);
    append(file, "b");
    row_file_close(&file);
    lines = 0;
    assert_ok(row_file_read(path, count_row, &lines, &report, &err), &err);
    assert_true(!report.torn && report.n_rows == 2 && report.n_corrupt == 0 && lines == 3);
}

static void corrupt_lines_are_counted(void **state)
{
    (void)state;
    struct row_file *file = NULL;
    struct row_file_report report;
    struct mscope_error err;
    unlink(path);
    assert_ok(row_file_open(&file, path, NULL, &err), &err);
    append(file, "a");
    row_file_close(&file);
    add_bytes("rubbish\n\n{\"schema_version\":1,\"threads\":\"x\"}\n{\"schema_version\":1}\n");
    assert_ok(row_file_open(&file, path, &report, &err), &err);
    append(file, "b");
    row_file_close(&file);
    assert_int_equal(report.n_corrupt, 3);
    assert_int_equal(report.corrupt_lines[0], 2);
    assert_int_equal(report.corrupt_lines[1], 4);
    assert_int_equal(report.corrupt_lines[2], 5);
    assert_non_null(strstr(report.first_problem, "no JSON"));
    uint64_t lines = 0;
    assert_ok(row_file_read(path, count_row, &lines, &report, &err), &err);
    assert_int_equal(report.n_rows, 2);
    assert_int_equal(lines, 1 + 6);
}

static void another_schema_is_refused_for_writing(void **state)
{
    (void)state;
    struct row_file *file = NULL;
    struct row_file_report report;
    struct mscope_error err;
    unlink(path);
    add_bytes("{\"schema_version\":9,\"cell\":\"a\"}\n");
    assert_int_equal(row_file_open(&file, path, &report, &err), MSCOPE_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.detail, "schema version 9"));
    assert_null(file);
    assert_ok(row_file_read(path, NULL, NULL, &report, &err), &err);
    assert_int_equal(report.n_other_schema, 1);
    assert_int_equal(report.other_schema, 9);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    struct row_file *file = NULL, *second = NULL;
    struct mscope_error err;
    unlink(path);
    assert_ok(row_file_open(&file, path, NULL, &err), &err);
    assert_int_equal(row_file_open(&second, path, NULL, &err), MSCOPE_ERR_IO);
    assert_non_null(strstr(err.detail, "another run"));
    row_file_close(&file);
    assert_ok(row_file_open(&second, path, NULL, &err), &err);
    row_file_close(&second);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct row_file *file = NULL;
    struct mscope_error err;
    assert_int_equal(row_file_open(&file, "/dev/null", NULL, &err), MSCOPE_ERR_IO);
    assert_int_equal(row_file_open(&file, "/no/such/folder/rows.jsonl", NULL, &err), MSCOPE_ERR_IO);
    assert_int_equal(row_file_read("/no/such/file", NULL, NULL, NULL, &err), MSCOPE_ERR_IO);
}

/* A limit on the file's size stands for a full disk: the row is refused, the rows before stay. */
static void a_full_disk_leaves_whole_rows(void **state)
{
    (void)state;
    unlink(path);
    struct row_file *file = NULL;
    struct mscope_error err;
    assert_ok(row_file_open(&file, path, NULL, &err), &err);
    append(file, "a");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)info.st_size + 100;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct record record;
    rows_make(&record, "b");
    enum mscope_status status = row_file_append(file, &record, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, MSCOPE_ERR_IO);
    assert_false(row_file_has(file, "b"));
    assert_ok(row_file_append(file, &record, &err), &err);
    record_free(&record);
    row_file_close(&file);
    struct row_file_report report;
    assert_ok(row_file_read(path, NULL, NULL, &report, &err), &err);
    assert_true(report.n_rows == 2 && report.n_corrupt == 0 && !report.torn);
}

int main(void)
{
    const char *folder = rows_folder();
    snprintf(path, sizeof path, "%s/rows.jsonl", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_again),
        cmocka_unit_test(a_torn_last_line_is_cut_off),
        cmocka_unit_test(corrupt_lines_are_counted),
        cmocka_unit_test(another_schema_is_refused_for_writing),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_full_disk_leaves_whole_rows),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rows_remove(folder);
    return failed;
}
