/* SPDX-License-Identifier: MIT */
/* Samples to joules: counter difference or left Riemann sum, and the reasons to give no number. */
#include "machine/energy_series.h"

#include <math.h>
#include <stdlib.h>

/* A hole is a pause of this many periods, and of this many nanoseconds at least. */
enum { GAP_PERIODS = 5, GAP_LEAST_NS = 250000000 };
enum { MAX_SAMPLES = 1 << 22 }; /* 23 hours at 50 per second */
/* Values that a live sensor must have shown in a stretch that is to be believed. */
enum { LEAST_VALUES = 3 };

struct raw { /* powers of the samples inside a stretch */
    double *watts;
    int n, n_changes;
};

static bool find_before(size_t *i, const struct energy_series *series, uint64_t clock_ns);
static double counter_at(const struct energy_series *series, uint64_t clock_ns);
static bool collect(struct raw *raw, const struct energy_series *series, uint64_t start_ns,
                    uint64_t end_ns);
static void describe(struct energy_slice *out, struct raw *raw);
static unsigned check_cover(const struct energy_series *series, uint64_t start_ns, uint64_t end_ns);
static uint64_t gap_limit(const struct energy_series *series);
static double riemann(const struct energy_series *series, uint64_t start_ns, uint64_t end_ns);
static int compare(const void *a, const void *b);

void energy_series_slice(struct energy_slice *out, const struct energy_series *series,
                         uint64_t start_ns, uint64_t end_ns)
{
    *out = (struct energy_slice){
        .joules = NAN, .w_mean = NAN, .w_max = NAN, .w_median = NAN, .cv = NAN};
    out->flags = series->flags & (ENERGY_COUNTER_WRAPPED | ENERGY_CLOCK_BACKWARDS);
    if (end_ns <= start_ns) {
        out->flags |= ENERGY_FEW_SAMPLES;
        return;
    }
    struct raw raw = {0};
    if (!collect(&raw, series, start_ns, end_ns)) {
        out->flags |= ENERGY_FEW_SAMPLES;
        return;
    }
    out->n_samples = raw.n;
    unsigned bad = check_cover(series, start_ns, end_ns);
    if (raw.n < ENERGY_MIN_SAMPLES) {
        bad |= ENERGY_FEW_SAMPLES;
    }
    if (series->wants_change && raw.n > 0 && raw.n_changes + 1 < LEAST_VALUES) {
        bad |= ENERGY_STALE;
    }
    out->flags |= bad;
    if (series->is_counter) {
        bad &= ~(unsigned)ENERGY_GAP; /* the counter went on counting */
    }
    if (bad == 0) {
        out->joules = series->is_counter ? counter_at(series, end_ns) - counter_at(series, start_ns)
                                         : riemann(series, start_ns, end_ns);
        out->w_mean = out->joules * 1e9 / (double)(end_ns - start_ns);
        describe(out, &raw);
    }
    free(raw.watts);
}

void energy_series_clear(struct energy_series *series)
{
    series->n = 0;
    series->flags = 0;
}

void energy_series_free(struct energy_series *series)
{
    free(series->samples);
    series->samples = NULL;
    series->n = 0;
    series->capacity = 0;
}

bool energy_series_add(struct energy_series *series, uint64_t clock_ns, double value)
{
    if (series->n > 0 && clock_ns <= series->samples[series->n - 1].clock_ns) {
        series->flags |= ENERGY_CLOCK_BACKWARDS;
        return true;
    }
    if (series->n == series->capacity) {
        size_t capacity = series->capacity > 0 ? 2 * series->capacity : 1024;
        struct energy_sample *grown =
            capacity <= MAX_SAMPLES ? realloc(series->samples, capacity * sizeof *grown) : NULL;
        if (grown == NULL) {
            return false;
        }
        series->samples = grown;
        series->capacity = capacity;
    }
    series->samples[series->n++] = (struct energy_sample){clock_ns, value};
    return true;
}

/* Index of the last sample not after clock_ns; false and 0 when there is none. */
static bool find_before(size_t *i, const struct energy_series *series, uint64_t clock_ns)
{
    size_t low = 0;
    size_t high = series->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->samples[middle].clock_ns <= clock_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *i = low > 0 ? low - 1 : 0;
    return low > 0;
}

