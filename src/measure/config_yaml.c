/* SPDX-License-Identifier: MIT */
/* libcyaml's log of a failed load, turned into one line: file, line, what was found, what is
 * allowed. */
#include "measure/config_yaml.h"

#include "base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_DEPTH = 8, LINE_BYTES = 256, MAX_FILE_BYTES = 16 << 20 };

struct load_log {
    char message[LINE_BYTES]; /* the first line: what is wrong */
    unsigned line;            /* of the innermost place, 0: unknown */
    int depth;
    char path[PATH_MAX_DEPTH][64]; /* mapping fields around it, innermost first */
};

static void take_log(cyaml_log_t level, void *user, const char *format, va_list arguments);
static cyaml_config_t make_config(struct load_log *log);
static enum mscope_status explain(const struct load_log *log, cyaml_err_t code, const char *path,
                                  const char *text, const cyaml_schema_value_t *schema,
                                  struct mscope_error *err);
static void list_allowed(struct strbuf *out, const struct load_log *log,
                         const cyaml_schema_value_t *schema);
static const cyaml_schema_value_t *find_schema(const struct load_log *log,
                                               const cyaml_schema_value_t *schema);
static unsigned find_key_line(const char *text, unsigned from, const char *key);

enum mscope_status config_yaml_load(void **out, const char *path,
                                    const cyaml_schema_value_t *schema, struct mscope_error *err)
{
    char *text = NULL;
    size_t n_bytes = 0;
    *out = NULL;
    enum mscope_status status = config_read_file(&text, &n_bytes, path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct load_log log = {0};
    cyaml_config_t config = make_config(&log);
    cyaml_data_t *data = NULL;
    cyaml_err_t code =
        cyaml_load_data((const uint8_t *)text, n_bytes, &config, schema, &data, NULL);
    if (code != CYAML_OK) {
        status = explain(&log, code, path, text, schema, err);
    } else if (data == NULL) {
        status = error_set(err, MSCOPE_ERR_FORMAT, path, "empty, expected a YAML mapping");
    } else {
        *out = data;
    }
    free(text);
    return status;
}

void config_yaml_free(void **document, const cyaml_schema_value_t *schema)
{
    cyaml_config_t config = make_config(NULL);
    cyaml_free(&config, schema, *document, 0);
    *document = NULL;
}

enum mscope_status config_read_file(char **out, size_t *n_bytes, const char *path,
                                    struct mscope_error *err)
{
    *out = NULL;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        return error_set_errno(err, errno, path, "open");
    }
    struct strbuf text = {0};
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stream)) > 0 && text.n_bytes <= MAX_FILE_BYTES) {
        strbuf_append(&text, chunk, n);
    }
    strbuf_append(&text, "", 0);
    enum mscope_status status = MSCOPE_OK;
    if (ferror(stream)) {
        status = error_set_errno(err, errno, path, "read");
    } else if (text.n_bytes > MAX_FILE_BYTES) {
        status = error_set(err, MSCOPE_ERR_FORMAT, path, "more than %d MiB, expected a text",
                           MAX_FILE_BYTES >> 20);
    } else if (text.failed) {
        status = error_set_memory(err, path, text.n_bytes);
    }
    fclose(stream);
    if (status == MSCOPE_OK && text.data == NULL) {
        text.data = calloc(1, 1);
        status = text.data != NULL ? MSCOPE_OK : error_set_memory(err, path, 1);
    }
    if (status != MSCOPE_OK) {
        strbuf_free(&text);
        return status;
    }
    *out = text.data;
    *n_bytes = text.n_bytes;
    return MSCOPE_OK;
}

static cyaml_config_t make_config(struct load_log *log)
{
    return (cyaml_config_t){
        .log_fn = log != NULL ? take_log : NULL,
        .log_ctx = log,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
    };
}

/*
 * The library says "Load: WHAT", then "Load: Backtrace:", then from the inside out lines such as
 * "  in mapping field 'role' (line: 3, column: 11)".
 */
static void take_log(cyaml_log_t level, void *user, const char *format, va_list arguments)
{
    (void)level;
    struct load_log *log = user;
    char line[LINE_BYTES];
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    const char *place = strstr(line, "(line: ");
    if (place == NULL) {
        const char *message = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
        if (log->message[0] == '\0' && strcmp(message, "Backtrace:") != 0) {
            snprintf(log->message, sizeof log->message, "%s", message);
        }
        return;
    }
    if (log->line == 0) {
        log->line = (unsigned)strtoul(place + 7, NULL, 10);
    }
    const char *name = strstr(line, "in mapping field '");
    if (name != NULL && log->depth < PATH_MAX_DEPTH) {
        name += strlen("in mapping field '");
        snprintf(log->path[log->depth++], sizeof log->path[0], "%.*s", (int)strcspn(name, "'"),
                 name);
    }
}

