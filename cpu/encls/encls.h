/* SPDX-License-Identifier: BSD-3-Clause */
/* The leaves of ENCLS, each in a file of its name. */
#ifndef CPU_ENCLS_ENCLS_H
#define CPU_ENCLS_ENCLS_H

#include <cpu/leaf.h>

#define ENCLS_LEAF(name)                                                                 \
	struct cpu_result encls_##name(struct cpu_package *pkg, const struct cpu_as *as, \
				       struct cpu_regs *regs) CPU_MUST_CHECK

ENCLS_LEAF(ecreate);
ENCLS_LEAF(eadd);
ENCLS_LEAF(einit);
ENCLS_LEAF(eremove);
ENCLS_LEAF(edbgrd);
ENCLS_LEAF(edbgwr);
ENCLS_LEAF(eextend);
ENCLS_LEAF(eldb);
ENCLS_LEAF(eldu);
ENCLS_LEAF(eblock);
ENCLS_LEAF(epa);
ENCLS_LEAF(ewb);
ENCLS_LEAF(etrack);
ENCLS_LEAF(eaug);
ENCLS_LEAF(emodpr);
ENCLS_LEAF(emodt);
ENCLS_LEAF(etrackc);
ENCLS_LEAF(eldbc);
ENCLS_LEAF(elduc);

#endif
