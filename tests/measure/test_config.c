/* SPDX-License-Identifier: MIT */
/* The shipped configuration is what the study promises; every mistake names file, line and what is
 * allowed. */
#include "measure/rows.h"

#include "measure/config.h"
#include "measure/plan.h"
#include "model/synth.h"

static const char good_models[] = "models:\n"
                                  "  - id: a\n"
                                  "    label: A\n"
                                  "    role: moe\n"
                                  "    file: a.gguf\n"
                                  "    quant: Q8_0\n"
                                  "    stand_in: {shape: tiny-olmoe, recipe: Q8_0, seed: 1}\n";
static const char good_prompts[] = "prompts:\n"
                                   "  - {id: p, category: qa, text: one two three}\n";
static const char good_devices[] = "devices:\n"
                                   "  - {id: b, label: B, match: Special CPU}\n"
                                   "  - {id: auto, label: this}\n";
static const char good_experiments[] =
    "experiments:\n"
    "  - {id: e, title: E, prompts: [p], repetitions: 2, n_gen: 8}\n";

static char folder[512];

static enum mscope_status load(const char *models, const char *prompts, const char *devices,
                               const char *experiments, struct config **config,
                               struct mscope_error *err)
{
    rows_write(folder, "models.yaml", models != NULL ? models : good_models);
    rows_write(folder, "prompts.yaml", prompts != NULL ? prompts : good_prompts);
    rows_write(folder, "devices.yaml", devices != NULL ? devices : good_devices);
    rows_write(folder, "experiments.yaml", experiments != NULL ? experiments : good_experiments);
    return config_load(config, folder, err);
}

static void expect(enum mscope_status status, const struct mscope_error *err, const char *part)
{
    char text[800];
    if (status == MSCOPE_OK) {
        fail_msg("accepted, expected '%s'", part);
    }
    mscope_error_text(err, text, sizeof text);
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' does not contain '%s'", text, part);
    }
}

static void small_configuration_loads(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct mscope_error err;
    assert_ok(load(NULL, NULL, NULL, NULL, &config, &err), &err);
    assert_int_equal(config->n_models, 1);
    assert_int_equal(config->models[0].role, CONFIG_MOE);
    assert_int_equal(config->models[0].stand_in->seed, 1);
    assert_int_equal(config->prompts[0].n_words, 3);
    assert_int_equal(config->experiments[0].repetitions_hot, 5);
    assert_near(config->experiments[0].cv_limit, 0.10, 1e-12);
    assert_string_equal(config_find_device(config, NULL, "A Special CPU 3000", &err)->id, "b");
    assert_string_equal(config_find_device(config, NULL, "another", &err)->id, "auto");
    assert_null(config_find_model(config, "x", &err));
    expect(MSCOPE_ERR_ARGUMENT, &err, "'x' is not known, expected one of a");
    char *path = config_model_path(&config->models[0], "m");
    assert_string_equal(path, "m/a/a.gguf");
    free(path);
    path = config_stand_in_path(&config->models[0], "m");
    assert_string_equal(path, "m/synthetic/tiny-olmoe-Q8_0-1.gguf");
    free(path);
    config_close(&config);
    assert_null(config);
}

