/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names of the machine's files, and how a descriptor of one is recognised.
 *
 *	/dev/sgx_enclave, sgx_provision		Linux since 5.11
 *	/dev/sgx/enclave, provision		the names of the patch series before it.  Where
 *						the two above are there as well these are links
 *						to them, which the udev rules of Intel's packages
 *						make; else they are the devices
 *	/sys/.../node0/x86/sgx_total_bytes
 *
 * Which devices there are is the machine's to say (struct proto_files.devices).
 */
#include "path.h"

#define DELETED	       " (deleted)"
#define LINK_ENCLAVE   "../sgx_enclave"
#define LINK_PROVISION "../sgx_provision"

static bool has(uint32_t devices)
{
	return AGENT_PARAMS->files.devices & devices;
}

static enum answer named(const char *p, const char *name, enum answer a, uint32_t devices)
{
	return agent_starts(p, name) && (!devices || has(devices)) ? a : ANSWER_NONE;
}

/**
 * path_by_name() - the file of ours that is called that
 * @p:	a path's last component
 * @n:	its length, which decides about nearly all of them
 */
enum answer path_by_name(const char *p, uint32_t n)
{
	switch (n) {
	case 3:
		return *p == 'x' ? named(p, "x86", ANSWER_X86, 0)
				 : named(p, "sgx", ANSWER_SGX, PROTO_DEVICES_SGX);
	case 7:
		return named(p, "enclave", ANSWER_SGX_ENCLAVE, PROTO_DEVICES_SGX);
	case 9:
		return named(p, "provision", ANSWER_SGX_PROVISION, PROTO_DEVICES_SGX);
	case 11:
		return named(p, "sgx_enclave", ANSWER_ENCLAVE, PROTO_DEVICES_LINUX);
	case 13:
		return named(p, "sgx_provision", ANSWER_PROVISION, PROTO_DEVICES_LINUX);
	case 15:
		return named(p, "sgx_total_bytes", ANSWER_EPC_SIZE, 0);
	default:
		return ANSWER_NONE;
	}
}

/**
 * path_folder_of() - where a file of ours is
 *
 * Return: ANSWER_DEV, ANSWER_NODE, or a folder of ours.
 */
enum answer path_folder_of(enum answer a)
{
	switch (a) {
	case ANSWER_X86:
		return ANSWER_NODE;
	case ANSWER_EPC_SIZE:
		return ANSWER_X86;
	case ANSWER_SGX_ENCLAVE:
	case ANSWER_SGX_PROVISION:
		return ANSWER_SGX;
	default:
		return ANSWER_DEV;
	}
}

/**
 * path_is_link() - is it a link to another file of ours?
 */
bool path_is_link(enum answer a)
{
	return (a == ANSWER_SGX_ENCLAVE || a == ANSWER_SGX_PROVISION) && has(PROTO_DEVICES_LINUX);
}

enum answer path_target(enum answer a)
{
	return a == ANSWER_SGX_ENCLAVE ? ANSWER_ENCLAVE : ANSWER_PROVISION;
}

/* As udev makes links: relative ones */
const char *path_link_text(enum answer a)
{
	return a == ANSWER_SGX_ENCLAVE ? LINK_ENCLAVE : LINK_PROVISION;
}

bool path_is_device(enum answer a)
{
	switch (a) {
	case ANSWER_ENCLAVE:
	case ANSWER_PROVISION:
		return true;
	case ANSWER_SGX_ENCLAVE:
	case ANSWER_SGX_PROVISION:
		return !path_is_link(a);
	default:
		return false;
	}
}

enum answer path_enclave(void)
{
	return has(PROTO_DEVICES_LINUX) ? ANSWER_ENCLAVE : ANSWER_SGX_ENCLAVE;
}

enum answer path_provision(void)
{
	return has(PROTO_DEVICES_LINUX) ? ANSWER_PROVISION : ANSWER_SGX_PROVISION;
}

/* --- descriptors --------------------------------------------------------------------- */

/* Memfds are called as the file that they stand for. */
static const struct {
	char path[56];
	enum answer answer;
} memfds[] = {
	{ENCLAVE_PATH, ANSWER_ENCLAVE},
	{PROVISION_PATH, ANSWER_PROVISION},
	{SGX_PATH, ANSWER_SGX},
	{SGX_PATH "/enclave", ANSWER_SGX_ENCLAVE},
	{SGX_PATH "/provision", ANSWER_SGX_PROVISION},
	{CPUINFO_PATH, ANSWER_CPUINFO},
	{X86_PATH, ANSWER_X86},
	{EPC_SIZE_PATH, ANSWER_EPC_SIZE},
};

enum answer path_of_link(const char *text, uint64_t size)
{
	const char *name = text + sizeof(MEMFD_LINK) - 1;
	uint32_t i;

	if (size <= sizeof(MEMFD_LINK) - 1 || !agent_starts(text, MEMFD_LINK))
		return ANSWER_NONE;
	for (i = 0; i < ARRAY_SIZE(memfds); i++) {
		uint64_t len = agent_strlen(memfds[i].path);

		if (size == sizeof(MEMFD_LINK) - 1 + len + sizeof(DELETED) - 1 &&
		    agent_starts(name, memfds[i].path) && agent_starts(name + len, DELETED))
			return memfds[i].answer;
	}
	return ANSWER_NONE;
}

const char *path_name(enum answer a)
{
	uint32_t i = 0;

	while (memfds[i].answer != a && i + 1 < ARRAY_SIZE(memfds))
		i++;
	return memfds[i].path;
}
