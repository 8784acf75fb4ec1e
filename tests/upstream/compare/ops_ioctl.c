/* SPDX-License-Identifier: BSD-3-Clause */
/* Ioctls: legal ones, and each kind of wrong argument. */
#include "compare.h"

#include <asm/sgx.h>

#define USER_BYTES (KFX_USER_PAGES * 4096)

static long a_ioctl(struct cmp_encl *x, unsigned int cmd, uint64_t arg)
{
	long ret;

	a_runs = true;
	ret = sgx_ioctl(&w.k->call, x->e.encl, cmd, arg);
	a_runs = false;
	return ret;
}

/* One that ran out of memory has changed nothing: made again it is like the first time. */
static long with_failures(struct cmp_encl *x, unsigned int cmd, uint64_t arg, bool ours,
			  const uint8_t *before)
{
	long ret;

	if (!w.mode->nomem)
		return ours ? a_ioctl(x, cmd, arg) : up_ioctl(x->file, cmd, arg);
	if (ours)
		a_alloc_after = (int)draw_below(8);
	else
		up_knobs.alloc_after = (int)draw_below(8);
	ret = ours ? a_ioctl(x, cmd, arg) : up_ioctl(x->file, cmd, arg);
	if (!ours && up_knobs.alloc_after < 0)
		w.sh->failed_allocs[1]++;
	a_alloc_after = up_knobs.alloc_after = -1;
	if (ret != -ENOMEM)
		return ret;
	memcpy(w.k->call.user, before, USER_BYTES);
	return ours ? a_ioctl(x, cmd, arg) : up_ioctl(x->file, cmd, arg);
}

/* An ioctl to both, from the same user memory.  Return: what both say. */
static long both(const char *what, struct cmp_encl *x, unsigned int cmd, uint64_t arg,
		 int signal_after)
{
	static uint8_t before[USER_BYTES], after[USER_BYTES];
	long a, b;

	memcpy(before, w.k->call.user, USER_BYTES);
	w.k->call.signal_after = signal_after;
	a = with_failures(x, cmd, arg, true, before);
	w.k->call.signal_after = -1;
	memcpy(after, w.k->call.user, USER_BYTES);
	memcpy(w.k->call.user, before, USER_BYTES);
	w.b_signal_after = signal_after;
	b = with_failures(x, cmd, arg, false, before);
	w.b_signal_after = -1;
	if (w.mode->paging && b == -ENOMEM && a != b)
		known_ends(KNOWN_FULL);
	same_answer(what, a, b);
	if (memcmp(after, w.k->call.user, USER_BYTES))
		differ("what %s writes back", what);
	return a;
}

static bool nowhere(uint64_t addr)
{
	return addr / 4096 == KFX_NOWHERE / 4096;
}

static void some_secs(const struct cmp_encl *x, struct sgx_secs *secs)
{
	const struct cmp_mode *m = w.mode;
	unsigned int order = m->big	 ? 9 + draw_below(2)
			     : m->paging ? 5 + draw_below(3)
					 : draw_below(8);

	kfx_secs(secs, x->base, 8192ull << order);
	if (draw_one_in(8))
		secs->base += 4096;
	if (draw_one_in(4))
		secs->attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	if (draw_one_in(16))
		secs->attributes.flags |= 1ull << draw_below(64);
	if (draw_one_in(4))
		secs->attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
	if (draw_one_in(16))
		secs->attributes.xfrm ^= 1ull << draw_below(10);
	if (draw_one_in(16))
		secs->miscselect ^= 1u << draw_below(32);
	if (draw_one_in(16))
		secs->ssaframesize = draw_below(4);
	if (draw_one_in(16))
		secs->size += 4096;
	/* The fixture has an array of an enclave's pages where it pages. */
	if (draw_one_in(16))
		secs->size = w.k->granted && !draw_one_in(4) ? draw_below(4096)
			     : w.k->granted		     ? 1ull << 63
							     : 1ull << draw_below(64);
	if (draw_one_in(32))
		((uint8_t *)secs)[draw_below(4096)] ^= 1;
}

void op_create(struct cmp_encl *x)
{
	struct sgx_enclave_create arg = {.src = KFX_SECS};
	uint64_t at = KFX_ARG;
	struct sgx_secs secs;

	some_secs(x, &secs);
	if (draw_one_in(32))
		arg.src = KFX_NOWHERE;
	if (draw_one_in(32))
		arg.src += 8 * draw_below(512); /* it need not be aligned */
	if (draw_one_in(32))
		at = KFX_NOWHERE;
	if (w.k->granted && secs.size > 1 << 20 && secs.size != 1ull << 63)
		return;
	if (!nowhere(arg.src))
		kfx_put(&w.k->call, arg.src, &secs, sizeof(secs));
	kfx_put(&w.k->call, KFX_ARG, &arg, sizeof(arg));
	if (both("CREATE", x, SGX_IOC_ENCLAVE_CREATE, at, -1))
		return;
	x->created = true;
	x->e.secs = secs;
	cpu_measure_ecreate(&x->e.measure, secs.ssaframesize, secs.size);
}

