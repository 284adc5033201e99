/* SPDX-License-Identifier: MIT */
/* The time left, from rows of known rates. */
#include "measure/rows.h"

#include "measure/eta.h"

#include <math.h>

enum { WORDS = 100, TOKENS = 135 };

static const struct driver_class fake = {.engine = "fake"};
static const struct plan_engine engine = {&fake, NULL, "fake"};
static struct config_model models[] = {{.id = "a"}, {.id = "b"}};
static struct config_experiment first = {.id = "e", .n_gen = 10}, second = {.id = "f", .n_gen = 20};
static struct config_prompt prompt = {.id = "p", .n_words = WORDS};
static struct plan_cell cells[] = {{.prompt = &prompt}};
static struct plan_block blocks[] = {
    {.experiment = &first, .model = &models[0], .engine = &engine, .threads = 1},
    {.experiment = &first, .model = &models[1], .engine = &engine, .threads = 1},
    {.experiment = &second, .model = &models[0], .engine = &engine, .threads = 2},
};
static const struct plan plan = {.blocks = blocks, .n_blocks = 3, .cells = cells, .n_cells = 1};

/* 270 tokens of prompt in 2 s, 10 tokens in 1 s, half a second of anything else. */
static void take(struct eta *eta, const char *model, const char *status, double factor)
{
    struct record row;
    struct mscope_error err;
    rows_make(&row, "s/e/m/p/t1/r1/fake");
    assert_ok(record_set_text(&row.model, model, &err), &err);
    assert_ok(record_set_text(&row.status, status, &err), &err);
    row.threads = 1;
    row.prompt_tokens = 2 * TOKENS;
    row.n_gen = 10;
    row.prefill_ms = 2000 * factor;
    row.decode_ms = 1000 * factor;
    row.wall_ms = 3000 * factor;
    eta_take_row(eta, &row, 3.5 * factor);
    record_free(&row);
}

static void rates_become_times(void **state)
{
    (void)state;
    struct eta *eta = NULL;
    struct mscope_error err;
    assert_ok(eta_open(&eta, &plan, &err), &err);
    assert_true(isnan(eta_cell_s(eta, &blocks[0], cells)));
    take(eta, "a", "failed", 1);
    take(eta, "unknown", "ok", 1);
    assert_true(isnan(eta_cell_s(eta, &blocks[0], cells)));
    take(eta, "a", "ok", 1);
    assert_near(eta_cell_s(eta, &blocks[0], cells), 1 + 1 + 0.5, 1e-9);
    /* like the other model, and like itself with other threads */
    assert_near(eta_cell_s(eta, &blocks[1], cells), 2.5, 1e-9);
    assert_near(eta_cell_s(eta, &blocks[2], cells), 1 + 2 + 0.5, 1e-9);
    take(eta, "b", "ok", 4);
    assert_near(eta_cell_s(eta, &blocks[0], cells), 2.5, 1e-9);
    assert_near(eta_cell_s(eta, &blocks[1], cells), 10, 1e-9);
    eta_close(&eta);
    assert_null(eta);
}

static void openings_are_of_their_experiment(void **state)
{
    (void)state;
    struct eta *eta = NULL;
    struct mscope_error err;
    assert_ok(eta_open(&eta, &plan, &err), &err);
    assert_near(eta_opening_s(eta, &blocks[0]), 0, 0);
    eta_take_opening(eta, &blocks[0], 2);
    eta_take_opening(eta, &blocks[1], 4);
    assert_near(eta_opening_s(eta, &blocks[0]), 3, 1e-9);
    assert_near(eta_opening_s(eta, &blocks[2]), 3, 1e-9); /* no other is known */
    eta_take_opening(eta, &blocks[2], 9);
    assert_near(eta_opening_s(eta, &blocks[2]), 9, 1e-9);
    eta_close(&eta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_become_times),
        cmocka_unit_test(openings_are_of_their_experiment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
