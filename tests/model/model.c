/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define ATTR_EINITTOKEN 0x20ull
#define ATTR_KSS	0x80ull
#define ATTR_DEBUG	0x2ull

static struct cpu_result pf(uint64_t addr, uint32_t error)
{
	return (struct cpu_result){.kind = CPU_FAULT, .vector = 14, .code = error, .addr = addr};
}

static struct cpu_result gp(void)
{
	return (struct cpu_result){.kind = CPU_FAULT, .vector = 13};
}

static struct cpu_result code(uint32_t sgx_code)
{
	return (struct cpu_result){.kind = CPU_CODE, .code = sgx_code};
}

static const struct cpu_result done = {.kind = CPU_DONE};
static const struct cpu_result host = {.kind = CPU_HOST};

uint64_t model_epc_addr(epc_slot_t slot)
{
	if (slot < EPC_PAGES_A)
		return EPC_BASE_A + 4096ull * slot;
	return EPC_BASE_B + 4096ull * (slot - EPC_PAGES_A);
}

epc_slot_t model_epc_slot(uint64_t addr)
{
	for (epc_slot_t slot = 0; slot < PAGES; slot++)
		if (addr / 4096 * 4096 == model_epc_addr(slot))
			return slot;
	return EPC_SLOT_NONE;
}

epc_slot_t model_lookup(const struct model *m, epc_slot_t secs, uint64_t addr)
{
	for (epc_slot_t slot = 0; slot < PAGES; slot++)
		if (m->page[slot].valid && m->page[slot].pt != SGX_PT_SECS &&
		    m->page[slot].secs == secs && m->page[slot].addr == addr)
			return slot;
	return EPC_SLOT_NONE;
}

static bool bad_address(uint64_t addr, uint64_t align)
{
	return addr % align || (addr >> 47 != 0 && addr >> 47 != 0x1ffff);
}

static bool no_memory(const struct step *s, uint64_t addr)
{
	return addr < MEM_BASE || addr >= MEM_BASE + MEM_PAGES * 4096 ||
	       (s->unmapped && addr / 4096 == s->unmapped / 4096);
}

static bool is_secs(const struct model *m, epc_slot_t slot)
{
	return m->page[slot].valid && m->page[slot].pt == SGX_PT_SECS;
}

static bool is_child(const struct model *m, epc_slot_t slot)
{
	return m->page[slot].valid && m->page[slot].pt != SGX_PT_SECS;
}

static struct cpu_result expect_ecreate(const struct model *m, const struct step *s)
{
	epc_slot_t to = model_epc_slot(s->regs.rcx);

	if (bad_address(s->regs.rbx, 32) || bad_address(s->regs.rcx, 4096))
		return gp();
	if (to == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	if (no_memory(s, s->regs.rbx))
		return pf(s->regs.rbx, 0);
	if (bad_address(s->pageinfo.srcpge, 4096) || bad_address(s->pageinfo.secinfo, 64) ||
	    s->pageinfo.linaddr || s->pageinfo.secs)
		return gp();
	if (no_memory(s, s->pageinfo.secinfo))
		return pf(s->pageinfo.secinfo, 0);
	if (s->bad_secinfo || (s->secinfo_flags >> 8) != SGX_PT_SECS || m->page[to].lock)
		return gp();
	if (m->page[to].valid)
		return pf(s->regs.rcx, 0x8001);
	if (no_memory(s, s->pageinfo.srcpge))
		return pf(s->pageinfo.srcpge, 0);
	if (s->bad_secs)
		return gp();
	return s->fill_fails ? host : done;
}

static struct cpu_result expect_eadd(const struct model *m, const struct step *s)
{
	epc_slot_t to = model_epc_slot(s->regs.rcx), secs;
	const struct model_enclave *e;
	unsigned int pt = (unsigned int)(s->secinfo_flags >> 8);

