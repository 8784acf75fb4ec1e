/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runtime's C half.  General registers only, no red zone, no libc, no writable
 * data but the TLS page.
 */
#include "rt.h"

#include <sgx/arch.h>
#include <sgx/leaf.h>
#include <stdbool.h>

#define HIDDEN __attribute__((visibility("hidden")))
/* large frames that other ECALLs are to do without */
#define NOINLINE __attribute__((noinline))

struct rt_context {
	uint64_t gpr[16]; /* as GPRSGX has them */
	uint64_t rflags, rip;
	uint64_t last_rsp; /* the way back's */
	uint64_t event;
	uint32_t exitinfo, errcd;
	uint64_t maddr;
	uint64_t pad[2];
};
_Static_assert(sizeof(struct rt_context) % 16 == 0, "the stack stays aligned");
_Static_assert(offsetof(struct rt_context, rip) == CTX_RIP &&
		       offsetof(struct rt_context, last_rsp) == CTX_LAST_RSP,
	       "rt.h's offsets");

struct rt_tls {
	struct rt_tls *self;
	uint64_t stack_top, exc_top, ocall_sp, exit, out_rsp, out_rbp, fixup, busy;
	struct rt_call *call; /* of the innermost ECALL */
	struct rt_context last; /* the last exception that the processor reported */
	uint64_t phase1, phase2, outside_rsp, deferred, nested;
	uint64_t events[RT_EVENT_COUNT];
};
_Static_assert(offsetof(struct rt_tls, ocall_sp) == TLS_OCALL_SP &&
		       offsetof(struct rt_tls, busy) == TLS_BUSY,
	       "rt.h's offsets");

extern struct sgx_tcs rt_tcs[] HIDDEN;
extern uint8_t rt_tls[] HIDDEN, rt_emulated_ud2[] HIDDEN;
void rt_phase2_entry(void) HIDDEN;
uint64_t rt_leave(enum rt_ocall number, struct rt_oc *oc) HIDDEN;
uint64_t rt_count_loop(const volatile uint64_t *flag, uint64_t *bad) HIDDEN;
uint64_t rt_emulated(uint64_t n) HIDDEN;
uint64_t rt_deep(uint64_t low) HIDDEN;
uint64_t raise_ud2(uint64_t addr) HIDDEN;
uint64_t raise_de(uint64_t addr) HIDDEN;
uint64_t raise_bp(uint64_t addr) HIDDEN;
uint64_t raise_gp(uint64_t addr) HIDDEN;
uint64_t raise_hlt(uint64_t addr) HIDDEN;
uint64_t raise_read(uint64_t addr) HIDDEN;
uint64_t raise_write(uint64_t addr) HIDDEN;
uint64_t raise_jump(uint64_t addr) HIDDEN;
uint64_t raise_mf(uint64_t addr) HIDDEN;
uint64_t raise_xm(uint64_t addr) HIDDEN;
uint64_t raise_ac(uint64_t addr) HIDDEN;
uint64_t rt_phase1(uint64_t event, uint64_t cssa) HIDDEN;
void rt_phase2(struct rt_context *ctx) HIDDEN;
uint64_t rt_ecall(uint64_t number, struct rt_call *call, uint64_t cssa) HIDDEN;
void *memcpy(void *to, const void *from, size_t size) HIDDEN;
void *memset(void *to, int value, size_t size) HIDDEN;

void *memcpy(void *to, const void *from, size_t size)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size)::"memory");
	return to;
}

void *memset(void *to, int value, size_t size)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
	return to;
}

static struct rt_tls *tls(void)
{
	struct rt_tls *t;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(t));
	return t;
}

/* What an OCALL gives back.  Vector registers are lost in it, as with any call. */
static uint64_t ocall(enum rt_ocall number, uint64_t a, uint64_t b, uint32_t *regs)
{
	struct rt_tls *t = tls();
	/* the host's memory: behind its struct rt_call */
	struct rt_oc *oc = (struct rt_oc *)(t->call + 1);
	struct rt_call *call = t->call;
	uint64_t ret;

	oc->a = a;
	oc->b = b;
	oc->call = (uint64_t)call;
	ret = rt_leave(number, oc);
	t->call = call; /* an ECALL meanwhile had its own */
	if (regs)
		memcpy(regs, oc->regs, sizeof(oc->regs));
	return ret;
}

