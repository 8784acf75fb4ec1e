/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of ENCLU and of AEX: see leaf_rules_encls.h, which explains the columns.
 */
#ifndef TESTS_UNIT_LEAF_RULES_ENCLU_H
#define TESTS_UNIT_LEAF_RULES_ENCLU_H

/* clang-format off */

#define LEAF_RULES_ENCLU(C) \
C(ENCLU, LEAF, NOTHING, "#GP(0)", \
  "EAX names a leaf that CPUID offers") \
C(ENCLU, INSIDE, NOTHING, "#GP(0)", \
  "EREPORT and EGETKEY run in an initialised enclave")

#define LEAF_RULES_EREPORT(C) \
C(EREPORT, ORDER, NOTHING, "", \
  "the rules below are met in this order") \
C(EREPORT, TARGETINFO_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "TARGETINFO (RBX) is canonical and 512-byte aligned") \
C(EREPORT, TARGETINFO_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "TARGETINFO is in the ELRANGE") \
C(EREPORT, TARGETINFO_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "TARGETINFO has a page in the EPC") \
C(EREPORT, TARGETINFO_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EREPORT, REPORTDATA_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "REPORTDATA (RCX) is canonical and 128-byte aligned") \
C(EREPORT, REPORTDATA_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "REPORTDATA is in the ELRANGE") \
C(EREPORT, REPORTDATA_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "REPORTDATA has a page in the EPC") \
C(EREPORT, REPORTDATA_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EREPORT, OUTPUT_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the REPORT's place (RDX) is canonical and 512-byte aligned") \
C(EREPORT, OUTPUT_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the REPORT's place is in the ELRANGE") \
C(EREPORT, OUTPUT_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the REPORT's place has a page in the EPC") \
C(EREPORT, OUTPUT_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address with W, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EREPORT, DONE, NOTHING, "success", \
  "CPUSVN, ATTRIBUTES, MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, the 64 bytes, " \
  "CR_REPORT_KEYID and the MAC") \
C(EREPORT, KSS, NOTHING, "success", \
  "MISCSELECT, CONFIGID, CONFIGSVN, ISVFAMILYID and ISVEXTPRODID") \
C(EREPORT, RESERVED, NOTHING, "success", \
  "reserved bytes are 0") \
C(EREPORT, MAC, NOTHING, "success", \
  "the MAC covers each byte before KEYID") \
C(EREPORT, KEY, NOTHING, "success", \
  "the MAC's key depends on MEASUREMENT, ATTRIBUTES, MISCSELECT, CONFIGID, CONFIGSVN and " \
  "CET_ATTRIBUTES of TARGETINFO, KEYID, CPUSVN, the owner epoch and the fuses") \
C(EREPORT, TARGET_RESERVED, NOTHING, "success", \
  "reserved bytes of TARGETINFO do not count")

#define LEAF_RULES_EGETKEY(C) \
C(EGETKEY, ORDER, NOTHING, "", \
  "the rules below are met in this order") \
C(EGETKEY, REQUEST_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "KEYREQUEST (RBX) is canonical and 512-byte aligned") \
C(EGETKEY, REQUEST_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "KEYREQUEST is in the ELRANGE") \
C(EGETKEY, REQUEST_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "KEYREQUEST has a page in the EPC") \
C(EGETKEY, REQUEST_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address with R, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EGETKEY, KEY_ADDR, ENCLU_OPERAND_ADDR, "#GP(0)", \
  "the key's place (RCX) is canonical and 16-byte aligned") \
C(EGETKEY, KEY_RANGE, ENCLU_OPERAND_RANGE, "#GP(0)", \
  "the key's place is in the ELRANGE") \
C(EGETKEY, KEY_ABSENT, ENCLU_OPERAND_ABSENT, "#PF", \
  "the key's place has a page in the EPC") \
C(EGETKEY, KEY_EPCM, ENCLU_OPERAND_EPCM, "#PF with SGX", \
  "the EPCM has there a valid PT_REG page of this enclave and address with W, not BLOCKED, " \
  "PENDING or MODIFIED") \