	if (bad_address(s->regs.rbx, 32) || bad_address(s->regs.rcx, 4096))
		return gp();
	if (to == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	if (no_memory(s, s->regs.rbx))
		return pf(s->regs.rbx, 0);
	if (bad_address(s->pageinfo.srcpge, 4096) || bad_address(s->pageinfo.secinfo, 64) ||
	    bad_address(s->pageinfo.secs, 4096) || bad_address(s->pageinfo.linaddr, 4096))
		return gp();
	secs = model_epc_slot(s->pageinfo.secs);
	if (secs == EPC_SLOT_NONE)
		return pf(s->pageinfo.secs, 0x8001);
	if (no_memory(s, s->pageinfo.secinfo))
		return pf(s->pageinfo.secinfo, 0);
	if (s->bad_secinfo || (pt != SGX_PT_REG && pt != SGX_PT_TCS) || m->page[to].lock)
		return gp();
	if (m->page[to].valid)
		return pf(s->regs.rcx, 0x8001);
	if (secs == to || m->page[secs].lock < 0)
		return gp();
	if (!is_secs(m, secs))
		return pf(s->pageinfo.secs, 0x8001);
	if (no_memory(s, s->pageinfo.srcpge))
		return pf(s->pageinfo.srcpge, 0);
	e = &m->enclave[secs];
	if (pt == SGX_PT_TCS ? s->bad_tcs : (s->secinfo_flags & 3) == 2)
		return gp();
	if (s->pageinfo.linaddr < e->base || s->pageinfo.linaddr >= e->base + e->size || e->init)
		return gp();
	return s->fill_fails ? host : done;
}

static struct cpu_result expect_eextend(const struct model *m, const struct step *s)
{
	epc_slot_t secs = model_epc_slot(s->regs.rbx), slot = model_epc_slot(s->regs.rcx);

	if (bad_address(s->regs.rbx, 4096))
		return gp();
	if (secs == EPC_SLOT_NONE)
		return pf(s->regs.rbx, 0x8001);
	if (bad_address(s->regs.rcx, 256))
		return gp();
	if (slot == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	if (m->page[slot].lock < 0)
		return gp();
	if (!is_child(m, slot))
		return pf(s->regs.rcx, 0x8001);
	if (m->page[slot].secs != secs || m->enclave[secs].init)
		return gp();
	return done;
}

static struct cpu_result expect_einit(const struct model *m, const struct step *s)
{
	const struct sgx_sigstruct_arch *sig = s->sig;
	epc_slot_t secs = model_epc_slot(s->regs.rcx);
	const struct model_enclave *e;
	uint8_t hash[32], any = 0;

	if (bad_address(s->regs.rbx, 4096) || bad_address(s->regs.rcx, 4096) ||
	    bad_address(s->regs.rdx, 512))
		return gp();
	if (secs == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	if (no_memory(s, s->regs.rbx))
		return pf(s->regs.rbx, 0);
	if (no_memory(s, s->regs.rdx))
		return pf(s->regs.rdx, 0);
	if (s->sig_kind != SIG_GOOD)
		return code(s->sig_kind == SIG_BAD_STRUCT ? 1 : 8);
	if (m->page[secs].lock < 0)
		return gp();
	if (!is_secs(m, secs))
		return pf(s->regs.rcx, 0x8001);
	e = &m->enclave[secs];
	for (int i = 0; i < 16; i++)
		any |= sig->isvfamilyid[i];
	if (any && !(e->flags & ATTR_KSS))
		return code(1);
	if (e->init)
		return gp();
	model_mrenclave(e, hash);
	if (memcmp(hash, sig->enclavehash, 32))
		return code(4);
	if ((e->flags & ATTR_EINITTOKEN) && !m->authorised)
		return code(2);
	if ((e->flags & sig->attributemask.flags) !=
		    (sig->attributes.flags & sig->attributemask.flags) ||
	    (e->xfrm & sig->attributemask.xfrm) !=
		    (sig->attributes.xfrm & sig->attributemask.xfrm) ||
	    (e->misc & sig->miscmask) != (sig->miscselect & sig->miscmask))
		return code(2);
	if (!s->token_valid)
		return m->authorised ? done : code(16);
	/* The generator cannot make a right MAC. */
	return code(s->token_beyond ? 32 : 16);
}

static struct cpu_result expect_eremove(const struct model *m, const struct step *s)
{
	epc_slot_t slot = model_epc_slot(s->regs.rcx);

