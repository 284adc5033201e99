/* SPDX-License-Identifier: MIT */
/* One attempt to get the rest of a file over HTTP, for fetch.c. One thread. */
#ifndef MEASURE_FETCH_TRANSFER_H
#define MEASURE_FETCH_TRANSFER_H

#include "measure/fetch.h"

enum { FETCH_ETAG_BYTES = 256 };

enum fetch_outcome {
    FETCH_COMPLETE,
    FETCH_INTERRUPTED, /* try again from where it is */
    FETCH_STALE,       /* what is there is of another version: begin anew */
    FETCH_FAILED
};

struct fetch_transfer {
    const struct fetch_params *params;
    int fd;                       /* of the partial file, at its end */
    uint64_t n_have;              /* bytes in it */
    bool began_anew;              /* what was there was thrown away */
    uint64_t n_total;             /* of the whole file; 0: not known */
    char etag[FETCH_ETAG_BYTES];  /* of the bytes in it; "" unknown */
    char sha256[HASH_TEXT_BYTES]; /* told by the server; "" unknown */
};

/* Appends to the file. `err` says why unless complete. */
enum fetch_outcome fetch_transfer_run(struct fetch_transfer *transfer, struct mscope_error *err);

/* MSCOPE_ERR_IO when fewer than n_bytes are free where `path` is; says how many there are. */
enum mscope_status fetch_check_space(const char *path, uint64_t n_bytes, struct mscope_error *err);

#endif
