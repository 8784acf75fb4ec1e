/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbered places at which a client can be made to die: SWSGX_FAULT_POINT=N, or
 * N:K for the K-th time, when the machine is started.  See CONTRIBUTING.md.
 *
 * They bracket what the kernel and the processor do to a page, as far as the host is
 * asked in between.
 */
#ifndef DAEMON_FAULTPOINT_H
#define DAEMON_FAULTPOINT_H

#include <stdbool.h>

#define FAULT_POINTS(X)                                                 \
	/* paging.c: parking */                                         \
	X(PARK, "pages are taken, none of them is parked yet")          \
	X(PARK_PROTECTED, "write-protected everywhere")                 \
	X(PARK_COPIED, "copied")                                        \
	X(PARK_PUNCHED, "out of the file, the table has the old place") \
	X(PARK_DONE, "parked")                                          \
	/* paging.c, tcs.c: EWB */                                      \
	X(EWB_NO_BACKING, "before backing is made")                     \
	X(EWB_BACKING, "backing is there, before EBLOCK")               \
	X(EWB_NOT_TRACKED, "EBLOCK and a failed EWB; within ETRACK")    \
	X(EWB_TRACKED, "after ETRACK")                                  \
	X(EWB_ASKS, "EWB looks who is inside")                          \
	X(EWB_KICK, "EWB failed again, before the kick")                \
	X(EWB_KICKED, "after the kick")                                 \
	X(EWB_DROP, "EWB frees the page's bytes")                       \
	X(EWB_DONE, "EWB is over, before the backing is put")           \
	X(SECS_NO_BACKING, "of a SECS, before backing is made")         \
	X(SECS_DONE, "of a SECS, EWB is over")                          \
	/* paging.c, memory.c: ELDU */                                  \
	X(ELDU, "before ELDU")                                          \
	X(ELDU_FILL, "within: the page gets its bytes")                 \
	X(ELDU_DONE, "after, before the backing is put")                \
	X(ELDU_PUT, "after that")                                       \
	X(SECS_ELDU, "before ELDU of a SECS")                           \
	X(SECS_LOADED, "after it")                                      \
	/* mm.c: grant */                                               \
	X(COPY, "before the page goes into the file")                   \
	X(COPIED, "after that, the table has the old place")            \
	X(CONTINUE, "before UFFDIO_CONTINUE")                           \
	X(CONTINUED, "after it")                                        \
	/* tcs.c */                                                     \
	X(TCS_RETIRE, "before nobody enters any more")                  \
	X(TCS_RETIRED, "after")                                         \
	X(TCS_PUBLISH, "filled in, nobody enters yet")                  \
	X(TCS_PUBLISHED, "who enters may do so")

enum fault_point {
	FAULT_OFF,
#define X(name, what) FAULT_##name,
	FAULT_POINTS(X)
#undef X
		FAULT_POINT_COUNT
};

struct enclave;

/* 0: none.  Set before there is any other thread. */
extern unsigned int fault_armed;

void fault_init(void);
void fault_reached(struct enclave *e, bool mm_locked);

/* Context: e->mm_lock not held, nor a lock below it. */
static inline void fault_point(struct enclave *e, enum fault_point point)
{
	if (__builtin_expect(fault_armed == (unsigned int)point, 0))
		fault_reached(e, false);
}

/* Context: e->mm_lock held. */
static inline void fault_point_mm_locked(struct enclave *e, enum fault_point point)
{
	if (__builtin_expect(fault_armed == (unsigned int)point, 0))
		fault_reached(e, true);
}

#endif
