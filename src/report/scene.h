/* SPDX-License-Identifier: MIT */
/*
 * A scene is one host and one engine: the arms that can be compared, the MoE model the study is
 * about, and for each axis the dense model it is held against. Inside report/ only. One thread.
 */
#ifndef REPORT_SCENE_H
#define REPORT_SCENE_H

#include "report/estimate.h"
#include "report/tables.h"

#define SCENE_ACTIVE_FACTOR 1.5 /* active-axis partners have at most so many times as many */

struct scene_arm { /* figures are NaN where not measured */
    char *name;    /* owned; as in column arm */
    bool is_moe, synthetic;
    double n_runs, active, total, file_bytes, peak_rss, decode_tps, prefill_tps, bytes_per_token,
        s_mbu;
    bool on_active_axis, on_memory_axis; /* dense arms only */
};

struct scene {
    char *host, *engine, *cpu; /* owned */
    double threads;
    struct scene_arm *arms; /* MoE first, then by active parameters */
    size_t n_arms;
    const struct scene_arm *moe; /* the one with most runs; NULL when there is none */
    const struct scene_arm *nearest_active, *nearest_memory; /* dense; NULL when there is none */
    bool synthetic;                                          /* any arm is */
};

struct scene_list {
    struct scene *scenes;
    size_t n;
};

enum mscope_status scene_list_read(struct scene_list *list, struct store *store,
                                   struct mscope_error *err);
void scene_list_free(struct scene_list *list);

/* Tables filled by code, one block of rows per scene. */
enum mscope_status scene_fill_two_axis(struct table *table, const struct scene_list *list,
                                       struct store *store, struct mscope_error *err);
enum mscope_status scene_fill_length_drop(struct table *table, const struct scene_list *list,
                                          struct store *store, struct mscope_error *err);

/* moescope against every other engine of its host, model by model. */
enum mscope_status scene_fill_engines(struct table *table, const struct scene_list *list,
                                      struct store *store, struct mscope_error *err);

/* "With llama.cpp: ", or with the host's name, where the list has more than one scene. */
void scene_write_whose(const struct scene_list *list, size_t i, struct strbuf *to);
/* The answer in one sentence, and the figures behind it, without markup. */
void scene_write_answer(const struct scene *scene, struct store *store, struct strbuf *to);
void scene_write_figures(const struct scene *scene, struct store *store, struct strbuf *to);

/* ln of the decode rate at `stratum` of an arm, run by run. */
enum mscope_status scene_read_stratum(struct samples *samples, struct store *store, const char *arm,
                                      const char *stratum, struct mscope_error *err);

#endif