	if (bad_address(s->regs.rcx, 4096))
		return gp();
	if (slot == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	if (m->page[slot].lock)
		return gp();
	if (is_secs(m, slot) && m->enclave[slot].children)
		return code(13);
	if (is_child(m, slot) && m->enclave[m->page[slot].secs].busy)
		return code(14);
	return done;
}

static struct cpu_result expect_edbg(const struct model *m, const struct step *s)
{
	epc_slot_t slot = model_epc_slot(s->regs.rcx);
	const struct model_page *page;

	if (bad_address(s->regs.rcx, 8))
		return gp();
	if (slot == EPC_SLOT_NONE)
		return pf(s->regs.rcx, 0x8001);
	page = &m->page[slot];
	if (page->lock < 0)
		return gp();
	if (!is_child(m, slot))
		return pf(s->regs.rcx, 0x8001);
	if (page->pt == SGX_PT_TCS &&
	    (s->leaf == SGX_EDBGRD ? s->regs.rcx % 4096 >= 72 : s->regs.rcx % 4096 != 8))
		return gp();
	return m->enclave[page->secs].flags & ATTR_DEBUG ? done : gp();
}

/* Of one operand of ENCLU. */
static struct cpu_result expect_operand(const struct model *m, const struct step *s, uint64_t addr,
					uint64_t align, bool write)
{
	const struct model_enclave *e = &m->enclave[s->encl];
	uint64_t linear = addr / 4096 * 4096;
	uint32_t error = write ? 6 : 4;
	const struct model_page *page;
	epc_slot_t slot;

	if (bad_address(addr, align) || addr < e->base || addr >= e->base + e->size)
		return gp();
	slot = s->stale != EPC_SLOT_NONE ? s->stale : model_lookup(m, s->encl, linear);
	if (slot == EPC_SLOT_NONE)
		return pf(addr, error);
	page = &m->page[slot];
	if (page->lock < 0 || !page->valid || page->pt != SGX_PT_REG || page->secs != s->encl ||
	    page->addr != linear || !(page->rwx & (write ? 2 : 1)))
		return pf(addr, error | 0x8001);
	return done;
}

/* The request asks for version 0 of all, which everybody has: what is left is the name. */
static struct cpu_result expect_key(const struct model_enclave *e, unsigned int keyname)
{
	static const uint64_t entitled[] = {1u << 5, 1u << 4, 1u << 4, 0, 0};

	if (keyname >= sizeof(entitled) / sizeof(entitled[0]))
		return code(256);
	return (e->flags & entitled[keyname]) == entitled[keyname] ? done : code(2);
}

static struct cpu_result expect_enclu(const struct model *m, const struct step *s)
{
	struct cpu_result r;

