/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c as it is, and a look at its statics. */
#include <main.c>
#include <upstream.h>

long up_free_pages(void)
{
	return atomic_long_read(&sgx_nr_free_pages);
}

long up_active_pages(void)
{
	struct sgx_epc_page *page;
	long n = 0;

	list_for_each_entry (page, &sgx_active_page_list, list)
		n++;
	return n;
}

void up_reclaim(void)
{
	sgx_reclaim_pages();
	up_idle();
}

int up_memory_failure(uint64_t pfn)
{
	return arch_memory_failure(pfn, 0);
}

int up_set_attribute(uint64_t *allowed, unsigned int fd)
{
	unsigned long bits = *allowed;
	int ret = sgx_set_attribute(&bits, fd);

	*allowed = bits;
	return ret;
}
