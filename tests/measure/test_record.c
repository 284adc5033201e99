/* SPDX-License-Identifier: MIT */
/* A row keeps everything through JSON, null included, and refuses what it must refuse. */
#include "measure/rows.h"

#include <math.h>

static void fill_every_field(struct record *record)
{
    struct mscope_error err;
    int k = 0;
    for (const struct record_field *field = record_fields; field->name != NULL; field++, k++) {
        char *at = (char *)record + field->offset;
        switch (field->kind) {
        case RECORD_TEXT: {
            char text[32];
            snprintf(text, sizeof text, "text \"%d\" \xc3\xa9", k);
            assert_ok(record_set_text((char **)at, text, &err), &err);
            break;
        }
        case RECORD_INT:
            *(int64_t *)at = (int64_t)1 << (k % 60);
            break;
        case RECORD_REAL:
            *(double *)at = k + 0.125;
            break;
        case RECORD_BOOL:
            *(int *)at = k % 2;
            break;
        case RECORD_REALS: {
            const double values[] = {k, NAN, 0.5};
            assert_ok(record_set_reals((struct record_reals *)at, values, 3, &err), &err);
            break;
        }
        case RECORD_TEXTS:
            assert_ok(record_add_text((struct record_texts *)at, "one", &err), &err);
            assert_ok(record_add_text((struct record_texts *)at, "", &err), &err);
            break;
        case RECORD_TABLE: {
            struct record_table *table = (struct record_table *)at;
            table->values = calloc(6, sizeof *table->values);
            assert_non_null(table->values);
            table->n_rows = 2;
            table->n_cols = 3;
            table->values[4] = k;
            break;
        }
        case RECORD_PHASES:
            for (int i = 0; i < MSCOPE_N_PHASE; i++) {
                ((struct record_phases *)at)->of[i] = k + i;
            }
            break;
        case RECORD_CLASSES:
            for (int i = 0; i < MSCOPE_N_CLASS; i++) {
                ((struct record_classes *)at)->of[i] = k + i;
            }
            break;
        }
    }
    record->schema_version = RECORD_SCHEMA;
}

static char *dump(const struct record *record)
{
    json_t *json = record_to_json(record);
    assert_non_null(json);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    assert_non_null(text);
    return text;
}

static void all_fields_survive_json(void **state)
{
    (void)state;
    struct record record, again, copy;
    struct mscope_error err;
    record_init(&record);
    record_init(&again);
    record_init(&copy);
    fill_every_field(&record);
    char *first = dump(&record);
    assert_ok(record_from_line(&again, first, strlen(first), &err), &err);
    char *second = dump(&again);
    assert_string_equal(first, second);
    assert_ok(record_copy(&copy, &again, &err), &err);
    char *third = dump(&copy);
    assert_string_equal(first, third);
    free(first);
    free(second);
    free(third);
    record_free(&record);
    record_free(&again);
    record_free(&copy);
}

static void null_stays_null(void **state)
{
    (void)state;
    struct record record, again;
    struct mscope_error err;
    record_init(&record);
    record_init(&again);
    char *text = dump(&record);
    json_t *json = json_loads(text, 0, NULL);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        assert_true(json_is_null(value) || strcmp(key, "schema_version") == 0);
    }
    json_decref(json);
    assert_ok(record_from_line(&again, text, strlen(text), &err), &err);
    assert_null(again.cell);
    assert_true(isnan(again.decode_tps));
    assert_true(again.model_bytes == RECORD_NO_INT);
    assert_int_equal(again.synthetic, RECORD_NO_BOOL);
    assert_null(again.token_ms.values);
    assert_true(isnan(record_number(&again, record_find_field("model_bytes"))));
    assert_null(record_find_field("no_such_field"));
    free(text);
}

