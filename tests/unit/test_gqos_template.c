/* SPDX-License-Identifier: MIT */
/* test_gqos_template.c: templates of QoS by name (spec/gqos.md §7.8, §7.9, §15). */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <dirent.h>
#include <grp.h>
#include <qosname.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ws2spi.h>

#include "gqos_lists.h"
#include "winqos/template.h"

static const char *const names[] = { "G-711",	"G-723.1",  "G-729",   "H263QCIF",
				     "H263CIF", "H261QCIF", "H261CIF", "GSM6.10" };
static char folder[] = "/tmp/gw-templates-XXXXXX";
static SOCKET s;
static GUID provider;

/* A QoS socket from the catalog, and a folder of our own. */
static int set_up(void **state)
{
	WSAPROTOCOL_INFOA entries[16];
	DWORD size = sizeof(entries);
	WSADATA data;
	int n, i = 0;

	fake_reset();
	fake_qos_reset();
	if (!mkdtemp(folder) || setenv("GREENWAVE_TEMPLATES", folder, 1) < 0)
		return -1;
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return -1;
	n = WSAEnumProtocolsA(NULL, entries, &size);
	while (i < n && !(entries[i].dwServiceFlags1 & XP1_QOS_SUPPORTED))
		i++;
	if (i >= n)
		return -1;
	provider = entries[i].ProviderId;
	s = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &entries[i], 0,
		       WSA_FLAG_OVERLAPPED);
	return s == INVALID_SOCKET ? -1 : 0;
}

static void remove_all(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
}

static int clean(void **state)
{
	remove_all();
	return 0;
}

static int tear_down(void **state)
{
	closesocket(s);
	WSACleanup();
	remove_all();
	return rmdir(folder);
}

static WSABUF text(const char *name)
{
	return (WSABUF){ (ULONG)strlen(name) + 1, (CHAR *)name };
}

#define assert_refused(call, error)                         \
	do {                                                \
		SetLastError(0xdeadbeef);                   \
		assert_false(call);                         \
		assert_int_equal(WSAGetLastError(), error); \
	} while (0)

static QOS made(ULONG rate)
{
	QOS qos = qos_of(SERVICETYPE_GUARANTEED, SERVICETYPE_NOTRAFFIC);

	qos.SendingFlowspec.TokenRate = rate;
	return qos;
}

static BOOL get(const char *name, QOS *ret_qos)
{
	WSABUF buffer = text(name);

	return WSAGetQOSByName(s, &buffer, ret_qos);
}

static BOOL install(const char *name, QOS qos)
{
	WSABUF buffer = text(name);

	return WSCInstallQOSTemplate(NULL, &buffer, &qos);
}

static BOOL uninstall(const char *name)
{
	WSABUF buffer = text(name);

	return WSCRemoveQOSTemplate(NULL, &buffer);
}

/* ---- built in ---- */

/* G-200 */
static void the_voice_template_has_its_numbers(void **state)
{
	QOS qos;

	memset(&qos, 0, sizeof(qos));
	assert_true(get("G-711", &qos));
	assert_int_equal(qos.SendingFlowspec.TokenRate, 8500);
	assert_int_equal(qos.SendingFlowspec.TokenBucketSize, 680);
	assert_int_equal(qos.SendingFlowspec.PeakBandwidth, 17000);
	assert_int_equal(qos.SendingFlowspec.MaxSduSize, 340);
	assert_int_equal(qos.SendingFlowspec.MinimumPolicedSize, 340);
	assert_int_equal(qos.SendingFlowspec.Latency, QOS_NOT_SPECIFIED);
	assert_int_equal(qos.SendingFlowspec.ServiceType, SERVICETYPE_CONTROLLEDLOAD);
	assert_memory_equal(&qos.ReceivingFlowspec, &qos.SendingFlowspec, sizeof(FLOWSPEC));
	assert_int_equal(qos.ProviderSpecific.len, 0);
	assert_true(get("g-711", &qos));
	assert_true(get(QT_1, &qos));
	assert_int_equal(qos.SendingFlowspec.TokenRate, 8500);
}

/* The names in a list, and that it ends with an empty one (G-202) */
static int count_names(const char *list, size_t size, const char *const *expected, size_t n)
{
	size_t at = 0, found = 0;

	while (list[at]) {
		if (found < n)
			assert_string_equal(list + at, expected[found]);
		at += strlen(list + at) + 1;
		found++;
		assert_true(at < size);
	}
	return (int)found;
}

