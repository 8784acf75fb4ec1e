/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that say why something was refused: where, when and how often.
 *
 * Where: to the standard error of the process, or to the file of --explain=FILE,
 * one write() a line.  It disturbs nobody: see agent_write_line().
 *
 * When: with --explain all; without, what swsgx does not have yet, each once in a
 * process and in what it starts (explain_said goes over fork and exec).
 *
 * How often: a program may try in a loop.  Of the same refusal in a row the first,
 * second, fourth, eighth, ... are said.
 */
#include "../agent.h"
#include "text.h"

/* The missing ones have bits of explain_said in the order of base/rules.h. */
static uint32_t missing_bit(uint32_t rule)
{
	uint32_t bit = 0;

	for (uint32_t i = WHY_NOTHING + 1; i < rule; i++)
		bit += why_is_missing(i);
	return 1u << bit;
}

/* Was it said already, by this process or one that it comes from? */
static bool said_once(uint32_t rule)
{
	uint32_t bit = missing_bit(rule);

	return __atomic_fetch_or(&PROC->explain_said, bit, __ATOMIC_RELAXED) & bit;
}

static bool same(const struct why *a, const struct why *b)
{
	return a->rule == b->rule && a->found == b->found && a->wanted == b->wanted &&
	       a->at == b->at;
}

/*
 * How many of this refusal there were in a row; 0: this one is not said.  Another
 * thread may come in between: the count is then wrong, and no line is lost.
 */
static uint32_t in_a_row(const struct why *why)
{
	uint32_t n = 1;

	agent_lock(&PROC->explain_lock);
	if (same(&PROC->explain_last, why))
		n = PROC->explain_count + 1;
	PROC->explain_last = *why;
	PROC->explain_count = n;
	agent_unlock(&PROC->explain_lock);
	return n & (n - 1) ? 0 : n;
}

/**
 * explain() - say why something was refused, if it is to be said
 * @why:	the record; one without a rule says nothing.  Not memory that others
 *		may change meanwhile
 * @call:	what was refused, for rules that several calls meet
 *
 * Context: asynchronous signals blocked.
 */
void explain(const struct why *why, const char *call)
{
	char line[WHY_TEXT_MAX + 40];
	uint32_t n = 1;

	if (why->rule == WHY_NOTHING)
		return;
	if (!PROC->explain) {
		if (!why_is_missing(why->rule) || said_once(why->rule))
			return;
	} else {
		n = in_a_row(why);
	}
	if (!n || !why_text(line, sizeof(line), why, call))
		return;
	if (n > 1) {
		agent_append(line, sizeof(line), " [the same ");
		agent_append_decimal(line, sizeof(line), n);
		agent_append(line, sizeof(line), " times in a row]");
	}
	agent_say(line);
}

/**
 * explain_rule() - the same for a rule of the agent's own
 */
void explain_rule(enum why_rule rule, uint64_t found, uint64_t wanted, const char *call)
{
	struct why why = {.rule = rule, .found = found, .wanted = wanted};

	explain(&why, call);
}

/**
 * explain_slot() - what the daemon answered
 *
 * The channel is shared memory: one copy is looked at.
 */
void explain_slot(const struct proto_slot *slot, const char *call)
{
	struct why why = slot->why;

	explain(&why, call);
}

/* A bit of explain_said that no missing thing has */
#define SAID_MAKER (1u << 31)

/**
 * explain_maker() - software that may insist on Intel's processors sees another maker's
 * @leaf0: what CPUID answers it
 *
 * Once in a process and in what it starts.  It need not be why the program fails, if it
 * does: Intel's SDK looks, and goes on.
 * Context: asynchronous signals blocked.
 */
void explain_maker(const struct cpu_cpuid *leaf0)
{
	char line[200] = "this program looks whether the processor is Intel's, and it is ";
	char maker[13];

	if (__atomic_fetch_or(&PROC->explain_said, SAID_MAKER, __ATOMIC_RELAXED) & SAID_MAKER)
		return;
	agent_memcpy(maker, &leaf0->ebx, 4);
	agent_memcpy(maker + 4, &leaf0->edx, 4);
	agent_memcpy(maker + 8, &leaf0->ecx, 4);
	maker[12] = 0;
	agent_append(line, sizeof(line), maker);
	agent_append(line, sizeof(line), "'s: if it insists, there is 'swsgx run --cpu intel'");
	agent_say(line);
}

/**
 * explain_path() - an open() found nothing
 * @uaddr: of the path, the program's
 */
void explain_path(uint64_t uaddr)
{
	char path[WHY_PATH_MAX];
	struct why why = {0};
	uint64_t got = sizeof(path) - agent_copy(path, (const void *)uaddr, sizeof(path));

	for (uint64_t i = 0; i < got; i++) {
		if (path[i])
			continue;
		if (why_no_path(path, AGENT_PARAMS->files.flags & PROTO_FILES_LOCKED, &why))
			explain(&why, "open");
		break;
	}
}
