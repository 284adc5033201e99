/* SPDX-License-Identifier: MIT */
/* Monotonic wall clock in nanoseconds. Usable from any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);

#endif
