/* SPDX-License-Identifier: MIT */
/* LINKS: engine model */
/*
 * Sessions: what is refused, and that a refusal moves nothing and computes nothing; caches in
 * fewer bits; outputs and statistics.
 */
#include "forward/fixture.h"

static const struct fixture_case *any_case(void)
{
    static struct fixture_case test = {.recipe = "Q4_K_M"};
    for (const char *const *shape = synth_shapes(); *shape != NULL && test.shape == NULL; shape++) {
        test.shape = strncmp(*shape, "tiny", 4) == 0 ? *shape : NULL;
    }
    assert_non_null(test.shape);
    return &test;
}

/* The call fails with this status, names `object`, and the session stays where it is. */
static void assert_refused(struct mscope_session *session, const int32_t *tokens, int n_tokens,
                           enum mscope_outputs outputs, enum mscope_status status,
                           const char *object)
{
    struct mscope_error err;
    int position = mscope_session_position(session);
    assert_int_equal(mscope_eval(session, tokens, n_tokens, outputs, &err), status);
    assert_int_equal(err.status, status);
    assert_string_equal(err.object, object);
    assert_true(err.detail[0] != '\0');
    assert_int_equal(mscope_session_position(session), position);
}

static void impossible_evaluations_are_refused_and_move_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, any_case(), 1, 16);
    struct mscope_error err;
    int32_t tokens[2 * FIXTURE_N_CTX];
    fixture_tokens(tokens, 2 * FIXTURE_N_CTX, fixture.n_vocab, 1);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    assert_refused(session, tokens, 0, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_ARGUMENT, "prompt");
    assert_refused(session, tokens, -3, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_ARGUMENT, "prompt");
    assert_refused(session, tokens, FIXTURE_N_CTX + 1, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_CONTEXT,
                   "context");

    assert_ok(mscope_eval(session, tokens, 60, MSCOPE_OUTPUT_LAST, &err), &err);
    float *before = fixture_alloc_logits(&fixture, 1);
    fixture_copy_logits(&fixture, before, 0, 1);
    assert_refused(session, tokens, 5, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_CONTEXT, "context");

    char object[32];
    const int32_t beyond[] = {0, fixture.n_vocab, 0};
    snprintf(object, sizeof object, "token %d", fixture.n_vocab);
    assert_refused(session, beyond, 3, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_ARGUMENT, object);
    const int32_t negative[] = {0, -1};
    assert_refused(session, negative, 2, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_ARGUMENT, "token -1");

    /* what was computed before is still there, and the next good evaluation goes on from it */
    const float *after = mscope_engine_logits(fixture.engine, 0);
    assert_non_null(after);
    assert_memory_equal(after, before, (size_t)fixture.n_vocab * sizeof *before);
    assert_ok(mscope_eval(session, tokens + 60, 4, MSCOPE_OUTPUT_LAST, &err), &err);
    assert_int_equal(mscope_session_position(session), FIXTURE_N_CTX);
    assert_refused(session, tokens, 1, MSCOPE_OUTPUT_LAST, MSCOPE_ERR_CONTEXT, "context");
    free(before);
    mscope_session_close(&session);
    fixture_close(&fixture);
}

static void one_bad_part_stops_the_whole_batch(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, any_case(), 1, 0);
    struct mscope_error err;
    int32_t tokens[FIXTURE_N_CTX + 1];
    fixture_tokens(tokens, FIXTURE_N_CTX + 1, fixture.n_vocab, 1);
    struct mscope_session *a = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    struct mscope_session *b = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    struct mscope_batch_part parts[] = {
        {a, tokens, 4, MSCOPE_OUTPUT_LAST},
        {b, tokens, FIXTURE_N_CTX + 1, MSCOPE_OUTPUT_LAST},
    };
    assert_int_equal(mscope_eval_batch(fixture.engine, parts, 2, &err), MSCOPE_ERR_CONTEXT);
    parts[1] = (struct mscope_batch_part){b, tokens, 0, MSCOPE_OUTPUT_LAST};
    assert_int_equal(mscope_eval_batch(fixture.engine, parts, 2, &err), MSCOPE_ERR_ARGUMENT);
    parts[1] = parts[0];
    assert_int_equal(mscope_eval_batch(fixture.engine, parts, 2, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_eval_batch(fixture.engine, parts, 0, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_position(a), 0);
    assert_int_equal(mscope_session_position(b), 0);
    mscope_session_close(&a);
    mscope_session_close(&b);
    fixture_close(&fixture);
}

static void more_outputs_than_the_engine_keeps_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, any_case(), 1, 0);
    mscope_engine_close(&fixture.engine);
    struct mscope_error err;
    const struct mscope_engine_params params = {.n_threads = 1};
    assert_ok(mscope_engine_open(&fixture.engine, fixture.model, &params, &err), &err);
    assert_int_equal(mscope_engine_n_outputs(fixture.engine), 1);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    const int32_t tokens[] = {1, 2};
    assert_int_equal(mscope_eval(session, tokens, 2, MSCOPE_OUTPUT_ALL, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_position(session), 0);
    assert_ok(mscope_eval(session, tokens, 2, MSCOPE_OUTPUT_LAST, &err), &err);
    assert_non_null(mscope_engine_logits(fixture.engine, 0));
    assert_null(mscope_engine_logits(fixture.engine, 1));
    assert_null(mscope_engine_logits(fixture.engine, -1));
    assert_ok(mscope_eval(session, tokens, 2, MSCOPE_OUTPUT_NONE, &err), &err);
    assert_null(mscope_engine_logits(fixture.engine, 0));
    mscope_session_close(&session);
    fixture_close(&fixture);
}

