/* SPDX-License-Identifier: MIT */
/* Rows of llama-bench: an array of objects, one object to a line, or CSV with a head line. */
#include "measure/footer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 96, CELL_BYTES = 256 };

struct csv { /* one line taken apart */
    char cells[MAX_COLUMNS][CELL_BYTES];
    int n;
};

static enum mscope_status take_json(struct footer_bench *out, int max, int *n, const char *text,
                                    size_t n_bytes, struct mscope_error *err);
static enum mscope_status take_object(struct footer_bench *out, const json_t *object, int i,
                                      struct mscope_error *err);
static enum mscope_status take_csv(struct footer_bench *out, int max, int *n, const char *text,
                                   size_t n_bytes, struct mscope_error *err);
static bool split_line(struct csv *line, const char **at, const char *end);
static json_t *row_of_cells(const struct csv *head, const struct csv *line);
static void take_samples(struct footer_bench *out, const json_t *list);
static double number_of(const json_t *object, const char *key);
static void text_of(char text[FOOTER_NAME_BYTES], const json_t *object, const char *key);

enum mscope_status footer_parse_bench(struct footer_bench *out, int max, int *n, const char *text,
                                      size_t n_bytes, struct mscope_error *err)
{
    *n = 0;
    const char *end = text + n_bytes;
    for (const char *line = text; line < end;) { /* what a program says before its rows */
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n_left = (size_t)(end - line);
        if (*line == '[' || *line == '{') {
            return take_json(out, max, n, line, n_left, err);
        }
        if (n_left > 13 && memcmp(line, "build_commit,", 13) == 0) {
            return take_csv(out, max, n, line, n_left, err);
        }
        line = stop != NULL ? stop + 1 : end;
    }
    return error_set(err, MSCOPE_ERR_FORMAT, "output of llama-bench",
                     "%zu bytes without rows, expected JSON or CSV", n_bytes);
}

static enum mscope_status take_json(struct footer_bench *out, int max, int *n, const char *text,
                                    size_t n_bytes, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    for (size_t at = 0; at < n_bytes && status == MSCOPE_OK;) {
        if (strchr(" \t\r\n", text[at]) != NULL) { /* also between the objects of JSON lines */
            at++;
            continue;
        }
        json_error_t problem;
        json_t *json = json_loadb(text + at, n_bytes - at, JSON_DISABLE_EOF_CHECK, &problem);
        if (json == NULL) {
            return error_set(err, MSCOPE_ERR_FORMAT, "output of llama-bench",
                             "row %d: %.200s, expected complete JSON", *n + 1, problem.text);
        }
        at += (size_t)problem.position;
        size_t n_objects = json_is_array(json) ? json_array_size(json) : 1;
        for (size_t i = 0; i < n_objects && *n < max && status == MSCOPE_OK; i++) {
            const json_t *object = json_is_array(json) ? json_array_get(json, i) : json;
            status = take_object(&out[*n], object, *n, err);
            *n += status == MSCOPE_OK;
        }
        json_decref(json);
    }
    return status;
}

static enum mscope_status take_object(struct footer_bench *out, const json_t *object, int i,
                                      struct mscope_error *err)
{
    static const char *const needed[] = {"n_prompt", "n_gen", "avg_ns"};
    for (size_t k = 0; k < sizeof needed / sizeof needed[0]; k++) {
        double value = number_of(object, needed[k]);
        if (!(value >= 0 && value < 1e15)) {
            return error_set(err, MSCOPE_ERR_FORMAT, "output of llama-bench",
                             "row %d: no number \"%s\"", i + 1, needed[k]);
        }
    }
    double depth = number_of(object, "n_depth");
    double n_threads = number_of(object, "n_threads");
    double bytes = number_of(object, "model_size");
    double params = number_of(object, "model_n_params");
    double build = number_of(object, "build_number");
    *out = (struct footer_bench){
        .n_prompt = (int64_t)number_of(object, "n_prompt"),
        .n_gen = (int64_t)number_of(object, "n_gen"),
        .avg_ns = number_of(object, "avg_ns"),
        .n_depth = depth >= 0 && depth < 1e15 ? (int64_t)depth : 0,
        .n_threads = n_threads >= 0 && n_threads < 1e6 ? (int64_t)n_threads : -1,
        .model_bytes = bytes >= 0 && bytes < 1e15 ? (int64_t)bytes : -1,
        .n_params = params >= 0 && params < 1e15 ? (int64_t)params : -1,
        .build_number = build >= 0 && build < 1e9 ? (int64_t)build : 0,
    };
    take_samples(out, json_object_get(object, "samples_ns"));
    text_of(out->build_commit, object, "build_commit");
    text_of(out->model_type, object, "model_type");
    return MSCOPE_OK;
}

