/* SPDX-License-Identifier: MIT */
/*
 * What every unit test includes: cmocka with its prerequisites, where the optional golden data is,
 * and assertions on statuses that print the error. A program that needs golden data is one of its
 * own (test_golden_*.c): its main() returns UNIT_SKIPPED when unit_golden() gives NULL, and CTest
 * counts it so.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "moescope.h"

enum { UNIT_SKIPPED = 77 };

/* Folder of the golden data (environment MSCOPE_GOLDEN), or NULL after printing what is skipped. */
static inline const char *unit_golden(const char *test)
{
    const char *folder = getenv("MSCOPE_GOLDEN");
    if (folder == NULL || folder[0] == '\0' || access(folder, R_OK) != 0) {
        printf("SKIP %s: no golden data (set MSCOPE_GOLDEN)\n", test);
        return NULL;
    }
    return folder;
}

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != MSCOPE_OK) {                                                                 \
            char text_[800];                                                                       \
            fail_msg("%s", mscope_error_text((err), text_, sizeof text_));                         \
        }                                                                                          \
    } while (0)

#endif
