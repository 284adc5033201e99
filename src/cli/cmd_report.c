/* SPDX-License-Identifier: MIT */
/* report: raw rows to tables, figures, verdicts and one page. */
#include "cli/cli.h"
#include "cli/output.h"

#include "report/report.h"

#include <string.h>

enum { MAX_RAW = 64 };

int cmd_report(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    const char *raw[MAX_RAW] = {"results/raw"};
    size_t n_raw = 1;
    for (int i = 0; i < MAX_RAW && options_listed(options, "raw", i) != NULL; i++) {
        raw[i] = options_listed(options, "raw", i);
        n_raw = (size_t)i + 1;
    }
    const struct report_settings settings = {
        .raw = raw,
        .n_raw = n_raw,
        .out = options_text(options, "out"),
        .gnuplot = options_flag(options, "no-figures") ? NULL : options_text(options, "gnuplot"),
        .keep_all = options_flag(options, "keep-all"),
    };
    struct report *report = NULL;
    struct mscope_error err;
    if (report_build(&report, &settings, &err) != MSCOPE_OK) {
        return out_error(&err);
    }
    const char *text = report_text(report);
    out_write(text, strlen(text));
    out_flush(); /* notes come after it, wherever both streams go */
    for (size_t i = 0; report_note(report, i) != NULL; i++) {
        out_note("%s", report_note(report, i));
    }
    size_t n_files = 0;
    while (report_file(report, n_files) != NULL) {
        n_files++;
    }
    out_printf("%zu files written; the page is %s/report.html\n", n_files, settings.out);
    report_close(&report);
    return CLI_OK;
}
