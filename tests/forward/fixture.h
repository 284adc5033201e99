/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the forward pass share: tiny synthetic models of every family, written once
 * per program to a folder of its own, and opened through the public header.
 */
#ifndef TESTS_FORWARD_FIXTURE_H
#define TESTS_FORWARD_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "model/synth.h"
#include "unit.h"

enum { FIXTURE_N_TOKENS = 40, FIXTURE_N_CTX = 64, FIXTURE_MAX_FILES = 64 };

static char fixture_folder[64];
static char fixture_files[FIXTURE_MAX_FILES][256];
static int fixture_n_files;

struct fixture {
    struct mscope_model *model;
    struct mscope_engine *engine;
    int n_vocab;
};

/* One combination that every test runs through. */
struct fixture_case {
    const char *shape, *recipe;
    bool exact;
};

static inline int fixture_setup(void **state)
{
    (void)state;
    snprintf(fixture_folder, sizeof fixture_folder, "/tmp/moescope-forward-XXXXXX");
    return mkdtemp(fixture_folder) == NULL ? -1 : 0;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < fixture_n_files; i++) {
        unlink(fixture_files[i]);
    }
    return rmdir(fixture_folder);
}

/* Path of the synthetic model, written at the first call. */
static inline const char *fixture_path(const char *shape, const char *recipe)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.%s.gguf", fixture_folder, shape, recipe);
    for (int i = 0; i < fixture_n_files; i++) {
        if (strcmp(fixture_files[i], path) == 0) {
            return fixture_files[i];
        }
    }
    assert_true(fixture_n_files < FIXTURE_MAX_FILES);
    struct mscope_error err;
    const struct synth_params params = {
        .shape = shape, .recipe = recipe, .seed = 11, .n_threads = 1};
    assert_ok(synth_write(path, &params, &err), &err);
    memcpy(fixture_files[fixture_n_files], path, sizeof path);
    return fixture_files[fixture_n_files++];
}

static inline void fixture_open(struct fixture *out, const struct fixture_case *test, int n_threads,
                                int n_batch)
{
    struct mscope_error err;
    const char *path = fixture_path(test->shape, test->recipe);
    assert_ok(mscope_model_open(&out->model, path, MSCOPE_PART_WEIGHTS, &err), &err);
    const struct mscope_engine_params params = {
        .n_threads = n_threads,
        .exact = test->exact,
        .n_batch = n_batch,
        .n_outputs = 2 * FIXTURE_N_TOKENS,
    };
    assert_ok(mscope_engine_open(&out->engine, out->model, &params, &err), &err);
    out->n_vocab = (int)mscope_model_get_info(out->model)->n_vocab;
}

static inline void fixture_close(struct fixture *fixture)
{
    mscope_engine_close(&fixture->engine);
    mscope_model_close(&fixture->model);
}

static inline struct mscope_session *fixture_session(const struct fixture *fixture,
                                                     enum mscope_kv_type kv)
{
    struct mscope_error err;
    struct mscope_session *session;
    const struct mscope_session_params params = {.n_ctx = FIXTURE_N_CTX, .kv = kv};
    assert_ok(mscope_session_open(&session, fixture->engine, &params, &err), &err);
    return session;
}

/* The same ids for the same seed, spread over the vocabulary. */
static inline void fixture_tokens(int32_t *tokens, int n_tokens, int n_vocab, uint32_t seed)
{
    uint32_t x = seed;
    for (int i = 0; i < n_tokens; i++) {
        x = 1664525U * x + 1013904223U;
        tokens[i] = (int32_t)((x >> 8) % (uint32_t)n_vocab);
    }
}

static inline float *fixture_alloc_logits(const struct fixture *fixture, int n_rows)
{
    float *logits = malloc((size_t)n_rows * (size_t)fixture->n_vocab * sizeof *logits);
    assert_non_null(logits);
    return logits;
}

/* Copies outputs i_output .. of the latest evaluation to rows of `logits`. */
static inline void fixture_copy_logits(const struct fixture *fixture, float *logits, int i_output,
                                       int n_rows)
{
    size_t n_vocab = (size_t)fixture->n_vocab;
    for (int i = 0; i < n_rows; i++) {
        const float *row = mscope_engine_logits(fixture->engine, i_output + i);
        assert_non_null(row);
        memcpy(logits + (size_t)i * n_vocab, row, n_vocab * sizeof *logits);
    }
}

/* Logits of all positions of `tokens`, evaluated at once in `session`; to be freed. */
static inline float *fixture_prefill(const struct fixture *fixture, struct mscope_session *session,
                                     const int32_t *tokens, int n_tokens)
{
    struct mscope_error err;
    float *logits = fixture_alloc_logits(fixture, n_tokens);
    assert_ok(mscope_eval(session, tokens, n_tokens, MSCOPE_OUTPUT_ALL, &err), &err);
    fixture_copy_logits(fixture, logits, 0, n_tokens);
    return logits;
}

/* The same, one token at a time. */
static inline float *fixture_decode(const struct fixture *fixture, struct mscope_session *session,
                                    const int32_t *tokens, int n_tokens)
{
    struct mscope_error err;
    float *logits = fixture_alloc_logits(fixture, n_tokens);
    for (int i = 0; i < n_tokens; i++) {
        assert_ok(mscope_eval(session, &tokens[i], 1, MSCOPE_OUTPUT_LAST, &err), &err);
        fixture_copy_logits(fixture, logits + (size_t)i * (size_t)fixture->n_vocab, 0, 1);
    }
    return logits;
}

struct fixture_distance {
    double max, rms; /* in units of the standard deviation of `expected` */
};

static inline struct fixture_distance fixture_distance(const float *logits, const float *expected,
                                                       size_t n)
{
    double sum = 0;
    double sum_squares = 0;
    double worst = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)logits[i] - (double)expected[i]);
        assert_true(isfinite(difference));
        worst = difference > worst ? difference : worst;
        squares += difference * difference;
        sum += (double)expected[i];
        sum_squares += (double)expected[i] * (double)expected[i];
    }
    double mean = sum / (double)n;
    double std = sqrt(sum_squares / (double)n - mean * mean);
    assert_true(std > 1e-3);
    return (struct fixture_distance){worst / std, sqrt(squares / (double)n) / std};
}

/* Fails with the name of the case unless the bits are the same. */
static inline void fixture_assert_same(const struct fixture_case *test, const char *what,
                                       const float *a, const float *b, size_t n)
{
    if (memcmp(a, b, n * sizeof *a) != 0) {
        fail_msg("%s %s %s: %s: logits differ", test->shape, test->recipe,
                 test->exact ? "exact" : "default", what);
    }
}

/* Runs `check` on every tiny shape, in F32 and in Q4_K_M, in both numeric modes. */
static inline void fixture_for_each(void (*check)(const struct fixture_case *test))
{
    static const char *const recipes[] = {"F32", "Q4_K_M"};
    int n_shapes = 0;
    for (const char *const *shape = synth_shapes(); *shape != NULL; shape++) {
        if (strncmp(*shape, "tiny", 4) != 0) {
            continue;
        }
        n_shapes++;
        for (int i = 0; i < 4; i++) {
            const struct fixture_case test = {*shape, recipes[i / 2], i % 2 == 0};
            check(&test);
        }
    }
    assert_true(n_shapes >= 5);
}

#endif
