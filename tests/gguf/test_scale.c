/* SPDX-License-Identifier: MIT */
/* Size does not hurt: a 4 GB file with a large vocabulary opens at once, millions of tiny entries
 * in seconds. */
#include "folder.h"
#include "image.h"

#include "base/clock.h"
#include "gguf/writer.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

enum { N_TOKENS = 256 * 1024, N_TINY = 1000000 };

static struct mscope_error err;

/* A buffer filled by hand: files too large for struct image. */
static unsigned char *bytes;
static size_t n_bytes;

static void put(const void *data, size_t n)
{
    memcpy(bytes + n_bytes, data, n);
    n_bytes += n;
}

static void put_u32(uint32_t value)
{
    put(&value, sizeof value);
}

static void put_u64(uint64_t value)
{
    put(&value, sizeof value);
}

static void put_string(const char *text)
{
    put_u64(strlen(text));
    put(text, strlen(text));
}

static void begin(uint64_t n_tensors, uint64_t n_kv)
{
    n_bytes = 0;
    put("GGUF", 4);
    put_u32(3);
    put_u64(n_tensors);
    put_u64(n_kv);
}

static void put_vocabulary(const char *key)
{
    put_string(key);
    put_u32(GGUF_ARRAY);
    put_u32(GGUF_STRING);
    put_u64(N_TOKENS);
    for (int i = 0; i < N_TOKENS; i++) {
        char text[16];
        snprintf(text, sizeof text, "token%d", i);
        put_string(text);
    }
}

static int take_buffer(void **state)
{
    bytes = malloc((size_t)64 << 20);
    return bytes == NULL ? -1 : folder_make(state);
}

static int give_buffer(void **state)
{
    free(bytes);
    return folder_remove(state);
}

/* Tokens, merges and scores of the largest vocabularies, 300 tensors, data that is a hole in the
 * file. */
static void a_4_gb_file_with_256k_tokens_opens_in_50_ms(void **state)
{
    (void)state;
    enum { N_TENSORS = 300 };
    static const uint64_t ne[] = {2048, 1792}, tensor_bytes = 2048ULL * 1792 * 4;
    begin(N_TENSORS, 3);
    put_vocabulary("tokenizer.ggml.tokens");
    put_vocabulary("tokenizer.ggml.merges");
    put_string("tokenizer.ggml.scores");
    put_u32(GGUF_ARRAY);
    put_u32(GGUF_F32);
    put_u64(N_TOKENS);
    for (int i = 0; i < N_TOKENS; i++) {
        put_u32(0);
    }
    for (int i = 0; i < N_TENSORS; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%d.ffn_up_exps.weight", i);
        put_string(name);
        put_u32(2);
        put(ne, sizeof ne);
        put_u32(DTYPE_F32);
        put_u64((uint64_t)i * tensor_bytes);
    }
    const char *path = folder_file("large.gguf");
    folder_write(path, bytes, n_bytes);
    if (truncate(path, (off_t)(n_bytes + 32 + N_TENSORS * tensor_bytes)) != 0) {
        print_message("SKIP: no sparse file of 4 GB here\n");
        return;
    }
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < 10; i++) {
        struct gguf *gguf;
        uint64_t start_ns = clock_now_ns();
        assert_ok(gguf_open(&gguf, path, &err), &err);
        uint64_t ns = clock_now_ns() - start_ns;
        best_ns = ns < best_ns ? ns : best_ns;
        assert_true(gguf_file_bytes(gguf) > 4000000000ULL);
        assert_int_equal(gguf_find(gguf, "tokenizer.ggml.merges")->array.n, N_TOKENS);
        gguf_close(&gguf);
    }
    print_message("opened in %.1f ms\n", (double)best_ns * 1e-6);
    if (!IS_SANITIZED) {
        assert_true(best_ns < 50000000);
    }
    folder_clear();
}

/* Quadratic search for duplicates would take hours. The limit leaves room for sanitizers on slow
 * machines. */
static void check_time(enum mscope_status expected, const char *what)
{
    struct gguf *gguf;
    uint64_t start_ns = clock_now_ns();
    assert_int_equal(gguf_open_memory(&gguf, bytes, n_bytes, "tiny", &err), expected);
    double seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    gguf_close(&gguf);
    print_message("%s: %.2f s\n", what, seconds);
    assert_true(seconds < 30);
}

static void a_million_tiny_pairs_take_no_quadratic_time(void **state)
{
    (void)state;
    for (int has_twin = 0; has_twin < 2; has_twin++) {
        begin(0, N_TINY);
        for (int i = 0; i < N_TINY; i++) {
            char key[16];
            snprintf(key, sizeof key, "%x", has_twin && i == N_TINY - 1 ? 0x1234 : i);
            put_string(key);
            put_u32(GGUF_U8);
            put("", 1);
        }
        check_time(has_twin ? MSCOPE_ERR_FORMAT : MSCOPE_OK, "pairs");
    }
    assert_string_equal(err.object, "key 1234");
}

static void a_million_tiny_tensors_take_no_quadratic_time(void **state)
{
    (void)state;
    for (int has_twin = 0; has_twin < 2; has_twin++) {
        begin(N_TINY, 1);
        put_string("general.alignment");
        put_u32(GGUF_U32);
        put_u32(8);
        for (int i = 0; i < N_TINY; i++) {
            char name[16];
            snprintf(name, sizeof name, "%x", has_twin && i == N_TINY - 1 ? 0x1234 : i);
            put_string(name);
            put_u32(0);
            put_u32(DTYPE_F16);
            put_u64((uint64_t)i * 8);
        }
        memset(bytes + n_bytes, 0, (size_t)N_TINY * 8 + 8);
        n_bytes += (size_t)N_TINY * 8 + 8; /* padding before the data too */
        check_time(has_twin ? MSCOPE_ERR_FORMAT : MSCOPE_OK, "tensors");
    }
    assert_string_equal(err.object, "tensor 1234");
}

static void a_million_pairs_are_copied_in_no_quadratic_time(void **state)
{
    (void)state;
    struct gguf_writer *writer;
    assert_ok(gguf_writer_open(&writer, folder_file("pairs.gguf"), &err), &err);
    uint64_t start_ns = clock_now_ns();
    for (int i = 0; i < N_TINY; i++) {
        char key[16];
        snprintf(key, sizeof key, "%x", i);
        gguf_writer_set_bool(writer, key, true);
    }
    gguf_writer_set_bool(writer, "1234", false);
    assert_ok(gguf_writer_begin_data(writer, &err), &err);
    assert_ok(gguf_writer_finish(writer, &err), &err);
    gguf_writer_close(&writer);
    double seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    print_message("written: %.2f s\n", seconds);
    assert_true(seconds < 30);
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, folder_file("pairs.gguf"), &err), &err);
    assert_int_equal(gguf_n_kv(gguf), N_TINY);
    bool flag = true;
    assert_ok(gguf_get_bool_or(gguf, "1234", &flag, &err), &err);
    assert_false(flag);
    gguf_close(&gguf);
    folder_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_4_gb_file_with_256k_tokens_opens_in_50_ms),
        cmocka_unit_test(a_million_tiny_pairs_take_no_quadratic_time),
        cmocka_unit_test(a_million_tiny_tensors_take_no_quadratic_time),
        cmocka_unit_test(a_million_pairs_are_copied_in_no_quadratic_time),
    };
    return cmocka_run_group_tests(tests, take_buffer, give_buffer);
}
