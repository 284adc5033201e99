/* SPDX-License-Identifier: MIT */
/* Memory between two pages without access, and calls that survive touching them. */
#include "checker.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CANARY = 0xa5 };

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void guard_open(struct guard *guard, size_t capacity)
{
    size_t page = page_bytes();
    guard->pages_bytes = (capacity + page - 1) / page * page;
    uint8_t *map =
        mmap(NULL, guard->pages_bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        perror("kernel_checker: mmap");
        exit(2);
    }
    guard->pages = map + page;
    guard->data = guard->open = guard->pages;
    guard->bytes = guard->open_bytes = 0;
}

void guard_close(struct guard *guard)
{
    if (guard->pages != NULL) {
        munmap(guard->pages - page_bytes(), guard->pages_bytes + 2 * page_bytes());
        guard->pages = NULL;
    }
}

static void protect(uint8_t *pages, size_t bytes, int access)
{
    if (mprotect(pages, bytes, access) != 0) {
        perror("kernel_checker: mprotect");
        exit(2);
    }
}

void *guard_place(struct guard *guard, size_t bytes, enum guard_side side)
{
    size_t page = page_bytes();
    size_t wanted = (bytes + page - 1) / page * page + page;
    if (wanted > guard->pages_bytes) {
        fprintf(stderr, "kernel_checker: %zu bytes do not fit behind a guard of %zu\n", bytes,
                guard->pages_bytes);
        exit(2);
    }
    protect(guard->pages, guard->pages_bytes, PROT_NONE);
    guard->open = side == GUARD_BEFORE ? guard->pages : guard->pages + guard->pages_bytes - wanted;
    guard->open_bytes = wanted;
    protect(guard->open, wanted, PROT_READ | PROT_WRITE);
    memset(guard->open, CANARY, wanted);
    guard->bytes = bytes;
    guard->data = side == GUARD_BEFORE ? guard->open : guard->open + wanted - bytes;
    return guard->data;
}

void guard_lock(struct guard *guard)
{
    protect(guard->open, guard->open_bytes, PROT_READ);
}

static bool all_canary(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != CANARY) {
            return false;
        }
    }
    return true;
}

bool guard_intact(const struct guard *guard)
{
    size_t before = (size_t)(guard->data - guard->open);
    const uint8_t *after = guard->data + guard->bytes;
    return all_canary(guard->open, before) &&
           all_canary(after, guard->open_bytes - before - guard->bytes);
}

bool guard_untouched(const struct guard *guard, size_t i, size_t bytes)
{
    return all_canary(guard->data + i, bytes);
}

static sigjmp_buf fault_jump;
static volatile sig_atomic_t fault_expected;

static void on_fault(int signal_number)
{
    if (fault_expected) {
        siglongjmp(fault_jump, 1);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

bool guard_run(void (*call)(void *), void *argument)
{
    struct sigaction action, old_segv, old_bus;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fault;
    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
    volatile bool sound = false;
    if (sigsetjmp(fault_jump, 1) == 0) {
        fault_expected = 1;
        call(argument);
        sound = true;
    }
    fault_expected = 0;
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return sound;
}
