/* SPDX-License-Identifier: MIT */
/* The tests of the claims. */
#include "report/verdict_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DENSE = 16 };

static enum mscope_status compare_rates(struct verdict *verdict, const struct scene *scene,
                                        const struct scene_arm *dense, const char *missing,
                                        struct store *store, struct mscope_error *err);
static enum mscope_status measure_routing(struct verdict *verdict, const struct scene *scene,
                                          const char *range, struct store *store,
                                          struct mscope_error *err);
static enum mscope_status read_sessions(struct estimate *out, struct store *store,
                                        const char *expression, const char *arm,
                                        struct mscope_error *err);
static void explain(struct verdict *verdict, const char *reason);

enum { RANGE_BYTES = 48 };
static const char *show_range(char text[RANGE_BYTES], const struct estimate *figure, double scale,
                              const char *unit);
static const char *show_sessions(char text[RANGE_BYTES], const struct estimate *figure);

enum mscope_status verdict_active_axis(struct verdict *verdict, const struct scene *scene,
                                       struct store *store, struct mscope_error *err)
{
    return compare_rates(verdict, scene, scene->nearest_active,
                         "no dense model of about its active parameters was measured", store, err);
}

enum mscope_status verdict_memory_axis(struct verdict *verdict, const struct scene *scene,
                                       struct store *store, struct mscope_error *err)
{
    return compare_rates(verdict, scene, scene->nearest_memory,
                         "no dense model with a known file size was measured", store, err);
}

static enum mscope_status compare_rates(struct verdict *verdict, const struct scene *scene,
                                        const struct scene_arm *dense, const char *missing,
                                        struct store *store, struct mscope_error *err)
{
    if (dense == NULL) {
        explain(verdict, missing);
        return MSCOPE_OK;
    }
    enum mscope_status status =
        estimate_ratio(&verdict->figure, store, "decode_tps", scene->moe->name, dense->name, err);
    if (status == MSCOPE_OK && isfinite(verdict->figure.value)) {
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "%.2f times (%s) the decode rate of %s, file %.1f times as large",
                 verdict->figure.value, show_range(range, &verdict->figure, 1, ""), dense->name,
                 scene->moe->file_bytes / dense->file_bytes);
    }
    return status;
}

enum mscope_status verdict_footprint(struct verdict *verdict, const struct scene *scene,
                                     struct store *store, struct mscope_error *err)
{
    const struct scene_arm *dense = scene->nearest_active;
    if (dense == NULL) {
        explain(verdict, "no dense model of about its active parameters was measured");
        return MSCOPE_OK;
    }
    struct estimate ours, theirs;
    enum mscope_status status =
        read_sessions(&ours, store, "peak_rss_bytes", scene->moe->name, err);
    if (status == MSCOPE_OK) {
        status = read_sessions(&theirs, store, "peak_rss_bytes", dense->name, err);
    }
    if (status == MSCOPE_OK && isfinite(ours.value / theirs.value)) {
        verdict->figure =
            (struct estimate){ours.value / theirs.value, ours.low / theirs.high,
                              ours.high / theirs.low, ours.n < theirs.n ? ours.n : theirs.n};
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "%.2f times (%s) the peak memory of %s", verdict->figure.value,
                 show_sessions(range, &verdict->figure), dense->name);
    }
    return status;
}

enum mscope_status verdict_peak_is_file(struct verdict *verdict, const struct scene *scene,
                                        struct store *store, struct mscope_error *err)
{
    enum mscope_status status =
        read_sessions(&verdict->figure, store, "peak_rss_bytes * 1.0 / nullif(model_bytes, 0)",
                      scene->moe->name, err);
    if (status == MSCOPE_OK && isfinite(verdict->figure.value)) {
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "peak memory of %s is %.2f times its file (%s)", scene->moe->name,
                 verdict->figure.value, show_sessions(range, &verdict->figure));
    }
    return status;
}

