/* SPDX-License-Identifier: MIT */
/* test_config.c: daemon/config: what is understood, and what is told of everything else. */
#include "daemon/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct errors {
	int count;
	int last_line;
	char text[16384];
};

static void collect(const char *file, int line, const char *message, void *user)
{
	struct errors *errors = user;
	size_t len = strlen(errors->text);

	errors->count++;
	errors->last_line = line;
	snprintf(errors->text + len, sizeof(errors->text) - len, "%s:%d: %s\n", file, line,
		 message);
}

/* The text must be fine. */
static struct config *parse(const char *text)
{
	struct errors errors = { 0 };
	struct config *config = NULL;
	int r;

	r = config_parse_buffer("t", text, strlen(text), &config, collect, &errors);
	if (r != 0 || errors.count != 0 || !config)
		fail_msg("%d for:\n%s\n%s", r, text, errors.text);
	return config;
}

/* The text must give exactly these errors, one per line, each after the name of the file. */
static void refuse_len(const char *text, size_t len, const char *expected)
{
	struct errors errors = { 0 };
	struct config *config = NULL;

	assert_int_equal(config_parse_buffer("t", text, len, &config, collect, &errors), -EINVAL);
	assert_null(config);
	assert_string_equal(errors.text, expected);
}

static void refuse(const char *text, const char *expected)
{
	refuse_len(text, strlen(text), expected);
}

static void assert_marks(const struct config *config, int best_effort, int background,
			 int excellent_effort, int audio_video, int voice, int control)
{
	const int8_t *dscp = config->marking.dscp;

	assert_int_equal(dscp[GW_CLASS_BEST_EFFORT], best_effort);
	assert_int_equal(dscp[GW_CLASS_BACKGROUND], background);
	assert_int_equal(dscp[GW_CLASS_EXCELLENT_EFFORT], excellent_effort);
	assert_int_equal(dscp[GW_CLASS_AUDIO_VIDEO], audio_video);
	assert_int_equal(dscp[GW_CLASS_VOICE], voice);
	assert_int_equal(dscp[GW_CLASS_CONTROL], control);
}

static void assert_service(const struct provider_marks *marks, int dscp, int priority)
{
	assert_int_equal(marks->dscp, dscp);
	assert_int_equal(marks->priority, priority);
}

/* The table of gqos.md §11.3; A46: nothing of it before there is a reservation. */
static void assert_gqos_defaults(const struct provider_config *gqos)
{
	assert_service(&gqos->best_effort, 0, 0);
	assert_service(&gqos->controlled_load, 0x18, 4);
	assert_service(&gqos->guaranteed, 0x28, 5);
	assert_service(&gqos->network_control, 0x30, 7);
	assert_service(&gqos->excess, 0, 1);
	assert_false(gqos->marks_at_once || gqos->either_is_guaranteed || gqos->refuses_loopback);
	assert_true(gqos->max_unreserved_bps == 0);
}

static void assert_probe_defaults(const struct config_probe *probe)
{
	assert_true(probe->initiator);
	assert_true(probe->sink);
	assert_int_equal(probe->interfaces.count, 0);
	assert_int_equal(probe->max_sessions, 32);
	assert_int_equal(probe->max_sessions_per_host, 4);
	assert_int_equal(probe->max_answers_per_s, 4000);
	assert_int_equal(probe->max_answers_per_s_per_host, 1000);
}

static void assert_defaults(const struct config *config)
{
	/* spec/qwave.md §6.1 */
	assert_marks(config, DSCP_NONE, 8, 40, 40, 56, 56);
	assert_int_equal(config->administrators.count, 1);
	assert_string_equal(config->administrators.name[0], "netdev");
	assert_int_equal(config->interfaces.count, 0);
	assert_int_equal(config->max_flows_per_user, 10000);
	assert_int_equal(config->max_flows, 131072);
	assert_int_equal(config->max_reserved_per_user, 100);
	assert_int_equal(config->max_clients_per_user, 1024);
	assert_int_equal(config->max_clients, 8192);
	assert_false(config->marks_ignored);
	assert_gqos_defaults(&config->gqos);
	assert_probe_defaults(&config->probe);
}

static void nothing_is_the_defaults(void **state)
{
	static const char *const texts[] = { "",     "\n",    "# only a comment", "/* and\nthis */",
					     "\r\n", "// end" };
	struct config *config = config_default();

	assert_non_null(config);
	assert_defaults(config);
	config = config_free(config);
	assert_null(config);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		config = parse(texts[i]);
		assert_defaults(config);
		config_free(config);
	}
}

static bool names_contain(const struct config_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->name[i], name) == 0)
			return true;
	return false;
}

static void everything_can_be_set(void **state)
{
	struct config *config = parse("marking = rfc4594\n"
				      "administrators = {\"audio\", 'wheel', plugdev,}\n"
				      "interfaces = {eth0, \"wlan0\"}\n"
				      "policy {\n"
				      "  max-flows-per-user = 1   max-flows = 1048576\n"
				      "  max-clients-per-user = 2 max-clients = 65536\n"
				      "  max-reserved-per-user = 40%\n"
				      "  application-marks = ignored }\n");

	assert_int_equal(config->marking.dscp[GW_CLASS_VOICE],
			 mark_profile_rfc4594.dscp[GW_CLASS_VOICE]);
	assert_int_equal(config->administrators.count, 3);
	assert_string_equal(config->administrators.name[1], "wheel");
	assert_true(names_contain(&config->administrators, "plugdev"));
	assert_false(names_contain(&config->administrators, "netdev"));
	assert_int_equal(config->interfaces.count, 2);
	assert_true(names_contain(&config->interfaces, "wlan0"));
	assert_int_equal(config->max_flows_per_user, 1);
	assert_int_equal(config->max_reserved_per_user, 40);
	assert_int_equal(config->max_flows, 1048576);
	assert_int_equal(config->max_clients_per_user, 2);
	assert_int_equal(config->max_clients, 65536);
	assert_true(config->marks_ignored);
	config_free(config);
}

