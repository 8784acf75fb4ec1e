/* SPDX-License-Identifier: BSD-3-Clause */
/* What tools ask over a fresh connection: join, stat, info, suspend, poison, stop. */
#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_msg(struct conn *c, const struct proto_msg *msg, const char *text, size_t size)
{
	struct pollfd p = {.fd = c->source.fd, .events = POLLOUT};
	int ret;

	ret = sock_send(c->source.fd, msg, text, size, NULL, 0);
	/* A tool reads at once; one that does not loses its report, we lose a second */
	if (ret == -EAGAIN && poll(&p, 1, 1000) == 1)
		ret = sock_send(c->source.fd, msg, text, size, NULL, 0);
	return ret;
}

/* @words: of the answer but the first; NULL: zeros */
static void reply(struct conn *c, int status, const uint64_t *words)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_OK,
		.status = status,
	};

	if (words)
		memcpy(msg.words, words, sizeof(msg.words));
	msg.words[0] = (uint64_t)getpid();
	(void)send_msg(c, &msg, NULL, 0);
}

static void stat_message(struct machine *m, struct conn *c, bool text)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_TEXT,
	};
	uint64_t words[8] = {0};
	char *report = report_stat(m, text, words), *p = report;
	size_t left = report ? strlen(report) : 0;
	int ret = report ? 0 : -ENOMEM;

	while (left && !ret) {
		size_t n = left < PROTO_TEXT_MAX ? left : PROTO_TEXT_MAX;

		ret = send_msg(c, &msg, p, n);
		p += n;
		left -= n;
	}
	reply(c, ret, words);
	free(report);
}

static void info_message(struct machine *m, struct conn *c, const struct proto_msg *msg)
{
	uint64_t words[8] = {0};
	struct sgx_epc_info epc;
	bool found = msg->words[0] == (uint64_t)getpid();

	sgx_epc_info(m->sgx, &epc);
	words[PROTO_INFO_EPC] = epc.total * SGX_PAGE_SIZE;
	words[PROTO_INFO_EPC_FREE] = epc.free * SGX_PAGE_SIZE;
	words[PROTO_INFO_CPU] = m->model;
	words[PROTO_INFO_ENCLAVES] = epc.enclaves;
	pthread_mutex_lock(&m->lock);
	for (const struct client *p = m->clients; p; p = p->next) {
		words[PROTO_INFO_PROCESSES]++;
		found |= msg->words[0] == (uint64_t)p->pid;
	}
	pthread_mutex_unlock(&m->lock);
	words[PROTO_INFO_FOUND] = found && (msg->arg & 1);
	reply(c, 0, words);
}

/*
 * A sleep state.  The number of the boot tells whoever looks at the machine page that
 * what was in the EPC is gone.
 */
static int suspend(struct machine *m)
{
	uint8_t random[32];
	uint64_t boot;
	int ret;

	if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
	    getrandom(&boot, sizeof(boot), 0) != sizeof(boot))
		return -EIO;
	ret = sgx_suspend(m->sgx, random);
	explicit_bzero(random, sizeof(random));
	if (ret)
		return ret;
	/* the seal is for those who map it after us */
	__atomic_store_n(&m->page->boot, boot == m->page->boot ? boot + 1 : boot, __ATOMIC_RELEASE);
	m->suspends++;
	log_line("suspend: the content of the EPC is lost");
	return 0;
}

static struct enclave *by_eid(struct machine *m, uint64_t eid)
{
	struct enclave **all, *found = NULL;
	uint32_t count;

	all = enclave_all(m, &count);
	for (uint32_t i = 0; all && i < count; i++) {
		if (!found && eid && __atomic_load_n(&all[i]->id, __ATOMIC_ACQUIRE) == eid)
			found = all[i];
		else
			enclave_put(all[i]);
	}
	free(all);
	return found;
}

static int poison(struct machine *m, const struct proto_msg *msg, epc_slot_t *slot)
{
	struct enclave *e;
	int ret;

	if (!(msg->arg & 1)) {
		*slot = (epc_slot_t)msg->words[0];
		ret = msg->words[0] < m->memory.pages ? sgx_epc_poison(m->sgx, *slot) : -ENXIO;
	} else {
		e = by_eid(m, msg->words[0]);
		ret = e ? sgx_encl_poison(e->sgx, msg->words[1], slot) : -ESRCH;
		if (e)
			enclave_put(e);
	}
	if (!ret)
		log_line("EPC page %u has a memory error", *slot);
	return ret;
}

static void poison_message(struct machine *m, struct conn *c, const struct proto_msg *msg)
{
	uint64_t words[8] = {0};
	epc_slot_t slot = 0;
	int ret = poison(m, msg, &slot);

	words[1] = slot;
	reply(c, ret, words);
}

/* A command that runs need not have a client yet: its agent connects when it must. */
static bool busy(struct machine *m)
{
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->command)
			return true;
	return m->clients || atomic_load(&m->execs);
}

/**
 * control_message() - the first message of a connection
 * @m:		machine
 * @c:		connection; becomes a command socket, or is closed after this
 * @msg:	message
 *
 * Context: main thread.
 */
void control_message(struct machine *m, struct conn *c, const struct proto_msg *msg)
{
	bool force = msg->arg & 1;

	/* Who may look at a private machine may not change it: it is the command's alone */
	if (!m->name && msg->type != PROTO_MSG_STAT && msg->type != PROTO_MSG_INFO) {
		reply(c, -EPERM, NULL);
		return;
	}
	/* who suspends, poisons or looks does so after what programs have done by now */
	stream_settle_all(m);
	switch (msg->type) {
	case PROTO_MSG_RUN:
		c->command = true;
		reply(c, 0, NULL);
		break;
	case PROTO_MSG_STAT:
		stat_message(m, c, msg->arg & 1);
		break;
	case PROTO_MSG_SUSPEND:
		reply(c, suspend(m), NULL);
		break;
	case PROTO_MSG_POISON:
		poison_message(m, c, msg);
		break;
	case PROTO_MSG_STOP:
		if (busy(m) && !force) {
			reply(c, -EBUSY, NULL);
			break;
		}
		c->stopper = true;
		reply(c, 0, NULL);
		m->stopping = true;
		break;
	case PROTO_MSG_INFO:
		info_message(m, c, msg);
		break;
	default:
		reply(c, -EINVAL, NULL);
		break;
	}
}

/**
 * control_who() - a program of this machine asks which one it is
 * @m:		machine
 * @private_fd:	where it waits; taken
 */
void control_who(const struct machine *m, int private_fd)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_OK,
	};

	msg.words[PROTO_WHO_PID] = (uint64_t)getpid();
	msg.words[PROTO_WHO_EPC] = m->epc_size;
	msg.words[PROTO_WHO_BACKING] = m->memory.backing_max * MEMORY_BACKING_PAGE;
	msg.words[PROTO_WHO_CPU] = m->model;
	(void)sock_send(private_fd, &msg, NULL, 0, NULL, 0);
	discard_fd(private_fd);
}
