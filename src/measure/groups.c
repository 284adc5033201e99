/* SPDX-License-Identifier: MIT */
/* A list of groups, searched from its start: some hundreds of them. */
#include "measure/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 64 };

struct group {
    char *key;
    double tps[MAX_VALUES];
    int n;
    bool flagged;
};

static struct group *find_group(struct groups *groups, const char *cell);

enum mscope_status groups_take(struct groups *groups, const struct record *record, double cv_limit,
                               struct stats *stats, bool *is_flagged, struct mscope_error *err)
{
    struct group *group = find_group(groups, record->cell);
    if (group == NULL) {
        return error_set_memory(err, "rates", sizeof *group);
    }
    if (strcmp(record->status, "ok") == 0 && !isnan(record->decode_tps) && group->n < MAX_VALUES) {
        group->tps[group->n++] = record->decode_tps;
    }
    *stats = stats_of(group->tps, (size_t)group->n);
    group->flagged = stats->cv > cv_limit;
    *is_flagged = group->flagged;
    return MSCOPE_OK;
}

int groups_n_flagged(const struct groups *groups)
{
    int n = 0;
    for (size_t i = 0; i < groups->n; i++) {
        n += groups->values[i].flagged ? 1 : 0;
    }
    return n;
}

void groups_free(struct groups *groups)
{
    for (size_t i = 0; i < groups->n; i++) {
        free(groups->values[i].key);
    }
    free(groups->values);
    *groups = (struct groups){0};
}

/* The group of a cell, made when it is new. NULL when memory ran out. */
static struct group *find_group(struct groups *groups, const char *cell)
{
    char *key = strdup(cell);
    if (key == NULL) {
        return NULL;
    }
    char *engine = strrchr(key, '/');
    for (char *at = engine; at != NULL && at > key; at--) {
        if (strncmp(at, "/r", 2) == 0 && at != engine) {
            memmove(at, engine, strlen(engine) + 1);
            break;
        }
    }
    for (size_t i = 0; i < groups->n; i++) {
        if (strcmp(groups->values[i].key, key) == 0) {
            free(key);
            return &groups->values[i];
        }
    }
    struct group *grown = realloc(groups->values, (groups->n + 1) * sizeof *groups->values);
    if (grown == NULL) {
        free(key);
        return NULL;
    }
    groups->values = grown;
    grown[groups->n] = (struct group){.key = key};
    return &grown[groups->n++];
}
