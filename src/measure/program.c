/* SPDX-License-Identifier: MIT */
/* fork, exec, two pipes and a deadline. */
#include "measure/program.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

enum { LOOK_MS = 50, N_PIPES = 3, CHUNK_BYTES = 65536 };
enum { OUT, ERR, PROBLEM }; /* the third tells why exec failed */

struct process {
    pid_t pid;
    int fds[N_PIPES]; /* our ends; -1: closed */
};

static enum mscope_status start(struct process *process, const char *const *argv,
                                struct mscope_error *err);
static _Noreturn void be_program(const char *const *argv, int ends[N_PIPES][2]);
static void follow(struct process *process, struct program_result *out, uint64_t deadline_ns);
static bool take_bytes(struct process *process, struct program_result *out, int wait_ms);
static void keep_end(struct strbuf *kept, const char *bytes, size_t n_bytes);
static void close_ends(int ends[N_PIPES][2]);
static void last_line(char line[160], const struct strbuf *text);

enum mscope_status program_run(struct program_result *out, const char *const *argv,
                               double timeout_s, struct mscope_error *err)
{
    *out = (struct program_result){0};
    struct process process;
    uint64_t start_ns = clock_now_ns();
    enum mscope_status status = start(&process, argv, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    follow(&process, out, timeout_s > 0 ? start_ns + (uint64_t)(timeout_s * 1e9) : UINT64_MAX);
    out->wall_ms = (double)(clock_now_ns() - start_ns) * 1e-6;
    kill(-process.pid, SIGKILL); /* whatever it left behind */
    close(process.fds[OUT]);
    close(process.fds[ERR]);
    if (out->out.failed || out->err.failed) {
        program_free(out);
        return error_set_memory(err, argv[0], PROGRAM_KEPT_BYTES);
    }
    return MSCOPE_OK;
}

void program_free(struct program_result *result)
{
    strbuf_free(&result->out);
    strbuf_free(&result->err);
}

static enum mscope_status start(struct process *process, const char *const *argv,
                                struct mscope_error *err)
{
    int ends[N_PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    *process = (struct process){0};
    for (int i = 0; i < N_PIPES; i++) {
        if (pipe(ends[i]) != 0) {
            int problem = errno;
            close_ends(ends);
            return error_set_errno(err, problem, argv[0], "open pipe");
        }
        fcntl(ends[i][0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i][1], F_SETFD, FD_CLOEXEC);
        process->fds[i] = ends[i][0];
    }
    pid_t parent = getpid();
    process->pid = fork();
    if (process->pid == 0) {
        setpgid(0, 0);
#if defined(__linux__)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        if (getppid() != parent) {
            _exit(127);
        }
        be_program(argv, ends);
    }
    int problem = errno;
    for (int i = 0; i < N_PIPES; i++) {
        close(ends[i][1]);
        ends[i][1] = -1;
    }
    if (process->pid < 0) {
        close_ends(ends);
        return error_set_errno(err, problem, argv[0], "start");
    }
    setpgid(process->pid, process->pid); /* in both processes: whoever comes first */
    ssize_t n = read(process->fds[PROBLEM], &problem, sizeof problem);
    close(process->fds[PROBLEM]);
    ends[PROBLEM][0] = -1;
    if (n == (ssize_t)sizeof problem) {
        close_ends(ends);
        waitpid(process->pid, NULL, 0);
        return error_set_errno(err, problem, argv[0], "start");
    }
    return MSCOPE_OK;
}

/* Only what is allowed between fork and exec when other threads are running. */
static _Noreturn void be_program(const char *const *argv, int ends[N_PIPES][2])
{
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(ends[OUT][1], 1) == 1 &&
        dup2(ends[ERR][1], 2) == 2) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        execv(argv[0], (char *const *)(uintptr_t)argv);
    }
    int problem = errno;
    ssize_t n = write(ends[PROBLEM][1], &problem, sizeof problem);
    _exit(n > 0 ? 127 : 126);
}