static void gqos_defaults(void **state)
{
	struct config *config = parse("gqos { dscp { } priority { } }");

	assert_gqos_defaults(&config->gqos);
	config_free(config);
}

/* G-188, G-258, G-259: what can be chosen. */
static void gqos_can_be_set(void **state)
{
	static const struct {
		const char *text;
		bool guaranteed;
	} maps[] = { { "0", false }, { "3", false }, { "controlled-load", false },
		     { "4", true },  { "7", true },  { "guaranteed", true } };
	struct config *config = parse(
		"gqos { marks-at-once = yes refuse-loopback = on max-unreserved-rate = 2.5Mbit\n"
		"  dscp { best-effort = LE controlled-load = AF41 guaranteed = EF\n"
		"    network-control = 63 excess = 8 }\n"
		"  priority { best-effort = 1 controlled-load = 3 guaranteed = 6\n"
		"    network-control = 0 excess = 2 } }\n");
	const struct provider_config *gqos = &config->gqos;

	assert_service(&gqos->best_effort, 1, 1);
	assert_service(&gqos->controlled_load, 34, 3);
	assert_service(&gqos->guaranteed, 46, 6);
	assert_service(&gqos->network_control, 63, 0);
	assert_service(&gqos->excess, 8, 2);
	assert_true(gqos->marks_at_once && gqos->refuses_loopback);
	assert_true(gqos->max_unreserved_bps == 2500000);
	config_free(config);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		char text[80];

		snprintf(text, sizeof(text), "gqos { general-information = %s }", maps[i].text);
		config = parse(text);
		assert_int_equal(config->gqos.either_is_guaranteed, maps[i].guaranteed);
		config_free(config);
	}
}

static void wrong_gqos(void **state)
{
	refuse("gqos {\ngeneral-information = 8\nmarks-at-once = 2\nmax-unreserved-rate = 0\n"
	       "dscp { guaranteed = 64\nvoice = 1 }\npriority { excess = 8 }\nlimit = 20%\n"
	       "dscp = 3 }\ngqos { }",
	       "t:2: gqos: general-information: expected controlled-load, guaranteed, or a number "
	       "from 0 to 7, not \"8\"\n"
	       "t:3: gqos: marks-at-once: expected true or false, not \"2\"\n"
	       "t:4: gqos: max-unreserved-rate: expected a rate such as 100Mbit (bit, kbit, Mbit, "
	       "Gbit), not \"0\"\n"
	       "t:5: dscp: guaranteed: expected a DSCP from 0 to 63, or a name like CS6, not \"64\"\n"
	       "t:6: dscp: unknown key \"voice\": expected one of best-effort, controlled-load, "
	       "guaranteed, network-control, excess\n"
	       "t:7: priority: excess: expected a number from 0 to 7, not \"8\"\n"
	       "t:8: gqos: unknown key \"limit\": expected one of general-information, "
	       "marks-at-once, refuse-loopback, max-unreserved-rate, dscp, priority\n"
	       "t:9: gqos: expected dscp { ... }\n"
	       "t:10: gqos: given twice, first on line 1\n");
}

/* P-012, P-046, P-047: whether others may measure paths to this host, by which interfaces, and how often. */
static void probe_keys(void **state)
{
	struct config *config =
		parse("probe { initiator = no sink = off interfaces = {eth0, eth1}\n"
		      "max-sessions = 5 max-sessions-per-host = 6\n"
		      "max-answers-per-second = 70 max-answers-per-second-per-host = 80 }\n");
	assert_false(config->probe.initiator);
	assert_false(config->probe.sink);
	assert_int_equal(config->probe.interfaces.count, 2);
	assert_string_equal(config->probe.interfaces.name[1], "eth1");
	assert_int_equal(config->probe.max_sessions, 5);
	assert_int_equal(config->probe.max_sessions_per_host, 6);
	assert_int_equal(config->probe.max_answers_per_s, 70);
	assert_int_equal(config->probe.max_answers_per_s_per_host, 80);
	config_free(config);
}

static void rsvp_defaults(void **state)
{
	struct config *config = parse("");
	const struct config_rsvp *rsvp = &config->rsvp;

	assert_false(rsvp->enabled);
	assert_int_equal(rsvp->names.count, 0);
	assert_int_equal(rsvp->n_interfaces + rsvp->n_keys + rsvp->n_rules, 0);
	assert_false(rsvp->rejects_others);
	assert_int_equal(rsvp->usual.refresh_ms, 30000);
	assert_int_equal(rsvp->usual.settle_ms, 2000);
	assert_int_equal(rsvp->usual.lifetime_factor, 3);
	assert_int_equal(rsvp->usual.blockade, 3);
	assert_true(rsvp->usual.latency_us == UINT32_MAX);
	assert_true(rsvp->usual.reduces_refreshes && rsvp->usual.router_alert);
	assert_int_equal(rsvp->usual.udp, CONFIG_RSVP_UDP_OFF);
	assert_int_equal(rsvp->max_sessions, 131072);
	assert_int_equal(rsvp->dscp, 48);
	config_free(config);
}

