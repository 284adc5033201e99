/* SPDX-License-Identifier: MIT */
/*
 * The study's claims as data, each with the test that tries it on the rows of one scene. A claim is
 * a range for a measured figure: the whole 95 % interval inside is "reproduced", outside "refuted",
 * across a limit, or without figure, "not measurable here" with the reason. Only times, bytes and
 * joules are tried: never what random weights answer. Inside report/ only. One thread.
 */
#ifndef REPORT_VERDICT_H
#define REPORT_VERDICT_H

#include "report/scene.h"

enum verdict_outcome { VERDICT_REPRODUCED, VERDICT_REFUTED, VERDICT_NOT_MEASURABLE };
const char *verdict_outcome_name(enum verdict_outcome outcome);

struct verdict;
typedef enum mscope_status verdict_test_fn(struct verdict *verdict, const struct scene *scene,
                                           struct store *store, struct mscope_error *err);

struct verdict_claim {
    const char *id;     /* "RQ1 active axis" */
    const char *claim;  /* the study's words, shortened */
    const char *source; /* its figures */
    double least, most; /* the claim as a range of the figure; infinite where open */
    verdict_test_fn *test;
};
extern const struct verdict_claim verdict_claims[]; /* id NULL ends */

enum { VERDICT_TEXT_BYTES = 400 };
struct verdict {
    const struct verdict_claim *claim;
    enum verdict_outcome outcome;
    struct estimate figure;
    char measured[VERDICT_TEXT_BYTES]; /* what was measured, in words; "" when nothing was */
    char reason[VERDICT_TEXT_BYTES];   /* why not measurable; else "" */
};

/* Tries one claim. */
enum mscope_status verdict_try(struct verdict *verdict, const struct verdict_claim *claim,
                               const struct scene *scene, struct store *store,
                               struct mscope_error *err);
/* Every claim on every scene. */
enum mscope_status verdict_fill(struct table *table, const struct scene_list *list,
                                struct store *store, struct mscope_error *err);
/* "5 reproduced, 4 refuted, 2 not measurable here." of a table so filled; returns `text`. */
enum { VERDICT_COUNTS_BYTES = 96 };
const char *verdict_count(char text[VERDICT_COUNTS_BYTES], const struct table *table);

#endif
