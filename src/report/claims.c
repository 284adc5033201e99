/* SPDX-License-Identifier: MIT */
/* The table of claims, and figures in result files. */
#include "report/claims.h"

#include "measure/config_yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 256 };

static const cyaml_strval_t kinds[] = {{"gate", CLAIMS_GATE}, {"measured", CLAIMS_MEASURED}};
static const cyaml_strval_t takes[] = {
    {"one", CLAIMS_ONE}, {"count", CLAIMS_COUNT}, {"least", CLAIMS_LEAST}, {"most", CLAIMS_MOST}};

#define MUST CYAML_FLAG_STRICT
#define MAY  (CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL)
#define P    CYAML_FLAG_POINTER
#define TEXT(key, flags, member)                                                                   \
    CYAML_FIELD_STRING_PTR(key, (flags) | P, struct claim, member, 1, CYAML_UNLIMITED)

static const cyaml_schema_field_t claim_fields[] = {
    TEXT("id", MUST, id),
    TEXT("claim", MUST, text),
    CYAML_FIELD_ENUM("kind", MUST, struct claim, kind, kinds, CYAML_ARRAY_LEN(kinds)),
    TEXT("command", MAY, command),
    TEXT("result", MAY, result),
    TEXT("where", MAY, where),
    TEXT("column", MAY, column),
    CYAML_FIELD_ENUM("take", MAY, struct claim, take, takes, CYAML_ARRAY_LEN(takes)),
    CYAML_FIELD_FLOAT_PTR("scale", MAY | P, struct claim, scale),
    CYAML_FIELD_FLOAT_PTR("least", MAY | P, struct claim, least),
    CYAML_FIELD_FLOAT_PTR("most", MAY | P, struct claim, most),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t claim_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct claim, claim_fields)};
static const cyaml_schema_field_t top_fields[] = {
    {.key = "claims",
     .value = {.type = CYAML_SEQUENCE,
               .flags = P,
               .data_size = sizeof(struct claim),
               .sequence = {.entry = &claim_value, .min = 0, .max = CYAML_UNLIMITED}},
     .data_offset = offsetof(struct claims, list),
     .count_offset = offsetof(struct claims, n),
     .count_size = sizeof(unsigned)},
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct claims, top_fields)};

static enum mscope_status check_claim(const struct claims *claims, unsigned i, const char *path,
                                      struct mscope_error *err);
static size_t split(char *line, char separator, char **fields);
static bool matches(const char *where, char **names, char **fields, size_t n_names, size_t n_fields,
                    const char **unknown);
static size_t find(char **names, size_t n, const char *name, size_t length);

struct scan { /* over the rows of a result file */
    const struct claim *claim;
    size_t n_rows;
    double figure;
};
static enum mscope_status take_row(struct scan *scan, const char *text, const char *path,
                                   struct mscope_error *err);

