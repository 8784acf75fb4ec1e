/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID in the executable of a process at its exec: the process reads the file, by system
 * calls that are made for it, into memory of its own, and that is what is looked at.
 */
#include "cpuid_prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PIECE (1ull << 20)

static const char exe[] = "/proc/self/exe";

/*
 * Below the stack pointer, where the program has nothing yet and the kernel has left room
 * for the stack to grow.  It is zeros before, and afterwards.
 */
struct scratch {
	char path[64];
	struct stat st;
};

static uint64_t scratch_at(const struct remote *r)
{
	return ((r->regs.rsp - 128) & ~63ull) - sizeof(struct scratch);
}

/* Which file it is, by /proc/self/exe.  Return: 0, or -errno. */
static int identify(struct remote *r, struct proto_file_id *id)
{
	const uint64_t at = scratch_at(r);
	struct scratch s = {.path = ""};
	long ret;

	memcpy(s.path, exe, sizeof(exe));
	ret = remote_write(r, at, &s, sizeof(s));
	if (!ret)
		ret = remote_syscall(r, SYS_newfstatat, (uint64_t)AT_FDCWD, at,
				     at + offsetof(struct scratch, st), 0, 0, 0);
	if (!ret)
		ret = remote_read(r, at, &s, sizeof(s));
	if (ret)
		return (int)ret;
	if (!S_ISREG(s.st.st_mode))
		return -EINVAL;
	*id = inject_cpuid_file_id(&s.st);
	return 0;
}

static long open_exe(struct remote *r)
{
	return remote_syscall(r, SYS_openat, (uint64_t)AT_FDCWD, scratch_at(r),
			      O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

/* A whole file, by pieces of at most PIECE at @at in the process.  Return: 0, or -errno. */
static int read_pieces(struct remote *r, long fd, uint64_t at, uint8_t *image, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t want = size - done < PIECE ? size - done : PIECE;
		long n = remote_syscall(r, SYS_pread64, (uint64_t)fd, at, want, done, 0, 0);
		int ret;

		/* it has become shorter */
		if (n <= 0 || (uint64_t)n > want)
			return n < 0 ? (int)n : -EIO;
		ret = remote_read(r, at, image + done, (size_t)n);
		if (ret)
			return ret;
		done += (uint64_t)n;
	}
	return 0;
}

/* Return: malloc'ed, or NULL. */
static uint8_t *read_exe(struct remote *r, uint64_t size)
{
	uint8_t *image = malloc(size);
	int ret = -ENOMEM;
	long fd = -EBADF, at = 0;

	if (image)
		fd = open_exe(r);
	if (fd >= 0)
		at = remote_syscall(r, SYS_mmap, 0, size < PIECE ? size : PIECE,
				    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0);
	if (fd >= 0 && (at > 0 || at < -4095)) {
		ret = read_pieces(r, fd, (uint64_t)at, image, size);
		if (remote_syscall(r, SYS_munmap, (uint64_t)at, size < PIECE ? size : PIECE, 0, 0,
				   0, 0))
			ret = -EIO;
	}
	if (fd >= 0)
		(void)remote_syscall(r, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	if (ret) {
		free(image);
		image = NULL;
	}
	return image;
}

static long find(struct remote *r, uint32_t owner, struct cpuid_program *program)
{
	const uint64_t size = program->id.size;
	long count =
		inject_cpuid_of_program(&program->id, owner, &program->offset, &program->names);
	uint8_t *image;

	if (count != -ENOENT)
		return count;
	if (!size || size > INJECT_CPUID_FILE_MAX)
		return -EFBIG;
	image = read_exe(r, size);
	if (!image)
		return -EIO;
	count = inject_cpuid_program_image(image, &program->id, owner, &program->offset,
					   &program->names);
	free(image);
	return count;
}

int cpuid_program_find(struct remote *r, uint32_t owner, struct cpuid_program *program)
{
	static const struct scratch zeros;
	long count;

	memset(program, 0, sizeof(*program));
	count = identify(r, &program->id);
	if (!count)
		count = find(r, owner, program);
	(void)remote_write(r, scratch_at(r), &zeros, sizeof(zeros));
	if (count < 0)
		return (int)count;
	program->count = (uint32_t)count;
	return 0;
}
