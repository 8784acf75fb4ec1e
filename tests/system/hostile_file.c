/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of a program's that hang: on a file system that never answers, which the program
 * makes itself (FUSE, in namespaces of its own).  Its machine goes on for all others, also
 * when it is killed.  Environment: SWSGX; VICTIM, a program with an enclave.
 */
#include "child.h"
#include "own_machines.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FILE_SIZE (1u << 20)
#define FILE_INO  2u
#define PAGE	  4096u

/* Exit status; what takes longer than 30 s hangs: 124 */
static int timed(const char *command)
{
	char line[512];
	int status;

	snprintf(line, sizeof(line), "exec timeout 30 %s", command);
	status = system(line);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* --- the file system: one file, whose reads are not answered ------------------------ */

/* What is answered: the first page, if that is a program's; no more than the exec reads */
static uint8_t first_page[PAGE];
static bool has_first_page;

/* An executable whose code begins on its third page */
static void make_program(void)
{
	Elf64_Ehdr eh = {
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = 0x402000,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	const Elf64_Phdr ph = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = 0x400000,
		.p_filesz = FILE_SIZE,
		.p_memsz = FILE_SIZE,
		.p_align = PAGE,
	};

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(first_page, &eh, sizeof(eh));
	memcpy(first_page + sizeof(eh), &ph, sizeof(ph));
	has_first_page = true;
}

static void reply(int dev, uint64_t unique, int error, const void *data, size_t size)
{
	struct {
		struct fuse_out_header header;
		uint8_t data[PAGE];
	} out = {.header = {.len = (uint32_t)(sizeof(out.header) + size),
			    .error = error,
			    .unique = unique}};

	if (size)
		memcpy(out.data, data, size);
	/* who asked may be gone */
	(void)!write(dev, &out, out.header.len);
}

static struct fuse_attr attributes(uint64_t ino)
{
	return (struct fuse_attr){
		.ino = ino,
		.mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755,
		.size = ino == FUSE_ROOT_ID ? 0 : FILE_SIZE,
		.nlink = 1,
		.blksize = 4096,
	};
}

/* Return: whether it is answered. */
static bool answer_read(int dev, const struct fuse_in_header *h)
{
	struct fuse_read_in in;

	memcpy(&in, h + 1, sizeof(in));
	if (!has_first_page || in.offset)
		return false;
	reply(dev, h->unique, 0, first_page, in.size < PAGE ? in.size : PAGE);
	return true;
}

/* @asked: gets a byte at the first read that is not answered */
static void serve(int dev, int asked)
{
	static uint8_t buf[1 << 18];
	const struct fuse_in_header *h = (const void *)buf;

	while (read(dev, buf, sizeof(buf)) > 0 || errno == EINTR || errno == ENOENT) {
		struct fuse_init_out init = {
			.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536};
		struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attributes(h->nodeid)};
		struct fuse_entry_out entry = {
			.nodeid = FILE_INO,
			.generation = 1,
			.entry_valid = 1000,
			.attr_valid = 1000,
			.attr = attributes(FILE_INO),
		};
		struct fuse_open_out open = {.fh = 1};

		switch (h->opcode) {
		case FUSE_INIT:
			reply(dev, h->unique, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			reply(dev, h->unique, 0, &attr, sizeof(attr));
			break;
		case FUSE_LOOKUP:
			reply(dev, h->unique, 0, &entry, sizeof(entry));
			break;
		case FUSE_OPEN:
		case FUSE_OPENDIR:
			reply(dev, h->unique, 0, &open, sizeof(open));
			break;
		case FUSE_READ:
			if (!answer_read(dev, h))
				CHECK_EQ(write(asked, "r", 1), 1);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		case FUSE_FLUSH:
		case FUSE_RELEASE:
		case FUSE_RELEASEDIR:
			reply(dev, h->unique, 0, NULL, 0);
			break;
		default:
			reply(dev, h->unique, -ENOSYS, NULL, 0);
			break;
		}
	}
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_SYS(fd);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Namespaces in which anybody may mount.  False: not here. */
static bool own_mounts(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS))
		return false;
	if (uid) {
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		put("/proc/self/gid_map", map);
	}
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/*
 * Mount it on the folder "mnt", and stay.  It is served by a process that is no program of
 * the machine.  Return: where its reads are told of, -1: it cannot be had here.
 */
static int hung_mount(pid_t *ret_server)
{
	int p[2], dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128], path[96];

	if (dev < 0 || !own_mounts())
		return -1;
	snprintf(path, sizeof(path), "%s/mnt", folder);
	CHECK_SYS(mkdir(path, 0755));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s", dev,
		 geteuid(), getegid(), geteuid() ? "" : ",allow_other");
	if (mount("hung", path, "fuse", 0, options))
		return -1;
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	*ret_server = start();
	if (!*ret_server) {
		close(p[0]);
		serve(dev, p[1]);
		_exit(0);
	}
	close(dev);
	close(p[1]);
	return p[0];
}

