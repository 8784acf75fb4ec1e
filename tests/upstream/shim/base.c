/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages, warnings and memory. */
#include "shim.h"

struct up_hooks up_hooks;
struct up_knobs up_knobs = {.alloc_after = -1, .backing_after = -1};
struct up_counts up_counts;
char up_last_warn[256];

void shim_printk(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > up_knobs.verbose)
		return;
	va_start(ap, fmt);
	printf("upstream: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

bool shim_warn(bool cond, const char *where, int line, const char *fmt, ...)
{
	va_list ap;

	if (!cond)
		return false;
	up_counts.warns++;
	va_start(ap, fmt);
	vsnprintf(up_last_warn, sizeof(up_last_warn), fmt, ap);
	va_end(ap);
	if (up_knobs.verbose >= 4)
		printf("upstream: WARN at %s:%d: %s\n", where, line, up_last_warn);
	return true;
}

void shim_bug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("upstream: BUG: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(NULL);
	abort();
}

bool shim_alloc_fails(void)
{
	shim_might_sleep("an allocation");
	return up_knobs.alloc_after >= 0 && !up_knobs.alloc_after--;
}

void *shim_alloc(size_t size, bool zero)
{
	size_t align = 16;
	void *p;

	if (shim_alloc_fails())
		return NULL;
	if (is_power_of_2(size) && size <= PAGE_SIZE && size > 16)
		align = size;
	p = aligned_alloc(align, (size + align - 1) / align * align);
	if (!p)
		return NULL;
	memset(p, zero ? 0 : 0x5a, size);
	up_counts.allocs++;
	return p;
}

void kfree(const void *p)
{
	if (p)
		up_counts.frees++;
	free((void *)p);
}

/* --- nodes, sysfs, digests ---------------------------------------------------------------- */

struct crypto_shash shim_shash;
static struct node nodes[SHIM_NODES];
struct node *node_devices[SHIM_NODES] = {&nodes[0], &nodes[1]};

int phys_to_target_node(u64 phys)
{
	return (int)(phys >> 28 & 1);
}

int sysfs_emit(char *buf, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, PAGE_SIZE, fmt, ap);
	va_end(ap);
	return n;
}
