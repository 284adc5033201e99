/* SPDX-License-Identifier: MIT */
/*
 * Operating errors. A function that can fail returns enum mscope_status and fills the caller's
 * struct mscope_error (both from the public header, which is level 0 in this one respect). The
 * first error wins: code that cleans up after a failure never overwrites it. No thread state is
 * kept.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "moescope.h"

#if defined(__GNUC__)
#define BASE_PRINTF(fmt_index, arg_index) __attribute__((format(printf, fmt_index, arg_index)))
#else
#define BASE_PRINTF(fmt_index, arg_index)
#endif

/*
 * Fills `err` (may be NULL) and returns `status`, so that `return error_set(...)` or
 * `status = error_set(...); goto fail;` read well. `object` names the thing at fault, the rest says
 * what was found and what was expected: error_set(err, MSCOPE_ERR_FORMAT, "tensor
 * blk.0.attn_q.weight",
 * "%d dimensions, expected 2", n). Both are truncated to fit; control characters are shown as '?'.
 */
enum mscope_status error_set(struct mscope_error *err, enum mscope_status status,
                             const char *object, const char *detail_format, ...) BASE_PRINTF(4, 5);

/* error_set with an object made by a format: error_set_object(err, "tensor %s", name) after
 * error_set. */
void error_set_object(struct mscope_error *err, const char *object_format, ...) BASE_PRINTF(2, 3);

/* The same for a failed system call: appends strerror(errno_value) to the detail. MSCOPE_ERR_IO. */
enum mscope_status error_set_errno(struct mscope_error *err, int errno_value, const char *object,
                                   const char *action);

/* Out of memory while taking `n_bytes` for `purpose`. */
enum mscope_status error_set_memory(struct mscope_error *err, const char *purpose,
                                    uint64_t n_bytes);

#endif
