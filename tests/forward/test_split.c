/* SPDX-License-Identifier: MIT */
/* The chunks of a product cover each weight row once, share after share, whatever the numbers. */
#include "forward/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_covers(int n_threads, int n_rows)
{
    const struct forward forward = {.n_threads = n_threads};
    struct row_split split = linear_split(&forward, n_rows);
    assert_int_equal(split.n_chunks % n_threads, 0); /* so shares of the pool are shares of rows */
    int next = 0;
    for (int i = 0; i < split.n_chunks; i++) {
        int end, first = linear_span(&split, i, &end);
        if (first < end) {
            assert_int_equal(first, next);
            assert_true(end - first <= LINEAR_MAX_ROWS);
            next = end;
        }
    }
    assert_int_equal(next, n_rows);
}

static void chunks_cover_all_rows(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 17; n_threads++) {
        for (int n_rows = 1; n_rows <= 700; n_rows++) {
            assert_covers(n_threads, n_rows);
        }
        for (int n_rows = 701; n_rows < 200000; n_rows += n_rows / 3) {
            assert_covers(n_threads, n_rows);
        }
    }
}

static void the_last_chunks_of_a_share_are_smaller(void **state)
{
    (void)state;
    const struct forward forward = {.n_threads = 2};
    struct row_split split = linear_split(&forward, 4096);
    int per_share = split.n_chunks / 2, end;
    for (int share = 0; share < 2; share++) {
        int last = (share + 1) * per_share - 1;
        int first = linear_span(&split, last, &end);
        assert_int_equal(end, (share + 1) * 2048);
        assert_int_equal(4 * (end - first), split.chunk_rows);
        first = linear_span(&split, share * per_share, &end);
        assert_int_equal(end - first, split.chunk_rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_cover_all_rows),
        cmocka_unit_test(the_last_chunks_of_a_share_are_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
