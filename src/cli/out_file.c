/* SPDX-License-Identifier: MIT */
/* Output files that appear under their name only when complete, and Ctrl-C. */
#include "cli/output.h"

#include "base/strbuf.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static char guarded[4096]; /* partial file that dies with the program, "" for none; set before
                              handlers run */

static void on_interrupt(int signal_number);
static void on_deadly_signal(int signal_number);
static void guard_set(const char *partial);
static void handle(int signal_number, void (*handler)(int));
static void on_vanished_bytes(int signal_number);
static bool is_special(const char *path);

enum mscope_status out_file_open(struct out_file *file, const char *path, struct mscope_error *err)
{
    *file = (struct out_file){0};
    if (strcmp(path, "-") == 0) {
        file->stream = stdout;
        file->path = strdup("standard output");
        return file->path != NULL ? MSCOPE_OK : error_set_memory(err, "a file name", 16);
    }
    struct strbuf partial = {0};
    if (!is_special(path)) {
        strbuf_printf(&partial, "%s.partial", path);
        file->partial = partial.data;
    }
    file->path = strdup(path);
    if (file->path == NULL || partial.failed) {
        out_file_close(file);
        return error_set_memory(err, "a file name", strlen(path));
    }
    file->stream = fopen(file->partial != NULL ? file->partial : path, "wb");
    if (file->stream == NULL) {
        error_set_errno(err, errno, "", "cannot create");
        error_set_object(err, "file %s", path);
        free(file->partial); /* not ours to remove */
        file->partial = NULL;
        out_file_close(file);
        return MSCOPE_ERR_IO;
    }
    if (file->partial != NULL) {
        guard_set(file->partial);
    }
    return MSCOPE_OK;
}

enum mscope_status out_file_write(struct out_file *file, const void *bytes, size_t n_bytes,
                                  struct mscope_error *err)
{
    if (file->stream == stdout) {
        out_write(bytes, n_bytes);
        return MSCOPE_OK; /* out_end reports a failure */
    }
    if (fwrite(bytes, 1, n_bytes, file->stream) != n_bytes) {
        error_set_errno(err, errno, "", "cannot write");
        error_set_object(err, "file %s", file->path);
        return MSCOPE_ERR_IO;
    }
    return MSCOPE_OK;
}

enum mscope_status out_file_finish(struct out_file *file, struct mscope_error *err)
{
    if (file->stream == stdout) {
        file->stream = NULL;
        return MSCOPE_OK;
    }
    int failed = fclose(file->stream);
    file->stream = NULL;
    if (failed == 0 && file->partial != NULL) {
        failed = rename(file->partial, file->path);
    }
    if (failed != 0) {
        error_set_errno(err, errno, "", "cannot complete");
        error_set_object(err, "file %s", file->path);
        return MSCOPE_ERR_IO;
    }
    out_path_release();
    free(file->partial);
    file->partial = NULL;
    return MSCOPE_OK;
}

void out_file_close(struct out_file *file)
{
    if (file->stream != NULL && file->stream != stdout) {
        fclose(file->stream);
    }
    if (file->partial != NULL) {
        unlink(file->partial);
        out_path_release();
    }
    free(file->partial);
    free(file->path);
    *file = (struct out_file){0};
}

enum mscope_status out_path_guard(const char *path, struct mscope_error *err)
{
    if (is_special(path)) {
        error_set(err, MSCOPE_ERR_ARGUMENT, "", "not a regular file, expected a file to write");
        error_set_object(err, "file %s", path);
        return MSCOPE_ERR_ARGUMENT;
    }
    char partial[sizeof guarded];
    int n = snprintf(partial, sizeof partial, "%s.partial", path);
    if (n > 0 && (size_t)n < sizeof partial) {
        guard_set(partial);
    }
    return MSCOPE_OK;
}

void out_path_release(void)
{
    guarded[0] = '\0';
}

void interrupt_watch(void)
{
    interrupted = 0;
    handle(SIGINT, on_interrupt);
}

bool interrupt_requested(void)
{
    return interrupted != 0;
}

bool interrupt_wait_readable(int fd)
{
    sigset_t with_interrupt, before;
    sigemptyset(&with_interrupt);
    sigaddset(&with_interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &with_interrupt, &before); /* none may slip in before the wait */
    int n_ready = 0;
    while (!interrupted && n_ready == 0) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(fd, &readable);
        n_ready = pselect(fd + 1, &readable, NULL, NULL, NULL, &before);
        n_ready = n_ready < 0 && errno == EINTR ? 0 : n_ready;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return n_ready != 0; /* an error is for the read to report */
}

void interrupt_clear(void)
{
    interrupted = 0;
}

static void on_interrupt(int signal_number)
{
    if (interrupted) {
        on_deadly_signal(signal_number);
    }
    interrupted = 1;
}

/* Only functions that are safe in a signal handler. */
static void on_deadly_signal(int signal_number)
{
    if (guarded[0] != '\0') {
        unlink(guarded);
    }
    signal(signal_number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
}

/* A mapped model file that another program cut short: the read fails as a signal, not as a status.
 */
static void on_vanished_bytes(int signal_number)
{
    static const char line[] = "moescope: model file: bytes vanished while it was in use (was it "
                               "truncated, or did the disk fail?)\n";
    static atomic_flag said = ATOMIC_FLAG_INIT;
    (void)signal_number;
    if (atomic_flag_test_and_set(&said)) {
        pause(); /* another thread is on its way out */
    }
    if (guarded[0] != '\0') {
        unlink(guarded);
    }
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    _exit(EXIT_FAILURE);
}

void vanished_bytes_watch(void)
{
    handle(SIGBUS, on_vanished_bytes);
}

static void guard_set(const char *partial)
{
    if (strlen(partial) >= sizeof guarded) {
        return;
    }
    memcpy(guarded, partial, strlen(partial) + 1);
    handle(SIGINT, on_deadly_signal);
    handle(SIGTERM, on_deadly_signal);
    handle(SIGHUP, on_deadly_signal);
}

/* A signal that the parent had us ignore (nohup) stays ignored. A write that a signal interrupts
 * goes on: stdio would drop what it held. */
static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        sigaction(signal_number, &action, NULL);
    }
}

/* Renaming a file over a device or a folder would replace it. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}
