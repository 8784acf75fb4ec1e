/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address spaces: mappings, a toy page table, MMU notifiers, user memory.
 *
 * Kept: find_vma() gives the next mapping above too; mmap_lock has many readers or one
 * writer, and who comes late waits; a mapping is opened for each copy and part, and closed;
 * fork copies PTEs of a PFN mapping; a PTE that is there stays until it is zapped, and zaps
 * stay inside their mapping; a notifier's release() comes before the mappings go, and
 * what mmu_notifier_put() dropped is freed after a grace period.
 * Not kept: one table of PTEs an address space, and no flags but present and accessed; no
 * merging of mappings; user memory is the test's, and cgroups are nobody's.
 */
#ifndef SHIM_MM_H
#define SHIM_MM_H

#include <shim/file.h>
#include <shim/list.h>

#define VM_READ			    0x1ul
#define VM_WRITE		    0x2ul
#define VM_EXEC			    0x4ul
#define VM_SHARED		    0x8ul
#define VM_MAYREAD		    0x10ul
#define VM_MAYWRITE		    0x20ul
#define VM_MAYEXEC		    0x40ul
#define VM_PFNMAP		    0x400ul
#define VM_IO			    0x4000ul
#define VM_DONTCOPY		    0x20000ul
#define VM_DONTEXPAND		    0x40000ul
#define VM_NORESERVE		    0x200000ul
#define VM_DONTDUMP		    0x4000000ul
#define VM_ACCESS_FLAGS		    (VM_READ | VM_WRITE | VM_EXEC)

#define PROT_READ		    1
#define PROT_WRITE		    2
#define PROT_EXEC		    4
#define MAP_SHARED		    1
#define MAP_PRIVATE		    2
#define MAP_TYPE		    0xf
#define MAP_FIXED		    0x10
#define _calc_vm_trans(x, from, to) ((x) & (from) ? (to) : 0)
#define calc_vm_prot_bits(prot, pkey)                                 \
	((unsigned long)(_calc_vm_trans(prot, PROT_READ, VM_READ) |   \
			 _calc_vm_trans(prot, PROT_WRITE, VM_WRITE) | \
			 _calc_vm_trans(prot, PROT_EXEC, VM_EXEC)))

#define VM_FAULT_OOM	       0x1u
#define VM_FAULT_SIGBUS	       0x2u
#define VM_FAULT_NOPAGE	       0x100u
#define VM_FAULT_RETRY	       0x400u
#define FAULT_FLAG_ALLOW_RETRY 4u

struct mm_struct;
struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;
	unsigned int flags;
};

struct vm_operations_struct {
	void (*open)(struct vm_area_struct *vma);
	void (*close)(struct vm_area_struct *vma);
	vm_fault_t (*fault)(struct vm_fault *vmf);
	int (*mprotect)(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			unsigned long newflags);
	int (*access)(struct vm_area_struct *vma, unsigned long addr, void *buf, int len,
		      int write);
};

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
	struct mm_struct *vm_mm;
	const struct vm_operations_struct *vm_ops;
	void *vm_private_data;
	struct file *vm_file;
	struct vm_area_struct *next; /* by address */
};
#define vm_flags_set(vma, f) ((void)((vma)->vm_flags |= (f)))

typedef struct {
	unsigned int bits;
} cpumask_t;
#define cpumask_clear(m)     ((m)->bits = 0)
#define cpumask_or(to, a, b) ((to)->bits = (a)->bits | (b)->bits)
#define mm_cpumask(mm)	     (&(mm)->cpus)
void on_each_cpu_mask(const cpumask_t *mask, void (*fn)(void *info), void *info, bool wait);

struct task_struct;
struct mm_struct {
	int users, count;
	int readers; /* of mmap_lock */
	struct task_struct *writer;
	struct vm_area_struct *vmas;
	struct xarray ptes; /* by page: shim_pte */
	struct list_head notifiers;
	cpumask_t cpus;
	unsigned long (*get_unmapped_area)(struct file *file, unsigned long addr, unsigned long len,
					   unsigned long pgoff, unsigned long flags);
};

#define mm_get_unmapped_area(mm, f, a, l, p, fl) ((mm)->get_unmapped_area(f, a, l, p, fl))
void mmap_read_lock(struct mm_struct *mm);
void mmap_read_unlock(struct mm_struct *mm);
void mmap_write_lock(struct mm_struct *mm);
void mmap_write_unlock(struct mm_struct *mm);
void mmap_assert_write_locked(struct mm_struct *mm);
bool mmget_not_zero(struct mm_struct *mm);
void mmput(struct mm_struct *mm);
void mmput_async(struct mm_struct *mm);
/* The first mapping that ends above addr, also where addr is below it */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr);
long shim_gup(unsigned long start, unsigned long n, unsigned int flags, struct page **pages);
/* Linux 6.1 has a fifth argument, for VMAs. */
#define get_user_pages(start, n, flags, pages, ...) shim_gup(start, n, flags, pages)

/* A PTE: pfn << 12, bit 0 present, bit 5 accessed. */
typedef struct {
	unsigned long pte;
} pte_t;
#define SHIM_PTE_PRESENT		1ul
#define SHIM_PTE_YOUNG			0x20ul
#define pte_young(p)			(((p).pte & SHIM_PTE_YOUNG) != 0)
#define pte_mkold(p)			((pte_t){(p).pte & ~SHIM_PTE_YOUNG})
#define set_pte_at(mm, addr, ptep, new) ((void)(mm), (void)(*(ptep) = (new)))
pte_t *shim_pte(struct mm_struct *mm, unsigned long addr, bool create);
int apply_to_page_range(struct mm_struct *mm, unsigned long addr, unsigned long size,
			int (*fn)(pte_t *pte, unsigned long addr, void *data), void *data);
void zap_vma_ptes(struct vm_area_struct *vma, unsigned long addr, unsigned long size);
vm_fault_t vmf_insert_pfn(struct vm_area_struct *vma, unsigned long addr, unsigned long pfn);

void shim_fputs(void); /* of mappings that have gone; without mmap_lock */
void shim_unmap(struct mm_struct *mm, unsigned long start, unsigned long end);
void shim_link_vma(struct mm_struct *mm, struct vm_area_struct *vma);
void shim_split_vma(struct mm_struct *mm, unsigned long addr);
void shim_grace_period(void);

struct mmu_notifier;
struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *mn, struct mm_struct *mm);
	void (*free_notifier)(struct mmu_notifier *mn);
};
struct mmu_notifier {
	const struct mmu_notifier_ops *ops;
	struct list_head list; /* mm_struct.notifiers, or those to be freed */
	bool listed;
	struct mm_struct *mm;
};
int __mmu_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm);
void mmu_notifier_unregister(struct mmu_notifier *mn, struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *mn);

struct mem_cgroup;
#define get_mem_cgroup_from_mm(mm) ((void)(mm), (struct mem_cgroup *)NULL)
static inline struct mem_cgroup *set_active_memcg(struct mem_cgroup *m)
{
	return NULL;
}

#define mem_cgroup_put(m) ((void)(m))

/* --- user memory -------------------------------------------------------------------------- */
unsigned long copy_from_user(void *to, const void *from, unsigned long n);
unsigned long copy_to_user(void *to, const void *from, unsigned long n);
#define access_ok(p, n)	  ((unsigned long)(p) < 0x7ffffffff000ul - (n))
#define __uaccess_begin() ((void)0)
#define __uaccess_end()	  ((void)0)

#endif
