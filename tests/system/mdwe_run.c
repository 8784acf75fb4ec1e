/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mdwe_run (--mdwe | --filter) COMMAND...: the command, with memory that never becomes
 * executable from the start: PR_SET_MDWE, which is inherited, or a filter with the
 * rules of systemd's MemoryDenyWriteExecute= before version 254.
 */
#include <errno.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SKIP	     77

#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JEQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#define RET(action)  BPF_STMT(BPF_RET | BPF_K, action)

static int filter(void)
{
	static struct sock_filter code[] = {
		LOAD(arch),
		JEQ(AUDIT_ARCH_X86_64, 0, 9),
		LOAD(nr),
		JEQ(SYS_mmap, 2, 0),
		JEQ(SYS_mprotect, 4, 0),
		JEQ(SYS_pkey_mprotect, 3, 5),
		LOAD(args[2]), /* mmap: both at once */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
		JEQ(PROT_WRITE | PROT_EXEC, 3, 2),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "--filter") ? filter() : prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0)) {
		perror(argv[1]);
		return SKIP;
	}
	setenv("HARDENED", argv[1], 1);
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
