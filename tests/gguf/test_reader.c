/* SPDX-License-Identifier: MIT */
/* Every check of the reader, on hand-built files: what is accepted, and what each wrong byte is
 * called. */
#include "image.h"
#include "walk.h"

#include <stdio.h>

static struct image image;
static const uint64_t NE_8[] = {8}, NE_32[] = {32}, NE_256[] = {256};

static void every_value_and_tensor_of_a_small_file_is_found(void **state)
{
    (void)state;
    image_small_model(&image);
    struct gguf *gguf;
    unsigned char *copy;
    struct mscope_error err;
    assert_ok(image_open(&gguf, &copy, image.bytes, image.n, &err), &err);
    assert_int_equal(gguf_n_kv(gguf), 20);
    assert_int_equal(gguf_n_tensors(gguf), 2);
    assert_int_equal(gguf_n_parts(gguf), 1);
    assert_int_equal(gguf_alignment(gguf), 32);
    assert_int_equal(gguf_file_bytes(gguf), image.n);
    assert_string_equal(gguf_path(gguf), "image");
    assert_string_equal(gguf_part_path(gguf, 0), "image");
    assert_true(gguf_string_equals(gguf_kv_at(gguf, 2)->key, "u8"));
    const struct gguf_tensor *a = gguf_find_tensor(gguf, "a.weight");
    const struct gguf_tensor *b = gguf_find_tensor(gguf, "b.weight");
    assert_ptr_equal(a, gguf_tensor_at(gguf, 0));
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->ne[1], 3);
    assert_int_equal(a->ne[2], 1);
    assert_int_equal(a->n_elems, 12);
    assert_int_equal(a->n_bytes, 48);
    assert_int_equal(a->type, DTYPE_F32);
    for (uint32_t i = 0; i < 12; i++) {
        float value;
        memcpy(&value, (const char *)a->data + i * sizeof value, sizeof value);
        assert_true(value == (float)i);
    }
    assert_int_equal(b->n_bytes, 68);
    assert_int_equal(b->file_offset, a->file_offset + 64);
    assert_int_equal(b->file_offset + b->n_bytes, image.n);
    assert_null(gguf_find_tensor(gguf, "c.weight"));
    assert_null(gguf_find_tensor(gguf, ""));
    assert_null(gguf_find(gguf, "u"));
    walk_all(gguf);
    gguf_close(&gguf);
    assert_null(gguf);
    gguf_close(&gguf);
    free(copy);
}

static void a_file_cut_anywhere_fails_with_a_message(void **state)
{
    (void)state;
    image_small_model(&image);
    for (size_t n = 0; n < image.n; n++) {
        struct gguf *gguf;
        unsigned char *copy;
        struct mscope_error err;
        if (image_open(&gguf, &copy, image.bytes, n, &err) == MSCOPE_OK) {
            fail_msg("%zu of %zu bytes were accepted", n, image.n);
        }
        free(copy);
    }
}

static void a_file_with_any_bit_flipped_is_refused_or_usable(void **state)
{
    (void)state;
    image_small_model(&image);
    int n_accepted = 0;
    for (size_t i = 0; i < image.n * 8; i++) {
        struct gguf *gguf;
        unsigned char *copy;
        struct mscope_error err;
        image.bytes[i / 8] ^= (unsigned char)(1 << (i % 8));
        if (image_open(&gguf, &copy, image.bytes, image.n, &err) == MSCOPE_OK) {
            walk_all(gguf);
            gguf_close(&gguf);
            n_accepted++;
        }
        free(copy);
        image.bytes[i / 8] ^= (unsigned char)(1 << (i % 8));
    }
    assert_true(n_accepted > 100); /* the bits of values and of tensor data */
}

static void a_file_with_any_field_set_to_an_extreme_is_refused_or_usable(void **state)
{
    (void)state;
    static const unsigned char fills[] = {0x00, 0x7f, 0x80, 0xff};
    image_small_model(&image);
    for (size_t i = 0; i + 8 <= image.n; i++) {
        for (size_t j = 0; j < 4 * sizeof fills; j++) {
            unsigned char kept[8];
            memcpy(kept, image.bytes + i, 8);
            memset(image.bytes + i, fills[j / 4], (size_t)1 << (j % 4));
            struct gguf *gguf;
            unsigned char *copy;
            struct mscope_error err;
            if (image_open(&gguf, &copy, image.bytes, image.n, &err) == MSCOPE_OK) {
                walk_all(gguf);
                gguf_close(&gguf);
            }
            free(copy);
            memcpy(image.bytes + i, kept, 8);
        }
    }
}

