/* SPDX-License-Identifier: MIT */
/* Who is compared with whom, and the two tables that follow. */
#include "report/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status read_scene(struct scene *scene, struct store *store,
                                     struct mscope_error *err);
static enum mscope_status read_arm(struct scene *scene, sqlite3_stmt *query,
                                   struct mscope_error *err);
static void choose_partners(struct scene *scene);
static double distance(double a, double b);
static char *copy_column(sqlite3_stmt *query, int i);
static double real_column(sqlite3_stmt *query, int i);
static enum mscope_status add_pair(struct table *table, const struct scene *scene,
                                   const struct scene_arm *dense, struct store *store,
                                   struct mscope_error *err);
static enum mscope_status add_drop(struct table *table, const struct scene *scene,
                                   const struct scene_arm *arm, struct store *store,
                                   struct mscope_error *err);

enum mscope_status scene_list_read(struct scene_list *list, struct store *store,
                                   struct mscope_error *err)
{
    *list = (struct scene_list){0};
    sqlite3_stmt *query;
    enum mscope_status status = store_prepare(
        store, &query,
        "SELECT host_fingerprint, engine, max(cpu), max(threads) FROM headline_runs GROUP BY 1, 2"
        " ORDER BY engine = 'moescope' DESC, count(*) DESC, 1, 2",
        NULL, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    while (status == MSCOPE_OK && sqlite3_step(query) == SQLITE_ROW) {
        struct scene *scenes = realloc(list->scenes, (list->n + 1) * sizeof *scenes);
        if (scenes == NULL) {
            status = error_set_memory(err, "a scene", sizeof *scenes);
            break;
        }
        list->scenes = scenes;
        struct scene *scene = &scenes[list->n++];
        *scene = (struct scene){.host = copy_column(query, 0),
                                .engine = copy_column(query, 1),
                                .cpu = copy_column(query, 2),
                                .threads = real_column(query, 3)};
        if (scene->host == NULL || scene->engine == NULL || scene->cpu == NULL) {
            status = error_set_memory(err, "a scene", 0);
        } else {
            status = read_scene(scene, store, err);
        }
    }
    sqlite3_finalize(query);
    if (status != MSCOPE_OK) {
        scene_list_free(list);
    }
    return status;
}

void scene_list_free(struct scene_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct scene *scene = &list->scenes[i];
        for (size_t k = 0; k < scene->n_arms; k++) {
            free(scene->arms[k].name);
        }
        free(scene->arms);
        free(scene->host);
        free(scene->engine);
        free(scene->cpu);
    }
    free(list->scenes);
    *list = (struct scene_list){0};
}

