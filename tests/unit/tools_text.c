/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers from the command line, JSON's escapes, files written whole. */
#include "json.h"
#include "print.h"
#include "util.h"

#include <harness/harness.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(numbers)
{
	uint64_t v = 99;

	CHECK(tool_parse_u64("0", 10, &v) && v == 0);
	CHECK(tool_parse_u64("0x1F", 255, &v) && v == 31);
	CHECK(tool_parse_u64("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX);
	v = 99;
	CHECK(!tool_parse_u64("18446744073709551616", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("11", 10, &v));
	CHECK(!tool_parse_u64("-1", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("+1", UINT64_MAX, &v));
	CHECK(!tool_parse_u64(" 1", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("1 ", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("0x", UINT64_MAX, &v));
	CHECK(!tool_parse_u64("12ab", UINT64_MAX, &v));
	CHECK_EQ(v, 99);
}

TEST(sizes)
{
	uint64_t v = 99;

	CHECK(tool_parse_size("4096", &v) && v == 4096);
	CHECK(tool_parse_size("0x1000", &v) && v == 4096);
	CHECK(tool_parse_size("64K", &v) && v == 65536);
	CHECK(tool_parse_size("3m", &v) && v == 3 << 20);
	CHECK(tool_parse_size("17179869183G", &v) && v == 17179869183ull << 30);
	/* However the unit is written, it is a power of 1024. */
	static const char *const same[] = {"134217728", "0x8000000", "134217728B", "131072k",
					   "128M",	"128m",	     "128MB",	   "128mb",
					   "128MiB",	"128mib",    "0x80M",	   "0.125G",
					   "128.0M",	"128.000MiB"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		v = 99;
		if (!tool_parse_size(same[i], &v) || v != 128 << 20)
			FAIL("%s is %llu", same[i], (unsigned long long)v);
	}
	CHECK(tool_parse_size("1.5G", &v) && v == 3ull << 29);
	CHECK(tool_parse_size("1T", &v) && v == 1ull << 40);
	CHECK(tool_parse_size("16777215.5TiB", &v) && v == (16777215ull << 40) + (1ull << 39));
	CHECK(tool_parse_size("0.0009765625K", &v) && v == 1);
	CHECK(tool_parse_size("0", &v) && v == 0);
}

TEST(no_sizes)
{
	static const char *const texts[] = {
		"",
		"K",
		"-4K",
		"+4K",
		" 4K",
		"4K ",
		"4 K",
		"4KK",
		"4Ki",
		"4iB",
		"4BB",
		"4KBB",
		"4bit",
		"4P",
		"4X",
		"1.G",
		".5G",
		"1.5",
		"1.5.5G",
		"0x1.8M",
		"1,5G",
		"17179869184G",
		"1e9",
		"0.1K",
		"0x",
		"4\nK",
		"1.00000000000000000001G",
		"16777216T",
	};
	uint64_t v = 99;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (tool_parse_size(texts[i], &v))
			FAIL("\"%s\" is %llu", texts[i], (unsigned long long)v);
	CHECK_EQ(v, 99);
}

TEST(sizes_printed)
{
	char text[TOOL_SIZE_TEXT];
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "1"},
		{4095, "4095"},
		{65536, "64K"},
		{128 << 20, "128M"},
		{3ull << 29, "1536M"},
		{1ull << 40, "1T"},
		{1ull << 60, "1048576T"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tool_print_size(text, cases[i].bytes);
		CHECK_STR(text, cases[i].text);
	}
}

TEST(hexadecimal)
{
	uint8_t bytes[2];
	uint64_t v = 99;

	CHECK(tool_parse_hex("ff", &v) && v == 255);
	CHECK(tool_parse_hex("0xFFFFFFFFFFFFFFFF", &v) && v == UINT64_MAX);
	v = 99;
	CHECK(!tool_parse_hex("10000000000000000", &v));
	CHECK(!tool_parse_hex("xyz", &v));
	CHECK(!tool_parse_hex("-1", &v));
	CHECK(!tool_parse_hex("", &v));
	CHECK_EQ(v, 99);
	CHECK(tool_parse_bytes("0aF0", bytes, 2) && bytes[0] == 0x0a && bytes[1] == 0xf0);
	CHECK(!tool_parse_bytes("0aF", bytes, 2));
	CHECK(!tool_parse_bytes("0aF00", bytes, 2));
	CHECK(!tool_parse_bytes("0ag0", bytes, 2));
}

static void check_json_string(const char *value, const char *want)
{
	struct json j;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f);
	json_start(&j, f);
	json_string(&j, NULL, value);
	json_end(&j);
	fclose(f);
	CHECK_STR(text, want);
	free(text);
}

TEST(json_escapes)
{
	check_json_string("plain", "\"plain\"\n");
	check_json_string("a\"b\\c", "\"a\\\"b\\\\c\"\n");
	check_json_string("\n\t\r\x01\x7f", "\"\\n\\t\\u000d\\u0001\\u007f\"\n");
	check_json_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
			  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\n");
	/* Latin-1, a cut sequence, an overlong slash, a surrogate, past U+10FFFF */
	check_json_string("\xe4", "\"\\ufffd\"\n");
	check_json_string("\xe2\x82", "\"\\ufffd\\ufffd\"\n");
	check_json_string("\xc0\xaf", "\"\\ufffd\\ufffd\"\n");
	check_json_string("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"\n");
	check_json_string("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"\n");
}

TEST(json_layout)
{
	struct json j;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f);
	json_start(&j, f);
	json_open_object(&j, NULL);
	json_u64(&j, "n", 7);
	json_open_array(&j, "empty");
	json_close_array(&j);
	json_open_array(&j, "two");
	json_bool(&j, NULL, true);
	json_hex(&j, NULL, 255);
	json_close_array(&j);
	json_bytes(&j, "b", "\x01\xfe", 2);
	json_close_object(&j);
	json_end(&j);
	fclose(f);
	CHECK_STR(text,
		  "{\n  \"n\": 7,\n  \"empty\": [],\n  \"two\": [\n    true,\n    \"0xff\"\n  ],"
		  "\n  \"b\": \"01fe\"\n}\n");
	free(text);
}

TEST(attribute_names)
{
	char text[160];

	print_attribute_names(text, sizeof(text), 0);
	CHECK_STR(text, "-");
	print_attribute_names(text, sizeof(text), 6);
	CHECK_STR(text, "DEBUG MODE64BIT");
	print_attribute_names(text, sizeof(text), 1ull << 63 | 8 | 1);
	CHECK_STR(text, "INIT 0x8000000000000008");
	/* Every bit still fits */
	print_attribute_names(text, sizeof(text), UINT64_MAX);
	CHECK(strlen(text) < sizeof(text) - 1);
}

TEST(files)
{
	char folder[] = "/tmp/swsgx-tools-XXXXXX", path[64];
	struct stat st;
	size_t size;
	void *data;

	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/f", folder);
	umask(022);
	CHECK_EQ(tool_write_new_file(path, "abc", 3, 0600), 0);
	CHECK_EQ(tool_write_new_file(path, "xyz", 3, 0644), -1);
	CHECK_SYS(stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK_EQ(tool_read_file(path, &data, &size), 0);
	CHECK_EQ(size, 3);
	CHECK_MEM(data, "abc", 3);
	free(data);
	CHECK_EQ(tool_write_file(path, "", 0, 0666), 0);
	CHECK_SYS(stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0644);
	CHECK_EQ(tool_read_file(path, &data, &size), 0);
	CHECK_EQ(size, 0);
	free(data);
	CHECK_SYS(unlink(path));
	CHECK_EQ(tool_read_file(path, &data, &size), -1);
	/* Nothing but that file was there: no temporary one is left */
	CHECK_SYS(rmdir(folder));
	CHECK_EQ(tool_write_file(path, "abc", 3, 0644), -1);
}
