/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What our vDSO image and the agent agree on: the functions that are the
 * kernel's, and the pointer table through which our stubs reach them.
 */
#ifndef AGENT_VDSO_NAMES_H
#define AGENT_VDSO_NAMES_H

#define VDSO_NAME_MAX 24

/* In the order of the table */
#define VDSO_NAMES                                                                     \
	"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", \
		"__vdso_clock_getres", "__vdso_getrandom"
#define VDSO_COUNT 6

/* Fixed places in our image: the one ENCLU, which is also the AEP, and where an
 * exception of it goes on. */
#define VDSO_TEXT_OFF  0x1000
#define VDSO_ENCLU_OFF (VDSO_TEXT_OFF + 0x60)
#define VDSO_FIXUP_OFF (VDSO_TEXT_OFF + 0xc0)

#endif
