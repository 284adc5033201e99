/* SPDX-License-Identifier: MIT */
/*
 * The four YAML files of configs/ as structs: models, prompts, devices, experiments. Owns all
 * texts. A wrong key, type or value is an error that names file, line and what is allowed. Knows
 * nothing of this machine. One thread.
 */
#ifndef MEASURE_CONFIG_H
#define MEASURE_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum config_role { CONFIG_MOE, CONFIG_DENSE };
enum config_category {
    CONFIG_QA,
    CONFIG_REASONING,
    CONFIG_CODING,
    CONFIG_SUMMARISATION,
    CONFIG_INSTRUCTION,
    CONFIG_LONG_CONTEXT,
    CONFIG_SWEEP
};
enum config_stratum { CONFIG_NO_STRATUM, CONFIG_SHORT, CONFIG_MEDIUM, CONFIG_LONG };
enum config_energy {
    CONFIG_ENERGY_AUTO,
    CONFIG_ENERGY_RAPL,
    CONFIG_ENERGY_NVML,
    CONFIG_ENERGY_INA3221,
    CONFIG_ENERGY_TEGRASTATS,
    CONFIG_ENERGY_BATTERY,
    CONFIG_ENERGY_NONE
};
const char *config_role_name(enum config_role role);
const char *config_category_name(enum config_category category);
const char *config_stratum_name(enum config_stratum stratum); /* NULL for none */
const char *config_energy_name(enum config_energy energy);

struct config_stand_in { /* a synthetic model of the same shape */
    char *shape, *recipe;
    uint64_t seed;
};

struct config_model {
    char *id, *label;
    enum config_role role;
    char *repo;     /* "owner/name" on huggingface.co; NULL: not published there */
    char *file;     /* name in the repository, and in DIR/<id>/ here */
    char *url;      /* where to fetch instead of the repository; NULL */
    char *sha256;   /* 64 hex digits; NULL: not known */
    uint64_t bytes; /* 0: not known */
    char *quant;
    struct config_stand_in *stand_in; /* NULL: none */
};

struct config_prompt {
    char *id;
    enum config_category category;
    enum config_stratum stratum;
    char *text; /* always set after loading */
    char *file; /* it came from here, relative to the folder; NULL */
    int n_words;
};

struct config_device {
    char *id, *label;
    char *match; /* part of the CPU's or board's name; NULL: only by name */
    int threads; /* 0: one per physical core */
    enum config_energy energy;
    double cooldown_s;   /* between runs */
    double temp_limit_c; /* above: repetitions rise */
    char *notes;
};

struct config_experiment {
    char *id, *title;
    char **models; /* ids; NULL: all */
    unsigned n_models;
    char **prompts; /* ids */
    unsigned n_prompts;
    int *threads; /* 0: the device's; NULL: {0} */
    unsigned n_threads;
    int repetitions, repetitions_hot; /* hot: when the thermal limit was passed */
    int n_gen;
    int warmup_max;       /* runs before the measured ones, at most; 0: none */
    double warmup_spread; /* stable: two successive decode rates within this share */
    double cv_limit;      /* flag above */
    double timeout_s;     /* of one run; 0: none */
    double cooldown_s;    /* at least; the device may ask for more */
    bool histogram;       /* rows carry routing_histogram */
    bool probe_overhead;  /* measure the cost of the split by an interleaved A/B */
    bool in_full;         /* part of `study` without names */
};

struct config {
    struct config_model *models;
    unsigned n_models;
    struct config_prompt *prompts;
    unsigned n_prompts;
    struct config_device *devices;
    unsigned n_devices;
    struct config_experiment *experiments;
    unsigned n_experiments;
    void *documents[4]; /* what the parser owns */
};

/* Reads models.yaml, prompts.yaml, devices.yaml and experiments.yaml of `folder`, and checks that
 * ids are unique and every id named exists. */
enum mscope_status config_load(struct config **out, const char *folder, struct mscope_error *err);
/* Only models.yaml, for who needs no more. */
enum mscope_status config_load_models(struct config **out, const char *folder,
                                      struct mscope_error *err);
void config_close(struct config **config);

/* NULL with an error that lists the ids there are. */
const struct config_model *config_find_model(const struct config *config, const char *id,
                                             struct mscope_error *err);
const struct config_prompt *config_find_prompt(const struct config *config, const char *id,
                                               struct mscope_error *err);
const struct config_experiment *config_find_experiment(const struct config *config, const char *id,
                                                       struct mscope_error *err);
/* `id` NULL: the first whose `match` is part of `machine`, else the one called "auto". */
const struct config_device *config_find_device(const struct config *config, const char *id,
                                               const char *machine, struct mscope_error *err);

/* Where the real file lies: "<models_dir>/<id>/<file>"; and its stand-in:
 * "<models_dir>/synthetic/<shape>-<recipe>-<seed>.gguf". Caller frees; NULL when memory ran out. */
char *config_model_path(const struct config_model *model, const char *models_dir);
char *config_stand_in_path(const struct config_model *model, const char *models_dir);

/* The folder used when none is named: ./configs, else beside or above the program, else where it is
 * installed. Caller frees; NULL when memory ran out. Need not exist. */
char *config_default_folder(void);

/* Words separated by white space. */
int config_count_words(const char *text);

#endif