static void what_is_no_gguf_of_a_known_version_is_refused(void **state)
{
    (void)state;
    image.n = 0;
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image", "truncated: 0 bytes");
    image_put(&image, "version https://git-lfs", 23);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image",
                 "not a GGUF file: starts with bytes 76 65 72 73");
    image_begin(&image, 0, 0);
    image.bytes[4] = 1;
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "file image", "version 1 (32-bit lengths)");
    image.bytes[4] = 4;
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "file image",
                 "GGUF version 4, expected version 2 or 3");
    image.bytes[4] = 0;
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "file image", "GGUF version 0");
    image.bytes[7] = 3;
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "file image", "big-endian");
    image.bytes[7] = 0;
    image.bytes[4] = 2;
    struct gguf *gguf;
    struct mscope_error err;
    assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
    assert_int_equal(gguf_n_kv(gguf), 0);
    assert_int_equal(gguf_n_tensors(gguf), 0);
    assert_null(gguf_find(gguf, ""));
    assert_null(gguf_find_tensor(gguf, ""));
    gguf_close(&gguf);
}

static void counts_are_bounded_by_the_size_of_the_file(void **state)
{
    (void)state;
    image_begin(&image, UINT64_MAX, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image", "number of tensors is negative (-1)");
    image_begin(&image, 0, (uint64_t)INT64_MIN);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image", "number of key-value pairs is negative");
    image_begin(&image, 0, 2);
    image_zeros(&image, 25);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image",
                 "2 key-value pairs claimed, a file of 49 bytes holds at most 1");
    image_begin(&image, INT64_MAX, 0);
    image_zeros(&image, 47);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image",
                 "9223372036854775807 tensors claimed, a file of 71 bytes holds at most 1");
}

static void wrong_pairs_are_refused_by_name(void **state)
{
    (void)state;
    image_begin(&image, 0, 1);
    image_u64(&image, UINT64_MAX);
    image_zeros(&image, 16);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image, key-value pair 0",
                 "truncated: a key needs 18446744073709551615 bytes at offset 32");
    image_begin(&image, 0, 1);
    image_key(&image, "odd", 13);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key odd", "value type 13, expected 0 to 12");
    image_begin(&image, 0, 1);
    image_key(&image, "text", GGUF_STRING);
    image_u64(&image, 1000);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key text",
                 "truncated: the string needs 1000 bytes at offset 48, the file has 0 left");
    image_begin(&image, 0, 1);
    image_key(&image, "flag", GGUF_BOOL);
    image_u8(&image, 2);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key flag", "bool with the value 2");
    image_begin(&image, 0, 3);
    image_kv_u32(&image, "twice", 1);
    image_kv_u32(&image, "once", 1);
    image_kv_u32(&image, "twice", 2);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key twice", "there more than once");
}

