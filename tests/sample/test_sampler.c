/* SPDX-License-Identifier: MIT */
/*
 * The sampler: survivor sets of each filter on hand-made logits, frequencies of draws against the
 * exact distribution (chi-square, fixed seeds), order of the steps, the penalty's window, refused
 * parameters.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

enum { MAX_VOCAB = 64, N_DRAWS = 20000 };

/* Everything off: plain draws from the softmax. */
static struct mscope_sampler_params plain(uint64_t seed)
{
    return (struct mscope_sampler_params){
        .temperature = 1, .top_p = 1, .repeat_penalty = 1, .repeat_last_n = 64, .seed = seed};
}

static struct mscope_sampler *open_sampler(int n_vocab, struct mscope_sampler_params params)
{
    struct mscope_sampler *sampler;
    struct mscope_error err;
    assert_ok(mscope_sampler_open(&sampler, n_vocab, &params, &err), &err);
    return sampler;
}

static void count_draws(int counts[MAX_VOCAB], const float *logits, int n_vocab,
                        struct mscope_sampler_params params)
{
    struct mscope_sampler *sampler = open_sampler(n_vocab, params);
    memset(counts, 0, MAX_VOCAB * sizeof counts[0]);
    for (int i = 0; i < N_DRAWS; i++) {
        int32_t id = mscope_sampler_next(sampler, logits);
        assert_in_range(id, 0, n_vocab - 1);
        counts[id]++;
    }
    mscope_sampler_close(&sampler);
    assert_null(sampler);
}

/* The ids drawn at least once are exactly those whose bit is set in `expected`. */
static void assert_survivors(const float *logits, int n_vocab, struct mscope_sampler_params params,
                             uint64_t expected)
{
    int counts[MAX_VOCAB];
    count_draws(counts, logits, n_vocab, params);
    for (int i = 0; i < n_vocab; i++) {
        if ((counts[i] > 0) != ((expected >> i & 1) != 0)) {
            fail_msg("id %d drawn %d times, expected %s", i, counts[i],
                     expected >> i & 1 ? "some" : "none");
        }
    }
}

/* Pearson's statistic over ids with probability above 0; 5 standard deviations above its mean is a
 * failure. */
static void assert_distribution(const int *counts, const double *weights, int n)
{
    double total = 0;
    for (int i = 0; i < n; i++) {
        total += weights[i];
    }
    double statistic = 0;
    int freedom = -1;
    for (int i = 0; i < n; i++) {
        double expected = weights[i] / total * N_DRAWS;
        if (weights[i] == 0) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
        freedom++;
    }
    double limit = freedom + 5 * sqrt(2.0 * freedom);
    if (statistic > limit) {
        fail_msg("chi-square %.1f with %d degrees of freedom, limit %.1f", statistic, freedom,
                 limit);
    }
}

static void draws_follow_the_softmax(void **state)
{
    (void)state;
    float logits[12];
    double weights[12];
    int counts[MAX_VOCAB];
    for (int temperature10 = 3; temperature10 <= 30; temperature10 += 9) {
        struct mscope_sampler_params params = plain(11);
        params.temperature = (float)temperature10 / 10;
        for (int i = 0; i < 12; i++) {
            logits[i] =
                0.35f * (float)((i * 5) % 12) - 900; /* far from 0: only differences matter */
            weights[i] = exp(((double)logits[i] + 900) / (double)params.temperature);
        }
        count_draws(counts, logits, 12, params);
        assert_distribution(counts, weights, 12);
    }
}

