/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROTO_OP_CPUID_SCAN by a client that lies: the daemon opens no file for it, scans what
 * cannot change, and tells nobody else's processes what it said.
 */
#include "daemon_agent.h"

#include <harness/harness.h>
#include <inject/cpuid.h>
#include <proto/cpuid.h>
#include <sgx/arch.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPC_SIZE (1u << 20)
#define SIZE	 8192u
#define SITE	 4096u
#define SPARSE	 (64u << 20) /* a byte of it does not fill it, as large as pages may be */

/* An ELF file that is nothing but one function of CPUID; RET, at SITE */
static void make_image(uint8_t image[SIZE])
{
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shoff = 512,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 1,
	};
	Elf64_Phdr ph = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = SIZE, .p_memsz = SIZE};
	Elf64_Sym sym = {
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = 1,
		.st_value = SITE,
		.st_size = 3,
	};
	Elf64_Shdr sh = {
		.sh_type = SHT_SYMTAB,
		.sh_offset = 1024,
		.sh_size = sizeof(sym),
		.sh_entsize = sizeof(sym),
	};
	static const uint8_t code[] = {0x0f, 0xa2, 0xc3};

	memset(image, 0x90, SIZE);
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), &ph, sizeof(ph));
	memcpy(image + 512, &sh, sizeof(sh));
	memcpy(image + 1024, &sym, sizeof(sym));
	memcpy(image + SITE, code, sizeof(code));
}

struct answer {
	int64_t ret;
	uint64_t scan;
	int fd;
	uint32_t site;
};

static struct answer ask(struct agent *a, uint64_t ino, uint64_t size, uint64_t scan)
{
	struct proto_file_id id = {.dev = 1, .ino = ino, .size = size, .mtime = 3, .ctime = 4};
	struct proto_slot *s = agent_slot(a, PROTO_OP_CPUID_SCAN, 0);
	struct answer answer = {.fd = -1};

	s->a0 = scan;
	s->a1 = SIZE; /* from 0 on */
	memcpy(s->data, &id, sizeof(id));
	answer.ret = agent_call(a, s);
	if (s->fds) {
		answer.fd = agent_receive_fd(a, s);
		answer.scan = s->r1;
	}
	if (answer.ret > 0)
		memcpy(&answer.site, s->data, sizeof(answer.site));
	agent_free(s);
	return answer;
}

/* The file goes to the daemon as the agent does it. */
static int64_t give(struct agent *a, uint64_t ino, uint32_t *ret_site)
{
	struct answer answer = ask(a, ino, SIZE, 0);
	uint8_t *p;

	CHECK_EQ(answer.ret, 0);
	CHECK(answer.scan);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fd, 0);
	CHECK(p != MAP_FAILED);
	make_image(p);
	munmap(p, SIZE);
	close(answer.fd);
	answer = ask(a, 0, 0, answer.scan);
	*ret_site = answer.site;
	return answer.ret;
}

TEST(a_file_is_given_and_known_then)
{
	struct answer answer;
	uint32_t site = 0;
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	CHECK_EQ(give(&a, 1, &site), 1);
	CHECK_EQ(site, SITE);
	answer = ask(&a, 1, SIZE, 0);
	if (geteuid() != 65534) {
		CHECK_EQ(answer.ret, 1);
		CHECK_EQ(answer.site, SITE);
		CHECK_EQ(answer.fd, -1);
	} else { /* stands for any user that has no number: nothing is kept */
		CHECK(answer.scan);
		close(answer.fd);
	}
	agent_close(&a);
	test_machine_stop(machine);
}

