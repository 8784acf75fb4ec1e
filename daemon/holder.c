/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which enclaves a client holds.
 *
 * An enclave is named by the inode number of its file.  Anybody can guess that, so it
 * gives no right: every call that names an enclave goes by what its client was given.
 *
 *	OPEN		the descriptor that it has just got
 *	LOOKUP		a descriptor that it shows: one that was dup'ed, received over a socket,
 *			inherited by an exec.  As in Linux, who has it may use it
 *	INHERIT		fork children have their parent's mappings, and often no descriptor.
 *			Each enclave has a key, 128 random bits, which ATTACH tells to who holds
 *			it.  The agent keeps it in the memory of its process, so that a child has
 *			the keys of just those enclaves that its parent had at the fork, whether
 *			the parent still lives or not, whatever user or namespace it is in by
 *			then; an exec forgets them
 *
 * A descriptor is not sent to be shown: it might be one of any file, whose close() waits
 * for a file system that never answers, and each takes a number of this process.  Instead
 * the agent locks one byte of the file, far beyond its end, for as long as it asks, and
 * the daemon looks whether it is locked.  Which byte is the client's own, a random number.
 *
 * What a client holds it holds until its end or the enclave's: it could have kept a copy
 * of the descriptor.  To who does not hold it, an enclave is not there.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/**
 * holder_begin() - a client begins, with nothing
 * @c: client
 *
 * Return: 0, or -errno where there are no random numbers.
 */
int holder_begin(struct client *c)
{
	if (getrandom(&c->shown_at, sizeof(c->shown_at), 0) != sizeof(c->shown_at))
		return -errno;
	/*
	 * Where no program locks, and even: the locks of processes that share an open file
	 * would become one where they touch.
	 */
	c->shown_at = (c->shown_at >> 3 | 1ull << 61) & ~1ull;
	return 0;
}

/* Index of the first that is held with that number or a higher one.  Context: machine.lock. */
static uint32_t lower_bound(const struct client *c, uint64_t ino)
{
	uint32_t low = 0, high = c->held_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (c->held[mid]->ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * holder_has() - does a client hold an enclave?
 * @c: client
 * @e: enclave
 *
 * Context: machine.lock held.
 */
bool holder_has(const struct client *c, const struct enclave *e)
{
	uint32_t i = lower_bound(c, e->ino);

	return i < c->held_count && c->held[i] == e;
}

/* Context: machine.lock held, @e is on the machine's list.  Return: 0 or -ENOMEM */
static int give(struct client *c, struct enclave *e)
{
	uint32_t i = lower_bound(c, e->ino);

	if (i < c->held_count && c->held[i] == e)
		return 0;
	if (c->held_count == c->held_room) {
		uint32_t room = c->held_room ? 2 * c->held_room : 4;
		struct enclave **more = realloc(c->held, room * sizeof(struct enclave *));

		if (!more)
			return -ENOMEM;
		c->held = more;
		c->held_room = room;
	}
	memmove(&c->held[i + 1], &c->held[i], (c->held_count - i) * sizeof(struct enclave *));
	c->held[i] = e;
	c->held_count++;
	return 0;
}

/**
 * holder_give() - a client is about to get an enclave's descriptor
 * @c: client
 * @e: enclave; a descriptor of it is open here, so that it cannot end meanwhile
 *
 * Return: 0, or -ENOMEM.
 */
int holder_give(struct client *c, struct enclave *e)
{
	int ret;

	pthread_mutex_lock(&c->machine->lock);
	ret = give(c, e);
	pthread_mutex_unlock(&c->machine->lock);
	return ret;
}

/**
 * holder_get() - an enclave that a client names
 * @c:		client
 * @ino:	inode number
 *
 * Return: it, with a reference for enclave_put(); NULL: the client holds none of that
 * number.
 */
struct enclave *holder_get(struct client *c, uint64_t ino)
{
	struct enclave *e = NULL;
	uint32_t i;

	pthread_mutex_lock(&c->machine->lock);
	i = lower_bound(c, ino);
	if (i < c->held_count && c->held[i]->ino == ino) {
		e = c->held[i];
		atomic_fetch_add(&e->refs, 1);
	}
	pthread_mutex_unlock(&c->machine->lock);
	return e;
}

/**
 * holder_forget() - an enclave ends: nobody holds it any more
 * @e: enclave
 *
 * Context: machine.lock held.
 */
void holder_forget(struct enclave *e)
{
	for (struct client *c = e->machine->clients; c; c = c->next) {
		uint32_t i = lower_bound(c, e->ino);

		if (i == c->held_count || c->held[i] != e)
			continue;
		c->held_count--;
		memmove(&c->held[i], &c->held[i + 1],
			(c->held_count - i) * sizeof(struct enclave *));
	}
}

/*
 * Does a process that has it open for writing lock the byte of its file that is this
 * client's?  Its agent does so while it asks.  The kernel lets nobody else.
 */
static bool is_shown(const struct client *c, const struct enclave *e)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)c->shown_at,
		.l_len = 1,
	};

	return !fcntl(e->probe, F_OFD_GETLK, &lock) && lock.l_type == F_WRLCK &&
	       lock.l_start == (off_t)c->shown_at && lock.l_len == 1;
}

/* Context: machine.lock held.  NULL: there is none */
static struct enclave *find(const struct machine *m, uint64_t ino)
{
	struct enclave *e = m->enclaves;

	while (e && e->ino != ino)
		e = e->next;
	return e;
}

/**
 * holder_looks() - is a file an enclave's, which a client holds or shows?
 * @c:		client
 * @dev:	st_dev of the file
 * @ino:	st_ino
 *
 * Return: false also where there is no memory to remember it.
 */
bool holder_looks(struct client *c, uint64_t dev, uint64_t ino)
{
	struct machine *m = c->machine;
	struct enclave *e;
	bool held;

	pthread_mutex_lock(&m->lock);
	e = find(m, ino);
	held = e && e->dev == dev && (holder_has(c, e) || (is_shown(c, e) && !give(c, e)));
	pthread_mutex_unlock(&m->lock);
	return held;
}

/**
 * holder_inherit() - PROTO_OP_INHERIT: a fork child says what its parent had
 * @c:		client
 * @ino:	number of the enclave
 * @key:	its key
 *
 * Return: 0; -ENOTTY: there is no such enclave, or it has another key; -ENOMEM.
 */
int holder_inherit(struct client *c, uint64_t ino, const uint64_t key[2])
{
	struct machine *m = c->machine;
	struct enclave *e;
	int ret = -ENOTTY;

	pthread_mutex_lock(&m->lock);
	e = find(m, ino);
	if (e && !((e->key[0] ^ key[0]) | (e->key[1] ^ key[1])))
		ret = give(c, e);
	pthread_mutex_unlock(&m->lock);
	return ret;
}
