/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of clients: small enough for a TCS' state, and nobody else's. */
#include "machine.h"

#include <harness/harness.h>

#include <stdlib.h>

#define MANY 4096u

static struct client *list(uint32_t count)
{
	struct client *c = calloc(count, sizeof(*c));

	CHECK(c);
	for (uint32_t i = 0; i + 1 < count; i++)
		c[i].next = &c[i + 1];
	return c;
}

TEST(numbers_go_round)
{
	CHECK_EQ(client_number(NULL, 0), 1);
	CHECK_EQ(client_number(NULL, 1), 2);
	CHECK_EQ(client_number(NULL, LP_OWNER_CLIENTS - 2), LP_OWNER_CLIENTS - 1);
	CHECK_EQ(client_number(NULL, LP_OWNER_CLIENTS - 1), 1);
}

TEST(a_number_that_a_living_client_has_is_passed_over)
{
	struct client *c = list(3);

	c[0].number = 2;
	c[1].number = LP_OWNER_CLIENTS - 1;
	c[2].number = 1;
	CHECK_EQ(client_number(c, 1), 3);
	CHECK_EQ(client_number(c, LP_OWNER_CLIENTS - 2), 3);
	CHECK_EQ(client_number(c, 3), 4);
	free(c);
}

TEST(a_number_that_came_free_is_given_again)
{
	struct client *c = list(MANY);

	for (uint32_t i = 0; i < MANY; i++)
		c[i].number = i + 1 + (i >= 7);
	CHECK_EQ(client_number(c, LP_OWNER_CLIENTS - 1), 8);
	free(c);
}

TEST(every_number_is_an_owner_of_its_own)
{
	CHECK_EQ(lp_owner_client(lp_owner(LP_OWNER_CLIENTS - 1, 0)), LP_OWNER_CLIENTS - 1);
	CHECK_EQ(lp_owner_client(lp_owner(1, LP_OWNER_BLOCKS - 1)), 1);
}
