/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/cpuinfo as CPUID has it here, and the size of the EPC for sysfs.
 *
 * Lines are edited as they pass: a line's key is held back until its ':', and
 * decides whether the line goes on as it is, gets an end, or another value.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/resource.h>

#define KEY_MAX 24

/* Output that is written in pieces; the first error stays. */
struct out {
	int fd;
	uint32_t n;
	long ret;
	char buf[1024];
};

static void flush(struct out *o)
{
	const char *p = o->buf;

	while (o->n && !o->ret) {
		long n = sys3(__NR_write, o->fd, p, o->n);

		if (n <= 0) {
			o->ret = n ? n : -EIO;
			break;
		}
		p += n;
		o->n -= (uint32_t)n;
	}
	o->n = 0;
}

static void put_char(struct out *o, char c)
{
	if (o->n == sizeof(o->buf))
		flush(o);
	o->buf[o->n++] = c;
}

static void put_text(struct out *o, const char *s)
{
	while (*s)
		put_char(o, *s++);
}

static void put_number(struct out *o, uint64_t v)
{
	char digits[20];
	uint32_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		put_char(o, digits[--n]);
}

/* What becomes of a line */
enum edit {
	PASS,
	ADD_FLAGS, /* " sgx", " sgx_lc" at its end, as CPUID has them */
	VENDOR, /* another value: */
	FAMILY,
	MODEL,
	MODEL_NAME,
	STEPPING,
	LEVEL,
};

/* The key without the tabs that line up the colons */
static bool is_key(const char *line, uint32_t length, const char *key)
{
	uint32_t n = (uint32_t)agent_strlen(key), i;

	if (length < n)
		return false;
	for (i = 0; i < length; i++)
		if (i < n ? line[i] != key[i] : line[i] != '\t')
			return false;
	return true;
}

static enum edit edit_of(const char *line, uint32_t length)
{
	static const struct {
		char key[12];
		uint8_t edit;
		uint32_t where; /* CPU_VIEW_*, one of which the view has; 0: always */
	} table[] = {
		{"flags", ADD_FLAGS, 0},
		{"cpuid level", LEVEL, 0},
		{"vendor_id", VENDOR, CPU_VIEW_INTEL},
		{"model name", MODEL_NAME, CPU_VIEW_INTEL},
		{"cpu family", FAMILY, CPU_VIEW_SIGNATURE},
		{"model", MODEL, CPU_VIEW_SIGNATURE},
		{"stepping", STEPPING, CPU_VIEW_SIGNATURE},
	};
	uint32_t flags = cpuid_view()->flags, i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (is_key(line, length, table[i].key) &&
		    (!table[i].where || (flags & table[i].where)))
			return (enum edit)table[i].edit;
	return PASS;
}

static void put_brand(struct out *o)
{
	struct cpu_cpuid regs[3];
	char name[sizeof(regs) + 1];
	uint32_t i;

	for (i = 0; i < 3; i++)
		cpuid_answer(CPUID_BRAND + i, 0, &regs[i]);
	agent_memcpy(name, regs, sizeof(regs));
	name[sizeof(regs)] = 0;
	put_text(o, name);
}

static void put_value(struct out *o, enum edit edit)
{
	struct cpu_cpuid r;
	char vendor[13];

	cpuid_answer(edit == VENDOR || edit == LEVEL ? 0 : 1, 0, &r);
	switch (edit) {
	case VENDOR:
		agent_memcpy(vendor, &r.ebx, 4);
		agent_memcpy(vendor + 4, &r.edx, 4);
		agent_memcpy(vendor + 8, &r.ecx, 4);
		vendor[12] = 0;
		put_text(o, vendor);
		break;
	case LEVEL:
		put_number(o, r.eax);
		break;
	case FAMILY:
		put_number(o, cpu_cpuid_family(r.eax));
		break;
	case MODEL:
		put_number(o, cpu_cpuid_model(r.eax));
		break;
	case STEPPING:
		put_number(o, r.eax & 0xf);
		break;
	default:
		put_brand(o);
		break;
	}
}

static void put_flags(struct out *o)
{
	const struct cpu_cpuid_view *v = cpuid_view();

	if (v->features_ebx & SGX_CPUID_7_EBX_SGX)
		put_text(o, " sgx");
	/* Linux clears its flag where the firmware has locked it, whatever CPUID says. */
	if ((v->features_ecx & SGX_CPUID_7_ECX_SGX_LC) &&
	    !(AGENT_PARAMS->files.flags & PROTO_FILES_LOCKED))
		put_text(o, " sgx_lc");
}

/* No copy can be made: @to becomes the kernel's own file. */
static long show_original(int from, int to)
{
	long flags = sys3(__NR_fcntl, to, F_GETFD, 0);
	long ret = sys3(__NR_dup3, from, to, flags > 0 && flags & FD_CLOEXEC ? O_CLOEXEC : 0);

	return MIN(ret, 0);
}

static long edit_copy(int from, int to)
{
	struct out o = {.fd = to};
	enum edit edit = PASS;
	char in[1024], key[KEY_MAX];
	uint32_t held = 0;
	bool in_key = true; /* nothing of the line is written but @held characters */
	long n = 0, i;

	while (!o.ret && (n = sys3(__NR_read, from, in, sizeof(in))) > 0) {
		for (i = 0; i < n; i++) {
			char c = in[i];
			uint32_t k;

			if (in_key && c != ':' && c != '\n' && held < KEY_MAX) {
				key[held++] = c;
				continue;
			}
			if (in_key) {
				edit = c == ':' ? edit_of(key, held) : PASS;
				for (k = 0; k < held; k++)
					put_char(&o, key[k]);
				in_key = false;
				if (edit > ADD_FLAGS) {
					put_text(&o, ": ");
					put_value(&o, edit);
				}
			}
			if (c == '\n') {
				if (edit == ADD_FLAGS)
					put_flags(&o);
				put_char(&o, '\n');
				edit = PASS;
				in_key = true;
				held = 0;
			} else if (edit <= ADD_FLAGS) {
				put_char(&o, c);
			}
		}
	}
	/* a last line that does not end */
	for (i = 0; in_key && i < held; i++)
		put_char(&o, key[i]);
	flush(&o);
	return o.ret ? o.ret : MIN(n, 0);
}

long cpuinfo_copy(int from, int to)
{
	struct rlimit old;
	long ret;

	if (!limit_files_lift(&old))
		return show_original(from, to);
	ret = edit_copy(from, to);
	limit_files_back(&old);
	return ret;
}

/* All of the EPC: the sections that CPUID 12H lists */
long cpuinfo_epc_size(int to)
{
	struct out o = {.fd = to};
	struct cpu_cpuid r;
	struct rlimit old;
	uint64_t total = 0;
	uint32_t sub;

	for (sub = SGX_CPUID_12_EPC_SUBLEAF;; sub++) {
		cpuid_answer(SGX_CPUID_LEAF, sub, &r);
		if ((r.eax & 15) != SGX_CPUID_12_EPC_VALID)
			break;
		total += (r.ecx & 0xfffff000u) | ((uint64_t)(r.edx & 0xfffffu) << 32);
	}
	if (!limit_files_lift(&old))
		return -EFBIG;
	put_number(&o, total);
	put_char(&o, '\n');
	flush(&o);
	limit_files_back(&old);
	return o.ret;
}