TEST(what_one_user_says_is_not_told_another)
{
	uint32_t site;
	struct agent a;
	pid_t machine, pid;
	int command, status;

	TAKES_ROOT();
	test_folders();
	machine = test_machine_start(EPC_SIZE);
	command = agent_command();
	for (int round = 0; round < 2; round++) {
		/* 1001 says it; 1002 and root are not told, nor who can be anybody */
		static const uid_t uid[2][4] = {{1001, 1002, 0, 65534}, {0, 65534, 1002, 65534}};

		for (int i = 0; i < 4; i++) {
			pid = fork();
			CHECK_SYS(pid);
			if (!pid) {
				CHECK_SYS(setresuid(uid[round][i], uid[round][i], uid[round][i]));
				CHECK_EQ(agent_connect(&a, command, false), 0);
				CHECK_EQ(give(&a, 10 + (uint64_t)round, &site), 1);
				_exit(0);
			}
			CHECK_EQ(waitpid(pid, &status, 0), pid);
			CHECK_EQ(status, 0);
		}
	}
	/* nor by who was root when it connected and is not any more */
	pid = fork();
	if (!pid) {
		CHECK_EQ(agent_connect(&a, command, false), 0);
		CHECK_SYS(setresuid(1001, 1001, 0));
		CHECK_EQ(give(&a, 20, &site), 1);
		CHECK_EQ(give(&a, 20, &site), 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(agent_connect(&a, command, false), 0);
	CHECK_EQ(give(&a, 20, &site), 1);
	agent_close(&a);
	test_machine_stop(machine);
}

TEST(what_is_scanned_cannot_change)
{
	struct answer answer, last;
	struct agent a;
	pid_t machine;
	uint8_t *p;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	answer = ask(&a, 1, SIZE, 0);
	/* neither shrunk, which would be our SIGBUS, nor grown */
	CHECK_ERRNO(ftruncate(answer.fd, SIZE / 2), EPERM);
	CHECK_ERRNO(ftruncate(answer.fd, 2 * SIZE), EPERM);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fd, 0);
	CHECK(p != MAP_FAILED);
	make_image(p);
	/* mapped for writing still: refused, and over */
	last = ask(&a, 0, 0, answer.scan);
	CHECK_EQ(last.ret, -EBUSY);
	CHECK_EQ(ask(&a, 0, 0, answer.scan).ret, -EINVAL);
	munmap(p, SIZE);
	close(answer.fd);
	/* holes, which reading would fill with the daemon's memory */
	answer = ask(&a, 1, SPARSE, 0);
	CHECK_EQ(pwrite(answer.fd, "x", 1, 0), 1);
	CHECK_EQ(ask(&a, 0, 0, answer.scan).ret, -ENODATA);
	close(answer.fd);
	/* once it was scanned nobody writes to it */
	answer = ask(&a, 1, SIZE, 0);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fd, 0);
	CHECK(p != MAP_FAILED);
	make_image(p);
	munmap(p, SIZE);
	CHECK_EQ(ask(&a, 0, 0, answer.scan).ret, 1);
	CHECK_ERRNO(pwrite(answer.fd, "x", 1, 0), EPERM);
	close(answer.fd);
	agent_close(&a);
	test_machine_stop(machine);
}

static uint64_t memory_of(pid_t pid, const char *what)
{
	char path[64], line[128];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kib = strtoul(line + strlen(what), NULL, 10);
	fclose(f);
	return kib;
}

TEST(numbers_that_make_no_sense)
{
	static const uint64_t scan[] = {1, PROTO_SCANS, PROTO_SCANS + 1, 1ull << 32, UINT64_MAX};
	struct answer answer[PROTO_SCANS];
	struct agent a;
	pid_t machine;

	test_folders();
	machine = test_machine_start(EPC_SIZE);
	CHECK_EQ(agent_connect(&a, agent_command(), false), 0);
	for (size_t i = 0; i < sizeof(scan) / sizeof(scan[0]); i++)
		CHECK_EQ(ask(&a, 1, SIZE, scan[i]).ret, -EINVAL);
	/* too large, or nothing: nothing is certain in it */
	CHECK_EQ(ask(&a, 1, INJECT_CPUID_FILE_MAX + 1, 0).ret, 0);
	CHECK_EQ(ask(&a, 1, INJECT_CPUID_FILE_MAX + 1, 0).scan, 0);
	CHECK_EQ(ask(&a, 1, UINT64_MAX, 0).scan, 0);
	CHECK_EQ(ask(&a, 1, 0, 0).scan, 0);
	/* as many as there may be, of the largest; none of that is memory of the daemon's */
	for (uint32_t i = 0; i < PROTO_SCANS; i++) {
		answer[i] = ask(&a, i, INJECT_CPUID_FILE_MAX, 0);
		CHECK_EQ(answer[i].ret, 0);
		CHECK_EQ(answer[i].scan, i + 1);
	}
	CHECK_EQ(ask(&a, 100, SIZE, 0).ret, -EBUSY);
	for (uint32_t i = 0; i < PROTO_SCANS; i++) {
		CHECK_EQ(ask(&a, 0, 0, answer[i].scan).ret, -ENODATA);
		close(answer[i].fd);
	}
	CHECK(memory_of(machine, "VmHWM:") < 256u << 10);
	/* and all places are free again */
	answer[0] = ask(&a, 100, SIZE, 0);
	CHECK_EQ(answer[0].scan, 1);
	close(answer[0].fd);
	/* one that is under way ends with its client */
	agent_close(&a);
	test_all_free();
	test_machine_stop(machine);
}
