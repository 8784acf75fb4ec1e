/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules by which processor, driver and agent refuse, and a sentence for each.
 *
 *	R(ID, WHEN, CALL, ANSWER, SENTENCE)
 *
 * ID		becomes WHY_ID
 * WHEN		ASKED: said where somebody asked for it (--explain).  MISSING: swsgx
 *		does not have it yet; said in any case, once
 * CALL		what was refused; "*" where several meet the rule: the leaf or the call
 * ANSWER	what the caller got for it
 * SENTENCE	field, value, what the rule wants, what would do
 *
 * In CALL and SENTENCE {f}, {w} and {a} are struct why's found, wanted and at in
 * hexadecimal, {f-w} the bits of found that are not in wanted.  A word behind a
 * colon chooses another form, as {f:d} does: see agent/explain/text.c.
 *
 * docs/EXPLAIN.md lists them: scripts/explain-doc makes it.
 */
#ifndef BASE_RULES_H
#define BASE_RULES_H

/* clang-format off */

/* What every leaf of ENCLS may say of its operands; the driver's are right. */
#define WHY_RULES_OPERANDS(R) \
R(OPERAND_ADDR, ASKED, "*", "#GP(0)", \
  "the operand at {f} is not canonical, or not a multiple of {w}") \
R(OPERAND_MAP, ASKED, "*", "#PF", \
  "{w:d} bytes of operand at {f} are not mapped") \
R(OPERAND_EPC, ASKED, "*", "#PF", \
  "{f} is not an address of the EPC") \
R(EPCM_BUSY, ASKED, "*", "#GP(0)", \
  "another leaf works on the EPC page at {f} at this moment") \
R(EPCM_VALID, ASKED, "*", "#PF", \
  "the EPC page at {f} is not free: its EPCM entry is valid") \
R(SECS_GONE, ASKED, "*", "#PF, EIO", \
  "the EPC page at {f} is no SECS: a sleep state or a memory error took the enclave; build it " \
  "again on a new descriptor") \
R(MEASURE_BUSY, ASKED, "*", "#GP(0)", \
  "another EADD, EEXTEND or EINIT works on this SECS at this moment") \
R(SECS_INITIALISED, ASKED, "*", "#GP(0)", \
  "ATTRIBUTES.INIT of the SECS is set: nothing is added, measured or initialised after EINIT") \
R(HOST_MEMORY, ASKED, "*", "ENOMEM", \
  "the machine's daemon gets no memory from this computer; the EPC is not the cause")

#define WHY_RULES_ECREATE(R) \
R(PAGEINFO_ZERO, ASKED, "ECREATE", "#GP(0)", \
  "PAGEINFO.LINADDR is {f} and PAGEINFO.SECS is {w}: both must be 0") \
R(SECINFO_SECS, ASKED, "ECREATE", "#GP(0)", \
  "SECINFO.FLAGS is {f}, or a byte behind it is set: the type must be PT_SECS (0) and the rest 0") \
R(SECS_XFRM_LEGACY, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.ATTRIBUTES.XFRM is {f}: x87 and SSE ({w}) must be in it") \
R(SECS_XFRM, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.ATTRIBUTES.XFRM is {f}: this machine offers {w} (CPUID 12H.1 ECX, EDX), and not {f-w}; " \
  "sign for what is there, or let the loader clear it where ATTRIBUTEMASK allows that") \
R(SECS_XFRM_TOGETHER, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.ATTRIBUTES.XFRM is {f}, which XCR0 cannot be: AVX-512 (0xe0) comes whole and with AVX " \
  "(0x4), MPX (0x18), CET (0x1800) and AMX (0x60000) whole") \
R(SECS_MISCSELECT, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.MISCSELECT is {f}: this machine offers {w} (CPUID 12H.0 EBX), and not {f-w}") \
R(SECS_SSAFRAMESIZE, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.SSAFRAMESIZE is {f:d} pages: XSAVE area, MISC and GPRSGX take {w:d} with this XFRM and " \
  "MISCSELECT") \
R(SECS_BASE_CANONICAL, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.BASEADDR is {f}: not canonical (bits 63 to 47 must be alike)") \
R(SECS_BASE_32, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.BASEADDR is {f}: without ATTRIBUTES.MODE64BIT (0x4) it must be below 4 GiB") \
R(SECS_SIZE_MAX, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.SIZE is {f}: the largest enclave of this machine has {w} bytes (CPUID 12H.0 EDX)") \
R(SECS_SIZE_MIN, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.SIZE is {f}: an enclave has two pages at least ({w})") \
R(SECS_SIZE_POW2, ASKED, "ECREATE", "#GP(0)", \
  "SECS.SIZE is {f}: it must be a power of two, as {f:pow2} is") \
