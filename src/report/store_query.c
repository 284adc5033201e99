/* SPDX-License-Identifier: MIT */
/* Questions to the store, and what is settled once all rows are in: names, main experiments. */
#include "report/store.h"

#include "report/store_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The name of an arm is the model's, followed by whatever is needed to tell it from the others:
 * engine, host, quantisation, stand-in or real. MoE models come first, then by active parameters.
 */
static const char name_arms[] =
    "CREATE TABLE kinds AS SELECT DISTINCT host_fingerprint, engine, model, quant, synthetic,"
    "  COALESCE(NULLIF(model_label, ''), NULLIF(model, ''), NULLIF(model_file, ''), 'unknown "
    "model')"
    "  AS label FROM rows;"
    "CREATE TABLE named AS SELECT a.*, a.label"
    "  || CASE WHEN (SELECT count(DISTINCT quant) FROM kinds b WHERE b.label = a.label) > 1"
    "     THEN ' ' || COALESCE(quant, '') ELSE '' END"
    "  || CASE WHEN (SELECT count(DISTINCT synthetic) FROM kinds b WHERE b.label = a.label) > 1"
    "     THEN CASE WHEN synthetic THEN ' (synthetic)' ELSE ' (real)' END ELSE '' END"
    "  || CASE WHEN (SELECT count(DISTINCT engine) FROM kinds) > 1 AND engine IS NOT 'moescope'"
    "     THEN ' on ' || COALESCE(engine, '?') ELSE '' END"
    "  || CASE WHEN (SELECT count(DISTINCT host_fingerprint) FROM kinds) > 1"
    "     THEN ' @' || substr(host_fingerprint, 1, 6) ELSE '' END AS arm,"
    "  (SELECT max(model_role IS 'moe') FROM rows r WHERE r.model IS a.model) AS is_moe,"
    "  (SELECT max(params_active) FROM rows r WHERE r.model IS a.model) AS active"
    "  FROM kinds a;"
    "UPDATE rows SET arm = (SELECT n.arm FROM named n WHERE n.host_fingerprint IS"
    "  rows.host_fingerprint AND n.engine IS rows.engine AND n.model IS rows.model"
    "  AND n.quant IS rows.quant AND n.synthetic IS rows.synthetic AND n.label ="
    "  COALESCE(NULLIF(rows.model_label, ''), NULLIF(rows.model, ''), NULLIF(rows.model_file, ''),"
    "  'unknown model'));"
    "CREATE TABLE arms AS SELECT arm, row_number() OVER (ORDER BY max(is_moe) DESC, min(active),"
    "  min(label), min(engine IS NOT 'moescope'), arm) AS arm_rank FROM named GROUP BY arm;"
    "UPDATE rows SET arm_rank = (SELECT arm_rank FROM arms WHERE arms.arm = rows.arm);"
    "DROP TABLE kinds; DROP TABLE named;";

/* An experiment's name, with its study's where two studies have one of that name. */
static const char name_parts[] =
    "UPDATE rows SET part = CASE WHEN (SELECT count(DISTINCT study) FROM rows b"
    "  WHERE b.experiment IS rows.experiment) > 1"
    "  THEN COALESCE(study, '?') || '/' || COALESCE(experiment, '?')"
    "  ELSE COALESCE(experiment, '?') END;";

/* Of each host: experiment 1 of the study, else the one with most models and prompts that is no
 * thread sweep. */
