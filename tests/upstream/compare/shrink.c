/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shortest sequence that still fails as the whole one did.
 *
 * Steps do not depend on what was drawn before them, so any can be left out.  Runs of
 * them are, first half of the sequence, then smaller ones, down to single steps, until no
 * single one can go.
 */
#include "compare.h"

#include <stdio.h>
#include <stdlib.h>

/* The first words of what differs, without its numbers */
static void kind_of(char kind[64])
{
	size_t n = strcspn(w.sh->why, "0123456789");

	snprintf(kind, 64, "%.*s", (int)n, w.sh->why);
}

void shrink(run_fn run, uint64_t *steps, uint64_t *count)
{
	uint64_t *try = malloc(*count * sizeof(*try));
	char kind[64], now[64];
	unsigned int runs = 0;
	int status;

	if (!try)
		return;
	kind_of(kind);
	for (uint64_t chunk = *count / 2; chunk; chunk = chunk == 1 ? 0 : chunk / 2) {
		bool shorter = true;

		while (shorter) {
			shorter = false;
			for (uint64_t at = 0; at < *count;) {
				uint64_t n = chunk < *count - at ? chunk : *count - at;

				memcpy(try, steps, at * sizeof(*try));
				memcpy(try + at, steps + at + n, (*count - at - n) * sizeof(*try));
				w.sh->why[0] = 0;
				status = run(try, *count - n);
				runs++;
				kind_of(now);
				if (!status || strcmp(kind, now)) {
					at += n;
					continue;
				}
				*count -= n;
				memcpy(steps, try, *count * sizeof(*try));
				shorter = chunk == 1;
			}
		}
	}
	free(try);
	printf("shrunk in %u runs to %llu steps\n", runs, (unsigned long long)*count);
}
