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
	echo '#include <stdio.h>'
	echo '#include <stdlib.h>'
	echo '#include <string.h>'
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

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
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

unsigned long part$i(struct item **list, unsigned long n)
{
	unsigned long table[64], sum = 0;

	for (unsigned i = 0; i < 64; i++)
		table[i] = (n = n * 6364136223846793005ul + ${i}u) >> 33;
	qsort(table, 64, sizeof(table[0]), compare);
	for (unsigned i = 0; i < 64; i++) {
		*list = add(*list, table[i]);
		sum += (*list)->key * i + strlen((*list)->name);
	}
	return sum;
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
	echo 'FLAGS = -O1'
	echo "program: $objects"
	echo "	gcc \$(FLAGS) -o \$@ $objects"
	echo '%.o: %.c parts.h'
	# shellcheck disable=SC2016 # make's
	printf '\tgcc $(FLAGS) -Wall -c -o $@ $<\n'
	echo 'clean:'
	echo "	rm -f program $objects"
} >Makefile
