/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was found in files, by file: a compiler's executable has 30 MB, and a build
 * runs it for every source.
 *
 * A file is the same as long as stat(2) says so.  One that is written meanwhile
 * may get an old answer: every place is looked at again before it is changed.
 */
#include <inject/cpuid.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpuid_patch.h"

#define CACHE_FILES   1024u /* then the oldest goes */
#define FILE_MAX_SIZE ((off_t)512 << 20) /* larger ones are not looked at */
#define OFFSETS_MAX   65536u

struct scanned {
	struct scanned *next;
	struct proto_file_id id;
	bool library;
	uint32_t count;
	uint32_t offset[]; /* ascending */
};

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scanned *cache; /* used last first */
static unsigned cached;

void inject_cpuid_forget(void)
{
	pthread_mutex_lock(&cache_lock);
	while (cache) {
		struct scanned *next = cache->next;

		free(cache);
		cache = next;
	}
	cached = 0;
	pthread_mutex_unlock(&cache_lock);
}

static int64_t nanoseconds(struct timespec ts)
{
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct proto_file_id file_id(const struct stat *st)
{
	return (struct proto_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = nanoseconds(st->st_mtim),
		.ctime = nanoseconds(st->st_ctim),
	};
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

/* Return: a new entry, or NULL: it could not be read, or no memory. */
static struct scanned *scan(int fd, const struct stat *st)
{
	struct scanned *s = NULL;
	uint64_t *offsets = NULL;
	uint8_t *image = NULL;
	long n = 0;

	if (st->st_size > 0 && st->st_size <= FILE_MAX_SIZE) {
		image = read_all(fd, (size_t)st->st_size);
		offsets = malloc(OFFSETS_MAX * sizeof(*offsets));
		if (!image || !offsets)
			goto out;
		n = inject_cpuid_scan(image, (size_t)st->st_size, offsets, OFFSETS_MAX);
		if (n < 0)
			n = 0; /* not ELF: nothing is certain in it */
		if (n > (long)OFFSETS_MAX)
			n = OFFSETS_MAX;
	}
	s = malloc(sizeof(*s) + (size_t)n * sizeof(s->offset[0]));
	if (!s)
		goto out;
	s->id = file_id(st);
	s->count = (uint32_t)n;
	for (long i = 0; i < n; i++)
		s->offset[i] = (uint32_t)offsets[i]; /* below FILE_MAX_SIZE */
out:
	free(offsets);
	free(image);
	return s;
}

/* Take a file off the list.  Context: cache_lock. */
static struct scanned *take(const struct proto_file_id *id)
{
	for (struct scanned **p = &cache; *p; p = &(*p)->next) {
		struct scanned *s = *p;

		if (!proto_file_same(&s->id, id))
			continue;
		*p = s->next;
		cached--;
		return s;
	}
	return NULL;
}

/* Context: cache_lock. */
static void put_first(struct scanned *s)
{
	struct scanned **p = &cache;

	if (cached == CACHE_FILES) {
		while ((*p)->next)
			p = &(*p)->next;
		free(*p);
		*p = NULL;
		cached--;
	}
	s->next = cache;
	cache = s;
	cached++;
}

long inject_cpuid_file(int fd, const struct stat *st, bool library, uint32_t **ret_offsets)
{
	struct proto_file_id id = file_id(st);
	uint32_t *offsets = NULL;
	struct scanned *s, *other;
	long count;

	*ret_offsets = NULL;
	pthread_mutex_lock(&cache_lock);
	s = take(&id);
	if (!s) {
		/* Not under the lock: a large file takes milliseconds */
		pthread_mutex_unlock(&cache_lock);
		s = scan(fd, st);
		if (!s)
			return -EIO;
		s->library = false;
		pthread_mutex_lock(&cache_lock);
		other = take(&id); /* somebody else's of this moment */
		if (other)
			s->library = other->library;
		free(other);
	}
	s->library |= library;
	count = s->count;
	if (count)
		offsets = malloc((size_t)count * sizeof(*offsets));
	if (offsets)
		memcpy(offsets, s->offset, (size_t)count * sizeof(*offsets));
	else if (count)
		count = -ENOMEM;
	put_first(s);
	pthread_mutex_unlock(&cache_lock);
	*ret_offsets = offsets;
	return count;
}

void inject_cpuid_leave(const char *path)
{
	struct scanned *s, *other;
	struct proto_file_id id;
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	id = file_id(&st);
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->id = id;
	s->library = true;
	pthread_mutex_lock(&cache_lock);
	other = take(&id);
	put_first(s);
	pthread_mutex_unlock(&cache_lock);
	free(other);
}

void cpuid_known(struct proto_cpuid_known *known)
{
	known->file_count = known->site_count = 0;
	pthread_mutex_lock(&cache_lock);
	for (struct scanned *s = cache; s && known->file_count < PROTO_KNOWN_FILES; s = s->next) {
		if (!s->library || s->count > PROTO_KNOWN_SITES - known->site_count)
			continue;
		known->file[known->file_count++] = (struct proto_known_file){
			.id = s->id,
			.first = known->site_count,
			.count = s->count,
		};
		memcpy(known->site + known->site_count, s->offset, s->count * sizeof(s->offset[0]));
		known->site_count += s->count;
	}
	pthread_mutex_unlock(&cache_lock);
}