C(EGETKEY, RESERVED, KEYREQUEST_RESERVED, "#GP(0)", \
  "reserved bytes of KEYREQUEST are 0") \
C(EGETKEY, POLICY, KEYREQUEST_POLICY, "#GP(0)", \
  "reserved bits of KEYPOLICY are 0") \
C(EGETKEY, CET, KEYREQUEST_CET, "#GP(0)", \
  "CET_ATTRIBUTES_MASK is 0 without ATTRIBUTES.CET") \
C(EGETKEY, KSS, KEYREQUEST_KSS, "#GP(0)", \
  "NOISVPRODID, CONFIGID, ISVFAMILYID, ISVEXTPRODID and CONFIGSVN are 0 without " \
  "ATTRIBUTES.KSS") \
C(EGETKEY, NAME, EGETKEY_NAME, "SGX_INVALID_KEYNAME", \
  "KEYNAME is one of the five") \
C(EGETKEY, ATTRIBUTE, EGETKEY_ATTRIBUTE, "SGX_INVALID_ATTRIBUTE", \
  "the EINITTOKEN key wants ATTRIBUTES.EINITTOKENKEY, the provisioning keys PROVISIONKEY") \
C(EGETKEY, CPUSVN, EGETKEY_CPUSVN, "SGX_INVALID_CPUSVN", \
  "CPUSVN is no newer processor's, in any component") \
C(EGETKEY, ISVSVN, EGETKEY_ISVSVN, "SGX_INVALID_ISVSVN", \
  "ISVSVN is not above the enclave's") \
C(EGETKEY, CONFIGSVN, EGETKEY_CONFIGSVN, "SGX_INVALID_ISVSVN", \
  "CONFIGSVN of a seal key is not above the enclave's") \
C(EGETKEY, CODES, NOTHING, "SGX_*", \
  "codes come in the order of the SDM, and leave the key's place alone") \
C(EGETKEY, MASKS, NOTHING, "success", \
  "reserved bits of masks are legal") \
C(EGETKEY, KEY, NOTHING, "success", \
  "each key depends on what the SDM's table says, and on nothing else") \
C(EGETKEY, OLD, NOTHING, "success", \
  "a newer version of an enclave, on a newer processor, gets the keys of an older one") \
C(EGETKEY, LAUNCH, NOTHING, "success", \
  "a launch enclave gets the key that EINIT checks tokens with") \
C(EGETKEY, REPORT, NOTHING, "success", \
  "the target of a report gets the key of its MAC")

#define LEAF_RULES_EENTER(C) \
C(EENTER, TCS_ADDR, ENTRY_TCS_ADDR, "#GP(0)", \
  "RBX is canonical and page-aligned") \
C(EENTER, ENCLAVE, ENTRY_NO_ENCLAVE, "#PF with SGX", \
  "RBX is in the EPC") \
C(EENTER, AEP, ENTRY_AEP, "#GP(0)", \
  "RCX, the AEP, is canonical") \
C(EENTER, TCS, ENTRY_NO_TCS, "#PF with SGX", \
  "the page is a TCS") \
C(EENTER, OSSA, ENTRY_OSSA, "#GP(0)", \
  "TCS.OSSA is page-aligned") \
C(EENTER, BASES, ENTRY_BASES, "#GP(0)", \
  "TCS.OFSBASE and OGSBASE are page-aligned") \
C(EENTER, FLAGS, ENTRY_FLAGS, "#GP(0)", \
  "reserved flags of the TCS are 0") \
C(EENTER, INIT, ENTRY_NOT_INIT, "#GP(0)", \
  "the enclave is initialised") \
C(EENTER, MODE, ENTRY_MODE, "#GP(0)", \
  "the enclave has ATTRIBUTES.MODE64BIT") \
C(EENTER, XFRM, ENTRY_XFRM, "#GP(0)", \
  "XCR0 has all bits of XFRM") \
C(EENTER, AEXNOTIFY, ENTRY_AEXNOTIFY, "#GP(0)", \
  "TCS.FLAGS and ATTRIBUTES both have AEXNOTIFY or none, unless the TCS has DBGOPTIN") \
