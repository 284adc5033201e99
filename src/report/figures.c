/* SPDX-License-Identifier: MIT */
/* Data of the figures, and gnuplot. */
#include "report/figures.h"

#include "report/spawn.h"

#include "base/strbuf.h"

#include <string.h>
#include <unistd.h>

enum { GNUPLOT_SECONDS = 60 };

#define INDEX "row_number() OVER (ORDER BY a.arm_rank) AS \"index\", t.arm AS model"
#define DENSE "dense_rank() OVER (ORDER BY a.arm_rank) AS \"index\", t.arm AS model"
#define FROM  ", t.synthetic FROM "
#define ARMS  " t JOIN arms a ON a.arm = t.arm"

/* clang-format off */
const struct figures_spec figures_list[] = {
    {"throughput", "How fast", "Mean rate of decode and prefill with its 95 % interval.",
     "SELECT " INDEX ", decode_tps, decode_tps_ci95, prefill_tps, prefill_tps_ci95"
     FROM "throughput" ARMS " WHERE decode_tps IS NOT NULL ORDER BY 1"},
    {"memory", "How much memory",
     "Size of the file and peak resident memory of the process, both in GB = 1e9 bytes.",
     "SELECT " INDEX ", model_bytes / 1e9 AS file_gb, peak_rss_bytes / 1e9 AS peak_gb"
     FROM "memory" ARMS " WHERE model_bytes IS NOT NULL ORDER BY 1"},
    {"breakdown", "Where the time goes",
     "Milliseconds per token by kind of work, from inside the engine, all threads waited for.",
     "SELECT " DENSE ", CASE side WHEN 'decode' THEN 1 ELSE 2 END AS side,"
     " attention_ms + kv_ms AS attention_ms, router_ms, dispatch_ms, experts_ms + shared_ms AS"
     " experts_ms, ffn_ms, output_ms + embedding_ms AS output_ms, norm_ms, barrier_ms + io_ms AS"
     " waiting_ms, other_ms + COALESCE(sampling_ms, 0) AS rest_ms"
     FROM "breakdown" ARMS " ORDER BY 1, 3"},
    {"roofline", "Under the roof",
     "Operations per second against operations per byte read. On the slope the memory limits, below"
     " the flat line the arithmetic does. The roofs were measured on this machine.",
     "SELECT " DENSE ", CASE side WHEN 'decode' THEN 1 ELSE 2 END AS side, intensity, gflops,"
     " read_gbps, fp32_gflops, int8_gops" FROM "roofline" ARMS " ORDER BY 1, 3"},
    {"length", "Longer prompts",
     "Decode rate by length of the prompt, equally many tokens made; bars are 95 % intervals.",
     "SELECT " DENSE ", prompt_tokens, decode_tps, decode_tps_ci95, prefill_tps"
     FROM "length" ARMS " WHERE decode_tps IS NOT NULL ORDER BY 1, 3"},
    {"threads", "More threads",
     "Rates by number of threads; bars are 95 % intervals, which over prompts of unlike length are"
     " wide for prefill.",
     "SELECT " DENSE ", threads, decode_tps, decode_tps_ci95, prefill_tps, prefill_tps_ci95"
     FROM "threads" ARMS " WHERE experiment = (SELECT experiment FROM threads GROUP BY 1"
     " ORDER BY count(*) DESC, 1 LIMIT 1) ORDER BY 1, 3"},
    {"energy", "Energy", "Joules per generated token, gross and above idle.",
     "SELECT " INDEX ", decode_j_per_token, decode_j_per_token_ci95, decode_j_per_token_net"
     FROM "energy" ARMS " WHERE decode_j_per_token IS NOT NULL ORDER BY 1"},
    {0}};
/* clang-format on */

static enum mscope_status write_data(bool *any, const char *folder, const struct figures_spec *spec,
                                     struct store *store, struct mscope_error *err);
static enum mscope_status write_script(const char *folder, const char *name,
                                       struct mscope_error *err);
static enum mscope_status draw(const char *folder, const char *gnuplot, const char *name,
                               struct files_list *written, struct files_list *notes,
                               struct mscope_error *err);
static void remove_old(const char *folder, const char *name);

enum mscope_status figures_draw(const char *out, const char *gnuplot, struct store *store,
                                struct files_list *written, struct files_list *notes,
                                struct mscope_error *err)
{
    struct strbuf folder = {0};
    strbuf_printf(&folder, "%s/figures", out);
    enum mscope_status status =
        folder.failed ? error_set_memory(err, "a path", 0) : files_make_folder(folder.data, err);
    if (status == MSCOPE_OK) {
        status = write_script(folder.data, "common.gp", err);
    }
    bool drawing = gnuplot != NULL && spawn_can_find(gnuplot);
    if (status == MSCOPE_OK && !drawing && gnuplot != NULL) {
        status = files_note(notes, err,
                            "%s is not installed, so no figures were drawn; their data "
                            "are in %s",
                            gnuplot, folder.data);
    }
    for (const struct figures_spec *spec = figures_list; spec->name != NULL; spec++) {
        bool any = false;
        if (status == MSCOPE_OK) {
            remove_old(folder.data, spec->name);
            status = write_data(&any, folder.data, spec, store, err);
        }
        if (status == MSCOPE_OK && any && drawing) {
            status = draw(folder.data, gnuplot, spec->name, written, notes, err);
        }
    }
    strbuf_free(&folder);
    return status;
}

