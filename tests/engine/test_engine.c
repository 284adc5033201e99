/* SPDX-License-Identifier: MIT */
/* The public header beyond logits: timing, busy times, stages, sessions, statistics, copied files.
 */
#include "../forward/fixture.h"

#include <limits.h>

static const struct fixture_case dense = {"tiny-llama", "Q4_K_M", false};
static const struct fixture_case moe = {"tiny-olmoe", "Q4_K_M", false};

static struct mscope_session *open_session(struct mscope_engine *engine)
{
    struct mscope_error err;
    struct mscope_session *session;
    const struct mscope_session_params params = {.n_ctx = FIXTURE_N_CTX};
    assert_ok(mscope_session_open(&session, engine, &params, &err), &err);
    return session;
}

static void evaluate(struct mscope_session *session, int first, int n)
{
    int32_t tokens[FIXTURE_N_CTX];
    struct mscope_error err;
    for (int i = 0; i < n; i++) {
        tokens[i] = (first + i) * 7 % 50;
    }
    assert_ok(mscope_eval(session, tokens, n, MSCOPE_OUTPUT_LAST, &err), &err);
}

static float *copy_logits(const struct fixture *fixture)
{
    size_t n_bytes = (size_t)fixture->n_vocab * sizeof(float);
    float *logits = malloc(n_bytes);
    assert_non_null(logits);
    assert_non_null(mscope_engine_logits(fixture->engine, 0));
    memcpy(logits, mscope_engine_logits(fixture->engine, 0), n_bytes);
    return logits;
}

static uint64_t sum_of(const uint64_t values[MSCOPE_N_PHASE])
{
    uint64_t sum = 0;
    for (int i = 0; i < MSCOPE_N_PHASE; i++) {
        sum += values[i];
    }
    return sum;
}

static void timing_changes_no_result_and_its_phases_sum_to_the_time(void **state)
{
    (void)state;
    const struct fixture_case *const cases[] = {&dense, &moe};
    for (int c = 0; c < 2; c++) {
        struct fixture fixture;
        struct mscope_stats stats;
        fixture_open(&fixture, cases[c], 2, 0);
        struct mscope_session *session = open_session(fixture.engine);
        evaluate(session, 0, 12);
        float *expected = copy_logits(&fixture);
        mscope_engine_get_stats(fixture.engine, &stats);
        assert_int_equal(sum_of(stats.phase_ns), 0); /* off at open */
        assert_true(stats.eval_ns > 0);

        mscope_engine_reset_stats(fixture.engine);
        mscope_engine_set_timing(fixture.engine, true);
        struct mscope_error err;
        assert_ok(mscope_session_rewind(session, 0, &err), &err);
        evaluate(session, 0, 12);
        const float *timed = mscope_engine_logits(fixture.engine, 0);
        assert_memory_equal(timed, expected, (size_t)fixture.n_vocab * sizeof(float));
        mscope_engine_get_stats(fixture.engine, &stats);
        assert_int_equal(stats.n_evals, 1);
        assert_int_equal(stats.n_tokens, 12);
        assert_int_equal(stats.n_outputs, 1);
        uint64_t sum = sum_of(stats.phase_ns);
        assert_true(sum <= stats.eval_ns && sum >= stats.eval_ns - stats.eval_ns / 20 - 20000);
        bool is_moe = cases[c] == &moe;
        assert_true((stats.phase_ns[MSCOPE_PHASE_EXPERTS] > 0) == is_moe);
        assert_true((stats.phase_ns[MSCOPE_PHASE_FFN] > 0) == !is_moe);
        assert_true(stats.phase_ns[MSCOPE_PHASE_ATTENTION] > 0);

        mscope_engine_set_timing(fixture.engine, false);
        evaluate(session, 12, 1);
        mscope_engine_get_stats(fixture.engine, &stats);
        assert_int_equal(sum_of(stats.phase_ns), sum); /* off again: nothing is added */
        free(expected);
        mscope_session_close(&session);
        fixture_close(&fixture);
    }
}

static void busy_times_belong_to_threads_that_exist(void **state)
{
    (void)state;
    struct fixture fixture;
    struct mscope_error err;
    uint64_t busy_ns[MSCOPE_N_PHASE];
    struct mscope_stats stats;
    fixture_open(&fixture, &moe, 3, 0);
    struct mscope_session *session = open_session(fixture.engine);
    mscope_engine_set_timing(fixture.engine, true);
    evaluate(session, 0, 16);
    mscope_engine_get_stats(fixture.engine, &stats);
    uint64_t total_ns = 0;
    for (int i = 0; i < 3; i++) {
        assert_ok(mscope_engine_get_thread_busy(fixture.engine, i, busy_ns, &err), &err);
        assert_true(sum_of(busy_ns) <= stats.eval_ns);
        assert_int_equal(busy_ns[MSCOPE_PHASE_BARRIER], 0); /* waiting is not work */
        total_ns += sum_of(busy_ns);
    }
    assert_true(total_ns > 0);
    const int wrong[] = {-1, 3, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(mscope_engine_get_thread_busy(fixture.engine, wrong[i], busy_ns, &err),
                         MSCOPE_ERR_ARGUMENT);
        assert_non_null(strstr(err.detail, "expected 0 to 2"));
    }
    mscope_engine_reset_stats(fixture.engine);
    assert_ok(mscope_engine_get_thread_busy(fixture.engine, 0, busy_ns, &err), &err);
    assert_int_equal(sum_of(busy_ns), 0);
    mscope_session_close(&session);
    fixture_close(&fixture);
}

