/* SPDX-License-Identifier: MIT */
/*
 * The compute pool: a fixed number of threads that execute one parallel loop at a time. The caller
 * is thread 0. Each thread begins with an equal run of consecutive chunks, in order, and then takes
 * over what others have left, so a thread that is held up by a neighbour simply computes fewer;
 * therefore the result of a chunk must not depend on who computes it. Waiting
 * threads spin for a short while and then sleep. Between chunks every thread now and then offers
 * its core to other programs, so that they do not take it while a chunk is half done; chunks should
 * therefore be short, well under a millisecond. pool_for must not be nested, and a pool belongs to
 * one caller at a time.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/error.h"
#include "base/probe.h"

struct pool;

/* Work of one chunk: i_chunk in 0 .. n_chunks-1, i_thread in 0 .. n_threads-1 (for per-thread
 * scratch). */
typedef void pool_chunk_fn(void *ctx, int i_chunk, int i_thread);

/* n_threads >= 1, the calling thread included. */
enum mscope_status pool_open(struct pool **out, int n_threads, struct mscope_error *err);
void pool_close(struct pool **pool);

/*
 * From now on waits of the caller are phase BARRIER of `probe` and each thread's work is added to
 * its busy time, while the probe is on. NULL: stop. The probe's thread array has n_threads entries
 * and outlives the pool's use.
 */
void pool_set_probe(struct pool *pool, struct probe *probe);

int pool_n_threads(const struct pool *pool);

struct pool_counts {    /* since open */
    uint64_t n_jobs;    /* that were shared with other threads: each ends in a barrier */
    uint64_t n_offered; /* times that the caller offered its core */
};
void pool_get_counts(const struct pool *pool, struct pool_counts *out);

/* Runs fn for every chunk and returns when all are done. n_chunks of 0 does nothing, 1 runs on the
 * caller. */
void pool_for(struct pool *pool, int n_chunks, pool_chunk_fn *fn, void *ctx);

#endif
