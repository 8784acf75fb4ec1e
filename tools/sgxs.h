/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SGXS: an enclave as the stream of what its measurement is fed, as Fortanix' tools write
 * it.  A record is 64 bytes that begin with a name of 8; EEXTEND and UNMEASRD are followed
 * by the 256 bytes of their chunk.
 */
#ifndef TOOLS_SGXS_H
#define TOOLS_SGXS_H

#include <sgx/arch.h>
#include <stddef.h>
#include <stdint.h>

#define SGXS_MESSAGE_SIZE 200

/**
 * struct sgxs - an enclave in a stream
 * @elrange:		ECREATE's SIZE, bytes
 * @ssaframesize:	ECREATE's SSAFRAMESIZE, pages
 * @pages:		that are added, of any type
 * @tcs_count:		those that are a TCS
 * @chunks:		of 256 bytes that EEXTEND measures
 * @unmeasured:		chunks of 256 bytes that are loaded without
 * @mrenclave:		what the enclave gets
 */
struct sgxs {
	uint64_t elrange;
	uint32_t ssaframesize;
	uint64_t pages, tcs_count, chunks, unmeasured;
	uint8_t mrenclave[SGX_HASH_SIZE];
};

int sgxs_parse(struct sgxs *s, const void *data, size_t size, char error[SGXS_MESSAGE_SIZE])
	__attribute__((warn_unused_result));

#endif
