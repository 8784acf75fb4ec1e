/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bench prints. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stdbool.h>

enum sense {
	NO_LIMIT,
	AT_MOST, /* of ratio; or of figure, where there is no baseline */
	AT_LEAST, /* of ratio, which is then one of speeds: baseline / figure */
};

/**
 * struct row - one line
 * @name:     what was measured
 * @unit:     of @figure and @baseline
 * @against:  what the baseline is; NULL: there is none
 * @figure:   measured; less than 0: it could not be, and @note says why
 * @baseline: measured in the same run
 * @sense:    of @limit
 * @limit:    see @sense
 * @note:     more to say, may be empty
 */
struct row {
	const char *name;
	const char *unit;
	const char *against;
	double figure, baseline;
	enum sense sense;
	double limit;
	char note[160];
};

#define ROWS_MAX 48

struct table {
	struct row row[ROWS_MAX];
	unsigned count;
};

struct row *table_add(struct table *t, const char *name, const char *unit);
double row_ratio(const struct row *r);
void table_print(const struct table *t);
void table_print_json(const struct table *t);

#endif