static void temperature_sharpens_and_flattens(void **state)
{
    (void)state;
    const float logits[4] = {0, 1, 2, 3};
    int cold[MAX_VOCAB];
    int warm[MAX_VOCAB];
    int hot[MAX_VOCAB];
    struct mscope_sampler_params params = plain(5);
    params.temperature = 0.25f;
    count_draws(cold, logits, 4, params);
    params.temperature = 1;
    count_draws(warm, logits, 4, params);
    params.temperature = 50;
    count_draws(hot, logits, 4, params);
    assert_true(cold[3] > warm[3] && warm[3] > hot[3]);
    assert_true(cold[0] < warm[0] && warm[0] < hot[0]);
    const double even[4] = {1, exp(1.0 / 50), exp(2.0 / 50), exp(3.0 / 50)};
    assert_distribution(hot, even, 4);

    params.temperature = 1e-30f; /* so cold that every other weight underflows */
    count_draws(cold, logits, 4, params);
    assert_int_equal(cold[3], N_DRAWS);
}

static void temperature_zero_is_greedy(void **state)
{
    (void)state;
    struct mscope_sampler_params params = plain(1);
    params.temperature = 0;
    struct mscope_sampler *sampler = open_sampler(6, params);
    assert_int_equal(mscope_sampler_next(sampler, (const float[]){1, 7, 3, 7, 7, -2}), 1);
    assert_int_equal(mscope_sampler_next(sampler, (const float[]){NAN, -3, -3, NAN, -4, -5}), 1);
    assert_int_equal(mscope_sampler_next(sampler, (const float[]){0, 1, INFINITY, 2, NAN, 3}), 2);
    const float nothing[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    assert_int_equal(mscope_sampler_next(sampler, nothing), -1);
    mscope_sampler_close(&sampler);
}

static void top_k_keeps_the_k_best_lower_ids_on_ties(void **state)
{
    (void)state;
    const float logits[8] = {1.0f, 1.5f, 1.5f, 1.2f, 1.5f, 0.9f, 1.2f, 0};
    const uint64_t expected[10] = {0xff, 0x02, 0x06, 0x16, 0x1e, 0x5e, 0x5f, 0x7f, 0xff, 0xff};
    for (int k = 0; k <= 9; k++) { /* 0 is off, 9 is more than there are */
        struct mscope_sampler_params params = plain(21);
        params.top_k = k;
        assert_survivors(logits, 8, params, expected[k]);
    }
}

static void top_p_keeps_the_smallest_sufficient_set(void **state)
{
    (void)state;
    /* probabilities 0.1 0.4 0.2 0.3 */
    const float logits[4] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    const struct {
        float top_p;
        uint64_t survivors;
    } cases[] = {{0, 0x2},     {0.39f, 0x2}, {0.41f, 0xa}, {0.69f, 0xa},
                 {0.71f, 0xe}, {0.89f, 0xe}, {0.91f, 0xf}, {1, 0xf}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mscope_sampler_params params = plain(22);
        params.top_p = cases[i].top_p;
        assert_survivors(logits, 4, params, cases[i].survivors);
    }
}

static void top_p_measures_what_top_k_left(void **state)
{
    (void)state;
    const float logits[4] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    struct mscope_sampler_params params = plain(23);
    params.top_k = 2; /* leaves 0.4 and 0.3, which are 0.571 and 0.429 of what is left */
    params.top_p = 0.55f;
    assert_survivors(logits, 4, params, 0x2);
    params.top_p = 0.60f;
    assert_survivors(logits, 4, params, 0xa);
}

static void min_p_is_relative_to_the_best(void **state)
{
    (void)state;
    const float logits[4] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    const struct {
        float min_p;
        uint64_t survivors;
    } cases[] = {{0, 0xf},     {0.24f, 0xf}, {0.26f, 0xe}, {0.49f, 0xe},
                 {0.51f, 0xa}, {0.74f, 0xa}, {0.76f, 0x2}, {1, 0x2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mscope_sampler_params params = plain(24);
        params.min_p = cases[i].min_p;
        assert_survivors(logits, 4, params, cases[i].survivors);
    }
}

/* At temperature 4 the set would be larger if the filters looked at the flattened distribution. */
static void filters_come_before_temperature(void **state)
{
    (void)state;
    const float logits[4] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    struct mscope_sampler_params params = plain(25);
    params.temperature = 4;
    params.top_p = 0.69f;
    int counts[MAX_VOCAB];
    count_draws(counts, logits, 4, params);
    const double weights[4] = {0, pow(0.4, 0.25), 0, pow(0.3, 0.25)};
    assert_distribution(counts, weights, 4);

    params.top_p = 1;
    params.min_p = 0.51f;
    count_draws(counts, logits, 4, params);
    assert_distribution(counts, weights, 4);
}

static void odd_logits_are_handled(void **state)
{
    (void)state;
    struct mscope_sampler_params params = plain(26);
    const float with_nan[5] = {NAN, 1, NAN, 1.5f, 0.5f};
    assert_survivors(with_nan, 5, params, 0x1a);
    const float with_minus[5] = {-INFINITY, 1, -INFINITY, 1.5f, 0.5f};
    assert_survivors(with_minus, 5, params, 0x1a);
    const float with_plus[5] = {INFINITY, 1, 2, INFINITY, 0.5f};
    assert_survivors(with_plus, 5, params, 0x09);
    const float all_minus[3] = {-INFINITY, -INFINITY, -INFINITY};
    assert_survivors(all_minus, 3, params, 0x7);
    params.top_k = 3;
    params.top_p = 0.9f;
    params.min_p = 0.1f;
    assert_survivors(with_nan, 5, params, 0x1a);
    const float one[1] = {-4};
    assert_survivors(one, 1, params, 0x1);
}

static void the_seed_decides(void **state)
{
    (void)state;
    float logits[50];
    for (int i = 0; i < 50; i++) {
        logits[i] = (float)((i * 7) % 50) / 25;
    }
    int32_t first[200];
    int n_different = 0;
    for (int run = 0; run < 3; run++) {
        struct mscope_sampler *sampler = open_sampler(50, plain(run == 2 ? 98 : 99));
        for (int i = 0; i < 200; i++) {
            int32_t id = mscope_sampler_next(sampler, logits);
            if (run == 0) {
                first[i] = id;
            } else if (run == 1) {
                assert_int_equal(id, first[i]);
            } else {
                n_different += id != first[i];
            }
        }
        mscope_sampler_close(&sampler);
    }
    assert_true(n_different > 100);
}

static void penalty_divides_positive_and_multiplies_negative(void **state)
{
    (void)state;
    const float logits[4] = {2, -1, 1.5f, -3};
    int counts[MAX_VOCAB];
    struct mscope_sampler_params params = plain(30);
    params.repeat_penalty = 2;
    struct mscope_sampler *sampler = open_sampler(4, params);
    memset(counts, 0, sizeof counts);
    mscope_sampler_accept(sampler, 0);
    mscope_sampler_accept(sampler, 1);
    mscope_sampler_accept(sampler, 0); /* a second occurrence does not penalise again */
    mscope_sampler_accept(sampler, -1);
    mscope_sampler_accept(sampler, 4); /* not in the vocabulary: ignored */
    for (int i = 0; i < N_DRAWS; i++) {
        counts[mscope_sampler_next(sampler, logits)]++;
    }
    mscope_sampler_close(&sampler);
    const double weights[4] = {exp(1), exp(-2), exp(1.5), exp(-3)};
    assert_distribution(counts, weights, 4);
}

static void penalty_forgets_outside_its_window(void **state)
{
    (void)state;
    const float logits[4] = {4, 3, 2, 1};
    struct mscope_sampler_params params = plain(31);
    params.temperature = 0;
    params.repeat_penalty = 100;
    params.repeat_last_n = 2;
    struct mscope_sampler *sampler = open_sampler(4, params);
    const int32_t expected[] = {0, 1, 2, 0, 1, 2, 0, 1};
    for (int i = 0; i < 8; i++) { /* the token before the last two is free again */
        int32_t id = mscope_sampler_next(sampler, logits);
        assert_int_equal(id, expected[i]);
        mscope_sampler_accept(sampler, id);
    }
    mscope_sampler_close(&sampler);

    params.repeat_last_n = 0;
    sampler = open_sampler(4, params);
    mscope_sampler_accept(sampler, 0);
    assert_int_equal(mscope_sampler_next(sampler, logits), 0);
    mscope_sampler_close(&sampler);
}

/* Against a plain sort of the whole vocabulary, at the size of a real one. */
static void selection_equals_a_full_sort(void **state)
{
    (void)state;
    enum { N = 50000, K = 37 };
    static float logits[N];
    static bool kept[N];
    uint32_t x = 12345;
    for (int i = 0; i < N; i++) {
        x = x * 1664525u + 1013904223u;
        logits[i] = (float)(x >> 20) / 4096; /* 4096 values: many ties */
    }
    memset(kept, 0, sizeof kept);
    for (int k = 0; k < K; k++) {
        int best = -1;
        for (int i = 0; i < N; i++) {
            if (!kept[i] && (best < 0 || logits[i] > logits[best])) {
                best = i;
            }
        }
        kept[best] = true;
    }
    struct mscope_sampler_params params = plain(40);
    params.top_k = K;
    params.temperature = 10;
    struct mscope_sampler *sampler = open_sampler(N, params);
    static int counts[N];
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < 1000; i++) {
        counts[mscope_sampler_next(sampler, logits)]++;
    }
    mscope_sampler_close(&sampler);
    for (int i = 0; i < N; i++) {
        assert_int_equal(counts[i] > 0, kept[i]);
    }
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    struct mscope_sampler_params good = mscope_sampler_defaults();
    struct mscope_sampler_params bad[12];
    for (int i = 0; i < 12; i++) {
        bad[i] = good;
    }
    bad[0].temperature = -0.1f;
    bad[1].temperature = NAN;
    bad[2].temperature = INFINITY;
    bad[3].top_k = -1;
    bad[4].top_p = 1.01f;
    bad[5].top_p = NAN;
    bad[6].min_p = -0.5f;
    bad[7].min_p = NAN;
    bad[8].repeat_penalty = 0;
    bad[9].repeat_penalty = NAN;
    bad[10].repeat_last_n = -1;
    bad[11].repeat_last_n = INT32_MAX;
    for (int i = 0; i < 12; i++) {
        struct mscope_sampler *sampler = (void *)&good;
        struct mscope_error err = {0};
        assert_int_equal(mscope_sampler_open(&sampler, 10, &bad[i], &err), MSCOPE_ERR_ARGUMENT);
        assert_null(sampler);
        assert_string_equal(err.object, "sampler");
        assert_non_null(strstr(err.detail, "expected"));
        assert_int_equal(mscope_sampler_open(&sampler, 10, &bad[i], NULL), MSCOPE_ERR_ARGUMENT);
    }
    struct mscope_sampler *sampler;
    assert_int_equal(mscope_sampler_open(&sampler, 0, &good, NULL), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(mscope_sampler_open(&sampler, 10, &good, NULL), MSCOPE_OK);
    mscope_sampler_close(&sampler);
    mscope_sampler_close(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(temperature_sharpens_and_flattens),
        cmocka_unit_test(temperature_zero_is_greedy),
        cmocka_unit_test(top_k_keeps_the_k_best_lower_ids_on_ties),
        cmocka_unit_test(top_p_keeps_the_smallest_sufficient_set),
        cmocka_unit_test(top_p_measures_what_top_k_left),
        cmocka_unit_test(min_p_is_relative_to_the_best),
        cmocka_unit_test(filters_come_before_temperature),
        cmocka_unit_test(odd_logits_are_handled),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(penalty_divides_positive_and_multiplies_negative),
        cmocka_unit_test(penalty_forgets_outside_its_window),
        cmocka_unit_test(selection_equals_a_full_sort),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