static enum mscope_status take_csv(struct footer_bench *out, int max, int *n, const char *text,
                                   size_t n_bytes, struct mscope_error *err)
{
    struct csv *lines = calloc(2, sizeof *lines);
    if (lines == NULL) {
        return error_set_memory(err, "row of llama-bench", 2 * sizeof *lines);
    }
    struct csv *head = &lines[0];
    struct csv *line = &lines[1];
    const char *at = text;
    const char *end = text + n_bytes;
    enum mscope_status status = MSCOPE_OK;
    split_line(head, &at, end);
    while (at < end && *n < max && status == MSCOPE_OK) {
        bool is_complete = split_line(line, &at, end);
        if (line->n == 1 && line->cells[0][0] == '\0') {
            continue;
        }
        if (!is_complete || line->n != head->n) {
            status = error_set(err, MSCOPE_ERR_FORMAT, "output of llama-bench",
                               "row %d: %d cells%s, expected %d", *n + 1, line->n,
                               is_complete ? "" : " and no line end", head->n);
            break;
        }
        json_t *row = row_of_cells(head, line);
        status = row != NULL ? take_object(&out[*n], row, *n, err)
                             : error_set_memory(err, "row of llama-bench", sizeof *line);
        *n += status == MSCOPE_OK;
        json_decref(row);
    }
    free(lines);
    return status;
}

/* Cells between commas, quoted or not, a quote inside doubled. False when no line end came. Cells
 * too long are cut, columns too many left out. */
static bool split_line(struct csv *line, const char **at, const char *end)
{
    const char *p = *at;
    bool quoted = false;
    size_t used = 0;
    line->n = 0;
    for (; p < end && (quoted || *p != '\n'); p++) {
        if (*p == '"') {
            bool doubled = quoted && p + 1 < end && p[1] == '"';
            if (!doubled) {
                quoted = !quoted;
                continue;
            }
            p++;
        } else if (*p == ',' && !quoted) {
            if (line->n < MAX_COLUMNS) {
                line->cells[line->n][used] = '\0';
            }
            line->n++;
            used = 0;
            continue;
        }
        if (line->n < MAX_COLUMNS && used + 1 < CELL_BYTES && *p != '\r' && *p != '\0') {
            line->cells[line->n][used++] = *p;
        }
    }
    if (line->n < MAX_COLUMNS) {
        line->cells[line->n][used] = '\0';
    }
    line->n++;
    *at = p < end ? p + 1 : p;
    return p < end;
}

static json_t *row_of_cells(const struct csv *head, const struct csv *line)
{
    json_t *row = json_object();
    for (int i = 0; i < line->n && i < MAX_COLUMNS && row != NULL; i++) {
        char *stop;
        double number = strtod(line->cells[i], &stop);
        bool is_number = stop != line->cells[i] && *stop == '\0' && isfinite(number);
        json_object_set_new(row, head->cells[i],
                            is_number ? json_real(number) : json_string(line->cells[i]));
    }
    return row;
}

static void take_samples(struct footer_bench *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list) && out->n_samples < FOOTER_MAX_SAMPLES; i++) {
        double value = json_number_value(json_array_get(list, i));
        if (value > 0 && value < 1e15) {
            out->samples_ns[out->n_samples++] = value;
        }
    }
    if (out->n_samples == 0) {
        out->samples_ns[out->n_samples++] = out->avg_ns;
    }
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void text_of(char text[FOOTER_NAME_BYTES], const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    snprintf(text, FOOTER_NAME_BYTES, "%s", json_is_string(value) ? json_string_value(value) : "");
}
