/* SPDX-License-Identifier: MIT */
/* Tables made by SQL from rows: rates, memory, threads, energy; and the list of all. Where the time
 * goes is in tables_time.c, bookkeeping in tables_books.c. */
#include "report/tables.h"
#include "report/tables_parts.h"

#define RATES                                                                                      \
    "count(decode_tps) AS n, count(DISTINCT prompt) AS n_prompts, avg(decode_tps) AS decode_tps,"  \
    " ci95(decode_tps, prompt) AS decode_tps_ci95, median(decode_tps) AS decode_tps_median,"       \
    " sd(decode_tps) AS decode_tps_sd, cv(decode_tps) AS decode_tps_cv,"                           \
    " avg(prefill_tps) AS prefill_tps, ci95(prefill_tps, prompt) AS prefill_tps_ci95,"             \
    " median(prefill_tps) AS prefill_tps_median, sd(prefill_tps) AS prefill_tps_sd,"               \
    " cv(prefill_tps) AS prefill_tps_cv, median(ttft_ms) AS ttft_ms_median,"                       \
    " avg(tpot_ms_p50) AS tpot_ms_p50, avg(tpot_ms_p95) AS tpot_ms_p95,"                           \
    " avg(tpot_ms_p99) AS tpot_ms_p99, avg(bytes_per_token) AS bytes_per_token,"                   \
    " avg(s_mbu) AS s_mbu, avg(s_mfu) AS s_mfu"

#define RATE_COLUMNS                                                                               \
    {"n", "runs", TABLE_COUNT, 0, 0}, {"n_prompts", "prompts", TABLE_COUNT, 0, TABLE_FOLD},        \
        {"decode_tps", "decode tok/s", TABLE_FIGURES, 3, 0},                                       \
        {"decode_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},                                        \
        {"decode_tps_median", "median", TABLE_FIGURES, 3, 0},                                      \
        {"decode_tps_sd", "sd", TABLE_FIGURES, 2, TABLE_MINOR},                                    \
        {"decode_tps_cv", "CV", TABLE_PERCENT, 1, 0},                                              \
        {"prefill_tps", "prefill tok/s", TABLE_FIGURES, 3, 0},                                     \
        {"prefill_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},                                       \
        {"prefill_tps_median", "prefill median", TABLE_FIGURES, 3, TABLE_MINOR},                   \
        {"prefill_tps_sd", "prefill sd", TABLE_FIGURES, 2, TABLE_MINOR},                           \
        {"prefill_tps_cv", "prefill CV", TABLE_PERCENT, 1, TABLE_MINOR},                           \
        {"ttft_ms_median", "TTFT ms", TABLE_FIGURES, 3, TABLE_SPARE},                              \
        {"tpot_ms_p50", "TPOT p50 ms", TABLE_FIGURES, 3, TABLE_MINOR},                             \
        {"tpot_ms_p95", "TPOT p95 ms", TABLE_FIGURES, 3, TABLE_SPARE},                             \
        {"tpot_ms_p99", "TPOT p99 ms", TABLE_FIGURES, 3, TABLE_MINOR},                             \
        {"bytes_per_token", "MB/token", TABLE_MB, 0, TABLE_SPARE},                                 \
        {"s_mbu", "S-MBU", TABLE_PERCENT, 1, TABLE_SPARE},                                         \
        {"s_mfu", "S-MFU", TABLE_PERCENT, 1, TABLE_SPARE}, SYNTHETIC

static const struct table_column throughput_columns[] = {ARM, PART, THREADS, RATE_COLUMNS, {0}};
static const char throughput_sql[] =
    "SELECT arm, part AS experiment, threads, " RATES ", max(synthetic) AS synthetic"
    " FROM headline_runs GROUP BY arm_rank, arm, part, threads ORDER BY arm_rank, arm";

static const struct table_column experiments_columns[] = {
    {"experiment", "experiment", TABLE_TEXT, 0, 0},
    ARM,
    {"threads", "threads", TABLE_COUNT, 0, 0},
    RATE_COLUMNS,
    {0}};
static const char experiments_sql[] =
    "SELECT part AS experiment, arm, threads, " RATES ", max(synthetic) AS synthetic"
    " FROM runs GROUP BY part, arm_rank, arm, threads ORDER BY max(main) DESC, part, arm_rank, arm,"
    " threads";

