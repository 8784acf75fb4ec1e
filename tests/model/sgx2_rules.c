/* SPDX-License-Identifier: BSD-3-Clause */
#include "sgx2_rules.h"

#define R 1u
#define W 2u
#define X 4u

enum { SECS, TCS, REG, VA, TRIM };

/* Return the answer of the first line whose condition holds. */
#define WHEN(condition, answer)          \
	do {                             \
		if (condition)           \
			return (answer); \
	} while (0)

static bool held_exclusively(const struct rule_call *c)
{
	return c->lock == LOCK_EXCLUSIVE || c->lock == LOCK_EMODT;
}

static bool changed_by_another(const struct rule_call *c)
{
	return c->lock == LOCK_MODIFY || c->lock == LOCK_EMODT;
}

static bool waits(const struct rule_page *p)
{
	return p->pending || p->modified;
}

static int emodpr(const struct rule_page *p, const struct rule_call *c)
{
	WHEN((c->rwx & (R | W)) == W, RULE_GP);
	WHEN(held_exclusively(c), RULE_GP);
	WHEN(!p->valid, RULE_PF);
	WHEN(c->lock == LOCK_MODIFY, 7);
	WHEN(waits(p), 20);
	WHEN(p->pt != REG, RULE_PF);
	WHEN(p->owner == OWNER_BUILDING, RULE_GP);
	return 0;
}

static int emodt(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(c->pt != TCS && c->pt != TRIM, RULE_GP);
	WHEN(c->lock != LOCK_FREE, 7);
	WHEN(!p->valid, RULE_PF);
	WHEN(p->pt != REG && p->pt != TCS, RULE_PF);
	WHEN(p->pt == TCS && c->pt == TCS, RULE_PF);
	WHEN(waits(p), 20);
	WHEN(p->owner == OWNER_BUILDING, RULE_GP);
	return 0;
}

static int eaccept(const struct rule_page *p, const struct rule_call *c)
{
	switch (c->pt) {
	case REG:
		WHEN(c->modified || (!c->pr && !c->pending), RULE_GP);
		break;
	case TCS:
	case TRIM:
		WHEN(!c->modified || c->pr || c->pending, RULE_GP);
		break;
	default:
		return RULE_GP;
	}
	WHEN(!p->valid || p->blocked, RULE_PF);
	WHEN(p->pt == SECS || p->pt == VA, RULE_PF);
	WHEN(p->owner != OWNER_SELF, RULE_PF);
	WHEN(held_exclusively(c) || changed_by_another(c), RULE_GP);
	WHEN(p->elsewhere || p->pending != c->pending || p->modified != c->modified, 19);
	WHEN(p->rwx != c->rwx || p->pt != c->pt, 19);
	WHEN(p->stale && !c->tracked, 11);
	return 0;
}

static int emodpe(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(!p->valid || waits(p) || p->blocked || p->pt != REG, RULE_PF);
	WHEN(p->owner != OWNER_SELF, RULE_PF);
	WHEN(changed_by_another(c), RULE_GP);
	WHEN(held_exclusively(c), RULE_PF); /* as if it were gone */
	WHEN(p->elsewhere, RULE_PF);
	WHEN(!(p->rwx & R) && !(c->rwx & R) && (c->rwx & W), RULE_GP);
	return 0;
}

static int eacceptcopy(const struct rule_page *p, const struct rule_call *c)
{
	WHEN((c->rwx & (R | W)) == W || c->pt != REG, RULE_GP);
	WHEN(!p->valid || !p->pending || p->modified || p->blocked, 19);
	WHEN(p->pt != REG || p->owner != OWNER_SELF, 19);
	WHEN(changed_by_another(c), RULE_GP);
	WHEN(held_exclusively(c), 19); /* as if it were gone */
	WHEN(p->rwx != (R | W) || p->elsewhere, 19);
	return 0;
}

static int eblock(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(held_exclusively(c), 7);
	WHEN(!p->valid, 6);
	WHEN(p->pt == SECS, 18);
	WHEN(p->pt == VA, 5);
	WHEN(p->blocked, 3);
	return 0;
}