	if (!is_secs(m, s->encl) || !m->enclave[s->encl].init)
		return gp();
	r = expect_operand(m, s, s->regs.rbx, 512, false);
	if (r.kind != CPU_DONE)
		return r;
	if (s->leaf == SGX_EREPORT) {
		r = expect_operand(m, s, s->regs.rcx, 128, false);
		if (r.kind != CPU_DONE)
			return r;
		return expect_operand(m, s, s->regs.rdx, 512, true);
	}
	r = expect_operand(m, s, s->regs.rcx, 16, true);
	if (r.kind != CPU_DONE)
		return r;
	if (s->bad_request)
		return gp();
	return expect_key(&m->enclave[s->encl], s->keyname);
}

/**
 * model_expect() - what the leaf must answer; nothing changes
 */
struct cpu_result model_expect(const struct model *m, const struct step *s)
{
	if (s->enclu)
		return expect_enclu(m, s);
	switch (s->leaf) {
	case SGX_ECREATE:
		return expect_ecreate(m, s);
	case SGX_EADD:
		return expect_eadd(m, s);
	case SGX_EEXTEND:
		return expect_eextend(m, s);
	case SGX_EINIT:
		return expect_einit(m, s);
	case SGX_EREMOVE:
		return expect_eremove(m, s);
	case SGX_EDBGRD:
	case SGX_EDBGWR:
		return expect_edbg(m, s);
	default:
		return gp();
	}
}

static void hash_words(struct model_enclave *e, const char tag[8], uint64_t a, uint64_t b)
{
	uint8_t block[64] = {0};

	memcpy(block, tag, 8);
	memcpy(block + 8, &a, 8);
	memcpy(block + 16, &b, 8);
	if (EVP_DigestUpdate(e->hash, block, sizeof(block)) != 1)
		abort();
}

void model_mrenclave(const struct model_enclave *e, uint8_t hash[32])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	if (!copy || EVP_MD_CTX_copy_ex(copy, e->hash) != 1 ||
	    EVP_DigestFinal_ex(copy, hash, NULL) != 1)
		abort();
	EVP_MD_CTX_free(copy);
}

static void apply_ecreate(struct model *m, const struct step *s, epc_slot_t slot)
{
	struct model_enclave *e = &m->enclave[slot];

	m->page[slot].valid = true;
	m->page[slot].pt = SGX_PT_SECS;
	m->page[slot].secs = EPC_SLOT_NONE;
	m->page[slot].addr = 0;
	m->page[slot].rwx = 0;
	e->base = s->secs.base;
	e->size = s->secs.size;
	e->flags = s->secs.attributes.flags;
	e->xfrm = s->secs.attributes.xfrm;
	e->misc = s->secs.miscselect;
	e->init = e->busy = false;
	e->children = 0;
	if (!e->hash)
		e->hash = EVP_MD_CTX_new();
	if (!e->hash || EVP_DigestInit_ex(e->hash, EVP_sha256(), NULL) != 1)
		abort();
	/* SSAFRAMESIZE is 4 bytes, SIZE follows it unaligned. */
	hash_words(e, "ECREATE", s->secs.ssaframesize | e->size << 32, e->size >> 32);
}

static void apply_eadd(struct model *m, const struct step *s, epc_slot_t slot)
{
	epc_slot_t secs = model_epc_slot(s->pageinfo.secs);
	uint64_t flags = s->secinfo_flags;
	struct model_page *page = &m->page[slot];

	memcpy(page->bytes, s->source, 4096);
	if (flags >> 8 == SGX_PT_TCS) {
		flags &= ~7ull;
		memset(page->bytes, 0, 8); /* STATE */
		page->bytes[8] &= 0xfe; /* DBGOPTIN */
		memset(page->bytes + 24, 0, 4); /* CSSA */
		memset(page->bytes + 40, 0, 8); /* AEP */
	}
	page->valid = true;
	page->pt = (uint8_t)(flags >> 8);
	page->secs = secs;
	page->addr = s->pageinfo.linaddr;
	page->rwx = flags & 7;
	m->enclave[secs].children++;
	hash_words(&m->enclave[secs], "EADD\0\0\0", page->addr - m->enclave[secs].base, flags);
}

/**
 * model_apply() - the leaf completed
 */
void model_apply(struct model *m, const struct step *s)
{
	epc_slot_t slot = s->enclu ? EPC_SLOT_NONE : model_epc_slot(s->regs.rcx);
	unsigned int offset = s->regs.rcx % 4096;
	struct model_enclave *e;

	if (s->enclu)
		return;
	switch (s->leaf) {
	case SGX_ECREATE:
		apply_ecreate(m, s, slot);
		break;
	case SGX_EADD:
		apply_eadd(m, s, slot);
		break;
	case SGX_EEXTEND:
		e = &m->enclave[m->page[slot].secs];
		hash_words(e, "EEXTEND", m->page[slot].addr + offset - e->base, 0);
		if (EVP_DigestUpdate(e->hash, m->page[slot].bytes + offset, 256) != 1)
			abort();
		break;
	case SGX_EINIT:
		model_mrenclave(&m->enclave[slot], m->enclave[slot].mrenclave);
		m->enclave[slot].init = true;
		break;
	case SGX_EREMOVE:
		if (is_child(m, slot))
			m->enclave[m->page[slot].secs].children--;
		m->page[slot].valid = false;
		break;
	case SGX_EDBGWR:
		memcpy(m->page[slot].bytes + offset, &s->regs.rbx, 8);
		break;
	default:
		break;
	}
}
