/* SPDX-License-Identifier: MIT */
/* Products of every type and level run, count their work and refuse what cannot be. */
#include "machine/products.h"

#include "kernels/kernels.h"
#include "unit.h"

#include <string.h>

enum { BUFFER_BYTES = 4 << 20 };

static void every_type_is_measured_at_every_level(void **state)
{
    (void)state;
    struct mscope_error err;
    struct pool *pool;
    assert_ok(pool_open(&pool, 2, &err), &err);
    for (const char *const *level = kernels_levels(); *level != NULL; level++) {
        struct kernels kernels;
        assert_ok(kernels_select(&kernels, *level, &err), &err);
        int n_types = 0;
        for (int type = 0; type < DTYPE_COUNT; type++) {
            if (kernels.matmul[type] == NULL) {
                continue;
            }
            n_types++;
            struct products *products;
            assert_ok(products_open(&products, pool, (enum dtype)type, *level, BUFFER_BYTES, &err),
                      &err);
            for (int n_tokens = 1; n_tokens <= 37; n_tokens += 36) {
                const struct product_shape shape = {256, 70, n_tokens};
                struct product_rate rate;
                assert_ok(products_measure(&rate, products, &shape, 0, &err), &err);
                assert_int_equal(rate.n_passes, 3);
                double bytes = (double)dtype_row_bytes((enum dtype)type, 256) * 70;
                double ops = 2.0 * 256 * 70 * n_tokens;
                double ratio = rate.ops_per_s / rate.bytes_per_s * bytes / ops;
                assert_true(ratio > 0.999 && ratio < 1.001);
                assert_true(rate.bytes_per_s > 1e3 && rate.bytes_per_s < 1e13);
            }
            products_close(&products);
            assert_null(products);
        }
        assert_true(n_types >= 10);
    }
    pool_close(&pool);
}

static void what_cannot_be_measured_is_refused(void **state)
{
    (void)state;
    struct mscope_error err;
    struct pool *pool;
    struct products *products;
    assert_ok(pool_open(&pool, 1, &err), &err);
    assert_int_equal(products_open(&products, pool, DTYPE_Q8_K, NULL, BUFFER_BYTES, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_null(products);
    assert_int_equal(products_open(&products, pool, DTYPE_F32, "mmx", BUFFER_BYTES, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_int_equal(products_open(&products, pool, DTYPE_F32, NULL, 1000, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_ok(products_open(&products, pool, DTYPE_Q4_K, NULL, BUFFER_BYTES, &err), &err);
    const struct product_shape wrong[] = {
        {255, 8, 1}, {0, 8, 1}, {256, 0, 1}, {256, 8, 0}, {256, 1 << 20, 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct product_rate rate;
        assert_int_equal(products_measure(&rate, products, &wrong[i], 0, &err),
                         MSCOPE_ERR_ARGUMENT);
        assert_string_equal(err.object, "product");
    }
    products_close(&products);
    pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_measured_at_every_level),
        cmocka_unit_test(what_cannot_be_measured_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
