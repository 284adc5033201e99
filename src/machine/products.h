/* SPDX-License-Identifier: MIT */
/*
 * How fast weights of one type are multiplied with activations by the kernels of a level, in the
 * pieces that the forward pass uses: one activation (the matrix comes from main memory: as many
 * matrices as fill a buffer, one after the other) and many. The ceiling of a layer, as
 * machine_measure_read is that of its bytes. One thread besides the pool's.
 */
#ifndef MACHINE_PRODUCTS_H
#define MACHINE_PRODUCTS_H

#include "base/dtype.h"
#include "base/error.h"
#include "base/pool.h"

struct products; /* random weights of one type */

struct product_shape {
    int n_in, n_out, n_tokens; /* n_in: a multiple of the type's block */
};
struct product_rate {
    double bytes_per_s; /* of weights, median */
    double ops_per_s;   /* two per multiply-add, median */
    int n_passes;
};

/*
 * Takes `buffer_bytes` of memory (at least one matrix of every shape measured, and several times
 * the last-level cache to be from memory). `level` NULL: the best. The pool outlives the result.
 */
enum mscope_status products_open(struct products **out, struct pool *pool, enum dtype type,
                                 const char *level, uint64_t buffer_bytes,
                                 struct mscope_error *err);
void products_close(struct products **products);

/*
 * Products of that shape until `budget_ns` is spent, at least three, not counting a first.
 * MSCOPE_ERR_ARGUMENT when the shape does not fit the type or the buffer; a result that is not what
 * a product of one row gives is MSCOPE_ERR_IO.
 */
enum mscope_status products_measure(struct product_rate *out, struct products *products,
                                    const struct product_shape *shape, uint64_t budget_ns,
                                    struct mscope_error *err);

#endif
