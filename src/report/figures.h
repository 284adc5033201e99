/* SPDX-License-Identifier: MIT */
/*
 * Figures: a query gives the CSV, a committed gnuplot script draws it as SVG, PNG and PDF. Scripts
 * are in the program, so that an installed one has them, and are copied beside their CSV, so that
 * anyone can draw again: cd figures && gnuplot throughput.gp. Inside report/ only. One thread.
 */
#ifndef REPORT_FIGURES_H
#define REPORT_FIGURES_H

#include "report/files.h"
#include "report/store.h"

struct figures_spec {
    const char *name; /* NULL ends */
    const char *title;
    const char *caption;
    const char *sql; /* columns of the CSV; no row: no figure */
};
extern const struct figures_spec figures_list[];

/* Files of this program by name, made by cmake/embed.cmake from src/report. */
struct embedded_file {
    const char *name; /* NULL ends */
    const unsigned char *bytes;
    size_t n_bytes;
};
extern const struct embedded_file report_embedded[];
const struct embedded_file *embedded_find(const char *name);

/*
 * Writes out/figures/NAME.{csv,gp} for every figure that has data and runs `gnuplot` (NULL: not) on
 * each. What was written goes to `written`, what went wrong to `notes`; only an unwritable folder
 * is an error.
 */
enum mscope_status figures_draw(const char *out, const char *gnuplot, struct store *store,
                                struct files_list *written, struct files_list *notes,
                                struct mscope_error *err);

/* SVG of a file of gnuplot as an element of a page: ids made unique by `name`, colours of the ink
 * and paper left to the page, no reference to anything outside. */
void svg_inline(struct strbuf *to, const char *svg, const char *name, const char *label);

#endif
