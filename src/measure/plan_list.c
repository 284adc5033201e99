/* SPDX-License-Identifier: MIT */
/* Lists and ranges of whole numbers on a command line. */
#include "measure/plan.h"

#include <stdlib.h>
#include <string.h>

static bool take_number(long *value, const char **at);
static bool add_range(int *values, int *n, int max, const char **at, int least, int most);

enum mscope_status plan_parse_list(int *values, int *n, int max, const char *text, const char *what,
                                   int least, int most, struct mscope_error *err)
{
    const char *at = text;
    *n = 0;
    do {
        if (!add_range(values, n, max, &at, least, most) || (*at != '\0' && *at != ',')) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, what,
                             "'%s', expected numbers %d to %d as in 1,2,8 or 1-4 or 64-512+64 or "
                             "1-8*2, at most %d of them",
                             text, least, most, max);
        }
    } while (*at++ == ',');
    return MSCOPE_OK;
}

static bool add_range(int *values, int *n, int max, const char **at, int least, int most)
{
    long first, last, step = 1;
    bool times = false;
    if (!take_number(&first, at)) {
        return false;
    }
    last = first;
    if (**at == '-') {
        (*at)++;
        if (!take_number(&last, at)) {
            return false;
        }
        if (**at == '+' || **at == '*') {
            times = **at == '*';
            (*at)++;
            if (!take_number(&step, at)) {
                return false;
            }
        }
    }
    if (first < least || last > most || first > last || step < (times ? 2 : 1) ||
        (times && first == 0)) {
        return false;
    }
    for (long value = first; value <= last; value = times ? value * step : value + step) {
        if (*n == max) {
            return false;
        }
        values[(*n)++] = (int)value;
    }
    return true;
}

/* Digits only: signs and blanks that strtol would take are no part of a list. */
static bool take_number(long *value, const char **at)
{
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n > 9) {
        return false;
    }
    *value = strtol(*at, NULL, 10);
    *at += n;
    return true;
}