R(SECS_BASE_ALIGN, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.BASEADDR is {f}: it must be a multiple of SECS.SIZE ({w}); reserve twice as much, and " \
  "use the part of it that is aligned") \
R(SECS_ATTRIBUTES, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.ATTRIBUTES is {f:attr}: this machine offers {w:attr} (CPUID 12H.1 EAX, EBX), and not " \
  "{f-w:attr}") \
R(SECS_RESERVED, ASKED, "ECREATE", "#GP(0), EIO", \
  "byte {f:d} of the SECS is reserved and not 0; clear the page before you fill it in") \
R(SECS_CET, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.CET_ATTRIBUTES is {f} and SECS.CET_LEG_BITMAP_OFFSET is {w}: without ATTRIBUTES.CET " \
  "(0x40), which this machine does not offer, both must be 0") \
R(SECS_CONFIG, ASKED, "ECREATE", "#GP(0), EIO", \
  "SECS.CONFIGSVN is {f}, and SECS.CONFIGID begins with {w:hash}: without ATTRIBUTES.KSS (0x80) " \
  "both must be 0")

#define WHY_RULES_EADD(R) \
R(EADD_SECINFO, ASKED, "EADD", "#GP(0)", \
  "SECINFO.FLAGS is {f}: the type must be PT_REG (0x200) or PT_TCS (0x100), and only R, W and X " \
  "(0x7) may be set beside it") \
R(EADD_SECINFO_RSVD, ASKED, "EADD", "#GP(0)", \
  "byte {f:d} of SECINFO is reserved and not 0") \
R(EADD_WRITE_ONLY, ASKED, "EADD", "#GP(0)", \
  "SECINFO.FLAGS is {f}: W (0x2) without R (0x1)") \
R(EADD_LINADDR, ASKED, "EADD", "#GP(0)", \
  "PAGEINFO.LINADDR is {f}: outside the ELRANGE, which begins at {w}") \
R(TCS_FLAGS_SET, ASKED, "EADD", "#GP(0), EIO", \
  "TCS.FLAGS is {f} in the source page: only {w} may be set, DBGOPTIN") \
R(TCS_RESERVED, ASKED, "EADD", "#GP(0), EIO", \
  "byte {f:d} of the TCS in the source page is reserved and not 0") \
R(TCS_CET, ASKED, "EADD", "#GP(0), EIO", \
  "TCS.OCETSSA is {f} and TCS.PREVSSP is {w}: both must be 0 in an enclave without " \
  "ATTRIBUTES.CET (0x40)") \
R(TCS_LIMIT, ASKED, "EADD", "#GP(0), EIO", \
  "TCS.FSLIMIT is {f} and TCS.GSLIMIT is {w}: both must end with 0xfff in a 32-bit enclave") \
R(EEXTEND_PAGE, ASKED, "EEXTEND", "#PF, EIO", \
  "the EPC page at {f} is no page of an enclave: it was never added, or it is lost") \
R(EEXTEND_SECS, ASKED, "EEXTEND", "#GP(0)", \
  "RBX is the SECS in EPC page {w:d}: the page belongs to the one in {f:d}")

#define WHY_RULES_EINIT(R) \
R(SIG_HEADER, ASKED, "EINIT", "SGX_INVALID_SIG_STRUCT, EPERM", \
  "SIGSTRUCT.HEADER or HEADER2 is not what it always is (HEADER begins with {f:hash}): this is " \
  "no SIGSTRUCT, or it does not begin here; 'swsgx inspect' shows a file's") \