static uint64_t some_secinfo(void)
{
	static const uint64_t flags[] = {
		/* legal */
		KFX_TCS,
		KFX_REG,
		KFX_REG | KFX_R,
		KFX_REG | KFX_R | KFX_W,
		KFX_REG | KFX_R | KFX_W,
		KFX_REG | KFX_R | KFX_X,
		KFX_REG | KFX_R | KFX_W | KFX_X,
		KFX_REG | KFX_X,
		/* not */
		KFX_REG | KFX_W,
		KFX_TCS | KFX_R,
		SGX_PT_SECS,
		SGX_PT_VA << SGX_SECINFO_PT_SHIFT,
		KFX_REG | KFX_R | 1 << 3,
		KFX_REG | KFX_R | 1ull << 40,
		SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT,
		KFX_REG | KFX_W | KFX_X,
	};

	if (draw_one_in(64))
		return draw() & 0xffff;
	return flags[draw_below(draw_one_in(8) ? 16 : 8)];
}

/* One thing that is wrong with an ADD_PAGES; *at: where its argument is */
static void spoil_add(struct sgx_enclave_add_pages *arg, struct sgx_secinfo_arch *secinfo,
		      uint64_t *at)
{
	uint8_t *lacks = w.k->call.lacks;

	/* clang-format off */
	switch (draw_below(44)) {
	case 0: arg->src++; break;
	case 1: arg->offset += 8; break;
	case 2: arg->length -= draw_one_in(2) ? 4096 : 1; break;
	case 3: arg->offset = -4096ull; break;
	case 4: arg->length = -4096ull; break;
	case 5: arg->offset = 1ull << (12 + draw_below(52)); break;
	case 6: arg->secinfo = KFX_NOWHERE; break;
	case 7: arg->secinfo += 8 * draw_below(500); break;
	case 8: secinfo->rsvd[draw_below(56)] = 1; break;
	case 9: *at = KFX_NOWHERE; break;
	case 10: lacks[0] = KFX_NO_WRITE; break;
	case 11: lacks[2] = KFX_NO_READ; break;
	case 12: /* the argument ends with its page, or a byte later */
		*at = KFX_ARG + 4096 - sizeof(*arg) + draw_below(3) - 1;
		lacks[1] = KFX_NO_READ;
		break;
	case 13: /* SECINFO likewise */
		arg->secinfo = KFX_SECINFO + 4096 - sizeof(*secinfo) + draw_below(3) - 1;
		lacks[3] = KFX_NO_READ;
		break;
	case 14: arg->src = KFX_USER_BASE - 4096; break; /* below a mapping */
	case 15: arg->src = KFX_USER_BASE + USER_BYTES; break; /* above all user memory */
	case 16: arg->src = -4096ull; break;
	}
	/* clang-format on */
}

void op_add(struct cmp_encl *x)
{
	const struct cmp_mode *m = w.mode;
	unsigned int pages = x->created ? (unsigned int)(x->e.secs.size / 4096) : 4;
	struct sgx_enclave_add_pages arg = {
		.src = KFX_SOURCE + draw_below(CMP_SOURCES) * 4096ull,
		.offset = draw_below(draw_one_in(2) ? 12 : pages + 1) * 4096ull,
		.length = (1 + draw_below(m->big			? 40
					  : draw_one_in(4) || m->paging ? 9
									: 2)) *
			  4096ull,
		.secinfo = KFX_SECINFO,
		.flags = draw_one_in(4)	  ? SGX_PAGE_MEASURE
			 : draw_one_in(8) ? draw()
					  : 0,
		.count = 0x1234,
	};
	struct sgx_secinfo_arch secinfo = {.flags = some_secinfo()};
	int signal_after = draw_one_in(12) ? (int)draw_below(4) : -1;
	uint64_t at = KFX_ARG;
	long ret;

	if (m->big && !draw_one_in(4))
		arg.offset = x->next * 4096;
	/* After a failure midway the call is made again, which is EBUSY by then. */
	if (m->nomem)
		arg.length = 4096;
	/*
	 * A signal that comes while an allocation waits is difference 2; and a call that
	 * is made again would find that the signal came the first time.
	 */
	if (m->paging || m->nomem)
		signal_after = -1;
	spoil_add(&arg, &secinfo, &at);
	/* A count that cannot be written back hides that memory was short. */
	if (m->nomem)
		w.k->call.lacks[0] = 0;
	kfx_put(&w.k->call, nowhere(arg.secinfo) ? KFX_SECINFO : arg.secinfo, &secinfo,
		sizeof(secinfo));
	kfx_put(&w.k->call, nowhere(at) ? KFX_ARG : at, &arg, sizeof(arg));
	ret = both("ADD_PAGES", x, SGX_IOC_ENCLAVE_ADD_PAGES, at, signal_after);
	memset(w.k->call.lacks, 0, 4);
	memcpy(&arg, kfx_user(&w.k->call, nowhere(at) ? KFX_ARG : at, sizeof(arg)), sizeof(arg));
	if (arg.count == 0x1234) {
		/* Nobody says how many were added: this one is never initialised. */
		if (ret == -EFAULT)
			memset(&x->e.measure, 0, sizeof(x->e.measure));
		return;
	}
	if (arg.offset == x->next * 4096)
		x->next += arg.count / 4096;
	for (uint64_t p = 0; p < arg.count; p += 4096)
		kfx_measure(&x->e, arg.offset + p, secinfo.flags, arg.flags & SGX_PAGE_MEASURE,
			    kfx_user(&w.k->call, arg.src + p, 4096));
}

