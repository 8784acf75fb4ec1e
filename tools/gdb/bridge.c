/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What swsgx-gdb.py calls, and the bridge from an enclave's frames to the host's.
 *
 * gdb takes a frame whose stack lies below its caller's for a corrupt one, and
 * where an enclave is mapped above the stack of its host thread the first frame
 * outside is such a one.  It makes an exception for signal frames, which it knows by
 * the code at their PC.  So there is one in memory that gdb alone sees: the code of
 * a signal return, and a signal frame with the registers of the outside.
 */
#include "lib.h"

#include <errno.h>
#include <string.h>

/* In the agent's reservation, where nothing is mapped */
#define BRIDGE_BASE   (PROTO_AGENT_BASE + 0x300000ul)
#define BRIDGE_FRAMES 64u
#define BRIDGE_FRAME  0x400u
/* struct ucontext's registers: R8-R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP */
#define UC_REGISTERS 40u
#define UC_RBP	     (UC_REGISTERS + 10 * 8)
#define UC_RSP	     (UC_REGISTERS + 15 * 8)
#define UC_RIP	     (UC_REGISTERS + 16 * 8)

#define EXPORT	     __attribute__((visibility("default")))

/* mov $15, %rax; syscall; then a frame for each of the last threads asked for */
static uint8_t bridge[BRIDGE_FRAME * (1 + BRIDGE_FRAMES)] = {0x48, 0xc7, 0xc0, 0x0f, 0,
							     0,	   0,	 0x0f, 0x05};
static pid_t bridge_tid[BRIDGE_FRAMES];

/**
 * bridge_covers() - is it one of the addresses that only gdb sees?
 * @addr: address
 */
bool bridge_covers(uint64_t addr)
{
	return addr - BRIDGE_BASE < sizeof(bridge);
}

/**
 * bridge_access() - read there
 * @addr:	as bridge_covers() says
 * @buf:	receives it
 * @size:	of it
 * @write:	is refused
 *
 * Return: bytes; -1 with errno.
 */
ssize_t bridge_access(uint64_t addr, void *buf, size_t size, bool write)
{
	size_t offset = addr - BRIDGE_BASE;

	if (write) {
		errno = EIO;
		return -1;
	}
	if (size > sizeof(bridge) - offset)
		size = sizeof(bridge) - offset;
	memcpy(buf, bridge + offset, size);
	return (ssize_t)size;
}

EXPORT int swsgx_gdb_started(void);
EXPORT unsigned swsgx_gdb_execs(void);
EXPORT int swsgx_gdb_inside(int pid, int tid, uint64_t *out);
EXPORT int swsgx_gdb_ranges(int pid, uint64_t *out, int max);
EXPORT uint64_t swsgx_gdb_bridge(int tid, uint64_t rip, uint64_t rsp, uint64_t rbp);
EXPORT uint64_t swsgx_gdb_bridge_pc(void);

/* Did gdb start the program? */
int swsgx_gdb_started(void)
{
	return kill_on_exit;
}

/* How often has a process exec'ed? */
unsigned swsgx_gdb_execs(void)
{
	return execs;
}

/* A thread in enclave mode: TCS, RIP, RSP, RBP outside.  Return: 1; 0: it is not. */
int swsgx_gdb_inside(int pid, int tid, uint64_t *out)
{
	struct proc *p = proc_get(pid);
	struct proc_inside in;

	if (!p || !proc_inside(p, tid, &in))
		return 0;
	out[0] = in.tcs_addr;
	out[1] = in.rip;
	out[2] = in.rsp;
	out[3] = in.rbp;
	return 1;
}

/* Mapped enclave memory: start, end, base, size, attributes of each.  Return: count. */
int swsgx_gdb_ranges(int pid, uint64_t *out, int max)
{
	struct proc *p = proc_get(pid);
	const struct proto_debug_range *r;
	uint64_t addr = 0;
	int n;

	for (n = 0; p && n < max && (r = proc_range(p, addr)); n++) {
		*out++ = r->start;
		*out++ = r->end;
		*out++ = r->base;
		*out++ = r->size;
		*out++ = r->attributes;
		addr = r->end;
	}
	return n;
}

/* A signal frame with these registers.  Return: RSP of the frame that returns from it. */
uint64_t swsgx_gdb_bridge(int tid, uint64_t rip, uint64_t rsp, uint64_t rbp)
{
	static unsigned next;
	unsigned i;
	uint8_t *frame;

	for (i = 0; i < BRIDGE_FRAMES; i++)
		if (bridge_tid[i] == tid)
			break;
	if (i == BRIDGE_FRAMES)
		i = next++ % BRIDGE_FRAMES;
	bridge_tid[i] = tid;
	frame = bridge + BRIDGE_FRAME * (1 + i);
	memcpy(frame + UC_RIP, &rip, sizeof(rip));
	memcpy(frame + UC_RSP, &rsp, sizeof(rsp));
	memcpy(frame + UC_RBP, &rbp, sizeof(rbp));
	return BRIDGE_BASE + (uint64_t)(frame - bridge);
}

uint64_t swsgx_gdb_bridge_pc(void)
{
	return BRIDGE_BASE;
}