static void rewinding_outside_the_session_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, any_case(), 1, 0);
    struct mscope_error err;
    const int32_t tokens[] = {1, 2, 3};
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    assert_ok(mscope_eval(session, tokens, 3, MSCOPE_OUTPUT_NONE, &err), &err);
    assert_int_equal(mscope_session_rewind(session, 4, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_rewind(session, -1, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_position(session), 3);
    assert_ok(mscope_session_rewind(session, 0, &err), &err);
    assert_int_equal(mscope_session_position(session), 0);
    mscope_session_close(&session);
    fixture_close(&fixture);
}

/* A cache in fewer bits is smaller, changes the logits, and changes them little. */
static void check_caches(const struct fixture_case *test)
{
    static const struct {
        enum mscope_kv_type kv;
        double max_rms, max_rms_moe; /* where an expert may change */
    } small[] = {{MSCOPE_KV_F16, 0.02, 0.05}, {MSCOPE_KV_Q8_0, 0.2, 0.2}};
    if (!test->exact) {
        return;
    }
    struct fixture fixture;
    fixture_open(&fixture, test, 1, 0);
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 6);
    size_t n = (size_t)FIXTURE_N_TOKENS * (size_t)fixture.n_vocab;
    struct mscope_session *full = fixture_session(&fixture, MSCOPE_KV_F32);
    float *expected = fixture_prefill(&fixture, full, tokens, FIXTURE_N_TOKENS);
    uint64_t n_bytes = mscope_session_kv_bytes(full);
    bool is_moe = mscope_model_get_info(fixture.model)->n_expert > 0;
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        struct mscope_session *session = fixture_session(&fixture, small[i].kv);
        float *logits = fixture_prefill(&fixture, session, tokens, FIXTURE_N_TOKENS);
        struct fixture_distance distance = fixture_distance(logits, expected, n);
        double max_rms = is_moe ? small[i].max_rms_moe : small[i].max_rms;
        if (!(distance.rms > 0 && distance.rms <= max_rms)) {
            fail_msg("%s %s: cache type %d moves the logits by rms %g", test->shape, test->recipe,
                     (int)small[i].kv, distance.rms);
        }
        assert_true(mscope_session_kv_bytes(session) < n_bytes);
        n_bytes = mscope_session_kv_bytes(session);
        free(logits);
        mscope_session_close(&session);
    }
    free(expected);
    mscope_session_close(&full);
    fixture_close(&fixture);
}

static void caches_in_fewer_bits_stay_close(void **state)
{
    (void)state;
    fixture_for_each(check_caches);
}

static void check_statistics(const struct fixture_case *test)
{
    struct fixture fixture;
    fixture_open(&fixture, test, 1, 4);
    struct mscope_error err;
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 7);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    assert_ok(mscope_eval(session, tokens, 10, MSCOPE_OUTPUT_LAST, &err), &err);
    mscope_engine_reset_stats(fixture.engine);
    assert_ok(mscope_eval(session, tokens + 10, 1, MSCOPE_OUTPUT_LAST, &err), &err);
    struct mscope_stats stats;
    mscope_engine_get_stats(fixture.engine, &stats);
    assert_int_equal(stats.n_evals, 1);
    assert_int_equal(stats.n_tokens, 1);
    assert_int_equal(stats.n_outputs, 1);
    assert_true(stats.eval_ns > 0 && stats.kv_bytes > 0 && stats.scratch_bytes > 0);

    /* one decoded token reads what `info` promises */
    const struct mscope_model_info *info = mscope_model_get_info(fixture.model);
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        if (stats.weight_bytes[i] != info->class_bytes_token[i]) {
            fail_msg("%s %s: %s: %llu bytes read, %llu promised", test->shape, test->recipe,
                     mscope_class_name((enum mscope_class)i),
                     (unsigned long long)stats.weight_bytes[i],
                     (unsigned long long)info->class_bytes_token[i]);
        }
    }
    mscope_session_close(&session);
    fixture_close(&fixture);
}

static void a_decoded_token_reads_the_bytes_that_info_promises(void **state)
{
    (void)state;
    fixture_for_each(check_statistics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_evaluations_are_refused_and_move_nothing),
        cmocka_unit_test(one_bad_part_stops_the_whole_batch),
        cmocka_unit_test(more_outputs_than_the_engine_keeps_are_refused),
        cmocka_unit_test(rewinding_outside_the_session_is_refused),
        cmocka_unit_test(caches_in_fewer_bits_stay_close),
        cmocka_unit_test(a_decoded_token_reads_the_bytes_that_info_promises),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
