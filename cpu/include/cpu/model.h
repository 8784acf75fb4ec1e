/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models of processors: what each says of SGX in CPUID, and so what its leaves allow.
 *
 * A model only takes away from what the package can do.  What a package cannot do
 * (SGX2, AEX-Notify and EDECCSSA on all machines so far) is announced on no model,
 * whatever its hardware has.
 */
#ifndef CPU_MODEL_H
#define CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_config;

/* Numbers of models; machines tell them to the tools. */
enum cpu_model_number {
	CPU_MODEL_HOST, /* the processor that runs the package */
	CPU_MODEL_INTEL, /* Intel's, with all that the package has */
	CPU_MODEL_SKYLAKE,
	CPU_MODEL_COFFEELAKE,
	CPU_MODEL_GEMINILAKE,
	CPU_MODEL_ICELAKE,
	CPU_MODEL_SAPPHIRERAPIDS,
	CPU_MODEL_COUNT,
};

/**
 * struct cpu_model - one model
 * @name:	as people type it
 * @intel:	its maker is Intel
 * @named:	a certain processor, whose signature is shown on Intel's own as well
 * @signature:	CPUID.1:EAX; 0: the host's
 * @attributes:	ATTRIBUTES at most: CPUID.12H.1 EBX:EAX
 * @xfrm:	XFRM at most: CPUID.12H.1 EDX:ECX
 * @miscselect:	MISCSELECT at most: CPUID.12H.0 EBX
 * @max_size_32, @max_size_64: log2 of the largest enclaves at most: CPUID.12H.0 EDX
 * @flc:	flexible launch control: CPUID.7.0 ECX[30]
 * @sgx2, @edeccssa: CPUID.12H.0 EAX[1] and EAX[11]
 */
struct cpu_model {
	char name[16];
	bool intel, named;
	uint32_t signature;
	uint64_t attributes, xfrm;
	uint32_t miscselect;
	uint8_t max_size_32, max_size_64;
	bool flc, sgx2, edeccssa;
};

/**
 * cpu_model() - a model by its number
 *
 * Return: the model, NULL for a number that none has.
 */
const struct cpu_model *cpu_model(uint64_t number);

/**
 * cpu_model_find() - a model by its name
 * @ret_number: receives its number; untouched on failure
 *
 * Return: whether there is one of this name.
 */
bool cpu_model_find(const char *name, uint32_t *ret_number);

/**
 * cpu_model_apply() - take away from a package what a model does not have
 * @config: what the package can do
 */
void cpu_model_apply(const struct cpu_model *model, struct cpu_config *config);

#endif
