/* SPDX-License-Identifier: MIT */
/* Any argument vector, parsed with the table of every verb: words end at the zero bytes. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    const char *words[MAX_WORDS];
    int n_words = 0;
    for (size_t at = 0; at < size && n_words < MAX_WORDS; at += strlen(text + at) + 1) {
        words[n_words++] = text + at;
    }
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        struct options options;
        char message[OPTIONS_MESSAGE_BYTES] = "";
        if (!options_parse(&options, &verb->table, n_words, words, message)) {
            size_t n_message = strlen(message);
            if (n_message == 0 || n_message >= sizeof message || strchr(message, '\n') != NULL) {
                abort(); /* a usage error is one line of text */
            }
            continue;
        }
        if (!options.help && options.n_arguments == 0 && verb->table.arguments[0].name != NULL &&
            !verb->table.arguments[0].optional) {
            abort(); /* a required argument is there */
        }
    }
    free(text);
    return 0;
}