void op_init(struct cmp_encl *x)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_SIGSTRUCT};
	struct sgx_sigstruct_arch sig;
	struct sgx_encl_info info;
	uint64_t at = KFX_ARG;

	sgx_encl_info(x->e.encl, &info);
	kfx_sigstruct(&x->e, &sig);
	/* clang-format off */
	switch (draw_below(14)) {
	case 0: sig.attributes.flags |= 1ull << draw_below(64); break;
	case 1: sig.miscselect = 1u << draw_below(32); break;
	case 2: sig.attributes.xfrm = 1ull << draw_below(64); break;
	case 3: sig.attributemask.flags = draw(); break;
	case 4: sig.enclavehash[3]++; break;
	}
	/* clang-format on */
	/* A signature takes a millisecond: not for those that are refused before. */
	if ((!info.created || info.initialized) && !draw_one_in(16))
		sig.exponent = 3;
	else if (draw_one_in(8))
		kfx_sign_other(&sig);
	else if (!draw_one_in(6))
		kfx_sign(&sig);
	/* after the signature, or without one */
	if (draw_one_in(12))
		sig.vendor = draw_one_in(2) ? 0x8086 : (uint32_t)draw();
	if (draw_one_in(24))
		((uint8_t *)&sig)[draw_below(sizeof(sig))] ^= (uint8_t)(1u << draw_below(8));
	if (draw_one_in(16))
		arg.sigstruct = KFX_NOWHERE;
	if (draw_one_in(24))
		at = KFX_NOWHERE;
	if (draw_one_in(8) && !nowhere(arg.sigstruct)) {
		arg.sigstruct += 4096 - sizeof(sig) + draw_below(3) - 1;
		w.k->call.lacks[4] = KFX_NO_READ;
	}
	if (!nowhere(arg.sigstruct))
		kfx_put(&w.k->call, arg.sigstruct, &sig, sizeof(sig));
	kfx_put(&w.k->call, KFX_ARG, &arg, sizeof(arg));
	both("INIT", x, SGX_IOC_ENCLAVE_INIT, at, -1);
	w.k->call.lacks[4] = 0;
}

void op_provision(struct cmp_encl *x)
{
	static const uint64_t fds[] = {
		KFX_PROVISION_FD, 78, 76, -1, KFX_PROVISION_FD | 1ull << 32, 0};
	struct sgx_enclave_provision arg = {.fd = fds[draw_below(6)]};

	kfx_put(&w.k->call, KFX_ARG, &arg, sizeof(arg));
	/* Upstream opens the file of a descriptor here, which is an allocation of the shims'. */
	both("PROVISION", x, SGX_IOC_ENCLAVE_PROVISION, draw_one_in(16) ? KFX_NOWHERE : KFX_ARG,
	     -1);
}

void op_other(struct cmp_encl *x)
{
	static const struct {
		const char *name;
		unsigned int cmd;
	} cmds[] = {
		{"RESTRICT_PERMISSIONS", SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS},
		{"MODIFY_TYPES", SGX_IOC_ENCLAVE_MODIFY_TYPES},
		{"REMOVE_PAGES", SGX_IOC_ENCLAVE_REMOVE_PAGES},
		{"unknown ioctl", SGX_IOC_VEPC_REMOVE_ALL},
		{"unknown ioctl", 0xa4ff},
		{"unknown ioctl", 0},
		{"unknown ioctl", SGX_IOC_ENCLAVE_CREATE ^ 1u << 30},
		{"unknown ioctl", SGX_IOC_ENCLAVE_CREATE + (8 << 16)},
	};
	unsigned int n = draw_below(8);

	both(cmds[n].name, x, cmds[n].cmd, draw_one_in(2) ? KFX_ARG : draw(), -1);
}
