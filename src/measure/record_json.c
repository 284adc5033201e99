/* SPDX-License-Identifier: MIT */
/* A row as JSON and back, by the table of fields. */
#include "measure/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLE_VALUES = 1 << 22 };

static json_t *field_to_json(const struct record *record, const struct record_field *field);
static json_t *named_to_json(const int64_t *values, int n, bool is_phases);
static json_t *real_to_json(double value);
static enum mscope_status field_from_json(struct record *record, const struct record_field *field,
                                          const json_t *value, struct mscope_error *err);
static enum mscope_status reals_from_json(struct record_reals *out, const json_t *value,
                                          const char *name, struct mscope_error *err);
static enum mscope_status texts_from_json(struct record_texts *out, const json_t *value,
                                          const char *name, struct mscope_error *err);
static enum mscope_status table_from_json(struct record_table *out, const json_t *value,
                                          const char *name, struct mscope_error *err);
static enum mscope_status named_from_json(int64_t *values, int n, bool is_phases,
                                          const json_t *value, const char *name,
                                          struct mscope_error *err);
static enum mscope_status wrong_type(const char *name, const char *expected, const json_t *value,
                                     struct mscope_error *err);

json_t *record_to_json(const struct record *record)
{
    json_t *json = json_object();
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        json_t *value = field_to_json(record, field);
        if (json_object_set_new(json, field->name, value) != 0) { /* also when value is NULL */
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

enum mscope_status record_from_json(struct record *record, const json_t *json,
                                    struct mscope_error *err)
{
    record_free(record);
    if (!json_is_object(json)) {
        return wrong_type("row", "an object", json, err);
    }
    const json_t *version = json_object_get(json, "schema_version");
    if (!json_is_integer(version)) {
        return wrong_type("schema_version", "an integer", version, err);
    }
    if (json_integer_value(version) != RECORD_SCHEMA) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "row", "schema version %lld, expected %d",
                         (long long)json_integer_value(version), RECORD_SCHEMA);
    }
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        const json_t *value = json_object_get(json, field->name);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        enum mscope_status status = field_from_json(record, field, value, err);
        if (status != MSCOPE_OK) {
            record_free(record);
            return status;
        }
    }
    return MSCOPE_OK;
}

enum mscope_status record_from_line(struct record *record, const char *line, size_t n_bytes,
                                    struct mscope_error *err)
{
    json_error_t problem;
    record_free(record);
    json_t *json = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL) {
        return error_set(err, MSCOPE_ERR_FORMAT, "row", "no JSON object: %s at byte %d",
                         problem.text, problem.position);
    }
    enum mscope_status status = record_from_json(record, json, err);
    json_decref(json);
    return status;
}

static json_t *field_to_json(const struct record *record, const struct record_field *field)
{
    const char *at = (const char *)record + field->offset;
    switch (field->kind) {
    case RECORD_TEXT: {
        const char *text = *(char *const *)at;
        if (text == NULL) {
            return json_null();
        }
        json_t *json = json_string(text);
        return json != NULL ? json : json_string("(not UTF-8)");
    }
    case RECORD_INT: {
        int64_t value = *(const int64_t *)at;
        return value == RECORD_NO_INT ? json_null() : json_integer(value);
    }
    case RECORD_REAL:
        return real_to_json(*(const double *)at);
    case RECORD_BOOL: {
        int value = *(const int *)at;
        return value == RECORD_NO_BOOL ? json_null() : json_boolean(value != 0);
    }
    case RECORD_REALS: {
        const struct record_reals *reals = (const struct record_reals *)at;
        json_t *list = reals->values != NULL ? json_array() : json_null();
        for (size_t i = 0; i < reals->n; i++) {
            json_array_append_new(list, real_to_json(reals->values[i]));
        }
        return list;
    }
    case RECORD_TEXTS: {
        const struct record_texts *texts = (const struct record_texts *)at;
        json_t *list = texts->values != NULL ? json_array() : json_null();
        for (size_t i = 0; i < texts->n; i++) {
            json_t *text = json_string(texts->values[i]);
            json_array_append_new(list, text != NULL ? text : json_string("(not UTF-8)"));
        }
        return list;
    }
    case RECORD_TABLE: {
        const struct record_table *table = (const struct record_table *)at;
        json_t *list = table->values != NULL ? json_array() : json_null();
        for (size_t i = 0; table->values != NULL && i < table->n_rows; i++) {
            json_t *row = json_array();
            for (size_t j = 0; j < table->n_cols; j++) {
                json_array_append_new(row, json_integer(table->values[i * table->n_cols + j]));
            }
            json_array_append_new(list, row);
        }
        return list;
    }
    case RECORD_PHASES:
        return named_to_json(((const struct record_phases *)at)->of, MSCOPE_N_PHASE, true);
    case RECORD_CLASSES:
        return named_to_json(((const struct record_classes *)at)->of, MSCOPE_N_CLASS, false);
    }
    return json_null();
}

static json_t *named_to_json(const int64_t *values, int n, bool is_phases)
{
    if (values[0] == RECORD_NO_INT) {
        return json_null();
    }
    json_t *object = json_object();
    for (int i = 0; i < n; i++) {
        const char *name = is_phases ? mscope_phase_name((enum mscope_phase)i)
                                     : mscope_class_name((enum mscope_class)i);
        json_object_set_new(object, name, json_integer(values[i]));
    }
    return object;
}