R(SIG_VENDOR, ASKED, "EINIT", "SGX_INVALID_SIG_STRUCT", \
  "SIGSTRUCT.VENDOR is {f}: it must be 0, or 0x8086 for Intel's own") \
R(SIG_EXPONENT, ASKED, "EINIT", "SGX_INVALID_SIG_STRUCT, EPERM", \
  "SIGSTRUCT.EXPONENT is {f:d}: SGX takes RSA keys with exponent {w:d} alone; make the key with it " \
  "('swsgx sign --new-key', openssl genrsa -3)") \
R(SIG_RESERVED, ASKED, "EINIT", "SGX_INVALID_SIG_STRUCT, EPERM", \
  "byte {f:d} of the SIGSTRUCT is reserved and not 0") \
R(SIG_Q1, ASKED, "EINIT", "SGX_INVALID_SIGNATURE, EPERM", \
  "SIGSTRUCT.Q1 is not what SIGNATURE and MODULUS give: the signer computed it wrongly, or the " \
  "structure was changed") \
R(SIG_Q2, ASKED, "EINIT", "SGX_INVALID_SIGNATURE, EPERM", \
  "SIGSTRUCT.Q2 is not what SIGNATURE, MODULUS and Q1 give: the signer computed it wrongly, or " \
  "the structure was changed") \
R(SIG_PADDING, ASKED, "EINIT", "SGX_INVALID_SIGNATURE, EPERM", \
  "SIGSTRUCT.SIGNATURE was not made with the key of SIGSTRUCT.MODULUS (MRSIGNER {f:hash}), or " \
  "not as PKCS#1 1.5 with SHA-256; numbers stand in it little-endian") \
R(SIG_DIGEST, ASKED, "EINIT", "SGX_INVALID_SIGNATURE, EPERM", \
  "SIGSTRUCT.SIGNATURE is of other contents: a signed field (bytes 0 to 127 and 900 to 1027) was " \
  "changed after signing; sign again") \
R(SIG_FAMILYID, ASKED, "EINIT", "SGX_INVALID_SIG_STRUCT, EPERM", \
  "SIGSTRUCT.ISVFAMILYID begins with {f:hash}: without SECS.ATTRIBUTES.KSS (0x80) it must be 0") \
R(INIT_HASH, ASKED, "EINIT", "SGX_INVALID_MEASUREMENT, EPERM", \
  "SIGSTRUCT.ENCLAVEHASH is {f:hash}, but the enclave measured {w:hash}: what was loaded is not " \
  "what was signed (contents, order, permissions, SECS.SIZE or SSAFRAMESIZE); compare with " \
  "'swsgx measure'") \
R(INIT_TOKENKEY_SIGNER, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE", \
  "SECS.ATTRIBUTES has EINITTOKENKEY (0x20): this signer ({f:hash}) may not have it, only the one in " \
  "IA32_SGXLEPUBKEYHASH ({w:hash})") \
R(INIT_ATTR_MASK, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE, EPERM", \
  "SECS.ATTRIBUTES is {f:attr}, SIGSTRUCT.ATTRIBUTES is {w:attr}: they differ in {a:attr}, which " \
  "ATTRIBUTEMASK covers; create the enclave as it was signed") \
R(INIT_XFRM_MASK, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE, EPERM", \
  "SECS.ATTRIBUTES.XFRM is {f}, SIGSTRUCT.ATTRIBUTES.XFRM is {w}: they differ in {a}, which " \
  "ATTRIBUTEMASK.XFRM covers; create the enclave as it was signed") \
R(INIT_CET_MASK, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE, EPERM", \
  "SECS.CET_ATTRIBUTES is {f}, SIGSTRUCT.CET_ATTRIBUTES is {w}: they differ in {a}, which " \
  "CET_ATTRIBUTES_MASK covers") \
