/* SPDX-License-Identifier: MIT */
/* What the four YAML files may say: libcyaml schemas of the structs in config.h. */
#include "measure/config_internal.h"

static const cyaml_strval_t roles[] = {{"moe", CONFIG_MOE}, {"dense", CONFIG_DENSE}};
static const cyaml_strval_t categories[] = {
    {"qa", CONFIG_QA},
    {"reasoning", CONFIG_REASONING},
    {"coding", CONFIG_CODING},
    {"summarisation", CONFIG_SUMMARISATION},
    {"instruction", CONFIG_INSTRUCTION},
    {"long_context", CONFIG_LONG_CONTEXT},
    {"sweep", CONFIG_SWEEP},
};
static const cyaml_strval_t strata[] = {
    {"none", CONFIG_NO_STRATUM},
    {"short", CONFIG_SHORT},
    {"medium", CONFIG_MEDIUM},
    {"long", CONFIG_LONG},
};
static const cyaml_strval_t energies[] = {
    {"auto", CONFIG_ENERGY_AUTO},
    {"rapl", CONFIG_ENERGY_RAPL},
    {"nvml", CONFIG_ENERGY_NVML},
    {"ina3221", CONFIG_ENERGY_INA3221},
    {"tegrastats", CONFIG_ENERGY_TEGRASTATS},
    {"battery", CONFIG_ENERGY_BATTERY},
    {"none", CONFIG_ENERGY_NONE},
};

#define MUST CYAML_FLAG_STRICT
#define MAY  (CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL)
#define P    CYAML_FLAG_POINTER
#define N(a) CYAML_ARRAY_LEN(a)
#define TEXT(key, flags, type, member)                                                             \
    CYAML_FIELD_STRING_PTR(key, (flags) | P, struct type, member, 1, CYAML_UNLIMITED)

static const cyaml_schema_field_t stand_in_fields[] = {
    TEXT("shape", MUST, config_stand_in, shape),
    TEXT("recipe", MUST, config_stand_in, recipe),
    CYAML_FIELD_UINT("seed", MAY, struct config_stand_in, seed),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t model_fields[] = {
    TEXT("id", MUST, config_model, id),
    TEXT("label", MUST, config_model, label),
    CYAML_FIELD_ENUM("role", MUST, struct config_model, role, roles, N(roles)),
    TEXT("repo", MAY, config_model, repo),
    TEXT("file", MUST, config_model, file),
    TEXT("url", MAY, config_model, url),
    TEXT("sha256", MAY, config_model, sha256),
    CYAML_FIELD_UINT("bytes", MAY, struct config_model, bytes),
    TEXT("quant", MUST, config_model, quant),
    CYAML_FIELD_MAPPING_PTR("stand_in", MAY | P, struct config_model, stand_in, stand_in_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t prompt_fields[] = {
    TEXT("id", MUST, config_prompt, id),
    CYAML_FIELD_ENUM("category", MUST, struct config_prompt, category, categories, N(categories)),
    CYAML_FIELD_ENUM("stratum", MAY, struct config_prompt, stratum, strata, N(strata)),
    TEXT("text", MAY, config_prompt, text),
    TEXT("file", MAY, config_prompt, file),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t device_fields[] = {
    TEXT("id", MUST, config_device, id),
    TEXT("label", MUST, config_device, label),
    TEXT("match", MAY, config_device, match),
    CYAML_FIELD_INT("threads", MAY, struct config_device, threads),
    CYAML_FIELD_ENUM("energy", MAY, struct config_device, energy, energies, N(energies)),
    CYAML_FIELD_FLOAT("cooldown_s", MAY, struct config_device, cooldown_s),
    CYAML_FIELD_FLOAT("temp_limit_c", MAY, struct config_device, temp_limit_c),
    TEXT("notes", MAY, config_device, notes),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(P | MUST, char, 1, CYAML_UNLIMITED),
};
static const cyaml_schema_value_t int_entry = {CYAML_VALUE_INT(MUST, int)};

static const cyaml_schema_field_t experiment_fields[] = {
    TEXT("id", MUST, config_experiment, id),
    TEXT("title", MUST, config_experiment, title),
    CYAML_FIELD_SEQUENCE_COUNT("models", MAY | P, struct config_experiment, models, n_models,
                               &text_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE_COUNT("prompts", MUST | P, struct config_experiment, prompts, n_prompts,
                               &text_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE_COUNT("threads", MAY | P, struct config_experiment, threads, n_threads,
                               &int_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_INT("repetitions", MUST, struct config_experiment, repetitions),
    CYAML_FIELD_INT("repetitions_hot", MAY, struct config_experiment, repetitions_hot),
    CYAML_FIELD_INT("n_gen", MUST, struct config_experiment, n_gen),
    CYAML_FIELD_INT("warmup_max", MAY, struct config_experiment, warmup_max),
    CYAML_FIELD_FLOAT("warmup_spread", MAY, struct config_experiment, warmup_spread),
    CYAML_FIELD_FLOAT("cv_limit", MAY, struct config_experiment, cv_limit),
    CYAML_FIELD_FLOAT("timeout_s", MAY, struct config_experiment, timeout_s),
    CYAML_FIELD_FLOAT("cooldown_s", MAY, struct config_experiment, cooldown_s),
    CYAML_FIELD_BOOL("histogram", MAY, struct config_experiment, histogram),
    CYAML_FIELD_BOOL("probe_overhead", MAY, struct config_experiment, probe_overhead),
    CYAML_FIELD_BOOL("in_full", MAY, struct config_experiment, in_full),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t model_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_model, model_fields)};
static const cyaml_schema_value_t prompt_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_prompt, prompt_fields)};
static const cyaml_schema_value_t device_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_device, device_fields)};
static const cyaml_schema_value_t experiment_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_experiment, experiment_fields)};

static const cyaml_schema_field_t models_top[] = {
    CYAML_FIELD_SEQUENCE_COUNT("models", P, struct config_document, items.models, n, &model_entry,
                               1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t prompts_top[] = {
    CYAML_FIELD_SEQUENCE_COUNT("prompts", P, struct config_document, items.prompts, n,
                               &prompt_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t devices_top[] = {
    CYAML_FIELD_SEQUENCE_COUNT("devices", P, struct config_document, items.devices, n,
                               &device_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t experiments_top[] = {
    CYAML_FIELD_SEQUENCE_COUNT("experiments", P, struct config_document, items.experiments, n,
                               &experiment_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

const struct config_part config_parts[CONFIG_N_PARTS] = {
    {"models.yaml", {CYAML_VALUE_MAPPING(P, struct config_document, models_top)}},
    {"prompts.yaml", {CYAML_VALUE_MAPPING(P, struct config_document, prompts_top)}},
    {"devices.yaml", {CYAML_VALUE_MAPPING(P, struct config_document, devices_top)}},
    {"experiments.yaml", {CYAML_VALUE_MAPPING(P, struct config_document, experiments_top)}},
};

static const char *name_of(const cyaml_strval_t *names, size_t n, int64_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].val == value) {
            return names[i].str;
        }
    }
    return "unknown";
}

const char *config_role_name(enum config_role role)
{
    return name_of(roles, N(roles), role);
}

const char *config_category_name(enum config_category category)
{
    return name_of(categories, N(categories), category);
}

const char *config_stratum_name(enum config_stratum stratum)
{
    return stratum != CONFIG_NO_STRATUM ? name_of(strata, N(strata), stratum) : NULL;
}

const char *config_energy_name(enum config_energy energy)
{
    return name_of(energies, N(energies), energy);
}