/* Difference of ln(long/short), the MoE model's minus the mean of the dense ones'. */
enum mscope_status verdict_length_slope(struct verdict *verdict, const struct scene *scene,
                                        struct store *store, struct mscope_error *err)
{
    struct samples samples[2 * (MAX_DENSE + 1)] = {0};
    struct estimate_term terms[2 * (MAX_DENSE + 1)];
    size_t n_terms = 0, n_dense = 0;
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < scene->n_arms && n_dense < MAX_DENSE && status == MSCOPE_OK; i++) {
        const struct scene_arm *arm = &scene->arms[i];
        if (arm->is_moe && arm != scene->moe) {
            continue;
        }
        struct samples *early = &samples[n_terms], *late = &samples[n_terms + 1];
        status = scene_read_stratum(early, store, arm->name, "short", err);
        if (status == MSCOPE_OK) {
            status = scene_read_stratum(late, store, arm->name, "long", err);
        }
        if (status != MSCOPE_OK || ((early->n == 0 || late->n == 0) && !arm->is_moe)) {
            samples_free(early);
            samples_free(late);
            continue;
        }
        double sign = arm->is_moe ? 1 : -1; /* dense ones are divided by their number below */
        terms[n_terms++] = (struct estimate_term){-sign, early};
        terms[n_terms++] = (struct estimate_term){sign, late};
        n_dense += !arm->is_moe;
    }
    for (size_t i = 2; i < n_terms; i++) { /* arms are sorted: the MoE model's terms come first */
        terms[i].weight /= (double)n_dense;
    }
    if (status == MSCOPE_OK && (n_dense == 0 || samples[0].n == 0 || samples[1].n == 0)) {
        explain(verdict, "short and long prompts were not both measured");
    } else if (status == MSCOPE_OK) {
        verdict->figure = estimate_contrast(terms, n_terms);
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "from short to long prompts %s keeps %.1f %% %s of its rate than the mean of %zu "
                 "dense models (difference %s)",
                 scene->moe->name, fabs(100 * verdict->figure.value),
                 verdict->figure.value < 0 ? "less" : "more", n_dense,
                 show_range(range, &verdict->figure, 100, " %"));
    }
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        samples_free(&samples[i]);
    }
    return status;
}

enum mscope_status verdict_energy(struct verdict *verdict, const struct scene *scene,
                                  struct store *store, struct mscope_error *err)
{
    const struct scene_arm *dense = scene->nearest_active;
    const char *texts[] = {scene->host, NULL};
    enum mscope_status status = MSCOPE_OK;
    if (dense != NULL) {
        status = estimate_ratio(&verdict->figure, store, "decode_j_per_token", scene->moe->name,
                                dense->name, err);
    }
    if (status == MSCOPE_OK && isfinite(verdict->figure.value)) {
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "%.2f times (%s) the energy per token of %s", verdict->figure.value,
                 show_range(range, &verdict->figure, 1, ""), dense->name);
    } else {
        char *why = store_text(store,
                               "SELECT energy_reason FROM headline_runs WHERE host_fingerprint = ?1"
                               " AND energy_reason <> '' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
                               texts);
        snprintf(verdict->reason, sizeof verdict->reason, "no energy figures: %s",
                 why != NULL ? why : "the rows hold none");
        free(why);
    }
    return status;
}

/*
 * If cost tracked total parameters, one token of the MoE model would take total/total as long as
 * one of a dense model; if active ones, active/active. The figure is where the measured ratio lies
 * between the two on a logarithmic scale, from -1 (active) to +1 (total), of the dense model for
 * which the two predictions differ most.
 */
