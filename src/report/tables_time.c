/* SPDX-License-Identifier: MIT */
/* Tables of where the time goes: breakdown by phase, routing, place under the roofline. */
#include "report/tables_parts.h"

#define PHASE(name, label)                                                                         \
    {                                                                                              \
        name, label, TABLE_FIGURES, 2, TABLE_SPARE | TABLE_NONZERO                                 \
    }
const struct table_column breakdown_columns[] = {
    ARM,
    {"side", "part", TABLE_TEXT, 0, 0},
    THREADS,
    {"n", "runs", TABLE_COUNT, 0, TABLE_FOLD},
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
    SYNTHETIC,
    {0}};

/* clang-format off */
/* Sums over runs, so that a token counts the same in a short run and in a long one. */
#define PER_TOKEN(side, phase, tokens)                                                             \
    "total(" side "_" phase "_ns) / 1e6 / nullif(total(" tokens "), 0) AS " phase "_ms,"
#define PARTS(side, tokens)                                                                        \
    PER_TOKEN(side, "attention", tokens)                                                           \
    PER_TOKEN(side, "kv", tokens)                                                                  \
    PER_TOKEN(side, "router", tokens)                                                              \
    PER_TOKEN(side, "dispatch", tokens)                                                            \
    PER_TOKEN(side, "experts", tokens)                                                             \
    PER_TOKEN(side, "shared", tokens)                                                              \
    PER_TOKEN(side, "ffn", tokens)                                                                 \
    PER_TOKEN(side, "output", tokens)                                                              \
    PER_TOKEN(side, "embedding", tokens)                                                           \
    PER_TOKEN(side, "norm", tokens)                                                                \
    PER_TOKEN(side, "barrier", tokens)                                                             \
    PER_TOKEN(side, "io", tokens)                                                                  \
    PER_TOKEN(side, "other", tokens)
#define SIDE(side, tokens, sampling)                                                               \
    "SELECT arm, arm_rank, '" side "' AS side, threads, count(*) AS n,"                            \
    " total(" side "_ms) / nullif(total(" tokens "), 0) AS wall_ms," PARTS(side, tokens)           \
    " " sampling " AS sampling_ms, avg(" side "_parts_share) AS parts_share,"                      \
    " (SELECT avg(probe_overhead_share) FROM runs o WHERE o.arm = r.arm) AS overhead,"             \
    " max(synthetic) AS synthetic FROM runs r WHERE at_headline AND main ="                        \
    " (SELECT max(main) FROM runs WHERE at_headline AND " side "_other_ns IS NOT NULL)"            \
    " AND " side "_other_ns IS NOT NULL AND " tokens " > 0 GROUP BY arm_rank, arm, threads"
#define GENERATED "(n_gen - 1)"
const char breakdown_sql[] =
    "SELECT arm, side, threads, n, wall_ms, attention_ms, kv_ms, router_ms, dispatch_ms,"
    " experts_ms, shared_ms, ffn_ms, output_ms, embedding_ms, norm_ms, sampling_ms, barrier_ms,"
    " io_ms, other_ms, parts_share, overhead, synthetic FROM ("
    SIDE("decode", GENERATED, "total(sampling_ms) / nullif(total(" GENERATED "), 0)")
    " UNION ALL " SIDE("prefill", "prompt_tokens", "NULL")
    ") ORDER BY side, arm_rank, arm";
/* clang-format on */

const struct table_column router_columns[] = {
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
    SYNTHETIC,
    {0}};
const char router_sql[] =
    "SELECT arm, stratum, threads, count(share) AS n, avg(router) / 1e6 AS router_ms,"
    " avg(ffn) / 1e6 AS ffn_ms, avg(share) AS share, ci95(share, prompt) AS share_ci95,"
    " avg(router) / nullif(avg(router) + avg(ffn), 0) AS share_of_means,"
    " avg(prefill_share) AS prefill_share, avg(decode_share) AS decode_share,"
    " avg(dispatch_share) AS dispatch_share, avg(wall_share) AS decode_wall_share,"
    " max(synthetic) AS synthetic FROM (SELECT arm, synthetic, arm_rank, threads, prompt, CASE "
    "WHEN prompt_tokens <= 200 THEN '1 to 200'"
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

const struct table_column routing_columns[] = {
    ARM,
    {"n", "runs", TABLE_COUNT, 0, 0},
    {"entropy_share", "entropy of use", TABLE_PERCENT, 1, 0},
    {"distinct_prefill", "distinct per layer, prefill", TABLE_FIGURES, 3, 0},
    {"distinct_decode", "distinct per layer, decode", TABLE_FIGURES, 3, 0},
    {"reuse_share", "reused from token before", TABLE_PERCENT, 1, 0},
    SYNTHETIC,
    {0}};
const char routing_sql[] =
    "SELECT arm, count(*) AS n, avg(routing_entropy_share) AS entropy_share,"
    " avg(routing_distinct_prefill) AS distinct_prefill, avg(routing_distinct_decode) AS"
    " distinct_decode, avg(routing_reuse_share) AS reuse_share, max(synthetic) AS synthetic FROM "
    "runs"
    " WHERE COALESCE(routing_entropy_share, routing_distinct_prefill, routing_distinct_decode,"
    " routing_reuse_share) IS NOT NULL GROUP BY arm_rank, arm ORDER BY arm_rank, arm";

const struct table_column roofline_columns[] = {
    ARM,
    {"side", "part", TABLE_TEXT, 0, 0},
    {"intensity", "FLOP per byte", TABLE_FIGURES, 3, 0},
    {"gflops", "GFLOP/s", TABLE_FIGURES, 3, 0},
    {"read_gbps", "roof GB/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"fp32_gflops", "roof fp32 GFLOP/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"int8_gops", "roof int8 GOP/s", TABLE_FIGURES, 3, TABLE_FOLD},
    {"of_roof", "of what the roof allows", TABLE_PERCENT, 0, 0},
    SYNTHETIC,
    {0}};
/* clang-format off */
#define OF_CLASS(side, class) "COALESCE(" side "_weight_" class "_bytes, 0) + "
#define PLACE(side)                                                                                \
    "SELECT arm, arm_rank, '" side "' AS side,"                                                    \
    " total(" side "_flops) / nullif(total(" side "_bytes), 0) AS intensity,"                      \
    " total(" side "_flops) / nullif(total(" side "_ms), 0) / 1e6 AS gflops,"                      \
    " avg(roof_read_gbps) AS read_gbps, avg(roof_fp32_gflops) AS fp32_gflops,"                     \
    " avg(roof_int8_gops) AS int8_gops, max(synthetic) AS synthetic FROM (SELECT *, "              \
    OF_CLASS(side, "embedding") OF_CLASS(side, "attention") OF_CLASS(side, "router")               \
    OF_CLASS(side, "experts") OF_CLASS(side, "shared") OF_CLASS(side, "ffn")                       \
    OF_CLASS(side, "norm") OF_CLASS(side, "output")                                                \
    "COALESCE(" side "_kv_bytes, 0) AS " side "_bytes FROM headline_runs WHERE " side "_flops > 0" \
    " AND " side "_ms > 0 AND " side "_weight_output_bytes IS NOT NULL) GROUP BY arm_rank, arm"
const char roofline_sql[] =
    "SELECT arm, side, intensity, gflops, read_gbps, fp32_gflops, int8_gops,"
    " gflops / min(intensity * read_gbps, int8_gops) AS of_roof, synthetic FROM ("
    PLACE("decode") " UNION ALL " PLACE("prefill")
    ") WHERE intensity IS NOT NULL ORDER BY side, arm_rank, arm";
/* clang-format on */
