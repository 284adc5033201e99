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
#define MARK  "<!-- claim:"
#define MINUS "\xE2\x88\x92" /* U+2212 */

struct pass { /* over one document */
    const struct claims *claims;
    const char *name, *results;
    struct strbuf *filled; /* NULL: compare only */
    struct claims_tally *tally;
    size_t i_line;
};
struct number { /* as written: line[start, end) */
    size_t start, end;
    double value;
    int decimals;
    bool grouped; /* with commas */
};

static enum mscope_status check_file(const struct claims *claims, const char *root,
                                     const char *name, bool fill, struct claims_tally *tally,
                                     struct mscope_error *err);
static enum mscope_status check_line(const struct pass *pass, const char *line,
                                     struct mscope_error *err);
static enum mscope_status check_mark(const struct pass *pass, const char *line, const char *mark,
                                     size_t *copied, struct mscope_error *err);
static bool is_quoted(const char *line, const char *mark);
static bool read_number_before(struct number *number, const char *line, const char *mark);
static void write_number(struct strbuf *to, const struct number *like, double value);

enum mscope_status claims_check_documents(const struct claims *claims, const char *root, bool fill,
                                          struct claims_tally *tally, struct mscope_error *err)
{
    static const char *const named[] = {"README.md", "ARCHITECTURE.md"};
    struct strbuf folder = {0};
    strbuf_printf(&folder, "%s/docs", root);
    enum mscope_status status = folder.failed ? error_set_memory(err, "a path", 0) : MSCOPE_OK;
    for (size_t i = 0; i < sizeof named / sizeof named[0] && status == MSCOPE_OK; i++) {
        status = check_file(claims, root, named[i], fill, tally, err);
    }
    struct dirent **entries = NULL;
    int n = status == MSCOPE_OK ? scandir(folder.data, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        const char *ending = strrchr(entries[i]->d_name, '.');
        if (status == MSCOPE_OK && ending != NULL && strcmp(ending, ".md") == 0) {
            struct strbuf name = {0};
            strbuf_printf(&name, "docs/%s", entries[i]->d_name);
            status = name.failed ? error_set_memory(err, "a path", 0)
                                 : check_file(claims, root, name.data, fill, tally, err);
            strbuf_free(&name);
        }
        free(entries[i]);
    }
    free(entries);
    strbuf_free(&folder);
    return status;
}

static enum mscope_status check_file(const struct claims *claims, const char *root,
                                     const char *name, bool fill, struct claims_tally *tally,
                                     struct mscope_error *err)
{
    struct strbuf path = {0}, results = {0}, text = {0}, filled = {0};
    size_t n_before = tally->n_filled;
    strbuf_printf(&path, "%s/%s", root, name);
    strbuf_printf(&results, "%s/results", root);
    enum mscope_status status = path.failed || results.failed ? error_set_memory(err, "a path", 0)
                                                              : files_read(&text, path.data, err);
    if (status == MSCOPE_OK && text.data != NULL) {
        status = claims_check_text(claims, name, text.data, results.data, fill ? &filled : NULL,
                                   tally, err);
    }
    if (status == MSCOPE_OK && tally->n_filled > n_before) {
        status = filled.failed ? error_set_memory(err, name, text.n_bytes)
                               : files_write(root, name, filled.data, filled.n_bytes, err);
    }
    strbuf_free(&path);
    strbuf_free(&results);
    strbuf_free(&text);
    strbuf_free(&filled);
    return status;
}

/* Code, fenced or quoted, may show the notation without meaning it. */
enum mscope_status claims_check_text(const struct claims *claims, const char *name,
                                     const char *text, const char *results, struct strbuf *filled,
                                     struct claims_tally *tally, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    struct pass pass = {claims, name, results, filled, tally, 0};
    bool fenced = false;
    struct strbuf line = {0};
    while (*text != '\0' && status == MSCOPE_OK) {
        size_t length = strcspn(text, "\n");
        strbuf_clear(&line);
        strbuf_append(&line, text, length + (text[length] == '\n'));
        text += length + (text[length] == '\n');
        pass.i_line++;
        if (line.failed) {
            status = error_set_memory(err, name, length);
            break;
        }
        if (strncmp(line.data, "```", 3) == 0) {
            fenced = !fenced;
        }
        if (!fenced) {
            status = check_line(&pass, line.data, err);
        } else if (filled != NULL) {
            strbuf_append(filled, line.data, line.n_bytes);
        }
    }
    strbuf_free(&line);
    return status;
}

static enum mscope_status check_line(const struct pass *pass, const char *line,
                                     struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    size_t copied = 0;
    const char *mark = strstr(line, MARK);
    for (; mark != NULL && status == MSCOPE_OK; mark = strstr(mark + 1, MARK)) {
        if (!is_quoted(line, mark)) {
            status = check_mark(pass, line, mark, &copied, err);
        }
    }
    if (pass->filled != NULL) {
        strbuf_append(pass->filled, line + copied, strlen(line + copied));
    }
    return status;
}

