/* SPDX-License-Identifier: MIT */
/*
 * Limits that a container sets on this process: CPU time and memory of its Linux control group
 * (version 2). Elsewhere, and without a limit, everything is "unlimited". Inside machine/ only.
 * Stateless.
 */
#ifndef MACHINE_CGROUP_H
#define MACHINE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* CPUs' worth of time the process may use (cpu.max: quota / period), 0 when unlimited. */
double cgroup_cpu_quota(void);

struct cgroup_memory {
    uint64_t limit;     /* bytes the group may hold */
    uint64_t available; /* bytes it may still take; page cache counts as free */
};
/* False when unlimited. */
bool cgroup_read_memory(struct cgroup_memory *out);

#endif
