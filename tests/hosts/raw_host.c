/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's three parts: making the enclave, threads, signals. */
#include "raw.h"

#include <asm/prctl.h>
#include <asm/sgx.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>

#define MMAP_MIN_ADDR 0x10000ul
#define PROT_RW	      (PROT_READ | PROT_WRITE)
#define PROT_RWX      (PROT_RW | PROT_EXEC)
#define GPR_COUNT     16

uint64_t base, elrange, heap, code, data;
int enclave_fd = -1;
const struct layout *layout;
static uint64_t tcs_first;
static uint32_t tcs_used[RT_TCS_COUNT];
uint64_t (*volatile sync_hook)(int sig, struct sigcontext_64 *regs);
uint64_t (*volatile async_hook)(int sig, struct sigcontext_64 *regs);

/* --- making an enclave ------------------------------------------------------------- */

static uint64_t join(char *to, const char *a, const char *b, const char *c)
{
	char *start = to;

	for (; *a; a++)
		*to++ = *a;
	for (; *b; b++)
		*to++ = *b;
	for (; *c; c++)
		*to++ = *c;
	*to = 0;
	return (uint64_t)(to - start);
}

/* A whole file, mapped private as Gramine does with its own image */
static const uint8_t *map_file(const char *name, const char *suffix, uint64_t size)
{
	char path[4200];
	long fd, p;

	join(path, raw_dir, name, suffix);
	fd = sys3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		fail_at(path, __LINE__, (uint64_t)fd, 0);
	p = sys6(__NR_mmap, 0, size, PROT_RW, MAP_PRIVATE, fd, 0);
	CHECK(p > 0);
	sys1(__NR_close, fd);
	return (const uint8_t *)p;
}

static void add(uint64_t addr, const void *src, uint64_t size, uint64_t secinfo, bool measured)
{
	struct sgx_secinfo_arch info = {.flags = secinfo};
	struct sgx_enclave_add_pages p = {
		.offset = addr - base,
		.src = (uint64_t)src,
		.length = size,
		.secinfo = (uint64_t)&info,
		.flags = measured ? SGX_PAGE_MEASURE : 0,
	};
	long ret;

	while (p.length) {
		p.count = 0;
		ret = sys3(__NR_ioctl, enclave_fd, SGX_IOC_ENCLAVE_ADD_PAGES, &p);
		if (ret == -EINTR)
			continue;
		CHECK_EQ(ret, 0);
		CHECK(p.count);
		p.offset += p.count;
		p.src += p.count;
		p.length -= p.count;
	}
	/* the pages' own mapping, over that of the whole range */
	ret = sys6(__NR_mmap, addr, size,
		   secinfo >> SGX_SECINFO_PT_SHIFT == SGX_PT_TCS ? PROT_RW : (int)(secinfo & 7),
		   MAP_SHARED | MAP_FIXED, enclave_fd, 0);
	CHECK_EQ(ret, addr);
}

static void map_elrange(void)
{
	uint64_t start = base, size = elrange;

	if (start < MMAP_MIN_ADDR) {
		size -= MMAP_MIN_ADDR - start;
		start = MMAP_MIN_ADDR;
	}
	CHECK_EQ(sys6(__NR_mmap, start, size, PROT_RWX, MAP_FIXED | MAP_SHARED, enclave_fd, 0),
		 start);
}

static void create(void)
{
	struct sgx_secs *secs = map_anon(sizeof(*secs), PROT_RW);
	struct sgx_enclave_create p = {.src = (uint64_t)secs};

	secs->size = elrange;
	secs->base = base;
	secs->ssaframesize = layout->ssaframesize;
	secs->miscselect = layout->miscselect;
	secs->attributes.flags = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT;
	secs->attributes.xfrm = layout->xfrm;
	CHECK_EQ(sys3(__NR_ioctl, enclave_fd, SGX_IOC_ENCLAVE_CREATE, &p), 0);
	sys2(__NR_munmap, secs, sizeof(*secs));
}

static void init(void)
{
	struct sgx_enclave_init p;

	p.sigstruct = (uint64_t)map_file(layout->name, ".sig", RT_PAGE);
	CHECK_EQ(sys3(__NR_ioctl, enclave_fd, SGX_IOC_ENCLAVE_INIT, &p), 0);
}

static void build(uint64_t at)
{
	struct image image = {0};
	uint8_t *tcs;
	uint64_t start;

	CHECK(image_parse(&image, map_file("rt4", ".elf", 2 << 20)));
	elrange = layout->size;
	base = at;
	start = base + image_start(&image, layout);
	enclave_fd = (int)sys3(__NR_open, "/dev/sgx_enclave", O_RDWR | O_CLOEXEC, 0);
	CHECK(enclave_fd >= 0);
	map_elrange();
	create();
	tcs = map_anon(image.segment[0].size, PROT_RW);
	for (uint64_t i = 0; i < image.segment[0].size; i += RT_PAGE)
		image_tcs((void *)(tcs + i), image.segment[0].src + i, start - base);
	for (unsigned int i = 0; i < IMAGE_SEGMENTS; i++) {
		const struct image_segment *s = &image.segment[i];

		add(start + s->offset, i ? s->src : tcs, s->size, image_secinfo(i, s->prot), true);
	}
	heap = base + image_heap(&image, layout);
	add(heap, map_anon(layout->heap, PROT_READ), layout->heap, image_secinfo(1, PROT_RWX),
	    false);
	init();
	tcs_first = start;
	code = start + image.segment[1].offset;
	data = start + image.segment[2].offset;
}