/* --- exceptions ----------------------------------------------------------------- */

static struct sgx_gprsgx *frame(const struct rt_tls *t, uint64_t index)
{
	uint64_t number = ((uint64_t)t - (uint64_t)rt_tls) / RT_PAGE;
	/* the TCS itself cannot be read; where the frames are is the build's */
	extern uint8_t rt_ssa[] HIDDEN;
	uint64_t size = RT_SSAFRAMESIZE * RT_PAGE;

	return (struct sgx_gprsgx *)(void *)(rt_ssa + (number * RT_NSSA + index + 1) * size) - 1;
}

/* On a stack of its own; may be interrupted, then with the next CSSA. */
uint64_t rt_phase1(uint64_t event, uint64_t cssa)
{
	struct rt_tls *t = tls();
	struct sgx_gprsgx *g = frame(t, cssa - 1);
	struct rt_context *ctx;
	uint32_t info = g->exitinfo;
	uint64_t room = t->stack_top - RT_STACK_SIZE, sp = g->rsp;

	t->phase1++;
	if (event >= RT_EVENT_COUNT)
		return RT_REFUSED;
	t->events[event]++;
	if (event == RT_EVENT_TRAP)
		__asm__ volatile("ud2");
	if (cssa > 1) {
		t->nested++;
		return RT_NESTED;
	}
	if (sp <= room || sp > t->stack_top) {
		/* on the way in or out: nothing to interrupt */
		t->outside_rsp++;
		return event == RT_EVENT_FAULT ? RT_OVERRUN : RT_HANDLED;
	}
	if (t->busy && event != RT_EVENT_FAULT) {
		/* however fast they come, the stack has room */
		t->deferred++;
		return RT_HANDLED;
	}
	if (sp - room < sizeof(*ctx) + 1024)
		return RT_OVERRUN;
	ctx = (struct rt_context *)((sp - 128 - sizeof(*ctx)) & ~15ull);
	memcpy(ctx->gpr, &g->rax, sizeof(ctx->gpr));
	ctx->rflags = g->rflags;
	ctx->rip = g->rip;
	ctx->event = event;
	ctx->exitinfo = info;
	ctx->maddr = ((struct sgx_exinfo *)g - 1)->maddr;
	ctx->errcd = ((struct sgx_exinfo *)g - 1)->errcd;
	t->busy = 1;
	g->exitinfo = 0; /* read: not to be taken for a later one's */
	g->rsp = (uint64_t)ctx;
	g->rip = (uint64_t)rt_phase2_entry;
	g->rflags &= ~(0x40000ull | 0x400 | 0x100);
	return RT_HANDLED;
}

/* OCALL in the midst of live vector registers */
static NOINLINE void emulate(struct rt_context *ctx)
{
	uint8_t area[1024] __attribute__((aligned(64)));

	memset(area + 512, 0, 64);
	__asm__ volatile("xsave64 %0" : "=m"(area) : "a"(RT_XFRM), "d"(0));
	ctx->gpr[1] = ocall(OC_ADD, ctx->gpr[1], 0, NULL);
	__asm__ volatile("xrstor64 %0" ::"m"(area), "a"(RT_XFRM), "d"(0));
	ctx->rip += 2;
}

static void cpuid_emulated(struct rt_context *ctx)
{
	uint32_t regs[4];

	ocall(OC_CPUID, (uint32_t)ctx->gpr[0], (uint32_t)ctx->gpr[1], regs);
	ctx->gpr[0] = regs[0];
	ctx->gpr[3] = regs[1];
	ctx->gpr[1] = regs[2];
	ctx->gpr[2] = regs[3];
	ctx->rip += 2;
}

