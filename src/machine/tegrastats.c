/* SPDX-License-Identifier: MIT */
/* Words of a tegrastats line: a key, or a value that the key before it explains. */
#include "machine/tegrastats.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = 256 };
static const double MB = 1024.0 * 1024.0;         /* tegrastats says MB and counts in 1024 */
static const double LEAST_C = -100, MOST_C = 200; /* a sensor that is off reads -256 */

static bool next_word(char word[WORD_BYTES], const char **at, const char *end);
static void take_value(struct tegrastats *out, const char *key, const char *word);
static void take_temperature(struct tegrastats *out, const char *word);
static bool take_rail(struct tegrastats *out, const char *key, const char *word);
static void take_cores(struct tegrastats *out, const char *word);
static bool read_pair(double *a, double *b, const char *word, const char *unit);
static bool read_number(double *value, const char **at);

bool tegrastats_parse(struct tegrastats *out, const char *line, size_t n_bytes)
{
    *out = (struct tegrastats){.ram_used_bytes = NAN,
                               .ram_total_bytes = NAN,
                               .swap_used_bytes = NAN,
                               .cpu_share = NAN,
                               .gpu_share = NAN,
                               .temp_max_c = NAN,
                               .board_watts = NAN};
    char key[WORD_BYTES] = "";
    char word[WORD_BYTES];
    const char *at = line;
    const char *end = line + n_bytes;
    while (next_word(word, &at, end)) {
        if (strchr(word, '@') != NULL && isalpha((unsigned char)word[0])) {
            take_temperature(out, word);
        } else {
            take_value(out, key, word);
        }
        memcpy(key, word, sizeof key);
    }
    return !isnan(out->ram_used_bytes) || out->n_rails > 0;
}

/* Words end at white space; brackets hold one word together. A word too long is cut. */
static bool next_word(char word[WORD_BYTES], const char **at, const char *end)
{
    const char *p = *at;
    while (p < end && (isspace((unsigned char)*p) || *p == '\0')) {
        p++;
    }
    size_t n = 0;
    int depth = 0;
    bool found = p < end;
    while (p < end && *p != '\0' && (depth > 0 || !isspace((unsigned char)*p))) {
        depth += *p == '[' || *p == '(' ? 1 : 0;
        depth -= *p == ']' || *p == ')' ? 1 : 0;
        if (n + 1 < WORD_BYTES) {
            word[n++] = *p;
        }
        p++;
    }
    word[n] = '\0';
    *at = p;
    return found;
}

static void take_value(struct tegrastats *out, const char *key, const char *word)
{
    double a;
    double b;
    if (strcmp(key, "RAM") == 0 && read_pair(&a, &b, word, "MB")) {
        out->ram_used_bytes = a * MB;
        out->ram_total_bytes = b * MB;
    } else if (strcmp(key, "SWAP") == 0 && read_pair(&a, &b, word, "MB")) {
        out->swap_used_bytes = a * MB;
    } else if (strcmp(key, "CPU") == 0 && word[0] == '[') {
        take_cores(out, word);
    } else if (strcmp(key, "GR3D_FREQ") == 0) {
        const char *at = word;
        if (read_number(&a, &at) && *at == '%' && a <= 100) {
            out->gpu_share = a / 100;
        }
    } else {
        take_rail(out, key, word);
    }
}

/* "VDD_CPU_GPU_CV 812mW/805mW", "POM_5V_IN 2345/2300" */
static bool take_rail(struct tegrastats *out, const char *key, const char *word)
{
    double now_mw;
    double mean_mw;
    bool is_name =
        strncmp(key, "VDD", 3) == 0 || strncmp(key, "VIN_", 4) == 0 || strncmp(key, "POM_", 4) == 0;
    if (!is_name || out->n_rails == TEGRASTATS_MAX_RAILS ||
        (!read_pair(&now_mw, &mean_mw, word, "mW") && !read_pair(&now_mw, &mean_mw, word, ""))) {
        return false;
    }
    struct tegrastats_rail *rail = &out->rails[out->n_rails++];
    snprintf(rail->name, sizeof rail->name, "%.31s", key);
    rail->watts = now_mw * 1e-3;
    rail->watts_mean = mean_mw * 1e-3;
    if (strcmp(key, "VDD_IN") == 0 || strcmp(key, "POM_5V_IN") == 0) {
        out->board_watts = rail->watts;
        memcpy(out->board_rail, rail->name, sizeof out->board_rail);
    }
    return true;
}

/* "CPU@46.3C", "tj@47C" */
static void take_temperature(struct tegrastats *out, const char *word)
{
    const char *at = strchr(word, '@') + 1;
    double sign = *at == '-' ? -1 : 1;
    at += *at == '-' ? 1 : 0;
    double celsius;
    if (!read_number(&celsius, &at) || strcmp(at, "C") != 0) {
        return;
    }
    celsius *= sign;
    if (celsius > LEAST_C && celsius < MOST_C) {
        out->temp_max_c = fmax(out->temp_max_c, celsius);
    }
}

/* "[12%@1190,off,3%@1190]" */
static void take_cores(struct tegrastats *out, const char *word)
{
    double sum = 0;
    int n = 0;
    for (const char *at = word; at != NULL; at = strchr(at, ',')) {
        at++;
        double share;
        const char *p = at;
        if (read_number(&share, &p) && *p == '%' && share <= 100) {
            sum += share / 100;
            n++;
        }
    }
    out->cpu_share = n > 0 ? sum / n : out->cpu_share;
}

/* "12unit/34unit" or "12/34unit", nothing after it. */
static bool read_pair(double *a, double *b, const char *word, const char *unit)
{
    size_t n_unit = strlen(unit);
    if (!read_number(a, &word)) {
        return false;
    }
    word += strncmp(word, unit, n_unit) == 0 ? n_unit : 0;
    if (*word++ != '/') {
        return false;
    }
    return read_number(b, &word) && strcmp(word, unit) == 0;
}

/* Digits, perhaps a point and more digits; below a million million. Moves past them. */
static bool read_number(double *value, const char **at)
{
    const char *p = *at;
    double scale = 1;
    bool has_point = false;
    *value = 0;
    if (!isdigit((unsigned char)*p)) {
        return false;
    }
    for (; isdigit((unsigned char)*p) || (*p == '.' && !has_point); p++) {
        if (*p == '.') {
            has_point = true;
            continue;
        }
        *value = *value * 10 + (*p - '0');
        scale *= has_point ? 10 : 1;
    }
    *value /= scale;
    *at = p;
    return *value < 1e12;
}