static const struct table_column memory_columns[] = {
    ARM,
    {"n", "runs", TABLE_COUNT, 0, TABLE_MINOR},
    {"model_bytes", "file GB", TABLE_GB, 0, 0},
    {"peak_rss_bytes", "peak RSS GB", TABLE_GB, 0, 0},
    {"peak_share", "peak ÷ file", TABLE_REAL, 2, 0},
    {"pss_bytes", "PSS GB", TABLE_GB, 0, TABLE_SPARE},
    {"rss_anonymous_bytes", "anonymous GB", TABLE_GB, 0, TABLE_SPARE},
    {"rss_file_bytes", "file-mapped GB", TABLE_GB, 0, TABLE_SPARE},
    {"kv_bytes", "KV MB", TABLE_MB, 0, TABLE_SPARE},
    {"scratch_bytes", "scratch MB", TABLE_MB, 0, TABLE_SPARE},
    {"device_bytes", "device GB", TABLE_GB, 0, TABLE_SPARE},
    {"swap_in_bytes", "swap in MB", TABLE_MB, 0, TABLE_SPARE},
    {"swap_out_bytes", "swap out MB", TABLE_MB, 0, TABLE_SPARE},
    {"major_faults", "major faults", TABLE_COUNT, 0, TABLE_SPARE},
    SYNTHETIC,
    {0}};
static const char memory_sql[] =
    "SELECT arm, count(peak_rss_bytes) AS n, max(model_bytes) AS model_bytes,"
    " max(peak_rss_bytes) AS peak_rss_bytes,"
    " max(peak_rss_bytes) * 1.0 / nullif(max(model_bytes), 0) AS peak_share,"
    " max(pss_bytes) AS pss_bytes, max(rss_anonymous_bytes) AS rss_anonymous_bytes,"
    " max(rss_file_bytes) AS rss_file_bytes, max(kv_bytes) AS kv_bytes,"
    " max(scratch_bytes) AS scratch_bytes, max(device_bytes) AS device_bytes,"
    " max(swap_in_bytes) AS swap_in_bytes, max(swap_out_bytes) AS swap_out_bytes,"
    " max(major_faults) AS major_faults, max(synthetic) AS synthetic"
    " FROM headline_runs GROUP BY arm_rank, arm ORDER BY arm_rank, arm";

static const struct table_column length_columns[] = {
    ARM,
    {"stratum", "prompt", TABLE_TEXT, 0, 0},
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"prompt_tokens", "tokens", TABLE_COUNT, 0, 0},
    {"decode_tps", "decode tok/s", TABLE_FIGURES, 3, 0},
    {"decode_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
    {"prefill_tps", "prefill tok/s", TABLE_FIGURES, 3, 0},
    {"ttft_ms_median", "TTFT ms", TABLE_FIGURES, 3, TABLE_SPARE},
    SYNTHETIC,
    {0}};
static const char length_sql[] =
    "SELECT arm, stratum, count(decode_tps) AS n, avg(prompt_tokens) AS prompt_tokens,"
    " avg(decode_tps) AS decode_tps, ci95(decode_tps, prompt) AS decode_tps_ci95,"
    " avg(prefill_tps) AS prefill_tps, median(ttft_ms) AS ttft_ms_median,"
    " max(synthetic) AS synthetic FROM sweep_runs"
    " GROUP BY arm_rank, arm, stratum ORDER BY arm_rank, arm, avg(prompt_tokens)";

static const struct table_column stability_columns[] = {
    ARM,
    PART,
    THREADS,
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"cv", "CV over all", TABLE_PERCENT, 1, 0},
    {"cv_repeat", "CV of repetitions", TABLE_PERCENT, 1, 0},
    {"cv_worst", "worst prompt", TABLE_PERCENT, 1, 0},
    {"slowest", "slowest tok/s", TABLE_FIGURES, 3, 0},
    {"fastest", "fastest tok/s", TABLE_FIGURES, 3, 0},
    {"n_failed", "not ok", TABLE_COUNT, 0, 0},
    SYNTHETIC,
    {0}};
static const char stability_sql[] =
    "SELECT arm, part AS experiment, threads, count(decode_tps) AS n, cv(decode_tps) AS cv,"
    " cv_within(decode_tps, prompt) AS cv_repeat, (SELECT max(c) FROM (SELECT cv(decode_tps) AS c"
    "   FROM headline_runs w WHERE w.arm = h.arm GROUP BY prompt)) AS cv_worst,"
    " min(decode_tps) AS slowest, max(decode_tps) AS fastest,"
    " (SELECT count(*) FROM rows r WHERE r.arm = h.arm AND r.part = h.part AND r.status <> 'ok')"
    " AS n_failed, max(synthetic) AS synthetic FROM headline_runs h GROUP BY arm_rank, arm, part, "
    "threads"
    " ORDER BY arm_rank, arm";

