/* SPDX-License-Identifier: MIT */
/* What the writer writes the reader reads, byte for byte; and no failure leaves a file behind. */
#include "folder.h"
#include "image.h"
#include "rewrite.h"
#include "walk.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct mscope_error err;
static const uint64_t NE[] = {32, 3};
static float data[96];

static struct gguf_writer *begin(const char *name)
{
    struct gguf_writer *writer;
    assert_ok(gguf_writer_open(&writer, folder_file(name), &err), &err);
    return writer;
}

static void a_rewritten_file_is_identical(void **state)
{
    (void)state;
    static struct image image;
    image_small_model(&image);
    image_pad(&image, 32);
    struct gguf *gguf;
    size_t n;
    assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
    assert_ok(rewrite(gguf, folder_file("again.gguf"), &err), &err);
    gguf_close(&gguf);
    unsigned char *bytes = folder_read(folder_file("again.gguf"), &n);
    assert_int_equal(n, image.n);
    assert_memory_equal(bytes, image.bytes, n);
    free(bytes);
    assert_int_equal(folder_n_files(), 1);
    folder_clear();
}

static void every_kind_of_value_is_written(void **state)
{
    (void)state;
    static const uint16_t numbers[] = {1, 2, 65535};
    static const struct gguf_string texts[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    struct gguf_writer *writer = begin("values.gguf");
    gguf_writer_set_u32(writer, "u32", 5);
    gguf_writer_set_u64(writer, "u64", UINT64_MAX);
    gguf_writer_set_i32(writer, "i32", -5);
    gguf_writer_set_u16(writer, "u16", 65535);
    gguf_writer_set_f32(writer, "f32", 0.125F);
    gguf_writer_set_bool(writer, "bool", true);
    gguf_writer_set_string(writer, "string", "text", 4);
    gguf_writer_set_string(writer, "nothing", NULL, 0);
    gguf_writer_set_array(writer, "array", GGUF_U16, numbers, 3);
    gguf_writer_set_array(writer, "no array", GGUF_F32, NULL, 0);
    gguf_writer_set_string_array(writer, "strings", texts, 3);
    gguf_writer_set_string_array(writer, "no strings", NULL, 0);
    gguf_writer_set_u32(writer, "u32", 6); /* replaces, in the first place */
    gguf_writer_set_bool(writer, "i32", false);
    gguf_writer_set_u32(writer, "u32", 7);
    assert_ok(gguf_writer_begin_data(writer, &err), &err);
    assert_ok(gguf_writer_finish(writer, &err), &err);
    uint64_t total = gguf_writer_total_bytes(writer);
    gguf_writer_close(&writer);
    assert_null(writer);
    gguf_writer_close(&writer);

    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, folder_file("values.gguf"), &err), &err);
    assert_int_equal(gguf_file_bytes(gguf), total);
    assert_int_equal(gguf_n_kv(gguf), 12);
    walk_all(gguf);
    assert_true(gguf_string_equals(gguf_kv_at(gguf, 0)->key, "u32"));
    uint32_t value;
    assert_ok(gguf_get_u32(gguf, "u32", &value, &err), &err);
    assert_int_equal(value, 7);
    assert_int_equal(gguf_find(gguf, "u64")->type, GGUF_U64);
    assert_int_equal(gguf_find(gguf, "u16")->type, GGUF_U16);
    assert_int_equal(gguf_find(gguf, "i32")->type, GGUF_BOOL);
    assert_int_equal(gguf_find(gguf, "nothing")->text.n_bytes, 0);
    struct gguf_array array;
    struct gguf_string text = {0};
    assert_ok(gguf_get_array(gguf, "array", GGUF_U16, &array, &err), &err);
    assert_int_equal(gguf_array_i32(&array, 2), 65535);
    assert_ok(gguf_get_array(gguf, "strings", GGUF_STRING, &array, &err), &err);
    const void *cursor = array.data;
    for (int i = 0; i < 3; i++) {
        assert_true(gguf_array_next_string(&array, &cursor, &text));
    }
    assert_int_equal(text.n_bytes, 3);
    assert_memory_equal(text.data, "b\0c", 3);
    gguf_close(&gguf);
    folder_clear();
}

