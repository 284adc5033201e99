/* SPDX-License-Identifier: MIT */
/*
 * From raw rows to tables, figures, verdicts and one page. Reads rows only (measure/record.h),
 * derives everything else from them, and never measures. Files are written under their name when
 * complete. Never prints; notes for people are collected. One thread.
 *
 *   rows ──► store (SQLite) ──► tables ──► CSV, figures, page
 *                          └──► scenes (one host, one engine) ──► two axes, headline, verdicts
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "base/error.h"
#include "base/strbuf.h"

#include <stdbool.h>

struct report_settings {
    const char *const *raw; /* files, or folders that are searched for *.jsonl */
    size_t n_raw;
    const char *out;     /* folder, made when absent */
    const char *gnuplot; /* program; NULL: no figures */
    bool keep_all;       /* use rows whose condition is "do not use", too */
};

struct report;

/*
 * Builds everything. Unreadable lines, refused rows, an absent gnuplot and failing figures are
 * notes, not errors. Errors: a path in `raw` that cannot be read, `out` that cannot be written. On
 * failure *out is NULL.
 */
enum mscope_status report_build(struct report **out, const struct report_settings *settings,
                                struct mscope_error *err);
void report_close(struct report **report);

/* The summary for a terminal: headline, two axes, throughput, memory, verdicts. Valid until close.
 */
const char *report_text(const struct report *report);
/* The i-th note, NULL after the last. */
const char *report_note(const struct report *report, size_t i);
/* The i-th path written, NULL after the last. */
const char *report_file(const struct report *report, size_t i);

#endif
