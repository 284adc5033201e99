/* SPDX-License-Identifier: MIT */
/* Command lines to typed values, driven by a table. */
#include "cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct cursor { /* over argv */
    int argc, i;
    const char *const *argv;
    char *message;
};

static bool parse_long(struct options *out, struct cursor *cursor);
static bool parse_short(struct options *out, struct cursor *cursor);
static bool take_argument(struct options *out, struct cursor *cursor);
static bool store(struct options *out, int i_spec, const char *shown, const char *text,
                  char *message);
static bool takes_rest(const struct option_argument *argument);
static bool check_arguments(const struct options *out, char *message);
static int find_spec(const struct option_table *table, const char *name, size_t n_bytes);
static const struct option_value *value_of(const struct options *options, const char *name,
                                           enum option_type type);
static bool refuse(char *message, const char *format, ...) BASE_PRINTF(2, 3);

bool options_parse(struct options *out, const struct option_table *table, int argc,
                   const char *const *argv, char message[OPTIONS_MESSAGE_BYTES])
{
    *out = (struct options){.table = table};
    for (int i = 0; table->specs[i].name != NULL; i++) {
        assert(i < OPTIONS_MAX_SPECS);
        const struct option_spec *spec = &table->specs[i];
        if (spec->fallback != NULL && !store(out, i, spec->name, spec->fallback, message)) {
            assert(false && "a default must obey its own rules");
            return false;
        }
        out->values[i].given = false;
    }
    struct cursor cursor = {.argc = argc, .argv = argv, .message = message};
    bool options_end = false;
    for (; cursor.i < argc; cursor.i++) {
        const char *word = argv[cursor.i];
        bool ok;
        if (options_end || word[0] != '-' || word[1] == '\0') {
            ok = take_argument(out, &cursor);
        } else if (strcmp(word, "--") == 0) {
            options_end = true;
            ok = true;
        } else if (word[1] == '-') {
            ok = parse_long(out, &cursor);
        } else {
            ok = parse_short(out, &cursor);
        }
        if (!ok) {
            return false;
        }
        if (out->help) {
            return true;
        }
    }
    return check_arguments(out, message);
}

static bool parse_long(struct options *out, struct cursor *cursor)
{
    const char *name = cursor->argv[cursor->i] + 2;
    const char *equals = strchr(name, '=');
    size_t n_name = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if (strcmp(name, "help") == 0) {
        out->help = true;
        return true;
    }
    int i_spec = find_spec(out->table, name, n_name);
    if (i_spec < 0) {
        const char *names[OPTIONS_MAX_SPECS + 1];
        int n_names = 0;
        for (; out->table->specs[n_names].name != NULL; n_names++) {
            names[n_names] = out->table->specs[n_names].name;
        }
        names[n_names++] = "help";
        char typed[48];
        snprintf(typed, sizeof typed, "%.*s", (int)(n_name < 47 ? n_name : 47), name);
        const char *nearest = options_nearest(typed, names, n_names);
        if (nearest != NULL) {
            return refuse(cursor->message, "unknown option '--%s', did you mean '--%s'?", typed,
                          nearest);
        }
        return refuse(cursor->message, "unknown option '--%s'", typed);
    }
    const struct option_spec *spec = &out->table->specs[i_spec];
    if (spec->type == OPTION_FLAG) {
        if (equals != NULL) {
            return refuse(cursor->message, "option --%s takes no value", spec->name);
        }
        out->values[i_spec].given = true;
        return true;
    }
    const char *text = equals != NULL ? equals + 1 : NULL;
    if (text == NULL) {
        if (cursor->i + 1 >= cursor->argc) {
            return refuse(cursor->message, "option --%s needs a value %s", spec->name,
                          spec->value_name);
        }
        text = cursor->argv[++cursor->i];
    }
    char shown[40];
    snprintf(shown, sizeof shown, "--%s", spec->name);
    return store(out, i_spec, shown, text, cursor->message);
}

static bool parse_short(struct options *out, struct cursor *cursor)
{
    const char *word = cursor->argv[cursor->i];
    if (strcmp(word, "-h") == 0) {
        out->help = true;
        return true;
    }
    int i_spec = -1;
    for (int i = 0; word[2] == '\0' && out->table->specs[i].name != NULL; i++) {
        if (out->table->specs[i].letter == word[1]) {
            i_spec = i;
        }
    }
    if (i_spec < 0) {
        int i_long = find_spec(out->table, word + 1, strcspn(word + 1, "="));
        if (i_long >= 0) {
            return refuse(cursor->message, "unknown option '%.40s', did you mean '--%s'?", word,
                          out->table->specs[i_long].name);
        }
        return refuse(cursor->message, "unknown option '%.40s'", word);
    }
    if (out->table->specs[i_spec].type == OPTION_FLAG) {
        out->values[i_spec].given = true;
        return true;
    }
    if (cursor->i + 1 >= cursor->argc) {
        return refuse(cursor->message, "option %s needs a value %s", word,
                      out->table->specs[i_spec].value_name);
    }
    return store(out, i_spec, word, cursor->argv[++cursor->i], cursor->message);
}

