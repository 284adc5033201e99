/* SPDX-License-Identifier: MIT */
/*
 * One file from a web server to a path, surely: it arrives as PATH.partial, continues where it
 * stopped, is checked against its SHA-256 and only then gets its name. What is interrupted can be
 * continued by the same call; PATH.partial.etag remembers which version of the file the bytes are
 * of. Never prints. One thread; two processes cannot fetch one file at once.
 *
 *   (nothing) ── transfer ──► PATH.partial ── SHA-256 ──► PATH
 *                  ▲    │ interrupted, disk full
 *                  └────┘
 */
#ifndef MEASURE_FETCH_H
#define MEASURE_FETCH_H

#include "measure/hash.h"

#include <stdbool.h>
#include <stdint.h>

struct fetch_params {
    const char *url, *path; /* folders of the path are made */
    const char *sha256;     /* 64 hex digits; NULL: not known */
    uint64_t bytes;         /* 0: not known */
    int retries;            /* after an interruption without any progress */
    double retry_wait_s;    /* before the first of them, doubled each time */
    double stall_s;         /* without a byte counts as interrupted; <= 0: 60 */
    /* total 0: not known yet */
    void (*progress)(void *user, uint64_t done, uint64_t total);
    bool (*stopped)(void *user); /* NULL: never */
    void *user;
};

struct fetch_result {
    uint64_t bytes;         /* of the whole file */
    uint64_t bytes_resumed; /* that were there before */
    int n_interruptions;
    bool was_there;   /* complete before the call */
    bool is_verified; /* against a hash given, or told by the server */
    char sha256[HASH_TEXT_BYTES];
};

/*
 * MSCOPE_ERR_IO: not found, refused, interrupted, disk full, stopped; says how many bytes are kept.
 * MSCOPE_ERR_FORMAT: wrong size or hash; the bytes are removed, so that the next call begins anew.
 * A file that is already at `path` is checked, never overwritten.
 */
enum mscope_status fetch_file(struct fetch_result *out, const struct fetch_params *params,
                              struct mscope_error *err);

/* "HASH  BYTES  ID/FILE  URL  TIME" at the end of the file `list`, whose folders are made. Nothing
 * when that hash and name are there. */
enum mscope_status fetch_note_hash(const char *list, const struct fetch_result *result,
                                   const char *name, const char *url, struct mscope_error *err);

#endif