static const char choose_main[] =
    "CREATE TABLE mains AS SELECT host_fingerprint, part FROM (SELECT *, row_number() OVER ("
    "  PARTITION BY host_fingerprint ORDER BY part LIKE '%experiment\\_1%' ESCAPE '\\' DESC, "
    "sweeps,"
    "  n_models DESC, n_prompts DESC, n DESC, part) AS place FROM (SELECT host_fingerprint, part,"
    "  count(DISTINCT threads) > 1 AS sweeps, count(DISTINCT arm) AS n_models,"
    "  count(DISTINCT prompt) AS n_prompts, count(*) AS n FROM rows WHERE kind IS NOT 'bench'"
    "  AND status = 'ok' AND decode_tps IS NOT NULL GROUP BY 1, 2)) WHERE place = 1;"
    "UPDATE rows SET main = 1 WHERE kind IS NOT 'bench' AND EXISTS (SELECT 1 FROM mains m WHERE"
    "  m.host_fingerprint IS rows.host_fingerprint AND m.part = rows.part);"
    "CREATE TABLE modes AS SELECT host_fingerprint, threads FROM (SELECT host_fingerprint, threads,"
    "  row_number() OVER (PARTITION BY host_fingerprint ORDER BY count(*) DESC, threads DESC)"
    "  AS place FROM rows WHERE main AND status = 'ok' GROUP BY 1, 2) WHERE place = 1;"
    "UPDATE rows SET at_headline = 1 WHERE EXISTS (SELECT 1 FROM modes m WHERE"
    "  m.host_fingerprint IS rows.host_fingerprint AND m.threads IS rows.threads);"
    "DROP TABLE mains; DROP TABLE modes;";

static const char choose_sweep[] =
    "UPDATE rows SET in_sweep = 1 WHERE stratum IS NOT NULL AND part = (SELECT part FROM rows b "
    "WHERE"
    "  b.kind IS NOT 'bench' AND b.status = 'ok' AND b.stratum IS NOT NULL AND b.host_fingerprint "
    "IS"
    "  rows.host_fingerprint GROUP BY part HAVING count(DISTINCT stratum) > 1 ORDER BY"
    "  count(DISTINCT arm) DESC, count(DISTINCT stratum) DESC, count(*) DESC, part LIMIT 1);";

static const char make_views[] =
    "CREATE VIEW runs AS SELECT * FROM rows WHERE kind IS NOT 'bench' AND status = 'ok' AND used;"
    "CREATE VIEW headline_runs AS SELECT * FROM runs WHERE main AND at_headline;"
    "CREATE VIEW sweep_runs AS SELECT * FROM runs WHERE in_sweep AND at_headline;";

/* A setting keeps its unfit runs only where it has no other. */
static const char choose_used[] =
    "UPDATE rows SET used = condition IS NOT 'do not use' OR NOT EXISTS (SELECT 1 FROM rows b WHERE"
    "  b.arm = rows.arm AND b.part = rows.part AND b.threads IS rows.threads AND b.prompt IS"
    "  rows.prompt AND b.kind IS rows.kind AND b.status = 'ok' AND b.condition IS NOT 'do not "
    "use');";

int store_n_columns(const struct record_field *field)
{
    return field->kind == RECORD_PHASES    ? MSCOPE_N_PHASE
           : field->kind == RECORD_CLASSES ? MSCOPE_N_CLASS
                                           : 1;
}

void store_column_name(char name[STORE_NAME_BYTES], const struct record_field *field, int i)
{
    const char *inner = field->kind == RECORD_PHASES    ? mscope_phase_name((enum mscope_phase)i)
                        : field->kind == RECORD_CLASSES ? mscope_class_name((enum mscope_class)i)
                                                        : NULL;
    if (inner == NULL) {
        snprintf(name, STORE_NAME_BYTES, "%s", field->name);
        return;
    }
    const char *tail = strrchr(field->name, '_'); /* the unit */
    int n_head = (int)(tail - field->name);
    if (field->kind == RECORD_PHASES) { /* decode_phase_ns: the word is replaced */
        n_head = (int)(strchr(field->name, '_') - field->name);
    }
    snprintf(name, STORE_NAME_BYTES, "%.*s_%s%s", n_head, field->name, inner, tail);
}

bool store_is_whole(const struct record_field *field)
{
    return field->kind == RECORD_INT || field->kind == RECORD_BOOL ||
           field->kind == RECORD_PHASES || field->kind == RECORD_CLASSES;
}