static void wrong_arrays_are_refused_by_name(void **state)
{
    (void)state;
    image_begin(&image, 0, 1);
    image_kv_array(&image, "nested", GGUF_ARRAY, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key nested", "array of arrays");
    image_begin(&image, 0, 1);
    image_kv_array(&image, "odd", 13, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key odd", "element type 13");
    image_begin(&image, 0, 1);
    image_kv_array(&image, "long", GGUF_F64, UINT64_MAX / 8 + 2);
    image_zeros(&image, 16);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key long",
                 "array of 2305843009213693953 elements of type f64, the 16 bytes left in the file "
                 "hold at most 2");
    image_begin(&image, 0, 1);
    image_kv_array(&image, "words", GGUF_STRING, 3);
    image_zeros(&image, 16);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key words", "array of 3 elements of type string");
    image_begin(&image, 0, 1);
    image_kv_array(&image, "words", GGUF_STRING, 2);
    image_string(&image, "fine");
    image_u64(&image, 5);
    image_put(&image, "four", 4);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key words", "truncated: string 1 of 2 needs 5 bytes");
    image_begin(&image, 0, 1);
    image_kv_array(&image, "flags", GGUF_BOOL, 2);
    image_u8(&image, 1);
    image_u8(&image, 255);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key flags", "bool with the value 255");
    image_begin(&image, 0, 1);
    image_key(&image, "short", GGUF_ARRAY);
    image_u32(&image, GGUF_U8);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key short", "truncated: the element type and count");
}

static void the_alignment_must_be_a_power_of_two_of_type_u32(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 4, 24, 33, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        image_begin(&image, 0, 1);
        image_kv_u32(&image, "general.alignment", wrong[i]);
        char detail[64];
        snprintf(detail, sizeof detail, "%u, expected a power of two from 8 on", wrong[i]);
        image_expect(&image, MSCOPE_ERR_FORMAT, "key general.alignment", detail);
    }
    image_begin(&image, 0, 1);
    image_kv_u16(&image, "general.alignment", 32);
    image_expect(&image, MSCOPE_ERR_FORMAT, "key general.alignment", "type u16, expected u32");
    for (uint32_t alignment = 8; alignment <= 1024; alignment *= 2) {
        image_begin(&image, 2, 1);
        image_kv_u32(&image, "general.alignment", alignment);
        image_tensor(&image, "a", 1, NE_8, DTYPE_F16, 0);
        image_tensor(&image, "b", 1, NE_8, DTYPE_F16, alignment > 16 ? alignment : 16);
        image_pad(&image, alignment);
        image_zeros(&image, (alignment > 16 ? alignment : 16) + 16);
        struct gguf *gguf;
        struct mscope_error err;
        assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
        assert_int_equal(gguf_alignment(gguf), alignment);
        walk_all(gguf);
        gguf_close(&gguf);
    }
    image_begin(&image, 1, 1);
    image_kv_u32(&image, "general.alignment", 0x80000000U);
    image_tensor(&image, "a", 1, NE_8, DTYPE_F16, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor a", "data starts at 2147483648");
}

static void one_tensor(const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type,
                       uint64_t offset)
{
    image_begin(&image, 1, 0);
    image_tensor(&image, name, n_dims, ne, type, offset);
    image_pad(&image, 32);
    image_zeros(&image, 1024);
}

static void names_of_tensors_are_short_unique_texts(void **state)
{
    (void)state;
    char name[66];
    memset(name, 'x', sizeof name);
    name[64] = '\0';
    one_tensor(name, 1, NE_8, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image, tensor 0", "name of 64 bytes (xxxxxxxxxx");
    name[63] = '\0';
    one_tensor(name, 1, NE_8, DTYPE_F32, 0);
    struct gguf *gguf;
    struct mscope_error err;
    assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
    assert_non_null(gguf_find_tensor(gguf, name));
    gguf_close(&gguf);

    one_tensor("ab", 1, NE_8, DTYPE_F32, 0);
    image.bytes[24 + 8] = '\0';
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image, tensor 0", "zero byte in the name");
    image_begin(&image, 1, 0);
    image_u64(&image, 1000);
    image_zeros(&image, 100);
    image_expect(&image, MSCOPE_ERR_FORMAT, "file image, tensor 0",
                 "truncated: a tensor name needs 1000 bytes");
    image_begin(&image, 2, 0);
    image_tensor(&image, "same", 1, NE_8, DTYPE_F32, 0);
    image_tensor(&image, "same", 1, NE_8, DTYPE_F32, 32);
    image_pad(&image, 32);
    image_zeros(&image, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor same", "there more than once");
    one_tensor("", 0, NULL, DTYPE_F32, 0); /* an unnamed scalar is odd but sound */
    assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
    assert_int_equal(gguf_find_tensor(gguf, "")->n_elems, 1);
    gguf_close(&gguf);
}

static void wrong_shapes_are_refused_by_name(void **state)
{
    (void)state;
    static const uint64_t five[] = {1, 1, 1, 1, 1}, zero[] = {8, 0}, negative[] = {8, UINT64_MAX};
    static const uint64_t huge[] = {1ULL << 32, 1ULL << 31}, wide[] = {1ULL << 62};
    one_tensor("t", 5, five, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "5 dimensions, expected at most 4");
    one_tensor("t", 2, zero, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "dimension 1 is 0, expected at least 1");
    one_tensor("t", 2, negative, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "dimension 1 is -1, expected at least 1");
    one_tensor("t", 2, huge, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t",
                 "4294967296 x 2147483648 x 1 x 1 elements, expected fewer than 2^63");
    one_tensor("t", 1, wide, DTYPE_F32, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "expected fewer than 2^64 bytes");
    one_tensor("t", 1, wide, DTYPE_F16, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "truncated: 9223372036854775808 bytes");
    one_tensor("t", 1, NE_8, DTYPE_Q8_0, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t",
                 "rows of 8 elements, expected a multiple of 32 for type Q8_0");
    one_tensor("t", 1, NE_32, DTYPE_Q4_K, 0);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor t", "a multiple of 256 for type Q4_K");
}

static void types_without_weights_of_ours_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        const char *detail;
    } refused[] = {
        {4, "type id 4 (retired type 4"},
        {16, "type id 16 (IQ2_XXS), expected one of F32 F16 Q4_0"},
        {28, "(F64)"},
        {9, "type id 9 (Q8_1, for activations only)"},
        {15, "(Q8_K, for activations only)"},
        {40, "(NVFP4)"},
        {43, "type id 43 (unknown type)"},
        {UINT32_MAX, "type id 4294967295 (unknown type)"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        one_tensor("blk.0.ffn_up.weight", 1, NE_256, refused[i].id, 0);
        image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "tensor blk.0.ffn_up.weight",
                     refused[i].detail);
    }
    int n_accepted = 0;
    for (uint32_t id = 0; id < 64; id++) {
        one_tensor("t", 1, NE_256, id, 0);
        struct gguf *gguf;
        if (gguf_open_memory(&gguf, image.bytes, image.n, "image", NULL) == MSCOPE_OK) {
            assert_int_equal(gguf_tensor_at(gguf, 0)->n_bytes,
                             dtype_row_bytes((enum dtype)id, 256));
            n_accepted++;
        }
        gguf_close(&gguf);
    }
    assert_int_equal(n_accepted, 16);
}

static void two_tensors(uint64_t offset_a, uint64_t offset_b, size_t n_data)
{
    image_begin(&image, 2, 0);
    image_tensor(&image, "a", 1, NE_8, DTYPE_F16, offset_a);
    image_tensor(&image, "b", 1, NE_8, DTYPE_F16, offset_b);
    image_pad(&image, 32);
    image_zeros(&image, n_data);
}

static void offsets_must_follow_each_other_within_the_file(void **state)
{
    (void)state;
    two_tensors(1, 32, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor a",
                 "misaligned: data offset 1, expected a multiple of 32");
    two_tensors(0, 16, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b", "misaligned: data offset 16");
    two_tensors(0, 0, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b",
                 "overlaps the tensors before it: data offset 0, expected 32");
    two_tensors(0, 64, 128);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b",
                 "leaves a gap after the tensor before it: data offset 64, expected 32");
    two_tensors(32, 64, 128);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor a", "leaves a gap");
    two_tensors(0, UINT64_MAX - 31, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b", "leaves a gap");
    two_tensors(0, 32, 47);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b",
                 "truncated: 16 bytes at data offset 32 (data starts at 96), the file has 143");
    struct mscope_error err;
    for (size_t n_data = 48; n_data <= 80; n_data++) { /* padding of the last tensor, and junk */
        struct gguf *gguf;
        two_tensors(0, 32, n_data);
        assert_ok(gguf_open_memory(&gguf, image.bytes, image.n, "image", &err), &err);
        gguf_close(&gguf);
    }
}

static void sums_of_sizes_do_not_overflow(void **state)
{
    (void)state;
    static const uint64_t half[] = {1ULL << 62};
    image_begin(&image, 2, 0);
    image_tensor(&image, "a", 1, half, DTYPE_F16, 0);
    image_tensor(&image, "b", 1, half, DTYPE_F16, 1ULL << 63);
    image_pad(&image, 32);
    image_zeros(&image, 64);
    image_expect(&image, MSCOPE_ERR_FORMAT, "tensor b", "expected an end below 2^64");
}

static void a_split_model_is_refused_in_memory(void **state)
{
    (void)state;
    image_begin(&image, 0, 1);
    image_kv_u16(&image, "split.count", 3);
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "key split.count", "3, expected 1 part");
}

static void names_in_errors_cannot_move_the_cursor_of_a_terminal(void **state)
{
    (void)state;
    one_tensor("\x1b[2J", 1, NE_8, 16, 0);
    image_expect(&image, MSCOPE_ERR_UNSUPPORTED, "tensor ?[2J", "IQ2_XXS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_and_tensor_of_a_small_file_is_found),
        cmocka_unit_test(a_file_cut_anywhere_fails_with_a_message),
        cmocka_unit_test(a_file_with_any_bit_flipped_is_refused_or_usable),
        cmocka_unit_test(a_file_with_any_field_set_to_an_extreme_is_refused_or_usable),
        cmocka_unit_test(what_is_no_gguf_of_a_known_version_is_refused),
        cmocka_unit_test(counts_are_bounded_by_the_size_of_the_file),
        cmocka_unit_test(wrong_pairs_are_refused_by_name),
        cmocka_unit_test(wrong_arrays_are_refused_by_name),
        cmocka_unit_test(the_alignment_must_be_a_power_of_two_of_type_u32),
        cmocka_unit_test(names_of_tensors_are_short_unique_texts),
        cmocka_unit_test(wrong_shapes_are_refused_by_name),
        cmocka_unit_test(types_without_weights_of_ours_are_refused_by_name),
        cmocka_unit_test(offsets_must_follow_each_other_within_the_file),
        cmocka_unit_test(sums_of_sizes_do_not_overflow),
        cmocka_unit_test(a_split_model_is_refused_in_memory),
        cmocka_unit_test(names_in_errors_cannot_move_the_cursor_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
