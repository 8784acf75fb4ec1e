/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

/**
 * table_add() - a new row, figure missing
 * @t:	  table
 * @name: of the row
 * @unit: of its figures
 *
 * Return: it, to be filled in
 */
struct row *table_add(struct table *t, const char *name, const char *unit)
{
	struct row *r = &t->row[t->count];

	if (t->count == ROWS_MAX) {
		fputs("swsgx-bench: more rows than ROWS_MAX\n", stderr);
		exit(1);
	}
	t->count++;
	r->name = name;
	r->unit = unit;
	r->figure = -1;
	return r;
}

/**
 * row_ratio() - what is held against the limit
 * @r: with a figure
 *
 * Return: a ratio, or the figure itself where nothing is to be compared
 */
double row_ratio(const struct row *r)
{
	if (!r->against)
		return r->figure;
	return r->sense == AT_LEAST ? r->baseline / r->figure : r->figure / r->baseline;
}

static const char *verdict(const struct row *r)
{
	double ratio = row_ratio(r);

	if (r->figure < 0)
		return "not measured";
	switch (r->sense) {
	case AT_MOST:
		return ratio <= r->limit ? "ok" : "over";
	case AT_LEAST:
		return ratio >= r->limit ? "ok" : "over";
	default:
		return "";
	}
}

/* Nanoseconds in the unit that reads best */
static const char *show(char *text, size_t size, double value, const char *unit)
{
	bool ns = unit[0] == 'n' && unit[1] == 's';

	if (ns && value >= 1e6)
		snprintf(text, size, "%.2f ms", value / 1e6);
	else if (ns && value >= 1e3)
		snprintf(text, size, "%.2f us", value / 1e3);
	else
		snprintf(text, size, "%.*f %s", value < 100 ? 2 : 0, value, unit);
	return text;
}

/**
 * table_print() - for people
 * @t: table
 */
void table_print(const struct table *t)
{
	char figure[32], baseline[32], ratio[16], limit[32];

	printf("%-44s %12s %12s %7s %9s  %s\n", "", "figure", "baseline", "ratio", "limit", "");
	for (unsigned i = 0; i < t->count; i++) {
		const struct row *r = &t->row[i];

		if (r->figure < 0) {
			printf("%-44s %12s %s\n", r->name, "-", r->note);
			continue;
		}
		baseline[0] = ratio[0] = limit[0] = '\0';
		if (r->against) {
			show(baseline, sizeof(baseline), r->baseline, r->unit);
			snprintf(ratio, sizeof(ratio), "%.2f", row_ratio(r));
		}
		if (r->sense != NO_LIMIT)
			snprintf(limit, sizeof(limit), "%s %.4g",
				 r->sense == AT_MOST ? "<=" : ">=", r->limit);
		printf("%-44s %12s %12s %7s %9s  %s\n", r->name,
		       show(figure, sizeof(figure), r->figure, r->unit), baseline, ratio, limit,
		       verdict(r));
		if (r->against)
			printf("    against %s\n", r->against);
		if (r->note[0])
			printf("    %s\n", r->note);
	}
}

/* Our own text only: nothing in it that JSON would want escaped but quotes */
static void print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

/**
 * table_print_json() - for programs
 * @t: table
 */
void table_print_json(const struct table *t)
{
	printf("[");
	for (unsigned i = 0; i < t->count; i++) {
		const struct row *r = &t->row[i];

		printf("%s\n  {\"name\": ", i ? "," : "");
		print_string(r->name);
		if (r->figure >= 0) {
			printf(", \"unit\": \"%s\", \"figure\": %.3f", r->unit, r->figure);
			if (r->against) {
				printf(", \"baseline\": %.3f, \"against\": ", r->baseline);
				print_string(r->against);
				printf(", \"ratio\": %.4f", row_ratio(r));
			}
			if (r->sense != NO_LIMIT)
				printf(", \"%s\": %.4g, \"verdict\": \"%s\"",
				       r->sense == AT_MOST ? "at_most" : "at_least", r->limit,
				       verdict(r));
		}
		if (r->note[0]) {
			printf(", \"note\": ");
			print_string(r->note);
		}
		printf("}");
	}
	printf("\n]\n");
}
