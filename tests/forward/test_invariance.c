/* SPDX-License-Identifier: MIT */
/* LINKS: engine model */
/*
 * The logits of a token depend on the tokens before it and on nothing else: not on how the prompt
 * was cut into evaluations, nor on the size of a chunk, the number of threads, other sessions in
 * the batch, or what was rewound.
 */
#include "forward/fixture.h"

static size_t n_logits(const struct fixture *fixture, int n_rows)
{
    return (size_t)n_rows * (size_t)fixture->n_vocab;
}

static void check_decode(const struct fixture_case *test)
{
    struct fixture fixture;
    fixture_open(&fixture, test, 1, 0);
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 1);
    struct mscope_session *a = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    struct mscope_session *b = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    float *prefill = fixture_prefill(&fixture, a, tokens, FIXTURE_N_TOKENS);
    float *decode = fixture_decode(&fixture, b, tokens, FIXTURE_N_TOKENS);
    struct fixture_distance distance =
        fixture_distance(decode, prefill, n_logits(&fixture, FIXTURE_N_TOKENS));
    if (distance.max > 1e-3) {
        fail_msg("%s %s %s: decode is %g of the standard deviation away from prefill", test->shape,
                 test->recipe, test->exact ? "exact" : "default", distance.max);
    }
    free(prefill);
    free(decode);
    mscope_session_close(&a);
    mscope_session_close(&b);
    fixture_close(&fixture);
}

static void decode_equals_prefill(void **state)
{
    (void)state;
    fixture_for_each(check_decode);
}

/* Logits of one prefill with this many threads and this chunk size; to be freed. */
static float *logits_with(const struct fixture_case *test, int n_threads, int n_batch, size_t *n)
{
    struct fixture fixture;
    fixture_open(&fixture, test, n_threads, n_batch);
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 2);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    float *logits = fixture_prefill(&fixture, session, tokens, FIXTURE_N_TOKENS);
    assert_int_equal(mscope_session_position(session), FIXTURE_N_TOKENS);
    *n = n_logits(&fixture, FIXTURE_N_TOKENS);
    mscope_session_close(&session);
    fixture_close(&fixture);
    return logits;
}

static void check_threads(const struct fixture_case *test)
{
    size_t n;
    float *one = logits_with(test, 1, 0, &n);
    for (int n_threads = 2; n_threads <= 4; n_threads++) {
        char what[32];
        snprintf(what, sizeof what, "%d threads against one", n_threads);
        float *many = logits_with(test, n_threads, 0, &n);
        fixture_assert_same(test, what, many, one, n);
        free(many);
    }
    free(one);
}

static void any_thread_count_gives_the_same_bits(void **state)
{
    (void)state;
    fixture_for_each(check_threads);
}

static void check_chunks(const struct fixture_case *test)
{
    static const int sizes[] = {1, 3, 7, 39};
    size_t n;
    float *whole = logits_with(test, 1, 512, &n);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char what[48];
        snprintf(what, sizeof what, "chunks of %d rows against one chunk", sizes[i]);
        float *cut = logits_with(test, 1, sizes[i], &n);
        fixture_assert_same(test, what, cut, whole, n);
        free(cut);
    }
    free(whole);
}

static void any_chunk_size_gives_the_same_bits(void **state)
{
    (void)state;
    fixture_for_each(check_chunks);
}