static bool take_argument(struct options *out, struct cursor *cursor)
{
    const char *word = cursor->argv[cursor->i];
    int n_known = 0;
    while (out->table->arguments[n_known].name != NULL) {
        n_known++;
    }
    assert(n_known <= OPTIONS_MAX_ARGUMENTS);
    bool takes_all = n_known > 0 && takes_rest(&out->table->arguments[n_known - 1]);
    if (out->n_arguments == OPTIONS_MAX_ARGUMENTS && takes_all) {
        return refuse(cursor->message, "too many arguments, at most %d", OPTIONS_MAX_ARGUMENTS);
    }
    if (out->n_arguments >= n_known && !takes_all) {
        return refuse(cursor->message, "unexpected argument '%.80s'", word);
    }
    out->arguments[out->n_arguments++] = word;
    return true;
}

static bool takes_rest(const struct option_argument *argument)
{
    size_t n = strlen(argument->name);
    return n > 3 && strcmp(argument->name + n - 3, "...") == 0;
}

static bool check_arguments(const struct options *out, char *message)
{
    const struct option_argument *missing = out->table->arguments;
    for (int i = 0; i < out->n_arguments && missing->name != NULL; i++) {
        missing++;
    }
    if (missing->name != NULL && !missing->optional) {
        return refuse(message, "missing argument %s", missing->name);
    }
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool store_integer(struct option_value *value, const struct option_spec *spec,
                          const char *text)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0]) ||
        (double)number < spec->min || (double)number > spec->max) {
        return false;
    }
    value->integer = number;
    return true;
}

static bool store_u64(struct option_value *value, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0) {
        return false;
    }
    value->u64 = number;
    return true;
}

static bool store_real(struct option_value *value, const struct option_spec *spec, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]) || !isfinite(number) ||
        number < spec->min || number > spec->max) {
        return false;
    }
    value->real = number;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n_text = strlen(text);
    for (const char *at = choices; n_text > 0 && at != NULL;) {
        size_t n_choice = strcspn(at, "|");
        if (n_choice == n_text && memcmp(at, text, n_text) == 0) {
            return true;
        }
        at = at[n_choice] == '|' ? at + n_choice + 1 : NULL;
    }
    return false;
}

/* Checks and keeps one value; `shown` is the option as the user spelled it. */
static bool store(struct options *out, int i_spec, const char *shown, const char *text,
                  char *message)
{
    const struct option_spec *spec = &out->table->specs[i_spec];
    struct option_value *value = &out->values[i_spec];
    value->given = true;
    value->text = text;
    switch (spec->type) {
    case OPTION_INT:
        return store_integer(value, spec, text) ||
               refuse(message,
                      "option %s: value '%.60s', expected a whole number from %.0f to %.0f", shown,
                      text, spec->min, spec->max);
    case OPTION_U64:
        return store_u64(value, text) ||
               refuse(message, "option %s: value '%.60s', expected a whole number of 64 bits",
                      shown, text);
    case OPTION_FLOAT:
        return store_real(value, spec, text) ||
               refuse(message, "option %s: value '%.60s', expected a number from %g to %g", shown,
                      text, spec->min, spec->max);
    case OPTION_CHOICE:
        return is_choice(spec->choices, text) ||
               refuse(message, "option %s: value '%.60s', expected one of %s", shown, text,
                      spec->choices);
    case OPTION_LIST:
        if (out->n_listed == OPTIONS_MAX_LISTED) {
            return refuse(message, "option %s given too often, at most %d times", shown,
                          OPTIONS_MAX_LISTED);
        }
        out->listed[out->n_listed].name = spec->name;
        out->listed[out->n_listed++].text = text;
        return true;
    case OPTION_TEXT:
    case OPTION_FLAG:
        break;
    }
    return true;
}

bool options_flag(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_FLAG)->given;
}

int options_int(const struct options *options, const char *name)
{
    return (int)value_of(options, name, OPTION_INT)->integer;
}

uint64_t options_u64(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_U64)->u64;
}

double options_float(const struct options *options, const char *name)
{
    return value_of(options, name, OPTION_FLOAT)->real;
}

const char *options_text(const struct options *options, const char *name)
{
    int i = find_spec(options->table, name, strlen(name));
    assert(i >= 0 && (options->table->specs[i].type == OPTION_TEXT ||
                      options->table->specs[i].type == OPTION_CHOICE));
    return options->values[i].text;
}

bool options_given(const struct options *options, const char *name)
{
    int i = find_spec(options->table, name, strlen(name));
    assert(i >= 0);
    return options->values[i].given;
}

const char *options_listed(const struct options *options, const char *name, int i)
{
    for (int k = 0; k < options->n_listed; k++) {
        if (strcmp(options->listed[k].name, name) == 0 && i-- == 0) {
            return options->listed[k].text;
        }
    }
    return NULL;
}

const char *options_argument(const struct options *options, int i)
{
    return i < options->n_arguments ? options->arguments[i] : NULL;
}

static const struct option_value *value_of(const struct options *options, const char *name,
                                           enum option_type type)
{
    int i = find_spec(options->table, name, strlen(name));
    assert(i >= 0 && options->table->specs[i].type == type);
    (void)type;
    return &options->values[i];
}

static int find_spec(const struct option_table *table, const char *name, size_t n_bytes)
{
    for (int i = 0; table->specs[i].name != NULL; i++) {
        if (strlen(table->specs[i].name) == n_bytes &&
            memcmp(table->specs[i].name, name, n_bytes) == 0) {
            return i;
        }
    }
    return -1;
}

/* Writes the message, control characters shown as '?'; always false, so that callers can return it.
 */
static bool refuse(char *message, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, OPTIONS_MESSAGE_BYTES, format, args);
    va_end(args);
    for (char *at = message; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at)) {
            *at = '?';
        }
    }
    return false;
}
