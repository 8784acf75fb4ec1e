/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of the drivers before Linux 5.11.  <asm/sgx.h> has those since.
 *
 *	the patch series v20 to v22	one page a call, a bit for each 256 bytes to measure.
 *	/dev/sgx/enclave		CREATE, INIT and SET_ATTRIBUTE have the numbers and
 *					arguments of <asm/sgx.h>'s CREATE, INIT and PROVISION
 *	Intel's own driver		the same without padding; an enclave is named by an
 *	/dev/isgx			address in it, and INIT takes a launch token.  CREATE has
 *					upstream's number
 *
 * The number of an ioctl has the size of its argument in it, so that ADD_PAGE and INIT
 * tell the three apart.
 */
#ifndef SGX_DRIVER_H
#define SGX_DRIVER_H

#include <linux/ioctl.h>
#include <stdint.h>

#define SGX_DRIVER_MAGIC 0xa4

struct sgx_v22_add_page {
	uint64_t addr; /* linear, in the ELRANGE */
	uint64_t src; /* address of the page's bytes */
	uint64_t secinfo; /* address of the SECINFO */
	uint16_t mrmask; /* bit n: EEXTEND of bytes n * 256 and following */
	uint8_t rsvd[6]; /* not looked at */
};

struct sgx_isgx_add_page {
	uint64_t addr, src, secinfo;
	uint16_t mrmask;
} __attribute__((packed));

struct sgx_isgx_init {
	uint64_t addr;
	uint64_t sigstruct, einittoken; /* addresses */
} __attribute__((packed));

#define SGX_V22_ADD_PAGE  _IOW(SGX_DRIVER_MAGIC, 0x01, struct sgx_v22_add_page)
#define SGX_ISGX_ADD_PAGE _IOW(SGX_DRIVER_MAGIC, 0x01, struct sgx_isgx_add_page)
#define SGX_ISGX_INIT	  _IOW(SGX_DRIVER_MAGIC, 0x02, struct sgx_isgx_init)

_Static_assert(sizeof(struct sgx_v22_add_page) == 32, "ADD_PAGE of the patch series");
_Static_assert(sizeof(struct sgx_isgx_add_page) == 26, "ADD_PAGE of /dev/isgx");
_Static_assert(sizeof(struct sgx_isgx_init) == 24, "INIT of /dev/isgx");

/* What Intel's driver answers of an enclave that a sleep state took */
#define SGX_ISGX_POWER_LOST 0x40000000

#endif
