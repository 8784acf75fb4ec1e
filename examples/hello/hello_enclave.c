/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The enclave of the example.  No libc, no startup code: enclave_entry in
 * hello_entry.S calls enclave_main() on a stack of the enclave's own.
 *
 * Everything outside is hostile.  The request is copied in before it is looked
 * at, for the host may change it meanwhile; a pointer of the host's is used
 * only when it lies wholly outside, for otherwise the host could make the
 * enclave overwrite itself.
 */
#include "hello.h"

#include <sgx/arch.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Set by the linker script: the first byte (the base) and the byte after the
 * last.  Hidden: reached from RIP, never through a GOT, which nobody relocates.
 */
extern uint8_t enclave_base[] __attribute__((visibility("hidden")));
extern uint8_t enclave_end[] __attribute__((visibility("hidden")));

void enclave_main(struct hello_call *outside, uint64_t cssa);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

/* The compiler may call these two by itself */
void *memcpy(void *to, const void *from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	while (size--) {
		*t++ = *f++;
		__asm__ volatile("" ::: "memory"); /* not turned into a call of itself */
	}
	return to;
}

void *memset(void *to, int value, size_t size)
{
	uint8_t *t = to;

	while (size--) {
		*t++ = (uint8_t)value;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

/* ELRANGE: a power of two and aligned to it; the loader adds no heap */
static uint64_t elrange_size(void)
{
	uint64_t used = (uint64_t)(enclave_end - enclave_base);
	uint64_t size = SGX_PAGE_SIZE;

	while (size < used)
		size <<= 1;
	return size;
}

static bool is_outside(uint64_t address, uint64_t size)
{
	uint64_t base = (uint64_t)enclave_base;

	if (address + size < address)
		return false;
	return address + size <= base || address >= base + elrange_size();
}

static uint64_t op_add(struct hello_call *call)
{
	call->result = call->a + call->b;
	return HELLO_OK;
}

static uint64_t op_greet(struct hello_call *call)
{
	static const char who[] = "enclave";
	char text[64] = "Hello from the ";
	size_t n = 15;

	memcpy(text + n, who, sizeof(who) - 1);
	n += sizeof(who) - 1;
	memcpy(text + n, ", 6 * 7 = ", 10);
	n += 10;
	/* Computed, so that the text shows more than a copied constant */
	text[n++] = (char)('0' + call->a * call->b / 10 % 10);
	text[n++] = (char)('0' + call->a * call->b % 10);
	text[n++] = '\0';
	if (!is_outside(call->buffer, call->buffer_size) || call->buffer_size < n)
		return HELLO_BAD_BUFFER;
	memcpy((void *)call->buffer, text, n);
	call->result = n - 1;
	return HELLO_OK;
}

static uint64_t op_report(struct hello_call *call)
{
	/* The alignments that EREPORT asks for; on the stack, so that each TCS has its own */
	struct sgx_targetinfo target __attribute__((aligned(512)));
	uint8_t data[SGX_REPORTDATA_SIZE] __attribute__((aligned(128)));
	struct sgx_report report __attribute__((aligned(512)));

	_Static_assert(sizeof(report) == HELLO_REPORT_SIZE, "hello.h's size of a REPORT");
	if (!is_outside(call->buffer, call->buffer_size) || call->buffer_size < sizeof(report))
		return HELLO_BAD_BUFFER;
	/* For nobody: no enclave can have this TARGETINFO's MRENCLAVE, so none can check it */
	memset(&target, 0, sizeof(target));
	memset(data, 0, sizeof(data));
	memcpy(data, &call->a, sizeof(call->a));
	__asm__ volatile(".byte 0x0f, 0x01, 0xd7" /* ENCLU */
			 :
			 : "a"(0ull) /* EREPORT */, "b"(&target), "c"(data), "d"(&report)
			 : "memory", "cc");
	memcpy((void *)call->buffer, &report, sizeof(report));
	call->result = sizeof(report);
	return HELLO_OK;
}

static uint64_t op_trap(struct hello_call *call)
{
	__asm__ volatile("ud2");
	return HELLO_OK;
}

/*
 * The ECALL table.  The image is linked at 0 and never relocated, so what the
 * linker writes here are offsets from the base.
 */
static uint64_t (*const volatile ops[HELLO_OP_COUNT])(struct hello_call *call) = {
	[HELLO_ADD] = op_add,
	[HELLO_GREET] = op_greet,
	[HELLO_REPORT] = op_report,
	[HELLO_TRAP] = op_trap,
};

/**
 * enclave_main() - one call from the host
 * @outside: the host's request; any value at all
 * @cssa: SSA frames in use: above 0, an exception in this TCS has not been handled
 */
void enclave_main(struct hello_call *outside, uint64_t cssa)
{
	uint64_t (*op)(struct hello_call * call);
	struct hello_call call;
	uint64_t status;

	/* Nowhere to put an answer: leave without one */
	if (!is_outside((uint64_t)outside, sizeof(*outside)) || (uint64_t)outside % 8)
		return;
	memcpy(&call, outside, sizeof(call));
	__asm__ volatile("" ::: "memory");
	call.result = 0;
	if (cssa) {
		/* A second call must not run on top of one that trapped */
		status = HELLO_NESTED;
	} else if (call.op >= HELLO_OP_COUNT) {
		status = HELLO_UNKNOWN_OP;
	} else {
		op = (uint64_t(*)(struct hello_call *))((uint64_t)ops[call.op] +
							(uint64_t)enclave_base);
		status = op(&call);
	}
	outside->result = call.result;
	outside->status = status;
}
