#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A server under load: an append-only file, BGSAVE (fork), a blocked script that is
# killed, SIGTERM, a restart from what was saved; and the trace of its crash handler.
set -e
cli()
{
	redis-cli -s "$PWD/socket" "$@"
}

start()
{
	redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' \
		--appendonly yes --appendfsync no --io-threads 2 --io-threads-do-reads yes \
		--enable-debug-command yes --logfile "$PWD/log" &
	server=$!
	tries=0
	until [ "$(cli ping 2>/dev/null)" = PONG ]; do
		tries=$((tries + 1))
		[ $tries -lt 500 ]
		sleep 0.02
	done
}

# saved: until the last BGSAVE has ended
saved()
{
	while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do
		sleep 0.02
	done
	cli info persistence | tr -d '\r' | grep 'rdb_last_bgsave_status'
}

start
cli set a 1
cli incrby a 41
cli rpush list x y z
cli lrange list 0 -1
redis-benchmark -s "$PWD/socket" -q -n 5000 -c 20 -t set,get,lpush,lrange_100 >benchmark
tr '\r' '\n' <benchmark | grep -c 'requests per second, p50'
redis-benchmark -s "$PWD/socket" -q -n 5000 -c 20 -P 16 --threads 2 -r 1000 -t set,get,sadd >benchmark
tr '\r' '\n' <benchmark | grep -c 'requests per second, p50'
cli bgsave
saved
cli debug sleep 0.1
# a script that does not end is killed by another client
cli eval 'while true do end' 0 >script 2>&1 &
script=$!
until cli script kill 2>/dev/null | grep -q OK; do
	sleep 0.05
done
wait "$script" || :
grep -c 'killed by user' script
cli eval 'return redis.call("incr", KEYS[1])' 1 a
kill -TERM "$server"
wait "$server"
echo "terminated: $?"
start
cli get a
cli llen list
cli debug segfault >crash 2>&1 || :
status=0
wait "$server" || status=$?
echo "crashed: $status"
grep -c 'crashed by signal: 11' log
grep -c 'STACK TRACE' log