struct stages {
    int n_calls, n_layer_out, n_bad, n_logits, last_layer;
    int n_rows;
};

static void note_stage(void *user, int i_layer, const char *stage, const float *values, int n_rows,
                       int n_cols)
{
    struct stages *stages = user;
    stages->n_calls++;
    bool is_logits = strcmp(stage, "logits") == 0;
    stages->n_bad += i_layer < stages->last_layer || n_cols < 1 ? 1 : 0; /* in order */
    stages->n_bad += n_rows != (is_logits ? 1 : stages->n_rows) ? 1 : 0;
    stages->n_bad += isfinite(values[0]) && isfinite(values[n_rows * n_cols - 1]) ? 0 : 1;
    stages->n_layer_out += strcmp(stage, "layer_out") == 0 ? 1 : 0;
    stages->n_logits += is_logits ? 1 : 0;
    stages->last_layer = i_layer;
}

static void stages_come_in_order_and_stop_when_told(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, &dense, 2, 0);
    struct mscope_session *session = open_session(fixture.engine);
    struct stages stages = {.n_rows = 5, .last_layer = -1};
    mscope_engine_on_stage(fixture.engine, note_stage, &stages);
    evaluate(session, 0, 5);
    int n_layer = (int)mscope_model_get_info(fixture.model)->n_layer;
    assert_int_equal(stages.n_bad, 0);
    assert_int_equal(stages.n_layer_out, n_layer);
    assert_int_equal(stages.n_logits, 1);
    int n_calls = stages.n_calls;
    mscope_engine_on_stage(fixture.engine, NULL, NULL);
    evaluate(session, 5, 1);
    assert_int_equal(stages.n_calls, n_calls);
    mscope_session_close(&session);
    fixture_close(&fixture);
}

static void sessions_are_timelines_of_their_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct mscope_error err;
    fixture_open(&fixture, &moe, 2, 0);
    struct mscope_session *a = open_session(fixture.engine);
    evaluate(a, 0, 9);
    float *expected = copy_logits(&fixture);
    struct mscope_session *b = open_session(fixture.engine);
    assert_int_equal(mscope_session_n_ctx(b), FIXTURE_N_CTX);
    assert_true(mscope_session_kv_bytes(b) > 0);
    evaluate(b, 20, 4); /* another text between */
    assert_int_equal(mscope_session_position(a), 9);
    assert_int_equal(mscope_session_position(b), 4);

    assert_ok(mscope_session_rewind(a, 3, &err), &err);
    evaluate(a, 3, 6); /* the same continuation gives the same bits */
    assert_memory_equal(mscope_engine_logits(fixture.engine, 0), expected,
                        (size_t)fixture.n_vocab * sizeof(float));
    assert_null(mscope_engine_logits(fixture.engine, 1));
    assert_null(mscope_engine_logits(fixture.engine, -1));
    assert_int_equal(mscope_session_rewind(a, 10, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_rewind(a, -1, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_session_position(a), 9);

    const struct mscope_session_params too_long = {.n_ctx = INT_MAX};
    struct mscope_session *none = a;
    assert_int_equal(mscope_session_open(&none, fixture.engine, &too_long, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_null(none);
    free(expected);
    mscope_session_close(&b);
    mscope_session_close(&a);
    mscope_session_close(&a); /* NULL by now */
    fixture_close(&fixture);
}

static void a_copied_file_gives_the_same_bits(void **state)
{
    (void)state;
    struct mscope_error err;
    float *logits[2];
    size_t n_bytes = 0;
    for (int copied = 0; copied < 2; copied++) {
        struct mscope_model *model;
        struct mscope_engine *engine;
        unsigned parts = MSCOPE_PART_WEIGHTS | (copied ? MSCOPE_OPEN_COPIED : 0);
        const char *path = fixture_path(moe.shape, moe.recipe);
        const struct mscope_engine_params params = {.n_threads = 2, .n_ctx = FIXTURE_N_CTX};
        assert_ok(mscope_model_open(&model, path, parts, &err), &err);
        assert_ok(mscope_engine_open(&engine, model, &params, &err), &err);
        struct fixture fixture = {model, engine, (int)mscope_model_get_info(model)->n_vocab};
        struct mscope_session *session = open_session(engine);
        evaluate(session, 0, 11);
        logits[copied] = copy_logits(&fixture);
        n_bytes = (size_t)fixture.n_vocab * sizeof(float);
        mscope_session_close(&session);
        fixture_close(&fixture);
    }
    assert_memory_equal(logits[1], logits[0], n_bytes);
    free(logits[0]);
    free(logits[1]);
    struct mscope_model *none;
    assert_int_equal(mscope_model_open(&none, "/", MSCOPE_OPEN_COPIED, &err), MSCOPE_ERR_IO);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timing_changes_no_result_and_its_phases_sum_to_the_time),
        cmocka_unit_test(busy_times_belong_to_threads_that_exist),
        cmocka_unit_test(stages_come_in_order_and_stop_when_told),
        cmocka_unit_test(sessions_are_timelines_of_their_own),
        cmocka_unit_test(a_copied_file_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
