/* SPDX-License-Identifier: BSD-3-Clause */
/* A file system of a test's own (FUSE): one file, "file", whose reads are not answered. */
#ifndef TESTS_SYSTEM_HUNG_H
#define TESTS_SYSTEM_HUNG_H

#include "child.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define HUNG_SIZE (1u << 20)
#define HUNG_INO  2u
#define HUNG_PAGE 4096u

/* What is answered: the first page, if that is a program's; no more than the exec reads */
static uint8_t first_page[HUNG_PAGE];
static bool has_first_page;
/* A close() waits, too, and a poll() */
static bool hung_flush;

/* An executable whose code begins on its third page */
static inline void make_program(void)
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
		.p_filesz = HUNG_SIZE,
		.p_memsz = HUNG_SIZE,
		.p_align = HUNG_PAGE,
	};

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(first_page, &eh, sizeof(eh));
	memcpy(first_page + sizeof(eh), &ph, sizeof(ph));
	has_first_page = true;
}

static inline void reply(int dev, uint64_t unique, int error, const void *data, size_t size)
{
	struct {
		struct fuse_out_header header;
		uint8_t data[HUNG_PAGE];
	} out = {.header = {.len = (uint32_t)(sizeof(out.header) + size),
			    .error = error,
			    .unique = unique}};

	if (size)
		memcpy(out.data, data, size);
	/* who asked may be gone */
	(void)!write(dev, &out, out.header.len);
}

static inline struct fuse_attr attributes(uint64_t ino)
{
	return (struct fuse_attr){
		.ino = ino,
		.mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755,
		.size = ino == FUSE_ROOT_ID ? 0 : HUNG_SIZE,
		.nlink = 1,
		.blksize = 4096,
	};
}

/* Return: whether it is answered. */
static inline bool answer_read(int dev, const struct fuse_in_header *h)
{
	struct fuse_read_in in;

	memcpy(&in, h + 1, sizeof(in));
	if (!has_first_page || in.offset)
		return false;
	reply(dev, h->unique, 0, first_page, in.size < HUNG_PAGE ? in.size : HUNG_PAGE);
	return true;
}

/* @asked: gets a byte at each read, or close(), that is not answered */
static inline void serve(int dev, int asked)
{
	static uint8_t buf[1 << 18];
	const struct fuse_in_header *h = (const void *)buf;

	while (read(dev, buf, sizeof(buf)) > 0 || errno == EINTR || errno == ENOENT) {
		struct fuse_init_out init = {
			.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536};
		struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attributes(h->nodeid)};
		struct fuse_entry_out entry = {
			.nodeid = HUNG_INO,
			.generation = 1,
			.entry_valid = 1000,
			.attr_valid = 1000,
			.attr = attributes(HUNG_INO),
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
		case FUSE_POLL:
		case FUSE_FLUSH:
			if (hung_flush) {
				CHECK_EQ(write(asked, "f", 1), 1);
				break;
			}
			reply(dev, h->unique, h->opcode == FUSE_POLL ? -ENOSYS : 0, NULL, 0);
			break;
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

static inline void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_SYS(fd);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Namespaces in which anybody may mount.  False: not here. */
static inline bool own_mounts(void)
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
 * Mount it on a new folder, and stay.  It is served by a process that is no program of
 * the machine.  Return: where its reads are told of, -1: it cannot be had here.
 */
static inline int hung_mount(const char *path, pid_t *ret_server)
{
	int p[2], dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	if (dev < 0 || !own_mounts())
		return -1;
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

#endif
