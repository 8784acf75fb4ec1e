/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of the leaves of SGX2: see leaf_rules_encls.h, which explains the columns.
 */
#ifndef TESTS_UNIT_LEAF_RULES_SGX2_H
#define TESTS_UNIT_LEAF_RULES_SGX2_H

/* clang-format off */

#define LEAF_RULES_EAUG(C) \
C(EAUG, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EAUG, PAGEINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(EAUG, TARGET_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the destination (RCX) is canonical and page-aligned") \
C(EAUG, TARGET_EPC, OPERAND_EPC, "#PF", \
  "the destination is in the EPC") \
C(EAUG, PAGEINFO_MAP, OPERAND_MAP, "#PF", \
  "PAGEINFO is mapped") \
C(EAUG, SECINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO.SECINFO is 0 or 64-byte aligned") \
C(EAUG, ADDR, OPERAND_ADDR, "#GP(0)", \
  "SECS and LINADDR are page-aligned") \
C(EAUG, SOURCE, NOTHING, "#GP(0)", \
  "PAGEINFO.SRCPGE is 0") \
C(EAUG, SECS_EPC, OPERAND_EPC, "#PF", \
  "SECS is in the EPC") \
C(EAUG, TARGET_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf uses the destination") \
C(EAUG, TARGET_FREE, EPCM_VALID, "#PF with SGX", \
  "the destination is free: its EPCM entry is not valid") \
C(EAUG, SECINFO_MAP, OPERAND_MAP, "#PF", \
  "a SECINFO is mapped") \
C(EAUG, SECINFO, NOTHING, "#GP(0)", \
  "there is no SECINFO: it is for the types of ATTRIBUTES.CET, which CPUID does not offer") \
C(EAUG, SECS_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf takes the SECS away") \
C(EAUG, SECS, SECS_GONE, "#PF with SGX", \
  "SECS is a SECS") \
C(EAUG, INIT, NOTHING, "#GP(0)", \
  "the enclave is initialised") \
C(EAUG, LINADDR, NOTHING, "#GP(0)", \
  "LINADDR is in the ELRANGE") \
C(EAUG, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EAUG, DONE, NOTHING, "success", \
  "a page of zeros, PT_REG with R and W, PENDING: no access, EDBGRD or EDBGWR until it is accepted")

#define LEAF_RULES_EMODPR(C) \
C(EMODPR, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EMODPR, SECINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "SECINFO (RBX) is canonical and 64-byte aligned") \
C(EMODPR, PAGE_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(EMODPR, PAGE_EPC, OPERAND_EPC, "#PF", \
  "the page is in the EPC") \
C(EMODPR, SECINFO_MAP, OPERAND_MAP, "#PF", \
  "SECINFO is mapped") \
C(EMODPR, SECINFO, SECINFO_RESERVED, "#GP(0)", \
  "SECINFO has nothing reserved set; its type and states do not count") \
C(EMODPR, WRITE_ONLY, NOTHING, "#GP(0)", \
  "SECINFO has no W without R") \
C(EMODPR, BUSY, EPCM_BUSY, "#GP(0)", \
  "no leaf makes the page, takes it away or is an EMODT of it") \
C(EMODPR, VALID, NOTHING, "#PF with SGX", \
  "the page is valid") \
C(EMODPR, CONFLICT, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "no EACCEPT, EACCEPTCOPY, EMODPE or other EMODPR changes the page") \
C(EMODPR, STATE, NOTHING, "SGX_PAGE_NOT_MODIFIABLE", \
  "the page is not PENDING or MODIFIED") \
C(EMODPR, TYPE, NOTHING, "#PF with SGX", \
  "the page is PT_REG") \
C(EMODPR, INIT, NOTHING, "#GP(0)", \
  "the enclave is initialised") \
C(EMODPR, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EMODPR, DONE, NOTHING, "success", \
  "the page has those permissions that both had, and is PR; as often as one likes, and beside EBLOCK")

#define LEAF_RULES_EMODT(C) \
C(EMODT, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EMODT, SECINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "SECINFO (RBX) is canonical and 64-byte aligned") \
C(EMODT, PAGE_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(EMODT, PAGE_EPC, OPERAND_EPC, "#PF", \
  "the page is in the EPC") \
C(EMODT, SECINFO_MAP, OPERAND_MAP, "#PF", \
  "SECINFO is mapped") \
C(EMODT, SECINFO, SECINFO_RESERVED, "#GP(0)", \
  "SECINFO has nothing reserved set; its permissions and states do not count") \
C(EMODT, SECINFO_TYPE, NOTHING, "#GP(0)", \
  "SECINFO says PT_TCS or PT_TRIM") \
C(EMODT, CONFLICT, NOTHING, "SGX_EPC_PAGE_CONFLICT", \
  "no other leaf uses the page") \
C(EMODT, VALID, NOTHING, "#PF with SGX", \
  "the page is valid") \
C(EMODT, TYPE, NOTHING, "#PF with SGX", \
  "the page is PT_REG, or PT_TCS that becomes PT_TRIM") \
C(EMODT, STATE, NOTHING, "SGX_PAGE_NOT_MODIFIABLE", \
  "the page is not PENDING or MODIFIED") \
C(EMODT, INIT, NOTHING, "#GP(0)", \
  "the enclave is initialised") \
C(EMODT, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EMODT, DONE, NOTHING, "success", \
  "the page has the new type, no permissions, is MODIFIED and not PR; its bytes stay")

#define LEAF_RULES_EACCEPT(C) \
C(EACCEPT, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EACCEPT, SECINFO_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "SECINFO (RBX) is canonical and 64-byte aligned") \
C(EACCEPT, SECINFO_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "SECINFO is in the ELRANGE") \
C(EACCEPT, SECINFO_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "SECINFO has a page in the EPC") \
C(EACCEPT, SECINFO_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has SECINFO in a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EACCEPT, SECINFO, SECINFO_RESERVED, "#GP(0)", \
  "SECINFO has nothing reserved set") \
C(EACCEPT, PAGE_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(EACCEPT, PAGE_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the page is in the ELRANGE") \
C(EACCEPT, PAGE_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the page has a page in the EPC") \
C(EACCEPT, REQUEST, EACCEPT_REQUEST, "#GP(0)", \
  "SECINFO is PT_REG with PENDING or PR, without MODIFIED; or PT_TCS or PT_TRIM with MODIFIED alone") \
C(EACCEPT, EPCM, ENCLU_PAGE_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG, PT_TCS or PT_TRIM page of this enclave, not BLOCKED") \
C(EACCEPT, BUSY, ENCLU_PAGE_BUSY, "#GP(0)", \
  "no other leaf takes the page away, and no other leaf of SGX2 changes it") \
C(EACCEPT, MISMATCH, EACCEPT_MISMATCH, "SGX_PAGE_ATTRIBUTES_MISMATCH", \
  "address, type, R, W, X, PENDING and MODIFIED are as SECINFO says; PR is not compared") \
C(EACCEPT, TRACKED, EACCEPT_TRACKING, "SGX_NOT_TRACKED", \
  "an ETRACK has ended the epoch of the EMODPR or EMODT, and whoever was inside has left; nothing is " \
  "asked of a page that EAUG added or that EWB has written out since") \
C(EACCEPT, TCS, EACCEPT_TCS, "#GP(0)", \
  "a TCS has its reserved bytes and flags, DBGOPTIN, AEP and STATE 0, CSSA below NSSA, and what EADD " \
  "asks of a 32-bit enclave's") \
C(EACCEPT, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EACCEPT, DONE, NOTHING, "success", \
  "PENDING, MODIFIED and PR are 0")

#define LEAF_RULES_EMODPE(C) \
C(EMODPE, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EMODPE, SECINFO_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "SECINFO (RBX) is canonical and 64-byte aligned") \
C(EMODPE, SECINFO_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "SECINFO is in the ELRANGE") \
C(EMODPE, SECINFO_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "SECINFO has a page in the EPC") \
C(EMODPE, PAGE_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the page (RCX) is canonical and page-aligned") \
C(EMODPE, PAGE_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the page is in the ELRANGE") \
C(EMODPE, PAGE_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the page has a page in the EPC") \
C(EMODPE, SECINFO_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has SECINFO in a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EMODPE, SECINFO, SECINFO_RESERVED, "#GP(0)", \
  "SECINFO has nothing reserved set; its type and states do not count") \
C(EMODPE, EPCM, ENCLU_PAGE_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address, not BLOCKED, PENDING or MODIFIED, " \
  "and no leaf takes it away") \
C(EMODPE, BUSY, ENCLU_PAGE_BUSY, "#GP(0)", \
  "no other leaf of SGX2 changes the page") \
C(EMODPE, WRITE_ONLY, EMODPE_REQUEST, "#GP(0)", \
  "SECINFO has no W without R, unless the page has R") \
C(EMODPE, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EMODPE, DONE, NOTHING, "success", \
  "the page has the permissions of both; PR stays, and nothing is tracked")

#define LEAF_RULES_EACCEPTCOPY(C) \
C(EACCEPTCOPY, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[1] alone, as all leaves of SGX2 are") \
C(EACCEPTCOPY, SECINFO_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "SECINFO (RBX) is canonical and 64-byte aligned") \
C(EACCEPTCOPY, SECINFO_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "SECINFO is in the ELRANGE") \
C(EACCEPTCOPY, SECINFO_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "SECINFO has a page in the EPC") \
C(EACCEPTCOPY, PAGE_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the destination (RCX) is canonical and page-aligned") \
C(EACCEPTCOPY, PAGE_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the destination is in the ELRANGE") \
C(EACCEPTCOPY, PAGE_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the destination has a page in the EPC") \
C(EACCEPTCOPY, SOURCE_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the source (RDX) is canonical and page-aligned") \
C(EACCEPTCOPY, SOURCE_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the source is in the ELRANGE") \
C(EACCEPTCOPY, SOURCE_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the source has a page in the EPC") \
C(EACCEPTCOPY, SECINFO_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has SECINFO in a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EACCEPTCOPY, SECINFO, SECINFO_RESERVED, "#GP(0)", \
  "SECINFO has nothing reserved set; its states do not count") \
C(EACCEPTCOPY, REQUEST, EACCEPTCOPY_REQUEST, "#GP(0)", \
  "SECINFO is PT_REG, and has no W without R") \
C(EACCEPTCOPY, SOURCE_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has the source in a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EACCEPTCOPY, MISMATCH, EACCEPTCOPY_PAGE, "SGX_PAGE_ATTRIBUTES_MISMATCH", \
  "the destination is a valid PT_REG page of this enclave and address, PENDING, not MODIFIED or BLOCKED, " \
  "with R and W, and no leaf takes it away") \
C(EACCEPTCOPY, BUSY, ENCLU_PAGE_BUSY, "#GP(0)", \
  "no other leaf of SGX2 changes the destination") \
C(EACCEPTCOPY, ORDER, NOTHING, "", \
  "the rules above are met in this order") \
C(EACCEPTCOPY, DONE, NOTHING, "success", \
  "the destination has the source's bytes and the permissions of SECINFO, and is not PENDING")

#define LEAF_RULES_OF_SGX2(C) \
	LEAF_RULES_EAUG(C) \
	LEAF_RULES_EMODPR(C) \
	LEAF_RULES_EMODT(C) \
	LEAF_RULES_EACCEPT(C) \
	LEAF_RULES_EMODPE(C) \
	LEAF_RULES_EACCEPTCOPY(C)

/* clang-format on */

#endif
