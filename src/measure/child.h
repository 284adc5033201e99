/* SPDX-License-Identifier: MIT */
/*
 * A process of its own for a piece of work, so that its memory is measured apart and its crash,
 * its being killed for memory, or its hanging costs no more than that piece. It reports lines of
 * text; the parent reads them with a deadline. The child dies with its parent, has a process group
 * of its own (killed as a whole), no inherited files but the pipe, and is the first that a kernel
 * short of memory would choose. No thread of the caller may be running at child_start. One thread.
 */
#ifndef MEASURE_CHILD_H
#define MEASURE_CHILD_H

#include "base/error.h"

#include <stdio.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none */
    int fd;
    char *buffer; /* bytes read, lines not yet given out */
    size_t n_bytes, capacity, n_given;
};

/* The child's work; writes lines to `out` and flushes. What it returns is its exit code. */
typedef int child_main_fn(void *user, FILE *out);

enum mscope_status child_start(struct child *child, child_main_fn *run, void *user,
                               struct mscope_error *err);

enum child_event {
    CHILD_LINE,    /* *line holds one, valid until the next call */
    CHILD_END,     /* no more: it ended or closed its end */
    CHILD_TIMEOUT, /* nothing within the time */
    CHILD_STOPPED  /* `stopped` said so */
};
/* Waits at most timeout_s (<= 0: for ever); asks `stopped` (may be NULL) several times a second. */
enum child_event child_read(struct child *child, char **line, double timeout_s,
                            bool (*stopped)(void *user), void *user);

struct child_end {
    bool killed_for_memory; /* SIGKILL that we did not send */
    bool good;              /* exit code 0 */
    char text[128];         /* "ended by signal 11 (Segmentation fault)", "exit code 3" */
};
/* Waits for it, killing its process group first when `force`. Releases. */
void child_finish(struct child *child, bool force, struct child_end *end);

#endif
