/* SPDX-License-Identifier: MIT */
/* Bookkeeping tables: what ran, on what, how it went; and the columns of tables filled by code. */
#include "report/tables.h"
#include "report/tables_parts.h"

const struct table_column bench_columns[] = {
    WORDS("arm", "model", 0),
    WORDS("test", "test", 0),
    COUNT("threads", "threads", TABLE_FOLD),
    COUNT("n_runs", "runs", 0),
    FIGURE("prefill_tps", "prefill tok/s", 3, 0),
    FIGURE("prefill_tps_ci95", "± 95 %", 2, 0),
    FIGURE("decode_tps", "decode tok/s", 3, 0),
    FIGURE("decode_tps_ci95", "± 95 %", 2, 0),
    FIGURE("ttft_ms", "TTFT ms", 3, TABLE_SPARE),
    {"bytes_per_token", "MB/token", TABLE_MB, 0, TABLE_SPARE},
    {"s_mbu", "S-MBU", TABLE_PERCENT, 1, TABLE_SPARE},
    {"peak_rss_bytes", "peak RSS GB", TABLE_GB, 0, TABLE_SPARE},
    WORDS("condition", "condition", TABLE_FOLD),
    WORDS("started_at", "started", TABLE_MINOR),
    SYNTHETIC,
    {0}};
const char bench_sql[] =
    "SELECT arm, test, threads, n_runs, prefill_tps, prefill_tps_ci95, decode_tps, decode_tps_ci95,"
    " ttft_ms, bytes_per_token, s_mbu, peak_rss_bytes, condition, started_at, synthetic FROM rows"
    " WHERE kind = 'bench' AND status = 'ok' ORDER BY arm_rank, arm, test, threads, started_at";

const struct table_column condition_columns[] = {WORDS("condition", "verdict", 0),
                                                 COUNT("n", "runs", 0),
                                                 COUNT("n_used", "used", 0),
                                                 WORDS("example", "most frequent reasons", 0),
                                                 {0}};
const char condition_sql[] =
    "SELECT COALESCE(condition, 'not judged') AS condition, count(*) AS n, total(used) AS n_used,"
    " (SELECT condition_reasons FROM rows r WHERE r.condition IS o.condition AND r.status = 'ok'"
    "  AND condition_reasons <> '' GROUP BY condition_reasons ORDER BY count(*) DESC,"
    "  condition_reasons LIMIT 1) AS example FROM rows o WHERE status = 'ok' GROUP BY condition"
    " ORDER BY CASE condition WHEN 'trust' THEN 0 WHEN 'caution' THEN 1 ELSE 2 END";

const struct table_column failures_columns[] = {WORDS("arm", "model", 0),
                                                WORDS("experiment", "experiment", 0),
                                                COUNT("threads", "threads", 0),
                                                WORDS("status", "status", 0),
                                                COUNT("n", "runs", 0),
                                                WORDS("reason", "reason", 0),
                                                {0}};
/* A cell that was skipped first and measured later is no failure. */
const char failures_sql[] =
    "SELECT arm, part AS experiment, threads, status, count(*) AS n, reason FROM rows f"
    " WHERE status <> 'ok' AND NOT EXISTS (SELECT 1 FROM rows g WHERE g.cell = f.cell AND"
    " g.status = 'ok' AND g.host_fingerprint = f.host_fingerprint)"
    " GROUP BY arm_rank, arm, part, threads, status, reason ORDER BY arm_rank, arm, part, threads,"
    " status, reason";

const struct table_column hosts_columns[] = {WORDS("host", "host", 0),
                                             WORDS("device", "profile", TABLE_SPARE),
                                             WORDS("cpu", "CPU", 0),
                                             WORDS("os", "system", 0),
                                             COUNT("n_cores_physical", "cores", 0),
                                             COUNT("n_cores_logical", "threads of hardware", 0),
                                             {"ram_bytes", "memory GB", TABLE_GB, 0, 0},
                                             COUNT("threads", "threads used", 0),
                                             FIGURE("roof_read_gbps", "read GB/s", 3, 0),
                                             FIGURE("roof_fp32_gflops", "fp32 GFLOP/s", 3, 0),
                                             FIGURE("roof_int8_gops", "int8 GOP/s", 3, 0),
                                             WORDS("governor", "governor", TABLE_SPARE),
                                             COUNT("freq_mhz_max", "MHz", TABLE_SPARE),
                                             WORDS("energy", "energy", 0),
                                             {"temp_peak_c", "peak °C", TABLE_REAL, 1, TABLE_SPARE},
                                             COUNT("n", "runs", 0),
                                             {0}};
