/* SPDX-License-Identifier: MIT */
/* The kernels on matrices of the sizes of real layers. */
#include "cli/machine_products.h"

#include "cli/progress.h"
#include "kernels/kernels.h"
#include "machine/machine.h"
#include "machine/products.h"

#include <math.h>
#include <stdlib.h>

/* One expert of OLMoE-1B-7B, an attention projection and the feed-forward of Llama-3.2-1B. */
static const struct product_shape shapes[] = {
    {2048, 1024, 1}, {2048, 2048, 1},  {2048, 8192, 1},   {8192, 2048, 1},   {2048, 2048, 4},
    {2048, 2048, 8}, {2048, 2048, 32}, {2048, 2048, 128}, {2048, 2048, 512},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0], N_SINGLE = 4 };

struct product_row { /* of one type */
    enum dtype type;
    struct product_rate rates[N_SHAPES];
    double read_per_s; /* of memory, mean of before and after the single tokens; NaN: unknown */
};

static enum mscope_status measure_type(struct product_row *row, struct pool *pool,
                                       const char *level, uint64_t budget_ns,
                                       struct progress *progress, int i_type, int n_types,
                                       struct mscope_error *err);
static double measure_read(struct pool *pool, uint64_t buffer, uint64_t budget_ns);

enum mscope_status machine_products_measure(struct machine_products *out, int n_threads,
                                            const char *level, uint64_t budget_ns,
                                            struct mscope_error *err)
{
    struct kernels kernels;
    struct pool *pool = NULL;
    *out = (struct machine_products){.n_threads = n_threads};
    out->rows = calloc(DTYPE_COUNT, sizeof *out->rows);
    if (out->rows == NULL) {
        return error_set_memory(err, "rates of products", DTYPE_COUNT * sizeof *out->rows);
    }
    enum mscope_status status = kernels_select(&kernels, level, err);
    status = status == MSCOPE_OK ? pool_open(&pool, n_threads, err) : status;
    if (status != MSCOPE_OK) {
        return status;
    }
    out->level = kernels.level;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        if (kernels.matmul[type] != NULL) {
            out->rows[out->n_rows++].type = (enum dtype)type;
        }
    }
    struct progress progress;
    progress_start(&progress, "products", PROGRESS_STEPS);
    for (int i = 0; i < out->n_rows && status == MSCOPE_OK; i++) {
        status =
            measure_type(&out->rows[i], pool, level, budget_ns, &progress, i, out->n_rows, err);
    }
    progress_end(&progress);
    pool_close(&pool);
    return status;
}

void machine_products_free(struct machine_products *products)
{
    free(products->rows);
    products->rows = NULL;
    products->n_rows = 0;
}

void machine_products_print(const struct machine_products *products)
{
    out_printf("\nproducts, %d thread%s, level %s\n", products->n_threads,
               products->n_threads == 1 ? "" : "s", products->level);
    out_printf("%8s %s\n", "",
               " one token, weights from memory, GB/s      "
               "2048x2048 by tokens, GOP/s");
    out_printf("%8s", "type");
    for (int i = 0; i < N_SINGLE; i++) {
        char text[32];
        snprintf(text, sizeof text, "%dx%d", shapes[i].n_in, shapes[i].n_out);
        out_printf(" %10s", text);
    }
    for (int i = N_SINGLE; i < N_SHAPES; i++) {
        out_printf(" %7d", shapes[i].n_tokens);
    }
    out_printf("\n");
    for (int r = 0; r < products->n_rows; r++) {
        const struct product_row *row = &products->rows[r];
        out_printf("%8s", dtype_name((uint32_t)row->type));
        for (int i = 0; i < N_SHAPES; i++) {
            if (i < N_SINGLE) {
                out_printf(" %10.1f", row->rates[i].bytes_per_s * 1e-9);
            } else {
                out_printf(" %7.0f", row->rates[i].ops_per_s * 1e-9);
            }
        }
        out_printf("\n");
    }
}

json_t *machine_products_json(const struct machine_products *products)
{
    json_t *list = json_array();
    for (int r = 0; r < products->n_rows; r++) {
        const struct product_row *row = &products->rows[r];
        for (int i = 0; i < N_SHAPES; i++) {
            json_t *json = json_object();
            json_object_set_new(json, "type", json_text(dtype_name((uint32_t)row->type)));
            json_object_set_new(json, "n_in", json_integer(shapes[i].n_in));
            json_object_set_new(json, "n_out", json_integer(shapes[i].n_out));
            json_object_set_new(json, "tokens", json_integer(shapes[i].n_tokens));
            json_object_set_new(json, "threads", json_integer(products->n_threads));
            json_object_set_new(json, "cpu_level", json_text(products->level));
            json_object_set_new(json, "weights_gbps",
                                json_number(row->rates[i].bytes_per_s * 1e-9));
            json_object_set_new(
                json, "read_gbps",
                json_number(shapes[i].n_tokens == 1 ? row->read_per_s * 1e-9 : NAN));
            json_object_set_new(json, "gops", json_number(row->rates[i].ops_per_s * 1e-9));
            json_array_append_new(list, json);
        }
    }
    return list;
}

static enum mscope_status measure_type(struct product_row *row, struct pool *pool,
                                       const char *level, uint64_t budget_ns,
                                       struct progress *progress, int i_type, int n_types,
                                       struct mscope_error *err)
{
    struct products *products;
    uint64_t buffer = machine_stream_buffer_bytes();
    double before = measure_read(pool, buffer, budget_ns);
    enum mscope_status status = products_open(&products, pool, row->type, level, buffer, err);
    for (int i = 0; i < N_SHAPES && status == MSCOPE_OK; i++) {
        if (i == N_SINGLE) {
            row->read_per_s = (before + measure_read(pool, buffer, budget_ns)) / 2;
        }
        progress_update(progress, (uint64_t)(i_type * N_SHAPES + i),
                        (uint64_t)(n_types * N_SHAPES));
        status = products_measure(&row->rates[i], products, &shapes[i], budget_ns, err);
    }
    products_close(&products);
    return status;
}

static double measure_read(struct pool *pool, uint64_t buffer, uint64_t budget_ns)
{
    struct machine_bandwidth read;
    return machine_measure_read(&read, pool, buffer, budget_ns, NULL) == MSCOPE_OK ? read.median
                                                                                   : NAN;
}