enum mscope_status claims_load(struct claims **out, const char *path, struct mscope_error *err)
{
    void *document;
    *out = NULL;
    enum mscope_status status = config_yaml_load(&document, path, &top, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    *out = document;
    for (unsigned i = 0; i < (*out)->n && status == MSCOPE_OK; i++) {
        status = check_claim(*out, i, path, err);
    }
    if (status != MSCOPE_OK) {
        claims_close(out);
    }
    return status;
}

void claims_close(struct claims **claims)
{
    if (*claims != NULL) {
        void *document = *claims;
        config_yaml_free(&document, &top);
        *claims = NULL;
    }
}

static enum mscope_status check_claim(const struct claims *claims, unsigned i, const char *path,
                                      struct mscope_error *err)
{
    const struct claim *claim = &claims->list[i];
    const char *wrong = NULL;
    if (claims_find(claims, claim->id) != claim) {
        wrong = "there twice";
    } else if (claim->id[strcspn(claim->id, " \t\n>")] != '\0') {
        wrong = "has a space or '>' in its id";
    } else if (claim->command == NULL && claim->result == NULL) {
        wrong = "has neither command nor result";
    } else if (claim->result != NULL && claim->take != CLAIMS_COUNT && claim->column == NULL) {
        wrong = "has a result but no column";
    } else if (claim->result == NULL && (claim->least != NULL || claim->most != NULL)) {
        wrong = "has a limit but no result";
    } else if (claim->result != NULL && strstr(claim->result, "..") != NULL) {
        wrong = "has a result outside of results/";
    }
    return wrong == NULL
               ? MSCOPE_OK
               : error_set(err, MSCOPE_ERR_FORMAT, path, "claim '%s' %s", claim->id, wrong);
}

const struct claim *claims_find(const struct claims *claims, const char *id)
{
    for (unsigned i = 0; i < claims->n; i++) {
        if (strcmp(claims->list[i].id, id) == 0) {
            return &claims->list[i];
        }
    }
    return NULL;
}

enum mscope_status claims_read_figure(double *out, const struct claim *claim, const char *folder,
                                      struct mscope_error *err)
{
    struct strbuf path = {0}, text = {0};
    strbuf_printf(&path, "%s/%s", folder, claim->result);
    enum mscope_status status =
        path.failed ? error_set_memory(err, "a path", 0) : files_read(&text, path.data, err);
    if (status != MSCOPE_OK) {
        goto done;
    }
    const char *ending = strrchr(path.data, '.');
    char separator = ending != NULL && strcmp(ending, ".tsv") == 0 ? '\t' : ',';
    char *names[MAX_FIELDS], *fields[MAX_FIELDS];
    size_t n_names = 0, i_column = 0;
    struct scan scan = {claim, 0, NAN};
    char *line = text.data;
    for (bool head = true; line != NULL && *line != '\0' && status == MSCOPE_OK; head = false) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        line[strcspn(line, "\r")] = '\0';
        const char *unknown = NULL;
        size_t n = split(line, separator, head ? names : fields);
        if (head) {
            n_names = n;
            i_column =
                claim->column != NULL ? find(names, n, claim->column, strlen(claim->column)) : 0;
            if (i_column == n) {
                unknown = claim->column;
            }
        } else if (matches(claim->where, names, fields, n_names, n, &unknown)) {
            status = take_row(&scan, i_column < n ? fields[i_column] : "", path.data, err);
        }
        if (unknown != NULL) {
            status = error_set(err, MSCOPE_ERR_FORMAT, path.data, "claim %s: no column '%s'",
                               claim->id, unknown);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    if (status == MSCOPE_OK && scan.n_rows == 0 && claim->take != CLAIMS_COUNT) {
        status = error_set(err, MSCOPE_ERR_FORMAT, path.data, "claim %s: no row where %s",
                           claim->id, claim->where != NULL ? claim->where : "anything is");
    }
    *out = (claim->take == CLAIMS_COUNT ? (double)scan.n_rows : scan.figure) *
           (claim->scale != NULL ? *claim->scale : 1);
done:
    strbuf_free(&path);
    strbuf_free(&text);
    return status;
}

static enum mscope_status take_row(struct scan *scan, const char *text, const char *path,
                                   struct mscope_error *err)
{
    scan->n_rows++;
    if (scan->claim->take == CLAIMS_COUNT) {
        return MSCOPE_OK;
    }
    if (scan->claim->take == CLAIMS_ONE && scan->n_rows > 1) {
        return error_set(err, MSCOPE_ERR_FORMAT, path,
                         "claim %s: more than one row where %s, expected one", scan->claim->id,
                         scan->claim->where != NULL ? scan->claim->where : "anything is");
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        return error_set(err, MSCOPE_ERR_FORMAT, path, "claim %s: '%s', expected a number",
                         scan->claim->id, text);
    }
    bool better = scan->n_rows == 1 ||
                  (scan->claim->take == CLAIMS_LEAST && value < scan->figure) ||
                  (scan->claim->take == CLAIMS_MOST && value > scan->figure);
    scan->figure = better ? value : scan->figure;
    return MSCOPE_OK;
}

/* Fields in place; a quoted one loses its quotes. */
static size_t split(char *line, char separator, char **fields)
{
    size_t n = 0;
    char *read = line;
    while (n < MAX_FIELDS) {
        char *write = read;
        fields[n++] = write;
        bool quoted = *read == '"';
        read += quoted;
        while (*read != '\0' && (quoted || *read != separator)) {
            if (quoted && *read == '"') {
                if (read[1] != '"') {
                    quoted = false;
                    read++;
                    continue;
                }
                read++;
            }
            *write++ = *read++;
        }
        bool more = *read == separator;
        read += more;
        *write = '\0';
        if (!more) {
            break;
        }
    }
    return n;
}

/* Every "name=value" of `where`, separated by ';'. */
static bool matches(const char *where, char **names, char **fields, size_t n_names, size_t n_fields,
                    const char **unknown)
{
    while (where != NULL && *where != '\0') {
        where += strspn(where, " ;\n");
        size_t n_name = strcspn(where, "=;"), n_value = 0;
        const char *value = where + n_name;
        if (*value == '=') {
            value++;
            n_value = strcspn(value, ";");
            while (n_value > 0 && strchr(" \n", value[n_value - 1]) != NULL) {
                n_value--;
            }
        }
        size_t i = find(names, n_names, where, n_name);
        if (i == n_names && n_name > 0) {
            *unknown = where;
            return false;
        }
        if (n_name > 0 && (i >= n_fields || strlen(fields[i]) != n_value ||
                           memcmp(fields[i], value, n_value) != 0)) {
            return false;
        }
        where = strchr(value, ';');
    }
    return true;
}

static size_t find(char **names, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            return i;
        }
    }
    return n;
}