const char hosts_sql[] =
    "SELECT host_fingerprint AS host, max(device) AS device, max(cpu) AS cpu, max(os) AS os,"
    " max(n_cores_physical) AS n_cores_physical, max(n_cores_logical) AS n_cores_logical,"
    " max(ram_bytes) AS ram_bytes, threads, median(roof_read_gbps) AS roof_read_gbps,"
    " median(roof_fp32_gflops) AS roof_fp32_gflops, median(roof_int8_gops) AS roof_int8_gops,"
    " max(governor) AS governor, max(freq_mhz_max) AS freq_mhz_max,"
    " COALESCE(max(energy_source), 'not available: ' || max(energy_reason), 'not recorded')"
    " AS energy, max(temp_peak_c) AS temp_peak_c, count(*) AS n FROM rows WHERE status = 'ok'"
    " GROUP BY host_fingerprint, threads ORDER BY host_fingerprint, threads";

const struct table_column models_columns[] = {
    WORDS("model", "id", 0),
    WORDS("label", "name", 0),
    WORDS("role", "role", 0),
    WORDS("arch", "family", 0),
    WORDS("quant", "types", 0),
    {"synthetic", "synthetic", TABLE_COUNT, 0, TABLE_TRUTH},
    {"params_total", "parameters, 1e9", TABLE_GB, 0, 0},
    {"params_active", "active, 1e9", TABLE_GB, 0, 0},
    {"model_bytes", "file GB", TABLE_GB, 0, 0},
    WORDS("model_file", "file", 0),
    WORDS("model_sha256", "SHA-256", 0),
    {0}};
const char models_sql[] =
    "SELECT model, max(model_label) AS label, max(model_role) AS role, max(arch) AS arch, quant,"
    " synthetic, max(params_total) AS params_total, max(params_active) AS params_active,"
    " model_bytes, max(model_file) AS model_file, model_sha256 FROM rows"
    " WHERE model_bytes IS NOT NULL OR model_sha256 IS NOT NULL"
    " GROUP BY model, quant, synthetic, model_bytes, model_sha256 ORDER BY min(arm_rank), model";

const struct table_column builds_columns[] = {WORDS("engine", "engine", 0),
                                              WORDS("engine_detail", "detail", 0),
                                              WORDS("version", "moescope", 0),
                                              WORDS("git_commit", "commit", 0),
                                              WORDS("compiler", "compiler", 0),
                                              WORDS("flags", "flags", 0),
                                              WORDS("binary_sha256", "SHA-256 of the program", 0),
                                              COUNT("n", "rows", 0),
                                              WORDS("first", "from", 0),
                                              WORDS("last", "to", 0),
                                              {0}};
const char builds_sql[] =
    "SELECT engine, engine_detail, version, \"commit\" AS git_commit, compiler, flags,"
    " binary_sha256, count(*) AS n, min(started_at) AS first, max(started_at) AS last FROM rows"
    " GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY min(started_at)";

const struct table_column inputs_columns[] = {WORDS("file", "file", 0),
                                              COUNT("rows", "rows", 0),
                                              COUNT("corrupt", "corrupt lines", 0),
                                              COUNT("other_schema", "of another schema", 0),
                                              COUNT("refused", "refused", 0),
                                              COUNT("duplicates", "seen before", 0),
                                              {0}};
const char inputs_sql[] = "SELECT * FROM inputs";

const struct table_column problems_columns[] = {WORDS("file", "file", 0),
                                                COUNT("line", "line", 0),
                                                WORDS("kind", "kind", 0),
                                                WORDS("message", "what is wrong", 0),
                                                {0}};
/* The first twenty of a kind are enough to find the rest. */
const char problems_sql[] =
    "SELECT file, line, kind, message FROM (SELECT *, row_number() OVER (PARTITION BY file, kind "
    "ORDER"
    " BY line) AS place FROM problems) WHERE place <= 20 ORDER BY file, line";

