/* SPDX-License-Identifier: MIT */
/* Random damage to the header of a good file: each result is a model that binds or one error, never
 * a crash. */
#include "fixture.h"

#include "base/rng.h"

enum { N_ROUNDS = 600, SEED = 20250101 };

static char *load(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*n_bytes);
    assert_int_equal(fread(data, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return data;
}

/* Reads a byte of everything that was bound, so that a wrong pointer or size is felt. */
static unsigned touch(const struct opened *o)
{
    const struct weight *whole[] = {&o->weights.token_embd, &o->weights.output,
                                    &o->weights.output_norm};
    unsigned sum = 0;
    for (size_t i = 0; i < 3; i++) {
        sum += ((const unsigned char *)whole[i]->data)[whole[i]->row_bytes * whole[i]->n_out - 1];
    }
    for (uint32_t il = 0; il < o->config.n_layer; il++) {
        const struct layer_weights *layer = &o->weights.layers[il];
        sum += ((const unsigned char *)
                    layer->attn_v.data)[layer->attn_v.row_bytes * layer->attn_v.n_out - 1];
        if (layer->is_moe) {
            const struct expert_weights *down = &layer->expert_down;
            sum +=
                ((const unsigned char *)down->data[o->config.n_expert - 1])[down->expert_bytes - 1];
        }
    }
    return sum;
}

static void damage_never_crashes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"tiny-olmoe", "tiny-gemma2"};
    printf("seed %d\n", SEED);
    for (size_t s = 0; s < 2; s++) {
        const char *path = fixture_path("good.gguf");
        fixture_synth(path, shapes[s], "Q4_0");
        size_t n_bytes;
        char *good = load(path, &n_bytes);
        struct rng rng;
        rng_seed_stream(&rng, SEED, s);
        int n_bound = 0;
        for (int round = 0; round < N_ROUNDS; round++) {
            char *bad = malloc(n_bytes);
            memcpy(bad, good, n_bytes);
            for (uint32_t k = rng_below(&rng, 4) + 1; k > 0; k--) {
                bad[rng_below(&rng, 20000)] = (char)rng_next(&rng);
            }
            struct opened o = {0};
            enum mscope_status status = gguf_open_memory(&o.gguf, bad, n_bytes, "mutant", &o.err);
            assert_ok(arena_open(&o.arena, "test", &o.err), &o.err);
            if (status == MSCOPE_OK) {
                status = model_info_fill(&o.info, o.gguf, o.arena, &o.err);
            }
            if (status == MSCOPE_OK) {
                status = model_config_read(&o.config, o.gguf, &o.err);
            }
            if (status == MSCOPE_OK) {
                status = model_weights_bind(&o.weights, &o.config, o.gguf, o.arena, &o.err);
            }
            if (status == MSCOPE_OK) {
                n_bound++;
                assert_true(touch(&o) < UINT32_MAX);
            } else {
                assert_int_equal(o.err.status, status);
                assert_true(o.err.object[0] != '\0' && o.err.detail[0] != '\0');
            }
            opened_close(&o);
            free(bad);
        }
        printf("%s: %d of %d bound\n", shapes[s], n_bound, N_ROUNDS);
        assert_true(n_bound > 0 && n_bound < N_ROUNDS);
        free(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_never_crashes),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
