/* SPDX-License-Identifier: MIT */
/* Tables made by SQL from rows: rates, memory, time, energy. Bookkeeping is in tables_books.c. */
#include "report/tables.h"
#include "report/tables_books.h"

#define ARM                                                                                        \
    {                                                                                              \
        "arm", "model", TABLE_TEXT, 0, 0                                                           \
    }
#define THREADS                                                                                    \
    {                                                                                              \
        "threads", "threads", TABLE_COUNT, 0, TABLE_FOLD                                           \
    }
#define PART                                                                                       \
    {                                                                                              \
        "experiment", "experiment", TABLE_TEXT, 0, TABLE_FOLD                                      \
    }
#define SYNTHETIC                                                                                  \
    {                                                                                              \
        "synthetic", "synthetic", TABLE_COUNT, 0, TABLE_FOLD | TABLE_TRUTH                         \
    }

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

static const struct table_column throughput[] = {ARM, PART, THREADS, RATE_COLUMNS, {0}};
static const char throughput_sql[] =
    "SELECT arm, part AS experiment, threads, " RATES ", max(synthetic) AS synthetic"
    " FROM headline_runs GROUP BY arm_rank, arm, part, threads ORDER BY arm_rank, arm";

static const struct table_column experiments[] = {{"experiment", "experiment", TABLE_TEXT, 0, 0},
                                                  ARM,
                                                  {"threads", "threads", TABLE_COUNT, 0, 0},
                                                  RATE_COLUMNS,
                                                  {0}};
static const char experiments_sql[] =
    "SELECT part AS experiment, arm, threads, " RATES ", max(synthetic) AS synthetic"
    " FROM runs GROUP BY part, arm_rank, arm, threads ORDER BY max(main) DESC, part, arm_rank, arm,"
    " threads";

