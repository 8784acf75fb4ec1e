/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of ENCLS, leaf by leaf, each leaf's in the SDM's order.
 *
 *	C(LEAF, ID, WHY, ANSWER, SENTENCE)
 *
 * LEAF, ID	RULE(LEAF, ID) in a test says that the cases below it check this rule
 * WHY		the rule of base/rules.h by which the leaf refuses; NOTHING: none, or several
 * ANSWER	fault or code where the rule is broken; "success": what a leaf does
 * SENTENCE	the rule
 *
 * docs/CONFORMANCE.md lists them with their cases: scripts/conformance-doc makes it.
 */
#ifndef TESTS_UNIT_LEAF_RULES_ENCLS_H
#define TESTS_UNIT_LEAF_RULES_ENCLS_H

/* clang-format off */

#define LEAF_RULES_ENCLS(C) \
C(ENCLS, OFF, NOTHING, "#UD", \
  "IA32_FEATURE_CONTROL is locked, with SGX enabled; else there is no ENCLS and no ENCLU") \
C(ENCLS, LEAF, NOTHING, "#GP(0)", \
  "EAX names a leaf that CPUID offers")

#define LEAF_RULES_ECREATE(C) \
C(ECREATE, PAGEINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(ECREATE, TARGET_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the destination (RCX) is canonical and page-aligned") \
C(ECREATE, TARGET_EPC, OPERAND_EPC, "#PF", \
  "the destination is in the EPC") \
C(ECREATE, PAGEINFO_MAP, OPERAND_MAP, "#PF", \
  "PAGEINFO is mapped") \
C(ECREATE, SOURCE_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO.SRCPGE, the source SECS, is page-aligned") \
C(ECREATE, SECINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO.SECINFO is 64-byte aligned") \
C(ECREATE, PAGEINFO_ZERO, PAGEINFO_ZERO, "#GP(0)", \
  "PAGEINFO.LINADDR and PAGEINFO.SECS are 0") \
C(ECREATE, SECINFO_MAP, OPERAND_MAP, "#PF", \
  "SECINFO is mapped") \
C(ECREATE, SECINFO, SECINFO_SECS, "#GP(0)", \
  "SECINFO says PT_SECS, and nothing else of it is set") \
C(ECREATE, TARGET_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf uses the destination") \
C(ECREATE, TARGET_FREE, EPCM_VALID, "#PF with SGX", \
  "the destination is free: its EPCM entry is not valid") \
C(ECREATE, SOURCE_MAP, OPERAND_MAP, "#PF", \
  "the source SECS is mapped") \
C(ECREATE, XFRM_LEGACY, SECS_XFRM_LEGACY, "#GP(0)", \
  "XFRM has x87 and SSE") \
C(ECREATE, XFRM, SECS_XFRM, "#GP(0)", \
  "XFRM has no bit that CPUID 12H.1 does not offer") \
C(ECREATE, XFRM_TOGETHER, SECS_XFRM_TOGETHER, "#GP(0)", \
  "XFRM is a value that XSETBV would take: AVX-512 whole and with AVX, MPX, CET and AMX " \
  "whole") \
C(ECREATE, MISCSELECT, SECS_MISCSELECT, "#GP(0)", \
  "MISCSELECT has no bit that CPUID 12H.0 does not offer") \
C(ECREATE, SSAFRAMESIZE, SECS_SSAFRAMESIZE, "#GP(0)", \
  "SSAFRAMESIZE pages hold the XSAVE area of XFRM, the MISC region and GPRSGX") \
C(ECREATE, BASE_CANONICAL, SECS_BASE_CANONICAL, "#GP(0)", \
  "BASEADDR of a 64-bit enclave is canonical") \
C(ECREATE, BASE_32, SECS_BASE_32, "#GP(0)", \
  "BASEADDR of a 32-bit enclave is below 4 GiB") \
C(ECREATE, SIZE_MAX, SECS_SIZE_MAX, "#GP(0)", \
  "SIZE is at most what CPUID 12H.0 EDX names for the mode") \
C(ECREATE, SIZE_MIN, SECS_SIZE_MIN, "#GP(0)", \
  "SIZE is two pages at least") \
C(ECREATE, SIZE_POW2, SECS_SIZE_POW2, "#GP(0)", \
  "SIZE is a power of two") \
C(ECREATE, BASE_ALIGN, SECS_BASE_ALIGN, "#GP(0)", \
  "BASEADDR is a multiple of SIZE") \
C(ECREATE, ATTRIBUTES, SECS_ATTRIBUTES, "#GP(0)", \
  "ATTRIBUTES has no bit that CPUID 12H.1 does not offer; INIT is never offered") \
C(ECREATE, RESERVED, SECS_RESERVED, "#GP(0)", \
  "reserved bytes are 0") \
C(ECREATE, CET, SECS_CET, "#GP(0)", \
  "CET_ATTRIBUTES and CET_LEG_BITMAP_OFFSET are 0 without ATTRIBUTES.CET") \
C(ECREATE, CONFIG, SECS_CONFIG, "#GP(0)", \
  "CONFIGID and CONFIGSVN are 0 without ATTRIBUTES.KSS") \
C(ECREATE, DONE, NOTHING, "success", \
  "EPCM entry PT_SECS; MRENCLAVE begins with SSAFRAMESIZE and SIZE; what EINIT sets is 0") \
C(ECREATE, EID, NOTHING, "success", \
  "each enclave has a number that no other one had")

#define LEAF_RULES_EADD(C) \
C(EADD, PAGEINFO_ADDR, OPERAND_ADDR, "#GP(0)", \
  "PAGEINFO (RBX) is canonical and 32-byte aligned") \
C(EADD, TARGET_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the destination (RCX) is canonical and page-aligned") \
C(EADD, TARGET_EPC, OPERAND_EPC, "#PF", \
  "the destination is in the EPC") \
C(EADD, PAGEINFO_MAP, OPERAND_MAP, "#PF", \
  "PAGEINFO is mapped") \
C(EADD, ADDRS, OPERAND_ADDR, "#GP(0)", \
  "SRCPGE, SECS and LINADDR are page-aligned, SECINFO is 64-byte aligned") \
C(EADD, SECS_EPC, OPERAND_EPC, "#PF", \
  "SECS is in the EPC") \
C(EADD, SECINFO_MAP, OPERAND_MAP, "#PF", \
  "SECINFO is mapped") \
C(EADD, SECINFO, EADD_SECINFO, "#GP(0)", \
  "SECINFO says PT_REG or PT_TCS, and beside permissions nothing is set") \
C(EADD, SECINFO_RSVD, EADD_SECINFO_RSVD, "#GP(0)", \
  "reserved bytes of SECINFO are 0") \
C(EADD, TARGET_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf uses the destination") \
C(EADD, TARGET_FREE, EPCM_VALID, "#PF with SGX", \
  "the destination is free") \
C(EADD, SECS_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf takes the SECS away; others may use it") \
C(EADD, SECS, SECS_GONE, "#PF with SGX", \
  "the SECS is one") \
C(EADD, SOURCE_MAP, OPERAND_MAP, "#PF", \
  "the source page is mapped") \
C(EADD, WRITE_ONLY, EADD_WRITE_ONLY, "#GP(0)", \
  "a PT_REG page with W has R") \
C(EADD, TCS_FLAGS, TCS_FLAGS_SET, "#GP(0)", \
  "reserved flags of a TCS are 0; AEXNOTIFY is reserved without the attribute") \
C(EADD, TCS_RESERVED, TCS_RESERVED, "#GP(0)", \
  "reserved bytes of a TCS are 0") \
C(EADD, TCS_CET, TCS_CET, "#GP(0)", \
  "OCETSSA and PREVSSP are 0 without ATTRIBUTES.CET") \
C(EADD, TCS_LIMIT, TCS_LIMIT, "#GP(0)", \
  "FSLIMIT and GSLIMIT of a 32-bit enclave end with FFFH") \
C(EADD, LINADDR, EADD_LINADDR, "#GP(0)", \
  "LINADDR is in the ELRANGE") \
C(EADD, MEASURE_BUSY, MEASURE_BUSY, "#GP(0)", \
  "no other leaf extends MRENCLAVE") \
C(EADD, INITIALISED, SECS_INITIALISED, "#GP(0)", \
  "the enclave is not initialised") \
C(EADD, REG_DONE, NOTHING, "success", \
  "the page, its EPCM entry, the SECS' count of children and MRENCLAVE") \
C(EADD, TCS_DONE, NOTHING, "success", \
  "a TCS begins with CSSA, AEP, STATE and DBGOPTIN 0, and without permissions")

#define LEAF_RULES_EEXTEND(C) \
C(EEXTEND, SECS_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the SECS (RBX) is canonical and page-aligned") \
C(EEXTEND, SECS_EPC, OPERAND_EPC, "#PF", \
  "the SECS is in the EPC") \
C(EEXTEND, CHUNK_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the chunk (RCX) is canonical and 256-byte aligned") \
C(EEXTEND, CHUNK_EPC, OPERAND_EPC, "#PF", \
  "the chunk is in the EPC") \
C(EEXTEND, PAGE_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf takes the page away; others may use it") \
C(EEXTEND, PAGE, EEXTEND_PAGE, "#PF with SGX", \
  "the page is valid, PT_REG or PT_TCS") \
C(EEXTEND, SECS, EEXTEND_SECS, "#GP(0)", \
  "the SECS is the page's") \
C(EEXTEND, MEASURE_BUSY, MEASURE_BUSY, "#GP(0)", \
  "no other leaf extends MRENCLAVE") \
C(EEXTEND, INITIALISED, SECS_INITIALISED, "#GP(0)", \
  "the enclave is not initialised") \
C(EEXTEND, DONE, NOTHING, "success", \
  "MRENCLAVE goes on with the offset in the ELRANGE and the 256 bytes")

#define LEAF_RULES_EINIT(C) \
C(EINIT, ORDER, NOTHING, "", \
  "the rules below are met in this order") \
C(EINIT, SIGSTRUCT_ADDR, OPERAND_ADDR, "#GP(0)", \
  "SIGSTRUCT (RBX) is canonical and page-aligned") \
C(EINIT, SECS_ADDR, OPERAND_ADDR, "#GP(0)", \
  "the SECS (RCX) is canonical and page-aligned") \
C(EINIT, TOKEN_ADDR, OPERAND_ADDR, "#GP(0)", \
  "EINITTOKEN (RDX) is canonical and 512-byte aligned") \
C(EINIT, SECS_EPC, OPERAND_EPC, "#PF", \
  "the SECS is in the EPC") \
C(EINIT, SIGSTRUCT_MAP, OPERAND_MAP, "#PF", \
  "SIGSTRUCT is mapped") \
C(EINIT, TOKEN_MAP, OPERAND_MAP, "#PF", \
  "EINITTOKEN is mapped") \
C(EINIT, HEADER, SIG_HEADER, "SGX_INVALID_SIG_STRUCT", \
  "SIGSTRUCT.HEADER and HEADER2 are the constants of every SIGSTRUCT") \
C(EINIT, VENDOR, SIG_VENDOR, "SGX_INVALID_SIG_STRUCT", \
  "SIGSTRUCT.VENDOR is 0 or 8086H") \
C(EINIT, EXPONENT, SIG_EXPONENT, "SGX_INVALID_SIG_STRUCT", \
  "SIGSTRUCT.EXPONENT is 3") \
C(EINIT, SIG_RESERVED, SIG_RESERVED, "SGX_INVALID_SIG_STRUCT", \
  "reserved bytes of SIGSTRUCT are 0") \
C(EINIT, Q1, SIG_Q1, "SGX_INVALID_SIGNATURE", \
  "SIGSTRUCT.Q1 is floor(SIGNATURE^2 / MODULUS)") \
C(EINIT, Q2, SIG_Q2, "SGX_INVALID_SIGNATURE", \
  "SIGSTRUCT.Q2 is floor((SIGNATURE^3 - Q1 * SIGNATURE * MODULUS) / MODULUS)") \
C(EINIT, PADDING, SIG_PADDING, "SGX_INVALID_SIGNATURE", \
  "SIGNATURE^3 mod MODULUS is PKCS#1 1.5 with SHA-256") \
C(EINIT, DIGEST, SIG_DIGEST, "SGX_INVALID_SIGNATURE", \
  "the digest is that of bytes 0 to 127 and 900 to 1027") \
C(EINIT, SIG_BYTES, NOTHING, "SGX_INVALID_SIG_STRUCT, SGX_INVALID_SIGNATURE", \
  "no byte of SIGSTRUCT changes without notice; DATE and SWDEFINED have any value that is " \
  "signed") \
C(EINIT, SECS_BUSY, EPCM_BUSY, "#GP(0)", \
  "no other leaf takes the SECS away; others may use it") \
C(EINIT, SECS, SECS_GONE, "#PF with SGX", \
  "the SECS is one") \
C(EINIT, FAMILYID, SIG_FAMILYID, "SGX_INVALID_SIG_STRUCT", \
  "SIGSTRUCT.ISVFAMILYID is 0 without ATTRIBUTES.KSS") \
C(EINIT, MEASURE_BUSY, MEASURE_BUSY, "#GP(0)", \
  "no other leaf extends MRENCLAVE") \
C(EINIT, INITIALISED, SECS_INITIALISED, "#GP(0)", \
  "the enclave is not initialised") \
C(EINIT, HASH, INIT_HASH, "SGX_INVALID_MEASUREMENT", \
  "SIGSTRUCT.ENCLAVEHASH is MRENCLAVE") \
C(EINIT, TOKENKEY, INIT_TOKENKEY_SIGNER, "SGX_INVALID_ATTRIBUTE", \
  "ATTRIBUTES.EINITTOKENKEY is for the signer in IA32_SGXLEPUBKEYHASH alone") \
C(EINIT, ATTRIBUTES, INIT_ATTR_MASK, "SGX_INVALID_ATTRIBUTE", \
  "ATTRIBUTES are SIGSTRUCT's, where ATTRIBUTEMASK has a bit") \
C(EINIT, XFRM, INIT_XFRM_MASK, "SGX_INVALID_ATTRIBUTE", \
  "XFRM is SIGSTRUCT's, where ATTRIBUTEMASK.XFRM has a bit") \
C(EINIT, CET, INIT_CET_MASK, "SGX_INVALID_ATTRIBUTE", \
  "CET_ATTRIBUTES are SIGSTRUCT's, where CET_ATTRIBUTES_MASK has a bit") \
C(EINIT, MISCSELECT, INIT_MISC_MASK, "SGX_INVALID_ATTRIBUTE", \
  "MISCSELECT is SIGSTRUCT's, where MISCMASK has a bit") \
C(EINIT, SIGNER, INIT_SIGNER, "SGX_INVALID_EINITTOKEN", \
  "where EINITTOKEN.VALID is 0, the signer is the one in IA32_SGXLEPUBKEYHASH") \
C(EINIT, TOKEN_DEBUG, TOKEN_DEBUG, "SGX_INVALID_EINITTOKEN", \
  "a debug launch enclave launches debug enclaves alone") \
C(EINIT, TOKEN_RESERVED, TOKEN_RESERVED, "SGX_INVALID_EINITTOKEN", \
  "reserved bits and bytes of EINITTOKEN are 0") \
C(EINIT, TOKEN_CPUSVN, TOKEN_CPUSVN, "SGX_INVALID_CPUSVN", \
  "EINITTOKEN.CPUSVNLE is no newer processor's, in any component") \
C(EINIT, TOKEN_MAC, TOKEN_MAC, "SGX_INVALID_EINITTOKEN", \
  "EINITTOKEN.MAC is made with the EINITTOKEN key of the launch enclave that the token " \
  "names, on this processor; also where the signer needs no token") \
C(EINIT, TOKEN_BYTES, NOTHING, "SGX_INVALID_EINITTOKEN, SGX_INVALID_CPUSVN", \
  "no byte of EINITTOKEN changes without notice") \
C(EINIT, TOKEN_MRENCLAVE, TOKEN_MRENCLAVE, "SGX_INVALID_MEASUREMENT", \
  "EINITTOKEN.MRENCLAVE is the enclave's") \
C(EINIT, TOKEN_MRSIGNER, TOKEN_MRSIGNER, "SGX_INVALID_MEASUREMENT", \
  "EINITTOKEN.MRSIGNER is the signer's") \
C(EINIT, TOKEN_ATTRIBUTES, TOKEN_ATTRIBUTES, "SGX_INVALID_ATTRIBUTE", \
  "EINITTOKEN.ATTRIBUTES are the enclave's") \
C(EINIT, TOKEN, NOTHING, "success", \
  "a right token lets any signer's enclave start") \
C(EINIT, DONE, NOTHING, "success", \
  "INIT is set; MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, ISVFAMILYID and ISVEXTPRODID are " \
  "the SECS'")

#define LEAF_RULES_EREMOVE(C) \
C(EREMOVE, ADDR, OPERAND_ADDR, "#GP(0)", \
  "RCX is canonical and page-aligned") \
C(EREMOVE, EPC, OPERAND_EPC, "#PF", \
  "RCX is in the EPC") \
C(EREMOVE, BUSY, NOTHING, "#GP(0)", \
  "no other leaf uses the page") \
C(EREMOVE, CHILD, NOTHING, "SGX_CHILD_PRESENT", \
  "no page in the EPC belongs to the SECS") \
C(EREMOVE, ACT, NOTHING, "SGX_ENCLAVE_ACT", \
  "no logical processor is in the enclave; an accepted PT_TRIM page goes all the same") \
C(EREMOVE, FREE, NOTHING, "success", \
  "a page that is free stays so") \
C(EREMOVE, DONE, NOTHING, "success", \
  "the EPCM entry is not valid, the content is gone, the SECS has one child less")

#define LEAF_RULES_EDBGRD(C) \
C(EDBGRD, ADDR, OPERAND_ADDR, "#GP(0)", \
  "RCX is canonical and 8-byte aligned") \
C(EDBGRD, EPC, OPERAND_EPC, "#PF", \
  "RCX is in the EPC") \
C(EDBGRD, BUSY, NOTHING, "#GP(0)", \
  "no other leaf takes the page away; others may use it") \
C(EDBGRD, PAGE, NOTHING, "#PF with SGX", \
  "the page is valid, PT_REG, PT_TCS or PT_VA") \
C(EDBGRD, STATE, NOTHING, "SGX_PAGE_NOT_DEBUGGABLE", \
  "the page is neither PENDING nor MODIFIED") \
C(EDBGRD, TCS, NOTHING, "#GP(0)", \
  "of a TCS only the first 72 bytes can be read") \
C(EDBGRD, DEBUG, NOTHING, "#GP(0)", \
  "the enclave has ATTRIBUTES.DEBUG") \
C(EDBGRD, VA, NOTHING, "success", \
  "of a VA slot RBX says whether it is taken") \
C(EDBGRD, DONE, NOTHING, "success", \
  "RBX has the 8 bytes, whatever R, W and X are")

#define LEAF_RULES_EDBGWR(C) \
C(EDBGWR, ADDR, OPERAND_ADDR, "#GP(0)", \
  "RCX is canonical and 8-byte aligned") \
C(EDBGWR, EPC, OPERAND_EPC, "#PF", \
  "RCX is in the EPC") \
C(EDBGWR, BUSY, NOTHING, "#GP(0)", \
  "no other leaf takes the page away; others may use it") \
C(EDBGWR, PAGE, NOTHING, "#PF with SGX", \
  "the page is valid, PT_REG or PT_TCS") \
C(EDBGWR, STATE, NOTHING, "SGX_PAGE_NOT_DEBUGGABLE", \
  "the page is neither PENDING nor MODIFIED") \
C(EDBGWR, TCS, NOTHING, "#GP(0)", \
  "of a TCS only FLAGS can be written") \
C(EDBGWR, DEBUG, NOTHING, "#GP(0)", \
  "the enclave has ATTRIBUTES.DEBUG") \
C(EDBGWR, DONE, NOTHING, "success", \
  "RBX is written, whatever R, W and X are")

#define LEAF_RULES_ERDINFO(C) \
C(ERDINFO, ABSENT, NOTHING, "#GP(0)", \
  "swsgx does not have it, and CPUID does not offer it")

#define LEAF_RULES_OF_ENCLS(C) \
	LEAF_RULES_ENCLS(C) \
	LEAF_RULES_ECREATE(C) \
	LEAF_RULES_EADD(C) \
	LEAF_RULES_EEXTEND(C) \
	LEAF_RULES_EINIT(C) \
	LEAF_RULES_EREMOVE(C) \
	LEAF_RULES_EDBGRD(C) \
	LEAF_RULES_EDBGWR(C) \
	LEAF_RULES_ERDINFO(C)

/* clang-format on */

#endif