/* Three sessions of different lengths and positions in one batch, against each of them alone. */
static void check_sessions(const struct fixture_case *test)
{
    enum { N_SESSIONS = 3 };
    static const int n_before[N_SESSIONS] = {0, 9, 17};
    static const int n_after[N_SESSIONS] = {12, 1, 5};
    struct fixture fixture;
    fixture_open(&fixture, test, 2, 8);
    struct mscope_error err;
    struct mscope_session *together[N_SESSIONS];
    struct mscope_batch_part parts[N_SESSIONS];
    int32_t tokens[N_SESSIONS][FIXTURE_N_TOKENS];
    float *alone[N_SESSIONS];
    for (int i = 0; i < N_SESSIONS; i++) {
        fixture_tokens(tokens[i], FIXTURE_N_TOKENS, fixture.n_vocab, 10 + (uint32_t)i);
        struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
        together[i] = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
        if (n_before[i] > 0) {
            assert_ok(mscope_eval(session, tokens[i], n_before[i], MSCOPE_OUTPUT_NONE, &err), &err);
            assert_ok(mscope_eval(together[i], tokens[i], n_before[i], MSCOPE_OUTPUT_LAST, &err),
                      &err);
        }
        alone[i] = fixture_prefill(&fixture, session, tokens[i] + n_before[i], n_after[i]);
        mscope_session_close(&session);
        parts[i] = (struct mscope_batch_part){together[i], tokens[i] + n_before[i], n_after[i],
                                              MSCOPE_OUTPUT_ALL};
    }
    assert_ok(mscope_eval_batch(fixture.engine, parts, N_SESSIONS, &err), &err);
    int i_output = 0;
    for (int i = 0; i < N_SESSIONS; i++) {
        float *logits = fixture_alloc_logits(&fixture, n_after[i]);
        fixture_copy_logits(&fixture, logits, i_output, n_after[i]);
        fixture_assert_same(test, "a session in a batch against alone", logits, alone[i],
                            n_logits(&fixture, n_after[i]));
        assert_int_equal(mscope_session_position(together[i]), n_before[i] + n_after[i]);
        i_output += n_after[i];
        free(logits);
        free(alone[i]);
        mscope_session_close(&together[i]);
    }
    assert_null(mscope_engine_logits(fixture.engine, i_output));
    fixture_close(&fixture);
}

static void a_session_in_a_batch_equals_the_session_alone(void **state)
{
    (void)state;
    fixture_for_each(check_sessions);
}

static void check_rewind(const struct fixture_case *test)
{
    enum { KEPT = 15, REST = FIXTURE_N_TOKENS - KEPT };
    struct fixture fixture;
    fixture_open(&fixture, test, 1, 0);
    struct mscope_error err;
    int32_t tokens[FIXTURE_N_TOKENS];
    int32_t other[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 3);
    fixture_tokens(other, FIXTURE_N_TOKENS, fixture.n_vocab, 4);
    struct mscope_session *straight = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    float *expected = fixture_prefill(&fixture, straight, tokens, FIXTURE_N_TOKENS);

    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    assert_ok(mscope_eval(session, tokens, KEPT, MSCOPE_OUTPUT_NONE, &err), &err);
    assert_ok(mscope_eval(session, other, REST, MSCOPE_OUTPUT_LAST, &err), &err);
    assert_ok(mscope_session_rewind(session, KEPT, &err), &err);
    assert_int_equal(mscope_session_position(session), KEPT);
    float *again = fixture_prefill(&fixture, session, tokens + KEPT, REST);
    fixture_assert_same(test, "after a rewind", again, expected + n_logits(&fixture, KEPT),
                        n_logits(&fixture, REST));
    free(again);
    free(expected);
    mscope_session_close(&session);
    mscope_session_close(&straight);
    fixture_close(&fixture);
}

static void rewound_tokens_leave_no_trace(void **state)
{
    (void)state;
    fixture_for_each(check_rewind);
}

/* Repeating an evaluation gives the same bits, with every kind of cache. */
static void check_repeat(const struct fixture_case *test)
{
    struct fixture fixture;
    fixture_open(&fixture, test, 2, 0);
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 5);
    for (int kv = MSCOPE_KV_DEFAULT; kv <= MSCOPE_KV_Q8_0; kv++) {
        struct mscope_session *a = fixture_session(&fixture, (enum mscope_kv_type)kv);
        struct mscope_session *b = fixture_session(&fixture, (enum mscope_kv_type)kv);
        float *first = fixture_prefill(&fixture, a, tokens, FIXTURE_N_TOKENS);
        float *second = fixture_prefill(&fixture, b, tokens, FIXTURE_N_TOKENS);
        fixture_assert_same(test, "second run against first", second, first,
                            n_logits(&fixture, FIXTURE_N_TOKENS));
        free(first);
        free(second);
        mscope_session_close(&a);
        mscope_session_close(&b);
    }
    fixture_close(&fixture);
}

static void two_runs_give_the_same_bits(void **state)
{
    (void)state;
    fixture_for_each(check_repeat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_equals_prefill),
        cmocka_unit_test(any_thread_count_gives_the_same_bits),
        cmocka_unit_test(any_chunk_size_gives_the_same_bits),
        cmocka_unit_test(a_session_in_a_batch_equals_the_session_alone),
        cmocka_unit_test(rewound_tokens_leave_no_trace),
        cmocka_unit_test(two_runs_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
