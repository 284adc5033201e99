/* SPDX-License-Identifier: MIT */
/* What a running study shows on stderr: a line for each row, and on a terminal one line below them
 * with progress and time left. One thread. */
#ifndef CLI_STUDY_VIEW_H
#define CLI_STUDY_VIEW_H

#include "measure/runner.h"

struct study_view {
    bool is_terminal, drawn;
};

void study_view_start(struct study_view *view);
/* The runner's `tell`; `user` is the view. */
void study_view_tell(void *user, const struct runner_news *news);
void study_view_end(struct study_view *view);

#endif
