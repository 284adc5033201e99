/* SPDX-License-Identifier: MIT */
/* Fields of a record as columns: one each, but one per phase or class. Inside report/ only. */
#ifndef REPORT_STORE_NAMES_H
#define REPORT_STORE_NAMES_H

#include "measure/record.h"

#include <stdbool.h>

enum { STORE_NAME_BYTES = 64 };

int store_n_columns(const struct record_field *field);
/* decode_phase_ns, router: "decode_router_ns"; decode_weight_bytes, experts:
 * "decode_weight_experts_bytes". */
void store_column_name(char name[STORE_NAME_BYTES], const struct record_field *field, int i);
bool store_is_whole(const struct record_field *field); /* a column of integers */

#endif
