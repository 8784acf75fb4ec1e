/* SPDX-License-Identifier: BSD-3-Clause */
/* What tools ask over a fresh connection: join, stat, stop. */
#include "machine.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct report {
	FILE *out;
	struct sgx_epc_info epc;
	struct counters live; /* of enclaves that are there */
	bool comma;
};

static void separator(struct report *r)
{
	if (r->comma)
		fputs(",", r->out);
	fputs("\n", r->out);
	r->comma = true;
}

static void hex(FILE *out, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void json_counters(FILE *out, const struct counters *c)
{
	fprintf(out, "\"entries\": %" PRIu64 ", \"exits\": %" PRIu64 ", \"aexs\": %" PRIu64,
		c->entries, c->exits, c->aexs);
}

/* The processes that have used an enclave.  Context: machine.lock held. */
static void pids(struct machine *m, const struct enclave *e, FILE *out, const char *between)
{
	const char *sep = "";

	for (struct client *c = m->clients; c; c = c->next) {
		for (uint32_t i = 0; i < c->encl_count; i++) {
			if (c->encl[i] == e->ino) {
				fprintf(out, "%s%d", sep, c->pid);
				sep = between;
			}
		}
	}
}

static void json_enclave(struct report *r, struct enclave *e, const struct sgx_encl_info *info)
{
	separator(r);
	fprintf(r->out, "    {\"eid\": %" PRIu64 ", \"mrenclave\": \"", info->eid);
	hex(r->out, info->mrenclave, info->initialized ? SGX_HASH_SIZE : 0);
	fputs("\", \"mrsigner\": \"", r->out);
	hex(r->out, info->mrsigner, info->initialized ? SGX_HASH_SIZE : 0);
	fprintf(r->out,
		"\", \"base\": \"0x%" PRIx64 "\", \"size\": %" PRIu64
		", \"initialized\": %s, \"pages\": %" PRIu64 ", \"pages_added\": %" PRIu64 ", ",
		info->base, info->size, info->initialized ? "true" : "false", info->epc_pages,
		__atomic_load_n(&e->pages_added, __ATOMIC_RELAXED));
	json_counters(r->out, &(struct counters){info->entries, info->exits, info->aexs});
	fputs(", \"pids\": [", r->out);
	pthread_mutex_lock(&e->machine->lock);
	pids(e->machine, e, r->out, ", ");
	pthread_mutex_unlock(&e->machine->lock);
	fputs("]}", r->out);
}

static void text_enclave(struct report *r, struct enclave *e, const struct sgx_encl_info *info)
{
	fprintf(r->out, "enclave %-4" PRIu64 " %s, %" PRIu64 " KiB at 0x%" PRIx64 ", pid ",
		info->eid,
		info->initialized ? "initialized"
		: info->created	  ? "being built"
				  : "not created",
		info->size >> 10, info->base);
	pthread_mutex_lock(&e->machine->lock);
	pids(e->machine, e, r->out, ", ");
	pthread_mutex_unlock(&e->machine->lock);
	if (info->initialized) {
		fputs("\n  MRENCLAVE  ", r->out);
		hex(r->out, info->mrenclave, SGX_HASH_SIZE);
	}
	fprintf(r->out,
		"\n  EPC pages  %" PRIu64 "\n  entries    %" PRIu64 "\n  exits      %" PRIu64
		"\n  AEXs       %" PRIu64 "\n",
		info->epc_pages, info->entries, info->exits, info->aexs);
}

static void each_enclave(struct machine *m, struct report *r,
			 void (*print)(struct report *r, struct enclave *e,
				       const struct sgx_encl_info *info))
{
	uint32_t count;
	struct enclave **all = enclave_all(m, &count);

	for (uint32_t i = count; i-- > 0;) {
		struct sgx_encl_info info;
		struct counters c = {0};

		sgx_encl_info(all[i]->sgx, &info);
		enclave_counters(all[i], &c);
		info.entries = c.entries;
		info.exits = c.exits;
		info.aexs = c.aexs;
		r->live.entries += c.entries;
		r->live.exits += c.exits;
		r->live.aexs += c.aexs;
		print(r, all[i], &info);
		enclave_put(all[i]);
	}
	free(all);
}

static void json_past(struct machine *m, struct report *r)
{
	uint64_t first = m->record_count > PAST_ENCLAVES ? m->record_count - PAST_ENCLAVES : 0;

	for (uint64_t i = first; i < m->record_count; i++) {
		const struct enclave_record *p = &m->record[i % PAST_ENCLAVES];

		separator(r);
		fprintf(r->out, "    {\"eid\": %" PRIu64 ", \"mrenclave\": \"", p->id);
		hex(r->out, p->mrenclave, p->initialized ? SGX_HASH_SIZE : 0);
		fputs("\", \"mrsigner\": \"", r->out);
		hex(r->out, p->mrsigner, p->initialized ? SGX_HASH_SIZE : 0);
		fprintf(r->out, "\", \"size\": %" PRIu64 ", \"pages_added\": %" PRIu64 ", ",
			p->size, p->pages_added);
		json_counters(r->out, &p->counters);
		fputs("}", r->out);
	}
}

static void text_past(struct machine *m, struct report *r)
{
	uint64_t first = m->record_count > PAST_ENCLAVES ? m->record_count - PAST_ENCLAVES : 0;

	for (uint64_t i = first; i < m->record_count; i++) {
		const struct enclave_record *p = &m->record[i % PAST_ENCLAVES];

		fprintf(r->out, "ended   %-4" PRIu64 " %s, %" PRIu64 " KiB\n", p->id,
			p->initialized ? "was initialized" : "never initialized", p->size >> 10);
		if (p->initialized) {
			fputs("  MRENCLAVE  ", r->out);
			hex(r->out, p->mrenclave, SGX_HASH_SIZE);
			fputs("\n", r->out);
		}
		fprintf(r->out,
			"  pages      %" PRIu64 "\n  entries    %" PRIu64 "\n  exits      %" PRIu64
			"\n  AEXs       %" PRIu64 "\n",
			p->pages_added, p->counters.entries, p->counters.exits, p->counters.aexs);
	}
}

static void json_log_line(void *ctx, const char *line)
{
	struct report *r = ctx;

	separator(r);
	fputs("    \"", r->out);
	for (; *line; line++) {
		if (*line == '"' || *line == '\\')
			fputc('\\', r->out);
		/* No control characters are in it; other bytes might not be UTF-8 */
		fputc((unsigned char)*line < 0x80 ? *line : '?', r->out);
	}
	fputs("\"", r->out);
}

static void json_stat(struct machine *m, struct report *r)
{
	FILE *out = r->out;

	fprintf(out, "{\n  \"machine\": %s%s%s,\n  \"pid\": %d,\n", m->name ? "\"" : "",
		m->name ? m->name : "null", m->name ? "\"" : "", getpid());
	fprintf(out, "  \"cpu\": \"%s\",\n", m->intel ? "intel" : "host");
	fprintf(out,
		"  \"epc\": {\"page_size\": %u, \"total\": %" PRIu64 ", \"free\": %" PRIu64
		", \"secs\": %" PRIu64 ", \"va\": %" PRIu64 ", \"reg\": %" PRIu64
		", \"tcs\": %" PRIu64 ", \"leaked\": %" PRIu64 ", \"poisoned\": %" PRIu64,
		SGX_PAGE_SIZE, r->epc.total, r->epc.free, r->epc.secs, r->epc.va, r->epc.reg,
		r->epc.tcs, r->epc.leaked, r->epc.poisoned);
	fprintf(out,
		", \"mapped\": %" PRIu64 ", \"parked\": %" PRIu64 ", \"evicted\": %" PRIu64
		", \"backing\": %" PRIuFAST64 ", \"ewb\": %" PRIu64 ", \"eldu\": %" PRIu64
		", \"soft_faults\": %" PRIu64 ", \"direct_reclaims\": %" PRIu64
		", \"paging\": %s},\n",
		r->epc.mapped, r->epc.parked, r->epc.evicted, atomic_load(&m->memory.backing),
		r->epc.ewb, r->epc.eldu, r->epc.soft_faults, r->epc.direct_reclaims,
		m->memory.uffd >= 0 ? "true" : "false");
	fputs("  \"enclaves\": [", out);
	each_enclave(m, r, json_enclave);
	fputs("],\n  \"ended\": [", out);
	r->comma = false;
	pthread_mutex_lock(&m->lock);
	json_past(m, r);
	fprintf(out, "],\n  \"totals\": {\"enclaves\": %" PRIu64 ", \"pages_added\": %" PRIu64 ", ",
		m->enclaves_created, __atomic_load_n(&m->pages_added, __ATOMIC_RELAXED));
	json_counters(out, &(struct counters){m->past.entries + r->live.entries,
					      m->past.exits + r->live.exits,
					      m->past.aexs + r->live.aexs});
	fprintf(out, ", \"processes\": %" PRIu64 "},\n  \"processes\": [", m->clients_connected);
	for (struct client *c = m->clients; c; c = c->next)
		fprintf(out, "%s%d", c == m->clients ? "" : ", ", c->pid);
	pthread_mutex_unlock(&m->lock);
	fputs("],\n  \"log\": [", out);
	r->comma = false;
	log_each(json_log_line, r);
	fputs("]\n}\n", out);
}

static void text_stat(struct machine *m, struct report *r)
{
	FILE *out = r->out;

	fprintf(out, "machine %s, pid %d\n", m->name ? m->name : "(private)", getpid());
	fprintf(out, "CPU     %s\n", m->intel ? "shown as Intel's" : "the host's");
	fprintf(out,
		"EPC     %" PRIu64 " pages (%" PRIu64 " KiB), %" PRIu64 " free, %" PRIu64
		" leaked\n",
		r->epc.total, r->epc.total * (SGX_PAGE_SIZE >> 10), r->epc.free, r->epc.leaked);
	each_enclave(m, r, text_enclave);
	pthread_mutex_lock(&m->lock);
	text_past(m, r);
	fprintf(out,
		"since start: %" PRIu64 " enclaves, %" PRIu64 " pages added, %" PRIu64
		" entries, %" PRIu64 " exits, %" PRIu64 " AEXs, %" PRIu64 " processes\n",
		m->enclaves_created, __atomic_load_n(&m->pages_added, __ATOMIC_RELAXED),
		m->past.entries + r->live.entries, m->past.exits + r->live.exits,
		m->past.aexs + r->live.aexs, m->clients_connected);
	pthread_mutex_unlock(&m->lock);
}

/**
 * control_stat() - what the machine looks like
 * @m:		machine
 * @text:	for people; false: JSON
 *
 * Return: malloc'ed text, NULL without memory.
 */
char *control_stat(struct machine *m, bool text)
{
	struct report r = {0};
	char *buf = NULL;
	size_t size;

	r.out = open_memstream(&buf, &size);
	if (!r.out)
		return NULL;
	sgx_epc_info(m->sgx, &r.epc);
	if (text)
		text_stat(m, &r);
	else
		json_stat(m, &r);
	if (fclose(r.out)) {
		free(buf);
		return NULL;
	}
	return buf;
}

static int reply(struct conn *c, enum proto_msg_type type, int status, const char *text,
		 size_t size)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
		.status = status,
	};
	struct pollfd p = {.fd = c->source.fd, .events = POLLOUT};
	int ret;

	msg.words[0] = (uint64_t)getpid();
	ret = sock_send(c->source.fd, &msg, text, size, NULL, 0);
	/* A tool reads at once; one that does not loses its report, we lose a second */
	if (ret == -EAGAIN && poll(&p, 1, 1000) == 1)
		ret = sock_send(c->source.fd, &msg, text, size, NULL, 0);
	return ret;
}

static void stat_message(struct machine *m, struct conn *c, bool text)
{
	char *report = control_stat(m, text), *p = report;
	size_t left = report ? strlen(report) : 0;
	int ret = report ? 0 : -ENOMEM;

	while (left && !ret) {
		size_t n = left < PROTO_TEXT_MAX ? left : PROTO_TEXT_MAX;

		ret = reply(c, PROTO_MSG_TEXT, 0, p, n);
		p += n;
		left -= n;
	}
	reply(c, PROTO_MSG_OK, ret, NULL, 0);
	free(report);
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

	switch (msg->type) {
	case PROTO_MSG_RUN:
		c->command = true;
		reply(c, PROTO_MSG_OK, 0, NULL, 0);
		break;
	case PROTO_MSG_STAT:
		stat_message(m, c, msg->arg & 1);
		break;
	case PROTO_MSG_STOP:
		if (busy(m) && !force) {
			reply(c, PROTO_MSG_OK, -EBUSY, NULL, 0);
			break;
		}
		reply(c, PROTO_MSG_OK, 0, NULL, 0);
		m->stopping = true;
		break;
	default:
		reply(c, PROTO_MSG_OK, -EINVAL, NULL, 0);
		break;
	}
}
