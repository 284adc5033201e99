/* SPDX-License-Identifier: MIT */
/*
 * Who measured, with what, on what: the part of a row that is the same for all rows of one start of
 * the program. One thread.
 */
#ifndef MEASURE_PROVENANCE_H
#define MEASURE_PROVENANCE_H

#include "measure/record.h"

/*
 * version ... command, host_fingerprint ... ram_bytes, session_id. `commit` NULL takes that of the
 * build. MSCOPE_ERR_UNSUPPORTED where the build knows no commit: such rows would be refused.
 */
enum mscope_status provenance_fill(struct record *record, int argc, const char *const *argv,
                                   struct mscope_error *err);

/* model_file, model_bytes, model_sha256 of a file, or of all parts of a split one. */
enum mscope_status provenance_fill_model(struct record *record, const char *path,
                                         struct mscope_error *err);

/* Now, "2025-01-31T12:34:56.789Z", into started_at. */
enum mscope_status provenance_stamp(struct record *record, struct mscope_error *err);

/* Name of the CPU and, where there is one, of the board; for choosing a device profile. */
const char *provenance_machine_name(char *text, size_t size);

#endif