/* An engine that knows only a name gets what other rows say of that model. */
static enum mscope_status read_scene(struct scene *scene, struct store *store,
                                     struct mscope_error *err)
{
    static const char sql[] =
        "SELECT arm, (SELECT max(model_role = 'moe') FROM rows r WHERE r.model IS h.model),"
        " max(synthetic), count(decode_tps),"
        " (SELECT max(params_active) FROM rows r WHERE r.model IS h.model),"
        " (SELECT max(params_total) FROM rows r WHERE r.model IS h.model),"
        " COALESCE(max(model_bytes), (SELECT max(model_bytes) FROM rows r WHERE r.model IS "
        "h.model)),"
        " max(peak_rss_bytes), avg(decode_tps), avg(prefill_tps), avg(bytes_per_token), avg(s_mbu)"
        " FROM headline_runs h WHERE host_fingerprint = ?1 AND COALESCE(engine, '') = ?2"
        " GROUP BY arm_rank, arm ORDER BY arm_rank, arm";
    sqlite3_stmt *query;
    const char *texts[] = {scene->host, scene->engine, NULL};
    enum mscope_status status = store_prepare(store, &query, sql, texts, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    while (status == MSCOPE_OK && sqlite3_step(query) == SQLITE_ROW) {
        status = read_arm(scene, query, err);
    }
    sqlite3_finalize(query);
    if (status == MSCOPE_OK) {
        choose_partners(scene);
    }
    return status;
}

static enum mscope_status read_arm(struct scene *scene, sqlite3_stmt *query,
                                   struct mscope_error *err)
{
    struct scene_arm *arms = realloc(scene->arms, (scene->n_arms + 1) * sizeof *arms);
    if (arms == NULL) {
        return error_set_memory(err, "an arm", sizeof *arms);
    }
    scene->arms = arms;
    struct scene_arm *arm = &arms[scene->n_arms++];
    *arm = (struct scene_arm){
        .name = copy_column(query, 0),
        .is_moe = sqlite3_column_int(query, 1) != 0,
        .synthetic = sqlite3_column_int(query, 2) != 0,
        .n_runs = real_column(query, 3),
        .active = real_column(query, 4),
        .total = real_column(query, 5),
        .file_bytes = real_column(query, 6),
        .peak_rss = real_column(query, 7),
        .decode_tps = real_column(query, 8),
        .prefill_tps = real_column(query, 9),
        .bytes_per_token = real_column(query, 10),
        .s_mbu = real_column(query, 11),
    };
    scene->synthetic = scene->synthetic || arm->synthetic;
    return arm->name != NULL ? MSCOPE_OK : error_set_memory(err, "an arm", 0);
}

static void choose_partners(struct scene *scene)
{
    for (size_t i = 0; i < scene->n_arms; i++) {
        const struct scene_arm *arm = &scene->arms[i];
        if (arm->is_moe && (scene->moe == NULL || arm->n_runs > scene->moe->n_runs)) {
            scene->moe = arm;
        }
    }
    const struct scene_arm *moe = scene->moe, *active = NULL, *memory = NULL;
    for (size_t i = 0; moe != NULL && i < scene->n_arms; i++) {
        struct scene_arm *arm = &scene->arms[i];
        if (arm->is_moe) {
            continue;
        }
        double by_active = distance(arm->active, moe->active);
        double by_file = distance(arm->file_bytes, moe->file_bytes);
        arm->on_active_axis = by_active <= log(SCENE_ACTIVE_FACTOR);
        if (arm->on_active_axis &&
            (active == NULL || by_active < distance(active->active, moe->active))) {
            active = arm;
        }
        if (isfinite(by_file) &&
            (memory == NULL || by_file < distance(memory->file_bytes, moe->file_bytes))) {
            memory = arm;
        }
    }
    for (size_t i = 0; i < scene->n_arms; i++) {
        scene->arms[i].on_memory_axis = &scene->arms[i] == memory;
    }
    scene->nearest_active = active;
    scene->nearest_memory = memory;
}

/* Of sizes, as factors; NaN where one is unknown. */
static double distance(double a, double b)
{
    return fabs(log(a / b));
}

static char *copy_column(sqlite3_stmt *query, int i)
{
    const char *text = (const char *)sqlite3_column_text(query, i);
    return strdup(text != NULL ? text : "");
}

static double real_column(sqlite3_stmt *query, int i)
{
    return sqlite3_column_type(query, i) == SQLITE_NULL ? NAN : sqlite3_column_double(query, i);
}

enum mscope_status scene_fill_two_axis(struct table *table, const struct scene_list *list,
                                       struct store *store, struct mscope_error *err)
{
    table_init(table, &tables_two_axis);
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < list->n; i++) {
        const struct scene *scene = &list->scenes[i];
        for (size_t k = 0; scene->moe != NULL && k < scene->n_arms && status == MSCOPE_OK; k++) {
            if (!scene->arms[k].is_moe) {
                status = add_pair(table, scene, &scene->arms[k], store, err);
            }
        }
    }
    return status;
}

