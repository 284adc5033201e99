/* SPDX-License-Identifier: MIT */
/* LINKS: engine model */
/*
 * The token loop allocates nothing: this program replaces the C library's allocator and mmap by
 * counting ones and decodes and samples with them. With an address or thread sanitizer, which owns
 * the allocator, its hooks count.
 */
#include "forward/fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_ALLOCATOR
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_ALLOCATOR
#endif

static atomic_int n_allocations; /* of any thread, since the start */

#if defined(SANITIZER_ALLOCATOR)

int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));

static void count_malloc(const volatile void *data, size_t n_bytes)
{
    (void)data;
    (void)n_bytes;
    atomic_fetch_add(&n_allocations, 1);
}

static void ignore_free(const volatile void *data)
{
    (void)data;
}

static bool start_counting(void)
{
    return __sanitizer_install_malloc_and_free_hooks(count_malloc, ignore_free) != 0;
}

#elif defined(__GLIBC__)

/* Entry points of glibc's allocator that stay reachable when malloc itself is replaced. */
void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *data, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);

void *malloc(size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(n_bytes);
}

void *calloc(size_t n, size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_calloc(n, n_bytes);
}

void *realloc(void *data, size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_realloc(data, n_bytes);
}

void *memalign(size_t alignment, size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_memalign(alignment, n_bytes);
}

void *aligned_alloc(size_t alignment, size_t n_bytes)
{
    return memalign(alignment, n_bytes);
}

int posix_memalign(void **out, size_t alignment, size_t n_bytes)
{
    *out = memalign(alignment, n_bytes);
    return *out == NULL ? ENOMEM : 0;
}

void *mmap(void *address, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    atomic_fetch_add(&n_allocations, 1);
    return (void *)syscall(SYS_mmap, address, n_bytes, protection, flags, fd, offset);
}

static bool start_counting(void)
{
    return true;
}

#else

static bool start_counting(void)
{
    return false;
}

#endif

static int32_t argmax(const float *logits, int n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Evaluates `tokens`, then generates up to the end of the context; returns the last token. */
static int32_t generate(const struct fixture *fixture, struct mscope_session *session,
                        struct mscope_sampler *sampler, const int32_t *tokens, int n_tokens)
{
    struct mscope_error err;
    assert_ok(mscope_eval(session, tokens, n_tokens, MSCOPE_OUTPUT_LAST, &err), &err);
    int32_t id = argmax(mscope_engine_logits(fixture->engine, 0), fixture->n_vocab);
    while (mscope_session_position(session) < mscope_session_n_ctx(session)) {
        mscope_sampler_accept(sampler, id);
        assert_ok(mscope_eval(session, &id, 1, MSCOPE_OUTPUT_LAST, &err), &err);
        id = mscope_sampler_next(sampler, mscope_engine_logits(fixture->engine, 0));
        assert_in_range(id, 0, fixture->n_vocab - 1);
    }
    return id;
}

static void check_loop(const struct fixture_case *test)
{
    struct fixture fixture;
    fixture_open(&fixture, test, 3, 8);
    struct mscope_error err;
    int32_t tokens[FIXTURE_N_TOKENS];
    fixture_tokens(tokens, FIXTURE_N_TOKENS, fixture.n_vocab, 9);
    struct mscope_sampler_params params = mscope_sampler_defaults();
    params.temperature = 0.8F;
    params.top_k = 20;
    params.top_p = 0.9F;
    params.min_p = 0.01F;
    params.repeat_penalty = 1.2F;
    params.repeat_last_n = 16;
    params.seed = 5;
    struct mscope_sampler *sampler;
    assert_ok(mscope_sampler_open(&sampler, fixture.n_vocab, &params, &err), &err);
    struct mscope_session *session = fixture_session(&fixture, MSCOPE_KV_DEFAULT);
    generate(&fixture, session, sampler, tokens, FIXTURE_N_TOKENS);

    assert_ok(mscope_session_rewind(session, 3, &err), &err);
    int before = atomic_load(&n_allocations);
    generate(&fixture, session, sampler, tokens, FIXTURE_N_TOKENS);
    int n_new = atomic_load(&n_allocations) - before;
    if (n_new != 0) {
        fail_msg("%s %s %s: %d allocations in the token loop", test->shape, test->recipe,
                 test->exact ? "exact" : "default", n_new);
    }
    mscope_session_close(&session);
    mscope_sampler_close(&sampler);
    fixture_close(&fixture);
}

static void the_token_loop_allocates_nothing(void **state)
{
    (void)state;
    fixture_for_each(check_loop);
}

/* The counter itself works: without this the test above would prove nothing. */
static void an_allocation_is_counted(void **state)
{
    (void)state;
    int before = atomic_load(&n_allocations);
    void *volatile data = malloc(100);
    assert_non_null(data);
    free(data);
    assert_int_equal(atomic_load(&n_allocations), before + 1);
    void *volatile zeros = calloc(4, 100);
    assert_non_null(zeros);
    free(zeros);
    assert_int_equal(atomic_load(&n_allocations), before + 2);
}

int main(void)
{
    if (!start_counting()) {
        printf("SKIP test_allocations: this C library does not let its allocator be counted\n");
        return UNIT_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_counted),
        cmocka_unit_test(the_token_loop_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
