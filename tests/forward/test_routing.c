/* SPDX-License-Identifier: MIT */
/* LINKS: engine model */
/*
 * Routing as reported by the callback: exactly k distinct experts per token, best first, in every
 * MoE layer, with weights as the family's rule makes them; the same whatever the chunking.
 */
#include "forward/fixture.h"

enum { MAX_LAYERS = 64, MAX_USED = 16 };

struct routes {
    int n_expert, n_used, n_layer;
    bool renormalised;
    int n_seen[MAX_LAYERS][FIXTURE_N_TOKENS];
    int32_t experts[MAX_LAYERS][FIXTURE_N_TOKENS][MAX_USED];
};

static void collect(void *user, const struct mscope_routing *routing)
{
    struct routes *routes = user;
    assert_in_range(routing->i_layer, 0, routes->n_layer - 1);
    assert_int_equal(routing->n_used, routes->n_used);
    for (int i = 0; i < routing->n_rows; i++) {
        int position = routing->positions[i];
        assert_in_range(position, 0, FIXTURE_N_TOKENS - 1);
        routes->n_seen[routing->i_layer][position]++;
        const int32_t *experts = routing->experts + i * routing->n_used;
        const float *weights = routing->weights + i * routing->n_used;
        double sum = 0;
        for (int j = 0; j < routing->n_used; j++) {
            assert_in_range(experts[j], 0, routes->n_expert - 1);
            for (int l = 0; l < j; l++) {
                assert_int_not_equal(experts[j], experts[l]);
            }
            assert_true(weights[j] > 0 && weights[j] <= 1.00001F);
            assert_true(j == 0 || weights[j] <= weights[j - 1]);
            sum += (double)weights[j];
            routes->experts[routing->i_layer][position][j] = experts[j];
        }
        if (routes->renormalised) {
            assert_true(fabs(sum - 1) < 1e-5);
        } else {
            assert_true(sum < 1 - 1e-5);
        }
    }
}

static struct routes *routes_of(const struct fixture_case *test, int n_threads, int n_batch)
{
    struct fixture fixture;
    fixture_open(&fixture, test, n_threads, n_batch);
    struct mscope_error err;
    const struct mscope_model_info *info = mscope_model_get_info(fixture.model);
    struct routes *routes = calloc(1, sizeof *routes);
    assert_non_null(routes);
    routes->n_expert = (int)info->n_expert;
    routes->n_used = (int)info->n_expert_used;
    routes->n_layer = (int)info->n_layer;
    routes->renormalised =
        strcmp(info->architecture, "llama") == 0 || strcmp(info->architecture, "qwen3moe") == 0;
    assert_true(routes->n_layer <= MAX_LAYERS && routes->n_used <= MAX_USED);

    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 8);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    mscope_engine_on_routing(fixture.engine, collect, routes);
    assert_ok(mscope_eval(session, tokens, FIXTURE_N_TOKENS, MSCOPE_OUTPUT_NONE, &err), &err);

    /* no callback, no calls */
    mscope_engine_on_routing(fixture.engine, NULL, NULL);
    assert_ok(mscope_session_rewind(session, 0, &err), &err);
    assert_ok(mscope_eval(session, tokens, FIXTURE_N_TOKENS, MSCOPE_OUTPUT_NONE, &err), &err);
    int n_expected = routes->n_expert > 0 ? 1 : 0; /* all layers of these families are alike */
    for (int i = 0; i < routes->n_layer; i++) {
        for (int j = 0; j < FIXTURE_N_TOKENS; j++) {
            assert_int_equal(routes->n_seen[i][j], n_expected);
        }
    }
    mscope_session_close(&session);
    fixture_close(&fixture);
    return routes;
}

static void check_routing(const struct fixture_case *test)
{
    struct routes *whole = routes_of(test, 1, 0);
    struct routes *cut = routes_of(test, 3, 5);
    assert_memory_equal(whole->experts, cut->experts, sizeof whole->experts);
    free(whole);
    free(cut);
}

static void every_token_goes_to_exactly_k_experts(void **state)
{
    (void)state;
    fixture_for_each(check_routing);
}

/*
 * Synthetic models are meant to spread their tokens: no expert may be dead, none may take
 * everything.
 */
static void check_spread(const struct fixture_case *test)
{
    struct routes *routes = routes_of(test, 1, 0);
    for (int i = 0; routes->n_expert > 0 && i < routes->n_layer; i++) {
        int n_tokens[256] = {0};
        int n_distinct = 0;
        assert_true(routes->n_expert <= 256);
        for (int j = 0; j < FIXTURE_N_TOKENS; j++) {
            for (int l = 0; l < routes->n_used; l++) {
                n_distinct += n_tokens[routes->experts[i][j][l]]++ == 0 ? 1 : 0;
            }
        }
        if (n_distinct * 2 < routes->n_expert) {
            fail_msg("%s %s: layer %d used %d experts of %d", test->shape, test->recipe, i,
                     n_distinct, routes->n_expert);
        }
    }
    free(routes);
}

static void synthetic_models_spread_their_routing(void **state)
{
    (void)state;
    fixture_for_each(check_spread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_goes_to_exactly_k_experts),
        cmocka_unit_test(synthetic_models_spread_their_routing),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
