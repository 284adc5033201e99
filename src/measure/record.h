/* SPDX-License-Identifier: MIT */
/*
 * One measured row (docs/MEASURING.md). RECORD_FIELDS below is the only list of fields: the struct,
 * the JSON writer, the JSON reader and whoever makes columns of rows are made from it. Owns all its
 * texts and lists. Knows nothing of files (row_file.h) or of how a value was measured. One thread.
 *
 * Null: a text is NULL, an integer RECORD_NO_INT, a real NaN, a truth RECORD_NO_BOOL, a list has
 * values NULL, an object has RECORD_NO_INT in its first slot.
 */
#ifndef MEASURE_RECORD_H
#define MEASURE_RECORD_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

enum { RECORD_SCHEMA = 1, RECORD_NO_BOOL = -1 };
#define RECORD_NO_INT INT64_MIN

struct record_reals {
    double *values;
    size_t n;
};
struct record_texts {
    char **values;
    size_t n;
};
struct record_table { /* (n_rows, n_cols) */
    int64_t *values;
    size_t n_rows, n_cols;
};
struct record_phases { /* nanoseconds by enum mscope_phase */
    int64_t of[MSCOPE_N_PHASE];
};
struct record_classes { /* bytes by enum mscope_class */
    int64_t of[MSCOPE_N_CLASS];
};

typedef char *record_type_TEXT;
typedef int64_t record_type_INT;
typedef double record_type_REAL;
typedef int record_type_BOOL;
typedef struct record_reals record_type_REALS;
typedef struct record_texts record_type_TEXTS;
typedef struct record_table record_type_TABLE;
typedef struct record_phases record_type_PHASES;
typedef struct record_classes record_type_CLASSES;

/* clang-format off */
#define RECORD_FIELDS(F)                                                                           \
    /* who, what, where */                                                                         \
    F(INT, schema_version) F(TEXT, cell) F(TEXT, kind) F(TEXT, study) F(TEXT, experiment)          \
    F(TEXT, session_id) F(INT, order_index) F(INT, order_seed) F(TEXT, started_at)                 \
    F(TEXT, version) F(TEXT, commit) F(TEXT, compiler) F(TEXT, flags) F(TEXT, binary_sha256)       \
    F(TEXT, command) F(TEXT, engine) F(TEXT, engine_detail) F(TEXT, host_fingerprint)              \
    F(TEXT, cpu) F(TEXT, os) F(INT, n_cores_physical) F(INT, n_cores_logical) F(INT, ram_bytes)    \
    F(INT, seed) F(TEXT, device)                                                                   \
    F(TEXT, model) F(TEXT, model_label) F(TEXT, model_role) F(TEXT, model_file)                    \
    F(INT, model_bytes) F(TEXT, model_sha256) F(BOOL, synthetic) F(TEXT, arch) F(TEXT, quant)      \
    F(INT, params_total) F(INT, params_active)                                                     \
    F(TEXT, prompt) F(TEXT, prompt_category) F(TEXT, stratum) F(INT, prompt_words)                 \
    F(INT, prompt_tokens) F(INT, n_gen) F(INT, n_depth) F(INT, repetition) F(INT, threads)         \
    F(INT, n_batch) F(INT, n_ctx) F(TEXT, kv_type)                                                 \
    F(TEXT, status) F(TEXT, reason) F(INT, warmup_runs) F(BOOL, warmup_stable)                     \
    F(REAL, cooldown_s) F(BOOL, thermal_hatch) F(TEXT, order_kind)                                 \
    /* a bench row */                                                                              \
    F(TEXT, test) F(INT, n_prompt) F(INT, n_runs)                                                  \
    /* time */                                                                                     \
    F(REAL, wall_ms) F(REAL, load_ms) F(REAL, prefill_ms) F(REAL, decode_ms) F(REAL, ttft_ms)      \
    F(REAL, sampling_ms) F(REAL, prefill_tps) F(REAL, decode_tps)                                  \
    F(REAL, prefill_tps_median) F(REAL, prefill_tps_sd) F(REAL, prefill_tps_ci95)                  \
    F(REALS, prefill_tps_samples)                                                                  \
    F(REAL, decode_tps_median) F(REAL, decode_tps_sd) F(REAL, decode_tps_ci95)                     \
    F(REALS, decode_tps_samples)                                                                   \
    F(REAL, decode_tps_cv) F(BOOL, cv_flag)                                                        \
    F(REAL, tpot_ms_mean) F(REAL, tpot_ms_p50) F(REAL, tpot_ms_p95) F(REAL, tpot_ms_p99)           \
    F(REALS, token_ms) F(REAL, shutdown_ms)                                                        \
    /* where the time goes */                                                                      \
    F(PHASES, prefill_phase_ns) F(PHASES, decode_phase_ns) F(REAL, prefill_parts_share)            \
    F(REAL, decode_parts_share) F(REAL, probe_overhead_share) F(REAL, probe_overhead_ci95)         \
    F(REAL, routing_share)                                                                         \
    /* bytes and operations */                                                                     \
    F(CLASSES, prefill_weight_bytes) F(CLASSES, decode_weight_bytes) F(INT, prefill_kv_bytes)      \
    F(INT, decode_kv_bytes) F(REAL, bytes_per_token) F(INT, prefill_flops) F(INT, decode_flops)    \
    F(REAL, roof_read_gbps) F(REALS, roof_read_gbps_samples) F(REAL, roof_read_drift_share)        \
    F(REAL, roof_fp32_gflops) F(REAL, roof_int8_gops) F(REALS, roof_int8_gops_samples)             \
    F(REAL, roof_handoff_ns) F(REAL, s_mbu) F(REAL, s_mfu)                                         \
    /* routing */                                                                                  \
    F(REAL, routing_entropy_share) F(REAL, routing_distinct_prefill)                               \
    F(REAL, routing_distinct_decode) F(REAL, routing_reuse_share) F(TABLE, routing_histogram)      \
    /* memory */                                                                                   \
    F(INT, peak_rss_bytes) F(INT, pss_bytes) F(INT, rss_anonymous_bytes) F(INT, rss_file_bytes)    \
    F(INT, swap_in_bytes) F(INT, swap_out_bytes) F(INT, major_faults) F(INT, kv_bytes)             \
    F(INT, scratch_bytes) F(INT, device_bytes)                                                     \
    /* energy and heat */                                                                          \
    F(TEXT, energy_source) F(TEXT, energy_reason) F(REAL, idle_before_w) F(REAL, idle_after_w)     \
    F(REAL, idle_drift_share) F(REAL, prefill_j) F(REAL, decode_j) F(REAL, prefill_j_per_token)    \
    F(REAL, decode_j_per_token) F(REAL, prefill_j_per_token_net) F(REAL, decode_j_per_token_net)   \
    F(REAL, decode_w_mean) F(REAL, decode_w_max) F(INT, energy_samples) F(REAL, energy_cv)         \
    F(REAL, energy_identity) F(TEXTS, energy_flags) F(REAL, temp_start_c) F(REAL, temp_peak_c)     \
    /* condition of the machine */                                                                 \
    F(TEXT, condition) F(TEXTS, condition_reasons) F(REAL, load1) F(REAL, busy_other_share)        \
    F(TEXT, governor) F(REAL, freq_mhz_min) F(REAL, freq_mhz_max) F(BOOL, on_battery)              \
    F(INT, swap_used_bytes)
