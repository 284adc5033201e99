/* SPDX-License-Identifier: MIT */
/* One YAML file to structs by a libcyaml schema; errors in one line with file, line and what is
 * allowed. Internal to the configuration. One thread. */
#ifndef MEASURE_CONFIG_YAML_H
#define MEASURE_CONFIG_YAML_H

#include "base/error.h"

#include <cyaml/cyaml.h>

/* *out is released by config_yaml_free with the same schema. */
enum mscope_status config_yaml_load(void **out, const char *path,
                                    const cyaml_schema_value_t *schema, struct mscope_error *err);
void config_yaml_free(void **document, const cyaml_schema_value_t *schema);

/* A whole text file, terminated; caller frees. */
enum mscope_status config_read_file(char **out, size_t *n_bytes, const char *path,
                                    struct mscope_error *err);

#endif