/* The moment lies between two samples, or on the last: check_cover saw to that. */
static double counter_at(const struct energy_series *series, uint64_t clock_ns)
{
    size_t i = 0;
    if (!find_before(&i, series, clock_ns)) {
        return NAN;
    }
    const struct energy_sample *a = &series->samples[i];
    if (i + 1 == series->n) {
        return a->value;
    }
    const struct energy_sample *b = a + 1;
    double share = (double)(clock_ns - a->clock_ns) / (double)(b->clock_ns - a->clock_ns);
    return a->value + share * (b->value - a->value);
}

static double riemann(const struct energy_series *series, uint64_t start_ns, uint64_t end_ns)
{
    double joules = 0;
    size_t i = 0;
    if (!find_before(&i, series, start_ns)) {
        return NAN;
    }
    for (; i < series->n && series->samples[i].clock_ns < end_ns; i++) {
        uint64_t from = series->samples[i].clock_ns;
        uint64_t to = i + 1 < series->n ? series->samples[i + 1].clock_ns : end_ns;
        from = from > start_ns ? from : start_ns;
        to = to < end_ns ? to : end_ns;
        joules += series->samples[i].value * (double)(to - from) * 1e-9;
    }
    return joules;
}

/* Powers at the samples inside; of a counter, the mean powers since the sample before. */
static bool collect(struct raw *raw, const struct energy_series *series, uint64_t start_ns,
                    uint64_t end_ns)
{
    size_t first = 0;
    size_t last = 0;
    if (!find_before(&last, series, end_ns)) {
        return true;
    }
    find_before(&first, series, start_ns);
    raw->watts = malloc((last - first + 1) * sizeof *raw->watts);
    if (raw->watts == NULL) {
        return false;
    }
    for (size_t i = first; i <= last; i++) {
        const struct energy_sample *at = &series->samples[i];
        if (at->clock_ns < start_ns || (series->is_counter && i == 0)) {
            continue;
        }
        double watts = at->value;
        if (series->is_counter) {
            watts = (at->value - at[-1].value) * 1e9 / (double)(at->clock_ns - at[-1].clock_ns);
        }
        raw->n_changes += i > first && at->value != at[-1].value;
        raw->watts[raw->n++] = watts;
    }
    return true;
}

static void describe(struct energy_slice *out, struct raw *raw)
{
    double sum = 0;
    double squares = 0;
    qsort(raw->watts, (size_t)raw->n, sizeof raw->watts[0], compare);
    for (int i = 0; i < raw->n; i++) {
        sum += raw->watts[i];
    }
    double mean = sum / raw->n;
    for (int i = 0; i < raw->n; i++) {
        squares += (raw->watts[i] - mean) * (raw->watts[i] - mean);
    }
    out->w_max = raw->watts[raw->n - 1];
    out->w_median = (raw->watts[(raw->n - 1) / 2] + raw->watts[raw->n / 2]) / 2;
    out->cv = mean > 0 ? sqrt(squares / (raw->n - 1)) / mean : NAN;
    if (!(out->cv <= ENERGY_CV_LIMIT)) {
        out->flags |= ENERGY_HIGH_CV;
    }
}

/* Ends that no sample reaches, holes between samples. */
static unsigned check_cover(const struct energy_series *series, uint64_t start_ns, uint64_t end_ns)
{
    uint64_t limit = gap_limit(series);
    size_t i = 0;
    unsigned flags = 0;
    if (!find_before(&i, series, start_ns) || start_ns - series->samples[i].clock_ns > limit) {
        flags |= ENERGY_NOT_COVERED;
    }
    const struct energy_sample *last = series->n > 0 ? &series->samples[series->n - 1] : NULL;
    bool reaches_end = last != NULL && (last->clock_ns >= end_ns ||
                                        (!series->is_counter && end_ns - last->clock_ns <= limit));
    if (!reaches_end) {
        flags |= ENERGY_NOT_COVERED;
        flags |= series->flags & ENERGY_VANISHED;
    }
    for (; i + 1 < series->n && series->samples[i].clock_ns < end_ns; i++) {
        if (series->samples[i + 1].clock_ns - series->samples[i].clock_ns > limit) {
            flags |= ENERGY_GAP;
        }
    }
    return flags;
}

static uint64_t gap_limit(const struct energy_series *series)
{
    uint64_t limit = series->period_ns * GAP_PERIODS;
    return limit > GAP_LEAST_NS ? limit : GAP_LEAST_NS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}
