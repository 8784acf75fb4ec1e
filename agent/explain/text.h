/* SPDX-License-Identifier: BSD-3-Clause */
/* A record of base/why.h as one line of text.  No system call, no memory of its own. */
#ifndef AGENT_EXPLAIN_TEXT_H
#define AGENT_EXPLAIN_TEXT_H

#include <base/why.h>

/* Bytes of the longest line, its end included; tests/unit/agent_explain.c makes them all */
#define WHY_TEXT_MAX 480

uint32_t why_text(char *line, uint32_t size, const struct why *why, const char *call);
bool why_is_missing(uint32_t rule);
/* Room for a path that why_no_path() knows, and a byte more */
#define WHY_PATH_MAX 24
bool why_no_path(const char *path, bool locked, struct why *why);
const char *why_ioctl_name(uint64_t cmd);

#endif
