/* SPDX-License-Identifier: MIT */
/* Engines side by side: the same model, host and prompts in moescope and in another one. */
#include "report/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "moescope"

static enum mscope_status add_pairs(struct table *table, const struct scene *ours,
                                    const struct scene *theirs, struct store *store,
                                    struct mscope_error *err);
static enum mscope_status add_pair(struct table *table, const struct scene_arm *our,
                                   const struct scene *theirs, const char *their,
                                   struct store *store, struct mscope_error *err);
static enum mscope_status set_ratio(struct table *table, const char *name,
                                    const struct estimate *ratio, struct mscope_error *err);

enum mscope_status scene_fill_engines(struct table *table, const struct scene_list *list,
                                      struct store *store, struct mscope_error *err)
{
    table_init(table, &tables_engines);
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < list->n && status == MSCOPE_OK; k++) {
            const struct scene *ours = &list->scenes[i], *theirs = &list->scenes[k];
            if (strcmp(ours->engine, OURS) == 0 && strcmp(theirs->engine, OURS) != 0 &&
                strcmp(ours->host, theirs->host) == 0) {
                status = add_pairs(table, ours, theirs, store, err);
            }
        }
    }
    return status;
}

static enum mscope_status add_pairs(struct table *table, const struct scene *ours,
                                    const struct scene *theirs, struct store *store,
                                    struct mscope_error *err)
{
    static const char same_model[] =
        "SELECT arm FROM headline_runs WHERE host_fingerprint = ?2 AND engine = ?3 AND model IN"
        " (SELECT model FROM headline_runs WHERE arm = ?1) GROUP BY arm ORDER BY count(*) DESC,"
        " arm LIMIT 1";
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < ours->n_arms && status == MSCOPE_OK; i++) {
        const char *texts[] = {ours->arms[i].name, theirs->host, theirs->engine, NULL};
        char *their = store_text(store, same_model, texts);
        if (their != NULL) {
            status = add_pair(table, &ours->arms[i], theirs, their, store, err);
        }
        free(their);
    }
    return status;
}

static enum mscope_status add_pair(struct table *table, const struct scene_arm *our,
                                   const struct scene *theirs, const char *their,
                                   struct store *store, struct mscope_error *err)
{
    struct estimate decode, prefill, memory;
    enum mscope_status status = estimate_ratio(&decode, store, "decode_tps", our->name, their, err);
    if (status == MSCOPE_OK) {
        status = estimate_ratio(&prefill, store, "prefill_tps", our->name, their, err);
    }
    if (status == MSCOPE_OK) {
        status = estimate_ratio(&memory, store, "peak_rss_bytes", our->name, their, err);
    }
    if (status == MSCOPE_OK) {
        status = table_add_row(table, err);
    }
    const struct {
        const char *column, *text;
    } words[] = {
        {"host", theirs->host}, {"arm", our->name}, {"against", their}, {"engine", theirs->engine}};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && status == MSCOPE_OK; i++) {
        status = table_set_text(table, words[i].column, words[i].text, err);
    }
    if (status == MSCOPE_OK) {
        status = set_ratio(table, "decode", &decode, err);
    }
    if (status == MSCOPE_OK) {
        status = set_ratio(table, "prefill", &prefill, err);
    }
    if (status == MSCOPE_OK) {
        table_set_number(table, "memory_ratio", memory.value);
        table_set_number(table, "synthetic", our->synthetic);
    }
    return status;
}

/* NAME_ratio, NAME_ratio_low, NAME_ratio_high, and both limits as people read them. */
static enum mscope_status set_ratio(struct table *table, const char *name,
                                    const struct estimate *ratio, struct mscope_error *err)
{
    char column[48], interval[48] = "too few runs";
    snprintf(column, sizeof column, "%s_ratio", name);
    table_set_number(table, column, ratio->value);
    snprintf(column, sizeof column, "%s_ratio_low", name);
    table_set_number(table, column, ratio->low);
    snprintf(column, sizeof column, "%s_ratio_high", name);
    table_set_number(table, column, ratio->high);
    if (estimate_has_interval(ratio)) {
        snprintf(interval, sizeof interval, "%.2f–%.2f", ratio->low, ratio->high);
    }
    snprintf(column, sizeof column, "%s_interval", name);
    return table_set_text(table, column, isfinite(ratio->value) ? interval : NULL, err);
}
