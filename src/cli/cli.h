/* SPDX-License-Identifier: MIT */
/*
 * The program: one table of verbs drives parsing, help, the manual page and docs/CLI.md. Results go
 * to stdout, notes and errors to stderr. Exit codes: 0 done, 1 an operating error or a failed
 * verdict, 2 a usage error. One thread.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/options.h"

#include <stdio.h>

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_verb;
typedef int cli_verb_fn(const struct cli_verb *verb, const struct options *options);

struct cli_example {
    const char *command; /* without the leading "moescope "; NULL ends a list */
    const char *effect;
};

struct cli_verb {
    const char *name;    /* NULL ends the table */
    const char *purpose; /* one line */
    const char *usage;   /* what follows the verb, without [options] */
    const char *text;    /* paragraphs separated by an empty line */
    struct option_table table;
    const struct cli_example *examples;
    cli_verb_fn *run;
};

extern const struct cli_verb cli_verbs[];
const struct cli_verb *cli_find_verb(const char *name);

/* The whole program: parses, runs the verb, returns the exit code. */
int cli_main(int argc, char **argv);

cli_verb_fn cmd_info, cmd_run, cmd_logits, cmd_tokenize, cmd_perplexity, cmd_compare, cmd_check,
    cmd_quantize, cmd_synth, cmd_version, cmd_help, cmd_study, cmd_bench, cmd_report, cmd_reproduce,
    cmd_fetch, cmd_machine;

/* The command line of the program, for provenance. */
const char *const *cli_command_line(int *argc);

/* A usage error found by a verb itself: the line, the hint; returns CLI_USAGE. */
int cli_usage_error(const struct cli_verb *verb, const char *message);
/* The same for a word that is no verb. */
int cli_unknown_verb(const char *word);

/* ---- help.c: the table as text --------------------------------------------------------------- */

void help_print_overview(FILE *to);
void help_print_verb(FILE *to, const struct cli_verb *verb);

/* ---- help_pages.c ---------------------------------------------------------------------------- */

void help_print_man(FILE *to);      /* roff, manual section 1 */
void help_print_markdown(FILE *to); /* docs/CLI.md */

#endif
