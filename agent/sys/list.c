/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listings: getdents64 and getdents of /dev and of node 0's folder have our files
 * at their end, and /dev/sgx and node0/x86 have nothing else.
 *
 * How far a listing is, the file position says, as for the kernel's own; so all who
 * share a descriptor (dup, fork, exec, SCM_RIGHTS) go on where the other was, and
 * lseek, rewinddir and seekdir need no help:
 *
 *	first + i		i of ours were given
 *	all other		the kernel's: its call is made; when that says 0, ours
 *				begin
 *
 * first must be a position that lseek takes and no file of the folder has: on tmpfs
 * these are counted up from 2, on ext4 they are below the folder's size, or hashes
 * of 63 bits. On sysfs they are hashes of 31 bits, and lseek takes no others.
 *
 * The calls are trapped from the time when a process opens such a folder
 * (mem_filter_lists()): who lists other folders pays nothing.
 */
#include "path.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define DEV_FIRST  0x15367780000ll /* 1.5 T: less than the 2 TiB of ext4's smallest limit */
#define NODE_FIRST 0x53677800ll
#define DT_CHR	   2
#define DT_DIR	   4
#define DT_REG	   8
#define DT_LNK	   10
#define SEEK_SET   0
#define SEEK_CUR   1

struct file {
	enum answer answer;
	char name[20];
	uint8_t type;
	uint8_t devices; /* PROTO_DEVICES_*: it is there with one of these; 0: always */
};

static const struct file in_dev[] = {
	{ANSWER_ENCLAVE, "sgx_enclave", DT_CHR, PROTO_DEVICES_LINUX},
	{ANSWER_PROVISION, "sgx_provision", DT_CHR, PROTO_DEVICES_LINUX},
	{ANSWER_SGX, "sgx", DT_DIR, PROTO_DEVICES_SGX},
};
static const struct file in_node[] = {{ANSWER_X86, "x86", DT_DIR, 0}};
static const struct file in_sgx[] = {
	{ANSWER_SGX, ".", DT_DIR, 0},
	{ANSWER_DEV, "..", DT_DIR, 0},
	{ANSWER_SGX_ENCLAVE, "enclave", DT_CHR, 0},
	{ANSWER_SGX_PROVISION, "provision", DT_CHR, 0},
};
static const struct file in_x86[] = {
	{ANSWER_X86, ".", DT_DIR, 0},
	{ANSWER_NODE, "..", DT_DIR, 0},
	{ANSWER_EPC_SIZE, "sgx_total_bytes", DT_REG, 0},
};

/* A program's buffer as it fills up */
struct dirents {
	uint64_t addr, size, used;
	bool old; /* getdents: the type is behind the name */
	long error; /* -EINVAL: not even one fits; -EFAULT */
};

/* next: position of what follows.  False: it is full. */
static bool put(struct dirents *d, const struct file *f, uint64_t ino, int64_t next)
{
	uint64_t length = agent_strlen(f->name), size;
	uint8_t out[48];

	/* number, position, size of the record; then type and name, or name and type */
	size = (8 + 8 + 2 + 1 + length + 1 + 7) & ~7ull;
	if (d->size - d->used < size) {
		d->error = -EINVAL;
		return false;
	}
	agent_memset(out, 0, sizeof(out));
	agent_memcpy(out, &ino, 8);
	agent_memcpy(out + 8, &next, 8);
	agent_memcpy(out + 16, &size, 2);
	agent_memcpy(out + (d->old ? 18 : 19), f->name, length);
	out[d->old ? size - 1 : 18] = path_is_link(f->answer) ? DT_LNK : f->type;
	if (!copy_out(d->addr + d->used, out, size)) {
		d->error = -EFAULT;
		return false;
	}
	d->used += size;
	return true;
}

/* A folder that has files of ours */
struct folder {
	const struct file *files;
	uint32_t count;
	int64_t first; /* position before the first */
	bool kernels; /* it has others, before them */
};

/* False: not one of them. */
static bool folder_of(int fd, struct folder *f)
{
	enum answer a = ANSWER_NONE;
	struct stat st;

	if (fd < 0 || sys2(__NR_fstat, fd, &st) < 0 || dev_is_path(fd))
		return false;
	if (S_ISREG(st.st_mode))
		a = path_of_fd(fd);
	if (S_ISDIR(st.st_mode) && path_is_dev(&st))
		*f = (struct folder){in_dev, ARRAY_SIZE(in_dev), DEV_FIRST, true};
	else if (S_ISDIR(st.st_mode) && path_is_node(&st, fd))
		*f = (struct folder){in_node, ARRAY_SIZE(in_node), NODE_FIRST, true};
	else if (a == ANSWER_SGX)
		*f = (struct folder){in_sgx, ARRAY_SIZE(in_sgx), 0, false};
	else if (a == ANSWER_X86)
		*f = (struct folder){in_x86, ARRAY_SIZE(in_x86), 0, false};
	else
		return false;
	return true;
}

/* Is it there, and not one that the host has as well, which the kernel has given? */
static bool is_there(const struct folder *folder, const struct file *f, int fd)
{
	struct stat st;

	if (f->devices && !(AGENT_PARAMS->files.devices & f->devices))
		return false;
	return !folder->kernels ||
	       sys4(__NR_newfstatat, fd, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0;
}

/* Linux: an error counts only where nothing was given before it. */
static long put_files(struct dirents *d, int fd, const struct folder *folder, int64_t from)
{
	int64_t at;

	for (at = from; at - folder->first < folder->count; at++) {
		const struct file *f = &folder->files[at - folder->first];

		if (is_there(folder, f, fd) && !put(d, f, attr_ino(f->answer), at + 1))
			break;
	}
	/* where it cannot stay on, they would be given for ever */
	if (at != from && sys3(__NR_lseek, fd, at, SEEK_SET) < 0)
		return 0;
	return d->used ? (long)d->used : d->error;
}

static long list(agent_ucontext *uc, struct agent_thread *t, const struct folder *folder)
{
	struct dirents d = {
		.addr = uc_arg(uc, 1),
		.size = (uint32_t)uc_arg(uc, 2),
		.old = UC_REGS(uc)->ax == __NR_getdents,
	};
	int fd = (int)uc_arg(uc, 0);
	int64_t at = sys3(__NR_lseek, fd, 0, SEEK_CUR);
	long ret;

	if (at < folder->first || at - folder->first > folder->count) {
		/* a folder of ours is a memfd, whose position may be moved anywhere */
		ret = folder->kernels ? agent_pass(uc) : 0;
		if (ret || t->refused.si_signo || !folder->kernels)
			return ret;
		at = folder->first;
	}
	return put_files(&d, fd, folder, at);
}

/**
 * path_do_getdents() - getdents64 and getdents
 * @t:		this thread
 * @uc:		the trapped call's context
 *
 * Two threads on one descriptor get each file once, as the kernel's lock of the
 * position has it.
 */
long path_do_getdents(struct agent_thread *t, agent_ucontext *uc)
{
	struct folder folder;
	long ret;

	if (!folder_of((int)uc_arg(uc, 0), &folder))
		return agent_reissue(t, uc);
	agent_lock(&PROC->list_lock);
	ret = list(uc, t, &folder);
	agent_unlock(&PROC->list_lock);
	return ret;
}
