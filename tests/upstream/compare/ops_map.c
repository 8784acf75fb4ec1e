/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings and what an access to them meets, a debugger's too. */
#include "compare.h"

#include <sys/mman.h>

void op_mmap(struct cmp_encl *x)
{
	uint64_t start = some_addr(x), end = start + (1 + draw_below(12)) * 4096ull;
	unsigned int prot = draw_below(8), page = up_encl_page(x->file, start);
	bool rie = draw_one_in(16);
	int b;

	/* As a loader does it: what its pages allow */
	if (page && !draw_one_in(3)) {
		prot = UP_PAGE_MAX(page);
		for (end = start + 4096;
		     UP_PAGE_MAX(up_encl_page(x->file, end)) == prot && end < start + 16 * 4096;)
			end += 4096;
	}

	up_personality(rie ? 0x0400000 : 0); /* READ_IMPLIES_EXEC */
	/* The first allocation alone: a second one that fails leaks the enclave (difference 12). */
	if (w.mode->nomem)
		up_knobs.alloc_after = (int)draw_below(2) - 1;
	b = up_mmap(some_mm(), x->file, start, end, prot);
	if (w.mode->nomem && up_knobs.alloc_after < 0)
		w.sh->failed_allocs[1]++;
	up_knobs.alloc_after = -1;
	if (w.mode->nomem && b == -ENOMEM)
		b = up_mmap(w.mm[0], x->file, start, end, prot);
	up_personality(0);
	same_answer("mmap", sgx_may_map(x->e.encl, start, end, prot, rie, NULL), b);
	unsee(x, start, end);
}

void op_mprotect(struct cmp_encl *x)
{
	struct up_mm *mm = some_mm();
	uint64_t start = some_addr(x), end = start + 4096;
	unsigned int prot = draw_below(8);
	int was = up_vm_prot(mm, start);

	if (was < 0)
		return;
	/* kernel/ is asked once where Linux is asked for each mapping. */
	while (draw_one_in(2) && up_vm_prot(mm, end) == was)
		end += 4096;
	same_answer("mprotect", sgx_may_map(x->e.encl, start, end, prot, false, NULL),
		    up_mprotect(mm, start, end, prot));
	unsee(x, start, end);
}

void op_munmap(struct cmp_encl *x)
{
	uint64_t start = some_addr(x), end = start + (1 + draw_below(12)) * 4096ull;

	up_munmap(some_mm(), start, end);
	unsee(x, start, end);
}

/* --- accesses ------------------------------------------------------------------------------ */

struct access {
	struct cmp_encl *x;
	struct up_mm *mm;
	uint64_t addr, value;
	enum up_kind kind;
	int prot;
	/* upstream's answer */
	enum up_verdict b;
	uint32_t b_error;
	uint8_t *b_bytes;
};

static bool some_access(struct cmp_encl *x, struct access *a)
{
	*a = (struct access){.x = x, .mm = some_mm(), .kind = draw_below(3), .value = draw()};
	a->addr = mapped_addr(x, a->mm, 8, &a->prot);
	return a->addr;
}

static void b_access(struct access *a)
{
	a->b = up_access(a->mm, a->addr, a->kind, &a->b_error, &a->b_bytes);
}

static void compare_bytes(const struct access *a)
{
	uint8_t *bytes = a_bytes(a->x, a->addr);

	if (!bytes || !a->b_bytes)
		differ("after an access the page is there: upstream %d, swsgx %d",
		       a->b_bytes != NULL, bytes != NULL);
	if (memcmp(bytes, a->b_bytes, 4096))
		differ("bytes of a page");
	if (a->kind != UP_WRITE)
		return;
	memcpy(bytes + (a->addr & 0xff8), &a->value, 8);
	memcpy(a->b_bytes + (a->addr & 0xff8), &a->value, 8);
}

