/* SPDX-License-Identifier: MIT */
/* LINKS: model gguf */
/* The resident store hands out exactly the matrices of the expert asked for. */
#include "../model/fixture.h"

#include "experts/store.h"

static void views_point_into_the_file(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    fixture_synth(path, "tiny-olmoe", "Q4_K_M");
    struct opened o;
    struct expert_store *store;
    assert_ok(opened_try(&o, path), &o.err);
    assert_ok(expert_store_open_resident(&store, &o.config, &o.weights, &o.err), &o.err);
    assert_int_equal(store->max_held, o.config.n_expert);
    for (uint32_t il = 0; il < o.config.n_layer; il++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.ffn_down_exps.weight", il);
        const struct gguf_tensor *down = gguf_find_tensor(o.gguf, name);
        for (uint32_t e = 0; e < o.config.n_expert; e++) {
            struct expert_view view;
            assert_ok(store->ops->acquire(store, il, e, &view, &o.err), &o.err);
            assert_ptr_equal(view.down.data,
                             (const char *)down->data + e * (down->n_bytes / o.config.n_expert));
            assert_int_equal(view.down.type, down->type);
            assert_int_equal(view.down.n_out, o.config.n_embd);
            assert_int_equal(view.gate.n_in, o.config.n_embd);
            assert_int_equal(view.up.n_out, o.config.n_ff_expert);
            assert_int_equal(view.up.cls, MSCOPE_CLASS_EXPERTS);
            store->ops->release(store, il, e);
        }
    }
    expert_store_close(&store);
    assert_null(store);
    expert_store_close(&store);
    opened_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_point_into_the_file),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
