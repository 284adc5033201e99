/* SPDX-License-Identifier: MIT */
/* Another program, waited for. */
#include "report/spawn.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t start(const char *const *argv, int output);
static bool collect(int input, uint64_t deadline_ns, struct strbuf *said);

bool spawn_can_find(const char *program)
{
    const char *const argv[] = {program, "--version", NULL};
    struct strbuf said = {0};
    int code = spawn_wait(argv, 20, &said);
    strbuf_free(&said);
    return code >= 0 && code != 127;
}

int spawn_wait(const char *const *argv, int limit_s, struct strbuf *said)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return SPAWN_FAILED;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child = start(argv, ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return SPAWN_FAILED;
    }
    uint64_t deadline_ns = clock_now_ns() + (uint64_t)limit_s * 1000000000U;
    bool in_time = collect(ends[0], deadline_ns, said);
    close(ends[0]);
    if (!in_time) {
        kill(child, SIGKILL);
    }
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    if (!in_time) {
        return SPAWN_TIMEOUT;
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static pid_t start(const char *const *argv, int output)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return -1;
    }
    pid_t child = -1;
    union { /* posix_spawn takes words it promises not to change */
        const char *const *in;
        char *const *out;
    } words = {.in = argv};
    bool ready = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                 posix_spawn_file_actions_adddup2(&actions, output, 1) == 0 &&
                 posix_spawn_file_actions_adddup2(&actions, output, 2) == 0;
    if (!ready || posix_spawnp(&child, argv[0], &actions, NULL, words.out, environ) != 0) {
        child = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

/* Reads until the program closes its output; false when the limit passed first. */
static bool collect(int input, uint64_t deadline_ns, struct strbuf *said)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns) {
            return false;
        }
        struct pollfd poll_input = {.fd = input, .events = POLLIN};
        int ready = poll(&poll_input, 1, (int)((deadline_ns - now_ns) / 1000000U) + 1);
        if (ready < 0 && errno != EINTR) {
            return true;
        }
        if (ready <= 0) {
            continue;
        }
        char block[1024];
        ssize_t n = read(input, block, sizeof block);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return true;
        }
        if (n > 0 && said->n_bytes < SPAWN_KEPT_BYTES) {
            strbuf_append(said, block, (size_t)n);
        }
    }
}
