/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that were made before CREATE (Gramine maps the whole ELRANGE first,
 * others probe): they have no offsets yet.  When the base is known, what is still
 * mapped of them is mapped again in place.  /proc/self/maps knows best what that
 * is: programs unmap, split and map over.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#define RANGES 96

struct range {
	uint64_t start, end;
	uint32_t prot;
};

struct parser {
	uint64_t inode; /* wanted */
	uint64_t value; /* of the number being read */
	uint32_t field; /* 0 start, 1 end, 2 perms, 3 offset, 4 dev, 5 inode, 6 name */
	struct range now;
	struct range *found;
	uint32_t count;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void end_of_field(struct parser *p)
{
	if (p->field == 0)
		p->now.start = p->value;
	else if (p->field == 1)
		p->now.end = p->value;
	else if (p->field == 5 && p->value == p->inode && p->count < RANGES)
		p->found[p->count++] = p->now;
	p->value = 0;
	p->field++;
}

/* One character of "start-end perms offset dev inode   name" */
static void feed(struct parser *p, char c)
{
	if (c == '\n') {
		if (p->field <= 5)
			end_of_field(p);
		p->field = 0;
		p->value = 0;
		p->now.prot = 0;
	} else if (p->field >= 6) {
		return;
	} else if (c == ' ' || (c == '-' && p->field == 0)) {
		end_of_field(p);
	} else if (p->field == 2) {
		p->now.prot |= c == 'r'	  ? PROT_READ
			       : c == 'w' ? PROT_WRITE
			       : c == 'x' ? PROT_EXEC
					  : 0;
	} else if (p->field == 5) {
		p->value = p->value * 10 + (uint64_t)digit(c);
	} else if (digit(c) >= 0) {
		p->value = p->value << 4 | (uint64_t)digit(c);
	}
}

/**
 * mem_created() - CREATE has succeeded: mappings made before get their offsets
 * @e:	enclave; its base is known
 * @fd:	its descriptor
 */
void mem_created(struct agent_encl *e, int fd)
{
	struct range found[RANGES];
	struct parser p = {.inode = e->id, .found = found};
	char buf[512];
	uint32_t i;
	long maps, n;

	maps = sys4(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (maps < 0)
		return;
	while ((n = sys3(__NR_read, maps, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++)
			feed(&p, buf[i]);
	sys1(__NR_close, maps);
	for (i = 0; i < p.count; i++)
		mem_map_again(e, fd, found[i].start, found[i].end, found[i].prot);
}