static int eremove(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(c->lock != LOCK_FREE, RULE_GP);
	WHEN(!p->valid || p->pt == VA, 0);
	WHEN(p->pt == SECS, c->children ? 13 : 0);
	WHEN(p->pt == TRIM && !p->modified, 0);
	WHEN(c->busy, 14);
	return 0;
}

/* Of EDBGWR: the flags of a TCS alone, which is where the callers write. */
static int edbg(const struct rule_page *p, const struct rule_call *c, bool write)
{
	WHEN(held_exclusively(c), RULE_GP);
	WHEN(!p->valid || p->pt == SECS || p->pt == TRIM, RULE_PF);
	WHEN(write && p->pt == VA, RULE_PF);
	WHEN(waits(p), 21);
	WHEN(p->pt != VA && p->owner == OWNER_OTHER, RULE_GP);
	return 0;
}

static int eextend(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(held_exclusively(c), RULE_GP);
	WHEN(!p->valid || (p->pt != REG && p->pt != TCS), RULE_PF);
	WHEN(p->owner != OWNER_BUILDING, RULE_GP);
	return 0;
}

static int ewb(const struct rule_page *p, const struct rule_call *c)
{
	WHEN(c->lock != LOCK_FREE, RULE_GP);
	WHEN(!p->valid, RULE_PF);
	WHEN(p->pt == VA, 0);
	WHEN(p->pt == SECS, c->children ? 13 : 0);
	WHEN(!p->blocked, 10);
	WHEN(!c->tracked, 11);
	return 0;
}

/* An access of the enclave's.  The EPCM alone knows of no other leaf. */
static int access(const struct rule_page *p, unsigned int pt, unsigned int rwx)
{
	WHEN(!p->valid || p->blocked || waits(p) || p->pt != pt, RULE_PF);
	WHEN(p->owner != OWNER_SELF || p->elsewhere, RULE_PF);
	WHEN((p->rwx & rwx) != rwx, RULE_PF);
	return 0;
}

/* An operand of EREPORT: a page that another leaf is taking away counts as gone. */
static int operand(const struct rule_page *p, const struct rule_call *c, unsigned int rwx)
{
	WHEN(held_exclusively(c), RULE_PF);
	return access(p, REG, rwx);
}

int rule_answer(enum rule_leaf leaf, const struct rule_page *p, const struct rule_call *c)
{
	switch (leaf) {
	case RULE_EMODPR:
		return emodpr(p, c);
	case RULE_EMODT:
		return emodt(p, c);
	case RULE_EACCEPT:
		return eaccept(p, c);
	case RULE_EMODPE:
		return emodpe(p, c);
	case RULE_EACCEPTCOPY:
		return eacceptcopy(p, c);
	case RULE_EBLOCK:
		return eblock(p, c);
	case RULE_EREMOVE:
		return eremove(p, c);
	case RULE_EDBGRD:
	case RULE_EDBGWR:
		return edbg(p, c, leaf == RULE_EDBGWR);
	case RULE_EEXTEND:
		return eextend(p, c);
	case RULE_EWB:
		return ewb(p, c);
	case RULE_READ:
		return operand(p, c, R);
	case RULE_WRITE:
		return operand(p, c, W);
	case RULE_FETCH:
		return access(p, REG, X);
	case RULE_TCS:
		return access(p, TCS, 0);
	default:
		return RULE_GP;
	}
}

void rule_apply(enum rule_leaf leaf, struct rule_page *p, const struct rule_call *c)
{
	switch (leaf) {
	case RULE_EMODPR:
		p->rwx &= c->rwx;
		p->pr = p->stale = true;
		break;
	case RULE_EMODT:
		p->pt = c->pt;
		p->rwx = 0;
		p->pr = false;
		p->modified = p->stale = true;
		break;
	case RULE_EACCEPT:
		p->pending = p->modified = p->pr = p->stale = false;
		break;
	case RULE_EMODPE:
		p->rwx |= c->rwx;
		break;
	case RULE_EACCEPTCOPY:
		p->rwx = c->rwx;
		p->pending = false;
		break;
	case RULE_EBLOCK:
		p->blocked = true;
		break;
	case RULE_EREMOVE:
	case RULE_EWB:
		p->valid = false;
		break;
	default:
		break;
	}
}