/* clang-format on */

#define RECORD_MEMBER(kind, name) record_type_##kind name;
struct record {
    RECORD_FIELDS(RECORD_MEMBER)
};
#undef RECORD_MEMBER

enum record_kind {
    RECORD_TEXT,
    RECORD_INT,
    RECORD_REAL,
    RECORD_BOOL,
    RECORD_REALS,
    RECORD_TEXTS,
    RECORD_TABLE,
    RECORD_PHASES,
    RECORD_CLASSES
};
struct record_field {
    const char *name; /* NULL ends the table */
    enum record_kind kind;
    size_t offset; /* in struct record */
};
extern const struct record_field record_fields[];

/* NULL when there is no such field. */
const struct record_field *record_find_field(const char *name);

/* Everything null but schema_version. */
void record_init(struct record *record);
void record_free(struct record *record); /* and init again */
/* `to` (initialised) becomes a deep copy. */
enum mscope_status record_copy(struct record *to, const struct record *from,
                               struct mscope_error *err);

/* Replace a text or a list by a copy; NULL (or n 0 with values NULL) makes it null. */
enum mscope_status record_set_text(char **field, const char *text, struct mscope_error *err);
enum mscope_status record_set_reals(struct record_reals *field, const double *values, size_t n,
                                    struct mscope_error *err);
enum mscope_status record_add_text(struct record_texts *field, const char *text,
                                   struct mscope_error *err);

/* A number of any kind of field: INT, REAL, BOOL; NaN when null or not a number. */
double record_number(const struct record *record, const struct record_field *field);

/* Sets every measurement (time, phases, bytes, routing, memory, energy) to null and says why:
 * `status` is "failed", "oom", "timeout" or "skipped". */
enum mscope_status record_fail(struct record *record, const char *status, const char *reason,
                               struct mscope_error *err);

/* MSCOPE_ERR_ARGUMENT for what a writer must refuse: no cell, commit, host_fingerprint, started_at
 * or status; a status that is not ok without reason. */
enum mscope_status record_check(const struct record *record, struct mscope_error *err);

/* All fields, null ones as null; NULL when memory ran out. Caller releases. */
json_t *record_to_json(const struct record *record);
/*
 * `record` must be initialised; it is freed and filled. Unknown keys are ignored (a later additive
 * schema), absent ones are null. Errors: not an object, a value of the wrong type (field named),
 * schema_version other than RECORD_SCHEMA (MSCOPE_ERR_UNSUPPORTED).
 */
enum mscope_status record_from_json(struct record *record, const json_t *json,
                                    struct mscope_error *err);
/* One line of text without line end. */
enum mscope_status record_from_line(struct record *record, const char *line, size_t n_bytes,
                                    struct mscope_error *err);

#endif
