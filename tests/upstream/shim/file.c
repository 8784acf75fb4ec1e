/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages, shmem, files and devices. */
#include "shim.h"

void get_page(struct page *page)
{
	page->refs++;
}

void put_page(struct page *page)
{
	if (page->refs <= 0)
		shim_bug("put_page() of a free page");
	if (--page->refs)
		return;
	up_counts.shmem_pages -= !page->user;
	free(page->addr);
	free(page);
}

struct file *shmem_file_setup(const char *name, loff_t size, unsigned long flags)
{
	struct file *file;
	struct inode *inode;

	if (size < 0)
		return ERR_PTR(-EINVAL);
	file = shim_alloc(sizeof(*file), true);
	inode = shim_alloc(sizeof(*inode), true);
	if (!file || !inode) {
		kfree(file);
		kfree(inode);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_data.size = size;
	file->f_inode = inode;
	file->f_mapping = &inode->i_data;
	file->refs = 1;
	return file;
}

struct page *shmem_read_mapping_page_gfp(struct address_space *mapping, pgoff_t index, gfp_t gfp)
{
	struct page *page = xa_load(&mapping->pages, index);

	if ((loff_t)PFN_PHYS(index) >= mapping->size)
		return ERR_PTR(-EINVAL);
	if (!page) {
		if (up_knobs.no_backing ||
		    (up_knobs.backing_after >= 0 && !up_knobs.backing_after--))
			return ERR_PTR(-ENOMEM);
		shim_might_sleep("shmem");
		page = malloc(sizeof(*page));
		*page = (struct page){.addr = aligned_alloc(PAGE_SIZE, PAGE_SIZE), .refs = 1};
		memset(page->addr, 0, PAGE_SIZE);
		up_counts.shmem_pages++;
		xa_store(&mapping->pages, index, page, gfp);
	}
	get_page(page);
	return page;
}

void shmem_truncate_range(struct inode *inode, loff_t start, loff_t end)
{
	if (start % (loff_t)PAGE_SIZE || (end + 1) % (loff_t)PAGE_SIZE)
		shim_bug("a part of a page is truncated");
	for (pgoff_t i = PFN_DOWN(start); i <= PFN_DOWN(end); i++) {
		struct page *page = xa_erase(&inode->i_data.pages, i);

		if (page)
			put_page(page);
	}
}

void fput(struct file *file)
{
	if (file->refs <= 0)
		shim_bug("fput() of a dead file");
	if (--file->refs)
		return;
	if (file->f_op) {
		if (file->f_op->release)
			file->f_op->release(NULL, file);
	} else {
		for (unsigned long i = 0; i < file->f_mapping->pages.count; i++)
			put_page(file->f_mapping->pages.range[i].entry);
		xa_destroy(&file->f_mapping->pages);
		kfree(file->f_inode);
	}
	kfree(file);
}

static struct miscdevice *devices[8];

int misc_register(struct miscdevice *dev)
{
	for (int i = 0; i < 8; i++)
		if (!devices[i]) {
			devices[i] = dev;
			return 0;
		}
	return -ENOMEM;
}

void misc_deregister(struct miscdevice *dev)
{
}

struct file *shim_open(const char *name)
{
	struct file *file;

	for (int i = 0; i < 8 && devices[i]; i++) {
		if (strcmp(devices[i]->name, name))
			continue;
		file = malloc(sizeof(*file));
		memset(file, 0, sizeof(*file));
		file->f_op = devices[i]->fops;
		file->refs = 1;
		if (file->f_op->open && file->f_op->open(NULL, file)) {
			kfree(file);
			return NULL;
		}
		return file;
	}
	return NULL;
}

/* 77 is /dev/sgx_provision, 78 a file of another kind, and nothing else is open. */
struct file *fget(unsigned int fd)
{
	int alloc_after = up_knobs.alloc_after;
	struct file *file = NULL;

	/* They are open already: nothing is allocated. */
	up_knobs.alloc_after = -1;
	if (fd == 77)
		file = shim_open("sgx_provision");
	if (fd == 78)
		file = shmem_file_setup("other", 0, 0);
	up_knobs.alloc_after = alloc_after;
	return file;
}
