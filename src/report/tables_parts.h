/* SPDX-License-Identifier: MIT */
/* What tables_list.c puts together: columns and statements, and how columns are written. Inside
 * report/ only. */
#ifndef REPORT_TABLES_PARTS_H
#define REPORT_TABLES_PARTS_H

#include "report/table.h"

/* clang-format off */
#define WORDS(name, label, flags)          {name, label, TABLE_TEXT, 0, flags}
#define COUNT(name, label, flags)          {name, label, TABLE_COUNT, 0, flags}
#define FIGURE(name, label, digits, flags) {name, label, TABLE_FIGURES, digits, flags}
#define RATIO(name, label, flags)          {name, label, TABLE_REAL, 2, flags}
#define ARM       WORDS("arm", "model", 0)
#define PART      WORDS("experiment", "experiment", TABLE_FOLD)
#define THREADS   COUNT("threads", "threads", TABLE_FOLD)
#define SYNTHETIC {"synthetic", "synthetic", TABLE_COUNT, 0, TABLE_FOLD | TABLE_TRUTH}
/* clang-format on */

/* tables_time.c */
extern const struct table_column breakdown_columns[], router_columns[], routing_columns[],
    roofline_columns[];
extern const char breakdown_sql[], router_sql[], routing_sql[], roofline_sql[];

/* tables_books.c */
extern const struct table_column bench_columns[], condition_columns[], failures_columns[],
    hosts_columns[], models_columns[], builds_columns[], inputs_columns[], problems_columns[];
extern const char bench_sql[], condition_sql[], failures_sql[], hosts_sql[], models_sql[],
    builds_sql[], inputs_sql[], problems_sql[];

#endif
