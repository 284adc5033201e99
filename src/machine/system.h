/* SPDX-License-Identifier: MIT */
/*
 * How warm the computer is and what kinds of memory a process holds, read below a root folder (""
 * for this machine; tests give a tree of their own). Load, clocks, power supply and other processes
 * are measure/condition.h. Stateless, any thread.
 */
#ifndef MACHINE_SYSTEM_H
#define MACHINE_SYSTEM_H

#include "base/error.h"

enum { SYSTEM_SENSOR_BYTES = 64 };

/* Hottest sensor of the CPU in degrees Celsius and its name ("x86_pkg_temp"); NaN and "" where
 * there is none. */
double system_read_temp_c(char sensor[SYSTEM_SENSOR_BYTES], const char *root);

struct system_memory { /* of one process; bytes, -1 where the system does not tell */
    int64_t peak_rss, rss, pss, anonymous, file, swapped;
    int64_t minor_faults, major_faults; /* since its start */
};
/* /proc/PID/{status,smaps_rollup,stat}; pid 0: this process. Fails when it is not there. */
enum mscope_status system_read_memory(struct system_memory *out, const char *root, long pid,
                                      struct mscope_error *err);

struct system_swap { /* of the computer since its start; -1 where not known */
    int64_t in_bytes, out_bytes, used_bytes, total_bytes;
};
void system_read_swap(struct system_swap *out, const char *root);

#endif
