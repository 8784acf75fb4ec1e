#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: bench/project.sh DIR COUNT
#
# Makes a C project of COUNT small files in DIR, with a Makefile: what a build is
# measured with, and tests/programs builds. The same every time.
set -eu

dir=$1
count=$2
mkdir -p "$dir"
cd "$dir"
i=1
{
	echo '#ifndef PARTS_H'
	echo '#define PARTS_H'
	for header in ctype errno fcntl signal stdint stdio stdlib string sys/stat sys/types time unistd; do
		echo "#include <$header.h>"
	done
	echo 'struct item { unsigned long key; char name[16]; struct item *next; };'
	while [ "$i" -le "$count" ]; do
		echo "unsigned long part$i(struct item **list, unsigned long n);"
		i=$((i + 1))
	done
	echo '#endif'
} >parts.h
objects=main.o
i=1
while [ "$i" -le "$count" ]; do
	objects="$objects part$i.o"
	cat >"part$i.c" <<END
#include "parts.h"

struct table {
	struct item *bucket[32];
	unsigned long count, longest;
};

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static unsigned long hash(const char *name)
{
	unsigned long h = 5381 + ${i}u;

	for (; *name; name++)
		h = h * 33 ^ (unsigned char)*name;
	return h;
}

static struct item *add(struct item *list, unsigned long key)
{
	struct item *item = malloc(sizeof(*item));

	if (!item)
		abort();
	item->key = key;
	snprintf(item->name, sizeof(item->name), "$i-%lu", key % 100);
	item->next = list;
	return item;
}

static void table_add(struct table *t, const char *name)
{
	struct item **p = &t->bucket[hash(name) % 32];
	unsigned long depth = 0;

	for (; *p; p = &(*p)->next, depth++)
		if (!strcmp((*p)->name, name)) {
			(*p)->key++;
			return;
		}
	*p = add(NULL, 1);
	snprintf((*p)->name, sizeof((*p)->name), "%s", name);
	t->count++;
	if (depth > t->longest)
		t->longest = depth;
}

static unsigned long table_free(struct table *t)
{
	unsigned long sum = 0;

	for (unsigned b = 0; b < 32; b++) {
		struct item *item = t->bucket[b], *next;

		for (; item; item = next) {
			next = item->next;
			sum += item->key * (b + 1);
			free(item);
		}
		t->bucket[b] = NULL;
	}
	return sum;
}

static int parse(const char *text, unsigned long *values, unsigned max)
{
	unsigned n = 0;
	char *end;

	while (n < max && *text) {
		while (isspace((unsigned char)*text))
			text++;
		errno = 0;
		values[n] = strtoul(text, &end, 10);
		if (end == text || errno)
			break;
		n++;
		text = end;
		switch (*text) {
		case ',':
		case ';':
			text++;
			break;
		case '\\0':
			return (int)n;
		default:
			if (!isspace((unsigned char)*text))
				return -1;
		}
	}
	return (int)n;
}

static double smooth(const unsigned long *values, unsigned n)
{
	double mean = 0, square = 0, window[8] = {0};

	for (unsigned i = 0; i < n; i++) {
		double x = (double)(values[i] & 0xffff);

		window[i % 8] = x;
		mean += (x - mean) / (i + 1);
		for (unsigned k = 0; k < 8; k++)
			square += (window[k] - mean) * (window[k] - mean) / 8;
	}
	return n ? square / n : 0;
}

unsigned long part$i(struct item **list, unsigned long n)
{
	unsigned long values[64], again[64], sum = 0;
	struct table table = {0};
	char text[64 * 24] = "";
	size_t used = 0;
	int count;

	for (unsigned i = 0; i < 64; i++)
		values[i] = (n = n * 6364136223846793005ul + ${i}u) >> 33;
	qsort(values, 64, sizeof(values[0]), compare);
	for (unsigned i = 0; i < 64; i++) {
		*list = add(*list, values[i]);
		sum += (*list)->key * i + strlen((*list)->name);
		table_add(&table, (*list)->name);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%lu%c", values[i],
					 i % 3 ? ',' : ' ');
	}
	count = parse(text, again, 64);
	if (count != 64 || memcmp(values, again, sizeof(values)))
		fprintf(stderr, "part $i: %d\\n", count);
	sum += table.count * 7 + table.longest + table_free(&table);
	return sum + (unsigned long)smooth(values, 64);
}
END
	i=$((i + 1))
done
{
	echo '#include "parts.h"'
	echo
	echo 'int main(void)'
	echo '{'
	echo '	struct item *list = NULL;'
	echo '	unsigned long sum = 0, items = 0;'
	i=1
	while [ "$i" -le "$count" ]; do
		echo "	sum += part$i(&list, sum);"
		i=$((i + 1))
	done
	echo '	for (; list; list = list->next)'
	echo '		items++;'
	cat <<'END'
	printf("%lu items, %lu\n", items, sum);
	return 0;
}
END
} >main.c
{
	echo 'FLAGS = -O2 -g'
	echo "program: $objects"
	echo "	gcc \$(FLAGS) -o \$@ $objects"
	echo '%.o: %.c parts.h'
	# shellcheck disable=SC2016 # make's
	printf '\tgcc $(FLAGS) -Wall -c -o $@ $<\n'
	echo 'clean:'
	echo "	rm -f program $objects"
} >Makefile
