/* SPDX-License-Identifier: BSD-3-Clause */
/* The sentences of base/rules.h: each can be made, and what some of them are. */
#include <harness/harness.h>

#include "../../agent/explain/text.h"

#include <asm/sgx.h>
#include <errno.h>
#include <sgx/arch.h>
#include <string.h>

static const char *const ids[] = {NULL,
#define ID(id, when, call, answer, sentence) #id,
				  WHY_RULES(ID)};

static const char *line_of(uint32_t rule, uint64_t found, uint64_t wanted, uint64_t at,
			   const char *call)
{
	static char line[WHY_TEXT_MAX];
	struct why why = {.rule = rule, .found = found, .wanted = wanted, .at = at};
	uint32_t n = why_text(line, sizeof(line), &why, call);

	CHECK_EQ(n, strlen(line));
	return line;
}

#define CHECK_LINE(is, want)                                         \
	do {                                                         \
		const char *line_ = (is);                            \
                                                                     \
		if (strcmp(line_, (want)))                           \
			FAIL("\"%s\" is not \"%s\"", line_, (want)); \
	} while (0)

TEST(every_rule_has_a_sentence)
{
	CHECK_EQ(sizeof(ids) / sizeof(ids[0]), WHY_COUNT);
	for (uint32_t rule = 1; rule < WHY_COUNT; rule++) {
		const char *line = line_of(rule, 1, 1, 1, "CALL");

		/* a call, its answer and a sentence; and no word that text.c does not know */
		if (!strstr(line, " refused (") || !strstr(line, "): ") ||
		    strlen(strstr(line, "): ")) < 15 || strpbrk(line, "?{}"))
			FAIL("%s: %s", ids[rule], line);
		if (strchr(line, '\n'))
			FAIL("%s has more than one line: %s", ids[rule], line);
	}
}

TEST(every_line_fits)
{
	for (uint32_t rule = 1; rule < WHY_COUNT; rule++) {
		const char *call = "SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS";
		const char *line = line_of(rule, ~0ull, 0, ~0ull, call);

		/* the longest values, for one and for the other */
		if (strlen(line) >= WHY_TEXT_MAX - 1)
			FAIL("%s is cut: %s", ids[rule], line);
		line = line_of(rule, ~0ull, ~0ull, ~0ull, call);
		if (strlen(line) >= WHY_TEXT_MAX - 1)
			FAIL("%s is cut: %s", ids[rule], line);
	}
}

TEST(a_short_buffer_is_not_overrun)
{
	struct why why = {.rule = WHY_INIT_HASH, .found = 1, .wanted = 2};
	char line[40];

	for (uint32_t size = 1; size < sizeof(line); size++) {
		memset(line, 'x', sizeof(line));
		CHECK_EQ(why_text(line, size, &why, "EINIT"), size - 1);
		CHECK_EQ(strlen(line), size - 1);
		CHECK_EQ(line[size], 'x');
	}
}

/* The record is shared memory that a program may have written to. */
TEST(a_rule_that_is_none)
{
	CHECK_LINE(line_of(WHY_NOTHING, 1, 1, 1, "x"), "");
	CHECK_LINE(line_of(WHY_COUNT, 1, 1, 1, "x"), "");
	CHECK_LINE(line_of(~0u, 1, 1, 1, "x"), "");
	CHECK(!why_is_missing(WHY_NOTHING));
	CHECK(!why_is_missing(~0u));
}

TEST(what_is_said_without_being_asked)
{
	for (uint32_t rule = 1; rule < WHY_COUNT; rule++)
		CHECK_EQ(why_is_missing(rule), rule == WHY_IOCTL_SGX2 || rule == WHY_IOCTL_OTHER ||
						       rule == WHY_ENCLU_SGX2 ||
						       rule == WHY_PATH_VEPC);
}

