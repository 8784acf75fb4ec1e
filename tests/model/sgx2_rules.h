/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second opinion on the leaves where SGX2 matters: what each answers about a page in
 * any state, and what becomes of the page.  It is written as lists of what may be wrong,
 * in the order of the SDM, and shares no code with cpu/.
 */
#ifndef TESTS_MODEL_SGX2_RULES_H
#define TESTS_MODEL_SGX2_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum rule_leaf {
	RULE_EMODPR,
	RULE_EMODT,
	RULE_EACCEPT,
	RULE_EMODPE,
	RULE_EACCEPTCOPY,
	RULE_EBLOCK,
	RULE_EREMOVE,
	RULE_EDBGRD,
	RULE_EDBGWR,
	RULE_EEXTEND,
	RULE_EWB,
	RULE_READ, /* an operand of EREPORT that is read; and one that is written */
	RULE_WRITE,
	RULE_FETCH, /* of an instruction, by the page walk */
	RULE_TCS, /* of EENTER */
	RULE_LEAVES,
};

/* Whose the page is: the enclave that runs (DEBUG), one without DEBUG, one before EINIT (DEBUG). */
enum rule_owner { OWNER_SELF, OWNER_OTHER, OWNER_BUILDING, OWNERS };

/* What another processor does with the page in this moment. */
enum rule_lock {
	LOCK_FREE,
	LOCK_SHARED, /* EBLOCK, EREPORT */
	LOCK_EXCLUSIVE, /* EREMOVE, EWB */
	LOCK_MODIFY, /* EACCEPT, EMODPE, EMODPR */
	LOCK_EMODT,
	LOCKS,
};

struct rule_page {
	bool valid, blocked, pending, modified, pr;
	bool stale; /* EMODPR or EMODT since it was there or accepted */
	unsigned int pt, rwx; /* pt: 0 SECS, 1 TCS, 2 REG, 3 VA, 4 TRIM */
	enum rule_owner owner;
	bool elsewhere; /* its address is not the one that is asked for */
};

struct rule_call {
	unsigned int pt, rwx; /* SECINFO's */
	bool pending, modified, pr;
	enum rule_lock lock;
	bool tracked; /* nobody inside has a translation of before EBLOCK, EMODPR, EMODT */
	bool busy; /* a thread is inside the enclave */
	bool children; /* of a page that is a SECS */
};

#define RULE_GP (-13)
#define RULE_PF (-14)

/* Return: 0 done, a code of SGX, RULE_GP or RULE_PF. */
int rule_answer(enum rule_leaf leaf, const struct rule_page *p, const struct rule_call *c);
/* The page after a leaf that was done; EWB and EREMOVE leave it invalid. */
void rule_apply(enum rule_leaf leaf, struct rule_page *p, const struct rule_call *c);

#endif
