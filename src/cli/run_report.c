/* SPDX-License-Identifier: MIT */
/* Rates, bytes and memory of a continuation. */
#include "cli/run_report.h"

#include "base/strbuf.h"
#include "base/units.h"
#include "machine/machine.h"

#include <stdio.h>
#include <string.h>

static const uint64_t ROOF_BUDGET_NS = 300000000;

static double measure_roof_per_s(int n_threads);
static double per_second(double amount, uint64_t ns);

void run_report_make(struct run_report *report, const struct runtime *runtime,
                     const struct generate_result *result, bool measure_roof, double roof_per_s)
{
    double n_decoded = result->n_decoded;
    double decoded_bytes = (double)(result->decode_weight_bytes + result->decode_kv_bytes);
    *report = (struct run_report){
        .prefill_per_s = per_second(result->n_prompt, result->prefill_ns),
        .decode_per_s = n_decoded > 0 ? per_second(n_decoded, result->decode_ns) : 0,
        .first_token_s = (double)result->first_token_ns * 1e-9,
        .bytes_per_token =
            n_decoded > 0 ? decoded_bytes / n_decoded : (double)runtime->info->bytes_per_token,
        .read_per_s = n_decoded > 0 ? per_second(decoded_bytes, result->decode_ns) : 0,
        .roof_per_s = roof_per_s,
    };
    struct machine_memory memory;
    if (machine_read_memory(&memory, NULL) == MSCOPE_OK) {
        report->peak_rss_bytes = memory.peak_rss;
    }
    if (result->has_logits) {
        for (int i = 0; i < 32; i++) {
            snprintf(report->logits_hash + 2 * i, 3, "%02x", result->logits_sha256[i]);
        }
    }
    if (measure_roof && roof_per_s <= 0 && n_decoded > 0) {
        report->roof_per_s = measure_roof_per_s(mscope_engine_n_threads(runtime->engine));
    }
}

void run_report_print_line(const struct run_report *report, const struct generate_result *result)
{
    char text[UNITS_TEXT_BYTES];
    struct strbuf line = {0};
    strbuf_printf(&line, "prefill %d tok, %.1f tok/s", result->n_prompt, report->prefill_per_s);
    if (result->n_decoded > 0) {
        strbuf_printf(&line, " | decode %d tok, %.1f tok/s", result->n_decoded,
                      report->decode_per_s);
    }
    if (result->n_generated > 0) {
        strbuf_printf(&line, " | first token %.2f s", report->first_token_s);
    }
    strbuf_printf(&line, " | %s/token", units_bytes(text, (uint64_t)report->bytes_per_token));
    if (report->read_per_s > 0) {
        strbuf_printf(&line, ", %.1f GB/s", report->read_per_s * 1e-9);
    }
    if (report->read_per_s > 0 && report->roof_per_s > 0) {
        strbuf_printf(&line, " = %.0f %% of %.1f GB/s%s",
                      100 * report->read_per_s / report->roof_per_s, report->roof_per_s * 1e-9,
                      report->read_per_s > report->roof_per_s ? " (from caches)" : "");
    }
    strbuf_printf(&line, " | peak RSS %s", units_bytes(text, report->peak_rss_bytes));
    if (report->logits_hash[0] != '\0') {
        strbuf_printf(&line, " | logits %.16s", report->logits_hash);
    }
    if (!line.failed) {
        fprintf(stderr, "%s\n", line.data);
    }
    strbuf_free(&line);
}

json_t *run_report_json(const struct run_report *report, const struct runtime *runtime,
                        const struct generate_result *result)
{
    json_t *json = json_object();
    json_object_set_new(json, "synthetic", json_boolean(runtime->info->is_synthetic));
    json_object_set_new(json, "end", json_string(generate_end_name(result->end)));
    json_object_set_new(json, "prompt_tokens", json_integer(result->n_prompt));
    json_object_set_new(json, "generated_tokens", json_integer(result->n_generated));
    json_object_set_new(json, "decoded_tokens", json_integer(result->n_decoded));
    json_object_set_new(json, "prefill_tokens_per_s", json_number(report->prefill_per_s));
    json_object_set_new(json, "decode_tokens_per_s", json_number(report->decode_per_s));
    json_object_set_new(json, "first_token_s", json_number(report->first_token_s));
    json_object_set_new(json, "bytes_per_token", json_number(report->bytes_per_token));
    json_object_set_new(json, "read_bytes_per_s", json_number(report->read_per_s));
    json_object_set_new(json, "roof_bytes_per_s",
                        report->roof_per_s > 0 ? json_number(report->roof_per_s) : json_null());
    json_object_set_new(json, "roof_share",
                        report->roof_per_s > 0
                            ? json_number(report->read_per_s / report->roof_per_s)
                            : json_null());
    json_object_set_new(json, "peak_rss_bytes", json_count(report->peak_rss_bytes));
    json_object_set_new(json, "logits_sha256", json_string(report->logits_hash));
    json_object_set_new(json, "threads", json_integer(mscope_engine_n_threads(runtime->engine)));
    json_object_set_new(json, "cpu_level", json_string(mscope_engine_cpu_level(runtime->engine)));
    json_object_set_new(json, "n_ctx", json_integer(mscope_session_n_ctx(runtime->session)));
    json_object_set_new(json, "kv_bytes", json_count(mscope_session_kv_bytes(runtime->session)));
    return json;
}

/*
 * The fastest pass: other programs and the host of a virtual machine only ever take from it. After
 * the run, so that the buffer is no part of its peak memory. 0 when it cannot be measured: the line
 * then leaves it out.
 */
static double measure_roof_per_s(int n_threads)
{
    struct pool *pool = NULL;
    struct machine_bandwidth bandwidth = {0};
    uint64_t buffer = machine_stream_buffer_bytes();
    if (pool_open(&pool, n_threads, NULL) != MSCOPE_OK ||
        machine_measure_read(&bandwidth, pool, buffer, ROOF_BUDGET_NS, NULL) != MSCOPE_OK) {
        bandwidth.best = 0;
    }
    pool_close(&pool);
    return bandwidth.best;
}

static double per_second(double amount, uint64_t ns)
{
    return ns > 0 ? amount / ((double)ns * 1e-9) : 0;
}
