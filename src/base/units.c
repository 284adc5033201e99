/* SPDX-License-Identifier: MIT */
/* Numbers for people. */
#include "base/units.h"

#include <stdio.h>

static const char *scaled(char *text, double value, const char *const *units, int n_units)
{
    int i = 0;
    while (value >= 999.5 && i < n_units - 1) {
        value /= 1000;
        i++;
    }
    int decimals = i == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, UNITS_TEXT_BYTES, "%.*f%s", decimals, value, units[i]);
    return text;
}

const char *units_bytes(char text[UNITS_TEXT_BYTES], uint64_t n_bytes)
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", " EB"};
    return scaled(text, (double)n_bytes, units, 7);
}

const char *units_count(char text[UNITS_TEXT_BYTES], uint64_t n)
{
    static const char *const units[] = {"", " k", " M", " B", " T"};
    return scaled(text, (double)n, units, 5);
}

const char *units_duration(char text[UNITS_TEXT_BYTES], uint64_t ns)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    uint64_t seconds = ns / 1000000000u;
    if (seconds < 120) {
        return scaled(text, (double)ns, units, 4);
    }
    if (seconds < 7200) {
        snprintf(text, UNITS_TEXT_BYTES, "%d min %02d s", (int)(seconds / 60), (int)(seconds % 60));
    } else {
        snprintf(text, UNITS_TEXT_BYTES, "%llu h %02d min", (unsigned long long)(seconds / 3600),
                 (int)(seconds / 60 % 60));
    }
    return text;
}
