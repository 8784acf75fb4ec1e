/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROTO_OP_CPUID_SCAN: where CPUID instructions are in a file that a client maps.
 * Answers are kept by file, for all clients of the machine.
 */
#include "machine.h"

#include <inject/cpuid.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FILES   256u /* then the whole cache is dropped */
#define FILE_MAX_SIZE ((off_t)512 << 20) /* larger ones are not looked at */
#define OFFSETS_MAX   65536u

struct scanned {
	struct scanned *next;
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	off_t size;
	uint32_t count;
	uint64_t offset[]; /* ascending */
};

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scanned *cache;
static unsigned cached;

static void drop_all(void)
{
	while (cache) {
		struct scanned *next = cache->next;

		free(cache);
		cache = next;
	}
	cached = 0;
}

/**
 * cpuid_scan_exit() - free the cache
 */
void cpuid_scan_exit(void)
{
	pthread_mutex_lock(&cache_lock);
	drop_all();
	pthread_mutex_unlock(&cache_lock);
}

static uint8_t *read_all(int fd, size_t size)
{
	uint8_t *image = malloc(size);
	size_t done = 0;

	/* read, not mmap: a file that shrinks would be a SIGBUS */
	while (image && done < size) {
		ssize_t n = pread(fd, image + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(image);
			return NULL;
		}
		done += (size_t)n;
	}
	return image;
}

static struct scanned *scan(int fd, const struct stat *st)
{
	uint64_t *offsets = malloc(OFFSETS_MAX * sizeof(*offsets));
	uint8_t *image = read_all(fd, (size_t)st->st_size);
	struct scanned *s = NULL;
	long n;

	if (!image || !offsets)
		goto out;
	n = inject_cpuid_scan(image, (size_t)st->st_size, offsets, OFFSETS_MAX);
	if (n < 0)
		n = 0; /* not ELF: nothing is certain in it */
	if (n > (long)OFFSETS_MAX)
		n = OFFSETS_MAX;
	s = malloc(sizeof(*s) + (size_t)n * sizeof(s->offset[0]));
	if (!s)
		goto out;
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->mtime = st->st_mtim;
	s->size = st->st_size;
	s->count = (uint32_t)n;
	memcpy(s->offset, offsets, (size_t)n * sizeof(s->offset[0]));
out:
	free(offsets);
	free(image);
	return s;
}

static struct scanned *lookup(const struct stat *st)
{
	for (struct scanned *s = cache; s; s = s->next)
		if (s->dev == st->st_dev && s->ino == st->st_ino && s->size == st->st_size &&
		    s->mtime.tv_sec == st->st_mtim.tv_sec &&
		    s->mtime.tv_nsec == st->st_mtim.tv_nsec)
			return s;
	return NULL;
}

/**
 * cpuid_scan() - CPUID instructions in a range of a client's file
 * @c:		client
 * @dev:	of the file, as the client sees it
 * @ino:	of the file
 * @fd:		number of a descriptor of it in the client
 * @offset:	of the range in the file
 * @length:	of the range
 * @out:	receives offsets relative to @offset, ascending
 * @max:	room there
 *
 * Return: how many there are (may exceed @max), or -errno.
 */
long cpuid_scan(struct client *c, uint64_t dev, uint64_t ino, int fd, uint32_t offset,
		uint32_t length, uint32_t *out, uint32_t max)
{
	struct scanned *s;
	char path[64];
	struct stat st;
	long n = 0;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", c->proc, fd);
	/* O_NONBLOCK: it might be a FIFO */
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return -errno;
	if (fstat(file, &st) || st.st_dev != dev || st.st_ino != ino) {
		close(file);
		return -ESTALE;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX_SIZE) {
		close(file);
		return 0;
	}
	pthread_mutex_lock(&cache_lock);
	s = lookup(&st);
	if (!s) {
		s = scan(file, &st);
		if (s) {
			if (cached == CACHE_FILES)
				drop_all();
			s->next = cache;
			cache = s;
			cached++;
		}
	}
	for (uint32_t i = 0; s && i < s->count; i++) {
		if (s->offset[i] < offset || s->offset[i] - offset >= length)
			continue;
		if (n < (long)max)
			out[n] = (uint32_t)(s->offset[i] - offset);
		n++;
	}
	pthread_mutex_unlock(&cache_lock);
	close(file);
	return s ? n : -ENOMEM;
}
