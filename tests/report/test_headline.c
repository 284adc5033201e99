/* SPDX-License-Identifier: MIT */
/* The answer in a sentence: it says what the intervals say, and no more. */
#include "report/read.h"

enum { N_REPETITIONS = 3 };

/* The first line of the report on `n_prompts` prompts, the MoE model at `factor` of its rate. */
static void expect(int n_prompts, double factor, unsigned models, const char *answer)
{
    struct rows_file file;
    rows_open(&file);
    for (int m = 0; m < ROWS_N_MODELS; m++) {
        for (int i = 0; i < n_prompts * N_REPETITIONS; i++) {
            char prompt[16];
            struct rows_run run = {&rows_models[m],
                                   "experiment_1_efficiency",
                                   rows_prompt(prompt, i / N_REPETITIONS),
                                   NULL,
                                   100,
                                   2,
                                   1 + i % N_REPETITIONS,
                                   rows_factor(i / N_REPETITIONS, 1 + i % N_REPETITIONS)};
            run.factor *= m == ROWS_OLMOE ? factor * (1 + 0.001 * (i % 5)) : 1;
            if ((models >> m & 1) != 0 && (n_prompts > 1 || i == 0)) {
                rows_add(&file, &run, false);
            }
        }
    }
    struct report *report = rows_report(&file, NULL);
    const char *text = report_text(report);
    if (strncmp(text, answer, strlen(answer)) != 0) {
        fail_msg("expected '%s', got '%.300s'", answer, text);
    }
    report_close(&report);
    rows_remove(&file);
}

#define ALL    ((1u << ROWS_N_MODELS) - 1)
#define ACTIVE "a dense model with about as many active parameters"
#define MEMORY "the dense one nearest to it in memory, at 4.9 and 2.4 times their memory.\n"

static void both_axes_decide(void **state)
{
    (void)state;
    expect(4, 2, ALL,
           "Yes, for speed: on this machine the MoE model generates faster than " ACTIVE
           ", and faster than " MEMORY);
    expect(4, 1, ALL,
           "It depends on what it is held against: on this machine the MoE model "
           "generates more slowly than " ACTIVE ", but faster than " MEMORY);
    expect(4, 0.3, ALL,
           "No: on this machine the MoE model generates more slowly than " ACTIVE
           ", and more slowly than " MEMORY);
}

static void a_ratio_across_one_is_neither(void **state)
{
    (void)state;
    expect(4, 17 / 14.0 / 1.002, ALL,
           "It depends on what it is held against: on this machine the MoE model generates neither "
           "faster nor more slowly than " ACTIVE ", but faster than " MEMORY);
}

static void what_was_not_measured_is_open(void **state)
{
    (void)state;
    expect(1, 1, ALL, "Whether MoE helps here is open: too few runs for an interval.\n");
    expect(4, 1, 1u << ROWS_OLMOE,
           "Whether MoE helps here is open: no dense model was measured beside it.\n");
    expect(4, 1, ALL & ~(1u << ROWS_OLMOE), "No MoE model was measured");
    expect(4, 1, 1u << ROWS_OLMOE | 1u << ROWS_GEMMA, "Only one axis was measured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_axes_decide),
        cmocka_unit_test(a_ratio_across_one_is_neither),
        cmocka_unit_test(what_was_not_measured_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