/* swsgx's half of an access that upstream has answered */
static void a_access(const struct access *a)
{
	static const uint32_t bits[] = {0, SGX_PF_W, SGX_PF_I};
	static const char *const names[] = {"read", "write", "fetch"};
	static const enum up_verdict as_up[] = {
		[SGX_FAULT_RETRY] = UP_OK,
		[SGX_FAULT_PF] = UP_PF,
		[SGX_FAULT_SIGBUS] = UP_SIGBUS,
		[SGX_FAULT_MCE] = UP_SIGBUS,
	};
	struct sgx_mm mm = {.sees = w.k->granted ? &a->x->e : NULL};
	struct sgx_fault f = {.addr = a->addr,
			      .error_code = SGX_PF_U | bits[a->kind],
			      .vm_prot = (uint32_t)a->prot,
			      .enclave_mode = true};
	enum up_verdict verdict;

	if (a->b == UP_LIVELOCK)
		differ("access: upstream tries again for ever");
	/* What the mapping denies, swsgx is not asked about. */
	if (a->b == UP_SEGV || !a->prot ||
	    (a->b == UP_PF && !(a->b_error & SGX_PF_SGX) && a->kind != UP_FETCH))
		return;
	verdict = as_up[sgx_fault(&mm, a->x->e.encl, &f)];
	/* Whether a page was evicted before it was lost is not the same on both. */
	if (a->x->lost && w.mode->paging) {
		same("an access to what is lost works", verdict == UP_OK, a->b == UP_OK);
		return;
	}
	/* Upstream found no room for the page; swsgx did, whatever the page then says. */
	if (w.mode->paging && a->b == UP_SIGBUS &&
	    (verdict == UP_OK || (verdict == UP_PF && !up_free_pages())))
		known_ends(KNOWN_FULL);
	same_answer(names[a->kind], verdict, a->b);
	if (a->b == UP_PF)
		same("error code", f.error_code, a->b_error);
	if (a->b == UP_OK)
		compare_bytes(a);
}

void op_access(struct cmp_encl *x)
{
	struct access a;

	if (!some_access(x, &a))
		return;
	b_access(&a);
	a_access(&a);
}

/* --- a second thread -------------------------------------------------------------------------- */

static struct access second;
static struct up_thread *second_thread;

static void second_run(void *arg)
{
	b_access(&second);
}

/**
 * second_begin() - another thread accesses an enclave while the step runs
 * @x: the step's enclave, which it leaves alone: so both orders give the same
 *
 * Return: false: no other enclave is mapped.
 */
bool second_begin(const struct cmp_encl *x)
{
	struct cmp_encl *y = &w.encl[draw_below(w.mode->encls)];

	if (y == x || !y->open || !some_access(y, &second))
		return false;
	second_thread = up_thread_start(second_run, NULL, second.mm);
	return true;
}

void second_end(void)
{
	up_thread_join(second_thread);
	/* its page may have been evicted again before the step was over */
	if (second.b == UP_OK)
		b_access(&second);
	a_access(&second);
}

/* --- ptrace -------------------------------------------------------------------------------------- */

void op_ptrace(struct cmp_encl *x)
{
	struct up_mm *mm = some_mm();
	uint64_t a_data = draw(), b_data = a_data, was, addr;
	bool write = draw_one_in(2);
	unsigned int page;
	long a, b;
	int prot;

	addr = mapped_addr(x, mm, draw_one_in(4) ? 4096 : 8, &prot);
	if (!addr)
		return;
	if (!(addr & 4095))
		addr += 8; /* of a TCS: FLAGS */
	page = up_encl_page(x->file, addr);
	b = up_ptrace(mm, addr, &b_data, 8, write);
	/* Upstream reads a word before it writes it. */
	a = sgx_access(x->e.encl, addr, (uint32_t)prot, &was, false);
	if (!a && write)
		a = sgx_access(x->e.encl, addr, (uint32_t)prot, &a_data, true);
	else
		a_data = was;
	if (x->lost && w.mode->paging) {
		same("ptrace of what is lost works", a == 0, b == 8);
		return;
	}
	if (w.mode->paging && b == -ENOMEM && a != b)
		known_ends(KNOWN_FULL);
	same_answer(write ? "ptrace write" : "ptrace read", a, b == 8 ? 0 : b);
	/* The fixture's TCS slots have numbers of their own. */
	if (!write && !a && (UP_PAGE_TYPE(page) == SGX_PT_REG || (addr & 4095) == 8))
		same("data that ptrace reads", (long)a_data, (long)b_data);
}

void op_fork(struct cmp_encl *x)
{
	unsigned int i = 1 + draw_below(CMP_MMS - 1);

	if (w.mm[i]) {
		up_mm_exit(w.mm[i]);
		w.mm[i] = NULL;
	} else {
		w.mm[i] = up_fork(w.mm[0]);
	}
}