/* Until it has ended and nothing more can be read, or its time is over. */
static void follow(struct process *process, struct program_result *out, uint64_t deadline_ns)
{
    struct rusage usage = {0};
    int how = 0;
    bool ended = false;
    bool readable = true;
    while (!ended) {
        readable = take_bytes(process, out, readable ? LOOK_MS : 0);
        if (!readable) {
            poll(NULL, 0, 5); /* it closed both streams: only its end is waited for */
        }
        ended = wait4(process->pid, &how, WNOHANG, &usage) == process->pid;
        if (!ended && clock_now_ns() > deadline_ns) {
            out->timed_out = true;
            kill(-process->pid, SIGKILL);
            kill(process->pid, SIGKILL);
            while (wait4(process->pid, &how, 0, &usage) < 0 && errno == EINTR) {
            }
            ended = true;
        }
    }
    while (take_bytes(process, out, 0)) {
        /* what is left in the pipes; a process it left behind may hold them open */
        struct pollfd ready[2] = {{.fd = process->fds[OUT], .events = POLLIN},
                                  {.fd = process->fds[ERR], .events = POLLIN}};
        if (poll(ready, 2, 0) <= 0) {
            break;
        }
    }
    out->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    out->exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : 0;
    out->peak_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
    out->major_faults = usage.ru_majflt;
}

/* False when both streams are at their end. */
static bool take_bytes(struct process *process, struct program_result *out, int wait_ms)
{
    struct pollfd ready[2] = {{.fd = process->fds[OUT], .events = POLLIN},
                              {.fd = process->fds[ERR], .events = POLLIN}};
    struct strbuf *const kept[2] = {&out->out, &out->err};
    if (process->fds[OUT] < 0 && process->fds[ERR] < 0) {
        return false;
    }
    if (poll(ready, 2, wait_ms) <= 0) {
        return true;
    }
    for (int i = 0; i < 2; i++) {
        static const int names[2] = {OUT, ERR};
        char bytes[CHUNK_BYTES];
        if (ready[i].revents == 0) {
            continue;
        }
        ssize_t n = read(process->fds[names[i]], bytes, sizeof bytes);
        if (n > 0) {
            keep_end(kept[i], bytes, (size_t)n);
        } else if (n == 0 || errno != EINTR) {
            close(process->fds[names[i]]);
            process->fds[names[i]] = -1;
        }
    }
    return process->fds[OUT] >= 0 || process->fds[ERR] >= 0;
}

/* A program that prints without end costs no more memory than this; its footer comes last. */
static void keep_end(struct strbuf *kept, const char *bytes, size_t n_bytes)
{
    if (kept->n_bytes + n_bytes > 2 * PROGRAM_KEPT_BYTES) {
        size_t n_dropped = kept->n_bytes - PROGRAM_KEPT_BYTES;
        memmove(kept->data, kept->data + n_dropped, PROGRAM_KEPT_BYTES);
        kept->n_bytes = PROGRAM_KEPT_BYTES;
    }
    strbuf_append(kept, bytes, n_bytes);
}

static void close_ends(int ends[N_PIPES][2])
{
    for (int i = 0; i < N_PIPES; i++) {
        for (int j = 0; j < 2; j++) {
            if (ends[i][j] >= 0) {
                close(ends[i][j]);
            }
        }
    }
}

enum mscope_status program_judge(const struct program_result *result, const char *object,
                                 double timeout_s, struct mscope_error *err)
{
    char line[160];
    last_line(line, result->err.n_bytes > 0 ? &result->err : &result->out);
    const char *colon = line[0] != '\0' ? ": " : "";
    if (result->timed_out) {
        return error_set(err, MSCOPE_ERR_IO, object, "not done after %g s", timeout_s);
    }
    if (result->signal == SIGKILL) { /* which we did not send */
        return error_set(err, MSCOPE_ERR_MEMORY, object,
                         "killed, as the system does when memory runs out%s%s", colon, line);
    }
    if (result->signal != 0) {
        return error_set(err, MSCOPE_ERR_IO, object, "ended by signal %d (%s)%s%s", result->signal,
                         strsignal(result->signal), colon, line);
    }
    if (result->exit_code != 0) {
        return error_set(err, MSCOPE_ERR_IO, object, "exit code %d%s%s", result->exit_code, colon,
                         line);
    }
    return MSCOPE_OK;
}

/* The last line that says something. */
static void last_line(char line[160], const struct strbuf *text)
{
    size_t end = text->n_bytes;
    line[0] = '\0';
    while (end > 0 && isspace((unsigned char)text->data[end - 1])) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && text->data[begin - 1] != '\n' && text->data[begin - 1] != '\r') {
        begin--;
    }
    size_t n = end - begin < 159 ? end - begin : 159;
    if (n > 0) {
        memcpy(line, text->data + begin, n);
        line[n] = '\0';
    }
}
