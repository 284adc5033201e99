/* SPDX-License-Identifier: MIT */
/* Split models: any part opens all, and parts that do not belong together are refused by name. */
#include "folder.h"
#include "image.h"
#include "rewrite.h"
#include "walk.h"

enum { N_PARTS = 3 };

struct part_keys {
    int no, count, total; /* total < 0: key absent */
};

static struct mscope_error err;
static struct image image;

static const char *part_name(int i, int n)
{
    static char name[64];
    snprintf(name, sizeof name, "m-%05d-of-%05d.gguf", i + 1, n);
    return name;
}

/* Part i holds i + 1 tensors of one row each; only the first has metadata. */
static void write_part(const char *name, int i, struct part_keys keys)
{
    static const uint64_t ne[] = {8};
    image_begin(&image, (uint64_t)i + 1, (keys.total >= 0 ? 3 : 2) + (i == 0 ? 1U : 0U));
    if (i == 0) {
        image_kv_string(&image, "general.architecture", "llama");
    }
    image_kv_u16(&image, "split.no", (uint16_t)keys.no);
    image_kv_u16(&image, "split.count", (uint16_t)keys.count);
    if (keys.total >= 0) {
        image_key(&image, "split.tensors.count", GGUF_I32);
        image_put(&image, &keys.total, 4);
    }
    for (int j = 0; j <= i; j++) {
        char tensor[16];
        snprintf(tensor, sizeof tensor, "t%d.%d", i, j);
        image_tensor(&image, tensor, 1, ne, DTYPE_F32, (uint64_t)j * 32);
    }
    image_pad(&image, 32);
    for (int j = 0; j <= i; j++) {
        for (int k = 0; k < 8; k++) {
            image_put(&image, &(float){(float)(100 * i + 10 * j + k)}, 4);
        }
    }
    folder_write(folder_file(name), image.bytes, image.n);
}

static void write_model(void)
{
    for (int i = 0; i < N_PARTS; i++) {
        write_part(part_name(i, N_PARTS), i, (struct part_keys){i, N_PARTS, 6});
    }
}

static void expect_refused(int i_opened, int i_named, const char *detail)
{
    struct gguf *gguf;
    char object[700];
    snprintf(object, sizeof object, "file %s", folder_file(part_name(i_named, N_PARTS)));
    assert_int_not_equal(gguf_open(&gguf, folder_file(part_name(i_opened, N_PARTS)), &err),
                         MSCOPE_OK);
    assert_null(gguf);
    assert_string_equal(err.object, object);
    assert_string_equal(err.detail, detail);
}

static void any_part_opens_all(void **state)
{
    (void)state;
    write_model();
    for (int i_opened = 0; i_opened < N_PARTS; i_opened++) {
        struct gguf *gguf;
        const char *path = folder_file(part_name(i_opened, N_PARTS));
        assert_ok(gguf_open(&gguf, path, &err), &err);
        assert_string_equal(gguf_path(gguf), path);
        assert_int_equal(gguf_n_parts(gguf), N_PARTS);
        assert_int_equal(gguf_n_tensors(gguf), 6);
        assert_int_equal(gguf_n_kv(gguf), 4);
        assert_non_null(gguf_find(gguf, "general.architecture"));
        for (int i = 0; i < N_PARTS; i++) {
            assert_string_equal(gguf_part_path(gguf, (uint32_t)i),
                                folder_file(part_name(i, N_PARTS)));
            for (int j = 0; j <= i; j++) {
                char name[16];
                snprintf(name, sizeof name, "t%d.%d", i, j);
                const struct gguf_tensor *tensor = gguf_find_tensor(gguf, name);
                assert_non_null(tensor);
                assert_int_equal(tensor->i_part, i);
                float value;
                memcpy(&value, tensor->data, sizeof value);
                assert_true(value == (float)(100 * i + 10 * j));
            }
        }
        assert_string_equal(gguf_tensor_at(gguf, 5)->name, "t2.2");
        walk_all(gguf);
        gguf_close(&gguf);
    }
    folder_clear();
}

static void a_split_model_written_again_is_one_file(void **state)
{
    (void)state;
    write_model();
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, folder_file(part_name(0, N_PARTS)), &err), &err);
    assert_ok(rewrite(gguf, folder_file("one.gguf"), &err), &err);
    gguf_close(&gguf);
    assert_ok(gguf_open(&gguf, folder_file("one.gguf"), &err), &err);
    assert_int_equal(gguf_n_parts(gguf), 1);
    assert_int_equal(gguf_n_tensors(gguf), 6);
    assert_int_equal(gguf_n_kv(gguf), 1);
    gguf_close(&gguf);
    folder_clear();
}