/* R-068, R-166, R-171: what an interface has of its own stands before what all have. */
static void rsvp_interfaces(void **state)
{
	struct config *config = parse(
		"rsvp { enabled = true refresh = 20s settle = 1s blockade = 4\n"
		"  interface eth0 { refresh = 1.5s udp = on router-alert = off }\n"
		"  lifetime-factor = 5 interfaces = {eth0, eth1} latency = 10ms\n"
		"  interface eth1 { settle = 500ms refresh-reduction = no udp = listen\n"
		"    latency = 250ms max-alerts-per-second = 7 lifetime-factor = 2 blockade = 9 }\n"
		"  max-sessions = 1 max-senders-per-session = 2 max-reservations-per-session = 3\n"
		"  max-state-per-neighbour = 4 max-neighbours = 5 max-messages-per-second = 6\n"
		"  require-checksum = yes dscp = EF }\n");
	const struct config_rsvp *rsvp = &config->rsvp;
	const struct config_rsvp_interface *eth0 = &rsvp->interfaces[0],
					   *eth1 = &rsvp->interfaces[1];

	assert_true(rsvp->enabled && rsvp->require_checksum);
	assert_int_equal(rsvp->names.count, 2);
	assert_int_equal(rsvp->n_interfaces, 2);
	assert_string_equal(rsvp->usual.name, "");
	assert_int_equal(rsvp->usual.refresh_ms, 20000);
	assert_string_equal(eth0->name, "eth0");
	assert_int_equal(eth0->refresh_ms, 1500);
	assert_int_equal(eth0->settle_ms, 1000);
	assert_int_equal(eth0->lifetime_factor, 5);
	assert_int_equal(eth0->blockade, 4);
	assert_int_equal(eth0->latency_us, 10000);
	assert_int_equal(eth0->udp, CONFIG_RSVP_UDP_ON);
	assert_true(eth0->reduces_refreshes);
	assert_false(eth0->router_alert);
	assert_string_equal(eth1->name, "eth1");
	assert_int_equal(eth1->refresh_ms, 20000);
	assert_int_equal(eth1->settle_ms, 500);
	assert_int_equal(eth1->lifetime_factor, 2);
	assert_int_equal(eth1->blockade, 9);
	assert_int_equal(eth1->latency_us, 250000);
	assert_int_equal(eth1->max_alerts_per_s, 7);
	assert_int_equal(eth1->udp, CONFIG_RSVP_UDP_LISTEN);
	assert_false(eth1->reduces_refreshes);
	assert_true(eth1->router_alert);
	assert_int_equal(rsvp->max_sessions, 1);
	assert_int_equal(rsvp->max_senders_per_session, 2);
	assert_int_equal(rsvp->max_reservations_per_session, 3);
	assert_int_equal(rsvp->max_state_per_neighbour, 4);
	assert_int_equal(rsvp->max_neighbours, 5);
	assert_int_equal(rsvp->max_messages_per_s, 6);
	assert_int_equal(rsvp->dscp, 46);
	config_free(config);
}

static void rsvp_rules(void **state)
{
	struct config *config = parse(
		"rsvp { rule calls { accept = yes interface = eth0 neighbour = '192.0.2.0/25'\n"
		"    session = '2001:db8::/32' sender = 198.51.100.1 user = 'CN=a, O=b'\n"
		"    application = 'APP=x' max-rate = 2.5Mbit max-priority = 0 }\n"
		"  rule any { accept = no neighbour = '0.0.0.0/0' } accept-others = false }\n");
	const struct config_rsvp_rule *rule = &config->rsvp.rules[0];

	assert_int_equal(config->rsvp.n_rules, 2);
	assert_true(config->rsvp.rejects_others);
	assert_string_equal(rule->name, "calls");
	assert_true(rule->accept);
	assert_string_equal(rule->interface, "eth0");
	assert_int_equal(rule->neighbour.address.family, AF_INET);
	assert_memory_equal(rule->neighbour.address.addr + 10, "\xff\xff\xc0\0\2\0", 6);
	assert_int_equal(rule->neighbour.bits, 25);
	assert_int_equal(rule->session.address.family, AF_INET6);
	assert_int_equal(rule->session.bits, 32);
	assert_int_equal(rule->sender.bits, 32);
	assert_string_equal(rule->user, "CN=a, O=b");
	assert_string_equal(rule->application, "APP=x");
	assert_true(rule->max_rate_bps == 2500000);
	assert_int_equal(rule->max_priority, 0);
	rule = &config->rsvp.rules[1];
	assert_false(rule->accept);
	assert_int_equal(rule->neighbour.bits, 0);
	assert_int_equal(rule->session.address.family, AF_UNSPEC);
	assert_true(rule->max_rate_bps == UINT64_MAX && rule->max_priority == UINT16_MAX);
	config_free(config);
}

#define PREFIX "a prefix such as \"192.0.2.0/24\""

