/* SPDX-License-Identifier: MIT */
/*
 * The table of claims (configs/claims.yaml): what README and docs promise, the one command that
 * shows it and the one result file that holds its figure. A number in a document is tied to its
 * claim by a comment right after it; the check compares it, at the precision written, with the
 * result file. Runs nothing itself. One thread.
 */
#ifndef REPORT_CLAIMS_H
#define REPORT_CLAIMS_H

#include "report/files.h"

#include <stdbool.h>

enum claims_kind {
    CLAIMS_GATE,    /* deterministic: holds on every machine */
    CLAIMS_MEASURED /* depends on the machine */
};
enum claims_take { CLAIMS_ONE, CLAIMS_COUNT, CLAIMS_LEAST, CLAIMS_MOST };

struct claim {
    char *id, *text;
    enum claims_kind kind;
    char *command; /* for sh, in the root of the source tree; NULL: the figure needs no run */
    char *result;  /* .csv or .tsv below results/, and below $OUT after a run; NULL: none */
    char *where;   /* rows that count: "arm=OLMoE; side=decode"; NULL: all */
    char *column;  /* NULL with take: count */
    enum claims_take take;
    double *scale;        /* figure × scale is the number in documents; NULL: 1 */
    double *least, *most; /* what holds on every machine; NULL: open */
};
struct claims {
    struct claim *list;
    unsigned n;
};

enum mscope_status claims_load(struct claims **out, const char *path, struct mscope_error *err);
void claims_close(struct claims **claims);
const struct claim *claims_find(const struct claims *claims, const char *id);

/* The figure of a claim from folder/result, scaled. MSCOPE_ERR_FORMAT: no row, more than one, not a
 * number. */
enum mscope_status claims_read_figure(double *out, const struct claim *claim, const char *folder,
                                      struct mscope_error *err);

struct claims_tally {
    size_t n_numbers, n_filled; /* compared; written anew */
    struct files_list findings; /* a line each; files_list_free */
};

/*
 * Numbers of README.md, ARCHITECTURE.md and docs/ in `root` that carry <!-- claim:ID --> against
 * root/results. A finding is one that disagrees, has no claim or is no number. With `fill` those
 * that disagree are written anew, with as many decimals as they had, and are no finding.
 */
enum mscope_status claims_check_documents(const struct claims *claims, const char *root, bool fill,
                                          struct claims_tally *tally, struct mscope_error *err);
/* One document; `text` is its content. With `filled` it gets the text to be written instead. */
enum mscope_status claims_check_text(const struct claims *claims, const char *name,
                                     const char *text, const char *results, struct strbuf *filled,
                                     struct claims_tally *tally, struct mscope_error *err);

#endif
