/* SPDX-License-Identifier: MIT */
/* The table of a row's fields, and what sets, copies and clears them. */
#include "measure/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void clear_field(struct record *record, const struct record_field *field);
static enum mscope_status copy_field(struct record *to, const struct record *from,
                                     const struct record_field *field, struct mscope_error *err);
static enum mscope_status copy_bytes(void *to, const void *from, size_t n, size_t size,
                                     struct mscope_error *err);

#define FIELD(kind, name) {#name, RECORD_##kind, offsetof(struct record, name)},
const struct record_field record_fields[] = {RECORD_FIELDS(FIELD){0}};
#undef FIELD

const struct record_field *record_find_field(const char *name)
{
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

void record_init(struct record *record)
{
    memset(record, 0, sizeof *record); /* clear_field then finds no memory to release */
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        clear_field(record, field);
    }
    record->schema_version = RECORD_SCHEMA;
}

void record_free(struct record *record)
{
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        clear_field(record, field);
    }
    record->schema_version = RECORD_SCHEMA;
}

enum mscope_status record_copy(struct record *to, const struct record *from,
                               struct mscope_error *err)
{
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        clear_field(to, field);
        enum mscope_status status = copy_field(to, from, field, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    return MSCOPE_OK;
}

enum mscope_status record_set_text(char **field, const char *text, struct mscope_error *err)
{
    char *copy = NULL;
    if (text != NULL) {
        copy = strdup(text);
        if (copy == NULL) {
            return error_set_memory(err, "text of a row", strlen(text));
        }
    }
    free(*field);
    *field = copy;
    return MSCOPE_OK;
}

enum mscope_status record_set_reals(struct record_reals *field, const double *values, size_t n,
                                    struct mscope_error *err)
{
    double *copy = NULL;
    if (values != NULL) {
        enum mscope_status status = copy_bytes(&copy, values, n, sizeof *values, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    free(field->values);
    *field = (struct record_reals){.values = copy, .n = copy != NULL ? n : 0};
    return MSCOPE_OK;
}

enum mscope_status record_add_text(struct record_texts *field, const char *text,
                                   struct mscope_error *err)
{
    char **grown = realloc(field->values, (field->n + 1) * sizeof *grown);
    if (grown == NULL) {
        return error_set_memory(err, "texts of a row", (field->n + 1) * sizeof *grown);
    }
    field->values = grown;
    if (text == NULL) { /* makes the list present, and leaves it as it is */
        return MSCOPE_OK;
    }
    grown[field->n] = strdup(text);
    if (grown[field->n] == NULL) {
        return error_set_memory(err, "text of a row", strlen(text));
    }
    field->n++;
    return MSCOPE_OK;
}

double record_number(const struct record *record, const struct record_field *field)
{
    const char *at = (const char *)record + field->offset;
    if (field->kind == RECORD_REAL) {
        return *(const double *)at;
    }
    if (field->kind == RECORD_INT) {
        int64_t value = *(const int64_t *)at;
        return value == RECORD_NO_INT ? NAN : (double)value;
    }
    if (field->kind == RECORD_BOOL) {
        int value = *(const int *)at;
        return value == RECORD_NO_BOOL ? NAN : (double)value;
    }
    return NAN;
}

/* The measurements are the fields from `wall_ms` up to the condition of the machine. */
enum mscope_status record_fail(struct record *record, const char *status, const char *reason,
                               struct mscope_error *err)
{
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        if (field->offset >= offsetof(struct record, wall_ms) &&
            field->offset < offsetof(struct record, condition)) {
            clear_field(record, field);
        }
    }
    enum mscope_status result = record_set_text(&record->reason, reason, err);
    return result == MSCOPE_OK ? record_set_text(&record->status, status, err) : result;
}

enum mscope_status record_check(const struct record *record, struct mscope_error *err)
{
    const struct {
        const char *name, *value;
    } needed[] = {
        {"cell", record->cell},
        {"commit", record->commit},
        {"host_fingerprint", record->host_fingerprint},
        {"started_at", record->started_at},
        {"status", record->status},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].value == NULL || needed[i].value[0] == '\0') {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "row", "%s is missing, expected a text",
                             needed[i].name);
        }
    }
    static const char *const allowed[] = {"ok", "failed", "oom", "timeout", "skipped"};
    bool known = false;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        known = known || strcmp(record->status, allowed[i]) == 0;
    }
    if (!known) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "row",
                         "status '%s', expected ok, failed, oom, timeout or skipped",
                         record->status);
    }
    if (strcmp(record->status, "ok") != 0 &&
        (record->reason == NULL || record->reason[0] == '\0')) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "row", "status %s without a reason",
                         record->status);
    }
    return MSCOPE_OK;
}

