/* SPDX-License-Identifier: MIT */
/* The verb table as a manual page and as docs/CLI.md. */
#include "cli/cli.h"

#include "moescope.h"

#include <string.h>

static void roff_text(FILE *to, const char *text);
static void roff_verb(FILE *to, const struct cli_verb *verb);
static void markdown_verb(FILE *to, const struct cli_verb *verb);
static void markdown_cell(FILE *to, const char *text);

void help_print_man(FILE *to)
{
    fprintf(to, ".TH MOESCOPE 1 \"\" \"moescope %s\" \"User Commands\"\n",
            mscope_get_version()->version);
    fputs(".SH NAME\nmoescope \\- run GGUF language models, dense and Mixture\\-of\\-Experts, on "
          "the CPU\n"
          ".SH SYNOPSIS\n.B moescope\n.I VERB\n\\&...\n.SH DESCRIPTION\n"
          "Results go to standard output, notes and errors to standard error.\n.PP\n",
          to);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        fprintf(to, ".TP\n.B %s\n", verb->name);
        roff_text(to, verb->purpose);
    }
    fputs(".SH VERBS\n", to);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        roff_verb(to, verb);
    }
    fputs(".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\n"
          "An operating error, told in one line on standard error, or a failed verdict of\n.BR "
          "check .\n"
          ".TP\n.B 2\nA usage error.\n",
          to);
}

static void roff_verb(FILE *to, const struct cli_verb *verb)
{
    fprintf(to, ".SS moescope %s ", verb->name);
    roff_text(to, verb->usage);
    roff_text(to, verb->text);
    for (const struct option_argument *arg = verb->table.arguments; arg->name != NULL; arg++) {
        fprintf(to, ".TP\n.I %s\n", arg->name);
        roff_text(to, arg->help);
    }
    for (const struct option_spec *spec = verb->table.specs; spec->name != NULL; spec++) {
        fputs(".TP\n\\fB", to);
        if (spec->letter != 0) {
            fprintf(to, "\\-%c\\fR, \\fB", spec->letter);
        }
        fputs("\\-\\-", to);
        for (const char *at = spec->name; *at != '\0'; at++) {
            fputs(*at == '-' ? "\\-" : (char[]){*at, '\0'}, to);
        }
        fprintf(to, "\\fR%s%s%s\n", spec->value_name != NULL ? " \\fI" : "",
                spec->value_name != NULL ? spec->value_name : "",
                spec->value_name != NULL ? "\\fR" : "");
        roff_text(to, spec->help);
        if (spec->choices != NULL) {
            fprintf(to, "One of %s.\n", spec->choices);
        }
        if (spec->fallback != NULL) {
            fprintf(to, "Default %s.\n", spec->fallback);
        }
    }
    fputs(".PP\nExamples:\n", to);
    for (const struct cli_example *example = verb->examples; example->command != NULL; example++) {
        fputs(".PP\n.in +4n\nmoescope ", to);
        roff_text(to, example->command);
        fputs(".br\n", to);
        roff_text(to, example->effect);
        fputs(".in\n", to);
    }
}

/* Text with the characters escaped that roff would read as commands, and a line end. */
static void roff_text(FILE *to, const char *text)
{
    bool at_line_start = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            if (at[1] == '\n') {
                fputs("\n.PP", to);
                at++;
            }
            fputc('\n', to);
            at_line_start = true;
            continue;
        }
        if (at_line_start && (*at == '.' || *at == '\'')) {
            fputs("\\&", to);
        }
        at_line_start = false;
        switch (*at) {
        case '\\':
            fputs("\\e", to);
            break;
        case '-':
            fputs("\\-", to);
            break;
        case '\'':
            fputs("\\(aq", to);
            break;
        default:
            fputc(*at, to);
        }
    }
    fputc('\n', to);
}

void help_print_markdown(FILE *to)
{
    fputs("<!-- SPDX-License-Identifier: MIT -->\n"
          "<!-- Made by `moescope help --markdown`; change src/cli/verbs.c instead. -->\n"
          "# The program\n\n"
          "Results go to standard output, notes and errors to standard error. Exit code 0: done; "
          "1: an\n"
          "operating error, told in one line, or a failed verdict of `check`; 2: a usage error.\n\n"
          "| verb | purpose |\n|---|---|\n",
          to);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        fprintf(to, "| [%s](#moescope-%s) | ", verb->name, verb->name);
        markdown_cell(to, verb->purpose);
        fputs(" |\n", to);
    }
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        markdown_verb(to, verb);
    }
}

static void markdown_verb(FILE *to, const struct cli_verb *verb)
{
    fprintf(to, "\n## moescope %s\n\n`moescope %s%s%s%s`\n\n%s\n", verb->name, verb->name,
            verb->usage[0] != '\0' ? " " : "", verb->usage,
            verb->table.specs[0].name != NULL ? " [options]" : "", verb->text);
    if (verb->table.arguments[0].name != NULL || verb->table.specs[0].name != NULL) {
        fputs("\n| | default | |\n|---|---|---|\n", to);
    }
    for (const struct option_argument *arg = verb->table.arguments; arg->name != NULL; arg++) {
        fprintf(to, "| `%s` | | ", arg->name);
        markdown_cell(to, arg->help);
        fputs(" |\n", to);
    }
    for (const struct option_spec *spec = verb->table.specs; spec->name != NULL; spec++) {
        fputs("| ", to);
        if (spec->letter != 0) {
            fprintf(to, "`-%c`, ", spec->letter);
        }
        fprintf(to, "`--%s%s%s` | %s | ", spec->name, spec->value_name != NULL ? " " : "",
                spec->value_name != NULL ? spec->value_name : "",
                spec->fallback != NULL ? spec->fallback : "");
        markdown_cell(to, spec->help);
        if (spec->choices != NULL) {
            fputs(" (", to);
            markdown_cell(to, spec->choices);
            fputc(')', to);
        }
        fputs(" |\n", to);
    }
    fputs("\n```sh\n", to);
    for (const struct cli_example *example = verb->examples; example->command != NULL; example++) {
        fprintf(to, "moescope %s   # %s\n", example->command, example->effect);
    }
    fputs("```\n", to);
}

static void markdown_cell(FILE *to, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '|' || *at == '*' || *at == '<') {
            fputc('\\', to);
        }
        fputc(*at, to);
    }
}
