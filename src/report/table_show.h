/* SPDX-License-Identifier: MIT */
/* What the text and the HTML of a table share. Inside report/ only. Stateless. */
#ifndef REPORT_TABLE_SHOW_H
#define REPORT_TABLE_SHOW_H

#include "report/table.h"

/* Does a person see the column? `folded`: no, the caption says its one value. */
bool table_is_shown(const struct table *table, size_t i_column, bool *folded);
/* Words stand left, numbers right. */
bool table_is_left(const struct table_column *column);
/* The value in `to`, which is cleared before; "" when memory is short. */
const char *table_show_cell(struct strbuf *to, const struct table *table, size_t row,
                            size_t i_column);
/* " (label: value, ...)" of the folded columns, for HTML without parentheses. */
void table_append_folded(const struct table *table, struct strbuf *to, bool html);
/* Characters of UTF-8 text, each taken as one column wide. */
size_t table_count_glyphs(const char *text);

#endif