/* G-201, G-202 */
static void all_are_found_and_listed(void **state)
{
	char list[512];
	WSABUF buffer = { sizeof(list), list };
	QOS qos;

	for (size_t i = 0; i < 8; i++) {
		assert_true(get(names[i], &qos));
		assert_true(qos.SendingFlowspec.TokenRate > 0);
	}
	memset(list, 'x', sizeof(list));
	assert_true(WSAGetQOSByName(s, &buffer, NULL));
	assert_int_equal(count_names(list, sizeof(list), names, 8), 8);
	memset(list, 'x', sizeof(list));
	list[0] = '\0';
	assert_true(WSAGetQOSByName(s, &buffer, &qos));
	assert_int_equal(count_names(list, sizeof(list), names, 8), 8);

	/* As many as there is room for. */
	buffer.len = 16;
	memset(list, 'x', sizeof(list));
	assert_true(WSAGetQOSByName(s, &buffer, NULL));
	assert_int_equal(count_names(list, 16, names, 8), 2);
	assert_int_equal(list[16], 'x');
	buffer.len = 6;
	assert_refused(WSAGetQOSByName(s, &buffer, NULL), WSAENOBUFS);
	buffer.len = 7;
	assert_true(WSAGetQOSByName(s, &buffer, NULL));
}

/* G-203 */
static void what_is_wrong_is_told_in_order(void **state)
{
	WSABUF unknown = text("no such"), nowhere = { 4, NULL };
	int plain = socket(AF_INET, SOCK_DGRAM, 0);
	QOS qos;

	assert_refused(WSAGetQOSByName(INVALID_SOCKET, NULL, NULL), WSAENOTSOCK);
	assert_refused(WSAGetQOSByName(s, NULL, &qos), WSAEFAULT);
	assert_refused(WSAGetQOSByName(s, &nowhere, &qos), WSAEFAULT);
	assert_refused(WSAGetQOSByName(s, &unknown, &qos), WSAEINVAL);
	assert_refused(WSAGetQOSByName((SOCKET)plain, &unknown, &qos), WSAENOPROTOOPT);
	close(plain);
	WSACleanup();
	assert_refused(WSAGetQOSByName(INVALID_SOCKET, NULL, NULL), WSANOTINITIALISED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &(WSADATA){ 0 }), 0);
}

static void providers_have_wide_names(void **state)
{
	USHORT wide[64] = { 'g', '-', '7', '1', '1' };
	WSABUF buffer = { 12, (CHAR *)wide };
	INT error = 0;
	QOS qos;

	assert_true(WSPGetQOSByName(s, &buffer, &qos, &error));
	assert_int_equal(qos.SendingFlowspec.TokenRate, 8500);
	assert_int_equal(error, 0);
	wide[1] = 0x100 + '-';
	assert_false(WSPGetQOSByName(s, &buffer, &qos, &error));
	assert_int_equal(error, WSAEINVAL);
	assert_false(WSPGetQOSByName(INVALID_SOCKET, NULL, NULL, &error));
	assert_int_equal(error, WSAENOTSOCK);
	assert_false(WSPGetQOSByName(INVALID_SOCKET, NULL, NULL, NULL));

	buffer.len = sizeof(wide);
	assert_true(WSPGetQOSByName(s, &buffer, NULL, &error));
	assert_int_equal(wide[0], 'G');
	assert_int_equal(wide[5], 0);
	assert_int_equal(wide[6], 'G');
}

/* ---- installed ---- */

/* G-204: from a file, so a restart makes no difference */
static void what_is_installed_is_found(void **state)
{
	unsigned char objects[64];
	struct list list = { 0 };
	QOS qos = made(77777), found;

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 12);
	list_end(&list);
	assert_true(install("My Video", qos_with(qos, &list)));
	memset(&found, 0, sizeof(found));
	found.ProviderSpecific = (WSABUF){ sizeof(objects), (CHAR *)objects };
	assert_true(get("MY VIDEO", &found));
	assert_memory_equal(&found.SendingFlowspec, &qos.SendingFlowspec, sizeof(FLOWSPEC));
	assert_memory_equal(&found.ReceivingFlowspec, &qos.ReceivingFlowspec, sizeof(FLOWSPEC));
	assert_int_equal(found.ProviderSpecific.len, list.length);
	assert_memory_equal(objects, list.bytes, list.length);

	/* Without room there are none. */
	found.ProviderSpecific.len = list.length - 1;
	assert_true(get("my video", &found));
	assert_int_equal(found.ProviderSpecific.len, 0);

	/* Another one of the same name takes its place. */
	assert_true(install("my video", made(5)));
	assert_true(get("My Video", &found));
	assert_int_equal(found.SendingFlowspec.TokenRate, 5);
	assert_true(uninstall("My Video"));
	assert_refused(get("my video", &found), WSAEINVAL);
}

