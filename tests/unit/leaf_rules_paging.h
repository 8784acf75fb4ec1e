/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of the leaves that page: see leaf_rules_encls.h, which explains the columns.
 */
#ifndef TESTS_UNIT_LEAF_RULES_PAGING_H
#define TESTS_UNIT_LEAF_RULES_PAGING_H

/* clang-format off */

#define LEAF_RULES_EPA(C) \
C(EPA, TYPE, NOTHING, "#GP(0)", \
  "RBX is PT_VA") \
C(EPA, ADDR, NOTHING, "#GP(0)", \
  "RCX is canonical and page-aligned") \
C(EPA, EPC, NOTHING, "#PF", \
  "RCX is in the EPC") \
C(EPA, BUSY, NOTHING, "#GP(0)", \
  "no other leaf uses the page") \
C(EPA, FREE, NOTHING, "#PF with SGX", \
  "the page is free") \
C(EPA, DONE, NOTHING, "success", \
  "the page is PT_VA, and all its slots are free")

#define LEAF_RULES_EBLOCK(C) \
C(EBLOCK, ADDR, NOTHING, "#GP(0)", \
  "RCX is canonical and page-aligned") \
C(EBLOCK, EPC, NOTHING, "#PF", \
  "RCX is in the EPC") \
C(EBLOCK, CONFLICT, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "no other leaf takes the page away") \
C(EBLOCK, VALID, NOTHING, "SGX_PG_INVLD", \
  "the page is valid") \
C(EBLOCK, SECS, NOTHING, "SGX_PG_IS_SECS", \
  "the page is no SECS") \
C(EBLOCK, CHILD, NOTHING, "SGX_NOTBLOCKABLE", \
  "the page is PT_REG, PT_TCS or PT_TRIM") \
C(EBLOCK, EPOCH, NOTHING, "SGX_ENTRYEPOCH_LOCKED", \
  "no ETRACK runs on the enclave") \
C(EBLOCK, BLOCKED, NOTHING, "SGX_BLKSTATE", \
  "the page is not blocked; else the epoch of the first EBLOCK stays") \
C(EBLOCK, DONE, NOTHING, "success", \
  "the page is blocked, as of the enclave's epoch")

#define LEAF_RULES_ETRACK(C) \
C(ETRACK, ADDR, NOTHING, "#GP(0)", \
  "RCX is canonical and page-aligned") \
C(ETRACK, EPC, NOTHING, "#PF", \
  "RCX is in the EPC") \
C(ETRACK, BUSY, NOTHING, "#GP(0)", \
  "no other leaf takes the SECS away") \
C(ETRACK, SECS, NOTHING, "#PF with SGX", \
  "RCX is a SECS") \
C(ETRACK, TRACKED, NOTHING, "#GP(0)", \
  "no other leaf uses the enclave's tracking") \
C(ETRACK, PREVIOUS, NOTHING, "SGX_PREV_TRK_INCMPL", \
  "no thread inside entered before the last ETRACK") \
C(ETRACK, DONE, NOTHING, "success", \
  "the enclave has a new epoch")

#define LEAF_RULES_ETRACKC(C) \
C(ETRACKC, OVERSUB, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[6] alone, as ELDBC and ELDUC are") \
C(ETRACKC, ADDR, NOTHING, "#GP(0)", \
  "RCX is canonical and page-aligned") \
C(ETRACKC, EPC, NOTHING, "#PF", \
  "RCX is in the EPC") \
C(ETRACKC, CONFLICT, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "no other leaf takes the page away, or uses the enclave's tracking") \
C(ETRACKC, VALID, NOTHING, "SGX_PG_INVLD", \
  "the page is valid") \
C(ETRACKC, OWNED, NOTHING, "SGX_TRACK_NOT_REQUIRED", \
  "the page is a SECS or a child of one") \
C(ETRACKC, PREVIOUS, NOTHING, "SGX_PREV_TRK_INCMPL", \
  "no thread inside entered before the last ETRACK") \
C(ETRACKC, DONE, NOTHING, "success", \
  "the page's enclave has a new epoch")