static enum mscope_status explain(const struct load_log *log, cyaml_err_t code, const char *path,
                                  const char *text, const cyaml_schema_value_t *schema,
                                  struct mscope_error *err)
{
    struct strbuf allowed = {0};
    list_allowed(&allowed, log, schema);
    static const char *const unknown = "Unexpected key: ";
    unsigned line = log->line;
    if (strncmp(log->message, unknown, strlen(unknown)) == 0) {
        line = find_key_line(text, line, log->message + strlen(unknown));
    }
    const char *what = log->message[0] != '\0' ? log->message : cyaml_strerror(code);
    bool names_field = log->depth > 0 && strncmp(log->message, "Unexpected", 10) != 0 &&
                       strncmp(log->message, "Missing", 7) != 0 &&
                       strncmp(log->message, "libyaml", 7) != 0;
    error_set(err, MSCOPE_ERR_FORMAT, path, "%s%s%s%s%s", names_field ? log->path[0] : "",
              names_field ? ": " : "", what, allowed.n_bytes > 0 ? "; allowed: " : "",
              allowed.n_bytes > 0 && !allowed.failed ? allowed.data : "");
    if (line > 0) {
        error_set_object(err, "%s:%u", path, line);
    }
    strbuf_free(&allowed);
    return MSCOPE_ERR_FORMAT;
}

/* The keys of the mapping around an unknown key, or the names of an enumeration. */
static void list_allowed(struct strbuf *out, const struct load_log *log,
                         const cyaml_schema_value_t *schema)
{
    const cyaml_schema_value_t *at = find_schema(log, schema);
    if (at == NULL) {
        return;
    }
    if (strncmp(log->message, "Unexpected key", 14) == 0 && at->type == CYAML_MAPPING) {
        for (const cyaml_schema_field_t *field = at->mapping.fields; field->key != NULL; field++) {
            strbuf_printf(out, "%s%s", out->n_bytes > 0 ? ", " : "", field->key);
        }
    } else if (at->type == CYAML_ENUM) {
        for (uint32_t i = 0; i < at->enumeration.count; i++) {
            strbuf_printf(out, "%s%s", i > 0 ? ", " : "", at->enumeration.strings[i].str);
        }
    } else if (at->type == CYAML_BOOL) {
        strbuf_printf(out, "true, false");
    } else if (at->type == CYAML_UINT || at->type == CYAML_INT) {
        strbuf_printf(out, at->type == CYAML_UINT ? "a whole number, 0 or more" : "a whole number");
    } else if (at->type == CYAML_FLOAT) {
        strbuf_printf(out, "a number");
    } else if (at->type == CYAML_STRING) {
        strbuf_printf(out, "a text that is not empty");
    } else if (at->type == CYAML_SEQUENCE && strncmp(log->message, "Expecting", 9) == 0) {
        strbuf_printf(out, "a list");
    }
}

/* Follows the path from the outside in; lists are transparent. */
static const cyaml_schema_value_t *find_schema(const struct load_log *log,
                                               const cyaml_schema_value_t *schema)
{
    for (int i = log->depth - 1; i >= 0; i--) {
        while (schema->type == CYAML_SEQUENCE) {
            schema = schema->sequence.entry;
        }
        if (schema->type != CYAML_MAPPING) {
            return NULL;
        }
        const cyaml_schema_field_t *field = schema->mapping.fields;
        while (field->key != NULL && strcmp(field->key, log->path[i]) != 0) {
            field++;
        }
        if (field->key == NULL) {
            return NULL;
        }
        schema = &field->value;
    }
    bool wants_list = strncmp(log->message, "Expecting SEQUENCE", 18) == 0;
    while (schema->type == CYAML_SEQUENCE && !wants_list) {
        schema = schema->sequence.entry;
    }
    return schema;
}

/* The library gives the line where the mapping began; the key is on it or below. */
static unsigned find_key_line(const char *text, unsigned from, const char *key)
{
    unsigned line = 1;
    size_t n_key = strlen(key);
    for (const char *at = text; *at != '\0'; line++) {
        const char *word = at + strspn(at, " \t-{");
        if (line >= from && strncmp(word, key, n_key) == 0 && word[n_key] == ':') {
            return line;
        }
        at += strcspn(at, "\n");
        at += *at == '\n' ? 1 : 0;
    }
    return from;
}