void rt_phase2(struct rt_context *ctx)
{
	bool valid = ctx->exitinfo & SGX_EXITINFO_VALID_BIT;
	struct rt_tls *t = tls();

	t->phase2++;
	if (!valid && ctx->event != RT_EVENT_FAULT)
		return; /* asynchronous: counted, and on */
	t->last = *ctx;
	if (valid && SGX_EXITINFO_VECTOR(ctx->exitinfo) == SGX_VEC_UD) {
		if (ctx->rip == (uint64_t)rt_emulated_ud2) {
			emulate(ctx);
			return;
		}
		if (*(uint16_t *)ctx->rip == 0xa20f) {
			cpuid_emulated(ctx);
			return;
		}
	}
	if (!t->fixup) {
		ocall(OC_FATAL, SGX_EXITINFO_VECTOR(ctx->exitinfo), ctx->rip, NULL);
		return;
	}
	ctx->rip = t->fixup;
	t->fixup = 0;
}

/* --- ECALLs ---------------------------------------------------------------------- */

static uint64_t enclu(uint64_t leaf, const void *rbx, const void *rcx, void *rdx)
{
	uint64_t ret = leaf;

	__asm__ volatile(".byte 0x0f, 0x01, 0xd7"
			 : "+a"(ret)
			 : "b"(rbx), "c"(rcx), "d"(rdx)
			 : "memory", "cc");
	return ret;
}

static uint64_t fill_last(const struct rt_tls *t, struct rt_call *call)
{
	uint32_t info = t->last.exitinfo;

	call->valid = info >> 31;
	call->vector = info & 0xff;
	call->type = (info >> 8) & 7;
	call->errcd = t->last.errcd;
	call->maddr = t->last.maddr;
	return 0;
}

static uint64_t op_raise(struct rt_tls *t, struct rt_call *call)
{
	uint64_t b = call->b;

	memset(&t->last, 0xff, sizeof(t->last));
	switch (call->a) {
	case RAISE_UD2:
		call->r = raise_ud2(b);
		break;
	case RAISE_DE:
		call->r = raise_de(b);
		break;
	case RAISE_BP:
		call->r = raise_bp(b);
		break;
	case RAISE_GP:
		call->r = raise_gp(b);
		break;
	case RAISE_HLT:
		call->r = raise_hlt(b);
		break;
	case RAISE_READ:
		call->r = raise_read(b);
		break;
	case RAISE_WRITE:
		call->r = raise_write(b);
		break;
	case RAISE_JUMP:
		call->r = raise_jump(b);
		break;
	case RAISE_MF:
		call->r = raise_mf(b);
		break;
	case RAISE_XM:
		call->r = raise_xm(b);
		break;
	case RAISE_AC:
		call->r = raise_ac(b);
		break;
	default:
		call->r = rt_emulated(b);
		break;
	}
	return fill_last(t, call);
}

static NOINLINE uint64_t op_report(struct rt_call *call)
{
	uint8_t target[512] __attribute__((aligned(512)));
	uint8_t data[64] __attribute__((aligned(128)));
	struct sgx_report report __attribute__((aligned(512)));

	memcpy(target, (void *)call->buf, sizeof(target));
	memcpy(data, (void *)(call->buf + 512), sizeof(data));
	enclu(SGX_EREPORT, target, data, &report);
	memcpy((void *)(call->buf + 1024), &report, sizeof(report));
	return 0;
}

static NOINLINE uint64_t op_key(struct rt_call *call)
{
	uint8_t request[512] __attribute__((aligned(512)));
	uint8_t key[16] __attribute__((aligned(16)));

	memcpy(request, (void *)call->buf, sizeof(request));
	memset(key, 0xcc, sizeof(key));
	call->r = enclu(SGX_EGETKEY, request, key, NULL);
	memcpy((void *)(call->buf + 512), key, sizeof(key));
	return 0;
}