static const struct table_column threads_columns[] = {
    PART,
    ARM,
    {"threads", "threads", TABLE_COUNT, 0, 0},
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"decode_tps", "decode tok/s", TABLE_FIGURES, 3, 0},
    {"decode_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
    {"decode_tps_cv", "CV", TABLE_PERCENT, 1, 0},
    {"prefill_tps", "prefill tok/s", TABLE_FIGURES, 3, 0},
    {"prefill_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
    SYNTHETIC,
    {0}};
static const char threads_sql[] =
    "SELECT part AS experiment, arm, threads, count(decode_tps) AS n, avg(decode_tps) AS "
    "decode_tps,"
    " ci95(decode_tps, prompt) AS decode_tps_ci95, cv(decode_tps) AS decode_tps_cv,"
    " avg(prefill_tps) AS prefill_tps, ci95(prefill_tps, prompt) AS prefill_tps_ci95,"
    " max(synthetic) AS synthetic FROM runs WHERE (arm, part) IN (SELECT arm, part FROM runs GROUP "
    "BY arm, part"
    " HAVING count(DISTINCT threads) > 1) GROUP BY part, arm_rank, arm, threads"
    " ORDER BY part, arm_rank, arm, threads";

static const struct table_column thread_optimum_columns[] = {
    PART,
    ARM,
    {"best_threads", "best for decode", TABLE_COUNT, 0, 0},
    {"best_decode_tps", "tok/s", TABLE_FIGURES, 3, 0},
    {"headline_threads", "headline threads", TABLE_COUNT, 0, 0},
    {"headline_decode_tps", "tok/s", TABLE_FIGURES, 3, 0},
    {"shortfall", "below the best", TABLE_PERCENT, 1, 0},
    {"best_prefill_threads", "best for prefill", TABLE_COUNT, 0, 0},
    {"best_prefill_tps", "tok/s", TABLE_FIGURES, 3, 0},
    SYNTHETIC,
    {0}};
static const char thread_optimum_sql[] =
    "SELECT d.experiment, d.arm, d.threads AS best_threads, d.decode_tps AS best_decode_tps,"
    " h.threads AS headline_threads, h.decode_tps AS headline_decode_tps,"
    " 1 - h.decode_tps / d.decode_tps AS shortfall, p.threads AS best_prefill_threads,"
    " p.prefill_tps AS best_prefill_tps, d.synthetic FROM (SELECT *, row_number() OVER (PARTITION "
    "BY experiment,"
    " arm ORDER BY decode_tps DESC, threads) AS place FROM threads) d JOIN (SELECT *, row_number()"
    " OVER (PARTITION BY experiment, arm ORDER BY prefill_tps DESC, threads) AS place FROM "
    "threads) p"
    " ON p.experiment = d.experiment AND p.arm = d.arm AND p.place = 1 LEFT JOIN threads h"
    " ON h.experiment = d.experiment AND h.arm = d.arm AND h.threads = (SELECT max(threads) FROM"
    " headline_runs r WHERE r.arm = d.arm) WHERE d.place = 1 ORDER BY d.experiment,"
    " (SELECT min(arm_rank) FROM runs r WHERE r.arm = d.arm)";

static const struct table_column energy_columns[] = {
    ARM,
    {"energy_source", "source", TABLE_TEXT, 0, TABLE_FOLD},
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"decode_j_per_token", "J/token", TABLE_FIGURES, 3, 0},
    {"decode_j_per_token_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
    {"decode_j_per_token_net", "above idle", TABLE_FIGURES, 3, 0},
    {"prefill_j_per_token", "J/prompt token", TABLE_FIGURES, 3, 0},
    {"prefill_j_per_token_net", "above idle", TABLE_FIGURES, 3, 0},
    {"decode_w_mean", "mean W", TABLE_FIGURES, 3, 0},
    {"decode_w_max", "peak W", TABLE_FIGURES, 3, 0},
    {"idle_w", "idle W", TABLE_FIGURES, 3, 0},
    {"identity", "J/token × tok/s ÷ W", TABLE_REAL, 2, 0},
    {"temp_peak_c", "peak °C", TABLE_REAL, 1, TABLE_SPARE},
    {"n_flagged", "runs flagged", TABLE_COUNT, 0, 0},
    SYNTHETIC,
    {0}};
static const char energy_sql[] =
    "SELECT arm, energy_source, count(*) AS n, avg(decode_j_per_token) AS decode_j_per_token,"
    " ci95(decode_j_per_token, prompt) AS decode_j_per_token_ci95,"
    " avg(decode_j_per_token_net) AS decode_j_per_token_net,"
    " avg(prefill_j_per_token) AS prefill_j_per_token,"
    " avg(prefill_j_per_token_net) AS prefill_j_per_token_net, avg(decode_w_mean) AS decode_w_mean,"
    " max(decode_w_max) AS decode_w_max, avg((idle_before_w + idle_after_w) / 2) AS idle_w,"
    " avg(energy_identity) AS identity, max(temp_peak_c) AS temp_peak_c,"
    " total(energy_flags IS NOT NULL AND energy_flags <> '') AS n_flagged,"
    " max(synthetic) AS synthetic FROM headline_runs"
    " WHERE energy_source IS NOT NULL AND decode_j_per_token IS NOT NULL"
    " GROUP BY arm_rank, arm, energy_source ORDER BY arm_rank, arm";

#define TABLE(id, text, remark)                                                                    \
    {                                                                                              \
#id, text, remark, id##_columns, id##_sql                                                  \
    }
const struct table_spec tables_list[TABLES_N] = {
    [TABLES_THROUGHPUT] = TABLE(
        throughput, "Throughput",
        "Mean over runs; ± is the half width of the 95 % interval of the mean (Student's t over "
        "prompts where there are three or more, else over runs). S-MBU: bytes really read per "
        "decoded token × rate ÷ read bandwidth measured here. S-MFU: operations of prefill ÷ time "
        "÷ int8 peak measured here."),
    [TABLES_MEMORY] =
        TABLE(memory, "Memory",
              "GB = 1e9 bytes, for the file and for memory alike. Peak resident set of the process "
              "that ran the model; file-mapped pages are the weights, anonymous ones the rest."),
    [TABLES_LENGTH] = TABLE(length, "Rate by prompt length", NULL),
    [TABLES_STABILITY] = TABLE(
        stability, "Stability of decode",
        "CV over all mixes prompts and repetitions, as the study has it; CV of repetitions is "
        "the scatter of runs of one prompt, pooled."),
    [TABLES_BREAKDOWN] = TABLE(
        breakdown, "Where the time goes, ms per token",
        "From inside the engine; prefill per prompt token. Sum of parts: the share of the "
        "wall clock that the named parts explain. Cost of the split: what measuring it adds to "
        "the time of decode, by interleaved runs with and without."),
    [TABLES_ROUTER] = TABLE(
        router, "Routing against expert arithmetic",
        "Routing share is the study's ratio router ÷ (router + expert FFN) of prefill and decode "
        "together, the mean over runs of the ratio; router of all decode divides by everything."),
    [TABLES_ROUTING] =
        TABLE(routing, "Which experts were used",
              "Of synthetic models these describe random weights, not a trained router."),
    [TABLES_ROOFLINE] = TABLE(roofline, "Place under the roofline", NULL),
    [TABLES_THREADS] = TABLE(threads, "Thread sweep", NULL),
    [TABLES_THREAD_OPTIMUM] = TABLE(thread_optimum, "Best number of threads", NULL),
    [TABLES_ENERGY] = TABLE(energy, "Energy", "Gross, and above idle."),
    [TABLES_EXPERIMENTS] = TABLE(experiments, "All experiments", NULL),
    [TABLES_BENCH] = TABLE(bench, "moescope bench", NULL),
    [TABLES_CONDITION] = TABLE(condition, "Judged for each run", NULL),
    [TABLES_FAILURES] = TABLE(failures, "Runs that gave no measurement", NULL),
    [TABLES_HOSTS] = TABLE(hosts, "What it is, and what it can do at best", NULL),
    [TABLES_MODELS] = TABLE(models, "Models", NULL),
    [TABLES_BUILDS] = TABLE(builds, "Programs", NULL),
    [TABLES_INPUTS] = {"sources", "Row files", NULL, inputs_columns, inputs_sql},
    [TABLES_PROBLEMS] = {"rejected", "Lines left out", NULL, problems_columns, problems_sql},
};
