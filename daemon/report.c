/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx stat: what a machine looks like, for people and for programs. */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB(pages) ((uint64_t)(pages) * (SGX_PAGE_SIZE >> 10))

struct report {
	FILE *out;
	struct sgx_epc_info epc;
	uint64_t backing; /* pages */
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

static void json_hex(FILE *out, const char *name, const uint8_t *bytes, bool there)
{
	fprintf(out, "\"%s\": \"", name);
	hex(out, bytes, there ? SGX_HASH_SIZE : 0);
	fputs("\", ", out);
}

static void json_counters(FILE *out, const struct counters *c)
{
	fprintf(out, "\"entries\": %" PRIu64 ", \"exits\": %" PRIu64 ", \"aexs\": %" PRIu64,
		c->entries, c->exits, c->aexs);
}

static void json_paging(FILE *out, uint64_t ewb, uint64_t eldu, uint64_t soft_faults)
{
	fprintf(out, "\"ewb\": %" PRIu64 ", \"eldu\": %" PRIu64 ", \"soft_faults\": %" PRIu64, ewb,
		eldu, soft_faults);
}

static void json_backing(FILE *out, uint64_t pages)
{
	fprintf(out, "\"backing\": %" PRIu64 ", \"backing_bytes\": %" PRIu64 ", ", pages,
		pages * MEMORY_BACKING_PAGE);
}

/* It is written under encl->lock. */
static uint64_t backing_of(const struct enclave *e)
{
	return __atomic_load_n(&e->backing_count, __ATOMIC_RELAXED);
}

/* The processes that hold an enclave. */
static void pids(struct machine *m, const struct enclave *e, FILE *out)
{
	const char *sep = "";

	pthread_mutex_lock(&m->lock);
	for (struct client *c = m->clients; c; c = c->next) {
		if (holder_has(c, e)) {
			fprintf(out, "%s%d", sep, c->pid);
			sep = ", ";
		}
	}
	pthread_mutex_unlock(&m->lock);
}

static void json_enclave(struct report *r, struct enclave *e, const struct sgx_encl_info *info)
{
	FILE *out = r->out;

	separator(r);
	fprintf(out, "    {\"eid\": %" PRIu64 ", ", info->eid);
	json_hex(out, "mrenclave", info->mrenclave, info->initialized);
	json_hex(out, "mrsigner", info->mrsigner, info->initialized);
	fprintf(out,
		"\"base\": \"0x%" PRIx64 "\", \"size\": %" PRIu64
		", \"initialized\": %s, \"lost\": %s, \"pages\": %" PRIu64
		", \"pages_added\": %" PRIu64 ", ",
		info->base, info->size, info->initialized ? "true" : "false",
		info->lost ? "true" : "false", info->epc_pages,
		__atomic_load_n(&e->pages_added, __ATOMIC_RELAXED));
	fprintf(out,
		"\"mapped\": %" PRIu64 ", \"parked\": %" PRIu64 ", \"evicted\": %" PRIu64
		", \"va\": %" PRIu64 ", ",
		info->mapped, info->parked, info->evicted, info->va_pages);
	json_backing(out, backing_of(e));
	json_paging(out, info->ewb, info->eldu, info->soft_faults);
	fputs(", ", out);
	json_counters(out, &(struct counters){info->entries, info->exits, info->aexs});
	fputs(", \"pids\": [", out);
	pids(e->machine, e, out);
	fputs("]}", out);
}

static void text_counters(FILE *out, const struct counters *c)
{
	fprintf(out,
		"  entries    %" PRIu64 "\n  exits      %" PRIu64 "\n  AEXs       %" PRIu64 "\n",
		c->entries, c->exits, c->aexs);
}

static void text_enclave(struct report *r, struct enclave *e, const struct sgx_encl_info *info)
{
	FILE *out = r->out;

	fprintf(out, "enclave %-4" PRIu64 " %s, %" PRIu64 " KiB at 0x%" PRIx64 ", pid ", info->eid,
		info->lost	    ? "lost"
		: info->initialized ? "initialized"
		: info->created	    ? "being built"
				    : "not created",
		info->size >> 10, info->base);
	pids(e->machine, e, out);
	if (info->initialized) {
		fputs("\n  MRENCLAVE  ", out);
		hex(out, info->mrenclave, SGX_HASH_SIZE);
	}
	fprintf(out,
		"\n  EPC pages  %" PRIu64 ": %" PRIu64 " mapped, %" PRIu64 " parked, %" PRIu64
		" VA\n",
		info->epc_pages, info->mapped, info->parked, info->va_pages);
	fprintf(out,
		"  evicted    %" PRIu64 ", %" PRIu64 " KiB of backing; %" PRIu64 " EWB, %" PRIu64
		" ELDU, %" PRIu64 " soft faults\n",
		info->evicted, backing_of(e) * MEMORY_BACKING_PAGE >> 10, info->ewb, info->eldu,
		info->soft_faults);
	text_counters(out, &(struct counters){info->entries, info->exits, info->aexs});
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

static uint64_t first_past(const struct machine *m)
{
	return m->record_count > PAST_ENCLAVES ? m->record_count - PAST_ENCLAVES : 0;
}

/* Context: machine.lock held, as for text_past(). */
static void json_past(struct machine *m, struct report *r)
{
	for (uint64_t i = first_past(m); i < m->record_count; i++) {
		const struct enclave_record *p = &m->record[i % PAST_ENCLAVES];

		separator(r);
		fprintf(r->out, "    {\"eid\": %" PRIu64 ", ", p->id);
		json_hex(r->out, "mrenclave", p->mrenclave, p->initialized);
		json_hex(r->out, "mrsigner", p->mrsigner, p->initialized);
		fprintf(r->out, "\"size\": %" PRIu64 ", \"pages_added\": %" PRIu64 ", ", p->size,
			p->pages_added);
		json_paging(r->out, p->ewb, p->eldu, p->soft_faults);
		fputs(", ", r->out);
		json_counters(r->out, &p->counters);
		fputs("}", r->out);
	}
}

static void text_past(struct machine *m, struct report *r)
{
	for (uint64_t i = first_past(m); i < m->record_count; i++) {
		const struct enclave_record *p = &m->record[i % PAST_ENCLAVES];

		fprintf(r->out, "ended   %-4" PRIu64 " %s, %" PRIu64 " KiB\n", p->id,
			p->initialized ? "was initialized" : "never initialized", p->size >> 10);
		if (p->initialized) {
			fputs("  MRENCLAVE  ", r->out);
			hex(r->out, p->mrenclave, SGX_HASH_SIZE);
			fputs("\n", r->out);
		}
		fprintf(r->out, "  pages      %" PRIu64 "\n", p->pages_added);
		if (p->ewb || p->soft_faults)
			fprintf(r->out,
				"  paging     %" PRIu64 " EWB, %" PRIu64 " ELDU, %" PRIu64
				" soft faults\n",
				p->ewb, p->eldu, p->soft_faults);
		text_counters(r->out, &p->counters);
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

static void json_epc(const struct machine *m, const struct report *r)
{
	const struct sgx_epc_info *epc = &r->epc;
	FILE *out = r->out;

	fprintf(out,
		"  \"epc\": {\"page_size\": %u, \"total\": %" PRIu64 ", \"free\": %" PRIu64
		", \"secs\": %" PRIu64 ", \"va\": %" PRIu64 ", \"reg\": %" PRIu64
		", \"tcs\": %" PRIu64 ", \"leaked\": %" PRIu64 ", \"poisoned\": %" PRIu64 ", ",
		SGX_PAGE_SIZE, epc->total, epc->free, epc->secs, epc->va, epc->reg, epc->tcs,
		epc->leaked, epc->poisoned);
	fprintf(out,
		"\"mapped\": %" PRIu64 ", \"parked\": %" PRIu64 ", \"evicted\": %" PRIu64
		", \"low\": %" PRIu64 ", \"high\": %" PRIu64 ", ",
		epc->mapped, epc->parked, epc->evicted, epc->low, epc->high);
	json_backing(out, r->backing);
	if (m->memory.backing_max)
		fprintf(out, "\"backing_max\": %" PRIu64 ", ", m->memory.backing_max);
	json_paging(out, epc->ewb, epc->eldu, epc->soft_faults);
	fprintf(out, ", \"direct_reclaims\": %" PRIu64 ", \"paging\": %s},\n", epc->direct_reclaims,
		m->memory.uffd >= 0 ? "true" : "false");
}

static bool launch_is_locked(const struct machine *m)
{
	return !(m->pkg.feature_control & SGX_FEATURE_CONTROL_LC);
}

/* What decides which keys and which signers there are */
static void json_identity(const struct machine *m, FILE *out)
{
	fputs("  \"cpusvn\": \"", out);
	hex(out, m->pkg.cpusvn, sizeof(m->pkg.cpusvn));
	fprintf(out, "\",\n  \"launch_control\": \"%s\",\n",
		launch_is_locked(m) ? "locked" : "flexible");
	if (launch_is_locked(m)) {
		fputs("  \"launch_signer\": \"", out);
		hex(out, (const uint8_t *)m->pkg.sgxlepubkeyhash, sizeof(m->pkg.sgxlepubkeyhash));
		fputs("\",\n", out);
	}
	if (m->provision == DAEMON_PROVISION_GROUP)
		fprintf(out, "  \"provision\": \"group\",\n  \"provision_gid\": %u,\n",
			m->files.provision_gid);
	else
		fprintf(out, "  \"provision\": \"%s\",\n",
			m->provision == DAEMON_PROVISION_DENY ? "deny" : "allow");
}

static void json_stat(struct machine *m, struct report *r)
{
	FILE *out = r->out;

	fprintf(out, "{\n  \"machine\": %s%s%s,\n  \"pid\": %d,\n", m->name ? "\"" : "",
		m->name ? m->name : "null", m->name ? "\"" : "", getpid());
	if (m->program)
		fprintf(out, "  \"program\": %d,\n", m->program);
	fprintf(out, "  \"cpu\": \"%s\",\n  \"suspends\": %" PRIu64 ",\n",
		cpu_model(m->model)->name, m->suspends);
	json_identity(m, out);
	json_epc(m, r);
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

static void text_epc(const struct machine *m, const struct report *r)
{
	const struct sgx_epc_info *epc = &r->epc;
	FILE *out = r->out;

	fprintf(out,
		"EPC     %" PRIu64 " pages (%" PRIu64 " KiB), %" PRIu64 " free, %" PRIu64
		" leaked, %" PRIu64 " poisoned\n",
		epc->total, KIB(epc->total), epc->free, epc->leaked, epc->poisoned);
	fprintf(out,
		"in use  %" PRIu64 " mapped, %" PRIu64 " parked, %" PRIu64 " SECS, %" PRIu64
		" VA; evicted: %" PRIu64 "\n",
		epc->mapped, epc->parked, epc->secs, epc->va, epc->evicted);
	if (m->memory.uffd < 0) {
		fputs("paging  none, for there is no userfaultfd: a full EPC is ENOMEM\n", out);
		return;
	}
	fprintf(out, "backing %" PRIu64 " KiB", r->backing * MEMORY_BACKING_PAGE >> 10);
	if (m->memory.backing_max)
		fprintf(out, " (%" PRIu64 " of %" PRIu64 " pages)", r->backing,
			m->memory.backing_max);
	fprintf(out, "; evicts below %" PRIu64 " free pages, up to %" PRIu64 "\n", epc->low,
		epc->high);
}

static void text_cpu(const struct machine *m, FILE *out)
{
	const struct cpu_model *model = cpu_model(m->model);

	if (model->named)
		fprintf(out, "CPU     shown as Intel's, %s\n", model->name);
	else
		fprintf(out, "CPU     %s\n", model->intel ? "shown as Intel's" : "the host's");
}

static void text_identity(const struct machine *m, FILE *out)
{
	fputs("keys    CPUSVN ", out);
	hex(out, m->pkg.cpusvn, sizeof(m->pkg.cpusvn));
	if (m->provision == DAEMON_PROVISION_GROUP)
		fprintf(out, "; provision: group %u\n", m->files.provision_gid);
	else
		fprintf(out, "; provision: %s\n",
			m->provision == DAEMON_PROVISION_DENY ? "deny" : "allow");
	if (!launch_is_locked(m)) {
		fputs("launch  control is flexible\n", out);
		return;
	}
	fputs("launch  control is locked, to MRSIGNER ", out);
	hex(out, (const uint8_t *)m->pkg.sgxlepubkeyhash, sizeof(m->pkg.sgxlepubkeyhash));
	fputs("\n", out);
}

static void text_stat(struct machine *m, struct report *r)
{
	FILE *out = r->out;

	if (m->program)
		fprintf(out, "machine of process %d alone, pid %d\n", m->program, getpid());
	else
		fprintf(out, "machine %s, pid %d\n", m->name ? m->name : "(private)", getpid());
	text_cpu(m, out);
	text_identity(m, out);
	text_epc(m, r);
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
	fprintf(out,
		"since start: %" PRIu64 " EWB, %" PRIu64 " ELDU, %" PRIu64 " soft faults, %" PRIu64
		" direct reclaims, %" PRIu64 " suspends\n",
		r->epc.ewb, r->epc.eldu, r->epc.soft_faults, r->epc.direct_reclaims, m->suspends);
}

/**
 * report_stat() - what the machine looks like
 * @m:		machine
 * @text:	for people; false: JSON
 * @words:	receives PROTO_STAT_* for who watches; may be NULL
 *
 * Context: main thread.
 * Return: malloc'ed text, NULL without memory.
 */
char *report_stat(struct machine *m, bool text, uint64_t words[8])
{
	struct report r = {0};
	char *buf = NULL;
	size_t size;

	r.out = open_memstream(&buf, &size);
	if (!r.out)
		return NULL;
	sgx_epc_info(m->sgx, &r.epc);
	r.backing = atomic_load(&m->memory.backing);
	if (words) {
		words[PROTO_STAT_EWB] = r.epc.ewb;
		words[PROTO_STAT_ELDU] = r.epc.eldu;
		words[PROTO_STAT_SOFT_FAULTS] = r.epc.soft_faults;
		words[PROTO_STAT_MS] = loop_now_ms();
	}
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