static void installed_ones_are_listed_last(void **state)
{
	const char *expected[] = { names[0], names[1], names[2], names[3], names[4],
				   names[5], names[6], names[7], "alpha",  "beta" };
	char list[512];
	WSABUF buffer = { sizeof(list), list };

	assert_true(install("beta", made(1)));
	assert_true(install("alpha", made(1)));
	assert_true(install("G-711", made(1)));
	assert_true(WSAGetQOSByName(s, &buffer, NULL));
	assert_int_equal(count_names(list, sizeof(list), expected, 10), 10);
}

/* G-205, G-206 */
static void installed_ones_hide_what_is_built_in(void **state)
{
	QOS qos;

	assert_refused(uninstall("G-711"), WSAEINVAL);
	assert_true(install("G-711", made(5)));
	assert_true(get("g-711", &qos));
	assert_int_equal(qos.SendingFlowspec.TokenRate, 5);
	assert_true(uninstall("g-711"));
	assert_true(get("G-711", &qos));
	assert_int_equal(qos.SendingFlowspec.TokenRate, 8500);
	assert_refused(uninstall("G-711"), WSAEINVAL);
	assert_refused(uninstall("no such"), WSANO_DATA);
}

/* G-207 */
static void only_administrators_install(void **state)
{
	int status;
	pid_t child;
	QOS qos;

	if (getuid() != 0)
		skip();
	assert_true(install("kept", made(1)));
	assert_int_equal(chmod(folder, 0755), 0);
	child = fork();
	if (child == 0) {
		bool good = setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0;

		good = good && !install("other", made(1)) && WSAGetLastError() == WSAEACCES;
		good = good && !uninstall("kept") && WSAGetLastError() == WSAEACCES;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(get("kept", &qos));
	assert_refused(get("other", &qos), WSAEINVAL);
}

/* G-208 */
static void the_room_for_objects_is_told(void **state)
{
	unsigned char objects[64];
	WSABUF name = text("marked");
	struct list list = { 0 };
	QOS qos;

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 12);
	assert_true(install("marked", qos_with(made(5), &list)));
	memset(&qos, 0, sizeof(qos));
	assert_refused(WPUGetQOSTemplate(NULL, &name, &qos) == 0, WSAENOBUFS);
	assert_int_equal(qos.ProviderSpecific.len, list.length);
	qos.ProviderSpecific.buf = (CHAR *)objects;
	assert_int_equal(WPUGetQOSTemplate(&provider, &name, &qos), 0);
	assert_int_equal(qos.SendingFlowspec.TokenRate, 5);
	name = text("no such");
	assert_refused(WPUGetQOSTemplate(NULL, &name, &qos) == 0, WSAEINVAL);
	assert_refused(WPUGetQOSTemplate(NULL, &name, NULL) == 0, WSAEFAULT);
	assert_refused(WPUGetQOSTemplate(NULL, NULL, &qos) == 0, WSAEFAULT);
}

static void installing_is_checked(void **state)
{
	static unsigned char many[TEMPLATE_OBJECTS_MAX + 12];
	struct sockaddr_in to = { .sin_family = AF_INET };
	const QOS_DESTADDR destination = { { QOS_OBJECT_DESTADDR, sizeof(destination) },
					   (const struct sockaddr *)&to,
					   sizeof(to) };
	struct list pointing = { 0 }, bad = { 0 };
	WSABUF name = text("checked"), wide = { 10, (CHAR *)u"abcd" };
	char long_name[TEMPLATE_NAME_MAX + 2] = { 0 };
	GUID stranger = { 1, 2, 3, { 4 } };
	QOS qos = made(1);

	list_add(&pointing, &destination, sizeof(destination));
	list_add_number(&bad, 9999, 0);
	memset(long_name, 'x', sizeof(long_name) - 1);
	assert_refused(WSCInstallQOSTemplate(NULL, &name, NULL), WSAEFAULT);
	assert_refused(WSCInstallQOSTemplate(NULL, NULL, &qos), WSAEFAULT);
	assert_refused(WSCInstallQOSTemplate(&stranger, &name, &qos), WSAEINVAL);
	assert_refused(install("", qos), WSAEINVAL);
	assert_refused(install("two\nlines", qos), WSAEINVAL);
	assert_refused(install(long_name, qos), WSAEINVAL);
	assert_refused(install("checked", qos_with(qos, &bad)), WSA_QOS_EUNKNOWNPSOBJ);
	assert_refused(install("checked", qos_with(qos, &pointing)), WSAEINVAL);
	qos.ProviderSpecific = (WSABUF){ sizeof(many), (CHAR *)many };
	assert_refused(install("checked", qos), WSAENOBUFS);
	qos = made(1);
	long_name[TEMPLATE_NAME_MAX] = '\0';
	assert_true(install(long_name, qos));
	assert_true(uninstall(long_name));
	assert_true(install("../../etc/\xfepasswd", qos));
	assert_true(get("../../ETC/\xfepasswd", &qos));
	/* Of 16 bits a character, too. */
	assert_true(WSCInstallQOSTemplate(&provider, &wide, &qos));
	assert_true(get("abcd", &qos));
}