/* A bit of all: what threads under signals do.  The host knows the sum. */
static uint64_t op_work(struct rt_tls *t, struct rt_call *call)
{
	uint64_t sum = 0, n = call->a, i;

	for (i = 0; i < n; i++) {
		sum += ocall(OC_ADD, i, 0, NULL); /* i + 1 */
		sum += rt_emulated(i); /* i + 1 */
		sum += raise_ud2(0) + raise_de(0); /* 2 */
	}
	call->r = sum;
	return fill_last(t, call);
}

static uint64_t op_stats(const struct rt_tls *t, struct rt_call *call)
{
	call->phase1 = t->phase1;
	call->phase2 = t->phase2;
	call->outside_rsp = t->outside_rsp;
	call->deferred = t->deferred;
	call->nested = t->nested;
	memcpy(call->events, t->events, sizeof(call->events));
	return 0;
}

static uint64_t op_other_stack(struct rt_tls *t, struct rt_call *call)
{
	uint64_t rsp = t->out_rsp, rbp = t->out_rbp;

	t->out_rsp = call->a;
	t->out_rbp = 0x5eed;
	call->r = ocall(OC_STACK, 0, 0, NULL);
	t->out_rsp = rsp;
	t->out_rbp = rbp;
	return 0;
}

static uint64_t op_nop(const struct rt_tls *t, struct rt_call *call, uint64_t cssa)
{
	uint64_t fs;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(fs));
	call->bad = fs != (uint64_t)t || t->self != t;
	call->r = cssa;
	return 0;
}

static void op_cpuid(struct rt_call *call)
{
	uint32_t r[4];

	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"((uint32_t)call->a), "2"((uint32_t)call->b));
	memcpy((void *)call->buf, r, sizeof(r));
}

static uint64_t dispatch(struct rt_tls *t, uint64_t number, struct rt_call *call, uint64_t cssa)
{
	uint64_t i;

	switch (number) {
	case RT_NOP:
		return op_nop(t, call, cssa);
	case RT_ADD:
		call->r = call->a + call->b;
		return 0;
	case RT_OCALLS:
		for (i = 0, call->r = 0; i < call->a; i++)
			call->r += ocall(OC_ADD, i, 0, NULL);
		return 0;
	case RT_NEST:
		call->r = call->a ? 1 + ocall(OC_NEST, call->a - 1, 0, NULL) : 0;
		return 0;
	case RT_COUNT:
		if (call->ready)
			*(volatile uint64_t *)call->ready = 1;
		call->r = rt_count_loop((uint64_t *)call->flag, &call->bad);
		return 0;
	case RT_RAISE:
		return op_raise(t, call);
	case RT_WORK:
		return op_work(t, call);
	case RT_OTHER_STACK:
		return op_other_stack(t, call);
	case RT_REPORT:
		return op_report(call);
	case RT_KEY:
		return op_key(call);
	case RT_THREAD:
		__atomic_fetch_add((uint64_t *)call->a, call->b, __ATOMIC_SEQ_CST);
		return ocall(OC_EXIT, 0, 0, NULL);
	case RT_RESET:
		t->ocall_sp = 0;
		return 0;
	case RT_STATS:
		return op_stats(t, call);
	case RT_SLEEP:
		call->r = ocall(OC_SLEEP, call->a, call->b, NULL);
		return 0;
	case RT_TOUCH:
		for (i = 0; i < call->b; i += RT_PAGE)
			*(volatile uint64_t *)(call->a + i) += i + 1;
		call->r = i / RT_PAGE;
		return 0;
	case RT_DEEP:
		call->r = rt_deep((t->stack_top - RT_STACK_SIZE + 512) & ~15ull);
		return 0;
	case RT_CPUID:
		op_cpuid(call);
		return 0;
	default:
		return 99;
	}
}

uint64_t rt_ecall(uint64_t number, struct rt_call *call, uint64_t cssa)
{
	struct rt_tls *t = tls();
	struct rt_call *outer = t->call;
	uint64_t ret;

	t->call = call;
	ret = dispatch(t, number, call, cssa);
	t->call = outer;
	return ret;
}
