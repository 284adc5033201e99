/* SPDX-License-Identifier: MIT */
/*
 * What the drivers of llama.cpp's programs share: the words of a command line, and one start of a
 * program with its time and memory in the row. Inside these drivers only. One thread.
 */
#ifndef MEASURE_LLAMA_COMMAND_H
#define MEASURE_LLAMA_COMMAND_H

#include "measure/driver.h"
#include "measure/program.h"

enum { LLAMA_MAX_WORDS = 96, LLAMA_NUMBER_BYTES = 24 };

struct llama_program { /* owns its texts but for kv_type */
    struct driver_target target;
    char *model_path;
    const char *name; /* last part of the path */
    int n_threads, n_batch;
    const char *kv_type;
    double timeout_s;
};

/* Checks that both files are there and the first can be started. After a failure there is nothing
 * to close. */
enum mscope_status llama_program_open(struct llama_program *program,
                                      const struct driver_settings *settings,
                                      struct mscope_error *err);
void llama_program_close(struct llama_program *program);

struct llama_command { /* argv with the numbers in it; points into what it is given */
    const char *words[LLAMA_MAX_WORDS];
    char numbers[LLAMA_MAX_WORDS][LLAMA_NUMBER_BYTES];
    int n;
};
/* Program, model, threads, batch. */
void llama_command_start(struct llama_command *command, const struct llama_program *program);
void llama_command_add(struct llama_command *command, const char *word);
void llama_command_add_number(struct llama_command *command, const char *option, long long number);
/* Type of the cache where it is not f16, their default; `flash` is the word that turns flash
 * attention on, without which they take no quantised cache of values. */
void llama_command_add_cache(struct llama_command *command, const struct llama_program *program,
                             const char *flash);

/*
 * Adds the user's own words, the last of which count, and runs it. On success the caller frees the
 * result. Time and memory of the program go to the row: of several programs the sum and the
 * largest. A program that exceeds its time makes record->status "timeout".
 */
enum mscope_status llama_command_run(struct llama_command *command,
                                     const struct llama_program *program,
                                     struct program_result *result, struct record *record,
                                     struct mscope_error *err);

#endif
