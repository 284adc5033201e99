/* SPDX-License-Identifier: MIT */
/* Shared by the files of the configuration: the four documents and their schemas. */
#ifndef MEASURE_CONFIG_INTERNAL_H
#define MEASURE_CONFIG_INTERNAL_H

#include "measure/config.h"
#include "measure/config_yaml.h"

enum { CONFIG_N_PARTS = 4 };

struct config_document { /* each file has one list at the top */
    union {
        struct config_model *models;
        struct config_prompt *prompts;
        struct config_device *devices;
        struct config_experiment *experiments;
    } items;
    unsigned n;
};

struct config_part {
    const char *file;
    cyaml_schema_value_t schema;
};
extern const struct config_part config_parts[CONFIG_N_PARTS]; /* in the order of struct config */

/* Defaults, prompt texts, and that ids are unique and known, numbers in range. */
enum mscope_status config_check_models(struct config *config, const char *path,
                                       struct mscope_error *err);
enum mscope_status config_check_prompts(struct config *config, const char *folder, const char *path,
                                        struct mscope_error *err);
enum mscope_status config_check_devices(struct config *config, const char *path,
                                        struct mscope_error *err);
enum mscope_status config_check_experiments(struct config *config, const char *path,
                                            struct mscope_error *err);

#endif
