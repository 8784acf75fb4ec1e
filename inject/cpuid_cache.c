/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was found in files, by file: a compiler's executable has 30 MB, and a build
 * runs it for every source.
 *
 * A file is the same as long as stat(2) says so.  One that is written meanwhile
 * may get an old answer: every place is looked at again before it is changed.
 *
 * What is in a file was said by the process that mapped it.  It is told to processes of
 * the same user alone: they may trace each other anyway, while another's could be made to
 * patch what is no instruction, or told of a file that it may not read.
 */
#include <inject/cpuid.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpuid_prepare.h"

#define CACHE_FILES 1024u /* then the oldest goes */
#define OWNER_ALL   (UINT32_MAX - 1) /* of what the daemon knows by itself */
#define OFFSETS_MAX 65536u

struct scanned {
	struct scanned *next;
	struct proto_file_id id;
	uint32_t owner;
	bool library;
	uint32_t names; /* PROTO_NAMES_* */
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

struct proto_file_id inject_cpuid_file_id(const struct stat *st)
{
	return (struct proto_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = nanoseconds(st->st_mtim),
		.ctime = nanoseconds(st->st_ctim),
	};
}

/*
 * The name of a device as its code has it: such a program may look for it.  And the
 * first four letters of GenuineIntel, as text or as the number that CPUID has in EBX:
 * it may look whether the processor is Intel's first.
 */
static uint32_t names_in(const uint8_t *image, size_t size)
{
	static const char device[] = "/dev/sgx", older[] = "/dev/isgx", intel[] = "Genu";

	if (!memmem(image, size, device, sizeof(device) - 1) &&
	    !memmem(image, size, older, sizeof(older) - 1))
		return 0;
	return PROTO_NAMES_SGX |
	       (memmem(image, size, intel, sizeof(intel) - 1) ? PROTO_NAMES_INTEL : 0);
}

/* Return: a new entry, or NULL: no memory. */
static struct scanned *scan(const uint8_t *image, const struct proto_file_id *id, uint32_t owner)
{
	uint64_t *offsets = malloc(OFFSETS_MAX * sizeof(*offsets));
	struct scanned *s;
	long n;

