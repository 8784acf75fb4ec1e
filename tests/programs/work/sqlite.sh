#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Two writers at a time by WAL and by a rollback journal, with mmap; a dump.
set -e
for mode in wal delete; do
	db=$mode.db
	sqlite3 "$db" "PRAGMA journal_mode=$mode; PRAGMA page_size=4096;
		CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, n INTEGER, data BLOB);
		CREATE INDEX by_n ON t(n);"
	for who in a b; do
		i=0
		while [ $i -lt 20 ]; do
			echo "BEGIN IMMEDIATE; INSERT INTO t(who, n, data)
				SELECT '$who', value + $i * 100, zeroblob(100)
				FROM generate_series(1, 100); COMMIT;"
			i=$((i + 1))
		done | sqlite3 -cmd '.timeout 60000' -cmd 'PRAGMA mmap_size=16777216;' "$db" \
			>"$mode.$who" &
	done
	wait
	cat "$mode.a" "$mode.b"
	sqlite3 "$db" "PRAGMA mmap_size=16777216;
		SELECT who, count(*), sum(n), sum(length(data)) FROM t GROUP BY who;
		UPDATE t SET data = randomblob(200) WHERE n % 3 = 0;
		DELETE FROM t WHERE n % 7 = 0;
		SELECT count(*), sum(length(data)) FROM t;
		BEGIN; DELETE FROM t; ROLLBACK;
		VACUUM; PRAGMA integrity_check;
		CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(w);
		INSERT INTO words SELECT 'word' || n || ' and ' || who FROM t;
		SELECT count(*) FROM words WHERE words MATCH 'word17';"
	sqlite3 "$db" 'SELECT who, n FROM t ORDER BY n, who' | sha256sum
done
sqlite3 :memory: "WITH RECURSIVE c(x, y) AS (SELECT 1, 1 UNION ALL SELECT x + 1, (y * 31 + x) % 1000003
	FROM c WHERE x < 200000) SELECT count(*), sum(y), max(y) FROM c;"
