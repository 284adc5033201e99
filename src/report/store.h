/* SPDX-License-Identifier: MIT */
/*
 * All rows in one SQLite database in memory, with the statistics SQLite lacks as functions:
 * median(x), sd(x), cv(x), ci95(x, cluster), cv_within(x, cluster). Inside report/ only. One
 * thread.
 *
 * Table `rows`: every field of measure/record.h as a column (times by phase and bytes by class as
 * one column each: decode_router_ns, decode_weight_experts_bytes), and file, line          where
 * the row came from arm, arm_rank       name for people of (host, engine, model): what tables and
 * figures compare used                0: left out, because its condition is "do not use" part the
 * experiment, with its study where two studies have one of that name main, at_headline   of the
 * experiment that answers the headline; of its number of threads in_sweep            of the
 * experiment that varies the length of the prompt View `runs`: rows of studies that are ok and
 * used; `headline_runs`: those that are main and at_headline; `sweep_runs`: those in_sweep, with a
 * stratum, and at_headline. Table `arms`: arm, arm_rank.
 */
#ifndef REPORT_STORE_H
#define REPORT_STORE_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdbool.h>

struct store {
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint64_t n_rows, n_corrupt, n_other_schema, n_refused, n_duplicates, n_files;
    uint64_t n_unfit_left; /* condition "do not use", left out */
    uint64_t n_unfit_used; /* the same, used because its setting has no other run, or on demand */
};

enum mscope_status store_open(struct store *store, struct mscope_error *err);
void store_close(struct store *store);

/* Adds the rows of a file; what is no row is counted and listed in table `problems`. */
enum mscope_status store_add_file(struct store *store, const char *path, struct mscope_error *err);
/* After the last file: arms, main experiments, which rows are used, views. */
enum mscope_status store_finish(struct store *store, bool keep_all, struct mscope_error *err);
/* The database as a file. */
enum mscope_status store_save(struct store *store, const char *path, struct mscope_error *err);

/* Statements without result. */
enum mscope_status store_run(struct store *store, const char *sql, struct mscope_error *err);
/* A statement with its texts bound to ?1, ?2, ...; the caller finalises. NULL texts end the list.
 */
enum mscope_status store_prepare(struct store *store, sqlite3_stmt **out, const char *sql,
                                 const char *const *texts, struct mscope_error *err);
/* First column of the first row; NaN when there is none or it is null. */
double store_number(struct store *store, const char *sql, const char *const *texts);
/* The same as text, copied; NULL when there is none. Caller frees. */
char *store_text(struct store *store, const char *sql, const char *const *texts);
enum mscope_status store_error(struct store *store, const char *doing, struct mscope_error *err);

/* Registers the functions on `db`; returns an SQLite code. */
int aggregates_register(sqlite3 *db);

#endif