static const struct table_column two_axis[] = {
    WORDS("host", "host", TABLE_MINOR),
    WORDS("engine", "engine", TABLE_MINOR),
    WORDS("moe", "MoE model", TABLE_FOLD),
    WORDS("dense", "against", 0),
    RATIO("decode_ratio", "decode ×", 0),
    WORDS("decode_interval", "95 %", 0),
    RATIO("memory_ratio", "peak memory ×", 0),
    WORDS("axis", "axis", 0),
    RATIO("prefill_ratio", "prefill ×", 0),
    RATIO("decode_ratio_low", "from", TABLE_MINOR),
    RATIO("decode_ratio_high", "to", TABLE_MINOR),
    RATIO("energy_ratio", "J per token ×", TABLE_SPARE),
    RATIO("active_ratio", "active params ×", 0),
    RATIO("file_ratio", "file ×", 0),
    RATIO("bytes_ratio", "bytes per token ×", TABLE_SPARE),
    SYNTHETIC,
    {0}};
const struct table_spec tables_two_axis = {
    "two_axis", "The MoE model against each dense one",
    "Each figure is the MoE model's divided by the dense model's: rates, peak memory, sizes. 95 % "
    "is the interval of "
    "the decode ratio, paired by prompt. Active: about as many parameters at work per token. "
    "Memory: the dense model whose file is nearest in size. Looking at one axis alone misleads.",
    two_axis, NULL};

static const struct table_column engines[] = {WORDS("host", "host", TABLE_MINOR),
                                              WORDS("arm", "model", 0),
                                              WORDS("against", "against", 0),
                                              WORDS("engine", "engine", TABLE_MINOR),
                                              RATIO("decode_ratio", "decode ×", 0),
                                              RATIO("decode_ratio_low", "from", TABLE_MINOR),
                                              RATIO("decode_ratio_high", "to", TABLE_MINOR),
                                              WORDS("decode_interval", "95 %", 0),
                                              RATIO("prefill_ratio", "prefill ×", 0),
                                              RATIO("prefill_ratio_low", "from", TABLE_MINOR),
                                              RATIO("prefill_ratio_high", "to", TABLE_MINOR),
                                              WORDS("prefill_interval", "95 %", 0),
                                              RATIO("memory_ratio", "peak memory ×", 0),
                                              SYNTHETIC,
                                              {0}};
const struct table_spec tables_engines = {
    "engines", "moescope against other engines",
    "Rates and memory of moescope divided by the other engine's with the same model and prompts; "
    "95 % is the interval of the ratio, paired by prompt.",
    engines, NULL};

static const struct table_column length_drop[] = {
    WORDS("host", "host", TABLE_MINOR),
    WORDS("arm", "model", 0),
    FIGURE("short_tps", "short tok/s", 3, 0),
    FIGURE("medium_tps", "medium tok/s", 3, 0),
    FIGURE("long_tps", "long tok/s", 3, 0),
    {"drop_share", "drop short to long", TABLE_PERCENT, 1, 0},
    {"drop_low", "from", TABLE_PERCENT, 1, 0},
    {"drop_high", "to", TABLE_PERCENT, 1, 0},
    SYNTHETIC,
    {0}};
const struct table_spec tables_length_drop = {
    "length_drop", "What a long prompt costs decoding",
    "From–to is the 95 % interval of the drop (Welch, on logarithms of the rates of single runs).",
    length_drop, NULL};

static const struct table_column verdicts[] = {WORDS("id", "claim", 0),
                                               WORDS("host", "host", TABLE_MINOR),
                                               WORDS("engine", "engine", TABLE_MINOR),
                                               WORDS("verdict", "verdict", 0),
                                               WORDS("measured", "measured here", 0),
                                               FIGURE("value", "value", 3, TABLE_MINOR),
                                               FIGURE("low", "low", 3, TABLE_MINOR),
                                               FIGURE("high", "high", 3, TABLE_MINOR),
                                               WORDS("claim", "the study's words", TABLE_MINOR),
                                               WORDS("source", "source", TABLE_MINOR),
                                               WORDS("reason", "why", TABLE_MINOR),
                                               COUNT("synthetic", "synthetic", TABLE_MINOR),
                                               {0}};
const struct table_spec tables_verdicts = {"verdicts", "The study's claims, tried here", NULL,
                                           verdicts, NULL};
