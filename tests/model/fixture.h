/* SPDX-License-Identifier: MIT */
/*
 * For tests of model/: a folder of its own, tiny synthetic models in it, and rewriting a file with
 * something changed (a key, a tensor dropped, renamed, of another type or shape, added).
 */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include "gguf/writer.h"
#include "model/model.h"
#include "model/synth.h"
#include "unit.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static char fixture_folder[64];

static inline int fixture_setup(void **state)
{
    (void)state;
    snprintf(fixture_folder, sizeof fixture_folder, "/tmp/mscope-model-XXXXXX");
    return mkdtemp(fixture_folder) == NULL ? -1 : 0;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    char path[512];
    DIR *dir = opendir(fixture_folder);
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", fixture_folder, e->d_name);
        unlink(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return rmdir(fixture_folder);
}

/* "<folder>/<name>" in a buffer that the next-but-three call reuses. */
static inline const char *fixture_path(const char *name)
{
    static char paths[4][128];
    static int i;
    i = (i + 1) % 4;
    snprintf(paths[i], sizeof paths[i], "%s/%s", fixture_folder, name);
    return paths[i];
}

static inline void fixture_synth(const char *path, const char *shape, const char *recipe)
{
    struct mscope_error err;
    const struct synth_params params = {
        .shape = shape, .recipe = recipe, .seed = 7, .n_threads = 1};
    assert_ok(synth_write(path, &params, &err), &err);
}

/* An opened file with everything the model module makes of it. */
struct opened {
    struct gguf *gguf;
    struct arena *arena;
    struct model_config config;
    struct weights weights;
    struct mscope_model_info info;
    struct mscope_error err;
};

/* Status of the first step that fails. */
static inline enum mscope_status opened_try(struct opened *o, const char *path)
{
    *o = (struct opened){0};
    assert_ok(gguf_open(&o->gguf, path, &o->err), &o->err);
    assert_ok(arena_open(&o->arena, "test", &o->err), &o->err);
    enum mscope_status status = model_info_fill(&o->info, o->gguf, o->arena, &o->err);
    if (status == MSCOPE_OK) {
        status = model_config_read(&o->config, o->gguf, &o->err);
    }
    if (status == MSCOPE_OK) {
        status = model_weights_bind(&o->weights, &o->config, o->gguf, o->arena, &o->err);
    }
    return status;
}

static inline void opened_close(struct opened *o)
{
    arena_close(&o->arena);
    gguf_close(&o->gguf);
}

enum edit_kind {
    EDIT_END,
    EDIT_SET_U32,    /* key name to value */
    EDIT_SET_F32,    /* key name to number */
    EDIT_SET_STRING, /* key name to text */
    EDIT_SET_LAYERS, /* key name to an array of two, value and value2 */
    EDIT_DROP_KEY,
    EDIT_DROP,   /* tensor name */
    EDIT_RENAME, /* tensor name to text */
    EDIT_TYPE,   /* tensor name (F32) written as type value, zero bytes */
    EDIT_SHAPE,  /* tensor name written with ne[0] = value, ne[1] = value2, zero bytes */
    EDIT_ADD     /* F32 tensor name of value elements, zero bytes */
};

struct edit {
    enum edit_kind kind;
    const char *name;
    uint32_t value, value2;
    const char *text;
    float number;
};

static inline const struct edit *edit_of(const struct edit *edits, const char *tensor)
{
    for (const struct edit *e = edits; e->kind != EDIT_END; e++) {
        if (e->kind >= EDIT_DROP && e->kind != EDIT_ADD && strcmp(e->name, tensor) == 0) {
            return e;
        }
    }
    return NULL;
}

static inline void edit_keys(struct gguf_writer *w, const struct gguf *gguf,
                             const struct edit *edits)
{
    for (uint64_t i = 0; i < gguf_n_kv(gguf); i++) {
        const struct gguf_kv *kv = gguf_kv_at(gguf, i);
        bool dropped = false;
        for (const struct edit *e = edits; e->kind != EDIT_END; e++) {
            dropped = dropped || (e->kind == EDIT_DROP_KEY && gguf_string_equals(kv->key, e->name));
        }
        if (!dropped) {
            gguf_writer_copy_kv(w, kv);
        }
    }
    for (const struct edit *e = edits; e->kind != EDIT_END; e++) {
        if (e->kind == EDIT_SET_U32) {
            gguf_writer_set_u32(w, e->name, e->value);
        } else if (e->kind == EDIT_SET_F32) {
            gguf_writer_set_f32(w, e->name, e->number);
        } else if (e->kind == EDIT_SET_STRING) {
            gguf_writer_set_string(w, e->name, e->text, strlen(e->text));
        } else if (e->kind == EDIT_SET_LAYERS) {
            const uint32_t values[2] = {e->value, e->value2};
            gguf_writer_set_array(w, e->name, GGUF_U32, values, 2);
        }
    }
}

static inline void edit_write_zeros(struct gguf_writer *w, uint64_t n_bytes)
{
    struct mscope_error err;
    void *zeros = calloc(1, (size_t)n_bytes);
    assert_non_null(zeros);
    assert_ok(gguf_writer_write(w, zeros, (size_t)n_bytes, &err), &err);
    free(zeros);
}

/* Writes `to` as `from` with the edits (ended by EDIT_END). */
static inline void fixture_edit(const char *to, const char *from, const struct edit *edits)
{
    struct mscope_error err;
    struct gguf *gguf;
    struct gguf_writer *w;
    assert_ok(gguf_open(&gguf, from, &err), &err);
    assert_ok(gguf_writer_open(&w, to, &err), &err);
    edit_keys(w, gguf, edits);
    for (int pass = 0; pass < 2; pass++) { /* declare, then write */
        for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
            struct gguf_tensor t = *gguf_tensor_at(gguf, i);
            const struct edit *e = edit_of(edits, t.name);
            if (e != NULL && e->kind == EDIT_DROP) {
                continue;
            }
            if (e != NULL && e->kind == EDIT_TYPE) {
                t.type = (enum dtype)e->value;
            } else if (e != NULL && e->kind == EDIT_SHAPE) {
                t.ne[0] = e->value;
                t.ne[1] = e->value2;
            }
            const char *name = e != NULL && e->kind == EDIT_RENAME ? e->text : t.name;
            if (pass == 0) {
                gguf_writer_add_tensor(w, name, t.n_dims, t.ne, t.type);
            } else if (e != NULL && (e->kind == EDIT_TYPE || e->kind == EDIT_SHAPE)) {
                edit_write_zeros(w, dtype_row_bytes(t.type, t.ne[0]) * t.ne[1] * t.ne[2]);
            } else {
                assert_ok(gguf_writer_write(w, t.data, (size_t)t.n_bytes, &err), &err);
            }
        }
        for (const struct edit *e = edits; e->kind != EDIT_END; e++) {
            const uint64_t ne[1] = {e->value};
            if (e->kind == EDIT_ADD && pass == 0) {
                gguf_writer_add_tensor(w, e->name, 1, ne, DTYPE_F32);
            } else if (e->kind == EDIT_ADD) {
                edit_write_zeros(w, e->value * sizeof(float));
            }
        }
        if (pass == 0) {
            assert_ok(gguf_writer_begin_data(w, &err), &err);
        }
    }
    assert_ok(gguf_writer_finish(w, &err), &err);
    gguf_writer_close(&w);
    gguf_close(&gguf);
}

#endif