static const struct table_column memory[] = {
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

static const struct table_column length[] = {
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

static const struct table_column stability[] = {
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
    {0}};
static const char stability_sql[] =
    "SELECT arm, part AS experiment, threads, count(decode_tps) AS n, cv(decode_tps) AS cv,"
    " cv_within(decode_tps, prompt) AS cv_repeat, (SELECT max(c) FROM (SELECT cv(decode_tps) AS c"
    "   FROM headline_runs w WHERE w.arm = h.arm GROUP BY prompt)) AS cv_worst,"
    " min(decode_tps) AS slowest, max(decode_tps) AS fastest,"
    " (SELECT count(*) FROM rows r WHERE r.arm = h.arm AND r.part = h.part AND r.status <> 'ok')"
    " AS n_failed FROM headline_runs h GROUP BY arm_rank, arm, part, threads"
    " ORDER BY arm_rank, arm";

#define PHASE(name, label)                                                                         \
    {                                                                                              \
        name, label, TABLE_FIGURES, 2, TABLE_SPARE | TABLE_NONZERO                                 \
    }
static const struct table_column breakdown[] = {
    ARM,
    {"side", "part", TABLE_TEXT, 0, 0},
    THREADS,
    {"n", "runs", TABLE_COUNT, 0, 0},
    PHASE("wall_ms", "wall"),
    PHASE("attention_ms", "attention"),
    PHASE("kv_ms", "KV"),
    PHASE("router_ms", "router"),
    PHASE("dispatch_ms", "dispatch"),
    PHASE("experts_ms", "experts"),
    PHASE("shared_ms", "shared"),
    PHASE("ffn_ms", "FFN"),
    PHASE("output_ms", "output"),
    PHASE("embedding_ms", "embedding"),
    PHASE("norm_ms", "norm"),
    PHASE("sampling_ms", "sampling"),
    PHASE("barrier_ms", "barrier"),
    PHASE("io_ms", "I/O"),
    PHASE("other_ms", "other"),
    {"parts_share", "sum of parts", TABLE_PERCENT, 1, 0},
    {"overhead", "cost of the split", TABLE_PERCENT, 2, TABLE_SPARE},
    {0}};
#define PER_TOKEN(side, phase, tokens)                                                             \
    "total(" side "_" phase "_ns) / 1e6 / nullif(total(" tokens "), 0) AS " phase "_ms,"
#define SIDE(side, tokens, sampling)                                                               \
    "SELECT arm, '" side "' AS side, threads, count(*) AS n,"                                      \
    " total(" side "_ms) / nullif(total(" tokens                                                   \
    "), 0) AS wall_ms," PER_TOKEN(side, "attention", tokens) PER_TOKEN(side, "kv", tokens)         \
        PER_TOKEN(side, "router", tokens) PER_TOKEN(side, "dispatch", tokens)                      \
            PER_TOKEN(side, "experts", tokens) PER_TOKEN(side, "shared", tokens)                   \
                PER_TOKEN(side, "ffn", tokens) PER_TOKEN(side, "output", tokens)                   \
                    PER_TOKEN(side, "embedding", tokens) PER_TOKEN(side, "norm", tokens) sampling  \
        " AS sampling_ms," PER_TOKEN(side, "barrier", tokens) PER_TOKEN(side, "io", tokens)        \
            PER_TOKEN(side, "other", tokens) " avg(" side "_parts_share) AS parts_share, (SELECT " \
                                             "avg(probe_overhead_share) FROM runs o WHERE o.arm =" \
                                             " r.arm) AS overhead, arm_rank FROM runs r WHERE "    \
                                             "at_headline AND main = (SELECT max(main) FROM"       \
                                             " runs WHERE at_headline AND " side                   \
                                             "_other_ns IS NOT NULL) AND " side                    \
                                             "_other_ns IS NOT NULL AND " tokens                   \
                                             " > 0 GROUP BY arm_rank, arm, threads"
static const char breakdown_sql[] =
    "SELECT arm, side, threads, n, wall_ms, attention_ms, kv_ms, router_ms, dispatch_ms, "
    "experts_ms,"
    " shared_ms, ffn_ms, output_ms, embedding_ms, norm_ms, sampling_ms, barrier_ms, io_ms, "
    "other_ms,"
    " parts_share, overhead FROM (" SIDE(
        "decode", "(n_gen - 1)",
        "total(sampling_ms) / nullif(total((n_gen - 1)), 0)") " UNION ALL " SIDE("prefill",
                                                                                 "prompt_tokens",
                                                                                 "NULL") ") ORDER "
                                                                                         "BY side, "
                                                                                         "arm_rank,"
                                                                                         " arm";

static const struct table_column router[] = {
    ARM,
    {"stratum", "prompt tokens", TABLE_TEXT, 0, 0},
    THREADS,
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"router_ms", "router ms", TABLE_FIGURES, 3, 0},
    {"ffn_ms", "expert FFN ms", TABLE_FIGURES, 3, 0},
    {"share", "routing share", TABLE_PERCENT, 2, 0},
    {"share_ci95", "± 95 %", TABLE_PERCENT, 2, 0},
    {"share_of_means", "share of means", TABLE_PERCENT, 2, TABLE_MINOR},
    {"prefill_share", "in prefill", TABLE_PERCENT, 2, 0},
    {"decode_share", "in decode", TABLE_PERCENT, 2, 0},
    {"dispatch_share", "dispatch of MoE block", TABLE_PERCENT, 2, 0},
    {"decode_wall_share", "router of all decode", TABLE_PERCENT, 2, 0},
    {0}};
static const char router_sql[] =
    "SELECT arm, stratum, threads, count(share) AS n, avg(router) / 1e6 AS router_ms,"
    " avg(ffn) / 1e6 AS ffn_ms, avg(share) AS share, ci95(share, prompt) AS share_ci95,"
    " avg(router) / nullif(avg(router) + avg(ffn), 0) AS share_of_means,"
    " avg(prefill_share) AS prefill_share, avg(decode_share) AS decode_share,"
    " avg(dispatch_share) AS dispatch_share, avg(wall_share) AS decode_wall_share FROM (SELECT arm,"
    "  arm_rank, threads, prompt, CASE WHEN prompt_tokens <= 200 THEN '1 to 200'"
    "  WHEN prompt_tokens < 500 THEN '201 to 499' ELSE '500 and more' END AS stratum,"
    "  CASE WHEN prompt_tokens <= 200 THEN 1 WHEN prompt_tokens < 500 THEN 2 ELSE 3 END AS place,"
    "  prefill_router_ns + decode_router_ns AS router, prefill_experts_ns + prefill_shared_ns"
    "  + decode_experts_ns + decode_shared_ns AS ffn, COALESCE(routing_share,"
    "  (prefill_router_ns + decode_router_ns) * 1.0 / nullif(prefill_router_ns + decode_router_ns"
    "  + prefill_experts_ns + prefill_shared_ns + decode_experts_ns + decode_shared_ns, 0)) AS "
    "share,"
    "  prefill_router_ns * 1.0 / nullif(prefill_router_ns + prefill_experts_ns + prefill_shared_ns,"
    "  0) AS prefill_share, decode_router_ns * 1.0 / nullif(decode_router_ns + decode_experts_ns"
    "  + decode_shared_ns, 0) AS decode_share,"
    "  (prefill_dispatch_ns + decode_dispatch_ns) * 1.0 / nullif(prefill_router_ns +"
    "  decode_router_ns + prefill_experts_ns + prefill_shared_ns + decode_experts_ns"
    "  + decode_shared_ns + prefill_dispatch_ns + decode_dispatch_ns, 0) AS dispatch_share,"
    "  decode_router_ns / 1e6 / nullif(decode_ms, 0) AS wall_share"
    "  FROM runs WHERE model_role = 'moe' AND at_headline AND prompt_tokens IS NOT NULL)"
    " WHERE share IS NOT NULL GROUP BY arm_rank, arm, place, threads"
    " ORDER BY arm_rank, arm, place";

static const struct table_column routing[] = {
    ARM,
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"entropy_share", "entropy of use", TABLE_PERCENT, 1, 0},
    {"distinct_prefill", "distinct per layer, prefill", TABLE_FIGURES, 3, 0},
    {"distinct_decode", "distinct per layer, decode", TABLE_FIGURES, 3, 0},
    {"reuse_share", "reused from token before", TABLE_PERCENT, 1, 0},
    SYNTHETIC,
    {0}};