static void a_missing_part_is_named(void **state)
{
    (void)state;
    for (int i = 1; i < N_PARTS; i++) {
        write_model();
        unlink(folder_file(part_name(i, N_PARTS)));
        expect_refused(0, i, "missing part of a split model: No such file or directory");
    }
    write_model();
    unlink(folder_file(part_name(0, N_PARTS)));
    expect_refused(2, 0, "missing part of a split model: No such file or directory");
    folder_clear();
}

static void parts_that_disagree_are_refused(void **state)
{
    (void)state;
    write_model();
    write_part(part_name(1, N_PARTS), 1, (struct part_keys){2, 3, 6});
    expect_refused(0, 1, "key split.no is 2, expected 1");
    expect_refused(1, 1, "key split.no is 2, expected 1");
    write_part(part_name(1, N_PARTS), 1, (struct part_keys){1, 2, 6});
    expect_refused(0, 1, "key split.count is 2, expected 3");
    expect_refused(1, 1, "key split.count is 2, expected a name that ends in -0000i-of-00002.gguf");
    write_part(part_name(1, N_PARTS), 1, (struct part_keys){1, 3, 7});
    expect_refused(0, 1, "key split.tensors.count is 7, expected 6");
    write_part(part_name(1, N_PARTS), 1, (struct part_keys){1, 3, -1});
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, folder_file(part_name(0, N_PARTS)), &err), &err);
    gguf_close(&gguf);
    write_part(part_name(0, N_PARTS), 0, (struct part_keys){0, 3, -1});
    expect_refused(1, 0, "key split.tensors.count is absent, expected 6");
    write_part(part_name(0, N_PARTS), 0, (struct part_keys){0, 3, 5});
    expect_refused(1, 0, "key split.tensors.count is 5, expected 6");
    folder_clear();
}

static void a_part_without_split_keys_is_refused(void **state)
{
    (void)state;
    write_model();
    image_begin(&image, 0, 0);
    folder_write(folder_file(part_name(2, N_PARTS)), image.bytes, image.n);
    expect_refused(0, 2, "key split.no is absent, expected 2");
    folder_write(folder_file(part_name(2, N_PARTS)), "", 0);
    expect_refused(0, 2, "empty file, expected a header of at least 24 bytes");
    folder_clear();
}

static void tensor_names_are_unique_over_all_parts(void **state)
{
    (void)state;
    write_part(part_name(0, 2), 0, (struct part_keys){0, 2, 2});
    write_part(part_name(1, 2), 0, (struct part_keys){1, 2, 2});
    struct gguf *gguf;
    assert_int_equal(gguf_open(&gguf, folder_file(part_name(0, 2)), &err), MSCOPE_ERR_FORMAT);
    assert_string_equal(err.object, "tensor t0.0");
    assert_string_equal(err.detail, "there more than once, expected unique tensor names");
    folder_clear();
}

static void the_key_decides_whether_a_file_is_split(void **state)
{
    (void)state;
    struct gguf *gguf;
    write_part("renamed.gguf", 0, (struct part_keys){0, 3, 6});
    assert_int_equal(gguf_open(&gguf, folder_file("renamed.gguf"), &err), MSCOPE_ERR_FORMAT);
    assert_string_equal(err.detail,
                        "key split.count is 3, expected a name that ends in -0000i-of-00003.gguf");
    image_begin(&image, 0, 0); /* whole, but named like a part */
    folder_write(folder_file(part_name(0, 3)), image.bytes, image.n);
    assert_ok(gguf_open(&gguf, folder_file(part_name(0, 3)), &err), &err);
    assert_int_equal(gguf_n_parts(gguf), 1);
    gguf_close(&gguf);
    write_part("single.gguf", 0, (struct part_keys){0, 1, 1});
    assert_ok(gguf_open(&gguf, folder_file("single.gguf"), &err), &err);
    gguf_close(&gguf);
    image_begin(&image, 0, 1);
    image_kv_u32(&image, "split.count", 1U << 30);
    folder_write(folder_file("vast.gguf"), image.bytes, image.n);
    assert_int_equal(gguf_open(&gguf, folder_file("vast.gguf"), &err), MSCOPE_ERR_FORMAT);
    assert_string_equal(err.object, "key split.count");
    folder_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_opens_all),
        cmocka_unit_test(a_split_model_written_again_is_one_file),
        cmocka_unit_test(a_missing_part_is_named),
        cmocka_unit_test(parts_that_disagree_are_refused),
        cmocka_unit_test(a_part_without_split_keys_is_refused),
        cmocka_unit_test(tensor_names_are_unique_over_all_parts),
        cmocka_unit_test(the_key_decides_whether_a_file_is_split),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
