/* SPDX-License-Identifier: BSD-3-Clause */
/* Of all that agent, daemon and tools say to each other; for assembly too. */
#ifndef PROTO_VERSION_H
#define PROTO_VERSION_H

#define PROTO_VERSION 3

#endif
