/* SPDX-License-Identifier: MIT */
/* Columns and statements of the bookkeeping tables, for tables_list.c. Inside report/ only. */
#ifndef REPORT_TABLES_BOOKS_H
#define REPORT_TABLES_BOOKS_H

#include "report/table.h"

extern const struct table_column bench_columns[], condition_columns[], failures_columns[],
    hosts_columns[], models_columns[], builds_columns[], inputs_columns[], problems_columns[];
extern const char bench_sql[], condition_sql[], failures_sql[], hosts_sql[], models_sql[],
    builds_sql[], inputs_sql[], problems_sql[];

#endif