/* `copied` of the line are in pass->filled already. */
static enum mscope_status check_mark(const struct pass *pass, const char *line, const char *mark,
                                     size_t *copied, struct mscope_error *err)
{
    struct files_list *findings = &pass->tally->findings;
    char id[ID_BYTES], place[ID_BYTES], shown[800];
    const char *start = mark + strlen(MARK);
    snprintf(id, sizeof id, "%.*s", (int)strcspn(start, " \t\n>"), start);
    snprintf(place, sizeof place, "%s:%zu", pass->name, pass->i_line);
    const struct claim *claim = claims_find(pass->claims, id);
    struct number written;
    double committed;
    struct mscope_error problem;
    if (claim == NULL) {
        return files_note(findings, err, "%s: no claim '%s' in the table", place, id);
    }
    if (claim->result == NULL) {
        return MSCOPE_OK; /* the mark ties a sentence to a gate */
    }
    if (!read_number_before(&written, line, mark)) {
        return files_note(findings, err, "%s: claim %s: no number right before the mark", place,
                          id);
    }
    pass->tally->n_numbers++;
    if (claims_read_figure(&committed, claim, pass->results, &problem) != MSCOPE_OK) {
        return files_note(findings, err, "%s: %s", place,
                          mscope_error_text(&problem, shown, sizeof shown));
    }
    double allowed = 0.5 * pow(10, -written.decimals) * (1 + 1e-9);
    if (fabs(written.value - committed) <= allowed) {
        return MSCOPE_OK;
    }
    if (pass->filled != NULL) {
        strbuf_append(pass->filled, line + *copied, written.start - *copied);
        write_number(pass->filled, &written, committed);
        *copied = written.end;
        pass->tally->n_filled++;
        return MSCOPE_OK;
    }
    return files_note(findings, err, "%s: claim %s: says %.*f, results/%s has %.*f", place, id,
                      written.decimals, written.value, claim->result, written.decimals + 1,
                      committed);
}

static bool is_quoted(const char *line, const char *mark)
{
    size_t n = 0;
    for (const char *c = line; c < mark; c++) {
        n += *c == '`';
    }
    return n % 2 == 1;
}

/* "14.2", "1,234", "-3" with either minus, and with a sign of per cent, a times or emphasis after
 * it: "**8.9 %**". */
static bool read_number_before(struct number *number, const char *line, const char *mark)
{
    const char *end = mark;
    for (bool more = true; more && end > line;) {
        bool times = end - line >= 2 && memcmp(end - 2, "\xC3\x97", 2) == 0; /* U+00D7 */
        more = times || strchr(" %*_", end[-1]) != NULL;
        end -= more ? 1 + times : 0;
    }
    const char *start = end;
    while (start > line &&
           (isdigit((unsigned char)start[-1]) || start[-1] == '.' || start[-1] == ',')) {
        start--;
    }
    char digits[NUMBER_BYTES];
    size_t n = 0;
    *number = (struct number){0};
    const char *first = start;
    if (start - line >= 3 && memcmp(start - 3, MINUS, 3) == 0) {
        first = start - 3;
    } else if (start > line && start[-1] == '-' && (start - 1 == line || start[-2] == ' ')) {
        first = start - 1;
    }
    if (first != start) {
        digits[n++] = '-';
    }
    bool after_point = false;
    for (const char *c = start; c < end && n + 1 < sizeof digits; c++) {
        number->grouped = number->grouped || *c == ',';
        if (*c != ',') {
            digits[n++] = *c;
            number->decimals += after_point;
            after_point = after_point || *c == '.';
        }
    }
    digits[n] = '\0';
    char *rest;
    number->value = strtod(digits, &rest);
    number->start = (size_t)(first - line);
    number->end = (size_t)(end - line);
    return end > start && isdigit((unsigned char)end[-1]) && rest == digits + n;
}

/* With as many decimals as the one it replaces, and its commas. */
static void write_number(struct strbuf *to, const struct number *like, double value)
{
    char digits[NUMBER_BYTES];
    int n = snprintf(digits, sizeof digits, "%.*f", like->decimals, fabs(value));
    size_t n_whole = strcspn(digits, ".");
    strbuf_append(to, MINUS, value < 0 ? strlen(MINUS) : 0);
    for (size_t i = 0; i < (size_t)n && i < sizeof digits - 1; i++) {
        strbuf_append(to, ",", like->grouped && i > 0 && i < n_whole && (n_whole - i) % 3 == 0);
        strbuf_append(to, &digits[i], 1);
    }
}