#define LEAF_RULES_EWB(C) \
C(EWB, PAGEINFO_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(EWB, PAGE_ADDR, NOTHING, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(EWB, PAGE_EPC, NOTHING, "#PF", \
  "the page is in the EPC") \
C(EWB, VA_ADDR, NOTHING, "#GP(0)", \
  "the version slot (RDX) is canonical and 8-byte aligned") \
C(EWB, VA_EPC, NOTHING, "#PF", \
  "the version slot is in the EPC") \
C(EWB, VA_OTHER, NOTHING, "#GP(0)", \
  "the version slot is in another page") \
C(EWB, PAGEINFO_MAP, NOTHING, "#PF", \
  "PAGEINFO is mapped") \
C(EWB, ZERO, NOTHING, "#GP(0)", \
  "PAGEINFO.LINADDR and PAGEINFO.SECS are 0") \
C(EWB, PCMD_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.PCMD is 128-byte aligned") \
C(EWB, SOURCE_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.SRCPGE is page-aligned") \
C(EWB, PAGE_BUSY, NOTHING, "#GP(0)", \
  "no other leaf uses the page") \
C(EWB, VA_BUSY, NOTHING, "#GP(0)", \
  "no other leaf takes the VA page away") \
C(EWB, PAGE, NOTHING, "#PF with SGX", \
  "the page is valid") \
C(EWB, VA, NOTHING, "#PF with SGX", \
  "the VA page is valid and PT_VA") \
C(EWB, MAP, NOTHING, "#PF", \
  "SRCPGE and PCMD can be written") \
C(EWB, CHILD, NOTHING, "SGX_CHILD_PRESENT", \
  "a SECS goes last") \
C(EWB, BLOCKED, NOTHING, "SGX_PAGE_NOT_BLOCKED", \
  "a child is blocked") \
C(EWB, TRACKED, NOTHING, "SGX_NOT_TRACKED", \
  "an ETRACK has ended the epoch of the EBLOCK, and whoever was inside has left") \
C(EWB, OCCUPIED, NOTHING, "SGX_VA_SLOT_OCCUPIED", \
  "the version slot is free; else the page is written all the same") \
C(EWB, DONE, NOTHING, "success", \
  "ciphertext, PCMD and LINADDR outside, a version that never comes again in the slot, the " \
  "EPC page free")

#define LEAF_RULES_ELDU(C) \
C(ELDU, PAGEINFO_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(ELDU, PAGE_ADDR, NOTHING, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(ELDU, PAGE_EPC, NOTHING, "#PF", \
  "the page is in the EPC") \
C(ELDU, VA_ADDR, NOTHING, "#GP(0)", \
  "the version slot (RDX) is canonical and 8-byte aligned") \
C(ELDU, VA_EPC, NOTHING, "#PF", \
  "the version slot is in the EPC") \
C(ELDU, PAGEINFO_MAP, NOTHING, "#PF", \
  "PAGEINFO is mapped") \
C(ELDU, PCMD_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.PCMD is 128-byte aligned") \
C(ELDU, SOURCE_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.SRCPGE is page-aligned") \
C(ELDU, BUSY, NOTHING, "#GP(0)", \
  "no other leaf uses the page, or takes VA page or SECS away") \
C(ELDU, VA_OTHER, NOTHING, "#GP(0)", \
  "the version slot is in another page") \
C(ELDU, PAGE, NOTHING, "#PF with SGX", \
  "the page is free") \
C(ELDU, VA, NOTHING, "#PF with SGX", \
  "the VA page is valid and PT_VA") \
C(ELDU, MAP, NOTHING, "#PF", \
  "PCMD and SRCPGE are mapped") \
C(ELDU, SECS_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.SECS of a child is canonical and page-aligned") \
C(ELDU, SECS_EPC, NOTHING, "#PF", \
  "PAGEINFO.SECS is in the EPC") \
C(ELDU, SECS, NOTHING, "#PF with SGX", \
  "PAGEINFO.SECS is a SECS") \
C(ELDU, MAC, NOTHING, "SGX_MAC_COMPARE_FAIL", \
  "it is what EWB wrote: each bit of page, PCMD, LINADDR and version, the enclave, the " \
  "slot, the boot") \
C(ELDU, ONCE, NOTHING, "SGX_MAC_COMPARE_FAIL", \
  "a page is loaded once") \
C(ELDU, DONE, NOTHING, "success", \
  "content, EPCM entry and SECS are as before EWB")

#define LEAF_RULES_ELDB(C) \
C(ELDB, PAGEINFO_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(ELDB, PAGE_ADDR, NOTHING, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(ELDB, PAGE_EPC, NOTHING, "#PF", \
  "the page is in the EPC") \
C(ELDB, VA_ADDR, NOTHING, "#GP(0)", \
  "the version slot (RDX) is canonical and 8-byte aligned") \
C(ELDB, VA_EPC, NOTHING, "#PF", \
  "the version slot is in the EPC") \
C(ELDB, PAGEINFO_MAP, NOTHING, "#PF", \
  "PAGEINFO is mapped") \
C(ELDB, PCMD_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.PCMD is 128-byte aligned") \
C(ELDB, SOURCE_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.SRCPGE is page-aligned") \
C(ELDB, BUSY, NOTHING, "#GP(0)", \
  "no other leaf uses the page, or takes VA page or SECS away") \
C(ELDB, VA_OTHER, NOTHING, "#GP(0)", \
  "the version slot is in another page") \
C(ELDB, PAGE, NOTHING, "#PF with SGX", \
  "the page is free") \
C(ELDB, VA, NOTHING, "#PF with SGX", \
  "the VA page is valid and PT_VA") \
C(ELDB, MAP, NOTHING, "#PF", \
  "PCMD and SRCPGE are mapped") \
C(ELDB, SECS_ADDR, NOTHING, "#GP(0)", \
  "PAGEINFO.SECS of a child is canonical and page-aligned") \
C(ELDB, SECS_EPC, NOTHING, "#PF", \
  "PAGEINFO.SECS is in the EPC") \
C(ELDB, SECS, NOTHING, "#PF with SGX", \
  "PAGEINFO.SECS is a SECS") \
C(ELDB, MAC, NOTHING, "SGX_MAC_COMPARE_FAIL", \
  "it is what EWB wrote: each bit of page, PCMD, LINADDR and version, the enclave, the " \
  "slot, the boot") \
C(ELDB, DONE, NOTHING, "success", \
  "as ELDU, and a child is blocked")

#define LEAF_RULES_ELDUC(C) \
C(ELDUC, BUSY, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "as ELDU, but for a code in conflicts")

#define LEAF_RULES_ELDBC(C) \
C(ELDBC, BUSY, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "as ELDB, but for a code in conflicts")

#define LEAF_RULES_OF_PAGING(C) \
	LEAF_RULES_EPA(C) \
	LEAF_RULES_EBLOCK(C) \
	LEAF_RULES_ETRACK(C) \
	LEAF_RULES_ETRACKC(C) \
	LEAF_RULES_EWB(C) \
	LEAF_RULES_ELDU(C) \
	LEAF_RULES_ELDB(C) \
	LEAF_RULES_ELDUC(C) \
	LEAF_RULES_ELDBC(C)

/* clang-format on */

#endif