static void wrong_values_name_the_field(void **state)
{
    (void)state;
    const struct {
        const char *line, *part;
        enum mscope_status status;
    } cases[] = {
        {"", "no JSON", MSCOPE_ERR_FORMAT},
        {"[]", "a list, expected an object", MSCOPE_ERR_FORMAT},
        {"{}", "schema_version is nothing", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":2}", "version 2, expected 1", MSCOPE_ERR_UNSUPPORTED},
        {"{\"schema_version\":1,\"threads\":\"2\"}", "threads is a text", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"cell\":7}", "cell is an integer", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"synthetic\":0}", "synthetic", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"decode_tps\":true}", "decode_tps is true", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"token_ms\":[1,\"x\"]}", "token_ms", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"energy_flags\":[1]}", "energy_flags", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"routing_histogram\":[[1],[2,3]]}", "routing_histogram",
         MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"decode_phase_ns\":{\"kv\":0.5}}", "decode_phase_ns",
         MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"a\":1,\"a\":2}", "duplicate", MSCOPE_ERR_FORMAT},
        {"{\"schema_version\":1,\"decode_tps\":1e999}", "no JSON", MSCOPE_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record record;
        struct mscope_error err = {0};
        record_init(&record);
        assert_int_equal(record_from_line(&record, cases[i].line, strlen(cases[i].line), &err),
                         cases[i].status);
        if (strstr(err.detail, cases[i].part) == NULL) {
            fail_msg("'%s' does not contain '%s'", err.detail, cases[i].part);
        }
        record_free(&record);
    }
}

static void unknown_keys_are_ignored(void **state)
{
    (void)state;
    const char *line = "{\"schema_version\":1,\"threads\":3,\"of_a_later_version\":{\"a\":[1]}}";
    struct record record;
    struct mscope_error err;
    record_init(&record);
    assert_ok(record_from_line(&record, line, strlen(line), &err), &err);
    assert_int_equal(record.threads, 3);
    record_free(&record);
}

static void rows_without_provenance_are_refused(void **state)
{
    (void)state;
    struct record record;
    struct mscope_error err;
    rows_make(&record, "a/b");
    assert_ok(record_check(&record, &err), &err);
    char **needed[] = {&record.cell, &record.commit, &record.host_fingerprint, &record.started_at,
                       &record.status};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        char *kept = *needed[i];
        *needed[i] = NULL;
        assert_int_equal(record_check(&record, &err), MSCOPE_ERR_ARGUMENT);
        *needed[i] = kept;
    }
    assert_ok(record_set_text(&record.status, "failed", &err), &err);
    assert_int_equal(record_check(&record, &err), MSCOPE_ERR_ARGUMENT); /* no reason */
    assert_ok(record_set_text(&record.reason, "because", &err), &err);
    assert_ok(record_check(&record, &err), &err);
    assert_ok(record_set_text(&record.status, "fine", &err), &err);
    assert_int_equal(record_check(&record, &err), MSCOPE_ERR_ARGUMENT);
    record_free(&record);
}

static void failing_takes_measurements_away(void **state)
{
    (void)state;
    struct record record;
    struct mscope_error err;
    rows_make(&record, "a/b");
    record.decode_tps = 12;
    record.peak_rss_bytes = 5;
    record.threads = 2;
    record.load1 = 0.5;
    assert_ok(record_fail(&record, "timeout", "too slow", &err), &err);
    assert_true(isnan(record.decode_tps) && record.peak_rss_bytes == RECORD_NO_INT);
    assert_int_equal(record.threads, 2);
    assert_near(record.load1, 0.5, 0); /* the condition of the machine stays */
    assert_string_equal(record.status, "timeout");
    record_free(&record);
}

/* docs/MEASURING.md and the table name the same fields. */
static void documentation_names_every_field(void **state)
{
    (void)state;
    const char *source = getenv("MSCOPE_SOURCE");
    if (source == NULL) {
        skip();
    }
    char path[600];
    snprintf(path, sizeof path, "%s/docs/MEASURING.md", source);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char text[1 << 17];
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    for (const struct record_field *field = record_fields; field->name != NULL; field++) {
        char name[80];
        snprintf(name, sizeof name, "`%s`", field->name);
        if (strstr(text, name) == NULL) {
            fail_msg("docs/MEASURING.md does not name %s", name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_survive_json),
        cmocka_unit_test(null_stays_null),
        cmocka_unit_test(wrong_values_name_the_field),
        cmocka_unit_test(unknown_keys_are_ignored),
        cmocka_unit_test(rows_without_provenance_are_refused),
        cmocka_unit_test(failing_takes_measurements_away),
        cmocka_unit_test(documentation_names_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
