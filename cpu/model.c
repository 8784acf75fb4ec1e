/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The models.  Values are what such processors were seen to answer with SGX enabled:
 *
 *			signature  7.0  12H.0		       12H.1
 *				   LC	EAX  EBX  EDX	       EAX  ECX
 *	Skylake		506E3	   -	  1    0  241F	        36   1F
 *	Coffee Lake	906EA	   LC	  1    0  241F	        36   1F
 *	Gemini Lake	706A1	   LC	  3    1  241F	        36   1B
 *	Ice Lake server	606A6	   LC	403    1  381F	        B6  2E7
 *
 * EAX[10] of 12H.0 is EVERIFYREPORT2, which the package has not.  Sapphire Rapids has
 * beyond Ice Lake AEX-Notify (12H.1 EAX[10]), EDECCSSA (12H.0 EAX[11]) and AMX.
 */
#include <cpu/model.h>
#include <cpu/package.h>

#define ATTRIBUTES_SGX1                                                          \
	(SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_PROVISION_KEY_BIT | \
	 SGX_ATTR_EINITTOKEN_KEY_BIT)
#define ATTRIBUTES_KSS (ATTRIBUTES_SGX1 | SGX_ATTR_KSS_BIT)
#define ATTRIBUTES_AEX (ATTRIBUTES_KSS | SGX_ATTR_AEXNOTIFY_BIT)
#define EXINFO	       SGX_MISC_EXINFO_BIT
#define ALL	       (~0ull)

/* clang-format off */
static const struct cpu_model models[CPU_MODEL_COUNT] = {
/*				name		   intel  named	 signature attributes	    XFRM	misc	32  64	FLC    SGX2   EDECCSSA */
[CPU_MODEL_HOST]	   = { "host",		   false, false, 0,	   ALL,		    ALL,	~0u,	63, 63, true,  true,  true },
[CPU_MODEL_INTEL]	   = { "intel",		   true,  false, 0x606a6,  ALL,		    ALL,	~0u,	63, 63, true,  true,  true },
[CPU_MODEL_SKYLAKE]	   = { "skylake",	   true,  true,  0x506e3,  ATTRIBUTES_SGX1, 0x1f,	0,	31, 36, false, false, false },
[CPU_MODEL_COFFEELAKE]	   = { "coffeelake",	   true,  true,  0x906ea,  ATTRIBUTES_SGX1, 0x1f,	0,	31, 36, true,  false, false },
[CPU_MODEL_GEMINILAKE]	   = { "geminilake",	   true,  true,  0x706a1,  ATTRIBUTES_SGX1, 0x1b,	EXINFO, 31, 36, true,  true,  false },
[CPU_MODEL_ICELAKE]	   = { "icelake",	   true,  true,  0x606a6,  ATTRIBUTES_KSS,  0x2e7,	EXINFO, 31, 56, true,  true,  false },
[CPU_MODEL_SAPPHIRERAPIDS] = { "sapphirerapids",   true,  true,  0x806f8,  ATTRIBUTES_AEX,  0x602e7,	EXINFO, 31, 56, true,  true,  true },
};
/* clang-format on */

const struct cpu_model *cpu_model(uint64_t number)
{
	return number < CPU_MODEL_COUNT ? &models[number] : NULL;
}

static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool cpu_model_find(const char *name, uint32_t *ret_number)
{
	for (uint32_t i = 0; i < CPU_MODEL_COUNT; i++) {
		if (!same_name(name, models[i].name))
			continue;
		*ret_number = i;
		return true;
	}
	return false;
}

static uint8_t lesser(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

void cpu_model_apply(const struct cpu_model *model, struct cpu_config *config)
{
	config->attributes &= model->attributes;
	config->xfrm &= model->xfrm;
	config->miscselect &= model->miscselect;
	config->max_size_32 = lesser(config->max_size_32, model->max_size_32);
	config->max_size_64 = lesser(config->max_size_64, model->max_size_64);
	config->flc = config->flc && model->flc;
	config->sgx2 = config->sgx2 && model->sgx2;
	config->edeccssa = config->edeccssa && model->edeccssa;
}