/* A figure of an earlier report must not pass for one of this. */
static void remove_old(const char *folder, const char *name)
{
    static const char *const ends[] = {"csv", "gp", "svg", "png", "pdf"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct strbuf path = {0};
        strbuf_printf(&path, "%s/%s.%s", folder, name, ends[i]);
        if (!path.failed) {
            unlink(path.data);
        }
        strbuf_free(&path);
    }
}

/* Nulls as NaN, which gnuplot and data frames read alike. */
static enum mscope_status write_data(bool *any, const char *folder, const struct figures_spec *spec,
                                     struct store *store, struct mscope_error *err)
{
    sqlite3_stmt *query;
    enum mscope_status status = store_prepare(store, &query, spec->sql, NULL, err);
    if (status != MSCOPE_OK) {
        error_set_object(err, "figure %s", spec->name);
        return status;
    }
    struct strbuf csv = {0}, name = {0};
    int n_columns = sqlite3_column_count(query);
    for (int i = 0; i < n_columns; i++) {
        strbuf_printf(&csv, "%s%s", i > 0 ? "," : "", sqlite3_column_name(query, i));
    }
    strbuf_printf(&csv, "\n");
    while (sqlite3_step(query) == SQLITE_ROW) {
        *any = true;
        for (int i = 0; i < n_columns; i++) {
            strbuf_append(&csv, ",", i > 0);
            if (sqlite3_column_type(query, i) == SQLITE_NULL) {
                strbuf_printf(&csv, "NaN");
            } else if (sqlite3_column_type(query, i) == SQLITE_TEXT) {
                /* a label: gnuplot minds commas and quotes even inside quotes */
                strbuf_append(&csv, "\"", 1);
                for (const unsigned char *c = sqlite3_column_text(query, i); *c != '\0'; c++) {
                    char safe = *c == '"' || *c < 0x20 ? '\'' : *c == ',' ? ';' : (char)*c;
                    strbuf_append(&csv, &safe, 1);
                }
                strbuf_append(&csv, "\"", 1);
            } else {
                strbuf_printf(&csv, "%.9g", sqlite3_column_double(query, i));
            }
        }
        strbuf_printf(&csv, "\n");
    }
    sqlite3_finalize(query);
    strbuf_printf(&name, "%s.csv", spec->name);
    if (csv.failed || name.failed) {
        status = error_set_memory(err, "a figure", csv.n_bytes);
    } else if (*any) {
        status = files_write(folder, name.data, csv.data, csv.n_bytes, err);
    }
    strbuf_free(&csv);
    strbuf_free(&name);
    return status;
}

static enum mscope_status write_script(const char *folder, const char *name,
                                       struct mscope_error *err)
{
    const struct embedded_file *script = embedded_find(name);
    return script == NULL
               ? error_set(err, MSCOPE_ERR_ARGUMENT, name, "not in this program")
               : files_write(folder, name, (const char *)script->bytes, script->n_bytes, err);
}

const struct embedded_file *embedded_find(const char *name)
{
    for (const struct embedded_file *file = report_embedded; file->name != NULL; file++) {
        if (strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static enum mscope_status draw(const char *folder, const char *gnuplot, const char *name,
                               struct files_list *written, struct files_list *notes,
                               struct mscope_error *err)
{
    static const char *const formats[] = {"svg", "png", "pdf"};
    struct strbuf script = {0}, enter = {0}, said = {0}, path = {0};
    strbuf_printf(&script, "%s.gp", name);
    strbuf_printf(&enter, "cd '");
    for (const char *c = folder; *c != '\0'; c++) { /* a quote in a quoted text is doubled */
        strbuf_append(&enter, "'", *c == '\'');
        strbuf_append(&enter, c, 1);
    }
    strbuf_printf(&enter, "'");
    enum mscope_status status = script.failed || enter.failed
                                    ? error_set_memory(err, "a figure", 0)
                                    : write_script(folder, script.data, err);
    if (status == MSCOPE_OK) {
        const char *arguments[] = {gnuplot, "-e", enter.data, script.data, NULL};
        int code = spawn_wait(arguments, GNUPLOT_SECONDS, &said);
        for (size_t i = 0; i < sizeof formats / sizeof formats[0] && status == MSCOPE_OK; i++) {
            strbuf_clear(&path);
            strbuf_printf(&path, "%s/%s.%s", folder, name, formats[i]);
            if (!path.failed && access(path.data, R_OK) == 0) {
                status = files_list_add(written, path.data, err);
            } else if (code == 0) {
                status = files_note(notes, err, "figure %s: gnuplot wrote no %s", name, formats[i]);
            }
        }
        if (code != 0 && status == MSCOPE_OK) {
            const char *what = said.data != NULL ? said.data + strspn(said.data, " \n") : "";
            status = files_note(notes, err, "figure %s: gnuplot %s: %.200s", name,
                                code == SPAWN_TIMEOUT ? "did not end in time" : "failed", what);
        }
    }
    strbuf_free(&script);
    strbuf_free(&enter);
    strbuf_free(&said);
    strbuf_free(&path);
    return status;
}