/* --- the tests ------------------------------------------------------------------------ */

static void all_others_go_on(void)
{
	CHECK_EQ(timed("\"$SWSGX\" stat --machine k >/dev/null"), 0);
	CHECK_EQ(timed("\"$SWSGX\" run --machine k -- true"), 0);
	CHECK_EQ(timed("\"$SWSGX\" run --machine k -- \"$VICTIM\" once"), 0);
}

static void hangs(const char *how)
{
	char path[128], command[256], byte;
	pid_t server, pid;
	int asked, status;

	setup();
	if (!strcmp(how, "exec"))
		make_program();
	CHECK_EQ(timed("\"$SWSGX\" machine start k --epc 1M --ephemeral"), 0);
	asked = hung_mount(&server);
	if (asked < 0) {
		CHECK_EQ(timed("\"$SWSGX\" machine stop k"), 0);
		cleanup();
		TAKES_ROOT();
		SKIP("no FUSE here");
	}
	snprintf(path, sizeof(path), "%s/mnt/file", folder);
	pid = start();
	if (!pid) {
		const char *swsgx = getenv("SWSGX"), *self = "/proc/self/exe";
		char program[256];
		ssize_t n = readlink(self, program, sizeof(program) - 1);

		program[n < 0 ? 0 : n] = 0;
		setenv("HANGS", path, 1);
		if (!strcmp(how, "map"))
			execl(swsgx, "swsgx", "run", "--machine", "k", "--", program,
			      "maps_a_file_that_hangs", (char *)NULL);
		else
			execl(swsgx, "swsgx", "run", "--machine", "k", "--", path, (char *)NULL);
		_exit(98);
	}
	/* it waits for its file now, and so does nobody else */
	CHECK_EQ(read(asked, &byte, 1), 1);
	all_others_go_on();
	CHECK_SYS(kill(pid, SIGKILL));
	all_others_go_on();
	snprintf(command, sizeof(command), "\"$SWSGX\" machine stop k --force");
	CHECK_EQ(timed(command), 0);
	CHECK_SYS(kill(server, SIGKILL));
	CHECK_EQ(waitpid(server, &status, 0), server);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(asked);
	snprintf(path, sizeof(path), "%s/mnt", folder);
	CHECK_SYS(umount2(path, MNT_DETACH));
	cleanup();
}

TEST(a_file_that_hangs_hangs_its_program_alone)
{
	hangs("map");
}

/* The kernel reads its first page, which is there; whoever wants more of it waits. */
TEST(an_executable_that_hangs_hangs_itself_alone)
{
	hangs("exec");
}

/* The program of the first */
TEST(maps_a_file_that_hangs)
{
	const char *path = getenv("HANGS");
	int fd;

	if (!path)
		SKIP("is started by another test");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_SYS(fd);
	CHECK(mmap(NULL, FILE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	/* where CPUID can be faulted nobody looks into it: the page does then */
	CHECK(*(volatile char *)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == 0);
}
