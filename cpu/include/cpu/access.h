/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the EPCM says of one access to a page of an enclave.
 *
 * The SDM has this rule many times over: in the page walk, and in each leaf that
 * reads or writes enclave memory.  It stands here once; those differ in what they
 * ask for:
 *
 *				type	permissions	PENDING	MODIFIED
 *	load, store, fetch	PT_REG	R, W or X	0	0
 *	operand of ENCLU	PT_REG	R or W		0	0
 *	TCS of EENTER, ERESUME	PT_TCS	none		0	0
 *	target of EMODPE	PT_REG	none		0	0
 *	target of EACCEPTCOPY	PT_REG	R and W		1	0
 *
 * PR is no part of it: a page whose permissions are being restricted is used with
 * those that it still has.
 */
#ifndef CPU_ACCESS_H
#define CPU_ACCESS_H

#include <cpu/package.h>

/**
 * struct epcm_access - what an access asks of the EPCM entry of its page
 * @secs:    slot of the enclave's SECS
 * @address: linear, page-aligned
 * @pt:      the one type that it may be
 * @rwx:     SGX_SECINFO_RWX_BITS, each of which the page must have
 * @pending, @modified: the state that the page must be in
 */
struct epcm_access {
	epc_slot_t secs;
	uint64_t address;
	enum sgx_pt pt;
	unsigned int rwx;
	bool pending, modified;
};

/* Why the EPCM refuses, in the order in which cpu_epcm_access() looks. */
enum epcm_refusal {
	EPCM_PERMITS = 0,
	EPCM_INVALID, /* no page is there */
	EPCM_TYPE,
	EPCM_BLOCKED,
	EPCM_PENDING, /* PENDING is not as asked for */
	EPCM_MODIFIED, /* MODIFIED is not */
	EPCM_OTHER_SECS,
	EPCM_OTHER_ADDRESS,
	EPCM_RWX, /* a permission is missing */
};

/**
 * cpu_epcm_access() - would the EPCM let this access through
 * @entry: of the page that the page tables have at the address
 *
 * VALID, BLOCKED, type, permissions and states are read at once, so that no leaf that
 * runs beside this shows half of its change.
 *
 * Context: none is needed.  What is answered may be over in the next moment, unless
 * the entry is held.
 * Return: EPCM_PERMITS, or the first reason why not.
 */
enum epcm_refusal cpu_epcm_access(const struct epcm_entry *entry,
				  const struct epcm_access *access) CPU_MUST_CHECK;

#endif