static void choose(const char *name)
{
	for (unsigned int i = 0; i < LAYOUT_COUNT; i++)
		if (same(layouts[i].name, name))
			layout = &layouts[i];
}

void load(const char *name, uint64_t at)
{
	static struct tcb first;

	choose(name);
	build(at ? at : layout->size);
	signals_init();
	thread_init(&first);
}

void load_at_zero(void)
{
	static struct tcb first;

	choose("zero");
	build(0);
	signals_init();
	thread_init(&first);
}

/* --- threads ------------------------------------------------------------------------ */

uint64_t tcs_claim(uint32_t *slot)
{
	for (uint32_t i = 0; i < RT_TCS_COUNT; i++) {
		if (__atomic_exchange_n(&tcs_used[i], 1, __ATOMIC_ACQUIRE))
			continue;
		*slot = i;
		return tcs_first + (uint64_t)i * RT_PAGE;
	}
	return 0;
}

void tcs_release(void)
{
	uint32_t slot = tcb()->slot;

	tcb()->tcs = 0;
	__atomic_store_n(&tcs_used[slot], 0, __ATOMIC_RELEASE);
}

void thread_init(struct tcb *t)
{
	stack_t ss = {.ss_size = ALT_SIZE};

	t->self = t;
	CHECK_EQ(sys2(__NR_arch_prctl, ARCH_SET_GS, t), 0);
	/* the first thread's is its own; others' lies above their stacks */
	ss.ss_sp = t->stack ? t->stack + STACK_SIZE : map_anon(ALT_SIZE, PROT_RW);
	CHECK_EQ(sys2(__NR_sigaltstack, &ss, 0), 0);
	if (!t->tid)
		t->tid = (int)sys0(__NR_gettid);
	t->tcs = tcs_claim(&t->slot);
	CHECK(t->tcs);
}

void thread_main(struct tcb *t) __attribute__((noreturn));

void thread_main(struct tcb *t)
{
	/* until GS is its own, a handler would take it for its maker */
	thread_init(t);
	CHECK_EQ(sys4(__NR_rt_sigprocmask, SIG_SETMASK, &t->sigmask, 0, 8), 0);
	t->body(t);
	thread_exit();
}

struct tcb *thread_start(void (*body)(struct tcb *), uint64_t arg)
{
	/* the block outlives the thread: it is looked at after */
	struct tcb *t = map_anon(sizeof(*t), PROT_RW);
	uint64_t all = ~0ull;
	long tid = 0;

	t->stack = map_anon(STACK_SIZE + ALT_SIZE, PROT_RW);
	t->body = body;
	t->arg = arg;
	t->tid = 1; /* until the kernel says */
	CHECK_EQ(sys4(__NR_rt_sigprocmask, SIG_BLOCK, &all, &t->sigmask, 8), 0);
	host_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD |
			   CLONE_SIGHAND | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		   t->stack + STACK_SIZE, &t->tid, t, &tid);
	CHECK(tid > 0);
	CHECK_EQ(sys4(__NR_rt_sigprocmask, SIG_SETMASK, &t->sigmask, 0, 8), 0);
	return t;
}

void thread_join(struct tcb *t)
{
	int tid;

	while ((tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)))
		sys4(__NR_futex, &t->tid, FUTEX_WAIT, tid, 0);
}

/* From outside, wherever inside the thread was: the runtime's OCALL never returns. */
void thread_exit(void)
{
	struct tcb *t = tcb();
	stack_t ss = {.ss_flags = 2 /* SS_DISABLE */};
	struct call c = {0};

	signals_block(true);
	CHECK_EQ(host_ecall(RT_RESET, &c.call), 0);
	tcs_release();
	sys2(__NR_arch_prctl, ARCH_SET_GS, 0);
	sys2(__NR_sigaltstack, &ss, 0);
	host_leave_stack(t->stack, STACK_SIZE + ALT_SIZE);
}

/* --- signals ------------------------------------------------------------------------ */

static bool in_aep(const struct sigcontext_64 *regs)
{
	return regs->ip >= (uint64_t)host_aep && regs->ip < (uint64_t)host_aep_end;
}

/* SDM, AEX: what outside sees of the registers */
static void check_synthetic(const struct sigcontext_64 *r)
{
	CHECK_EQ(r->ip, host_aep);
	CHECK_EQ(r->ax, ERESUME);
	CHECK_EQ(r->bx, tcb()->tcs);
	CHECK_EQ(r->cx, host_aep);
	CHECK_EQ(r->dx | r->si | r->di | r->r8 | r->r9 | r->r10 | r->r11, 0);
	CHECK_EQ(r->r12 | r->r13 | r->r14 | r->r15, 0);
	/* CF PF AF ZF SF OF RF */
	CHECK_EQ(r->flags & 0x108d5, 0);
}

