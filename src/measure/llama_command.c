/* SPDX-License-Identifier: MIT */
/* Words of a command line and the start of a program. */
#include "measure/llama_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum mscope_status check_files(const char *path, const char *model_path,
                                      struct mscope_error *err);

enum mscope_status llama_program_open(struct llama_program *program,
                                      const struct driver_settings *settings,
                                      struct mscope_error *err)
{
    *program = (struct llama_program){
        .n_threads = settings->n_threads,
        .n_batch = settings->n_batch,
        .kv_type = settings->kv_type != NULL ? settings->kv_type : "f16",
        .timeout_s = settings->timeout_s,
    };
    enum mscope_status status =
        driver_target_open(&program->target, settings->target != NULL ? settings->target : "", err);
    status = status == MSCOPE_OK ? check_files(program->target.place, settings->model_path, err)
                                 : status;
    if (status == MSCOPE_OK) {
        program->model_path = strdup(settings->model_path);
        status = program->model_path == NULL ? error_set_memory(err, "driver", 1) : status;
    }
    if (status != MSCOPE_OK) {
        llama_program_close(program);
        return status;
    }
    const char *slash = strrchr(program->target.place, '/');
    program->name = slash != NULL ? slash + 1 : program->target.place;
    return MSCOPE_OK;
}

void llama_program_close(struct llama_program *program)
{
    driver_target_close(&program->target);
    free(program->model_path);
    *program = (struct llama_program){0};
}

static enum mscope_status check_files(const char *path, const char *model_path,
                                      struct mscope_error *err)
{
    struct stat stat_of;
    if (stat(path, &stat_of) != 0) {
        return error_set_errno(err, errno, path[0] != '\0' ? path : "engine", "find program");
    }
    if (!S_ISREG(stat_of.st_mode) || access(path, X_OK) != 0) {
        return error_set(err, MSCOPE_ERR_IO, path,
                         "not a program, expected llama-completion, llama-cli or llama-bench");
    }
    if (model_path == NULL || stat(model_path, &stat_of) != 0) {
        return error_set_errno(err, errno, model_path != NULL ? model_path : "model",
                               "find model for llama.cpp");
    }
    return MSCOPE_OK;
}

void llama_command_start(struct llama_command *command, const struct llama_program *program)
{
    *command = (struct llama_command){0};
    llama_command_add(command, program->target.place);
    llama_command_add(command, "-m");
    llama_command_add(command, program->model_path);
    llama_command_add_number(command, "-t", program->n_threads);
    if (program->n_batch > 0) {
        llama_command_add_number(command, "-b", program->n_batch);
    }
}

void llama_command_add(struct llama_command *command, const char *word)
{
    if (command->n < LLAMA_MAX_WORDS - 1) {
        command->words[command->n++] = word;
    }
}

void llama_command_add_number(struct llama_command *command, const char *option, long long number)
{
    llama_command_add(command, option);
    char *text = command->numbers[command->n];
    snprintf(text, LLAMA_NUMBER_BYTES, "%lld", number);
    llama_command_add(command, text);
}

void llama_command_add_cache(struct llama_command *command, const struct llama_program *program,
                             const char *flash)
{
    if (strcmp(program->kv_type, "f16") == 0) {
        return;
    }
    llama_command_add(command, "-ctk");
    llama_command_add(command, program->kv_type);
    llama_command_add(command, "-ctv");
    llama_command_add(command, program->kv_type);
    if (strcmp(program->kv_type, "q8_0") == 0) {
        llama_command_add(command, "-fa");
        llama_command_add(command, flash);
    }
}

enum mscope_status llama_command_run(struct llama_command *command,
                                     const struct llama_program *program,
                                     struct program_result *result, struct record *record,
                                     struct mscope_error *err)
{
    for (int i = 0; i < program->target.n_arguments; i++) {
        llama_command_add(command, program->target.arguments[i]);
    }
    enum mscope_status status = program_run(result, command->words, program->timeout_s, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    record->wall_ms += result->wall_ms;
    if (result->peak_rss_bytes > record->peak_rss_bytes) {
        record->peak_rss_bytes = result->peak_rss_bytes;
    }
    status = program_judge(result, program->name, program->timeout_s, err);
    if (status != MSCOPE_OK) {
        if (result->timed_out) {
            enum mscope_status told = record_set_text(&record->status, "timeout", err);
            status = told == MSCOPE_OK ? status : told;
        }
        program_free(result);
    }
    return status;
}