C(EENTER, CSSA, ENTRY_CSSA_FULL, "#GP(0)", \
  "TCS.CSSA is below NSSA") \
C(EENTER, SSA_CANONICAL, ENTRY_SSA_CANONICAL, "#GP(0)", \
  "the SSA frame is at a canonical address") \
C(EENTER, SSA_RANGE, ENTRY_SSA_RANGE, "#PF with SGX", \
  "each page of the SSA frame is in the ELRANGE") \
C(EENTER, OENTRY, ENTRY_OENTRY, "#GP(0)", \
  "the target is in the ELRANGE (on hardware at the first fetch)") \
C(EENTER, BASE_CANONICAL, ENTRY_BASE_CANONICAL, "#GP(0)", \
  "FS and GS bases are canonical") \
C(EENTER, BUSY, ENTRY_TCS_BUSY, "#GP(0)", \
  "no thread is inside by this TCS") \
C(EENTER, DONE, NOTHING, "success", \
  "RAX, RCX, RIP, FS and GS; URSP and URBP in the SSA frame") \
C(EENTER, TF, NOTHING, "success", \
  "an opt-out entry hides TF, and the exit brings it back; an opt-in entry leaves it")

#define LEAF_RULES_ERESUME(C) \
C(ERESUME, TCS_ADDR, ENTRY_TCS_ADDR, "#GP(0)", \
  "RBX is canonical and page-aligned") \
C(ERESUME, ENCLAVE, ENTRY_NO_ENCLAVE, "#PF with SGX", \
  "RBX is in the EPC") \
C(ERESUME, AEP, ENTRY_AEP, "#GP(0)", \
  "RCX, the AEP, is canonical") \
C(ERESUME, TCS, ENTRY_NO_TCS, "#PF with SGX", \
  "the page is a TCS") \
C(ERESUME, OSSA, ENTRY_OSSA, "#GP(0)", \
  "TCS.OSSA is page-aligned") \
C(ERESUME, BASES, ENTRY_BASES, "#GP(0)", \
  "TCS.OFSBASE and OGSBASE are page-aligned") \
C(ERESUME, FLAGS, ENTRY_FLAGS, "#GP(0)", \
  "reserved flags of the TCS are 0") \
C(ERESUME, INIT, ENTRY_NOT_INIT, "#GP(0)", \
  "the enclave is initialised") \
C(ERESUME, MODE, ENTRY_MODE, "#GP(0)", \
  "the enclave has ATTRIBUTES.MODE64BIT") \
C(ERESUME, XFRM, ENTRY_XFRM, "#GP(0)", \
  "XCR0 has all bits of XFRM") \
C(ERESUME, AEXNOTIFY, ENTRY_AEXNOTIFY, "#GP(0)", \
  "TCS.FLAGS and ATTRIBUTES both have AEXNOTIFY or none, unless the TCS has DBGOPTIN") \
C(ERESUME, CSSA, ENTRY_CSSA_EMPTY, "#GP(0)", \
  "TCS.CSSA is not 0") \
C(ERESUME, SSA_CANONICAL, ENTRY_SSA_CANONICAL, "#GP(0)", \
  "the SSA frame is at a canonical address") \
C(ERESUME, SSA_RANGE, ENTRY_SSA_RANGE, "#PF with SGX", \
  "each page of the SSA frame is in the ELRANGE") \
C(ERESUME, BUSY, ENTRY_TCS_BUSY, "#GP(0)", \
  "no thread is inside by this TCS") \
C(ERESUME, NOTIFY, NOTHING, "success", \
  "with AEXNOTIFY in TCS.FLAGS and in GPRSGX of the frame the enclave is entered at OENTRY, as by EENTER: " \
  "RAX the CSSA, which stays, RCX the next instruction, URSP and URBP in the frame above") \
C(ERESUME, NOTIFY_CSSA, ENTRY_CSSA_FULL, "#GP(0)", \
  "for that TCS.CSSA is below NSSA") \
C(ERESUME, NOTIFY_SSA, ENTRY_SSA_RANGE, "#PF with SGX", \
  "and each page of the SSA frame above is in the ELRANGE") \
