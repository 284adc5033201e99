/* SPDX-License-Identifier: MIT */
/* The verb table as help on a terminal, 80 columns wide. */
#include "cli/cli.h"

#include <string.h>

enum { WIDTH = 80, OPTION_COLUMN = 26 };

static void print_wrapped(FILE *to, const char *text, int indent, int column);
static void print_options(FILE *to, const struct cli_verb *verb);

void help_print_overview(FILE *to)
{
    fputs(
        "moescope runs GGUF language models, dense and Mixture-of-Experts, on the CPU at hand.\n\n"
        "usage: moescope VERB ...\n\n",
        to);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        fprintf(to, "  %-11s %s\n", verb->name, verb->purpose);
    }
    fputs("\nstart here\n"
          "  moescope synth olmoe-1b-7b olmoe.gguf\n"
          "  moescope run olmoe.gguf -p \"Once upon a time\"\n\n"
          "'moescope help VERB' shows options and examples of a verb.\n",
          to);
}

void help_print_verb(FILE *to, const struct cli_verb *verb)
{
    fprintf(to, "moescope %s: ", verb->name);
    print_wrapped(to, verb->purpose, 4, (int)strlen(verb->name) + 11);
    fprintf(to, "\nusage: moescope %s%s%s%s\n\n", verb->name, verb->usage[0] != '\0' ? " " : "",
            verb->usage, verb->table.specs[0].name != NULL ? " [options]" : "");
    print_wrapped(to, verb->text, 0, 0);
    if (verb->table.arguments[0].name != NULL) {
        fputs("\narguments\n", to);
    }
    for (const struct option_argument *arg = verb->table.arguments; arg->name != NULL; arg++) {
        fprintf(to, "  %-*s", OPTION_COLUMN - 2, arg->name);
        print_wrapped(to, arg->help, OPTION_COLUMN, OPTION_COLUMN);
    }
    print_options(to, verb);
    fputs("\nexamples\n", to);
    for (const struct cli_example *example = verb->examples; example->command != NULL; example++) {
        fprintf(to, "  moescope %s\n      %s\n", example->command, example->effect);
    }
}

static void print_options(FILE *to, const struct cli_verb *verb)
{
    if (verb->table.specs[0].name != NULL) {
        fputs("\noptions\n", to);
    }
    for (const struct option_spec *spec = verb->table.specs; spec->name != NULL; spec++) {
        char names[64], text[256];
        char letter[5] = "";
        if (spec->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", spec->letter);
        }
        snprintf(names, sizeof names, "  %s--%s%s%s", letter, spec->name,
                 spec->value_name != NULL ? " " : "",
                 spec->value_name != NULL ? spec->value_name : "");
        fprintf(to, "%-*s", OPTION_COLUMN, names);
        if (strlen(names) >= OPTION_COLUMN) {
            fprintf(to, "\n%*s", OPTION_COLUMN, "");
        }
        int n = snprintf(text, sizeof text, "%s", spec->help);
        if (spec->choices != NULL) {
            n += snprintf(text + n, sizeof text - (size_t)n, " (%s)", spec->choices);
        }
        if (spec->fallback != NULL) {
            snprintf(text + n, sizeof text - (size_t)n, " [%s]", spec->fallback);
        }
        print_wrapped(to, text, OPTION_COLUMN, OPTION_COLUMN);
    }
}

/* Words of `text` in lines of WIDTH columns; `column` is where the cursor stands; ends the last
 * line. */
static void print_wrapped(FILE *to, const char *text, int indent, int column)
{
    bool fresh = true; /* nothing of ours on this line yet */
    while (*text != '\0') {
        if (*text == '\n') {
            fputc('\n', to);
            column = 0;
            fresh = true;
            text++;
            continue;
        }
        int n_word = (int)strcspn(text, " \n");
        if (!fresh && column + 1 + n_word > WIDTH - 1) {
            fputc('\n', to);
            column = 0;
            fresh = true;
        }
        if (fresh && column < indent) {
            fprintf(to, "%*s", indent - column, "");
            column = indent;
        } else if (!fresh) {
            fputc(' ', to);
            column++;
        }
        fwrite(text, 1, (size_t)n_word, to);
        column += n_word;
        fresh = false;
        text += n_word;
        text += *text == ' ';
    }
    fputc('\n', to);
}
