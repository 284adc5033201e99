/* SPDX-License-Identifier: MIT */
/*
 * How far a long job is, on stderr: on a terminal one line redrawn ten times a second, from the
 * start; elsewhere a plain line at every tenth of the work, once the job has taken two seconds. One
 * thread.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_unit { PROGRESS_BYTES, PROGRESS_TOKENS, PROGRESS_STEPS };

struct progress {
    const char *label;
    enum progress_unit unit;
    bool is_terminal, drawn;
    uint64_t started_ns, drawn_ns;
    int tenths_shown;
    uint64_t first; /* done before the start, by somebody else: no part of the rate */
};

void progress_start(struct progress *progress, const char *label, enum progress_unit unit);
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* Clears the line; returns the nanoseconds since the start. */
uint64_t progress_end(struct progress *progress);

#endif
