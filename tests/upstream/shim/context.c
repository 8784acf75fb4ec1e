/* SPDX-License-Identifier: BSD-3-Clause */
/* Stacks that are entered and left by hand.  AddressSanitizer is told of each switch. */
#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE (256 * 1024)

struct context {
	ucontext_t self;
	void (*fn)(void);
	void *stack; /* NULL: the process' own */
	const void *bottom; /* as AddressSanitizer knows it */
	size_t size;
	void *fake;
};

void *up_context_new(void (*fn)(void));
void up_context_switch(void *from, void *to, bool ends);
void up_context_free(void *context);

static struct context *switched_from, *switched_to;

/* Context: the first thing on the stack that was switched to. */
static void arrived(void)
{
#ifdef ASAN
	__sanitizer_finish_switch_fiber(switched_to->fake, &switched_from->bottom,
					&switched_from->size);
#endif
}

static void entry(void)
{
	arrived();
	switched_to->fn();
	abort();
}

/**
 * up_context_new() - a stack
 * @fn: what runs there, and never returns; NULL: the stack that the caller is on
 */
void *up_context_new(void (*fn)(void))
{
	struct context *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	if (!fn)
		return c;
	c->fn = fn;
	c->size = STACK_SIZE;
	c->bottom = c->stack = malloc(c->size);
	if (!c->stack || getcontext(&c->self))
		abort();
	c->self.uc_stack.ss_size = c->size;
	c->self.uc_stack.ss_sp = c->stack;
	makecontext(&c->self, entry, 0);
	return c;
}

/**
 * up_context_switch() - go on where @to was left
 * @ends: @from is never entered again
 */
void up_context_switch(void *from, void *to, bool ends)
{
	struct context *f = from, *t = to;

	switched_from = f;
	switched_to = t;
#ifdef ASAN
	__sanitizer_start_switch_fiber(ends ? NULL : &f->fake, t->bottom, t->size);
#endif
	swapcontext(&f->self, &t->self);
	arrived();
}

void up_context_free(void *context)
{
	struct context *c = context;

	free(c->stack);
	free(c);
}
