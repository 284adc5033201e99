/* SPDX-License-Identifier: MIT */
/* What `run` says about speed and memory: one line on stderr, or JSON. One thread. */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include "cli/generate.h"
#include "cli/output.h"

struct run_report {
    double prefill_per_s, decode_per_s; /* tokens; 0 when there were none */
    double first_token_s;
    double
        bytes_per_token; /* weights and cache, measured; by the header when nothing was decoded */
    double read_per_s;   /* bytes; 0 when nothing was decoded */
    double roof_per_s;   /* bytes; 0 when not measured */
    uint64_t peak_rss_bytes; /* 0 when unknown */
    char logits_hash[65];    /* hexadecimal SHA-256, "" when there are no logits */
};

/*
 * Reads the peak memory, then measures the read bandwidth with the engine's number of threads
 * unless `roof_per_s` (of an earlier report) is given or `measure_roof` is false.
 */
void run_report_make(struct run_report *report, const struct runtime *runtime,
                     const struct generate_result *result, bool measure_roof, double roof_per_s);
void run_report_print_line(const struct run_report *report, const struct generate_result *result);
json_t *run_report_json(const struct run_report *report, const struct runtime *runtime,
                        const struct generate_result *result);

#endif
