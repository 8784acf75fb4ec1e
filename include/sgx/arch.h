/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SGX architecture: data structures that software and processor share.
 *
 * Everything here is fixed by the SDM (volume 3D, chapters "Introduction to
 * SGX" and "Enclave Access Control and Data Structures") and is measured,
 * signed, or read by programs; nothing of swsgx's own may be added.  Sizes in
 * bytes, offsets asserted at the end.  Bits that the SDM reserves are spelt out
 * as rsvd fields.  No libc beyond stdint/stddef/stdbool.
 */
#ifndef SGX_ARCH_H
#define SGX_ARCH_H

#include <stddef.h>
#include <stdint.h>

#define SGX_PAGE_SIZE	       4096u
#define SGX_PAGE_SHIFT	       12
#define SGX_PAGE_MASK	       (~(uint64_t)(SGX_PAGE_SIZE - 1))
#define SGX_EEXTEND_SIZE       256u /* bytes one EEXTEND measures */
#define SGX_HASH_SIZE	       32u /* SHA-256 */
#define SGX_KEY_SIZE	       16u /* AES-128 key, also CMAC size */
#define SGX_MODULUS_SIZE_BYTES 384u /* RSA-3072 */
#define SGX_CPUSVN_SIZE	       16u

/* ATTRIBUTES.flags (bits 63:0 of ATTRIBUTES) */
#define SGX_ATTR_INIT_BIT	    (1ull << 0)
#define SGX_ATTR_DEBUG_BIT	    (1ull << 1)
#define SGX_ATTR_MODE64_BIT	    (1ull << 2)
#define SGX_ATTR_PROVISION_KEY_BIT  (1ull << 4)
#define SGX_ATTR_EINITTOKEN_KEY_BIT (1ull << 5)
#define SGX_ATTR_CET_BIT	    (1ull << 6)
#define SGX_ATTR_KSS_BIT	    (1ull << 7)
#define SGX_ATTR_AEXNOTIFY_BIT	    (1ull << 10)

/* MISCSELECT */
#define SGX_MISC_EXINFO_BIT (1u << 0)

/* XFRM bits that the architecture requires (x87 and SSE) */
#define SGX_XFRM_LEGACY 0x3ull

/* ATTRIBUTES: flags and the XSAVE-feature request mask */
struct sgx_attributes {
	uint64_t flags;
	uint64_t xfrm;
};

/* SECS: the enclave's control structure, one EPC page of type PT_SECS */
struct sgx_secs {
	uint64_t size; /* ELRANGE, power of two */
	uint64_t base; /* linear, aligned to size */
	uint32_t ssaframesize; /* pages of one SSA frame */
	uint32_t miscselect;
	uint64_t cet_leg_bitmap_offset;
	uint8_t cet_attributes;
	uint8_t rsvd1[15];
	struct sgx_attributes attributes;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t rsvd2[32];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t rsvd3[32];
	uint8_t configid[64];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint8_t rsvd4[3834];
};

/* TCS.FLAGS */
#define SGX_TCS_DBGOPTIN_BIT  (1ull << 0)
#define SGX_TCS_AEXNOTIFY_BIT (1ull << 1)

/* TCS: a thread's control structure, one EPC page of type PT_TCS */
struct sgx_tcs {
	uint64_t state; /* reserved to the processor */
	uint64_t flags;
	uint64_t ossa; /* offset of the SSA stack from base */
	uint32_t cssa;
	uint32_t nssa;
	uint64_t oentry; /* offset of the entry point from base */
	uint64_t aep; /* reserved to the processor */
	uint64_t ofsbase;
	uint64_t ogsbase;
	uint32_t fslimit;
	uint32_t gslimit;
	uint64_t ocetssa;
	uint64_t prevssp;
	uint8_t rsvd[4008];
};

/* GPRSGX.EXITINFO */
#define SGX_EXITINFO_VECTOR(x) ((uint32_t)(x)&0xffu)
#define SGX_EXITINFO_TYPE_HW   (3u << 8)
#define SGX_EXITINFO_TYPE_SW   (6u << 8)
#define SGX_EXITINFO_VALID_BIT (1u << 31)

/* GPRSGX.AEXNOTIFY: the enclave wants to hear of the AEX that wrote this frame */
#define SGX_GPRSGX_AEXNOTIFY_BIT (1u << 0)

/* GPRSGX: the last bytes of an SSA frame */
struct sgx_gprsgx {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags, rip;
	uint64_t ursp, urbp; /* outside RSP, RBP at EENTER */
	uint32_t exitinfo;
	uint8_t rsvd[3];
	uint8_t aexnotify;
	uint64_t fsbase, gsbase;
};

/* MISC region's EXINFO, right below GPRSGX where MISCSELECT asks */
struct sgx_exinfo {
	uint64_t maddr;
	uint32_t errcd;
	uint32_t rsvd;
};

/* SECINFO.FLAGS */
#define SGX_SECINFO_R_BIT	 (1ull << 0)
#define SGX_SECINFO_W_BIT	 (1ull << 1)
#define SGX_SECINFO_X_BIT	 (1ull << 2)
#define SGX_SECINFO_RWX_BITS	 0x7ull
#define SGX_SECINFO_PENDING_BIT	 (1ull << 3)
#define SGX_SECINFO_MODIFIED_BIT (1ull << 4)
#define SGX_SECINFO_PR_BIT	 (1ull << 5)
#define SGX_SECINFO_PT_SHIFT	 8
#define SGX_SECINFO_PT_BITS	 0xff00ull
#define SGX_SECINFO_RSVD_BITS	 (~0xff3full)
#define SGX_SECINFO_PT(flags)	 ((unsigned)(((flags) >> 8) & 0xff))

enum sgx_pt {
	SGX_PT_SECS = 0,
	SGX_PT_TCS = 1,
	SGX_PT_REG = 2,
	SGX_PT_VA = 3,
	SGX_PT_TRIM = 4,
	SGX_PT_SS_FIRST = 5,
	SGX_PT_SS_REST = 6,
};

/* SECINFO, 64-byte aligned as an operand.  _arch keeps clear of other headers */
struct sgx_secinfo_arch {
	uint64_t flags;
	uint8_t rsvd[56];
} __attribute__((aligned(64)));

/* PCMD: what EWB leaves beside the ciphertext, 128-byte aligned */
struct sgx_pcmd {
	struct sgx_secinfo_arch secinfo;
	uint64_t enclaveid;
	uint8_t rsvd[40];
	uint8_t mac[SGX_KEY_SIZE];
} __attribute__((aligned(128)));

/* A version array page: 512 versions of evicted pages, 0 where the slot is free */
#define SGX_VA_SLOTS	 512u
#define SGX_VA_SLOT_SIZE 8u

/* PAGEINFO, 32-byte aligned as an operand */
struct sgx_pageinfo {
	uint64_t linaddr;
	uint64_t srcpge;
	uint64_t secinfo; /* or PCMD */
	uint64_t secs;
} __attribute__((aligned(32)));

/* SIGSTRUCT.  Numbers are little-endian, also the RSA ones. */
struct sgx_sigstruct_arch {
	uint8_t header[16];
	uint32_t vendor; /* 0, or 8086h for Intel's own */
	uint32_t date; /* BCD yyyymmdd */
	uint8_t header2[16];
	uint32_t swdefined;
	uint8_t rsvd1[84];
	uint8_t modulus[SGX_MODULUS_SIZE_BYTES];
	uint32_t exponent; /* 3 */
	uint8_t signature[SGX_MODULUS_SIZE_BYTES];
	uint32_t miscselect;
	uint32_t miscmask;
	uint8_t cet_attributes;
	uint8_t cet_attributes_mask;
	uint8_t rsvd2[2];
	uint8_t isvfamilyid[16];
	struct sgx_attributes attributes;
	struct sgx_attributes attributemask;
	uint8_t enclavehash[SGX_HASH_SIZE];
	uint8_t rsvd3[16];
	uint8_t isvextprodid[16];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint8_t rsvd4[12];
	uint8_t q1[SGX_MODULUS_SIZE_BYTES];
	uint8_t q2[SGX_MODULUS_SIZE_BYTES];
} __attribute__((packed, aligned(8)));

/* The two signed spans of a SIGSTRUCT: header..rsvd1 and miscselect..isvsvn */
#define SGX_SIGSTRUCT_SIGNED1_OFF  0u
#define SGX_SIGSTRUCT_SIGNED1_SIZE 128u
#define SGX_SIGSTRUCT_SIGNED2_OFF  900u
#define SGX_SIGSTRUCT_SIGNED2_SIZE 128u

/* EINITTOKEN, 512-byte aligned as an operand */
struct sgx_einittoken {
	uint32_t valid; /* bit 0 */
	uint8_t rsvd1[44];
	struct sgx_attributes attributes;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t rsvd2[32];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t rsvd3[32];
	uint8_t cpusvnle[SGX_CPUSVN_SIZE];
	uint16_t isvprodidle;
	uint16_t isvsvnle;
	uint8_t rsvd4[24];
	uint32_t maskedmiscselectle;
	struct sgx_attributes maskedattributesle;
	uint8_t keyid[32];
	uint8_t mac[SGX_KEY_SIZE];
};

enum sgx_keyname {
	SGX_KEYNAME_EINITTOKEN = 0,
	SGX_KEYNAME_PROVISION = 1,
	SGX_KEYNAME_PROVISION_SEAL = 2,
	SGX_KEYNAME_REPORT = 3,
	SGX_KEYNAME_SEAL = 4,
};

/* KEYREQUEST.KEYPOLICY */
#define SGX_KEYPOLICY_MRENCLAVE_BIT    (1u << 0)
#define SGX_KEYPOLICY_MRSIGNER_BIT     (1u << 1)
#define SGX_KEYPOLICY_NOISVPRODID_BIT  (1u << 2)
#define SGX_KEYPOLICY_CONFIGID_BIT     (1u << 3)
#define SGX_KEYPOLICY_ISVFAMILYID_BIT  (1u << 4)
#define SGX_KEYPOLICY_ISVEXTPRODID_BIT (1u << 5)

/* KEYREQUEST, 512-byte aligned as an operand */
struct sgx_keyrequest {
	uint16_t keyname;
	uint16_t keypolicy;
	uint16_t isvsvn;
	uint8_t cet_attributes_mask;
	uint8_t rsvd1;
	uint8_t cpusvn[SGX_CPUSVN_SIZE];
	struct sgx_attributes attributemask;
	uint8_t keyid[32];
	uint32_t miscmask;
	uint16_t configsvn;
	uint8_t rsvd2[434];
} __attribute__((packed, aligned(8)));

/* TARGETINFO, 512-byte aligned as an operand */
struct sgx_targetinfo {
	uint8_t measurement[SGX_HASH_SIZE];
	struct sgx_attributes attributes;
	uint8_t cet_attributes;
	uint8_t rsvd1;
	uint16_t configsvn;
	uint32_t miscselect;
	uint8_t rsvd2[8];
	uint8_t configid[64];
	uint8_t rsvd3[384];
};

#define SGX_REPORTDATA_SIZE 64u

/* REPORT, 512-byte aligned as an operand; the MAC covers all before keyid */
struct sgx_report {
	uint8_t cpusvn[SGX_CPUSVN_SIZE];
	uint32_t miscselect;
	uint8_t cet_attributes;
	uint8_t rsvd1[11];
	uint8_t isvextprodid[16];
	struct sgx_attributes attributes;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t rsvd2[32];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t rsvd3[32];
	uint8_t configid[64];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint8_t rsvd4[42];
	uint8_t isvfamilyid[16];
	uint8_t reportdata[SGX_REPORTDATA_SIZE];
	uint8_t keyid[32];
	uint8_t mac[SGX_KEY_SIZE];
};
#define SGX_REPORT_MACED_SIZE 384u

/* #PF error code bits */
#define SGX_PF_P   (1u << 0) /* page was present */
#define SGX_PF_W   (1u << 1) /* write */
#define SGX_PF_U   (1u << 2) /* from user mode */
#define SGX_PF_I   (1u << 4) /* instruction fetch */
#define SGX_PF_SGX (1u << 15) /* the EPCM refused, not the page tables */

/* Exception vectors that SGX reports */
enum sgx_vector {
	SGX_VEC_DE = 0,
	SGX_VEC_DB = 1,
	SGX_VEC_BP = 3,
	SGX_VEC_BR = 5,
	SGX_VEC_UD = 6,
	SGX_VEC_GP = 13,
	SGX_VEC_PF = 14,
	SGX_VEC_MF = 16,
	SGX_VEC_AC = 17,
	SGX_VEC_MC = 18,
	SGX_VEC_XM = 19,
	SGX_VEC_CP = 21,
};

#define SGX_ASSERT_OFF(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), #type "." #field)
#define SGX_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), "sizeof " #type)

SGX_ASSERT_SIZE(sgx_secs, 4096);
SGX_ASSERT_OFF(sgx_secs, attributes, 48);
SGX_ASSERT_OFF(sgx_secs, mrenclave, 64);
SGX_ASSERT_OFF(sgx_secs, mrsigner, 128);
SGX_ASSERT_OFF(sgx_secs, configid, 192);
SGX_ASSERT_OFF(sgx_secs, isvprodid, 256);
SGX_ASSERT_OFF(sgx_secs, rsvd4, 262);
SGX_ASSERT_SIZE(sgx_tcs, 4096);
SGX_ASSERT_OFF(sgx_tcs, cssa, 24);
SGX_ASSERT_OFF(sgx_tcs, oentry, 32);
SGX_ASSERT_OFF(sgx_tcs, fslimit, 64);
SGX_ASSERT_OFF(sgx_tcs, rsvd, 88);
SGX_ASSERT_SIZE(sgx_gprsgx, 184);
SGX_ASSERT_OFF(sgx_gprsgx, ursp, 144);
SGX_ASSERT_OFF(sgx_gprsgx, exitinfo, 160);
SGX_ASSERT_OFF(sgx_gprsgx, fsbase, 168);
SGX_ASSERT_SIZE(sgx_exinfo, 16);
SGX_ASSERT_SIZE(sgx_secinfo_arch, 64);
SGX_ASSERT_SIZE(sgx_pcmd, 128);
SGX_ASSERT_OFF(sgx_pcmd, mac, 112);
SGX_ASSERT_SIZE(sgx_pageinfo, 32);
SGX_ASSERT_SIZE(sgx_sigstruct_arch, 1808);
SGX_ASSERT_OFF(sgx_sigstruct_arch, modulus, 128);
SGX_ASSERT_OFF(sgx_sigstruct_arch, exponent, 512);
SGX_ASSERT_OFF(sgx_sigstruct_arch, signature, 516);
SGX_ASSERT_OFF(sgx_sigstruct_arch, miscselect, 900);
SGX_ASSERT_OFF(sgx_sigstruct_arch, attributes, 928);
SGX_ASSERT_OFF(sgx_sigstruct_arch, enclavehash, 960);
SGX_ASSERT_OFF(sgx_sigstruct_arch, isvprodid, 1024);
SGX_ASSERT_OFF(sgx_sigstruct_arch, q1, 1040);
SGX_ASSERT_SIZE(sgx_einittoken, 304);
SGX_ASSERT_OFF(sgx_einittoken, cpusvnle, 192);
SGX_ASSERT_OFF(sgx_einittoken, maskedmiscselectle, 236);
SGX_ASSERT_OFF(sgx_einittoken, mac, 288);
SGX_ASSERT_SIZE(sgx_keyrequest, 512);
SGX_ASSERT_OFF(sgx_keyrequest, keyid, 40);
SGX_ASSERT_OFF(sgx_keyrequest, rsvd2, 78);
SGX_ASSERT_SIZE(sgx_targetinfo, 512);
SGX_ASSERT_OFF(sgx_targetinfo, miscselect, 52);
SGX_ASSERT_OFF(sgx_targetinfo, configid, 64);
SGX_ASSERT_SIZE(sgx_report, 432);
SGX_ASSERT_OFF(sgx_report, attributes, 48);
SGX_ASSERT_OFF(sgx_report, isvfamilyid, 304);
SGX_ASSERT_OFF(sgx_report, keyid, 384);

#endif