static enum mscope_status add_pair(struct table *table, const struct scene *scene,
                                   const struct scene_arm *dense, struct store *store,
                                   struct mscope_error *err)
{
    const struct scene_arm *moe = scene->moe;
    struct estimate decode, prefill, energy;
    enum mscope_status status =
        estimate_ratio(&decode, store, "decode_tps", moe->name, dense->name, err);
    if (status == MSCOPE_OK) {
        status = estimate_ratio(&prefill, store, "prefill_tps", moe->name, dense->name, err);
    }
    if (status == MSCOPE_OK) {
        status = estimate_ratio(&energy, store, "decode_j_per_token", moe->name, dense->name, err);
    }
    if (status == MSCOPE_OK) {
        status = table_add_row(table, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    const char *axis = dense->on_active_axis && dense->on_memory_axis ? "active, memory"
                       : dense->on_active_axis                        ? "active"
                       : dense->on_memory_axis                        ? "memory"
                                                                      : "between";
    char interval[48] = "too few runs";
    if (estimate_has_interval(&decode)) {
        snprintf(interval, sizeof interval, "%.2f–%.2f", decode.low, decode.high);
    }
    const struct {
        const char *column, *text;
    } words[] = {{"host", scene->host}, {"engine", scene->engine},
                 {"moe", moe->name},    {"dense", dense->name},
                 {"axis", axis},        {"decode_interval", interval}};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && status == MSCOPE_OK; i++) {
        status = table_set_text(table, words[i].column, words[i].text, err);
    }
    table_set_number(table, "active_ratio", moe->active / dense->active);
    table_set_number(table, "file_ratio", moe->file_bytes / dense->file_bytes);
    table_set_number(table, "decode_ratio", decode.value);
    table_set_number(table, "decode_ratio_low", decode.low);
    table_set_number(table, "decode_ratio_high", decode.high);
    table_set_number(table, "prefill_ratio", prefill.value);
    table_set_number(table, "memory_ratio", moe->peak_rss / dense->peak_rss);
    table_set_number(table, "bytes_ratio", moe->bytes_per_token / dense->bytes_per_token);
    table_set_number(table, "energy_ratio", energy.value);
    table_set_number(table, "synthetic", moe->synthetic || dense->synthetic);
    return status;
}

enum mscope_status scene_fill_length_drop(struct table *table, const struct scene_list *list,
                                          struct store *store, struct mscope_error *err)
{
    table_init(table, &tables_length_drop);
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < list->n; i++) {
        const struct scene *scene = &list->scenes[i];
        for (size_t k = 0; k < scene->n_arms && status == MSCOPE_OK; k++) {
            status = add_drop(table, scene, &scene->arms[k], store, err);
        }
    }
    return status;
}

static enum mscope_status add_drop(struct table *table, const struct scene *scene,
                                   const struct scene_arm *arm, struct store *store,
                                   struct mscope_error *err)
{
    static const char mean[] =
        "SELECT avg(decode_tps) FROM sweep_runs WHERE arm = ?1 AND stratum = ?2";
    struct samples early = {0}, late = {0};
    enum mscope_status status = scene_read_stratum(&early, store, arm->name, "short", err);
    if (status == MSCOPE_OK) {
        status = scene_read_stratum(&late, store, arm->name, "long", err);
    }
    if (status == MSCOPE_OK && early.n > 0 && late.n > 0) {
        struct estimate_term terms[] = {{1, &late}, {-1, &early}};
        struct estimate kept = estimate_exponential(estimate_contrast(terms, 2));
        status = table_add_row(table, err);
        if (status == MSCOPE_OK) {
            status = table_set_text(table, "host", scene->host, err);
        }
        if (status == MSCOPE_OK) {
            status = table_set_text(table, "arm", arm->name, err);
        }
        if (status == MSCOPE_OK) {
            const char *const strata[][2] = {
                {"short", "short_tps"}, {"medium", "medium_tps"}, {"long", "long_tps"}};
            for (size_t i = 0; i < 3; i++) {
                const char *texts[] = {arm->name, strata[i][0], NULL};
                table_set_number(table, strata[i][1], store_number(store, mean, texts));
            }
            table_set_number(table, "drop_share", 1 - kept.value);
            table_set_number(table, "drop_low", 1 - kept.high);
            table_set_number(table, "drop_high", 1 - kept.low);
            table_set_number(table, "synthetic", arm->synthetic);
        }
    }
    samples_free(&early);
    samples_free(&late);
    return status;
}

enum mscope_status scene_read_stratum(struct samples *samples, struct store *store, const char *arm,
                                      const char *stratum, struct mscope_error *err)
{
    const char *texts[] = {arm, stratum, NULL};
    return samples_read(samples, store,
                        "SELECT ln(decode_tps) FROM sweep_runs WHERE arm = ?1 AND stratum = ?2"
                        " ORDER BY file, line",
                        texts, err);
}
