/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings as they come, are parted, copied and go. */
#include "shim.h"

static struct file *put_later[256];
static unsigned int put_count;

/* A mapping's file is dropped without mmap_lock, as task work: see shim_fputs(). */
static void fput_later(struct file *file)
{
	if (file->refs > 1) {
		file->refs--;
		return;
	}
	if (put_count == ARRAY_SIZE(put_later))
		shim_bug("too many files are closed at once");
	put_later[put_count++] = file;
}

void shim_fputs(void)
{
	while (put_count)
		fput(put_later[--put_count]);
}

static void unlink_vma(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vm_area_struct **link = &mm->vmas;

	while (*link != vma)
		link = &(*link)->next;
	*link = vma->next;
	for (unsigned long at = vma->vm_start; vma->vm_file && at < vma->vm_end; at += PAGE_SIZE) {
		pte_t *pte = shim_pte(mm, at, false);

		if (pte)
			pte->pte = 0;
	}
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	if (vma->vm_file)
		fput_later(vma->vm_file);
	free(vma);
}

void shim_link_vma(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vm_area_struct **link = &mm->vmas;

	while (*link && (*link)->vm_start < vma->vm_start)
		link = &(*link)->next;
	vma->next = *link;
	*link = vma;
}

/* Where a mapping spans addr, two are made of it. */
void shim_split_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *v = vma_lookup(mm, addr), *high;

	if (!v || v->vm_start == addr)
		return;
	high = malloc(sizeof(*high));
	*high = *v;
	high->vm_start = addr;
	high->vm_pgoff += PFN_DOWN(addr - v->vm_start);
	v->vm_end = addr;
	if (high->vm_file)
		high->vm_file->refs++;
	if (high->vm_ops && high->vm_ops->open)
		high->vm_ops->open(high);
	shim_link_vma(mm, high);
}

void shim_unmap(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *v;

	shim_split_vma(mm, start);
	shim_split_vma(mm, end);
	while ((v = find_vma(mm, start)) && v->vm_start < end)
		unlink_vma(mm, v);
}

struct up_mm *up_fork(struct up_mm *parent)
{
	struct mm_struct *from = (struct mm_struct *)parent, *to = (struct mm_struct *)up_mm_new();

	mmap_write_lock(from);
	mmap_write_lock(to);
	for (struct vm_area_struct *v = from->vmas; v; v = v->next) {
		struct vm_area_struct *copy;

		if (v->vm_flags & VM_DONTCOPY)
			continue;
		copy = malloc(sizeof(*copy));
		*copy = *v;
		copy->vm_mm = to;
		if (copy->vm_file)
			copy->vm_file->refs++;
		shim_link_vma(to, copy);
		if (copy->vm_ops && copy->vm_ops->open)
			copy->vm_ops->open(copy);
		/* PTEs of a PFN mapping are copied */
		for (unsigned long at = v->vm_start; v->vm_file && at < v->vm_end;
		     at += PAGE_SIZE) {
			pte_t *pte = shim_pte(from, at, false);

			if (pte && pte->pte)
				shim_pte(to, at, true)->pte = pte_mkold(*pte).pte;
		}
	}
	mmap_write_unlock(to);
	mmap_write_unlock(from);
	up_idle();
	return (struct up_mm *)to;
}
