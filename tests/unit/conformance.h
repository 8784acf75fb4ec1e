/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rules of the leaves a unit test checks: RULE(EINIT, Q1) above its cases.
 *
 * The rules are those of leaf_rules_*.h; one that is not there does not compile.
 * scripts/conformance-doc makes docs/CONFORMANCE.md of rules and cases.
 */
#ifndef TESTS_UNIT_CONFORMANCE_H
#define TESTS_UNIT_CONFORMANCE_H

#include <harness/harness.h>

#include "leaf_rules_enclu.h"
#include "leaf_rules_encls.h"
#include "leaf_rules_paging.h"
#include "leaf_rules_sgx2.h"

#define LEAF_RULES(C)           \
	LEAF_RULES_OF_ENCLS(C)  \
	LEAF_RULES_OF_PAGING(C) \
	LEAF_RULES_OF_SGX2(C)   \
	LEAF_RULES_OF_ENCLU(C)

#define LEAF_RULE_NUMBER(leaf, id, why, answer, sentence) LEAF_RULE_##leaf##_##id,
enum leaf_rule { LEAF_RULES(LEAF_RULE_NUMBER) LEAF_RULE_COUNT };
#undef LEAF_RULE_NUMBER

/* The cases below check this rule of this leaf; no rule that has a row. */
#define RULE(leaf, id)                                                                   \
	_Static_assert(LEAF_RULE_##leaf##_##id < LEAF_RULE_COUNT, "a rule of the leaf"); \
	HARNESS_RULE(#leaf "." #id)
#define NO_RULE HARNESS_RULE(NULL)

#endif