R(INIT_MISC_MASK, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE, EPERM", \
  "SECS.MISCSELECT is {f}, SIGSTRUCT.MISCSELECT is {w}: they differ in {a}, which MISCMASK covers; " \
  "create the enclave as it was signed") \
R(INIT_SIGNER, ASKED, "EINIT", "SGX_INVALID_EINITTOKEN", \
  "EINITTOKEN.VALID is 0, and the signer {f:hash} is not the one in IA32_SGXLEPUBKEYHASH " \
  "({w:hash})") \
R(TOKEN_DEBUG, ASKED, "EINIT", "SGX_INVALID_EINITTOKEN", \
  "the EINITTOKEN is a debug launch enclave's: SECS.ATTRIBUTES ({f:attr}) must have DEBUG (0x2)") \
R(TOKEN_RESERVED, ASKED, "EINIT", "SGX_INVALID_EINITTOKEN", \
  "a reserved bit or byte of the EINITTOKEN is not 0 (VALID is {f})") \
R(TOKEN_CPUSVN, ASKED, "EINIT", "SGX_INVALID_CPUSVN", \
  "EINITTOKEN.CPUSVNLE begins with {f:hash}: a newer processor's than this one's ({w:hash})") \
R(TOKEN_MAC, ASKED, "EINIT", "SGX_INVALID_EINITTOKEN", \
  "EINITTOKEN.MAC is {f:hash}, which this processor's launch key does not give: the token is another " \
  "machine's, or was changed") \
R(TOKEN_MRENCLAVE, ASKED, "EINIT", "SGX_INVALID_MEASUREMENT", \
  "EINITTOKEN.MRENCLAVE is {f:hash}: the enclave measured {w:hash}") \
R(TOKEN_MRSIGNER, ASKED, "EINIT", "SGX_INVALID_MEASUREMENT", \
  "EINITTOKEN.MRSIGNER is {f:hash}: the SIGSTRUCT's signer is {w:hash}") \
R(TOKEN_ATTRIBUTES, ASKED, "EINIT", "SGX_INVALID_ATTRIBUTE", \
  "EINITTOKEN.ATTRIBUTES (flags {f:attr}) are not the enclave's ({w:attr}), or the XFRMs differ")

#define WHY_RULES_ENCLU(R) \
R(ENCLU_OPERAND_ADDR, ASKED, "*", "#GP(0)", \
  "{a:operand} is {f}: not canonical, or not a multiple of {w:d}") \
R(ENCLU_OPERAND_RANGE, ASKED, "*", "#GP(0)", \
  "{a:operand} is {f}: outside the enclave, whose ELRANGE begins at {w}; it must be in enclave " \
  "memory") \
R(ENCLU_OPERAND_ABSENT, ASKED, "*", "#PF", \
  "{a:operand} is {f}: no page was added there, or it is paged out") \
R(ENCLU_OPERAND_EPCM, ASKED, "*", "#PF with SGX", \
  "{a:operand} is {f}: the EPCM has {w:epcm} there; the leaf wants a PT_REG page of this " \
  "enclave with R, and with W for what it writes") \
R(KEYREQUEST_RESERVED, ASKED, "EGETKEY", "#GP(0)", \
  "byte {f:d} of the KEYREQUEST is reserved and not 0") \
R(KEYREQUEST_POLICY, ASKED, "EGETKEY", "#GP(0)", \
  "KEYREQUEST.KEYPOLICY is {f}: {f-w} is reserved") \
R(KEYREQUEST_CET, ASKED, "EGETKEY", "#GP(0)", \
  "KEYREQUEST.CET_ATTRIBUTES_MASK is {f}: it must be 0 in an enclave without ATTRIBUTES.CET (0x40)") \
R(KEYREQUEST_KSS, ASKED, "EGETKEY", "#GP(0)", \
  "KEYREQUEST.KEYPOLICY is {f} and CONFIGSVN is {w}: NOISVPRODID, CONFIGID, ISVFAMILYID, " \
  "ISVEXTPRODID (0x3c) and CONFIGSVN are for enclaves with ATTRIBUTES.KSS (0x80)") \
R(EGETKEY_NAME, ASKED, "EGETKEY", "SGX_INVALID_KEYNAME", \
  "KEYREQUEST.KEYNAME is {f:d}: SGX has 0 (EINITTOKEN) to 4 (SEAL)") \
R(EGETKEY_ATTRIBUTE, ASKED, "EGETKEY", "SGX_INVALID_ATTRIBUTE", \
  "KEYREQUEST.KEYNAME is {f:key}: this key is for enclaves with ATTRIBUTES {w:attr}") \
R(EGETKEY_CPUSVN, ASKED, "EGETKEY", "SGX_INVALID_CPUSVN", \
  "KEYREQUEST.CPUSVN begins with {f:hash}: a newer processor's than this one's ({w:hash})") \
R(EGETKEY_ISVSVN, ASKED, "EGETKEY", "SGX_INVALID_ISVSVN", \
  "KEYREQUEST.ISVSVN is {f:d}: this enclave's is {w:d}, and nobody gets the keys of a version that " \
  "is newer than his own") \
R(EGETKEY_CONFIGSVN, ASKED, "EGETKEY", "SGX_INVALID_ISVSVN", \
  "KEYREQUEST.CONFIGSVN is {f:d}: this enclave's is {w:d}, and nobody gets the keys of a newer one")

#define WHY_RULES_SGX2(R) \
R(SECINFO_RESERVED, ASKED, "*", "#GP(0)", \
  "SECINFO.FLAGS is {f}, or a byte behind it is set: the bits in {w} and the 56 bytes are reserved " \
  "and must be 0") \
R(ENCLU_PAGE_EPCM, ASKED, "*", "#PF with SGX", \
  "{a:operand} is {f}: the EPCM has {w:epcm} there; the leaf wants a page of this enclave that is not " \
  "BLOCKED, and EMODPE a PT_REG one that is not PENDING or MODIFIED") \
R(ENCLU_PAGE_BUSY, ASKED, "*", "#GP(0)", \
  "another thread's leaf works on the page at {f} at this moment") \
R(EACCEPT_REQUEST, ASKED, "EACCEPT", "#GP(0)", \
  "SECINFO.FLAGS is {f}: EACCEPT takes PT_REG (0x200) with PENDING (0x8) or PR (0x20), or PT_TCS " \
  "(0x100) or PT_TRIM (0x400) with MODIFIED (0x10) alone") \
R(EACCEPT_MISMATCH, ASKED, "EACCEPT", "SGX_PAGE_ATTRIBUTES_MISMATCH", \
  "SECINFO says {f:epcm}, and the EPCM has {w:epcm} for the page at {a}: accept what the system did, or " \
  "do not use the page") \
R(EACCEPT_TRACKING, ASKED, "EACCEPT", "SGX_NOT_TRACKED", \
  "the page at {f} was changed, and a thread that was inside before has not left since, or nobody has " \
  "executed ETRACK") \
R(EACCEPT_TCS, ASKED, "EACCEPT", "#GP(0)", \
  "the page at {f} is no TCS to begin with: its reserved bytes and flags, DBGOPTIN, AEP and STATE must " \
  "be 0, and CSSA below NSSA ({w:d})") \
R(EACCEPTCOPY_REQUEST, ASKED, "EACCEPTCOPY", "#GP(0)", \
  "SECINFO.FLAGS is {f}: EACCEPTCOPY takes PT_REG (0x200), and no W (0x2) without R (0x1)") \
R(EACCEPTCOPY_PAGE, ASKED, "EACCEPTCOPY", "SGX_PAGE_ATTRIBUTES_MISMATCH", \
  "the EPCM has {w:epcm} for the page at {f}: EACCEPTCOPY takes one that EAUG has added and nobody has " \
  "accepted (rw- PT_REG, PENDING)") \
R(EMODPE_REQUEST, ASKED, "EMODPE", "#GP(0)", \
  "SECINFO.FLAGS is {f}, and the EPCM has {w:epcm} there: no page may have W (0x2) without R (0x1)")

/* clang-format on */

#include <base/rules_driver.h>

#define WHY_RULES(R)          \
	WHY_RULES_OPERANDS(R) \
	WHY_RULES_ECREATE(R)  \
	WHY_RULES_EADD(R)     \
	WHY_RULES_EINIT(R)    \
	WHY_RULES_ENCLU(R)    \
	WHY_RULES_SGX2(R)     \
	WHY_RULES_ENTRY(R)    \
	WHY_RULES_IOCTL(R)    \
	WHY_RULES_MEMORY(R)   \
	WHY_RULES_AGENT(R)

#endif