TEST(forms)
{
	CHECK_LINE(line_of(WHY_ENTRY_TCS_BUSY, 4711, 0, 0, "EENTER"),
		   "EENTER refused (#GP(0)): thread 4711 is inside by this TCS: each thread needs "
		   "its own");
	CHECK_LINE(line_of(WHY_ENTRY_TCS_BUSY, 0, 0, 0, "EENTER"),
		   "EENTER refused (#GP(0)): a thread of another process is inside by this TCS: "
		   "each thread needs its own");
	CHECK_LINE(
		line_of(WHY_SECS_SIZE_MIN, 0x1000, 0x2000, 0, ""),
		"ECREATE refused (#GP(0), EIO): SECS.SIZE is 0x1000: an enclave has two pages at "
		"least (0x2000)");
	CHECK_LINE(line_of(WHY_CREATE_SIZE, 0x3001, 0, 0, ""),
		   "SGX_IOC_ENCLAVE_CREATE refused (EINVAL): SECS.SIZE is 0x3001: it must be a "
		   "power of "
		   "two, as 0x4000 is");
	CHECK_LINE(line_of(WHY_SECS_ATTRIBUTES, 0x46, 0x36, 0, ""),
		   "ECREATE refused (#GP(0), EIO): SECS.ATTRIBUTES is 0x46 (DEBUG, MODE64BIT, "
		   "CET): this "
		   "machine offers 0x36 (DEBUG, MODE64BIT, PROVISIONKEY, EINITTOKENKEY) (CPUID "
		   "12H.1 EAX, "
		   "EBX), and not 0x40 (CET)");
	CHECK_LINE(line_of(WHY_INIT_HASH, 0x00ab000000000012, 0x34cd000000000056, 0, ""),
		   "EINIT refused (SGX_INVALID_MEASUREMENT, EPERM): SIGSTRUCT.ENCLAVEHASH is "
		   "00ab000000000012..., but the enclave measured 34cd000000000056...: what was "
		   "loaded is "
		   "not what was signed (contents, order, permissions, SECS.SIZE or SSAFRAMESIZE); "
		   "compare "
		   "with 'swsgx measure'");
	CHECK_LINE(line_of(WHY_MAP_PROT, 7, 5, 0x7f0000001000, "mprotect"),
		   "mprotect refused (EACCES): rwx is asked for, but the page at 0x7f0000001000 "
		   "was added "
		   "with r-x in SECINFO, which is the most that it may be mapped with");
	CHECK_LINE(line_of(WHY_FAULT_PERM, 1, 2, 0x5000, "access"),
		   "write at 0x5000 refused (#PF with SGX): the EPCM allows r-- there: the page "
		   "was added so "
		   "(SECINFO), whatever the mapping says");
	CHECK_LINE(line_of(WHY_FAULT_TYPE, 0x100, 0, 0x5000, "access"),
		   "access to 0x5000 refused (#PF with SGX): EPCM.PT is PT_TCS: software reads and "
		   "writes "
		   "pages of type PT_REG alone");
	CHECK_LINE(line_of(WHY_ENCLU_OPERAND_EPCM, 0x6000, WHY_EPCM_VALID_BIT | 0x209,
			   WHY_AT_REPORT, "EREPORT"),
		   "EREPORT refused (#PF with SGX): REPORT (RDX) is 0x6000: the EPCM has r-- "
		   "PT_REG, PENDING "
		   "there; the leaf wants a PT_REG page of this enclave with R, and with W for "
		   "what it "
		   "writes");
	CHECK_LINE(line_of(WHY_EGETKEY_ATTRIBUTE, 1, SGX_ATTR_PROVISION_KEY_BIT, 0, ""),
		   "EGETKEY refused (SGX_INVALID_ATTRIBUTE): KEYREQUEST.KEYNAME is 1 (PROVISION): "
		   "this key "
		   "is for enclaves with ATTRIBUTES 0x10 (PROVISIONKEY)");
	CHECK_LINE(line_of(WHY_PROVISION_FD, 0xffffffff, 0, 0, ""),
		   "SGX_IOC_ENCLAVE_PROVISION refused (EINVAL): sgx_enclave_provision.fd is -1: "
		   "not an open "
		   "descriptor of /dev/sgx_provision");
	CHECK_LINE(line_of(WHY_EPC_FULL, 16, 0, 0, "SGX_IOC_ENCLAVE_CREATE"),
		   "SGX_IOC_ENCLAVE_CREATE refused (ENOMEM): no page of the EPC is free, and none "
		   "can be "
		   "evicted: it has 16 pages (64 KiB) in all; start the machine with a larger "
		   "--epc, and with "
		   "paging if it has none");
	CHECK_LINE(line_of(WHY_MADVISE, 4, 0, 0, ""),
		   "madvise refused (EINVAL): advice 4 is not for enclave memory: Linux neither "
		   "frees, shares "
		   "nor copies it");
	CHECK_LINE(line_of(WHY_EACCEPT_MISMATCH, WHY_EPCM_VALID_BIT | 0x20b,
			   WHY_EPCM_VALID_BIT | 0x221, 0x7000, ""),
		   "EACCEPT refused (SGX_PAGE_ATTRIBUTES_MISMATCH): SECINFO says rw- PT_REG, "
		   "PENDING, and "
		   "the EPCM has r-- PT_REG, PR for the page at 0x7000: accept what the system "
		   "did, or do "
		   "not use the page");
	CHECK_LINE(
		line_of(WHY_ENCLU_OPERAND_RANGE, 0x7000, 0x8000, WHY_AT_SOURCE, "EACCEPTCOPY"),
		"EACCEPTCOPY refused (#GP(0)): source (RDX) is 0x7000: outside the enclave, whose "
		"ELRANGE begins at 0x8000; it must be in enclave memory");
	CHECK_LINE(line_of(WHY_ENCLU_OPERAND_ADDR, 0x7008, 64, WHY_AT_SECINFO, "EMODPE"),
		   "EMODPE refused (#GP(0)): SECINFO (RBX) is 0x7008: not canonical, or not a "
		   "multiple of "
		   "64");
	CHECK_LINE(line_of(WHY_ENCLU_SGX2, 5, 0, 0, ""),
		   "ENCLU refused (#GP(0)): EAX is 5 (EACCEPT): swsgx has no SGX2 so far, and "
		   "CPUID 12H does "
		   "not offer it");
	CHECK_LINE(line_of(WHY_IOCTL_SGX2, SGX_IOC_ENCLAVE_MODIFY_TYPES, 0, 0, ""),
		   "SGX_IOC_ENCLAVE_MODIFY_TYPES refused (ENODEV): swsgx has no SGX2 so far, and "
		   "CPUID 12H "
		   "does not offer it: pages are added before INIT, and stay as they are; switch "
		   "EDMM off");
}
