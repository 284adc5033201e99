/* SPDX-License-Identifier: MIT */
/*
 * The lines of a running tegrastats, ten a second. A line is stamped when it arrives. The program
 * is started when the source is opened and ended with it.
 */
#include "machine/energy_source.h"

#include "base/clock.h"
#include "machine/tegrastats.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, WAIT_MS = 3000 };

extern char **environ;

struct energy_source {
    pid_t pid;
    int fd;
    char line[LINE_BYTES];
    size_t n; /* bytes in it */
};

static struct energy_source *tegra_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                        char reason[ENERGY_TEXT_BYTES]);
static void tegra_begin(struct energy_source *source);
static bool tegra_read(struct energy_source *source, double *value, bool *wrapped,
                       char reason[ENERGY_TEXT_BYTES]);
static void tegra_close(struct energy_source *source);
static bool start_program(struct energy_source *source, const char *path,
                          char reason[ENERGY_TEXT_BYTES]);
static bool next_line(struct energy_source *source, struct tegrastats *line,
                      char reason[ENERGY_TEXT_BYTES]);
static bool take_line(struct energy_source *source, struct tegrastats *line);

const struct energy_source_class energy_source_tegrastats = {
    .name = "tegrastats",
    .covers_cpu = true,
    .waits = true,
    .rate_hz = 10,
    .open = tegra_open,
    .begin = tegra_begin,
    .read = tegra_read,
    .close = tegra_close,
};

static struct energy_source *tegra_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                        char reason[ENERGY_TEXT_BYTES])
{
    char path[SYSFS_PATH_BYTES];
    snprintf(path, sizeof path, "%.400s/usr/bin/tegrastats", root);
    if (access(path, X_OK) != 0) {
        snprintf(reason, ENERGY_TEXT_BYTES, "no /usr/bin/tegrastats (not a Jetson)");
        return NULL;
    }
    struct energy_source *source = calloc(1, sizeof *source);
    if (source == NULL || !start_program(source, path, reason)) {
        free(source);
        return NULL;
    }
    struct tegrastats line;
    if (!next_line(source, &line, reason)) {
        tegra_close(source);
        return NULL;
    }
    if (line.board_rail[0] == '\0') {
        snprintf(reason, ENERGY_TEXT_BYTES,
                 "tegrastats shows no rail VDD_IN or POM_5V_IN of the whole board");
        tegra_close(source);
        return NULL;
    }
    snprintf(scope, ENERGY_TEXT_BYTES, "%s", line.board_rail);
    return source;
}

static bool start_program(struct energy_source *source, const char *path,
                          char reason[ENERGY_TEXT_BYTES])
{
    int fds[2];
    if (pipe(fds) != 0) {
        snprintf(reason, ENERGY_TEXT_BYTES, "pipe: %s", strerror(errno));
        return false;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    char program[] = "tegrastats";
    char option[] = "--interval";
    char value[] = "100";
    char *arguments[] = {program, option, value, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawn(&source->pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (error != 0) {
        snprintf(reason, ENERGY_TEXT_BYTES, "%.160s: %s", path, strerror(error));
        close(fds[0]);
        return false;
    }
    source->fd = fds[0];
    return true;
}

/* Lines of the time before would get stamps of now. */
static void tegra_begin(struct energy_source *source)
{
    struct pollfd poller = {.fd = source->fd, .events = POLLIN};
    while (poll(&poller, 1, 0) > 0 && (poller.revents & POLLIN) != 0 &&
           read(source->fd, source->line, LINE_BYTES) > 0) {
    }
    source->n = 0;
}

static bool tegra_read(struct energy_source *source, double *value, bool *wrapped,
                       char reason[ENERGY_TEXT_BYTES])
{
    (void)wrapped;
    struct tegrastats line;
    if (!next_line(source, &line, reason)) {
        return false;
    }
    *value = line.board_watts;
    if (line.board_rail[0] == '\0') {
        snprintf(reason, ENERGY_TEXT_BYTES, "a line of tegrastats without the board's rail");
        return false;
    }
    return true;
}

/* Other lines (warnings) are passed over. */
static bool next_line(struct energy_source *source, struct tegrastats *line,
                      char reason[ENERGY_TEXT_BYTES])
{
    uint64_t deadline_ns = clock_now_ns() + (uint64_t)WAIT_MS * 1000000;
    while (!take_line(source, line)) {
        uint64_t now_ns = clock_now_ns();
        struct pollfd poller = {.fd = source->fd, .events = POLLIN};
        int n_ready = now_ns < deadline_ns
                          ? poll(&poller, 1, (int)((deadline_ns - now_ns) / 1000000 + 1))
                          : 0;
        if (n_ready < 0 && errno == EINTR) {
            continue;
        }
        if (n_ready <= 0) {
            snprintf(reason, ENERGY_TEXT_BYTES, "no line of tegrastats within %d s",
                     WAIT_MS / 1000);
            return false;
        }
        if (source->n == LINE_BYTES) {
            source->n = 0; /* no line of tegrastats is so long */
        }
        ssize_t n = read(source->fd, source->line + source->n, LINE_BYTES - source->n);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            snprintf(reason, ENERGY_TEXT_BYTES, "tegrastats ended");
            return false;
        }
        source->n += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Takes the first complete line out of the buffer; false when none of them is tegrastats'. */
static bool take_line(struct energy_source *source, struct tegrastats *line)
{
    bool found = false;
    char *end;
    while (!found && (end = memchr(source->line, '\n', source->n)) != NULL) {
        size_t n_line = (size_t)(end - source->line);
        found = tegrastats_parse(line, source->line, n_line);
        source->n -= n_line + 1;
        memmove(source->line, end + 1, source->n);
    }
    return found;
}

static void tegra_close(struct energy_source *source)
{
    kill(source->pid, SIGTERM);
    close(source->fd);
    for (int i = 0; i < 50; i++) {
        if (waitpid(source->pid, NULL, WNOHANG) != 0) {
            free(source);
            return;
        }
        poll(NULL, 0, 10);
    }
    kill(source->pid, SIGKILL);
    waitpid(source->pid, NULL, 0);
    free(source);
}
