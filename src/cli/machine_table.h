/* SPDX-License-Identifier: MIT */
/* The speed of the kernels as a table, from a file that `machine --json` wrote. One thread. */
#ifndef CLI_MACHINE_TABLE_H
#define CLI_MACHINE_TABLE_H

#include "base/error.h"

/* `format`: "md", one line for each type, or "csv", one for each product. */
enum mscope_status machine_table_print(const char *path, const char *format,
                                       struct mscope_error *err);

#endif