static void wrong_rsvp_rules(void **state)
{
	refuse("rsvp {\nrule a { }\nrule a { accept = true }\nrule '' { accept = 2 }\n"
	       "rule b { accept = true neighbour = '192.0.2.1/24' session = '1.2.3.4/33'\n"
	       "sender = '2001:db8::/129'\nuser = ''\nmax-rate = 0\nmax-priority = 65536 }\n"
	       "rule c { accept = true session = '1.2.3.4/' sender = x }\naccept-others = 2 }",
	       "t:2: rule a: accept is missing: expected true or false\n"
	       "t:3: rsvp: rule a: given twice\n"
	       "t:4: rsvp: rule: expected a name of 1 to 15 bytes, not \"\"\n"
	       "t:4: rule: accept: expected true or false, not \"2\"\n"
	       "t:5: rule b: neighbour: expected " PREFIX ", not \"192.0.2.1/24\"\n"
	       "t:5: rule b: session: expected " PREFIX ", not \"1.2.3.4/33\"\n"
	       "t:6: rule b: sender: expected " PREFIX ", not \"2001:db8::/129\"\n"
	       "t:7: rule b: user: expected 1 to 255 bytes, not \"\"\n"
	       "t:8: rule b: max-rate: expected a rate such as 100Mbit (bit, kbit, Mbit, Gbit), "
	       "not \"0\"\n"
	       "t:9: rule b: max-priority: expected a number from 0 to 65535, not \"65536\"\n"
	       "t:10: rule c: session: expected " PREFIX ", not \"1.2.3.4/\"\n"
	       "t:10: rule c: sender: expected " PREFIX ", not \"x\"\n"
	       "t:11: rsvp: accept-others: expected true or false, not \"2\"\n");
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void rsvp_keys(void **state)
{
	char path[64], text[600];
	struct config *config;
	const struct config_rsvp_key *key;

	snprintf(path, sizeof(path), "/tmp/gw-test-secret-%d", (int)getpid());
	write_file(path, "0123456789abcdef\nnot this\n", 26);
	snprintf(
		text, sizeof(text),
		"rsvp { key old { id = 0 secret = \"a b#c\" }\n"
		"  key new { id = 281474976710655 secret-file = '%s' algorithm = hmac-sha256\n"
		"    interface = eth0 neighbour = 192.0.2.1 challenge = true\n"
		"    valid-from = 2026-01-01T00:00:00Z valid-until = 2027-01-01T00:00:00Z }\n"
		"  key six { id = 7 secret = x algorithm = hmac-sha1 neighbour = 2001:db8::1 } }\n",
		path);
	config = parse(text);
	assert_int_equal(config->rsvp.n_keys, 3);
	key = &config->rsvp.keys[0];
	assert_string_equal(key->name, "old");
	assert_int_equal(key->id, 0);
	assert_int_equal(key->algorithm, CONFIG_HMAC_MD5);
	assert_int_equal(key->secret_len, 5);
	assert_memory_equal(key->secret, "a b#c", 5);
	assert_int_equal(key->neighbour.family, AF_UNSPEC);
	assert_true(key->valid_from_s == 0 && key->valid_until_s == 0 && !key->challenge);
	key = &config->rsvp.keys[1];
	assert_true(key->id == UINT64_C(0xffffffffffff));
	assert_int_equal(key->algorithm, CONFIG_HMAC_SHA256);
	assert_int_equal(key->secret_len, 16);
	assert_memory_equal(key->secret, "0123456789abcdef", 16);
	assert_string_equal(key->interface, "eth0");
	assert_int_equal(key->neighbour.family, AF_INET);
	assert_true(key->valid_from_s == 1767225600);
	assert_true(key->valid_until_s == 1798761600);
	assert_true(key->challenge);
	key = &config->rsvp.keys[2];
	assert_int_equal(key->algorithm, CONFIG_HMAC_SHA1);
	assert_int_equal(key->neighbour.family, AF_INET6);
	config_free(config);
	unlink(path);
}

#define KEY_NAME "a name of 1 to 15 bytes"
#define KEY_FILE "the path of a file with 1 to 64 bytes in its first line"
#define KEY_TIME "a time such as 2026-12-31T23:59:59Z"

static void wrong_rsvp_keys(void **state)
{
	char path[64], text[200], expected[400];

	refuse("rsvp {\nkey a { }\nkey b { id = 281474976710656 secret = \"\" secret-file = 'x' }\n"
	       "key a { id = 1 secret = x }\nkey 'a b' { id = 1 secret = x }\n"
	       "key c { id = 1 secret = x algorithm = md5 interface = 'a/b' neighbour = 224.0.0.1\n"
	       "valid-from = 2026 valid-until = 1969-01-01T00:00:00Z challenge = 3 }\n"
	       "key d { id = 1 secret-file = 'relative' }\n}",
	       "t:2: key a: id is missing: expected a number from 0 to 281474976710655\n"
	       "t:2: key a: secret is missing: expected 1 to 63 bytes\n"
	       "t:3: key b: expected secret or secret-file, not both\n"
	       "t:3: key b: id: expected a number from 0 to 281474976710655, not \"281474976710656\"\n"
	       "t:3: key b: secret: expected 1 to 63 bytes, not \"\"\n"
	       "t:3: key b: secret-file: expected " KEY_FILE ", not \"x\"\n"
	       "t:4: rsvp: key a: given twice\n"
	       "t:5: rsvp: key: expected " KEY_NAME ", not \"a b\"\n"
	       "t:6: key c: algorithm: expected hmac-md5, hmac-sha1 or hmac-sha256, not \"md5\"\n"
	       "t:6: key c: interface: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" "
	       "or blank), not \"a/b\"\n"
	       "t:6: key c: neighbour: expected the address of a host, not \"224.0.0.1\"\n"
	       "t:7: key c: valid-from: expected " KEY_TIME ", not \"2026\"\n"
	       "t:7: key c: valid-until: expected " KEY_TIME ", not \"1969-01-01T00:00:00Z\"\n"
	       "t:7: key c: challenge: expected true or false, not \"3\"\n"
	       "t:8: key d: secret-file: expected " KEY_FILE ", not \"relative\"\n");
	snprintf(path, sizeof(path), "/tmp/gw-test-secret-%d", (int)getpid());
	snprintf(text, sizeof(text), "rsvp { key a { id = 1 secret-file = '%s' } }", path);
	snprintf(expected, sizeof(expected),
		 "t:1: key a: secret-file: expected " KEY_FILE ", not \"%s\"\n", path);
	refuse(text, expected); /* missing */
	write_file(path, "\n", 1);
	refuse(text, expected);
	write_file(path, "1234567890123456789012345678901234567890123456789012345678901234+\n", 66);
	refuse(text, expected);
	write_file(path, "1234567890123456789012345678901234567890123456789012345678901234\n", 65);
	config_free(parse(text));
	unlink(path);
}

static void marking_as_a_section(void **state)
{
	struct config *config = parse("marking { voice = 46 control = CS6 audio-video = af41\n"
				      "  best-effort = none background = 0 }\n");

	assert_marks(config, DSCP_NONE, 0, 40, 34, 46, 48);
	config_free(config);

	config = parse("marking { voice = none best-effort = 63 }");
	assert_marks(config, 63, 8, 40, 40, DSCP_NONE, 56);
	config_free(config);

	config = parse("marking = \"windows\"");
	assert_defaults(config);
	config_free(config);

	/* Neither quotes nor comments nor values are taken for the other form. */
	config = parse("administrators = {marking, \"marking{\"} # marking {\n"
		       "/* marking { */ marking /* { */ = rfc4594");
	assert_int_equal(config->marking.dscp[GW_CLASS_VOICE], 46);
	config_free(config);
}

static void both_forms_of_marking(void **state)
{
	refuse("marking = windows\nmarking { voice = 46 }",
	       "t:2: marking: given twice, first on line 1\n");
	refuse("marking { voice = 46 }\nmarking = windows",
	       "t:2: marking: given twice, first on line 1\n");
	refuse("marking { voice = 46 }\nmarking { voice = 46 }",
	       "t:2: marking: given twice, first on line 1\n");
	refuse("marking voice { }", "t:1: expected marking = VALUE\n");
	refuse("marking += windows", "t:1: expected marking = VALUE\n");
	refuse("marking = linux", "t:1: marking: expected windows or rfc4594, not \"linux\"\n");
	refuse("marking {\nvoice = 64\nloud = 1 }",
	       "t:2: marking: voice: expected a DSCP from 0 to 63, a name like EF, AF41 or CS6, or none, "
	       "not \"64\"\n"
	       "t:3: marking: unknown key \"loud\": expected one of best-effort, background, "
	       "excellent-effort, audio-video, voice, control\n");
}

static void lists(void **state)
{
	struct config *config = parse("administrators += {audio}\nadministrators += wheel");

	/* += adds to the default. */
	assert_int_equal(config->administrators.count, 3);
	assert_string_equal(config->administrators.name[0], "netdev");
	assert_string_equal(config->administrators.name[2], "wheel");
	config_free(config);

	config = parse("administrators = {}"); /* root alone */
	assert_int_equal(config->administrators.count, 0);
	config_free(config);

	config = parse("interfaces = eth0"); /* a list of one */
	assert_int_equal(config->interfaces.count, 1);
	config_free(config);

	config = parse("interfaces = { # first\n eth0, /* second */ eth1 // last\n }");
	assert_int_equal(config->interfaces.count, 2);
	config_free(config);

	refuse("interfaces = {}",
	       "t:1: interfaces: the list is empty: name one at least, or leave the key out\n");
	refuse("interfaces = {eth0,\neth1,\neth0}", "t:3: interfaces: \"eth0\" is listed twice\n");
	refuse("administrators += netdev", "t:1: administrators: \"netdev\" is listed twice\n");
	refuse("administrators = {a b}",
	       "t:1: expected a list of names with commas for \"administrators\"\n");
	refuse("administrators = {,}",
	       "t:1: expected a list of names with commas for \"administrators\"\n");
	refuse("administrators = {a,,b}",
	       "t:1: expected a list of names with commas for \"administrators\"\n");
	refuse("administrators = {{a}}",
	       "t:1: expected a list of names with commas for \"administrators\"\n");
	refuse("interfaces = {this-name-is-16b}",
	       "t:1: interfaces: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" or "
	       "blank), not \"this-name-is-16b\"\n");
	refuse("interfaces = {\"a/b\", \"..\", \"\"}",
	       "t:1: interfaces: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" or "
	       "blank), not \"a/b\"\n"
	       "t:1: interfaces: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" or "
	       "blank), not \"..\"\n"
	       "t:1: interfaces: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" or "
	       "blank), not \"\"\n");
	refuse("administrators = {\"a b\"}",
	       "t:1: administrators: expected the name of a group, not \"a b\"\n");
}

static void limits(void **state)
{
	refuse("policy {\nmax-flows-per-user = 0\nmax-flows = 1048577\nmax-clients = -1\n"
	       "max-clients-per-user = 99999999999999999999\napplication-marks = maybe\n}",
	       "t:2: policy: max-flows-per-user: expected a number from 1 to 1048576, not \"0\"\n"
	       "t:3: policy: max-flows: expected a number from 1 to 1048576, not \"1048577\"\n"
	       "t:4: policy: max-clients: expected a number from 1 to 65536, not \"-1\"\n"
	       "t:5: policy: max-clients-per-user: expected a number from 1 to 65536, not "
	       "\"99999999999999999999\"\n"
	       "t:6: policy: application-marks: expected allowed or ignored, not \"maybe\"\n");
}

static void wrong_probe(void **state)
{
	refuse("probe { initiator = maybe sink = 2\n interfaces = {}\n"
	       "max-sessions = 0 max-answers-per-second = 16001 }",
	       "t:1: probe: initiator: expected true or false, not \"maybe\"\n"
	       "t:1: probe: sink: expected true or false, not \"2\"\n"
	       "t:2: probe: interfaces: the list is empty: name one at least, or leave the key out\n"
	       "t:3: probe: max-sessions: expected a number from 1 to 1024, not \"0\"\n"
	       "t:3: probe: max-answers-per-second: expected a number from 10 to 16000, not \"16001\"\n");
}

static void wrong_rsvp(void **state)
{
	refuse("rsvp { enabled = maybe refresh = 30 settle = 61s blockade = 0 lifetime-factor = 101\n"
	       "interfaces = {}\n"
	       "interface eth0 { refresh = 61min\n}\n interface eth0 { }\n"
	       "interface \"\" { }}",
	       "t:1: rsvp: enabled: expected true or false, not \"maybe\"\n"
	       "t:1: rsvp: refresh: expected a duration from 1s to 60min, not \"30\"\n"
	       "t:1: rsvp: settle: expected a duration from 0s to 60s, not \"61s\"\n"
	       "t:1: rsvp: blockade: expected a number from 1 to 100, not \"0\"\n"
	       "t:1: rsvp: lifetime-factor: expected a number from 1 to 100, not \"101\"\n"
	       "t:2: rsvp: interfaces: the list is empty: name one at least, or leave the key out\n"
	       "t:3: interface eth0: refresh: expected a duration from 1s to 60min, not \"61min\"\n"
	       "t:5: rsvp: interface eth0: given twice\n"
	       "t:6: rsvp: interface: expected the name of an interface (1 to 15 bytes, no \"/\", \":\" "
	       "or blank), not \"\"\n");
	refuse("rsvp {\nudp = yes\nlatency = 61s\nrefresh-reduction = 2\nrouter-alert = 2\n"
	       "max-alerts-per-second = 0\nmax-sessions = 0\nmax-senders-per-session = 65537\n"
	       "max-reservations-per-session = x\nmax-state-per-neighbour = 4194305\n"
	       "max-neighbours = 65537\nmax-messages-per-second = 10000001\n"
	       "require-checksum = 2\ndscp = 64\ninterface a { enabled = yes } }",
	       "t:2: rsvp: udp: expected off, listen or on, not \"yes\"\n"
	       "t:3: rsvp: latency: expected a duration from 0s to 60s, not \"61s\"\n"
	       "t:4: rsvp: refresh-reduction: expected true or false, not \"2\"\n"
	       "t:5: rsvp: router-alert: expected true or false, not \"2\"\n"
	       "t:6: rsvp: max-alerts-per-second: expected a number from 1 to 1000000, not \"0\"\n"
	       "t:7: rsvp: max-sessions: expected a number from 1 to 4194304, not \"0\"\n"
	       "t:8: rsvp: max-senders-per-session: expected a number from 1 to 65536, not \"65537\"\n"
	       "t:9: rsvp: max-reservations-per-session: expected a number from 1 to 65536, not \"x\"\n"
	       "t:10: rsvp: max-state-per-neighbour: expected a number from 1 to 4194304, not "
	       "\"4194305\"\n"
	       "t:11: rsvp: max-neighbours: expected a number from 1 to 65536, not \"65537\"\n"
	       "t:12: rsvp: max-messages-per-second: expected a number from 1 to 10000000, not "
	       "\"10000001\"\n"
	       "t:13: rsvp: require-checksum: expected true or false, not \"2\"\n"
	       "t:14: rsvp: dscp: expected a DSCP from 0 to 63, or a name like CS6, not \"64\"\n"
	       "t:15: interface a: unknown key \"enabled\": expected one of refresh, settle, "
	       "blockade, lifetime-factor, refresh-reduction, latency, udp, router-alert, "
	       "max-alerts-per-second\n");
}

#define LINK_RATE "a rate such as 100Mbit (bit, kbit, Mbit, Gbit), from 64kbit to 10000Gbit"

static void wrong_links(void **state)
{
	refuse("link eth0 {\n rate = 100\n reservable = 101%\n force = maybe\n}",
	       "t:2: link eth0: rate: expected " LINK_RATE ", not \"100\"\n"
	       "t:3: link eth0: reservable: expected a share from 0% to 100%, not \"101%\"\n"
	       "t:4: link eth0: force: expected true or false, not \"maybe\"\n");
	refuse("link a { rate = 0bit }\nlink b { rate = -1Mbit }\nlink c { rate = 10MB }\n"
	       "link d { rate = 63999bit }\nlink e { rate = 10001Gbit }\n"
	       "link f { rate = 1Mbit reservable = 75 }",
	       "t:1: link a: rate: expected " LINK_RATE ", not \"0bit\"\n"
	       "t:2: link b: rate: expected " LINK_RATE ", not \"-1Mbit\"\n"
	       "t:3: link c: rate: expected " LINK_RATE ", not \"10MB\"\n"
	       "t:4: link d: rate: expected " LINK_RATE ", not \"63999bit\"\n"
	       "t:5: link e: rate: expected " LINK_RATE ", not \"10001Gbit\"\n"
	       "t:6: link f: reservable: expected a share from 0% to 100%, not \"75\"\n");
	refuse("\nlink eth0 { }\nlink eth0 { rate = 1Mbit }",
	       "t:2: link eth0: rate is missing: expected " LINK_RATE "\n"
	       "t:3: link eth0: given twice\n");
	refuse("link { rate = 1Mbit }", "t:1: expected link NAME { ... }\n");
}

static void links(void **state)
{
	static const char text[] = "link eth0 { rate = 100Mbit }\n"
				   "link wan.7 { reservable = 20% rate = 2.5Gbit force = yes }\n";
	struct config *config = parse(text);

	assert_int_equal(config->n_links, 2);
	assert_string_equal(config->links[0].name, "eth0");
	assert_int_equal(config->links[0].rate_bps, 100000000);
	assert_int_equal(config->links[0].reservable_percent, 75);
	assert_false(config->links[0].reservable_is_set);
	assert_false(config->links[0].force);
	assert_string_equal(config->links[1].name, "wan.7");
	assert_int_equal(config->links[1].rate_bps, 2500000000);
	assert_int_equal(config->links[1].reservable_percent, 20);
	assert_true(config->links[1].reservable_is_set);
	assert_true(config->links[1].force);
	config_free(config);
}

static void all_errors_are_told_in_order(void **state)
{
	/* Comments of every kind in between: lines must be those of the file. */
	refuse("# one\nspeed = fast /* two\nthree */\n"
	       "marking = unix // four\n"
	       "tree { branch { leaf = {1, 2} } }\n"
	       "\r\n"
	       "policy = 3 policy { max-flows = 0\n }\n"
	       "policy { }\n"
	       "interfaces { }\n",
	       "t:2: unknown key \"speed\": expected one of marking, administrators, interfaces, policy, "
	       "link, rsvp, gqos, probe\n"
	       "t:4: marking: expected windows or rfc4594, not \"unix\"\n"
	       "t:5: unknown key \"tree\": expected one of marking, administrators, interfaces, policy, "
	       "link, rsvp, gqos, probe\n"
	       "t:7: expected policy { ... }\n"
	       "t:7: policy: max-flows: expected a number from 1 to 1048576, not \"0\"\n"
	       "t:9: policy: given twice, first on line 7\n"
	       "t:10: expected interfaces = {NAME, ...}\n");
	refuse("policy {\nmax-flows = 5\nmax-flows = 6 }",
	       "t:3: policy: max-flows: given twice, first on line 2\n");
	refuse("policy { max-flows = {1} }", "t:1: policy: expected max-flows = VALUE\n");
}

/* Errors before the one that ends all understanding are told as well, also in sections that it leaves open. */
static void errors_before_nonsense(void **state)
{
	refuse("marking = bogus\nadministrators = {\n",
	       "t:1: marking: expected windows or rfc4594, not \"bogus\"\n"
	       "t:3: expected a list of names with commas for \"administrators\"\n");
	refuse("policy {\nmax-flows = abc\nmax-clients = 1;\nmax-flows-per-user = 0 }",
	       "t:2: policy: max-flows: expected a number from 1 to 1048576, not \"abc\"\n"
	       "t:3: unexpected character \";\"\n");
	refuse("rsvp { interface eth0 { refresh = x\n",
	       "t:1: section \"interface\" is not closed: expected }\n"
	       "t:1: interface eth0: refresh: expected a duration from 1s to 60min, not \"x\"\n");
	refuse_len("marking = bogus\n\0x", 18,
		   "t:1: marking: expected windows or rfc4594, not \"bogus\"\n"
		   "t:2: unexpected byte 0x00\n");
}

static void syntax(void **state)
{
	refuse("marking", "t:1: expected = or { after \"marking\"\n");
	refuse("marking windows", "t:1: expected { after \"windows\"\n");
	refuse("marking =", "t:1: expected a value for \"marking\"\n");
	refuse("marking = = windows", "t:1: expected a value for \"marking\"\n");
	refuse("= 3", "t:1: expected the name of a key, not \"=\"\n");
	refuse("}", "t:1: expected the name of a key, not \"}\"\n");
	refuse("policy { } }", "t:1: expected the name of a key, not \"}\"\n");
	refuse("\npolicy {\n\n", "t:2: section \"policy\" is not closed: expected }\n");
	refuse("tree {\n { }",
	       "t:1: unknown key \"tree\": expected one of marking, administrators, "
	       "interfaces, policy, link, rsvp, gqos, probe\n"
	       "t:1: section \"tree\" is not closed: expected }\n");
	refuse("marking = \"windows\nx", "t:1: a string is not closed: expected \"\n");
	refuse("marking = 'windows", "t:1: a string is not closed: expected '\n");
	refuse("\n/* marking", "t:2: a comment starts here and does not end: expected */\n");
	refuse("marking * windows", "t:1: unexpected character \"*\"\n");
	refuse("marking + windows", "t:1: unexpected character \"+\"\n");
	refuse("include(\"x\")", "t:1: unexpected character \"(\"\n");
	refuse("policy|max-flows = 3", "t:1: unexpected character \"|\"\n");
	refuse("marking = \xef\xbb\xbfwindows", "t:1: unexpected byte 0xef\n");
	refuse("marking = windows\rdows", "t:1: unexpected byte 0x0d\n");
	refuse_len("marking = windows\n\0marking", 26, "t:2: unexpected byte 0x00\n");
}

/* The library below would replace these. */
static void strings_are_literal(void **state)
{
	static const char meaning[] =
		"t:1: a string holds control characters, a backslash or ${: none has a meaning here\n";

	setenv("GREENWAVE_TEST", "windows", 1);
	refuse("marking = \"${GREENWAVE_TEST}\"", meaning);
	refuse("marking = '${GREENWAVE_TEST}'", meaning);
	refuse("marking = ${GREENWAVE_TEST}", "t:1: unexpected character \"$\"\n");
	refuse("marking = \"win\\x64ows\"", meaning);
	refuse("marking = \"win\tdows\"", meaning);
	unsetenv("GREENWAVE_TEST");
	refuse("marking = \"0123456789012345678901234567890123456789012345678901234567890123\"",
	       "t:1: \"0123456789012345...\" is longer than 63 bytes\n");
}

/* An error in one text must not reach into the next, as on a reload. */
static void no_memory_of_the_last_text(void **state)
{
	refuse("marking = 'windows", "t:1: a string is not closed: expected '\n");
	config_free(parse("marking = windows"));
	refuse("policy { max-flows = {",
	       "t:1: expected a list of names with commas for \"max-flows\"\n");
	config_free(parse("marking = windows"));
}

static void sizes_are_limited(void **state)
{
	static char text[CONFIG_FILE_MAX + 2];
	struct errors errors = { 0 };
	struct config *config = NULL;
	size_t len = 0;

	memset(text, ' ', CONFIG_FILE_MAX + 1);
	assert_int_equal(config_parse_buffer("t", text, CONFIG_FILE_MAX, &config, collect, &errors),
			 0);
	config = config_free(config);
	assert_int_equal(config_parse_buffer("t", text, CONFIG_FILE_MAX + 1, &config, collect,
					     &errors),
			 -EFBIG);
	assert_int_equal(errors.count, 1);

	/* 64 names fit, one more does not, and is told once. */
	for (int names = 64; names <= 66; names++) {
		len = (size_t)sprintf(text, "interfaces = {");
		for (int i = 0; i < names; i++)
			len += (size_t)sprintf(text + len, "e%d,", i);
		len += (size_t)sprintf(text + len, "}");
		if (names == 64) {
			config = parse(text);
			assert_int_equal(config->interfaces.count, 64);
			config = config_free(config);
		} else {
			refuse(text, "t:1: interfaces: expected at most 64 names\n");
		}
	}

	/* 50 errors are told, the others counted. */
	len = 0;
	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(text + len, "x = 1\n");
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_parse_buffer("t", text, len, &config, collect, &errors), -EINVAL);
	assert_int_equal(errors.count, 51);
	assert_non_null(strstr(errors.text, "t:0: 10 more errors\n"));

	len = 0;
	for (int i = 0; i < 257; i++)
		len += (size_t)sprintf(text + len, "interface e%d { } ", i);
	memmove(text + 7, text, len);
	memcpy(text, "rsvp {\n", 7);
	len += 7;
	text[len++] = '}';
	refuse_len(text, len, "t:2: rsvp: interface e256: expected at most 256 such sections\n");
}