enum mscope_status store_finish(struct store *store, bool keep_all, struct mscope_error *err)
{
    sqlite3_finalize(store->insert);
    store->insert = NULL;
    enum mscope_status status = store_run(store, name_arms, err);
    if (status == MSCOPE_OK) {
        status = store_run(store, name_parts, err);
    }
    if (status == MSCOPE_OK) {
        status = store_run(store, choose_main, err);
    }
    if (status == MSCOPE_OK) {
        status = store_run(store, choose_sweep, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    status = store_run(store, keep_all ? "UPDATE rows SET used = 1" : choose_used, err);
    static const char count_unfit[] =
        "SELECT count(*) FROM rows WHERE condition = 'do not use' AND status = 'ok' AND used = ?1";
    store->n_unfit_left =
        (uint64_t)store_number(store, count_unfit, (const char *const[]){"0", NULL});
    store->n_unfit_used =
        (uint64_t)store_number(store, count_unfit, (const char *const[]){"1", NULL});
    return status == MSCOPE_OK ? store_run(store, make_views, err) : status;
}

enum mscope_status store_save(struct store *store, const char *path, struct mscope_error *err)
{
    size_t size = strlen(path) + sizeof ".partial";
    char *partial = malloc(size);
    if (partial == NULL) {
        return error_set_memory(err, "a path", size);
    }
    snprintf(partial, size, "%s.partial", path);
    unlink(partial); /* VACUUM INTO wants a new file */
    sqlite3_stmt *vacuum = NULL;
    enum mscope_status status =
        store_prepare(store, &vacuum, "VACUUM INTO ?1", (const char *const[]){partial, NULL}, err);
    if (status == MSCOPE_OK) {
        if (sqlite3_step(vacuum) != SQLITE_DONE) {
            status = store_error(store, "write", err);
            error_set_object(err, "%s", path);
        } else if (rename(partial, path) != 0) {
            status = error_set(err, MSCOPE_ERR_IO, path, "cannot be replaced");
        }
        sqlite3_finalize(vacuum);
    }
    if (status != MSCOPE_OK) {
        unlink(partial);
    }
    free(partial);
    return status;
}

enum mscope_status store_run(struct store *store, const char *sql, struct mscope_error *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? MSCOPE_OK
               : store_error(store, "run a statement", err);
}

enum mscope_status store_prepare(struct store *store, sqlite3_stmt **out, const char *sql,
                                 const char *const *texts, struct mscope_error *err)
{
    *out = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, out, NULL);
    for (int i = 0; code == SQLITE_OK && texts != NULL && texts[i] != NULL; i++) {
        code = sqlite3_bind_text(*out, i + 1, texts[i], -1, SQLITE_TRANSIENT);
    }
    if (code != SQLITE_OK) {
        enum mscope_status status = store_error(store, "prepare a statement", err);
        sqlite3_finalize(*out);
        *out = NULL;
        return status;
    }
    return MSCOPE_OK;
}

double store_number(struct store *store, const char *sql, const char *const *texts)
{
    sqlite3_stmt *query;
    double value = NAN;
    if (store_prepare(store, &query, sql, texts, NULL) == MSCOPE_OK) {
        if (sqlite3_step(query) == SQLITE_ROW && sqlite3_column_type(query, 0) != SQLITE_NULL) {
            value = sqlite3_column_double(query, 0);
        }
        sqlite3_finalize(query);
    }
    return value;
}

char *store_text(struct store *store, const char *sql, const char *const *texts)
{
    sqlite3_stmt *query;
    char *text = NULL;
    if (store_prepare(store, &query, sql, texts, NULL) == MSCOPE_OK) {
        if (sqlite3_step(query) == SQLITE_ROW && sqlite3_column_text(query, 0) != NULL) {
            text = strdup((const char *)sqlite3_column_text(query, 0));
        }
        sqlite3_finalize(query);
    }
    return text;
}

enum mscope_status store_error(struct store *store, const char *doing, struct mscope_error *err)
{
    const char *why = store->db != NULL ? sqlite3_errmsg(store->db) : "out of memory";
    return error_set(err, MSCOPE_ERR_IO, "database of the report", "cannot %s: %s", doing, why);
}
