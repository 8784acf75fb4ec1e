/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files, shmem, descriptors.
 *
 * Kept: references; release() at the last one; shmem refuses a negative size, gives the
 * same page for the same index until it is truncated, and can be out of memory; a page
 * has one reference of its file and one of each user.
 * Not kept: inodes of devices, positions, access modes; shmem is never swapped out, and
 * a page that is not dirty keeps its bytes all the same.
 */
#ifndef SHIM_FILE_H
#define SHIM_FILE_H

#include <shim/xarray.h>

struct page {
	void *addr;
	int refs;
	bool dirty, user;
};

struct address_space {
	struct xarray pages; /* struct page, each with a reference */
	loff_t size;
	gfp_t gfp;
};

struct inode {
	struct address_space i_data;
};

struct vm_area_struct;
struct file;
struct file_operations {
	void *owner;
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	unsigned long (*get_unmapped_area)(struct file *file, unsigned long addr, unsigned long len,
					   unsigned long pgoff, unsigned long flags);
};

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
	struct address_space *f_mapping;
	int refs;
};

#define file_inode(f)	    ((f)->f_inode)
#define mapping_gfp_mask(m) ((m)->gfp)
struct file *fget(unsigned int fd);
void fput(struct file *file);

/* Linux 6.12 looks descriptors up by CLASS(fd, f)(n). */
struct fd {
	struct file *file;
};

static inline struct fd shim_fdget(unsigned int n)
{
	return (struct fd){fget(n)};
}

static inline void shim_fdput(struct fd *f)
{
	if (f->file)
		fput(f->file);
}

#define CLASS(name, var) \
	struct name var __attribute__((cleanup(shim_##name##put))) = shim_##name##get
#define fd_empty(f) (!(f).file)
#define fd_file(f)  ((f).file)

void get_page(struct page *page);
void put_page(struct page *page);
#define set_page_dirty(p)  ((void)((p)->dirty = true))
#define kmap_atomic(p)	   ((p)->addr)
#define kunmap_atomic(a)   ((void)(a))
#define kmap_local_page(p) ((p)->addr)
#define kunmap_local(a)	   ((void)(a))

struct file *shmem_file_setup(const char *name, loff_t size, unsigned long flags);
struct page *shmem_read_mapping_page_gfp(struct address_space *mapping, pgoff_t index, gfp_t gfp);
void shmem_truncate_range(struct inode *inode, loff_t start, loff_t end);

struct miscdevice {
	int minor;
	const char *name, *nodename;
	const struct file_operations *fops;
};
#define MISC_DYNAMIC_MINOR 255
int misc_register(struct miscdevice *dev);
void misc_deregister(struct miscdevice *dev);
struct file *shim_open(const char *device);

/* --- ioctl numbers --------------------------------------------------------------------- */

#define SHIM_IOC(dir, type, nr, size) \
	((u32)(dir) << 30 | (u32)(size) << 16 | (u32)(type) << 8 | (u32)(nr))
#define _IO(t, n)      SHIM_IOC(0, t, n, 0)
#define _IOW(t, n, s)  SHIM_IOC(1, t, n, sizeof(s))
#define _IOR(t, n, s)  SHIM_IOC(2, t, n, sizeof(s))
#define _IOWR(t, n, s) SHIM_IOC(3, t, n, sizeof(s))

#endif