static void files(void **state)
{
	char folder[] = "/tmp/greenwave-config-XXXXXX", path[64];
	struct errors errors = { 0 };
	struct config *config = NULL;
	FILE *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/greenwave.conf", folder);

	assert_int_equal(config_load(path, &config, collect, &errors), -ENOENT);
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.last_line, 0);
	assert_int_equal(config_load(folder, &config, collect, &errors), -EISDIR);
	assert_int_equal(errors.count, 2);
	assert_null(config);

	file = fopen(path, "we");
	assert_non_null(file);
	fputs("policy { max-flows = 7 }\n", file);
	fclose(file);
	assert_int_equal(config_load(path, &config, collect, &errors), 0);
	assert_int_equal(errors.count, 2);
	assert_int_equal(config->max_flows, 7);
	config = config_free(config);

	assert_int_equal(truncate(path, CONFIG_FILE_MAX + 1), 0);
	assert_int_equal(config_load(path, &config, collect, &errors), -EFBIG);
	assert_int_equal(errors.count, 3);

	unlink(path);
	rmdir(folder);
}

/*
 * data/greenwave.conf shows the defaults in comments: "#key = value". As it stands it sets nothing, and
 * with its keys uncommented it sets what holds anyway.
 */
static void shipped_file_shows_the_defaults(void **state)
{
	const char *source = getenv("GW_SOURCE");
	char path[512], line[256], text[8192] = "";
	struct errors errors = { 0 };
	struct config *config = NULL;
	FILE *file;

	if (!source) {
		print_message("SKIP: GW_SOURCE does not name the source: not run by meson\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/data/greenwave.conf", source);
	assert_int_equal(config_load(path, &config, collect, &errors), 0);
	assert_defaults(config);
	config_free(config);

	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		bool prose = line[0] != '#' || line[1] == ' ' || line[1] == '\n';
		/* One form of marking is enough, and there is no default to show for this list. */
		bool left_out = strstr(line, "marking = ") || strstr(line, "interfaces = ");

		if (!prose && !left_out)
			strcat(text, line + 1);
	}
	fclose(file);
	assert_non_null(strstr(text, "max-clients = "));
	config = parse(text);
	assert_defaults(config);
	config_free(config);
}

