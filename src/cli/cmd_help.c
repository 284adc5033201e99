/* SPDX-License-Identifier: MIT */
/* help [VERB]: the verb table as text. */
#include "cli/cli.h"

int cmd_help(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    const char *name = options_argument(options, 0);
    if (options_flag(options, "man")) {
        help_print_man(stdout);
        return CLI_OK;
    }
    if (options_flag(options, "markdown")) {
        help_print_markdown(stdout);
        return CLI_OK;
    }
    if (name == NULL) {
        help_print_overview(stdout);
        return CLI_OK;
    }
    const struct cli_verb *asked = cli_find_verb(name);
    if (asked == NULL) {
        return cli_unknown_verb(name);
    }
    help_print_verb(stdout, asked);
    return CLI_OK;
}