static void mistakes_name_the_place(void **state)
{
    (void)state;
    const struct {
        int file; /* which of the four */
        const char *text, *line, *part;
    } cases[] = {
        {0, "models:\n  - id: a\n    label: A\n    rol: moe\n", "models.yaml:4",
         "Unexpected key: rol; allowed: id, label, role, repo, file, url, sha256"},
        {0, "models:\n  - id: a\n    label: A\n    role: moo\n", "models.yaml:4",
         "Invalid ENUM value: moo; allowed: moe, dense"},
        {0, "models:\n  - id: a\n    label: A\n", "models.yaml:3",
         "Missing required mapping field: role"},
        {0, "models: 3\n", "models.yaml:1", "allowed: a list"},
        {0, "models: [\n", "models.yaml:1", "did not find expected node"},
        {0, "", "models.yaml", "empty"},
        {0, "models:\n  - {id: a, label: A, role: moe, quant: Q, file: a, repo: x, bytes: -1}\n",
         "models.yaml", "bytes"},
        {0, "models:\n  - {id: a, label: A, role: moe, quant: Q, file: a}\n", "models.yaml",
         "neither repo, url nor stand_in"},
        {0, "models:\n  - {id: a, label: A, role: moe, quant: Q, file: a, repo: x, sha256: 12}\n",
         "models.yaml", "expected 64 hexadecimal digits"},
        {0, "models:\n  - {id: a/b, label: A, role: moe, quant: Q, file: a, repo: x}\n",
         "models.yaml", "model id 'a/b'"},
        {0, "models:\n  - {id: a, label: A, role: moe, quant: Q, file: ../a, repo: x}\n",
         "models.yaml", "expected a name without folders"},
        {1, "prompts:\n  - {id: p, category: chat, text: x}\n", "prompts.yaml:2",
         "allowed: qa, reasoning, coding, summarisation, instruction, long_context, sweep"},
        {1, "prompts:\n  - {id: p, category: qa}\n", "prompts.yaml", "neither text and file"},
        {1, "prompts:\n  - {id: p, category: qa, file: absent.txt}\n", "absent.txt", "open"},
        {1, "prompts:\n  - {id: p, category: qa, text: x}\n  - {id: p, category: qa, text: y}\n",
         "prompts.yaml", "prompt id 'p' twice"},
        {2, "devices:\n  - {id: auto, label: x, threads: many}\n", "devices.yaml:2", "threads"},
        {2, "devices:\n  - {id: auto, label: x, energy: solar}\n", "devices.yaml:2",
         "allowed: auto, rapl, nvml, ina3221, tegrastats, battery, none"},
        {3, "experiments:\n  - {id: e, title: E, prompts: [q], repetitions: 1, n_gen: 1}\n",
         "experiment e: prompt", "'q' is not known, expected one of p"},
        {3,
         "experiments:\n  - {id: e, title: E, models: [z], prompts: [p], repetitions: 1, n_gen: "
         "1}\n",
         "experiment e: model", "'z' is not known, expected one of a"},
        {3, "experiments:\n  - {id: e, title: E, prompts: [p], repetitions: 0, n_gen: 1}\n",
         "experiments.yaml", "repetitions is 0, expected 1 to 1000"},
        {3, "experiments:\n  - {id: e, title: E, prompts: [p, p], repetitions: 1, n_gen: 1}\n",
         "experiments.yaml", "prompt p twice"},
        {3,
         "experiments:\n  - {id: e, title: E, prompts: [p], repetitions: 1, n_gen: 1, in_full: "
         "[1]}\n",
         "experiments.yaml:2", "in_full: Expecting"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *texts[4] = {NULL, NULL, NULL, NULL};
        texts[cases[i].file] = cases[i].text;
        struct config *config = NULL;
        struct mscope_error err = {0};
        enum mscope_status status = load(texts[0], texts[1], texts[2], texts[3], &config, &err);
        expect(status, &err, cases[i].line);
        expect(status, &err, cases[i].part);
        assert_null(config);
    }
}

static void an_absent_folder_is_an_error(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct mscope_error err;
    expect(config_load(&config, "/no/such/folder", &err), &err, "/no/such/folder/models.yaml");
}

static int count(const struct config *config, enum config_category category)
{
    int n = 0;
    for (unsigned i = 0; i < config->n_prompts; i++) {
        n += config->prompts[i].category == category;
    }
    return n;
}

static void shipped_configuration_is_as_promised(void **state)
{
    (void)state;
    const char *source = getenv("MSCOPE_SOURCE");
    if (source == NULL) {
        skip();
    }
    char path[600];
    snprintf(path, sizeof path, "%s/configs", source);
    struct config *config = NULL;
    struct mscope_error err;
    assert_ok(config_load(&config, path, &err), &err);
    assert_int_equal(config->n_models, 4);
    for (unsigned i = 0; i < config->n_models; i++) {
        struct synth_description shape;
        assert_ok(synth_describe(&shape, config->models[i].stand_in->shape,
                                 config->models[i].stand_in->recipe, &err),
                  &err);
    }
    for (int category = CONFIG_QA; category <= CONFIG_LONG_CONTEXT; category++) {
        assert_int_equal(count(config, (enum config_category)category), 2);
    }
    for (unsigned i = 0; i < config->n_prompts; i++) {
        const struct config_prompt *prompt = &config->prompts[i];
        const int ranges[][2] = {{1, 500}, {50, 100}, {300, 500}, {1000, 1500}};
        assert_in_range(prompt->n_words, ranges[prompt->stratum][0], ranges[prompt->stratum][1]);
    }
    const struct config_experiment *first =
        config_find_experiment(config, "experiment_1_efficiency", &err);
    assert_non_null(first);
    assert_int_equal(first->n_prompts, 12);
    assert_int_equal(first->repetitions, 3);
    assert_int_equal(first->n_gen, 256);
    assert_null(first->models); /* all four */
    assert_non_null(config_find_experiment(config, "experiment_2_sequence_length", &err));
    assert_non_null(config_find_experiment(config, "thread_sweep", &err));
    assert_non_null(config_find_experiment(config, "router_breakdown", &err));
    assert_non_null(config_find_experiment(config, "smoke", &err));
    assert_non_null(config_find_experiment(config, "quick", &err));
    config_close(&config);
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", rows_folder());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_configuration_loads),
        cmocka_unit_test(mistakes_name_the_place),
        cmocka_unit_test(an_absent_folder_is_an_error),
        cmocka_unit_test(shipped_configuration_is_as_promised),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rows_remove(folder);
    return failed;
}