static void missing_default_file(void **state)
{
	struct errors errors = { 0 };
	struct config *config = NULL;

	if (access(CONFIG_DEFAULT_PATH, F_OK) == 0) {
		print_message("SKIP: " CONFIG_DEFAULT_PATH
			      " exists: a greenwave is configured here\n");
		skip();
	}
	assert_int_equal(config_load(NULL, &config, collect, &errors), 0);
	assert_defaults(config);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_the_defaults),
		cmocka_unit_test(everything_can_be_set),
		cmocka_unit_test(probe_keys),
		cmocka_unit_test(marking_as_a_section),
		cmocka_unit_test(both_forms_of_marking),
		cmocka_unit_test(lists),
		cmocka_unit_test(limits),
		cmocka_unit_test(wrong_probe),
		cmocka_unit_test(wrong_rsvp),
		cmocka_unit_test(gqos_defaults),
		cmocka_unit_test(gqos_can_be_set),
		cmocka_unit_test(wrong_gqos),
		cmocka_unit_test(rsvp_defaults),
		cmocka_unit_test(rsvp_interfaces),
		cmocka_unit_test(rsvp_keys),
		cmocka_unit_test(wrong_rsvp_keys),
		cmocka_unit_test(rsvp_rules),
		cmocka_unit_test(wrong_rsvp_rules),
		cmocka_unit_test(wrong_links),
		cmocka_unit_test(links),
		cmocka_unit_test(all_errors_are_told_in_order),
		cmocka_unit_test(errors_before_nonsense),
		cmocka_unit_test(syntax),
		cmocka_unit_test(strings_are_literal),
		cmocka_unit_test(no_memory_of_the_last_text),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(files),
		cmocka_unit_test(shipped_file_shows_the_defaults),
		cmocka_unit_test(missing_default_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
