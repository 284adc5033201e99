/* SPDX-License-Identifier: MIT */
/* Runs another program and waits for it, with a limit. Inside report/ only. One thread. */
#ifndef REPORT_SPAWN_H
#define REPORT_SPAWN_H

#include "base/strbuf.h"

enum { SPAWN_FAILED = -1, SPAWN_TIMEOUT = -2, SPAWN_KEPT_BYTES = 4096 };

/* Can `program` (a path, or a name on PATH) be run? */
bool spawn_can_find(const char *program);
/*
 * Exit code of argv[0], 128 + signal, or one of the codes above. What it prints on both streams
 * goes to `said`, the first SPAWN_KEPT_BYTES of it; standard input is empty.
 */
int spawn_wait(const char *const *argv, int limit_s, struct strbuf *said);

#endif
