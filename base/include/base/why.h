/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why something was refused: the rule and the values that broke it.
 *
 * The check that refuses fills the record; nobody formats text there.  Whoever
 * wants to know hands a record down, others NULL.  The sentences are in
 * base/rules.h, and agent/explain/ makes lines of them.
 */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include <stdbool.h>
#include <stdint.h>

#include <base/rules.h>

#define WHY_ID(id, when, call, answer, sentence) WHY_##id,
enum why_rule {
	WHY_NOTHING = 0,
	WHY_RULES(WHY_ID) WHY_COUNT,
};
#undef WHY_ID

/* {a:operand}: an operand of ENCLU */
enum why_operand {
	WHY_AT_KEYREQUEST = 1,
	WHY_AT_OUTPUTDATA,
	WHY_AT_TARGETINFO,
	WHY_AT_REPORTDATA,
	WHY_AT_REPORT,
	WHY_AT_SECINFO,
	WHY_AT_EPCPAGE, /* EACCEPT's and EMODPE's, whose entry changes */
	WHY_AT_DESTINATION, /* EACCEPTCOPY's, which is written as well */
	WHY_AT_SOURCE,
};

/* {w:epcm}: an EPCM entry as SECINFO.FLAGS has it, and these; 0: none */
#define WHY_EPCM_VALID_BIT   (1ull << 16)
#define WHY_EPCM_BLOCKED_BIT (1ull << 17)

/* What found, wanted and at are is the rule's to say: see its sentence. */
struct why {
	uint32_t rule; /* enum why_rule; WHY_NOTHING: nothing was refused */
	uint32_t rsvd;
	uint64_t found; /* the value that was met */
	uint64_t wanted; /* the value, limit or mask that it was held against */
	uint64_t at; /* where: an offset, an address, an operand; kept by why_note() */
};

static inline void why_note(struct why *why, enum why_rule rule, uint64_t found, uint64_t wanted)
{
	if (!why)
		return;
	why->rule = rule;
	why->found = found;
	why->wanted = wanted;
}

/* The same for a check that answers true or false.  Return: false */
static inline bool why_not(struct why *why, enum why_rule rule, uint64_t found, uint64_t wanted)
{
	why_note(why, rule, found, wanted);
	return false;
}

/* The same for one that answers -errno, or a code of SGX.  Return: @ret */
static inline int why_ret(struct why *why, int ret, enum why_rule rule, uint64_t found,
			  uint64_t wanted)
{
	why_note(why, rule, found, wanted);
	return ret;
}

#endif