static void tensors_are_placed_by_the_declared_alignment(void **state)
{
    (void)state;
    static const uint64_t one[] = {1}, block[] = {256, 2, 1, 2};
    static unsigned char blocks[4 * 144];
    memset(blocks, 0x5a, sizeof blocks);
    for (uint32_t alignment = 8; alignment <= 4096; alignment *= 4) {
        struct gguf_writer *writer = begin("aligned.gguf");
        gguf_writer_set_u32(writer, "general.alignment", alignment);
        gguf_writer_add_tensor(writer, "one", 1, one, DTYPE_F16);
        gguf_writer_add_tensor(writer, "scalar", 0, NULL, DTYPE_F32);
        gguf_writer_add_tensor(writer, "blocks", 4, block, DTYPE_Q4_K);
        assert_ok(gguf_writer_begin_data(writer, &err), &err);
        assert_ok(gguf_writer_write(writer, "\1\2", 2, &err), &err);
        assert_ok(gguf_writer_write(writer, data, 4, &err), &err);
        for (size_t i = 0; i < sizeof blocks; i += 144) {
            assert_ok(gguf_writer_write(writer, blocks + i, 144, &err), &err);
            assert_ok(gguf_writer_write(writer, blocks, 0, &err), &err);
        }
        assert_ok(gguf_writer_finish(writer, &err), &err);
        uint64_t total = gguf_writer_total_bytes(writer);
        gguf_writer_close(&writer);
        struct gguf *gguf;
        assert_ok(gguf_open(&gguf, folder_file("aligned.gguf"), &err), &err);
        assert_int_equal(gguf_file_bytes(gguf), total);
        assert_int_equal(total % alignment, 0);
        const struct gguf_tensor *tensor = gguf_find_tensor(gguf, "blocks");
        assert_int_equal(tensor->n_dims, 4);
        assert_int_equal(tensor->ne[3], 2);
        assert_int_equal(tensor->file_offset % alignment, 0);
        assert_memory_equal(tensor->data, blocks, sizeof blocks);
        assert_int_equal(gguf_find_tensor(gguf, "scalar")->n_bytes, 4);
        gguf_close(&gguf);
    }
    folder_clear();
}

static void data_larger_than_the_buffer_arrives_whole(void **state)
{
    (void)state;
    enum { N = 3 << 20 };
    static const uint64_t ne[] = {N};
    uint32_t *numbers = malloc(N * sizeof *numbers); /* 12 MiB */
    assert_non_null(numbers);
    for (uint32_t i = 0; i < N; i++) {
        numbers[i] = i * 2654435761U;
    }
    struct gguf_writer *writer = begin("large.gguf");
    gguf_writer_add_tensor(writer, "whole", 1, ne, DTYPE_F32);
    gguf_writer_add_tensor(writer, "pieces", 1, ne, DTYPE_F32);
    assert_ok(gguf_writer_begin_data(writer, &err), &err);
    assert_ok(gguf_writer_write(writer, numbers, N * sizeof *numbers, &err), &err);
    for (size_t i = 0; i < N; i += N / 48) {
        assert_ok(gguf_writer_write(writer, numbers + i, N / 48 * sizeof *numbers, &err), &err);
    }
    assert_ok(gguf_writer_finish(writer, &err), &err);
    gguf_writer_close(&writer);
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, folder_file("large.gguf"), &err), &err);
    assert_memory_equal(gguf_find_tensor(gguf, "whole")->data, numbers, N * sizeof *numbers);
    assert_memory_equal(gguf_find_tensor(gguf, "pieces")->data, numbers, N * sizeof *numbers);
    gguf_close(&gguf);
    free(numbers);
    folder_clear();
}

