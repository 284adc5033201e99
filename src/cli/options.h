/* SPDX-License-Identifier: MIT */
/*
 * Command lines to typed values. A table says which arguments and options a verb takes; parsing,
 * help and the manual page read the same table. Refuses to print: a usage error is one line of text
 * for the caller. Values point into argv, which must outlive them. One thread.
 *
 * Accepted: `--name value`, `--name=value`, `-x value`, flags `--name` and `-x`, `--` (everything
 * after it is an argument), in any order with arguments. `--help` and `-h` belong to every table.
 * Names are never abbreviated; of an option given twice the last counts, unless it is a list.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,
    OPTION_INT,   /* min .. max */
    OPTION_U64,   /* any unsigned 64-bit number */
    OPTION_FLOAT, /* finite, min .. max */
    OPTION_TEXT,
    OPTION_CHOICE, /* one of `choices` */
    OPTION_LIST    /* text, may be given again and again */
};

struct option_spec {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* short form, or 0 */
    enum option_type type;
    const char *value_name; /* "N", in help; NULL for flags */
    const char *fallback;   /* value when not given, parsed like any other; NULL: none */
    double min, max;
    const char *choices; /* "f16|q8_0|f32" */
    const char *help;
};

struct option_argument { /* positional */
    const char *name;    /* "MODEL"; "MODEL..." takes all that follow; NULL ends a table */
    bool optional;       /* the last ones only */
    const char *help;
};

struct option_table {
    const struct option_argument *arguments;
    const struct option_spec *specs;
};

enum {
    OPTIONS_MAX_SPECS = 32,
    OPTIONS_MAX_ARGUMENTS = 32,
    OPTIONS_MAX_LISTED = 64,
    OPTIONS_MESSAGE_BYTES = 256
};

struct option_value {
    bool given; /* on the command line, not by default */
    int64_t integer;
    uint64_t u64;
    double real;
    const char *text;
};

struct options {
    const struct option_table *table;
    bool help; /* --help was given; nothing else is then required */
    int n_arguments;
    const char *arguments[OPTIONS_MAX_ARGUMENTS];
    struct option_value values[OPTIONS_MAX_SPECS];
    int n_listed;
    struct {
        const char *name, *text;
    } listed[OPTIONS_MAX_LISTED];
};

/* Parses argv[0 .. argc-1] (the verb is not among them). False with one line in `message` on a
 * usage error. */
bool options_parse(struct options *out, const struct option_table *table, int argc,
                   const char *const *argv, char message[OPTIONS_MESSAGE_BYTES]);

/* Values by name; asking for a name or type the table lacks is a programmer error (asserted). */
bool options_flag(const struct options *options, const char *name);
int options_int(const struct options *options, const char *name);
uint64_t options_u64(const struct options *options, const char *name);
double options_float(const struct options *options, const char *name);
const char *options_text(const struct options *options, const char *name); /* NULL: not given */
bool options_given(const struct options *options, const char *name);
/* The i-th value of a list in the order given; NULL after the last. */
const char *options_listed(const struct options *options, const char *name, int i);
/* The i-th positional argument, NULL when an optional one was left out. */
const char *options_argument(const struct options *options, int i);

/*
 * The candidate that a mistyped `word` most likely meant, NULL when none is near: a common
 * beginning, or at most two letters inserted, dropped, changed or swapped.
 */
const char *options_nearest(const char *word, const char *const *candidates, int n_candidates);

#endif
