/* SPDX-License-Identifier: MIT */
/* From argv to a verb and back to an exit code. */
#include "cli/cli.h"
#include "cli/output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run_verb(const struct cli_verb *verb, int argc, char **argv);
static void keep_standard_streams(void);

static struct { /* set once, when the program starts */
    int argc;
    char **argv;
} command_line;

int cli_main(int argc, char **argv)
{
    command_line.argc = argc;
    command_line.argv = argv;
    keep_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is noticed by the write, see output.h */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow further (ulimit -f) */
    vanished_bytes_watch();
    if (argc < 2) {
        help_print_overview(stderr);
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        word = "help";
    } else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        word = "version";
    }
    const struct cli_verb *verb = cli_find_verb(word);
    int exit_code = verb != NULL ? run_verb(verb, argc - 2, argv + 2) : cli_unknown_verb(word);
    return out_end(exit_code);
}

const char *const *cli_command_line(int *argc)
{
    *argc = command_line.argc;
    return (const char *const *)command_line.argv;
}

int cli_usage_error(const struct cli_verb *verb, const char *message)
{
    fprintf(stderr, "moescope %s: %s\nTry 'moescope help %s'.\n", verb->name, message, verb->name);
    return CLI_USAGE;
}

static int run_verb(const struct cli_verb *verb, int argc, char **argv)
{
    struct options options;
    char message[OPTIONS_MESSAGE_BYTES];
    if (!options_parse(&options, &verb->table, argc, (const char *const *)argv, message)) {
        return cli_usage_error(verb, message);
    }
    if (options.help) {
        help_print_verb(stdout, verb);
        return CLI_OK;
    }
    return verb->run(verb, &options);
}

int cli_unknown_verb(const char *word)
{
    const char *names[32];
    int n_names = 0;
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL && n_names < 32; verb++) {
        names[n_names++] = verb->name;
    }
    char shown[64];
    out_printable(shown, sizeof shown, word);
    const char *nearest = options_nearest(word, names, n_names);
    if (nearest != NULL) {
        fprintf(stderr, "moescope: unknown verb '%s', did you mean '%s'?\n", shown, nearest);
    } else {
        fprintf(stderr, "moescope: unknown verb '%s'\n", shown);
    }
    fputs("Try 'moescope help'.\n", stderr);
    return CLI_USAGE;
}

/* A caller may start us with 0, 1 or 2 closed; a model or an output file must not take their place.
 */
static void keep_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
}
