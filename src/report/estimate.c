/* SPDX-License-Identifier: MIT */
/* Estimates with intervals. */
#include "report/estimate.h"

#include "base/rng.h"
#include "base/strbuf.h"
#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>

enum { MIN_PROMPTS = 3, MIN_BOOTSTRAP = 8, N_RESAMPLES = 2000 };

static struct estimate with_half_width(double value, double half, size_t n);

struct estimate estimate_none(void)
{
    return (struct estimate){NAN, NAN, NAN, 0};
}

bool estimate_has_interval(const struct estimate *estimate)
{
    return isfinite(estimate->value) && isfinite(estimate->low) && isfinite(estimate->high);
}

enum mscope_status samples_read(struct samples *samples, struct store *store, const char *sql,
                                const char *const *texts, struct mscope_error *err)
{
    *samples = (struct samples){0};
    sqlite3_stmt *query;
    enum mscope_status status = store_prepare(store, &query, sql, texts, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t capacity = 0;
    int code;
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
        if (sqlite3_column_type(query, 0) == SQLITE_NULL) {
            continue;
        }
        if (samples->n == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            double *values = realloc(samples->values, capacity * sizeof *values);
            if (values == NULL) {
                status = error_set_memory(err, "samples", capacity * sizeof *values);
                break;
            }
            samples->values = values;
        }
        samples->values[samples->n++] = sqlite3_column_double(query, 0);
    }
    if (status == MSCOPE_OK && code != SQLITE_DONE) {
        status = store_error(store, "read samples", err);
    }
    sqlite3_finalize(query);
    if (status != MSCOPE_OK) {
        samples_free(samples);
    }
    return status;
}

void samples_free(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples){0};
}

struct estimate estimate_mean(const struct samples *samples)
{
    struct stats stats = stats_of(samples->values, samples->n);
    return with_half_width(samples->n > 0 ? stats.mean : NAN, stats.ci95, samples->n);
}

static struct estimate with_half_width(double value, double half, size_t n)
{
    return (struct estimate){value, value - half, value + half, n};
}

struct estimate estimate_contrast(const struct estimate_term *terms, size_t n_terms)
{
    double value = 0, variance = 0, spread = 0;
    size_t n = 0;
    bool enough = true;
    for (size_t i = 0; i < n_terms; i++) {
        const struct samples *samples = terms[i].samples;
        if (samples->n == 0) {
            return estimate_none();
        }
        struct stats stats = stats_of(samples->values, samples->n);
        value += terms[i].weight * stats.mean;
        n += samples->n;
        enough = enough && samples->n > 1;
        if (samples->n > 1) {
            double scaled = terms[i].weight * stats.sd;
            double part = scaled * scaled / (double)samples->n;
            variance += part;
            spread += part * part / (double)(samples->n - 1);
        }
    }
    if (!enough) {
        return (struct estimate){value, NAN, NAN, n};
    }
    double half = 0;
    if (variance > 0 && spread > 0) {
        half = stats_t_quantile(0.975, variance * variance / spread) * sqrt(variance);
    }
    return with_half_width(value, half, n);
}

struct estimate estimate_exponential(struct estimate logarithm)
{
    return (struct estimate){exp(logarithm.value), exp(logarithm.low), exp(logarithm.high),
                             logarithm.n};
}

enum mscope_status estimate_ratio(struct estimate *out, struct store *store, const char *expression,
                                  const char *a, const char *b, struct mscope_error *err)
{
    *out = estimate_none();
    struct strbuf paired = {0}, single = {0};
    struct samples by_prompt = {0}, first = {0}, second = {0};
    const char *both[] = {a, b, NULL}, *only_a[] = {a, NULL};
    strbuf_printf(&paired,
                  "SELECT x.v - y.v FROM (SELECT prompt, avg(ln(%s)) AS v FROM headline_runs WHERE"
                  " arm = ?1 GROUP BY prompt) x JOIN (SELECT prompt, avg(ln(%s)) AS v FROM"
                  " headline_runs WHERE arm = ?2 GROUP BY prompt) y ON x.prompt IS y.prompt"
                  " ORDER BY x.prompt",
                  expression, expression);
    strbuf_printf(&single, "SELECT ln(%s) FROM headline_runs WHERE arm = ?1 ORDER BY file, line",
                  expression);
    enum mscope_status status = paired.failed || single.failed
                                    ? error_set_memory(err, "a statement", 0)
                                    : samples_read(&by_prompt, store, paired.data, both, err);
    if (status == MSCOPE_OK) {
        status = samples_read(&first, store, single.data, only_a, err);
    }
    if (status == MSCOPE_OK) {
        status = samples_read(&second, store, single.data, both + 1, err);
    }
    if (status == MSCOPE_OK) {
        struct estimate_term terms[] = {{1, &first}, {-1, &second}};
        struct estimate logarithm =
            by_prompt.n >= MIN_PROMPTS ? estimate_mean(&by_prompt) : estimate_contrast(terms, 2);
        logarithm.n = first.n + second.n;
        *out = estimate_exponential(logarithm);
    }
    samples_free(&by_prompt);
    samples_free(&first);
    samples_free(&second);
    strbuf_free(&paired);
    strbuf_free(&single);
    return status;
}

struct estimate estimate_cv(const struct samples *samples)
{
    struct estimate found = {stats_of(samples->values, samples->n).cv, NAN, NAN, samples->n};
    if (samples->n < MIN_BOOTSTRAP) {
        return found;
    }
    double *drawn = calloc(samples->n, sizeof *drawn);
    double *figures = calloc(N_RESAMPLES, sizeof *figures);
    if (drawn != NULL && figures != NULL) {
        struct rng rng;
        rng_seed(&rng, 42);
        for (size_t i = 0; i < N_RESAMPLES; i++) {
            for (size_t k = 0; k < samples->n; k++) {
                drawn[k] = samples->values[rng_below(&rng, (uint32_t)samples->n)];
            }
            figures[i] = stats_of(drawn, samples->n).cv;
        }
        found.low = stats_percentile(figures, N_RESAMPLES, 0.025);
        found.high = stats_percentile(figures, N_RESAMPLES, 0.975);
    }
    free(drawn);
    free(figures);
    return found;
}
