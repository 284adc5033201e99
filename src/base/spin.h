/* SPDX-License-Identifier: MIT */
/*
 * What a thread does between two looks at a word that another is about to change: leaves the units
 * of the core to a sibling. Any thread.
 */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

static inline void spin_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