C(ERESUME, NOTIFY_OENTRY, ENTRY_OENTRY, "#GP(0)", \
  "and OENTRY is in the ELRANGE (on hardware at the first fetch)") \
C(ERESUME, NOTIFY_BASES, ENTRY_BASE_CANONICAL, "#GP(0)", \
  "and FS and GS bases of the TCS are canonical") \
C(ERESUME, RIP, RESUME_RIP, "#GP(0)", \
  "RIP in the frame is in the ELRANGE") \
C(ERESUME, FS_GS, RESUME_BASES, "#GP(0)", \
  "FS and GS bases in the frame are canonical") \
C(ERESUME, XSTATE, RESUME_XSTATE, "#GP(0)", \
  "XSTATE_BV in the frame has no bit that XFRM has not") \
C(ERESUME, XHEADER, RESUME_XHEADER, "#GP(0)", \
  "bytes 8 to 23 of the XSAVE header are 0") \
C(ERESUME, MXCSR, RESUME_MXCSR, "#GP(0)", \
  "reserved bits of MXCSR are 0") \
C(ERESUME, RFLAGS, NOTHING, "success", \
  "which bits of RFLAGS the frame decides") \
C(ERESUME, XSAVE, NOTHING, "success", \
  "components of XFRM are the frame's, all others stay") \
C(ERESUME, DONE, NOTHING, "success", \
  "registers are those of the AEX, and CSSA is one less")

#define LEAF_RULES_EEXIT(C) \
C(EEXIT, INSIDE, NOTHING, "#GP(0)", \
  "executed in enclave mode") \
C(EEXIT, RBX, NOTHING, "#GP(0)", \
  "RBX is canonical; a target in the ELRANGE is left to the fetch") \
C(EEXIT, DONE, NOTHING, "success", \
  "RIP is RBX, RCX the AEP; FS and GS are those of outside; the TCS is free")

#define LEAF_RULES_AEX(C) \
C(AEX, SAVE, NOTHING, "", \
  "registers go to the SSA frame, synthetic ones come out") \
C(AEX, EXITINFO, NOTHING, "", \
  "EXITINFO names the eight exceptions that are always reported") \
C(AEX, EXINFO, NOTHING, "", \
  "#PF and #GP are reported with MISCSELECT.EXINFO alone, and no supervisor's #PF") \
C(AEX, AEXNOTIFY, NOTHING, "", \
  "the byte AEXNOTIFY of the frame stays as the enclave left it") \
C(AEX, CR2, NOTHING, "", \
  "outside sees of CR2 the page alone") \
C(AEX, XSAVE, NOTHING, "", \
  "components of XFRM go to the frame in the standard format") \
C(AEX, XINIT, NOTHING, "", \
  "components of XFRM have initial values outside, but for pending #MF and #XM")

#define LEAF_RULES_EDECCSSA(C) \
C(EDECCSSA, ABSENT, NOTHING, "#GP(0)", \
  "there with CPUID 12H.0 EAX[11] alone") \
C(EDECCSSA, INSIDE, NOTHING, "#GP(0)", \
  "executed in enclave mode") \
C(EDECCSSA, CSSA, EDECCSSA_EMPTY, "#GP(0)", \
  "TCS.CSSA is not 0") \
C(EDECCSSA, SSA_CANONICAL, ENTRY_SSA_CANONICAL, "#GP(0)", \
  "the SSA frame below is at a canonical address") \
C(EDECCSSA, SSA_RANGE, ENTRY_SSA_RANGE, "#PF with SGX", \
  "each page of that frame is in the ELRANGE") \
C(EDECCSSA, DONE, NOTHING, "success", \
  "CSSA is one less, and the next AEX writes there")

#define LEAF_RULES_OF_ENCLU(C) \
	LEAF_RULES_ENCLU(C) \
	LEAF_RULES_EREPORT(C) \
	LEAF_RULES_EGETKEY(C) \
	LEAF_RULES_EENTER(C) \
	LEAF_RULES_ERESUME(C) \
	LEAF_RULES_EEXIT(C) \
	LEAF_RULES_AEX(C) \
	LEAF_RULES_EDECCSSA(C)

/* clang-format on */

#endif
