/* SPDX-License-Identifier: MIT */
/* bench show: the tables of several engines from files of rows. */
#include "cli/bench_versus.h"

#include "cli/output.h"
#include "measure/row_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status read_rows(struct bench_versus *versus, const char *const *paths,
                                    int n_paths, struct mscope_error *err);
static enum mscope_status take_side(struct bench_versus *versus, const char *roof,
                                    struct mscope_error *err);
static enum mscope_status take(void *user, const struct record *row, uint64_t i_line,
                               struct mscope_error *err);
static enum mscope_status print_page(const struct bench_versus *versus, struct mscope_error *err);
static enum mscope_status print_sides(const struct bench_versus *versus, double middle,
                                      struct mscope_error *err);
static void print_differing(const struct bench_versus *versus, const char *const *names, int n);
static bool has_both_kinds(const struct bench_versus *versus);

enum mscope_status bench_show(const char *const *paths, int n_paths,
                              const struct bench_show_options *options, struct mscope_error *err)
{
    struct bench_versus versus = {0};
    if (strcmp(options->format, "md") != 0 && strcmp(options->format, "csv") != 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "--output", "%s, expected md or csv of show",
                         options->format);
    }
    enum mscope_status status = read_rows(&versus, paths, n_paths, err);
    if (status == MSCOPE_OK && options->roof != NULL) {
        status = take_side(&versus, options->roof, err);
    }
    if (status == MSCOPE_OK && strcmp(options->format, "md") == 0) {
        status = print_page(&versus, err);
    } else if (status == MSCOPE_OK && options->ratios) {
        bench_versus_print_ratios_csv(&versus);
    } else if (status == MSCOPE_OK) {
        bench_versus_print_csv(&versus);
    }
    bench_versus_free(&versus);
    return status;
}

static enum mscope_status read_rows(struct bench_versus *versus, const char *const *paths,
                                    int n_paths, struct mscope_error *err)
{
    for (int i = 0; i < n_paths; i++) {
        struct row_file_report report;
        enum mscope_status status = row_file_read(paths[i], take, versus, &report, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        if (report.n_corrupt + report.n_other_schema > 0) {
            out_note("%s: %" PRIu64 " lines are no rows of this version and left out", paths[i],
                     report.n_corrupt + report.n_other_schema);
        }
    }
    return versus->n > 0 ? MSCOPE_OK
                         : error_set(err, MSCOPE_ERR_ARGUMENT, paths[0],
                                     "no row of a bench, expected at least one");
}

static enum mscope_status take_side(struct bench_versus *versus, const char *roof,
                                    struct mscope_error *err)
{
    double middle = bench_versus_middle(versus);
    if (isnan(middle)) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "--roof",
                         "%s, but the samples had one read bandwidth, expected two", roof);
    }
    struct bench_versus side;
    enum mscope_status status =
        bench_versus_side(&side, versus, middle, strcmp(roof, "high") == 0, err);
    if (status == MSCOPE_OK) {
        bench_versus_free(versus);
        *versus = side;
    }
    return status;
}

static enum mscope_status take(void *user, const struct record *row, uint64_t i_line,
                               struct mscope_error *err)
{
    (void)i_line;
    bool is_whole = row->kind != NULL && strcmp(row->kind, "bench") == 0 && row->test != NULL &&
                    row->model != NULL && row->engine != NULL && row->kv_type != NULL &&
                    row->cell != NULL && strrchr(row->cell, '/') != NULL && row->status != NULL;
    return is_whole ? bench_versus_add(user, row, err) : MSCOPE_OK;
}

static enum mscope_status print_page(const struct bench_versus *versus, struct mscope_error *err)
{
    static const char *const facts[] = {"cpu", "os", "threads", "kv_type", "commit", "flags"};
    out_printf("# Engines side by side\n\nMade by `moescope bench show` from rows; do not edit.\n"
               "Engines took turns: each number is the median of n runs, each in a round of its "
               "own.\n\n");
    print_differing(versus, facts, (int)(sizeof facts / sizeof *facts));
    for (size_t i = 0; i < versus->n; i++) {
        bool is_new = true;
        for (size_t k = 0; k < i; k++) {
            is_new &= strcmp(versus->rows[k].engine, versus->rows[i].engine) != 0;
        }
        if (is_new) {
            const char *detail = versus->rows[i].engine_detail;
            out_printf("- %s: %s\n", versus->rows[i].engine, detail != NULL ? detail : "-");
        }
    }
    out_printf("\n");
    bench_versus_print(versus);
    if (has_both_kinds(versus)) {
        out_printf("## Mixture-of-Experts beside dense\n\n");
        bench_versus_print_ratios(versus);
    }
    double middle = bench_versus_middle(versus);
    return isnan(middle) ? MSCOPE_OK : print_sides(versus, middle, err);
}

static enum mscope_status print_sides(const struct bench_versus *versus, double middle,
                                      struct mscope_error *err)
{
    out_printf(
        "\n## Decode by what the memory gave\n\nThe host moved the cores, and engines had them "
        "here and there: the samples whose read bandwidth was on\none side of %.1f GB/s, then "
        "the others.\n",
        middle);
    for (int above = 0; above < 2; above++) {
        struct bench_versus side;
        enum mscope_status status = bench_versus_side(&side, versus, middle, above == 1, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        out_printf("\n### %s than %.1f GB/s\n\n", above == 1 ? "More" : "Less", middle);
        bench_versus_print(&side);
        bench_versus_free(&side);
    }
    return MSCOPE_OK;
}

/* Each value that a field has in the rows, once. */
static void print_differing(const struct bench_versus *versus, const char *const *names, int n)
{
    for (int f = 0; f < n; f++) {
        const struct record_field *field = record_find_field(names[f]);
        out_printf("- %s:", names[f]);
        const char *comma = " ";
        for (size_t i = 0; i < versus->n; i++) {
            bool is_new = true;
            const char *at = (const char *)&versus->rows[i] + field->offset;
            for (size_t k = 0; k < i && is_new; k++) {
                const char *other = (const char *)&versus->rows[k] + field->offset;
                if (field->kind == RECORD_INT) {
                    is_new = *(const int64_t *)at != *(const int64_t *)other;
                } else {
                    const char *a = *(char *const *)at, *b = *(char *const *)other;
                    is_new = a == NULL ? b != NULL : b == NULL || strcmp(a, b) != 0;
                }
            }
            if (is_new && field->kind == RECORD_INT) {
                out_printf("%s%" PRId64, comma, *(const int64_t *)at);
            } else if (is_new && *(char *const *)at != NULL) {
                out_printf("%s%s", comma, *(char *const *)at);
            }
            comma = is_new ? ", " : comma;
        }
        out_printf("\n");
    }
}

static bool has_both_kinds(const struct bench_versus *versus)
{
    bool has_moe = false, has_dense = false;
    for (size_t i = 0; i < versus->n; i++) {
        const char *role = versus->rows[i].model_role;
        has_moe |= role != NULL && strcmp(role, "moe") == 0;
        has_dense |= role != NULL && strcmp(role, "dense") == 0;
    }
    return has_moe && has_dense;
}