/* ---- files ---- */

static int read_text(const char *file)
{
	size_t length = strlen(file);
	char *exact = malloc(length + 1);
	struct template template;
	int r;

	memcpy(exact, file, length);
	r = template_read(exact, length, &template);
	free(exact);
	return r;
}

#define HEAD "greenwave template 1\nname n\n"
#define FLOWS "sending 1 2 3 4 5 6 7 8\nreceiving 1 2 3 4 5 6 7 4294967295\n"

static void files_may_hold_anything(void **state)
{
	const char *const good = HEAD FLOWS "objects d107000008000000\n";
	const char *const bad[] = {
		"",
		"\n",
		"greenwave template 2\nname n\n" FLOWS,
		"greenwave template 1\nname \n" FLOWS,
		"greenwave template 1\nname a\x01\n" FLOWS,
		HEAD,
		HEAD "sending 1 2 3 4 5 6 7\nreceiving 1 2 3 4 5 6 7 8\n",
		HEAD "sending 1 2 3 4 5 6 7 8 9\nreceiving 1 2 3 4 5 6 7 8\n",
		HEAD "sending 1 2 3 4 5 6 7 4294967296\nreceiving 1 2 3 4 5 6 7 8\n",
		HEAD "sending 1 2 3 4 5 6 7 99999999999999999999\nreceiving 1 2 3 4 5 6 7 8\n",
		HEAD "sending 1 2 3 4 5 6 7 -8\nreceiving 1 2 3 4 5 6 7 8\n",
		HEAD "sending 1 2 3 4 5 6 7 8\nreceiving 1 2 3 4 5 6 7 8",
		HEAD FLOWS "objects 0\n",
		HEAD FLOWS "objects zz\n",
		HEAD FLOWS "objects 00\n",
		HEAD FLOWS "more\n",
		HEAD FLOWS "\n",
	};

	assert_int_equal(read_text(good), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(read_text(bad[i]), -EBADMSG);
}

static void what_is_written_is_read(void **state)
{
	struct template template, again;
	char written[TEMPLATE_TEXT_MAX];
	struct list list = { 0 };
	const QOS qos = made(0xffffffff);

	while (list.length + 24 <= TEMPLATE_OBJECTS_MAX)
		list_add_number(&list, QOS_OBJECT_DS_CLASS, 12);
	list_end(&list);
	const QOS with = qos_with(qos, &list);
	assert_int_equal(template_make("a name", &with, &template), 0);
	assert_int_equal(template_read(written, template_write(&template, written), &again), 0);
	assert_memory_equal(&again, &template, sizeof(template));
}

/* What is no template in the folder is not there. */
static void strange_files_are_passed_over(void **state)
{
	char path[512], list[512];
	WSABUF buffer = { sizeof(list), list };
	FILE *file;
	QOS qos;

	snprintf(path, sizeof(path), "%s/bad.template", folder);
	file = fopen(path, "w");
	fputs("greenwave template 1\nname other\n" FLOWS, file);
	fclose(file);
	assert_refused(get("bad", &qos), WSAEINVAL);
	assert_refused(uninstall("bad"), WSANO_DATA);
	snprintf(path, sizeof(path), "%s/pipe.template", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(get("pipe", &qos), WSAEINVAL);
	snprintf(path, sizeof(path), "%s/link.template", folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_refused(get("link", &qos), WSAEINVAL);
	assert_true(WSAGetQOSByName(s, &buffer, NULL));
	assert_int_equal(count_names(list, sizeof(list), names, 8), 8);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_voice_template_has_its_numbers),
		TEST(all_are_found_and_listed),
		TEST(what_is_wrong_is_told_in_order),
		TEST(providers_have_wide_names),
		TEST(what_is_installed_is_found),
		TEST(installed_ones_are_listed_last),
		TEST(installed_ones_hide_what_is_built_in),
		TEST(only_administrators_install),
		TEST(the_room_for_objects_is_told),
		TEST(installing_is_checked),
		TEST(files_may_hold_anything),
		TEST(what_is_written_is_read),
		TEST(strange_files_are_passed_over),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