static void raised(struct tcb *t, uint64_t answer)
{
	if (answer == RT_EARLY)
		t->early++;
	else if (answer != RT_HANDLED)
		t->worst = answer;
}

static void on_fault(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigcontext_64 *r = (struct sigcontext_64 *)&uc->uc_mcontext;
	struct tcb *t = tcb();

	CHECK_EQ(t->self, t);
	t->fault.sig = sig;
	t->fault.code = info->si_code;
	t->fault.addr = (uint64_t)info->si_addr;
	t->fault.trapno = r->trapno;
	t->fault.err = r->err;
	if (sync_hook && sync_hook(sig, r))
		return;
	if (r->ip == (uint64_t)host_eenter || r->ip == (uint64_t)host_eresume) {
		/* ENCLU itself: registers are as they were */
		r->ip = (uint64_t)host_after;
		r->si = EENTER_FAULT;
		return;
	}
	if (!in_aep(r))
		fail_at("a fault of the host", sig, r->ip, t->fault.addr);
	check_synthetic(r);
	t->sync++;
	raised(t, host_raise(RT_EVENT_FAULT));
}

static void on_async(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigcontext_64 *r = (struct sigcontext_64 *)&uc->uc_mcontext;
	struct tcb *t = tcb();

	(void)info;
	CHECK_EQ(t->self, t);
	CHECK(r->ip - base >= elrange);
	if (async_hook && async_hook(sig, r))
		return;
	if (in_aep(r)) {
		if (r->ip == (uint64_t)host_aep)
			check_synthetic(r);
		t->async++;
		raised(t, host_raise(sig == SIGTERM ? RT_EVENT_QUIT : RT_EVENT_WAKE));
	} else {
		t->elsewhere++;
	}
	__atomic_fetch_add(&t->handled, 1, __ATOMIC_RELEASE);
}

#define ASYNC_MASK (1ul << (SIGTERM - 1) | 1ul << (SIGCONT - 1))

static void catch_it(int sig, void *handler)
{
	struct {
		void *handler;
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} act = {handler, SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */, raw_restorer,
		 ASYNC_MASK};
	unsigned long mask = 1ul << (sig - 1);

	CHECK_EQ(sys4(__NR_rt_sigaction, sig, &act, 0, 8), 0);
	CHECK_EQ(sys4(__NR_rt_sigprocmask, SIG_UNBLOCK, &mask, 0, 8), 0);
}

void signals_init(void)
{
	catch_it(SIGPIPE, (void *)1);
	catch_it(SIGCHLD, (void *)1);
	catch_it(SIGFPE, on_fault);
	catch_it(SIGSEGV, on_fault);
	catch_it(SIGBUS, on_fault);
	catch_it(SIGILL, on_fault);
	catch_it(SIGTRAP, on_fault);
	catch_it(SIGTERM, on_async);
	catch_it(SIGCONT, on_async);
}

void signals_block(bool block)
{
	unsigned long mask = ASYNC_MASK;

	CHECK_EQ(sys4(__NR_rt_sigprocmask, block ? SIG_BLOCK : SIG_UNBLOCK, &mask, 0, 8), 0);
}

/* --- what the entry code calls -------------------------------------------------------- */

void host_aep_hook(uint64_t rax, uint64_t rbx, uint64_t rcx)
{
	CHECK_EQ(tcb()->self, tcb());
	CHECK_EQ(rax, ERESUME);
	CHECK_EQ(rbx, tcb()->tcs);
	CHECK_EQ(rcx, host_aep);
}

static uint64_t do_sleep(void)
{
	struct {
		long sec, nsec;
	} time = {20, 0};
	long ret;

	tcb()->sleeping = 1;
	ret = sys2(__NR_nanosleep, &time, 0);
	tcb()->sleeping = 0;
	return (uint64_t)ret;
}

uint64_t host_ocall(uint64_t number, struct rt_oc *oc)
{
	struct call inner = {0};
	uint64_t rsp;

	CHECK_EQ(tcb()->self, tcb());
	switch (number) {
	case OC_ADD:
		return oc->a + 1;
	case OC_NEST:
		inner.call.a = oc->a;
		CHECK_EQ(host_ecall(RT_NEST, &inner.call), 0);
		return inner.call.r;
	case OC_EXIT:
		thread_exit();
	case OC_SLEEP:
		return do_sleep();
	case OC_CPUID:
		__asm__ volatile("cpuid"
				 : "=a"(oc->regs[0]), "=b"(oc->regs[1]), "=c"(oc->regs[2]),
				   "=d"(oc->regs[3])
				 : "0"((uint32_t)oc->a), "2"((uint32_t)oc->b));
		return 0;
	case OC_STACK:
		__asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
		return rsp;
	default:
		fail_at("OCALL", (int)number, oc->a, oc->b);
	}
}

void ecall_at(int line, uint64_t number, struct call *c)
{
	uint64_t status = host_ecall(number, &c->call);

	if (status)
		fail_at("ECALL", line, number, status);
}