	if (!offsets)
		return NULL;
	n = inject_cpuid_scan(image, id->size, offsets, OFFSETS_MAX);
	if (n < 0)
		n = 0; /* not ELF: nothing is certain in it */
	if (n > (long)OFFSETS_MAX)
		n = OFFSETS_MAX;
	s = malloc(sizeof(*s) + (size_t)n * sizeof(s->offset[0]));
	if (!s)
		goto out;
	s->id = *id;
	s->owner = owner;
	s->library = false;
	s->names = names_in(image, id->size);
	s->count = (uint32_t)n;
	for (long i = 0; i < n; i++)
		s->offset[i] = (uint32_t)offsets[i]; /* below INJECT_CPUID_FILE_MAX */
out:
	free(offsets);
	return s;
}

/* Take a file off the list.  Context: cache_lock. */
static struct scanned *take(const struct proto_file_id *id, uint32_t owner)
{
	for (struct scanned **p = &cache; *p; p = &(*p)->next) {
		struct scanned *s = *p;

		if (!proto_file_same(&s->id, id) || (s->owner != owner && s->owner != OWNER_ALL))
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

/* Context: cache_lock, where it is on the list. */
static long copy_out(const struct scanned *s, uint32_t **ret_offsets, uint32_t *ret_names)
{
	*ret_names = s->names;
	*ret_offsets = NULL;
	if (!s->count)
		return 0;
	*ret_offsets = malloc((size_t)s->count * sizeof(**ret_offsets));
	if (!*ret_offsets)
		return -ENOMEM;
	memcpy(*ret_offsets, s->offset, (size_t)s->count * sizeof(**ret_offsets));
	return s->count;
}

static long look_up(const struct proto_file_id *id, uint32_t owner, bool library,
		    uint32_t **ret_offsets, uint32_t *ret_names)
{
	long count = -ENOENT;
	struct scanned *s;

	*ret_offsets = NULL;
	*ret_names = 0;
	pthread_mutex_lock(&cache_lock);
	s = take(id, owner);
	if (s) {
		s->library |= library;
		count = copy_out(s, ret_offsets, ret_names);
		put_first(s);
	}
	pthread_mutex_unlock(&cache_lock);
	return count;
}

long inject_cpuid_cached(const struct proto_file_id *id, uint32_t owner, uint32_t **ret_offsets,
			 uint32_t *ret_names)
{
	return look_up(id, owner, true, ret_offsets, ret_names);
}

/* Not under the lock: a large file takes milliseconds. */
static long find_and_keep(const uint8_t *image, const struct proto_file_id *id, uint32_t owner,
			  bool library, uint32_t **ret_offsets, uint32_t *ret_names)
{
	struct scanned *s = scan(image, id, owner), *other;
	long count;

	*ret_offsets = NULL;
	*ret_names = 0;
	if (!s)
		return -ENOMEM;
	s->library = library;
	count = copy_out(s, ret_offsets, ret_names);
	if (owner == INJECT_OWNER_NONE) {
		free(s);
		return count;
	}
	pthread_mutex_lock(&cache_lock);
	other = take(id, owner); /* somebody else's of this moment */
	if (other)
		s->library |= other->library;
	put_first(s);
	pthread_mutex_unlock(&cache_lock);
	free(other);
	return count;
}

long inject_cpuid_image(const uint8_t *image, const struct proto_file_id *id, uint32_t owner,
			uint32_t **ret_offsets, uint32_t *ret_names)
{
	return find_and_keep(image, id, owner, true, ret_offsets, ret_names);
}

long inject_cpuid_of_program(const struct proto_file_id *id, uint32_t owner, uint32_t **ret_offsets,
			     uint32_t *ret_names)
{
	return look_up(id, owner, false, ret_offsets, ret_names);
}

long inject_cpuid_program_image(const uint8_t *image, const struct proto_file_id *id,
				uint32_t owner, uint32_t **ret_offsets, uint32_t *ret_names)
{
	return find_and_keep(image, id, owner, false, ret_offsets, ret_names);
}

static uint32_t overflow_uid(void)
{
	FILE *f = fopen("/proc/sys/kernel/overflowuid", "re");
	uint32_t uid = 65534;

	if (f) {
		if (fscanf(f, "%u", &uid) != 1)
			uid = 65534;
		fclose(f);
	}
	return uid;
}

uint32_t inject_cpuid_owner(pid_t proc)
{
	uint32_t uid[4] = {0}, owner = INJECT_OWNER_NONE;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", proc);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Uid: %u %u %u %u", &uid[0], &uid[1], &uid[2], &uid[3]) != 4)
			continue;
		if (uid[0] == uid[1] && uid[0] == uid[2] && uid[0] == uid[3] &&
		    uid[0] != overflow_uid() && uid[0] < OWNER_ALL)
			owner = uid[0];
		break;
	}
	if (f)
		fclose(f);
	return owner;
}

void inject_cpuid_leave(const char *path)
{
	struct scanned *s, *other;
	struct proto_file_id id;
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	id = inject_cpuid_file_id(&st);
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->id = id;
	s->owner = OWNER_ALL;
	s->library = true;
	pthread_mutex_lock(&cache_lock);
	other = take(&id, OWNER_ALL);
	put_first(s);
	pthread_mutex_unlock(&cache_lock);
	free(other);
}

/* Return: whether there is room for it. */
static bool know(struct proto_cpuid_known *known, const struct proto_file_id *id, uint32_t names,
		 const uint32_t *offset, uint32_t count)
{
	if (count > PROTO_KNOWN_SITES - known->site_count)
		return false;
	known->file[known->file_count++] = (struct proto_known_file){
		.id = *id,
		.first = known->site_count,
		.count = count,
		.names = names,
	};
	if (count)
		memcpy(known->site + known->site_count, offset, count * sizeof(*offset));
	known->site_count += count;
	return true;
}

void cpuid_known(struct proto_cpuid_known *known, const struct cpuid_program *program,
		 uint32_t owner)
{
	known->file_count = known->site_count = 0;
	if (program)
		know(known, &program->id, program->names, program->offset,
		     program->count < PROTO_KNOWN_SITES ? program->count : PROTO_KNOWN_SITES);
	pthread_mutex_lock(&cache_lock);
	for (struct scanned *s = cache; s && known->file_count < PROTO_KNOWN_FILES; s = s->next) {
		if (!s->library || (s->owner != owner && s->owner != OWNER_ALL))
			continue;
		if (program && proto_file_same(&s->id, &program->id))
			continue;
		know(known, &s->id, s->names, s->offset, s->count);
	}
	pthread_mutex_unlock(&cache_lock);
}
