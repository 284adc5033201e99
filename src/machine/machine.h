/* SPDX-License-Identifier: MIT */
/*
 * What the computer is and what it can reach: cores, memory of this process, and the read bandwidth
 * of main memory. Measurements take explicit sizes and thread counts; nothing is cached here. One
 * thread.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/error.h"
#include "base/pool.h"

#include <stdbool.h>

/* Physical cores this process may use (affinity mask honoured), at least 1. Falls back to online
 * CPUs. */
int machine_n_physical_cores(void);

/*
 * On CPUs whose cores differ (performance and efficiency cores): the logical CPUs, by the system's
 * numbers, of the n_cores fastest cores this process may use, fastest kinds first; at most `most`.
 * Returns how many; 0 where cores are alike, the system does not rank them, or all are wanted: then
 * the scheduler places threads as well.
 */
int machine_fastest_cpus(int *cpus, int most, int n_cores);

/*
 * Binds the calling thread, and so the threads that it starts from now on, to those CPUs until
 * machine_unbind, by the same thread. *out is NULL where there are none, or where the system
 * refuses.
 */
struct machine_binding;
void machine_bind_fastest(struct machine_binding **out, int n_cores);
void machine_unbind(struct machine_binding **binding);

/* Largest cache of one core's hierarchy in bytes, 0 when unknown. */
uint64_t machine_last_level_cache_bytes(void);

/*
 * Size of a buffer to measure memory with: four times all last-level caches together, so that no
 * byte of it is still cached when its turn comes again; 256 MiB to 4 GiB.
 */
uint64_t machine_stream_buffer_bytes(void);

/* "AMD EPYC 9B14", or "unknown CPU". Writes to `text`, returns it. */
const char *machine_cpu_name(char *text, size_t size);

struct machine_memory { /* of this process and of the computer, bytes */
    uint64_t peak_rss, rss, rss_anonymous, rss_file;
    uint64_t total, available;
};
enum mscope_status machine_read_memory(struct machine_memory *out, struct mscope_error *err);

struct machine_bandwidth {
    double median, best; /* bytes per second */
    int n_passes;
};
/*
 * Reads a buffer of `buffer_bytes` (clamped to a quarter of the available memory) with all threads
 * of `pool`, in passes until `budget_ns` is spent, at least three. The buffer should be several
 * times the last-level cache.
 */
enum mscope_status machine_measure_read(struct machine_bandwidth *out, struct pool *pool,
                                        uint64_t buffer_bytes, uint64_t budget_ns,
                                        struct mscope_error *err);

/*
 * The same for writing, and for copying one half of the buffer to the other, counted as bytes read
 * plus bytes written. A cache that reads a line before it is overwritten makes the true traffic up
 * to half as much again; what is given is what a program sees.
 */
enum mscope_status machine_measure_write(struct machine_bandwidth *out, struct pool *pool,
                                         uint64_t buffer_bytes, uint64_t budget_ns,
                                         struct mscope_error *err);
enum mscope_status machine_measure_copy(struct machine_bandwidth *out, struct pool *pool,
                                        uint64_t buffer_bytes, uint64_t budget_ns,
                                        struct mscope_error *err);

/*
 * Nanoseconds that a cache line takes from the first thread of `pool` to another and back, one way,
 * the mean over the others: tells siblings on one core, cores that share a cache, and cores that do
 * not, apart. Under a millisecond, some tens of them when other processes use the cores. NaN with
 * one thread, and when the threads did not get to run at the same time.
 */
double machine_measure_handoff_ns(struct pool *pool);

/* Cores, hardware threads, NUMA nodes and caches that this process may use. */
enum { MACHINE_MAX_CACHES = 8 };
struct machine_cache {
    int level;
    bool is_instruction;
    uint64_t bytes;   /* of one */
    int n, n_sharing; /* how many there are; hardware threads that share one */
    int line_bytes, ways;
};
struct machine_topology {
    int n_packages, n_cores, n_threads, n_nodes; /* of the computer, as far as allowed */
    double cpu_quota; /* CPUs' worth of time the control group allows; 0: no limit */
    int n_caches;     /* data and unified first, by level */
    struct machine_cache caches[MACHINE_MAX_CACHES];
};
enum mscope_status machine_read_topology(struct machine_topology *out, struct mscope_error *err);

#endif