enum mscope_status verdict_cost_tracks_total(struct verdict *verdict, const struct scene *scene,
                                             struct store *store, struct mscope_error *err)
{
    const struct scene_arm *moe = scene->moe, *chosen = NULL;
    for (size_t i = 0; i < scene->n_arms; i++) {
        const struct scene_arm *arm = &scene->arms[i];
        bool known = !arm->is_moe && isfinite(arm->total) && isfinite(arm->active);
        if (known && (chosen == NULL || arm->on_active_axis > chosen->on_active_axis ||
                      arm == scene->nearest_active)) {
            chosen = arm;
        }
    }
    if (chosen == NULL || !(moe->total / moe->active > 1.2)) {
        explain(verdict, "parameter counts of an MoE and a dense model are needed");
        return MSCOPE_OK;
    }
    struct estimate ratio;
    enum mscope_status status =
        estimate_ratio(&ratio, store, "1.0 / decode_tps", moe->name, chosen->name, err);
    double by_total = moe->total / chosen->total, by_active = moe->active / chosen->active;
    double middle = (log(by_total) + log(by_active)) / 2;
    double half = (log(by_total) - log(by_active)) / 2;
    if (status == MSCOPE_OK && isfinite(ratio.value) && half > 0) {
        verdict->figure =
            (struct estimate){(log(ratio.value) - middle) / half, (log(ratio.low) - middle) / half,
                              (log(ratio.high) - middle) / half, ratio.n};
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "a token takes %.2f times (%s) as long as one of %s; total parameters predict "
                 "%.2f times, active ones %.2f",
                 ratio.value, show_range(range, &ratio, 1, ""), chosen->name, by_total, by_active);
    }
    return status;
}

enum mscope_status verdict_whole_set(struct verdict *verdict, const struct scene *scene,
                                     struct store *store, struct mscope_error *err)
{
    enum mscope_status status = read_sessions(
        &verdict->figure, store, "bytes_per_token / nullif(model_bytes, 0)", scene->moe->name, err);
    if (status == MSCOPE_OK && isfinite(verdict->figure.value)) {
        verdict->figure.value = scene->moe->bytes_per_token / scene->moe->file_bytes;
        double needed = scene->moe->file_bytes * scene->moe->decode_tps / 1e9;
        const char *texts[] = {scene->moe->name, NULL};
        double roof = store_number(
            store, "SELECT avg(roof_read_gbps) FROM headline_runs WHERE arm = ?1", texts);
        int n = snprintf(verdict->measured, sizeof verdict->measured,
                         "%.0f MB of %.0f MB are read per token, cache included: %.0f %%; reading "
                         "all would take %.0f GB/s",
                         scene->moe->bytes_per_token / 1e6, scene->moe->file_bytes / 1e6,
                         100 * verdict->figure.value, needed);
        if (isfinite(roof) && n > 0 && (size_t)n < sizeof verdict->measured) {
            snprintf(verdict->measured + n, sizeof verdict->measured - (size_t)n,
                     ", the memory gives %.0f", roof);
        }
    }
    return status;
}

enum mscope_status verdict_routing_short(struct verdict *verdict, const struct scene *scene,
                                         struct store *store, struct mscope_error *err)
{
    return measure_routing(verdict, scene, "prompt_tokens <= 200", store, err);
}

enum mscope_status verdict_routing_long(struct verdict *verdict, const struct scene *scene,
                                        struct store *store, struct mscope_error *err)
{
    return measure_routing(verdict, scene, "prompt_tokens >= 500", store, err);
}

/* Mean and interval as in table "router". */
static enum mscope_status measure_routing(struct verdict *verdict, const struct scene *scene,
                                          const char *range, struct store *store,
                                          struct mscope_error *err)
{
    struct strbuf sql = {0};
    strbuf_printf(
        &sql,
        "SELECT avg(routing_share), ci95(routing_share, prompt), count(routing_share) FROM"
        " runs WHERE arm = ?1 AND at_headline AND %s",
        range);
    const char *texts[] = {scene->moe->name, NULL};
    sqlite3_stmt *query = NULL;
    enum mscope_status status = sql.failed ? error_set_memory(err, "a statement", 0)
                                           : store_prepare(store, &query, sql.data, texts, err);
    strbuf_free(&sql);
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t n = 0;
    if (sqlite3_step(query) == SQLITE_ROW) {
        double value = sqlite3_column_double(query, 0);
        double half =
            sqlite3_column_type(query, 1) == SQLITE_NULL ? NAN : sqlite3_column_double(query, 1);
        n = (size_t)sqlite3_column_int64(query, 2);
        verdict->figure = (struct estimate){value, value - half, value + half, n};
    }
    sqlite3_finalize(query);
    if (n == 0) {
        verdict->figure = estimate_none();
        explain(verdict, "no run with prompts of this length and the split by phase");
        return MSCOPE_OK;
    }
    char shown[RANGE_BYTES];
    snprintf(verdict->measured, sizeof verdict->measured,
             "router ÷ (router + expert FFN) is %.2f %% (%s, %zu runs)",
             100 * verdict->figure.value, show_range(shown, &verdict->figure, 100, " %"), n);
    return MSCOPE_OK;
}

