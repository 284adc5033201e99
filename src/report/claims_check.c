/* SPDX-License-Identifier: MIT */
/* Numbers in documents against result files. */
#include "report/claims.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 128, NUMBER_BYTES = 64 };
#define MARK "<!-- claim:"

static enum mscope_status check_file(const struct claims *claims, const char *root,
                                     const char *name, size_t *n_numbers,
                                     struct files_list *findings, struct mscope_error *err);
static enum mscope_status check_mark(const struct claims *claims, const char *place,
                                     const char *line, const char *mark, const char *results,
                                     size_t *n_numbers, struct files_list *findings,
                                     struct mscope_error *err);
static bool is_quoted(const char *line, const char *mark);
static bool read_number_before(const char *line, const char *mark, double *value, int *decimals);

enum mscope_status claims_check_documents(const struct claims *claims, const char *root,
                                          size_t *n_numbers, struct files_list *findings,
                                          struct mscope_error *err)
{
    static const char *const named[] = {"README.md", "ARCHITECTURE.md"};
    struct strbuf folder = {0};
    strbuf_printf(&folder, "%s/docs", root);
    *n_numbers = 0;
    enum mscope_status status = folder.failed ? error_set_memory(err, "a path", 0) : MSCOPE_OK;
    for (size_t i = 0; i < sizeof named / sizeof named[0] && status == MSCOPE_OK; i++) {
        status = check_file(claims, root, named[i], n_numbers, findings, err);
    }
    struct dirent **entries = NULL;
    int n = status == MSCOPE_OK ? scandir(folder.data, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        const char *ending = strrchr(entries[i]->d_name, '.');
        if (status == MSCOPE_OK && ending != NULL && strcmp(ending, ".md") == 0) {
            struct strbuf name = {0};
            strbuf_printf(&name, "docs/%s", entries[i]->d_name);
            status = name.failed ? error_set_memory(err, "a path", 0)
                                 : check_file(claims, root, name.data, n_numbers, findings, err);
            strbuf_free(&name);
        }
        free(entries[i]);
    }
    free(entries);
    strbuf_free(&folder);
    return status;
}

static enum mscope_status check_file(const struct claims *claims, const char *root,
                                     const char *name, size_t *n_numbers,
                                     struct files_list *findings, struct mscope_error *err)
{
    struct strbuf path = {0}, results = {0}, text = {0};
    strbuf_printf(&path, "%s/%s", root, name);
    strbuf_printf(&results, "%s/results", root);
    enum mscope_status status = path.failed || results.failed ? error_set_memory(err, "a path", 0)
                                                              : files_read(&text, path.data, err);
    if (status == MSCOPE_OK && text.data != NULL) {
        status = claims_check_text(claims, name, text.data, results.data, n_numbers, findings, err);
    }
    strbuf_free(&path);
    strbuf_free(&results);
    strbuf_free(&text);
    return status;
}

/* Code, fenced or quoted, may show the notation without meaning it. */
enum mscope_status claims_check_text(const struct claims *claims, const char *name,
                                     const char *text, const char *results, size_t *n_numbers,
                                     struct files_list *findings, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    bool fenced = false;
    size_t i_line = 0;
    struct strbuf line = {0}, place = {0};
    while (*text != '\0' && status == MSCOPE_OK) {
        size_t length = strcspn(text, "\n");
        strbuf_clear(&line);
        strbuf_append(&line, text, length);
        text += length + (text[length] == '\n');
        strbuf_clear(&place);
        strbuf_printf(&place, "%s:%zu", name, ++i_line);
        if (line.failed || place.failed) {
            status = error_set_memory(err, name, length);
            break;
        }
        if (strncmp(line.data, "```", 3) == 0) {
            fenced = !fenced;
        }
        const char *mark = fenced ? NULL : strstr(line.data, MARK);
        for (; mark != NULL && status == MSCOPE_OK; mark = strstr(mark + 1, MARK)) {
            if (!is_quoted(line.data, mark)) {
                status = check_mark(claims, place.data, line.data, mark, results, n_numbers,
                                    findings, err);
            }
        }
    }
    strbuf_free(&line);
    strbuf_free(&place);
    return status;
}

static enum mscope_status check_mark(const struct claims *claims, const char *place,
                                     const char *line, const char *mark, const char *results,
                                     size_t *n_numbers, struct files_list *findings,
                                     struct mscope_error *err)
{
    char id[ID_BYTES];
    const char *start = mark + strlen(MARK);
    size_t length = strcspn(start, " \t>");
    snprintf(id, sizeof id, "%.*s", (int)length, start);
    const struct claim *claim = claims_find(claims, id);
    double written, committed;
    int decimals;
    struct mscope_error problem;
    char shown[800];
    if (claim == NULL) {
        return files_note(findings, err, "%s: no claim '%s' in the table", place, id);
    }
    if (claim->result == NULL) {
        return MSCOPE_OK; /* the mark ties a sentence to a gate */
    }
    if (!read_number_before(line, mark, &written, &decimals)) {
        return files_note(findings, err, "%s: claim %s: no number right before the mark", place,
                          id);
    }
    (*n_numbers)++;
    if (claims_read_figure(&committed, claim, results, &problem) != MSCOPE_OK) {
        return files_note(findings, err, "%s: %s", place,
                          mscope_error_text(&problem, shown, sizeof shown));
    }
    double allowed = 0.5 * pow(10, -decimals) * (1 + 1e-9);
    if (fabs(written - committed) > allowed) {
        return files_note(findings, err, "%s: claim %s: says %.*f, results/%s has %.*f", place, id,
                          decimals, written, claim->result, decimals + 1, committed);
    }
    return MSCOPE_OK;
}

static bool is_quoted(const char *line, const char *mark)
{
    size_t n = 0;
    for (const char *c = line; c < mark; c++) {
        n += *c == '`';
    }
    return n % 2 == 1;
}

/* "14.2", "1,234", "-3", and with a sign of percent or of emphasis after it: "**8.9 %**". */
static bool read_number_before(const char *line, const char *mark, double *value, int *decimals)
{
    const char *end = mark;
    while (end > line && strchr(" %*_", end[-1]) != NULL) {
        end--;
    }
    const char *start = end;
    while (start > line &&
           (isdigit((unsigned char)start[-1]) || start[-1] == '.' || start[-1] == ',')) {
        start--;
    }
    if (start > line && start[-1] == '-' && (start - 1 == line || start[-2] == ' ')) {
        start--;
    }
    char digits[NUMBER_BYTES];
    size_t n = 0;
    *decimals = 0;
    bool after_point = false;
    for (const char *c = start; c < end && n + 1 < sizeof digits; c++) {
        if (*c != ',') {
            digits[n++] = *c;
            *decimals += after_point;
            after_point = after_point || *c == '.';
        }
    }
    digits[n] = '\0';
    char *rest;
    *value = strtod(digits, &rest);
    return n > 0 && rest == digits + n;
}
