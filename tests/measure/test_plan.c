/* SPDX-License-Identifier: MIT */
/* Plans are complete, interleaved, and the same for the same seed; lists of numbers. */
#include "measure/rows.h"

#include "measure/plan.h"

static char *ids[] = {"a", "b", "c"};
static char *prompt_ids[] = {"p", "q", "r", "s"};
static struct config_model models[3];
static struct config_prompt prompts[4];
static int sweep[] = {1, 2, 64, 0};
static struct config_experiment experiment = {.id = "e",
                                              .title = "E",
                                              .prompts = prompt_ids,
                                              .n_prompts = 4,
                                              .repetitions = 3,
                                              .repetitions_hot = 5,
                                              .n_gen = 4};
static struct config config = {.models = models, .n_models = 3, .prompts = prompts, .n_prompts = 4};
static const struct driver_class fake = {.engine = "fake"};
static const struct plan_engine engines[] = {{&fake, NULL, "fake"}, {&fake, NULL, "fake#2"}};

static struct plan_params make_params(const struct config_experiment *const *list)
{
    return (struct plan_params){.study = "s",
                                .experiments = list,
                                .n_experiments = 1,
                                .engines = engines,
                                .n_engines = 1,
                                .device_threads = 2,
                                .max_threads = 4,
                                .seed = 7};
}

static void setup(void)
{
    for (int i = 0; i < 3; i++) {
        models[i] = (struct config_model){.id = ids[i]};
    }
    for (int i = 0; i < 4; i++) {
        prompts[i] = (struct config_prompt){.id = prompt_ids[i]};
    }
}

static void every_cell_once_and_the_same_again(void **state)
{
    (void)state;
    const struct config_experiment *list[] = {&experiment};
    struct plan_params params = make_params(list);
    struct plan *plan = NULL, *again = NULL, *other = NULL;
    struct mscope_error err;
    assert_ok(plan_make(&plan, &config, &params, &err), &err);
    assert_ok(plan_make(&again, &config, &params, &err), &err);
    params.seed = 8;
    assert_ok(plan_make(&other, &config, &params, &err), &err);
    assert_int_equal(plan->n_cells, 3 * 4 * 5);
    assert_int_equal(plan->n_extra_cells, 3 * 4 * 2);
    assert_int_equal(plan->n_blocks, 3 * 5);
    bool differs = false;
    for (int i = 0; i < plan->n_cells; i++) {
        assert_string_equal(plan->cells[i].name, again->cells[i].name);
        assert_int_equal(plan->cells[i].order_index, i);
        differs = differs || strcmp(plan->cells[i].name, other->cells[i].name) != 0;
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(plan->cells[i].name, plan->cells[j].name);
        }
    }
    assert_true(differs);
    plan_close(&plan);
    plan_close(&again);
    plan_close(&other);
}

static void repetitions_interleave_all_models(void **state)
{
    (void)state;
    const struct config_experiment *list[] = {&experiment};
    struct plan_params params = make_params(list);
    params.n_engines = 2;
    struct plan *plan = NULL;
    struct mscope_error err;
    assert_ok(plan_make(&plan, &config, &params, &err), &err);
    for (int i = 0; i < plan->n_blocks; i++) {
        assert_int_equal(plan->blocks[i].repetition, i / 6 + 1);
        assert_int_equal(plan->blocks[i].is_extra, i / 6 + 1 > 3);
        assert_int_equal(plan->blocks[i].threads, 2);
        assert_int_equal(plan->blocks[i].n_cells, 4);
    }
    plan_close(&plan);
    params.by_model = true;
    assert_ok(plan_make(&plan, &config, &params, &err), &err);
    int n_changes = 0;
    for (int i = 1; i < plan->n_blocks; i++) {
        n_changes += plan->blocks[i].model != plan->blocks[i - 1].model;
    }
    assert_int_equal(n_changes, 2); /* each model in one stretch */
    plan_close(&plan);
}

static void threads_and_models_are_chosen(void **state)
{
    (void)state;
    struct config_experiment sweeping = experiment;
    sweeping.threads = sweep; /* 1 2 64 0: 64 is too many, 0 stands for the 2 that is there */
    sweeping.n_threads = 4;
    sweeping.repetitions_hot = 3;
    const struct config_experiment *list[] = {&sweeping};
    struct plan_params params = make_params(list);
    const char *only[] = {"b"};
    params.only_models = only;
    params.n_only_models = 1;
    struct plan *plan = NULL;
    struct mscope_error err;
    assert_ok(plan_make(&plan, &config, &params, &err), &err);
    assert_int_equal(plan->n_blocks, 2 * 3);
    assert_int_equal(plan->n_left_out, 1);
    for (int i = 0; i < plan->n_blocks; i++) {
        assert_string_equal(plan->blocks[i].model->id, "b");
    }
    plan_close(&plan);
    const int override[] = {3};
    params.threads = override;
    params.n_threads = 1;
    assert_ok(plan_make(&plan, &config, &params, &err), &err);
    assert_int_equal(plan->blocks[0].threads, 3);
    assert_non_null(strstr(plan->cells[0].name, "/t3/r1/fake"));
    plan_close(&plan);
    only[0] = "z";
    assert_int_equal(plan_make(&plan, &config, &params, &err), MSCOPE_ERR_ARGUMENT);
    assert_non_null(strstr(err.detail, "'z' is not known, expected one of a, b, c"));
}

static void lists_and_ranges(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int n, values[8];
    } good[] = {
        {"7", 1, {7}},
        {"1,2,8", 3, {1, 2, 8}},
        {"1-4", 4, {1, 2, 3, 4}},
        {"128-512+128", 4, {128, 256, 384, 512}},
        {"1-8*2", 4, {1, 2, 4, 8}},
        {"1-10*3,5", 4, {1, 3, 9, 5}},
        {"0", 1, {0}},
        {"3-3", 1, {3}},
    };
    int values[8], n;
    struct mscope_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(plan_parse_list(values, &n, 8, good[i].text, "-p", 0, 1000, &err), &err);
        assert_int_equal(n, good[i].n);
        assert_memory_equal(values, good[i].values, (size_t)n * sizeof *values);
    }
    const char *bad[] = {"",      ",",    "1,",  "1,,2", "-1",     "+1",    " 1",   "1 ",
                         "4-1",   "1001", "1-",  "1-2-", "0-8*2",  "1-8*1", "1-8*", "1-8+0",
                         "1-100", "1x",   "1.5", "0x10", "1-2000", "1-8+",  "a",    "99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (plan_parse_list(values, &n, 8, bad[i], "-p", 0, 1000, &err) == MSCOPE_OK) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(err.status, MSCOPE_ERR_ARGUMENT);
    }
}

int main(void)
{
    setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_once_and_the_same_again),
        cmocka_unit_test(repetitions_interleave_all_models),
        cmocka_unit_test(threads_and_models_are_chosen),
        cmocka_unit_test(lists_and_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
