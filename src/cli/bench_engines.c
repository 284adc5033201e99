/* SPDX-License-Identifier: MIT */
/* --engine and --api-key-file of bench and study. */
#include "cli/bench_engines.h"

#include "cli/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mscope_status name_engine(struct bench_engine engines[BENCH_MAX_ENGINES], int i,
                                      struct mscope_error *err);

enum mscope_status engines_read(struct bench_engine engines[BENCH_MAX_ENGINES], int *n,
                                const struct options *options, struct mscope_error *err)
{
    const char *text = options_listed(options, "engine", 0);
    *n = 0;
    do {
        if (*n == BENCH_MAX_ENGINES) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "--engine", "given too often, at most %d",
                             BENCH_MAX_ENGINES);
        }
        struct bench_engine *engine = &engines[*n];
        *engine = (struct bench_engine){0};
        enum mscope_status status = driver_choose(&engine->class, &engine->target, text, err);
        status = status == MSCOPE_OK ? name_engine(engines, *n, err) : status;
        if (status != MSCOPE_OK) {
            return status;
        }
        text = options_listed(options, "engine", ++*n);
    } while (text != NULL);
    return MSCOPE_OK;
}

static enum mscope_status name_engine(struct bench_engine engines[BENCH_MAX_ENGINES], int i,
                                      struct mscope_error *err)
{
    struct bench_engine *engine = &engines[i];
    struct driver_target target = {0};
    if (engine->target != NULL) {
        enum mscope_status status = driver_target_open(&target, engine->target, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    int n_same = 1;
    for (int k = 0; k < i; k++) {
        if (target.name[0] != '\0' && strcmp(engines[k].name, target.name) == 0) {
            char name[DRIVER_NAME_BYTES];
            memcpy(name, target.name, sizeof name);
            driver_target_close(&target);
            return error_set(err, MSCOPE_ERR_ARGUMENT, "--engine",
                             "name '%s' given twice, expected names unlike each other", name);
        }
        n_same += strcmp(engines[k].class->engine, engine->class->engine) == 0;
    }
    if (target.name[0] != '\0') {
        memcpy(engine->name, target.name, sizeof engine->name);
    } else if (n_same == 1) {
        snprintf(engine->name, sizeof engine->name, "%s", engine->class->engine);
    } else {
        snprintf(engine->name, sizeof engine->name, "%s#%d", engine->class->engine, n_same);
    }
    driver_target_close(&target);
    return MSCOPE_OK;
}

enum mscope_status engines_read_key(struct strbuf *key, const struct options *options,
                                    struct mscope_error *err)
{
    const char *path = options_text(options, "api-key-file");
    const char *text = path == NULL ? getenv("MOESCOPE_API_KEY") : NULL;
    if (path != NULL) {
        enum mscope_status status = input_read_text(key, path, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        size_t n = key->n_bytes > 0 ? strcspn(key->data, "\r\n") : 0;
        if (n == 0) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, path, "empty, expected a key");
        }
        key->data[n] = '\0';
        key->n_bytes = n;
    } else if (text != NULL && text[0] != '\0') {
        strbuf_append(key, text, strlen(text));
    }
    for (size_t i = 0; i < key->n_bytes; i++) {
        if (key->data[i] <= ' ' || key->data[i] > '~') {
            return error_set(err, MSCOPE_ERR_ARGUMENT, path != NULL ? path : "MOESCOPE_API_KEY",
                             "byte %zu is no printable character, expected a key", i + 1);
        }
    }
    return key->failed ? error_set_memory(err, "key", key->n_bytes) : MSCOPE_OK;
}
