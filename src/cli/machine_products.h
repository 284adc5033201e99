/* SPDX-License-Identifier: MIT */
/* Part of the verb machine: products of every type of weights, by size and number of tokens. */
#ifndef CLI_MACHINE_PRODUCTS_H
#define CLI_MACHINE_PRODUCTS_H

#include "cli/output.h"

struct machine_products { /* see machine_products.c */
    struct product_row *rows;
    int n_rows, n_threads;
    const char *level;
};

/* `level` NULL: the best. `budget_ns` for each of some hundred measurements; shows progress. */
enum mscope_status machine_products_measure(struct machine_products *out, int n_threads,
                                            const char *level, uint64_t budget_ns,
                                            struct mscope_error *err);
void machine_products_free(struct machine_products *products);
void machine_products_print(const struct machine_products *products);
json_t *machine_products_json(const struct machine_products *products);

#endif
