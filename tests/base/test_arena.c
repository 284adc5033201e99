/* SPDX-License-Identifier: MIT */
/* Arenas: pieces are zeroed, aligned and disjoint; overflow is an error; a sealed arena asserts. */
#include "base/arena.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct arena *open_arena(void)
{
    struct arena *arena;
    struct mscope_error err;
    assert_ok(arena_open(&arena, "test arena", &err), &err);
    return arena;
}

static void pieces_are_zeroed_aligned_and_disjoint(void **state)
{
    (void)state;
    enum { N = 400 };
    static unsigned char *pieces[N];
    static size_t sizes[N];
    struct arena *arena = open_arena();
    uint64_t total = 0;
    for (size_t i = 0; i < N; i++) { /* small ones, and some with a mapping of their own */
        sizes[i] = i % 37 == 36 ? 300000 + i * 1000 : i * 97 % 5000;
        pieces[i] = arena_take(arena, sizes[i], 1, NULL);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(pieces[i][k], 0);
        }
        memset(pieces[i], (int)(i % 255 + 1), sizes[i]);
        total += sizes[i];
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(pieces[i][k], i % 255 + 1);
        }
    }
    assert_in_range(arena_bytes(arena), total, total + N * 64);
    arena_close(&arena);
    assert_null(arena);
    arena_close(&arena);
}

static void overflow_and_exhaustion_are_errors(void **state)
{
    (void)state;
    struct arena *arena = open_arena();
    struct mscope_error err = {0};
    const struct {
        size_t n_items, item_bytes;
    } cases[] = {
        {SIZE_MAX, 2}, {SIZE_MAX / 8 + 1, 16}, {SIZE_MAX, 1}, {SIZE_MAX / 2, 1}, {1, SIZE_MAX / 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&err, 0, sizeof err);
        assert_null(arena_take(arena, cases[i].n_items, cases[i].item_bytes, &err));
        assert_int_equal(err.status, MSCOPE_ERR_MEMORY);
        assert_string_equal(err.object, "test arena");
        assert_true(strlen(err.detail) > 0);
    }
    assert_int_equal(arena_bytes(arena), 0);
    assert_non_null(arena_take(arena, 1, 1, &err)); /* still usable */
    arena_close(&arena);
}

static void strings_are_copied_with_a_terminator(void **state)
{
    (void)state;
    struct arena *arena = open_arena();
    char *copy = arena_string(arena, "ab\0cd", 5, NULL);
    assert_memory_equal(copy, "ab\0cd", 6);
    assert_string_equal(arena_string(arena, "", 0, NULL), "");
    arena_close(&arena);
}

/* Reserved pages are not memory: 8 GB that nobody writes cost nothing. */
static void unwritten_pieces_cost_no_memory(void **state)
{
    (void)state;
    struct rusage before;
    struct rusage after;
    struct arena *arena = open_arena();
    getrusage(RUSAGE_SELF, &before);
    unsigned char *piece = arena_take(arena, (size_t)1 << 33, 1, NULL);
    if (piece == NULL) { /* a system that does not overcommit */
        arena_close(&arena);
        skip();
    }
    piece[(size_t)1 << 32] = 1;
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 100000);
    arena_close(&arena);
}

static void a_sealed_arena_asserts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        struct arena *arena;
        if (arena_open(&arena, "sealed", NULL) != MSCOPE_OK ||
            freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        arena_take(arena, 1, 1, NULL);
        arena_seal(arena);
        arena_take(arena, 1, 1, NULL);
        _exit(0); /* reached only if the seal does not hold */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_disjoint),
        cmocka_unit_test(overflow_and_exhaustion_are_errors),
        cmocka_unit_test(strings_are_copied_with_a_terminator),
        cmocka_unit_test(unwritten_pieces_cost_no_memory),
        cmocka_unit_test(a_sealed_arena_asserts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
