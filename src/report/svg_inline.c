/* SPDX-License-Identifier: MIT */
/* A drawing of gnuplot made fit to stand inside a page. */
#include "report/figures.h"

#include "report/table.h"

#include <string.h>

static const struct {
    const char *from, *to;
} replaced[] = {
    {"rgb( 28,  30,  33)", "currentColor"}, /* the ink of figures/common.gp, both spellings */
    {"rgb(28,30,33)", "currentColor"},
    {"rgb(216, 218, 221)", "var(--line)"}, /* its rules */
    {"rgb(216,218,221)", "var(--line)"},
    {"fill=\"#ffffff\"", "fill=\"none\""},
    {"fill=\"black\"", "fill=\"currentColor\""},
    {"stroke=\"black\"", "stroke=\"currentColor\""},
    {"color=\"black\" ", ""}, /* would stop the page's colour */
    {"font-family=\"sans-serif\"", ""},
    {"<title>Gnuplot</title>", ""},
    {"xlink:href='#", NULL}, /* NULL: an id follows */
    {"url(#", NULL},
    {"url('#", NULL},
    {" id='", NULL},
    {" id=\"", NULL},
};

static const char *skip_element(const char *at, const char *name);

void svg_inline(struct strbuf *to, const char *svg, const char *name, const char *label)
{
    const char *at = strstr(svg, "<svg");
    const char *box = at != NULL ? strstr(at, "viewBox=\"") : NULL;
    const char *box_end = box != NULL ? strchr(box + 9, '"') : NULL;
    const char *body = at != NULL ? strchr(at, '>') : NULL;
    if (box_end == NULL || body == NULL || box_end > body) {
        return;
    }
    strbuf_printf(to, "<svg %.*s role=\"img\" aria-label=\"", (int)(box_end + 1 - box), box);
    html_append(to, label);
    strbuf_printf(to, "\" font-family=\"inherit\">");
    for (at = body + 1; *at != '\0';) {
        const char *after = skip_element(at, "filter");
        after = after != NULL ? after : skip_element(at, "desc");
        if (after != NULL) {
            at = after;
            continue;
        }
        size_t i = 0, n_rules = sizeof replaced / sizeof replaced[0];
        while (i < n_rules && strncmp(at, replaced[i].from, strlen(replaced[i].from)) != 0) {
            i++;
        }
        if (i == n_rules) {
            strbuf_append(to, at, 1);
            at++;
        } else if (replaced[i].to != NULL) {
            strbuf_printf(to, "%s", replaced[i].to);
            at += strlen(replaced[i].from);
        } else {
            bool is_link = strncmp(at, "xlink:", 6) == 0;
            strbuf_printf(to, "%s%s-", replaced[i].from + (is_link ? 6 : 0), name);
            at += strlen(replaced[i].from);
        }
    }
}

/* Past <name ...>...</name> when `at` starts it, else NULL. */
static const char *skip_element(const char *at, const char *name)
{
    size_t length = strlen(name);
    if (at[0] != '<' || strncmp(at + 1, name, length) != 0 ||
        (at[length + 1] != ' ' && at[length + 1] != '>')) {
        return NULL;
    }
    for (const char *end = strstr(at, "</"); end != NULL; end = strstr(end + 2, "</")) {
        if (strncmp(end + 2, name, length) == 0 && end[length + 2] == '>') {
            return end + length + 3;
        }
    }
    return NULL;
}