static void clear_field(struct record *record, const struct record_field *field)
{
    char *at = (char *)record + field->offset;
    switch (field->kind) {
    case RECORD_TEXT:
        free(*(char **)at);
        *(char **)at = NULL;
        break;
    case RECORD_INT:
        *(int64_t *)at = RECORD_NO_INT;
        break;
    case RECORD_REAL:
        *(double *)at = NAN;
        break;
    case RECORD_BOOL:
        *(int *)at = RECORD_NO_BOOL;
        break;
    case RECORD_REALS:
        free(((struct record_reals *)at)->values);
        *(struct record_reals *)at = (struct record_reals){0};
        break;
    case RECORD_TEXTS: {
        struct record_texts *texts = (struct record_texts *)at;
        for (size_t i = 0; i < texts->n; i++) {
            free(texts->values[i]);
        }
        free(texts->values);
        *texts = (struct record_texts){0};
        break;
    }
    case RECORD_TABLE:
        free(((struct record_table *)at)->values);
        *(struct record_table *)at = (struct record_table){0};
        break;
    case RECORD_PHASES:
        ((struct record_phases *)at)->of[0] = RECORD_NO_INT;
        break;
    case RECORD_CLASSES:
        ((struct record_classes *)at)->of[0] = RECORD_NO_INT;
        break;
    }
}

static enum mscope_status copy_field(struct record *to, const struct record *from,
                                     const struct record_field *field, struct mscope_error *err)
{
    char *target = (char *)to + field->offset;
    const char *source = (const char *)from + field->offset;
    enum mscope_status status = MSCOPE_OK;
    switch (field->kind) {
    case RECORD_TEXT:
        return record_set_text((char **)target, *(char *const *)source, err);
    case RECORD_INT:
        memcpy(target, source, sizeof(int64_t));
        break;
    case RECORD_REAL:
        memcpy(target, source, sizeof(double));
        break;
    case RECORD_BOOL:
        memcpy(target, source, sizeof(int));
        break;
    case RECORD_REALS: {
        const struct record_reals *reals = (const struct record_reals *)source;
        return record_set_reals((struct record_reals *)target, reals->values, reals->n, err);
    }
    case RECORD_TEXTS: {
        const struct record_texts *texts = (const struct record_texts *)source;
        if (texts->values != NULL) {
            status = record_add_text((struct record_texts *)target, NULL, err);
        }
        for (size_t i = 0; i < texts->n && status == MSCOPE_OK; i++) {
            status = record_add_text((struct record_texts *)target, texts->values[i], err);
        }
        return status;
    }
    case RECORD_TABLE: {
        const struct record_table *table = (const struct record_table *)source;
        struct record_table copy = {.n_rows = table->n_rows, .n_cols = table->n_cols};
        if (table->values != NULL) {
            status = copy_bytes(&copy.values, table->values, table->n_rows * table->n_cols,
                                sizeof *table->values, err);
        }
        *(struct record_table *)target = status == MSCOPE_OK ? copy : (struct record_table){0};
        return status;
    }
    case RECORD_PHASES:
        memcpy(target, source, sizeof(struct record_phases));
        break;
    case RECORD_CLASSES:
        memcpy(target, source, sizeof(struct record_classes));
        break;
    }
    return MSCOPE_OK;
}

/* *(T **)to becomes a copy of n values of `size` bytes, never NULL. */
static enum mscope_status copy_bytes(void *to, const void *from, size_t n, size_t size,
                                     struct mscope_error *err)
{
    void *copy = calloc(n > 0 ? n : 1, size);
    if (copy == NULL) {
        return error_set_memory(err, "list of a row", n * size);
    }
    if (n > 0) {
        memcpy(copy, from, n * size);
    }
    memcpy(to, &copy, sizeof copy);
    return MSCOPE_OK;
}
