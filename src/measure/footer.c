/* SPDX-License-Identifier: MIT */
/* Lines of the performance footer, and the line of the version. */
#include "measure/footer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct line { /* without its end */
    const char *at, *end;
};

static bool next_line(struct line *line, const char **at, const char *end);
static void take_time(struct footer *out, struct line line);
static void take_rates(struct footer *out, struct line line);
static const char *find(struct line line, const char *text);
static bool ends_with_word(const char *begin, const char *end, const char *word);
static bool read_number(double *value, const char **at, const char *end);
static bool read_rate(double *value, struct line line, const char *key);
static void skip_space(const char **at, const char *end);
static bool skip_text(const char **at, const char *end, const char *text);

bool footer_parse(struct footer *out, const char *text, size_t n_bytes)
{
    *out = (struct footer){NAN, NAN, NAN, NAN, NAN, -1, -1, NAN, NAN};
    const char *at = text;
    const char *end = text + n_bytes;
    struct line line;
    while (next_line(&line, &at, end)) {
        take_time(out, line);
        take_rates(out, line);
    }
    return !isnan(out->prompt_ms) || !isnan(out->eval_ms) || !isnan(out->prompt_tps) ||
           !isnan(out->eval_tps);
}

/* "... eval time =  4852.86 ms /   511 runs (...)": the words before "time" say which. */
static void take_time(struct footer *out, struct line line)
{
    const char *at = find(line, " time =");
    if (at == NULL) {
        return;
    }
    const char *name_end = at;
    at += strlen(" time =");
    double ms;
    double count = -1;
    skip_space(&at, line.end);
    if (!read_number(&ms, &at, line.end) || !skip_text(&at, line.end, " ms")) {
        return;
    }
    skip_space(&at, line.end);
    if (skip_text(&at, line.end, "/")) {
        double number;
        skip_space(&at, line.end);
        if (read_number(&number, &at, line.end) && number == floor(number) && number < 1e15) {
            skip_space(&at, line.end);
            bool counts = skip_text(&at, line.end, "runs") || skip_text(&at, line.end, "tokens");
            count = counts ? number : -1;
        }
    }
    if (ends_with_word(line.at, name_end, "prompt eval")) {
        out->prompt_ms = ms;
        out->prompt_tokens = (int64_t)count;
    } else if (ends_with_word(line.at, name_end, "eval")) {
        out->eval_ms = ms;
        out->eval_runs = (int64_t)count;
    } else if (ends_with_word(line.at, name_end, "load")) {
        out->load_ms = ms;
    } else if (ends_with_word(line.at, name_end, "sample") ||
               ends_with_word(line.at, name_end, "sampling")) {
        out->sample_ms = ms;
    } else if (ends_with_word(line.at, name_end, "total")) {
        out->total_ms = ms;
    }
}

static void take_rates(struct footer *out, struct line line)
{
    double prompt_tps;
    double eval_tps;
    if (read_rate(&prompt_tps, line, "[ Prompt: ") &&
        read_rate(&eval_tps, line, "| Generation: ")) {
        out->prompt_tps = prompt_tps;
        out->eval_tps = eval_tps;
    }
}

static bool read_rate(double *value, struct line line, const char *key)
{
    const char *at = find(line, key);
    if (at == NULL) {
        return false;
    }
    at += strlen(key);
    return read_number(value, &at, line.end) && skip_text(&at, line.end, " t/s") && *value > 0;
}

int64_t footer_parse_version(char *version, size_t size, const char *text, size_t n_bytes)
{
    const char *at = text;
    const char *end = text + n_bytes;
    struct line line;
    version[0] = '\0';
    while (next_line(&line, &at, end)) {
        const char *p = line.at;
        if (!skip_text(&p, line.end, "version: ")) {
            continue;
        }
        int n = (int)(line.end - p < 128 ? line.end - p : 128);
        snprintf(version, size, "%.*s", n, p);
        double number = 0;
        const char *build = find(line, "(build ");
        p = build != NULL ? build + strlen("(build ") : p;
        bool is_number = read_number(&number, &p, line.end) && number == floor(number);
        return is_number && number < 1e9 ? (int64_t)number : 0;
    }
    return 0;
}

/* Lines end at '\n' or '\r'; control characters of colours stay in them and do no harm. */
static bool next_line(struct line *line, const char **at, const char *end)
{
    if (*at >= end) {
        return false;
    }
    const char *p = *at;
    while (p < end && *p != '\n' && *p != '\r') {
        p++;
    }
    *line = (struct line){*at, p};
    *at = p < end ? p + 1 : p;
    return true;
}

static const char *find(struct line line, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = line.at; (size_t)(line.end - p) >= n; p++) {
        if (memcmp(p, text, n) == 0) {
            return p;
        }
    }
    return NULL;
}

/* `word` stands at the end, and nothing of a longer word before it. */
static bool ends_with_word(const char *begin, const char *end, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(end - begin) < n || memcmp(end - n, word, n) != 0) {
        return false;
    }
    return end - n == begin || !isalnum((unsigned char)end[-(long)n - 1]);
}

/* Digits, perhaps a point and more digits; below 1e15. */
static bool read_number(double *value, const char **at, const char *end)
{
    const char *p = *at;
    double scale = 1;
    bool has_point = false;
    *value = 0;
    if (p == end || !isdigit((unsigned char)*p)) {
        return false;
    }
    for (; p < end && (isdigit((unsigned char)*p) || (*p == '.' && !has_point)); p++) {
        if (*p == '.') {
            has_point = true;
            continue;
        }
        *value = *value * 10 + (*p - '0');
        scale *= has_point ? 10 : 1;
    }
    *value /= scale;
    *at = p;
    return *value < 1e15;
}

static void skip_space(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t')) {
        (*at)++;
    }
}

static bool skip_text(const char **at, const char *end, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0) {
        return false;
    }
    *at += n;
    return true;
}