static const char routing_sql[] =
    "SELECT arm, count(*) AS n, avg(routing_entropy_share) AS entropy_share,"
    " avg(routing_distinct_prefill) AS distinct_prefill, avg(routing_distinct_decode) AS"
    " distinct_decode, avg(routing_reuse_share) AS reuse_share, max(synthetic) AS synthetic FROM "
    "runs"
    " WHERE COALESCE(routing_entropy_share, routing_distinct_prefill, routing_distinct_decode,"
    " routing_reuse_share) IS NOT NULL GROUP BY arm_rank, arm ORDER BY arm_rank, arm";

static const struct table_column roofline[] = {
    ARM,
    {"side", "part", TABLE_TEXT, 0, 0},
    {"intensity", "FLOP per byte", TABLE_FIGURES, 3, 0},
    {"gflops", "GFLOP/s", TABLE_FIGURES, 3, 0},
    {"read_gbps", "roof GB/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"fp32_gflops", "roof fp32 GFLOP/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"int8_gops", "roof int8 GOP/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"of_roof", "of what the roof allows", TABLE_PERCENT, 0, 0},
    {0}};
#define PLACE(side)                                                                                \
    "SELECT arm, arm_rank, '" side "' AS side, total(" side "_flops) / nullif(total(" side         \
    "_bytes), 0) AS intensity, total(" side "_flops) / nullif(total(" side                         \
    "_ms), 0) / 1e6 AS gflops, avg(roof_read_gbps) AS read_gbps, avg(roof_fp32_gflops) AS"         \
    " fp32_gflops, avg(roof_int8_gops) AS int8_gops FROM (SELECT *, "                              \
    "COALESCE(" side "_weight_embedding_bytes, 0) + COALESCE(" side                                \
    "_weight_attention_bytes, 0) + COALESCE(" side "_weight_router_bytes, 0) + COALESCE(" side     \
    "_weight_experts_bytes, 0) + COALESCE(" side "_weight_shared_bytes, 0) + COALESCE(" side       \
    "_weight_ffn_bytes, 0) + COALESCE(" side "_weight_norm_bytes, 0) + COALESCE(" side             \
    "_weight_output_bytes, 0) + COALESCE(" side "_kv_bytes, 0) AS " side                           \
    "_bytes FROM headline_runs WHERE " side "_flops > 0 AND " side "_ms > 0 AND " side             \
    "_weight_output_bytes IS NOT NULL) GROUP BY arm_rank, arm"
static const char roofline_sql[] =
    "SELECT arm, side, intensity, gflops, read_gbps, fp32_gflops, int8_gops,"
    " gflops / min(intensity * read_gbps, int8_gops) AS of_roof FROM (" PLACE(
        "decode") " UNION ALL " PLACE("prefill") ") WHERE intensity IS NOT NULL"
                                                 " ORDER BY side, arm_rank, arm";

static const struct table_column threads[] = {PART,
                                              ARM,
                                              {"threads", "threads", TABLE_COUNT, 0, 0},
                                              {"n", "runs", TABLE_COUNT, 0, 0},
                                              {"decode_tps", "decode tok/s", TABLE_FIGURES, 3, 0},
                                              {"decode_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
                                              {"decode_tps_cv", "CV", TABLE_PERCENT, 1, 0},
                                              {"prefill_tps", "prefill tok/s", TABLE_FIGURES, 3, 0},
                                              {"prefill_tps_ci95", "± 95 %", TABLE_FIGURES, 2, 0},
                                              {0}};
static const char threads_sql[] =
    "SELECT part AS experiment, arm, threads, count(decode_tps) AS n, avg(decode_tps) AS "
    "decode_tps,"
    " ci95(decode_tps, prompt) AS decode_tps_ci95, cv(decode_tps) AS decode_tps_cv,"
    " avg(prefill_tps) AS prefill_tps, ci95(prefill_tps, prompt) AS prefill_tps_ci95 FROM runs"
    " WHERE (arm, part) IN (SELECT arm, part FROM runs GROUP BY arm, part"
    " HAVING count(DISTINCT threads) > 1) GROUP BY part, arm_rank, arm, threads"
    " ORDER BY part, arm_rank, arm, threads";

static const struct table_column thread_optimum[] = {
    PART,
    ARM,
    {"best_threads", "best for decode", TABLE_COUNT, 0, 0},
    {"best_decode_tps", "tok/s", TABLE_FIGURES, 3, 0},
    {"headline_threads", "headline threads", TABLE_COUNT, 0, 0},
    {"headline_decode_tps", "tok/s", TABLE_FIGURES, 3, 0},
    {"shortfall", "below the best", TABLE_PERCENT, 1, 0},
    {"best_prefill_threads", "best for prefill", TABLE_COUNT, 0, 0},
    {"best_prefill_tps", "tok/s", TABLE_FIGURES, 3, 0},
    {0}};
static const char thread_optimum_sql[] =
    "SELECT d.experiment, d.arm, d.threads AS best_threads, d.decode_tps AS best_decode_tps,"
    " h.threads AS headline_threads, h.decode_tps AS headline_decode_tps,"
    " 1 - h.decode_tps / d.decode_tps AS shortfall, p.threads AS best_prefill_threads,"
    " p.prefill_tps AS best_prefill_tps FROM (SELECT *, row_number() OVER (PARTITION BY experiment,"
    " arm ORDER BY decode_tps DESC, threads) AS place FROM threads) d JOIN (SELECT *, row_number()"
    " OVER (PARTITION BY experiment, arm ORDER BY prefill_tps DESC, threads) AS place FROM "
    "threads) p"
    " ON p.experiment = d.experiment AND p.arm = d.arm AND p.place = 1 LEFT JOIN threads h"
    " ON h.experiment = d.experiment AND h.arm = d.arm AND h.threads = (SELECT max(threads) FROM"
    " headline_runs r WHERE r.arm = d.arm) WHERE d.place = 1 ORDER BY d.experiment,"
    " (SELECT min(arm_rank) FROM runs r WHERE r.arm = d.arm)";

static const struct table_column energy[] = {
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
    {0}};
static const char energy_sql[] =
    "SELECT arm, energy_source, count(*) AS n, avg(decode_j_per_token) AS decode_j_per_token,"
    " ci95(decode_j_per_token, prompt) AS decode_j_per_token_ci95,"
    " avg(decode_j_per_token_net) AS decode_j_per_token_net,"
    " avg(prefill_j_per_token) AS prefill_j_per_token,"
    " avg(prefill_j_per_token_net) AS prefill_j_per_token_net, avg(decode_w_mean) AS decode_w_mean,"
    " max(decode_w_max) AS decode_w_max, avg((idle_before_w + idle_after_w) / 2) AS idle_w,"
    " avg(energy_identity) AS identity, max(temp_peak_c) AS temp_peak_c,"
    " total(energy_flags IS NOT NULL AND energy_flags <> '') AS n_flagged FROM headline_runs"
    " WHERE energy_source IS NOT NULL AND decode_j_per_token IS NOT NULL"
    " GROUP BY arm_rank, arm, energy_source ORDER BY arm_rank, arm";

#define TABLE(id, text, remark)                                                                    \
    {                                                                                              \
#id, text, remark, id, id##_sql                                                            \
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
    [TABLES_BENCH] = {"bench", "moescope bench", NULL, bench_columns, bench_sql},
    [TABLES_CONDITION] = {"condition", "Judged for each run", NULL, condition_columns,
                          condition_sql},
    [TABLES_FAILURES] = {"failures", "Runs that gave no measurement", NULL, failures_columns,
                         failures_sql},
    [TABLES_HOSTS] = {"hosts", "What it is, and what it can do at best", NULL, hosts_columns,
                      hosts_sql},
    [TABLES_MODELS] = {"models", "Models", NULL, models_columns, models_sql},
    [TABLES_BUILDS] = {"builds", "Programs", NULL, builds_columns, builds_sql},
    [TABLES_INPUTS] = {"sources", "Row files", NULL, inputs_columns, inputs_sql},
    [TABLES_PROBLEMS] = {"rejected", "Lines left out", NULL, problems_columns, problems_sql},
};