static json_t *real_to_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static enum mscope_status field_from_json(struct record *record, const struct record_field *field,
                                          const json_t *value, struct mscope_error *err)
{
    char *at = (char *)record + field->offset;
    switch (field->kind) {
    case RECORD_TEXT:
        return json_is_string(value) ? record_set_text((char **)at, json_string_value(value), err)
                                     : wrong_type(field->name, "a text", value, err);
    case RECORD_INT:
        if (!json_is_integer(value)) {
            return wrong_type(field->name, "an integer", value, err);
        }
        *(int64_t *)at = json_integer_value(value);
        return MSCOPE_OK;
    case RECORD_REAL:
        if (!json_is_number(value)) {
            return wrong_type(field->name, "a number", value, err);
        }
        *(double *)at = json_number_value(value);
        return MSCOPE_OK;
    case RECORD_BOOL:
        if (!json_is_boolean(value)) {
            return wrong_type(field->name, "true or false", value, err);
        }
        *(int *)at = json_is_true(value) ? 1 : 0;
        return MSCOPE_OK;
    case RECORD_REALS:
        return reals_from_json((struct record_reals *)at, value, field->name, err);
    case RECORD_TEXTS:
        return texts_from_json((struct record_texts *)at, value, field->name, err);
    case RECORD_TABLE:
        return table_from_json((struct record_table *)at, value, field->name, err);
    case RECORD_PHASES:
        return named_from_json(((struct record_phases *)at)->of, MSCOPE_N_PHASE, true, value,
                               field->name, err);
    case RECORD_CLASSES:
        return named_from_json(((struct record_classes *)at)->of, MSCOPE_N_CLASS, false, value,
                               field->name, err);
    }
    return MSCOPE_OK;
}

static enum mscope_status reals_from_json(struct record_reals *out, const json_t *value,
                                          const char *name, struct mscope_error *err)
{
    if (!json_is_array(value)) {
        return wrong_type(name, "a list of numbers", value, err);
    }
    size_t n = json_array_size(value);
    out->values = calloc(n > 0 ? n : 1, sizeof *out->values);
    if (out->values == NULL) {
        return error_set_memory(err, "list of a row", n * sizeof *out->values);
    }
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_number(item) && !json_is_null(item)) {
            return wrong_type(name, "a list of numbers", item, err);
        }
        out->values[i] = json_is_null(item) ? NAN : json_number_value(item);
    }
    return MSCOPE_OK;
}

static enum mscope_status texts_from_json(struct record_texts *out, const json_t *value,
                                          const char *name, struct mscope_error *err)
{
    if (!json_is_array(value)) {
        return wrong_type(name, "a list of texts", value, err);
    }
    enum mscope_status status = record_add_text(out, NULL, err);
    for (size_t i = 0; i < json_array_size(value) && status == MSCOPE_OK; i++) {
        const json_t *item = json_array_get(value, i);
        status = json_is_string(item) ? record_add_text(out, json_string_value(item), err)
                                      : wrong_type(name, "a list of texts", item, err);
    }
    return status;
}

static enum mscope_status table_from_json(struct record_table *out, const json_t *value,
                                          const char *name, struct mscope_error *err)
{
    static const char *const expected = "a list of lists of integers, all of one length";
    if (!json_is_array(value)) {
        return wrong_type(name, expected, value, err);
    }
    size_t n_rows = json_array_size(value);
    size_t n_cols = n_rows > 0 ? json_array_size(json_array_get(value, 0)) : 0;
    if (n_cols > 0 && n_rows > MAX_TABLE_VALUES / n_cols) {
        return error_set(err, MSCOPE_ERR_FORMAT, "row",
                         "%s has %zu x %zu values, expected at most %d", name, n_rows, n_cols,
                         MAX_TABLE_VALUES);
    }
    out->values = calloc(n_rows * n_cols > 0 ? n_rows * n_cols : 1, sizeof *out->values);
    if (out->values == NULL) {
        return error_set_memory(err, "table of a row", n_rows * n_cols * sizeof *out->values);
    }
    out->n_rows = n_rows;
    out->n_cols = n_cols;
    for (size_t i = 0; i < n_rows; i++) {
        const json_t *row = json_array_get(value, i);
        if (!json_is_array(row) || json_array_size(row) != n_cols) {
            return wrong_type(name, expected, row, err);
        }
        for (size_t j = 0; j < n_cols; j++) {
            const json_t *item = json_array_get(row, j);
            if (!json_is_integer(item)) {
                return wrong_type(name, expected, item, err);
            }
            out->values[i * n_cols + j] = json_integer_value(item);
        }
    }
    return MSCOPE_OK;
}

/* A key that is absent is zero: a later version may add phases, an earlier one lacked some. */
static enum mscope_status named_from_json(int64_t *values, int n, bool is_phases,
                                          const json_t *value, const char *name,
                                          struct mscope_error *err)
{
    if (!json_is_object(value)) {
        return wrong_type(name, "an object of integers", value, err);
    }
    for (int i = 0; i < n; i++) {
        const char *key = is_phases ? mscope_phase_name((enum mscope_phase)i)
                                    : mscope_class_name((enum mscope_class)i);
        const json_t *item = json_object_get(value, key);
        if (item != NULL && !json_is_integer(item)) {
            return wrong_type(name, "an object of integers", item, err);
        }
        values[i] = item != NULL ? json_integer_value(item) : 0;
    }
    return MSCOPE_OK;
}

static enum mscope_status wrong_type(const char *name, const char *expected, const json_t *value,
                                     struct mscope_error *err)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    const char *actual = value != NULL ? names[json_typeof(value)] : "nothing";
    return error_set(err, MSCOPE_ERR_FORMAT, "row", "%s is %s, expected %s", name, actual,
                     expected);
}
