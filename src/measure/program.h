/* SPDX-License-Identifier: MIT */
/*
 * Runs another program to its end, with a time limit, and keeps the end of what it printed. The
 * program has a process group of its own, which is killed as a whole; it dies with the caller. No
 * shell is involved. One thread.
 */
#ifndef MEASURE_PROGRAM_H
#define MEASURE_PROGRAM_H

#include "base/strbuf.h"

#include <stdbool.h>

enum { PROGRAM_KEPT_BYTES = 4 << 20 }; /* of each stream */

struct program_result {
    struct strbuf out, err; /* the last bytes of both streams */
    int exit_code;          /* when not ended by a signal */
    int signal;             /* that ended it, 0: none */
    bool timed_out;
    double wall_ms;
    int64_t peak_rss_bytes, major_faults; /* of the program itself */
};

/*
 * argv[0] is the path of the program; NULL ends the list. timeout_s <= 0: no limit. Fails when it
 * cannot be started; how it ended is in the result, also when it was killed for time.
 */
enum mscope_status program_run(struct program_result *out, const char *const *argv,
                               double timeout_s, struct mscope_error *err);
void program_free(struct program_result *result);

/* "exit code 1: last line it printed", "ended by signal 11 (Segmentation fault)", "not done after
 * 3 s". MSCOPE_OK for exit code 0; MSCOPE_ERR_MEMORY when somebody else killed it. `object` names
 * the program. */
enum mscope_status program_judge(const struct program_result *result, const char *object,
                                 double timeout_s, struct mscope_error *err);

#endif
