/* SPDX-License-Identifier: MIT */
/* The report as one page, and HARDWARE.md. Inside report/ only. One thread. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "report/figures.h"
#include "report/scene.h"
#include "report/tables.h"

struct page {
    const char *out; /* where the figures lie */
    struct store *store;
    const struct scene_list *scenes;
    const struct table *two_axis, *engines, *length_drop, *verdicts;
    const struct table *tables; /* TABLES_N */
    const struct files_list *notes;
};

void page_write_html(const struct page *page, struct strbuf *to);
void page_write_hardware(const struct page *page, struct strbuf *to); /* Markdown */
/* What to bear in mind, one sentence each; NULL after the last. `to` is scratch. */
void page_list_caveats(const struct page *page, struct files_list *caveats);

#endif
