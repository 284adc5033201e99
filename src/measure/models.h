/* SPDX-License-Identifier: MIT */
/*
 * The file that stands for a model of the configuration on this computer: the real one when it is
 * there, else its synthetic stand-in, made when missing. Decides nothing about memory. One thread.
 */
#ifndef MEASURE_MODELS_H
#define MEASURE_MODELS_H

#include "measure/config.h"

struct models_choice {
    char *path; /* to be freed; NULL when there is none */
    bool is_stand_in;
};
struct models_params {
    const char *models_dir;
    bool no_stand_ins, no_real;
    bool make_room; /* remove other stand-ins of the folder when the disk is short */
    const struct config *config;
    void (*tell)(void *user, const char *text);
    void *user;
};

/*
 * Errors: neither file nor stand-in (MSCOPE_ERR_IO, says what to fetch), not enough disk for the
 * stand-in (says how much is missing), a stand-in that cannot be written.
 */
enum mscope_status models_find(struct models_choice *out, const struct config_model *model,
                               const struct models_params *params, struct mscope_error *err);

/* Bytes of all stand-ins that would have to be made, and bytes free in the folder. */
enum mscope_status models_disk_need(uint64_t *need_bytes, uint64_t *free_bytes,
                                    const struct config_model *const *models, int n_models,
                                    const struct models_params *params, struct mscope_error *err);

#endif
