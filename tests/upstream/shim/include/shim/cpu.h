/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processors, nodes, sysfs, digests.
 *
 * Kept: CPUID, MSRs and ENCLS are those of cpu/ (../encls.c): the driver's own inline
 * assembly is executed, and is #UD at CPL 3; SHA-256.
 * Not kept: one processor, so that an IPI is a call, of which the test is told; two nodes,
 * one for each 256 MiB of physical addresses, and no groups in sysfs.
 */
#ifndef SHIM_CPU_H
#define SHIM_CPU_H

#include <shim/types.h>

enum shim_feature {
	X86_FEATURE_SGX,
	X86_FEATURE_SGX_LC,
	X86_FEATURE_SGX2,
	X86_FEATURE_VMX,
	X86_FEATURE_OSXSAVE,
};

/* encls.c: no types of the shims' there */
bool up_cpu_feature(int feature);
void up_cpu_cpuid(u32 leaf, u32 subleaf, u32 regs[4]);
void up_cpu_wrmsr(u32 msr, u64 value);
void up_cpu_sha256(const void *data, unsigned int size, void *digest);

#define cpu_feature_enabled(f) up_cpu_feature(f)
#define boot_cpu_has(f)	       up_cpu_feature(f)

static inline void cpuid_count(u32 leaf, u32 subleaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
	u32 regs[4];

	up_cpu_cpuid(leaf, subleaf, regs);
	*a = regs[0];
	*b = regs[1];
	*c = regs[2];
	*d = regs[3];
}

#define MSR_IA32_SGXLEPUBKEYHASH0 0x8c
#define wrmsrl(msr, value)	  up_cpu_wrmsr(msr, value)
#define X86_TRAP_GP		  13
#define X86_TRAP_PF		  14

/* Where the handler of SIGILL goes on after a fault of ENCLS */
#define EX_TYPE_FAULT_SGX
#define _ASM_EXTABLE_TYPE(from, to, type)       \
	".pushsection shim_extable, \"aw\"\n\t" \
	".quad " #from ", " #to "\n\t"          \
	".popsection\n\t"

#define device_initcall(fn)      \
	int shim_initcall(void); \
	int shim_initcall(void)  \
	{                        \
		return fn();     \
	}

/* --- nodes ---------------------------------------------------------------------------- */

#define CONFIG_NUMA  1
#define SHIM_NODES   2
#define NUMA_NO_NODE (-1)
#define N_MEMORY     0
#define N_CPU	     1
typedef struct {
	unsigned int bits;
} nodemask_t;
#define num_possible_nodes()	   SHIM_NODES
#define numa_node_id()		   0
#define node_isset(n, m)	   ((m).bits >> (n)&1)
#define node_set(n, m)		   ((void)((m).bits |= 1u << (n)))
#define nodes_empty(m)		   (!(m).bits)
#define for_each_online_node(n)	   for ((n) = 0; (n) < SHIM_NODES; (n)++)
#define node_state(n, what)	   ((void)(n), 0)
#define numa_map_to_online_node(n) (n)
int phys_to_target_node(u64 phys);

static inline int next_node_in(int n, nodemask_t m)
{
	for (int i = 1; i <= SHIM_NODES; i++)
		if (node_isset((n + i) % SHIM_NODES, m))
			return (n + i) % SHIM_NODES;
	return SHIM_NODES;
}

/* --- sysfs ---------------------------------------------------------------------------- */

struct kobject {
	int unused;
};
struct attribute {
	const char *name;
	umode_t mode;
};
struct device {
	struct kobject kobj;
	u32 id;
};
struct device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *dev, struct device_attribute *attr, char *buf);
};
#define DEVICE_ATTR_RO(n) \
	struct device_attribute dev_attr_##n = {.attr = {#n, 0444}, .show = n##_show}
struct attribute_group {
	const char *name;
	umode_t (*is_visible)(struct kobject *kobj, struct attribute *attr, int index);
	struct attribute **attrs;
};
struct node {
	struct device dev;
};
extern struct node *node_devices[SHIM_NODES];
int sysfs_emit(char *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define sysfs_update_group(kobj, group) ((void)(kobj), (void)(group), 0)

/* --- SHA-256 ---------------------------------------------------------------------------- */

#define CRYPTO_ALG_ASYNC 0x80
struct crypto_shash {
	int unused;
};
struct shash_desc {
	struct crypto_shash *tfm;
};
extern struct crypto_shash shim_shash;
#define SHASH_DESC_ON_STACK(name, tfm_)		   struct shash_desc name##_, *name = &name##_
#define crypto_alloc_shash(alg, type, mask)	   (&shim_shash)
#define crypto_free_shash(tfm)			   ((void)(tfm))
#define crypto_shash_digest(desc, data, size, out) ((void)(desc), up_cpu_sha256(data, size, out), 0)

#endif