/* The call failed as told, the file is gone at once, and every later call says the same. */
static void expect_failed(struct gguf_writer *writer, enum mscope_status status,
                          enum mscope_status expected, const char *object, const char *detail)
{
    assert_int_equal(status, expected);
    assert_string_equal(err.object, object);
    if (strstr(err.detail, detail) == NULL) {
        fail_msg("\"%s\" does not contain \"%s\"", err.detail, detail);
    }
    assert_int_equal(folder_n_files(), 0);
    struct mscope_error later;
    assert_int_equal(gguf_writer_write(writer, data, 4, &later), expected);
    assert_string_equal(later.detail, err.detail);
    assert_int_equal(gguf_writer_finish(writer, &later), expected);
    assert_string_equal(later.object, err.object);
    gguf_writer_close(&writer);
    assert_int_equal(folder_n_files(), 0);
}

static void wrong_amounts_of_data_fail_by_name_of_the_tensor(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct gguf_writer *writer = begin("amount.gguf");
        gguf_writer_add_tensor(writer, "a", 2, NE, DTYPE_F32);
        assert_ok(gguf_writer_begin_data(writer, &err), &err);
        assert_int_equal(folder_n_files(), 1);
        if (variant == 0) {
            assert_ok(gguf_writer_write(writer, data, sizeof data - 4, &err), &err);
            expect_failed(writer, gguf_writer_write(writer, data, 8, &err), MSCOPE_ERR_ARGUMENT,
                          "tensor a", "too much data: 388 bytes, expected 384");
        } else if (variant == 1) {
            assert_ok(gguf_writer_write(writer, data, sizeof data - 4, &err), &err);
            expect_failed(writer, gguf_writer_finish(writer, &err), MSCOPE_ERR_ARGUMENT, "tensor a",
                          "data missing: 380 bytes, expected 384");
        } else {
            assert_ok(gguf_writer_write(writer, data, sizeof data, &err), &err);
            char object[700];
            snprintf(object, sizeof object, "file %s", folder_file("amount.gguf"));
            expect_failed(writer, gguf_writer_write(writer, data, 1, &err), MSCOPE_ERR_ARGUMENT,
                          object, "1 bytes after the data of the last tensor");
        }
    }
}

static void declarations_that_no_reader_would_take_fail(void **state)
{
    (void)state;
    static const uint64_t vast[] = {1ULL << 32, 1ULL << 31}, half[] = {1ULL << 62};
    struct gguf_writer *writer = begin("twice.gguf");
    gguf_writer_add_tensor(writer, "a", 2, NE, DTYPE_F32);
    gguf_writer_add_tensor(writer, "b", 2, NE, DTYPE_F32);
    gguf_writer_add_tensor(writer, "a", 2, NE, DTYPE_F16);
    expect_failed(writer, gguf_writer_begin_data(writer, &err), MSCOPE_ERR_ARGUMENT, "tensor a",
                  "declared more than once");
    writer = begin("alignment.gguf");
    gguf_writer_set_u32(writer, "general.alignment", 48);
    expect_failed(writer, gguf_writer_begin_data(writer, &err), MSCOPE_ERR_ARGUMENT,
                  "key general.alignment", "48 of type u32, expected a power of two");
    writer = begin("vast.gguf");
    gguf_writer_add_tensor(writer, "vast", 2, vast, DTYPE_F32);
    gguf_writer_set_u32(writer, "after", 1);
    expect_failed(writer, gguf_writer_begin_data(writer, &err), MSCOPE_ERR_ARGUMENT, "tensor vast",
                  "more than 2^63 elements");
    writer = begin("sum.gguf");
    gguf_writer_add_tensor(writer, "a", 1, half, DTYPE_F16);
    gguf_writer_add_tensor(writer, "b", 1, half, DTYPE_F16);
    char object[700];
    snprintf(object, sizeof object, "file %s", folder_file("sum.gguf"));
    expect_failed(writer, gguf_writer_begin_data(writer, &err), MSCOPE_ERR_ARGUMENT, object,
                  "more than 2^64 bytes");
    writer = begin("memory.gguf");
    gguf_writer_set_array(writer, "too long", GGUF_F64, data, UINT64_MAX / 4);
    assert_int_equal(gguf_writer_begin_data(writer, &err), MSCOPE_ERR_MEMORY);
    gguf_writer_close(&writer);
    assert_int_equal(folder_n_files(), 0);
}

