/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests call: ../upstream.h. */
#include "shim.h"

static unsigned long unmapped_area(struct file *file, unsigned long addr, unsigned long len,
				   unsigned long pgoff, unsigned long flags)
{
	return addr ? addr : 0x600000000000;
}

int up_boot(void)
{
	int ret = shim_initcall();

	/* ksgxd makes every page free. */
	for (int i = 0; i < 1000; i++)
		up_idle();
	return ret;
}

struct up_file *up_open(const char *device)
{
	return (struct up_file *)shim_open(device);
}

void up_close(struct up_file *file)
{
	fput((struct file *)file);
	up_idle();
}

long up_ioctl(struct up_file *up, unsigned int cmd, uint64_t arg)
{
	struct file *file = (struct file *)up;
	long ret = file->f_op->unlocked_ioctl(file, cmd, arg);

	if (current->spins || shim_preempt_count || current->srcu)
		shim_bug("an ioctl ends with a lock");
	up_idle();
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

struct up_mm *up_mm_new(void)
{
	struct mm_struct *mm = shim_alloc(sizeof(*mm), true);

	mm->users = mm->count = 1;
	mm->get_unmapped_area = unmapped_area;
	mm->cpus.bits = 1;
	INIT_LIST_HEAD(&mm->notifiers);
	return (struct up_mm *)mm;
}

void up_mm_exit(struct up_mm *mm)
{
	mmput((struct mm_struct *)mm);
	up_idle();
}

void up_map_user(struct up_mm *up, uint64_t start, uint64_t end, bool may_exec)
{
	struct mm_struct *mm = (struct mm_struct *)up;
	struct vm_area_struct *v = malloc(sizeof(*v));

	mmap_write_lock(mm);
	shim_unmap(mm, start, end);
	*v = (struct vm_area_struct){
		.vm_start = start,
		.vm_end = end,
		.vm_flags =
			VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | (may_exec ? VM_MAYEXEC : 0),
		.vm_mm = mm,
	};
	shim_link_vma(mm, v);
	mmap_write_unlock(mm);
	shim_fputs();
}

int up_mmap(struct up_mm *up, struct up_file *upf, uint64_t start, uint64_t end, unsigned int prot)
{
	struct mm_struct *mm = (struct mm_struct *)up;
	struct file *file = (struct file *)upf;
	struct vm_area_struct *v;
	int ret;

	mmap_write_lock(mm);
	/* What was there goes, also where the new mapping is refused. */
	shim_unmap(mm, start, end);
	v = malloc(sizeof(*v));
	*v = (struct vm_area_struct){
		.vm_start = start,
		.vm_end = end,
		.vm_flags = VM_SHARED | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC |
			    calc_vm_prot_bits(prot, 0),
		.vm_mm = mm,
		.vm_file = file,
	};
	ret = file->f_op->mmap(file, v);
	if (ret) {
		free(v);
	} else {
		file->refs++;
		shim_link_vma(mm, v);
	}
	mmap_write_unlock(mm);
	shim_fputs();
	up_idle();
	return ret;
}

int up_mprotect(struct up_mm *up, uint64_t start, uint64_t end, unsigned int prot)
{
	struct mm_struct *mm = (struct mm_struct *)up;
	int ret = 0;

	mmap_write_lock(mm);
	for (unsigned long at = start; at < end;) {
		struct vm_area_struct *v = vma_lookup(mm, at);
		unsigned long to;

		ret = -ENOMEM;
		if (!v)
			break;
		to = v->vm_end < end ? v->vm_end : end;
		ret = v->vm_ops && v->vm_ops->mprotect
			      ? v->vm_ops->mprotect(v, at, to,
						    (v->vm_flags & ~VM_ACCESS_FLAGS) |
							    calc_vm_prot_bits(prot, 0))
			      : 0;
		if (ret)
			break;
		shim_split_vma(mm, at);
		shim_split_vma(mm, to);
		v = vma_lookup(mm, at);
		v->vm_flags = (v->vm_flags & ~VM_ACCESS_FLAGS) | calc_vm_prot_bits(prot, 0);
		at = to;
	}
	mmap_write_unlock(mm);
	shim_fputs();
	return ret;
}

void up_munmap(struct up_mm *up, uint64_t start, uint64_t end)
{
	struct mm_struct *mm = (struct mm_struct *)up;

	mmap_write_lock(mm);
	shim_unmap(mm, start, end);
	mmap_write_unlock(mm);
	shim_fputs();
	up_idle();
}

int up_vm_prot(struct up_mm *mm, uint64_t addr)
{
	struct vm_area_struct *v = vma_lookup((struct mm_struct *)mm, addr);

	return v ? (int)(v->vm_flags & VM_ACCESS_FLAGS) : -1;
}

int up_ptrace(struct up_mm *up, uint64_t addr, void *buf, int len, bool write)
{
	struct mm_struct *mm = (struct mm_struct *)up;
	struct vm_area_struct *v;
	int ret = -EFAULT;

	mmap_read_lock(mm);
	v = vma_lookup(mm, addr);
	if (v && v->vm_ops && v->vm_ops->access)
		ret = v->vm_ops->access(v, addr, buf, len, write);
	mmap_read_unlock(mm);
	up_idle();
	return ret;
}

enum up_verdict up_access(struct up_mm *up, uint64_t addr, enum up_kind kind, uint32_t *error_code,
			  uint8_t **bytes)
{
	struct mm_struct *mm = (struct mm_struct *)up;

	*error_code = 4u | (kind == UP_WRITE ? 2u : 0) | (kind == UP_FETCH ? 16u : 0);
	for (int i = 0; i < 1000; i++) {
		struct vm_area_struct *v = vma_lookup(mm, addr);
		struct vm_fault vmf = {.vma = v, .address = addr & PAGE_MASK};
		pte_t *pte;
		vm_fault_t r;

		if (!v)
			return UP_SEGV;
		pte = shim_pte(mm, addr, false);
		if (pte && pte->pte) {
			uint64_t phys = pte->pte & PAGE_MASK;

			if ((kind == UP_WRITE && !(v->vm_flags & VM_WRITE)) ||
			    (kind == UP_FETCH && !(v->vm_flags & VM_EXEC)) ||
			    !(v->vm_flags & VM_ACCESS_FLAGS)) {
				*error_code |= 1;
				return UP_PF;
			}
			pte->pte |= SHIM_PTE_YOUNG;
			if (up_cpu_bad(phys))
				return UP_SIGBUS; /* a machine check */
			if (!up_cpu_permits(phys, shim_secs_of(v), addr, kind)) {
				*error_code |= 0x8001;
				return UP_PF;
			}
			*bytes = up_cpu_bytes(phys);
			return UP_OK;
		}
		/* Which faults the kernel's handler refuses itself */
		if (kind == UP_WRITE ? !(v->vm_flags & VM_WRITE) : !(v->vm_flags & VM_ACCESS_FLAGS))
			return UP_SEGV;
		if (!v->vm_ops || !v->vm_ops->fault)
			return UP_SEGV;
		mmap_read_lock(mm);
		r = v->vm_ops->fault(&vmf);
		mmap_read_unlock(mm);
		up_idle();
		if (r & (VM_FAULT_SIGBUS | VM_FAULT_OOM))
			return UP_SIGBUS;
	}
	return UP_LIVELOCK;
}

uint64_t up_phys(struct up_mm *mm, uint64_t addr)
{
	pte_t *pte = shim_pte((struct mm_struct *)mm, addr, false);

	return pte ? pte->pte & PAGE_MASK : 0;
}
