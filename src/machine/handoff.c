/* SPDX-License-Identifier: MIT */
/*
 * How long a cache line takes from one thread to another. Thread 0 of a pool, the leader, shares a
 * line with each of the others, and the two write it in turns: the leader odd numbers, the other
 * the even ones after them.
 *
 *      0 -> 1 leader -> 2 follower -> 3 leader -> ... -> LAST leader
 *
 * A thread may not get to run, and then another may come to run two of these places one after the
 * other; so nobody waits longer than PATIENCE_NS, and who gives up takes all others along. Laps
 * that were done until then count.
 */
#include "machine/machine.h"

#include "base/clock.h"
#include "base/spin.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LAST = -1 }; /* token */
enum { LAPS = 8, ENOUGH = 32, TRIES = 8, SPINS_PER_LOOK = 256 };
static const uint64_t PATIENCE_NS = 2000000, TRY_NS = 500000;

struct line {
    _Alignas(128) atomic_int token; /* caches may fetch lines in pairs */
};
struct round {
    struct line *lines; /* (n), the leader's unused */
    int n;
    atomic_int n_arrived;
    atomic_int is_complete; /* all have arrived */
    atomic_bool is_given_up;
    double least_ns; /* of n_measured times LAPS laps, for one way; the leader's */
    int n_measured;
};

static void try_round(struct round *round, struct pool *pool);
static void run_place(void *ctx, int i_chunk, int i_thread);
static void lead(struct round *round);
static bool run_lap(struct round *round, int token);
static void follow(struct round *round, int i_place);
static int await_change(struct round *round, atomic_int *word, int old);

/* The fastest laps: much delays a line, nothing makes it faster. */
double machine_measure_handoff_ns(struct pool *pool)
{
    struct round round = {.n = pool_n_threads(pool), .least_ns = NAN};
    if (round.n < 2) {
        return NAN;
    }
    round.lines = aligned_alloc(_Alignof(struct line), (size_t)round.n * sizeof *round.lines);
    if (round.lines == NULL) {
        return NAN;
    }
    for (int i = 0; i < TRIES && round.n_measured < ENOUGH; i++) {
        try_round(&round, pool);
    }
    free(round.lines);
    return round.least_ns;
}

static void try_round(struct round *round, struct pool *pool)
{
    for (int i = 0; i < round->n; i++) {
        atomic_init(&round->lines[i].token, 0);
    }
    atomic_store(&round->n_arrived, 0);
    atomic_store(&round->is_complete, 0);
    atomic_store(&round->is_given_up, false);
    pool_for(pool, round->n, run_place, round);
}

static void run_place(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct round *round = ctx;
    if (atomic_fetch_add(&round->n_arrived, 1) + 1 == round->n) {
        atomic_store(&round->is_complete, 1);
    }
    if (await_change(round, &round->is_complete, 0) == 0) {
        return;
    }
    if (i_chunk == 0) {
        lead(round);
    } else {
        follow(round, i_chunk);
    }
}

static void lead(struct round *round)
{
    uint64_t start_ns = clock_now_ns(), since_ns = start_ns;
    int token = 0;
    while (round->n_measured < ENOUGH && since_ns - start_ns < TRY_NS) {
        for (int i = 0; i < LAPS; i++, token += 2) {
            if (!run_lap(round, token)) {
                return;
            }
        }
        uint64_t now_ns = clock_now_ns();
        double way_ns = (double)(now_ns - since_ns) / (LAPS * 2 * (round->n - 1));
        round->least_ns = fmin(round->least_ns, way_ns);
        round->n_measured++;
        since_ns = now_ns;
    }
    for (int i = 1; i < round->n; i++) {
        atomic_store_explicit(&round->lines[i].token, LAST, memory_order_release);
    }
}

/* To each of the others and back. */
static bool run_lap(struct round *round, int token)
{
    for (int i = 1; i < round->n; i++) {
        atomic_int *line = &round->lines[i].token;
        atomic_store_explicit(line, token + 1, memory_order_release);
        if (await_change(round, line, token + 1) == token + 1) {
            return false;
        }
    }
    return true;
}

static void follow(struct round *round, int i_place)
{
    atomic_int *line = &round->lines[i_place].token;
    int token = 0;
    for (;;) {
        int next = await_change(round, line, token);
        if (next == token || next == LAST) {
            return;
        }
        token = next + 1;
        atomic_store_explicit(line, token, memory_order_release);
    }
}

/* What the word is now; `old` when it stays so. */
static int await_change(struct round *round, atomic_int *word, int old)
{
    uint64_t since_ns = 0;
    for (int spins = 1;; spins++) {
        int now = atomic_load_explicit(word, memory_order_acquire);
        if (now != old) {
            return now;
        }
        if (spins % SPINS_PER_LOOK == 0) {
            uint64_t now_ns = clock_now_ns();
            since_ns = since_ns == 0 ? now_ns : since_ns;
            if (now_ns - since_ns > PATIENCE_NS || atomic_load(&round->is_given_up)) {
                atomic_store(&round->is_given_up, true);
                return old;
            }
        }
        spin_relax();
    }
}
