/* SPDX-License-Identifier: BSD-3-Clause */
/* Page tables, user memory, mmap_lock, MMU notifiers. */
#include "shim.h"

static struct list_head dead_notifiers = {&dead_notifiers, &dead_notifiers};
static struct mm_struct *dying[64]; /* of mmput_async() */
static unsigned int dying_count;

/* --- mmap_lock ------------------------------------------------------------------------------- */

void mmap_read_lock(struct mm_struct *mm)
{
	shim_might_sleep("mmap_read_lock()");
	shim_may_switch();
	if (mm->writer == current)
		shim_bug("%s reads under mmap_lock that it has for writing", current->name);
	while (mm->writer)
		shim_wait_turn("mmap_lock");
	mm->readers++;
}

void mmap_read_unlock(struct mm_struct *mm)
{
	if (mm->readers-- <= 0)
		shim_bug("mmap_read_unlock() without a reader");
	shim_may_switch();
}

void mmap_write_lock(struct mm_struct *mm)
{
	shim_might_sleep("mmap_write_lock()");
	shim_may_switch();
	if (mm->writer == current)
		shim_bug("%s takes mmap_lock twice", current->name);
	while (mm->writer || mm->readers)
		shim_wait_turn("mmap_lock");
	mm->writer = current;
}

void mmap_write_unlock(struct mm_struct *mm)
{
	if (mm->writer != current)
		shim_bug("mmap_write_unlock() by who has it not");
	mm->writer = NULL;
	shim_may_switch();
}

void mmap_assert_write_locked(struct mm_struct *mm)
{
	if (mm->writer != current)
		shim_bug("mmap_lock is not held for writing");
}

/* --- page tables ------------------------------------------------------------------------------ */

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	for (struct vm_area_struct *v = mm->vmas; v; v = v->next)
		if (v->vm_end > addr)
			return v;
	return NULL;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *v = find_vma(mm, addr);

	return v && v->vm_start <= addr ? v : NULL;
}

pte_t *shim_pte(struct mm_struct *mm, unsigned long addr, bool create)
{
	pte_t *pte = xa_load(&mm->ptes, PFN_DOWN(addr));

	if (!pte && create) {
		pte = malloc(sizeof(*pte));
		pte->pte = 0;
		xa_store(&mm->ptes, PFN_DOWN(addr), pte, 0);
	}
	return pte;
}

int apply_to_page_range(struct mm_struct *mm, unsigned long addr, unsigned long size,
			int (*fn)(pte_t *pte, unsigned long addr, void *data), void *data)
{
	int ret = 0;

	for (unsigned long at = addr; at < addr + size && !ret; at += PAGE_SIZE)
		ret = fn(shim_pte(mm, at, true), at, data);
	return ret;
}

void zap_vma_ptes(struct vm_area_struct *vma, unsigned long addr, unsigned long size)
{
	if (addr < vma->vm_start || addr + size > vma->vm_end || !(vma->vm_flags & VM_PFNMAP))
		shim_bug("zap_vma_ptes() outside of its mapping");
	for (unsigned long at = addr; at < addr + size; at += PAGE_SIZE) {
		pte_t *pte = shim_pte(vma->vm_mm, at, false);

		if (pte)
			pte->pte = 0;
	}
}

vm_fault_t vmf_insert_pfn(struct vm_area_struct *vma, unsigned long addr, unsigned long pfn)
{
	pte_t *pte;

	if (addr < vma->vm_start || addr >= vma->vm_end)
		return VM_FAULT_SIGBUS;
	pte = shim_pte(vma->vm_mm, addr, true);
	if (!pte->pte)
		pte->pte = PFN_PHYS(pfn) | SHIM_PTE_PRESENT | SHIM_PTE_YOUNG;
	return VM_FAULT_NOPAGE;
}

void on_each_cpu_mask(const cpumask_t *mask, void (*fn)(void *info), void *info, bool wait)
{
	fn(info);
	if (up_hooks.kick)
		up_hooks.kick();
}

/* --- user memory ------------------------------------------------------------------------------- */

unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	const void *src;

	shim_might_sleep("copy_from_user()");
	src = up_hooks.user((unsigned long)from, n, UP_NEED_READ);

	if (!src)
		return n;
	memcpy(to, src, n);
	return 0;
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	void *dst;

	shim_might_sleep("copy_to_user()");
	dst = up_hooks.user((unsigned long)to, n, UP_NEED_WRITE);

	if (!dst)
		return n;
	memcpy(dst, from, n);
	return 0;
}

long shim_gup(unsigned long start, unsigned long n, unsigned int flags, struct page **pages)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, start);
	struct page *page;
	void *addr;

	if (n != 1)
		shim_bug("get_user_pages() of many");
	if (!vma || (vma->vm_flags & (VM_IO | VM_PFNMAP)))
		return -EFAULT;
	addr = up_hooks.user(start, PAGE_SIZE, UP_NEED_READ);
	if (!addr)
		return -EFAULT;
	page = malloc(sizeof(*page));
	/* A copy: memory of the test's may be anywhere, a page's is aligned. */
	*page = (struct page){.addr = aligned_alloc(PAGE_SIZE, PAGE_SIZE), .refs = 1, .user = true};
	memcpy(page->addr, addr, PAGE_SIZE);
	*pages = page;
	return 1;
}

/* --- the end of an address space ----------------------------------------------------------------- */

bool mmget_not_zero(struct mm_struct *mm)
{
	return mm->users ? mm->users++, true : false;
}

int __mmu_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm)
{
	mmap_assert_write_locked(mm);
	if (shim_alloc_fails())
		return -ENOMEM;
	mn->mm = mm;
	mn->listed = true;
	mm->count++;
	list_add(&mn->list, &mm->notifiers);
	return 0;
}

static void mmdrop(struct mm_struct *mm)
{
	if (--mm->count)
		return;
	for (unsigned long i = 0; i < mm->ptes.count; i++)
		free(mm->ptes.range[i].entry);
	xa_destroy(&mm->ptes);
	kfree(mm);
}

void mmu_notifier_unregister(struct mmu_notifier *mn, struct mm_struct *mm)
{
	if (mn->listed) {
		if (mn->ops->release)
			mn->ops->release(mn, mm);
		list_del(&mn->list);
		mn->listed = false;
	}
	mmdrop(mm);
}

/* What is dropped is freed after a grace period. */
void mmu_notifier_put(struct mmu_notifier *mn)
{
	if (mn->listed)
		list_del(&mn->list);
	mn->listed = false;
	list_add_tail(&mn->list, &dead_notifiers);
}

void shim_grace_period(void)
{
	while (dying_count)
		mmput(dying[--dying_count]);
	while (!list_empty(&dead_notifiers)) {
		struct mmu_notifier *mn =
			list_first_entry(&dead_notifiers, struct mmu_notifier, list);
		struct mm_struct *mm = mn->mm;

		list_del(&mn->list);
		mn->ops->free_notifier(mn);
		mmdrop(mm);
	}
}

/* As exit_mmap(): notifiers hear of it first, then the mappings go. */
void mmput(struct mm_struct *mm)
{
	if (mm->users <= 0)
		shim_bug("mmput() of a dead address space");
	if (--mm->users)
		return;
	shim_might_sleep("mmput()");
	while (!list_empty(&mm->notifiers)) {
		struct mmu_notifier *mn =
			list_first_entry(&mm->notifiers, struct mmu_notifier, list);

		list_del(&mn->list);
		mn->listed = false;
		mn->ops->release(mn, mm);
	}
	shim_unmap(mm, 0, ~0ul);
	shim_fputs();
	mmdrop(mm);
}

/* Work for another thread, which comes to it at the end of the call. */
void mmput_async(struct mm_struct *mm)
{
	if (mm->users > 1) {
		mm->users--;
		return;
	}
	if (dying_count == ARRAY_SIZE(dying))
		shim_bug("too many address spaces die at once");
	dying[dying_count++] = mm;
}
