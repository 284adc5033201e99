/* SPDX-License-Identifier: MIT */
/* The tables of a report, as data. Inside report/ only. */
#ifndef REPORT_TABLES_H
#define REPORT_TABLES_H

#include "report/table.h"

enum tables_id { /* in the order of the page */
                 TABLES_THROUGHPUT,
                 TABLES_MEMORY,
                 TABLES_LENGTH,
                 TABLES_STABILITY,
                 TABLES_BREAKDOWN,
                 TABLES_ROUTER,
                 TABLES_ROUTING,
                 TABLES_ROOFLINE,
                 TABLES_THREADS,
                 TABLES_THREAD_OPTIMUM,
                 TABLES_ENERGY,
                 TABLES_EXPERIMENTS,
                 TABLES_BENCH,
                 TABLES_CONDITION,
                 TABLES_FAILURES,
                 TABLES_HOSTS,
                 TABLES_MODELS,
                 TABLES_BUILDS,
                 TABLES_INPUTS,
                 TABLES_PROBLEMS,
                 TABLES_N
};
extern const struct table_spec tables_list[TABLES_N]; /* each by SQL, in this order */

/* Filled by code. */
extern const struct table_spec tables_two_axis, tables_engines, tables_length_drop, tables_verdicts;

#endif
