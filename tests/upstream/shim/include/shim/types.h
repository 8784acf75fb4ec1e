/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types, attributes, errors, messages, memory.
 *
 * Kept of the kernel's contract: widths; kmalloc() aligns powers of two to themselves,
 * and what it gives is filled with 5AH unless zeros were asked for; an allocation can
 * fail, at the test's command.  WARN_ON() gives its condition.
 * Not kept: GFP flags mean nothing.  Each warning counts, "once" or not.  vmalloc() is
 * kmalloc().  EPC that is remapped stays at its physical address: nobody but ENCLS
 * dereferences it.
 */
#ifndef SHIM_TYPES_H
#define SHIM_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned char u8, __u8;
typedef unsigned short u16, __u16;
typedef unsigned int u32, __u32;
typedef unsigned long long u64, __u64; /* as the kernel: %llx in its messages */
typedef signed char s8;
typedef short s16;
typedef int s32, __s32;
typedef long long s64, __s64, loff_t;
typedef long ssize_t;
typedef unsigned long pgoff_t;
typedef unsigned int gfp_t;
typedef unsigned short umode_t;
typedef unsigned int vm_fault_t;

#define __user
#define __iomem
#define __init
#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __maybe_unused	__attribute__((unused))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define THIS_MODULE	NULL
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define EXPORT_SYMBOL_GPL(name)
#define container_of(p, type, member) \
	((type *)(void *)((char *)(p) - __builtin_offsetof(type, member)))
#define min(a, b)                       \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ < b_ ? a_ : b_;      \
	})

#define PAGE_SHIFT	 12
#define PAGE_SIZE	 (1ul << PAGE_SHIFT)
#define PAGE_MASK	 (~(PAGE_SIZE - 1))
#define PFN_DOWN(x)	 ((unsigned long)(x) >> PAGE_SHIFT)
#define PFN_PHYS(x)	 ((unsigned long)(x) << PAGE_SHIFT)
#define IS_ALIGNED(x, a) (!((x) & ((__typeof__(x))(a)-1)))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))

/* --- errors --------------------------------------------------------------------- */

#define EPERM	    1
#define ENOENT	    2
#define EINTR	    4
#define EIO	    5
#define ENXIO	    6
#define EBADF	    9
#define EAGAIN	    11
#define ENOMEM	    12
#define EACCES	    13
#define EFAULT	    14
#define EBUSY	    16
#define EEXIST	    17
#define ENODEV	    19
#define EINVAL	    22
#define ENOTTY	    25
#define ERESTARTSYS 512
#define ENOIOCTLCMD 515

#define MAX_ERRNO   4095

static inline void *ERR_PTR(long e)
{
	return (void *)e;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-MAX_ERRNO;
}

static inline void *ERR_CAST(const void *p)
{
	return (void *)p;
}

/* --- messages ------------------------------------------------------------------- */

void shim_printk(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool shim_warn(bool cond, const char *where, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The driver has broken a rule of the kernel's that a shim checks: ends the process. */
void shim_bug(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define FW_BUG		       "[Firmware Bug]: "
#define pr_err(fmt, ...)       shim_printk(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err_once(fmt, ...)  shim_printk(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)      shim_printk(4, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)      shim_printk(6, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug(fmt, ...)     shim_printk(7, pr_fmt(fmt), ##__VA_ARGS__)
#define WARN_ON(c)	       shim_warn(!!(c), __FILE__, __LINE__, "%s", #c)
#define WARN_ON_ONCE(c)	       WARN_ON(c)
#define WARN_ONCE(c, fmt, ...) shim_warn(!!(c), __FILE__, __LINE__, fmt, ##__VA_ARGS__)

/* --- of libc, by hand: the driver's files must see no header of it ------------------ */

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strcmp(const char *a, const char *b);

static inline void *memchr_inv(const void *p, int c, size_t n)
{
	for (const u8 *at = p; n--; at++)
		if (*at != (u8)c)
			return (void *)at;
	return NULL;
}

/* --- memory ----------------------------------------------------------------------- */

#define GFP_KERNEL 0u

void *shim_alloc(size_t size, bool zero);
/* Whether the allocation that is made now is to fail, at the test's command */
bool shim_alloc_fails(void);
void kfree(const void *p);

static inline void *kmalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, false);
}

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, true);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(n * size, true);
}

static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(n * size, false);
}

static inline void *vmalloc(unsigned long size)
{
	return shim_alloc(size, false);
}

#define vfree(p)    kfree(p)
#define MEMREMAP_WB 1ul

static inline void *memremap(unsigned long phys, size_t size, unsigned long flags)
{
	return (void *)phys;
}

static inline void memunmap(void *p)
{
}

#endif