static void a_full_disk_is_noticed_before_writing(void **state)
{
    (void)state;
    static const uint64_t vast[] = {1ULL << 60};
    struct gguf_writer *writer = begin("full.gguf");
    gguf_writer_add_tensor(writer, "vast", 1, vast, DTYPE_F32);
    char object[700];
    snprintf(object, sizeof object, "file %s", folder_file("full.gguf"));
    expect_failed(writer, gguf_writer_begin_data(writer, &err), MSCOPE_ERR_IO, object,
                  "not enough disk space");
}

static void a_failing_write_is_reported_and_leaves_nothing(void **state)
{
    (void)state;
    struct rlimit kept, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = kept;
    small.rlim_cur = 4096;
    struct gguf_writer *writer = begin("limit.gguf");
    static const uint64_t ne[] = {1024, 2};
    static char bytes[8192];
    gguf_writer_add_tensor(writer, "a", 2, ne, DTYPE_F32);
    assert_ok(gguf_writer_begin_data(writer, &err), &err);
    assert_ok(gguf_writer_write(writer, bytes, sizeof bytes, &err), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum mscope_status status = gguf_writer_finish(writer, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    char object[700];
    snprintf(object, sizeof object, "file %s.partial", folder_file("limit.gguf"));
    expect_failed(writer, status, MSCOPE_ERR_IO, object, "cannot write: File too large");
}

static void an_unfinished_writer_leaves_an_earlier_file_untouched(void **state)
{
    (void)state;
    folder_write(folder_file("kept.gguf"), "old", 3);
    folder_write(folder_file("kept.gguf.partial"), "leftover of a killed run", 24);
    struct gguf_writer *writer = begin("kept.gguf");
    gguf_writer_add_tensor(writer, "a", 2, NE, DTYPE_F32);
    assert_ok(gguf_writer_begin_data(writer, &err), &err);
    assert_ok(gguf_writer_write(writer, data, sizeof data, &err), &err);
    gguf_writer_close(&writer);
    assert_int_equal(folder_n_files(), 1);
    size_t n;
    unsigned char *bytes = folder_read(folder_file("kept.gguf"), &n);
    assert_int_equal(n, 3);
    free(bytes);
    folder_clear();
}

static void places_that_cannot_take_a_file_are_named(void **state)
{
    (void)state;
    struct gguf_writer *writer;
    assert_int_equal(gguf_writer_open(&writer, folder_path, &err), MSCOPE_ERR_IO);
    assert_null(writer);
    assert_string_equal(err.detail, "exists and is a directory, expected a regular file or none");
    assert_int_equal(gguf_writer_open(&writer, "/dev/null", &err), MSCOPE_ERR_IO);
    assert_string_equal(err.object, "file /dev/null");
    assert_int_equal(gguf_writer_open(&writer, folder_file("no/such/folder"), &err), MSCOPE_ERR_IO);
    assert_string_equal(err.detail, "cannot create: No such file or directory");
    assert_int_equal(gguf_writer_open(&writer, folder_file("no/such/folder"), NULL), MSCOPE_ERR_IO);
    assert_int_equal(folder_n_files(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rewritten_file_is_identical),
        cmocka_unit_test(every_kind_of_value_is_written),
        cmocka_unit_test(tensors_are_placed_by_the_declared_alignment),
        cmocka_unit_test(data_larger_than_the_buffer_arrives_whole),
        cmocka_unit_test(wrong_amounts_of_data_fail_by_name_of_the_tensor),
        cmocka_unit_test(declarations_that_no_reader_would_take_fail),
        cmocka_unit_test(a_full_disk_is_noticed_before_writing),
        cmocka_unit_test(a_failing_write_is_reported_and_leaves_nothing),
        cmocka_unit_test(an_unfinished_writer_leaves_an_earlier_file_untouched),
        cmocka_unit_test(places_that_cannot_take_a_file_are_named),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
