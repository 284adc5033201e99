/* SPDX-License-Identifier: MIT */
/* fork, a pipe of lines, and a clear word about how it ended. */
#include "measure/child.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

enum { ASK_MS = 200, MAX_LINE_BYTES = 256 << 20, MAX_FD = 1024 };

static _Noreturn void be_child(child_main_fn *run, void *user, int fd, pid_t parent);
static void close_inherited(int kept);
static bool give_line(struct child *child, char **line);
static bool take_bytes(struct child *child);

enum mscope_status child_start(struct child *child, child_main_fn *run, void *user,
                               struct mscope_error *err)
{
    int ends[2];
    *child = (struct child){.fd = -1};
    if (pipe(ends) != 0) {
        return error_set_errno(err, errno, "pipe", "open");
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t parent = getpid();
    fflush(NULL); /* else both processes would write what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        be_child(run, user, ends[1], parent);
    }
    close(ends[1]);
    if (pid < 0) {
        int problem = errno;
        close(ends[0]);
        return error_set_errno(err, problem, "process", "start");
    }
    setpgid(pid, pid); /* in both processes: whoever comes first */
    child->pid = pid;
    child->fd = ends[0];
    return MSCOPE_OK;
}

enum child_event child_read(struct child *child, char **line, double timeout_s,
                            bool (*stopped)(void *user), void *user)
{
    uint64_t start_ns = clock_now_ns();
    uint64_t limit_ns = timeout_s > 0 ? (uint64_t)(timeout_s * 1e9) : UINT64_MAX;
    while (!give_line(child, line)) {
        if (stopped != NULL && stopped(user)) {
            return CHILD_STOPPED;
        }
        if (clock_now_ns() - start_ns > limit_ns) {
            return CHILD_TIMEOUT;
        }
        struct pollfd ready = {.fd = child->fd, .events = POLLIN};
        int n = poll(&ready, 1, ASK_MS);
        if (n > 0 && !take_bytes(child)) {
            return CHILD_END;
        }
    }
    return CHILD_LINE;
}

void child_finish(struct child *child, bool force, struct child_end *end)
{
    int status = 0;
    *end = (struct child_end){0};
    if (child->pid <= 0) {
        return;
    }
    if (force) {
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    kill(-child->pid, SIGKILL); /* whatever it left behind */
    if (WIFSIGNALED(status)) {
        end->killed_for_memory = WTERMSIG(status) == SIGKILL && !force;
        snprintf(end->text, sizeof end->text, "ended by signal %d (%.80s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        end->good = WEXITSTATUS(status) == 0;
        snprintf(end->text, sizeof end->text, "exit code %d", WEXITSTATUS(status));
    }
    close(child->fd);
    free(child->buffer);
    *child = (struct child){.fd = -1};
}

static _Noreturn void be_child(child_main_fn *run, void *user, int fd, pid_t parent)
{
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent) { /* it died before we asked to be told */
        _exit(1);
    }
    close_inherited(fd);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        if (null != STDIN_FILENO) {
            close(null);
        }
    }
    FILE *score = fopen("/proc/self/oom_score_adj", "w");
    if (score != NULL) {
        fputs("1000", score);
        fclose(score);
    }
    FILE *out = fdopen(fd, "w");
    int code = out != NULL ? run(user, out) : 1;
    if (out != NULL) {
        fflush(out);
    }
    _exit(code);
}

/* A lock on a file of rows lives as long as any process holds the file. */
static void close_inherited(int kept)
{
    long most = sysconf(_SC_OPEN_MAX);
    most = most > 0 && most < MAX_FD ? most : MAX_FD;
    for (int fd = STDERR_FILENO + 1; fd < most; fd++) {
        if (fd != kept) {
            close(fd);
        }
    }
}

static bool give_line(struct child *child, char **line)
{
    if (child->n_given > 0) {
        memmove(child->buffer, child->buffer + child->n_given, child->n_bytes - child->n_given);
        child->n_bytes -= child->n_given;
        child->n_given = 0;
    }
    char *end = child->n_bytes > 0 ? memchr(child->buffer, '\n', child->n_bytes) : NULL;
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    *line = child->buffer;
    child->n_given = (size_t)(end - child->buffer) + 1;
    return true;
}

/* False at the end of the pipe. */
static bool take_bytes(struct child *child)
{
    enum { ROOM = 1 << 16 };
    if (child->capacity - child->n_bytes < ROOM) {
        size_t capacity = child->capacity * 2 + ROOM;
        char *grown = capacity <= MAX_LINE_BYTES ? realloc(child->buffer, capacity) : NULL;
        if (grown == NULL) {
            return false;
        }
        child->buffer = grown;
        child->capacity = capacity;
    }
    ssize_t n = read(child->fd, child->buffer + child->n_bytes, child->capacity - child->n_bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (n <= 0) {
        return false;
    }
    child->n_bytes += (size_t)n;
    return true;
}