/* The least stable model stands for all. */
enum mscope_status verdict_stable(struct verdict *verdict, const struct scene *scene,
                                  struct store *store, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    const struct scene_arm *worst = NULL;
    for (size_t i = 0; i < scene->n_arms && status == MSCOPE_OK; i++) {
        const char *texts[] = {scene->arms[i].name, NULL};
        struct samples samples = {0};
        status = samples_read(
            &samples, store,
            "SELECT decode_tps FROM headline_runs WHERE arm = ?1 ORDER BY file, line", texts, err);
        struct estimate found = estimate_cv(&samples);
        if (status == MSCOPE_OK && isfinite(found.value) &&
            (worst == NULL || found.value > verdict->figure.value)) {
            worst = &scene->arms[i];
            verdict->figure = found;
        }
        samples_free(&samples);
    }
    if (worst != NULL) {
        char range[RANGE_BYTES];
        snprintf(verdict->measured, sizeof verdict->measured,
                 "largest CV %.1f %% (%s), of %s over %zu runs", 100 * verdict->figure.value,
                 show_range(range, &verdict->figure, 100, " %"), worst->name, verdict->figure.n);
    }
    return status;
}

/* The largest value, and the range of the largest ones of each session: a peak is one of a sitting,
 * not of a run. */
static enum mscope_status read_sessions(struct estimate *out, struct store *store,
                                        const char *expression, const char *arm,
                                        struct mscope_error *err)
{
    struct strbuf sql = {0};
    strbuf_printf(&sql, "SELECT max(%s) FROM headline_runs WHERE arm = ?1 GROUP BY session_id",
                  expression);
    struct samples samples = {0};
    const char *texts[] = {arm, NULL};
    enum mscope_status status = sql.failed ? error_set_memory(err, "a statement", 0)
                                           : samples_read(&samples, store, sql.data, texts, err);
    *out = estimate_none();
    out->n = samples.n;
    for (size_t i = 0; i < samples.n; i++) {
        out->low = i == 0 ? samples.values[i] : fmin(out->low, samples.values[i]);
        out->high = i == 0 ? samples.values[i] : fmax(out->high, samples.values[i]);
    }
    out->value = out->high;
    samples_free(&samples);
    strbuf_free(&sql);
    return status;
}

static void explain(struct verdict *verdict, const char *reason)
{
    snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
}

static const char *show_range(char text[RANGE_BYTES], const struct estimate *figure, double scale,
                              const char *unit)
{
    if (estimate_has_interval(figure)) {
        snprintf(text, RANGE_BYTES, "%.2f to %.2f%s", scale * figure->low, scale * figure->high,
                 unit);
    } else {
        snprintf(text, RANGE_BYTES, "no interval");
    }
    return text;
}

/* A peak of one sitting has no interval: its scatter is that between sessions. */
static const char *show_sessions(char text[RANGE_BYTES], const struct estimate *figure)
{
    if (figure->n == 1) {
        snprintf(text, RANGE_BYTES, "one session");
    } else {
        snprintf(text, RANGE_BYTES, "%.2f to %.2f over %zu sessions", figure->low, figure->high,
                 figure->n);
    }
    return text;
}
