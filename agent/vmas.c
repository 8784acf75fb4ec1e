/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process maps of a file, as the kernel knows it: programs unmap, split
 * and map over, and a fork child has what its parent had at that moment.
 *
 * /proc/self/maps, by PROCMAP_QUERY where the kernel has it (6.11): that costs for
 * the mappings asked for alone.  Else its text, all of it.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>

/* linux/fs.h, Linux 6.11 */
struct vma_query {
	uint64_t size, flags, addr; /* in */
	uint64_t start, end, vma_flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
_Static_assert(sizeof(struct vma_query) == 104, "struct procmap_query");
#define VMA_QUERY	_IOWR('f', 17, struct vma_query)
#define QUERY_OR_NEXT	0x10
#define QUERY_FILE_ONLY 0x20

/* What is wanted */
struct search {
	uint64_t inode, from, to; /* inode VMAS_ENCLAVES: of any enclave */
	uint32_t dev_major, dev_minor;
	struct vma_range *found;
	uint32_t count, max;
};

static bool is_wanted(const struct search *s, uint64_t inode, uint64_t major, uint64_t minor)
{
	if (major != s->dev_major || minor != s->dev_minor)
		return false;
	return s->inode == VMAS_ENCLAVES ? encl_by_id(inode) != NULL : inode == s->inode;
}

static void found(struct search *s, uint64_t start, uint64_t end, uint64_t offset, uint32_t prot,
		  uint64_t inode)
{
	struct vma_range *r = &s->found[s->count++];

	r->encl = inode;
	r->start = start > s->from ? start : s->from;
	r->offset = offset + (r->start - start);
	r->end = MIN(end, s->to);
	r->prot = prot;
}

/* Return: 0, or -errno; -ENOTTY: this kernel cannot. */
static long by_query(struct search *s, int fd)
{
	uint64_t addr = s->from;

	while (s->count < s->max && addr < s->to) {
		struct vma_query q;
		long ret;

		agent_memset(&q, 0, sizeof(q));
		q.size = sizeof(q);
		q.flags = QUERY_OR_NEXT | QUERY_FILE_ONLY;
		q.addr = addr;
		ret = sys3(__NR_ioctl, fd, VMA_QUERY, &q);
		if (ret < 0)
			return ret == -ENOENT ? 0 : ret;
		if (q.start >= s->to)
			break;
		/* its first three flags are PROT_READ, PROT_WRITE and PROT_EXEC */
		if (is_wanted(s, q.inode, q.dev_major, q.dev_minor))
			found(s, q.start, q.end, q.offset, (uint32_t)q.vma_flags & 7, q.inode);
		addr = q.end;
	}
	return 0;
}

struct parser {
	struct search *s;
	uint64_t value; /* of the number being read */
	uint32_t field; /* 0 start, 1 end, 2 perms, 3 offset, 4 major, 5 minor, 6 inode, 7 name */
	uint64_t number[8];
	uint32_t prot;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void end_of_field(struct parser *p)
{
	struct search *s = p->s;
	const uint64_t *n = p->number;

	p->number[p->field] = p->value;
	if (p->field == 6 && s->count < s->max && n[1] > s->from && n[0] < s->to &&
	    is_wanted(s, n[6], n[4], n[5]))
		found(s, n[0], n[1], n[3], p->prot, n[6]);
	p->value = 0;
	p->field++;
}

/* One character of "start-end perms offset major:minor inode   name" */
static void feed(struct parser *p, char c)
{
	if (c == '\n') {
		if (p->field <= 6)
			end_of_field(p);
		p->field = 0;
		p->value = 0;
		p->prot = 0;
	} else if (p->field >= 7) {
		return;
	} else if (c == ' ' || (c == '-' && p->field == 0) || (c == ':' && p->field == 4)) {
		end_of_field(p);
	} else if (p->field == 2) {
		p->prot |= c == 'r' ? PROT_READ : c == 'w' ? PROT_WRITE : c == 'x' ? PROT_EXEC : 0;
	} else if (p->field == 6) {
		p->value = p->value * 10 + (uint64_t)digit(c);
	} else if (digit(c) >= 0) {
		p->value = p->value << 4 | (uint64_t)digit(c);
	}
}

static long by_text(struct search *s, int fd)
{
	struct parser p = {.s = s};
	char buf[512];
	long n, i;

	while (s->count < s->max && (n = sys3(__NR_read, fd, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return n;
		for (i = 0; i < n; i++)
			feed(&p, buf[i]);
	}
	return 0;
}

/**
 * vmas_of() - mappings of a memfd in this process
 * @inode:	of the file; VMAS_ENCLAVES: of all enclaves that this process knows
 * @from:	address
 * @to:		address
 * @range:	receives them in order, cut to [from, to)
 * @max:	room there; where it is filled, ask again from the last one's end
 *
 * Context: a handler; another thread may change them meanwhile.
 * Return: how many, or -errno (no /proc, no free descriptor).
 */
long vmas_of(uint64_t inode, uint64_t from, uint64_t to, struct vma_range *range, uint32_t max)
{
	struct search s = {.inode = inode, .from = from, .to = to, .found = range, .max = max};
	uint64_t dev = dev_of_memfds();
	long fd, ret;

	/* st_dev as the kernel encodes it */
	s.dev_major = (uint32_t)(dev >> 8) & 0xfff;
	s.dev_minor = (uint32_t)(dev & 0xff) | ((uint32_t)(dev >> 12) & 0xfff00);
	fd = sys4(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = by_query(&s, (int)fd);
	if (ret == -ENOTTY)
		ret = by_text(&s, (int)fd);
	sys1(__NR_close, fd);
	return ret < 0 ? ret : (long)s.count;
}
