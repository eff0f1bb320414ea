/* SPDX-License-Identifier: MIT */
/*
 * adaptive_receiver.c: the other end of adaptive_sender: takes what is sent, and tells once a second how much it was.
 *
 *	adaptive_receiver [-t] ADDRESS PORT
 *
 * UDP, or with -t one connection of TCP. It ends with the connection, or on an interrupt. It needs nothing of QoS; for
 * the path to be measured, greenwaved must run on this host with `probe { sink = true }`.
 */
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int listen_at(const char *address, const char *port, bool tcp)
{
	struct addrinfo hints = { .ai_socktype = tcp ? SOCK_STREAM : SOCK_DGRAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	struct addrinfo *found;
	int error = getaddrinfo(address, port, &hints, &found), fd, connection, yes = 1;

	if (error != 0) {
		fprintf(stderr, "adaptive_receiver: %s %s: %s\n", address, port,
			gai_strerror(error));
		exit(1);
	}
	fd = socket(found->ai_family, found->ai_socktype, 0);
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || (tcp && listen(fd, 1) < 0))
		fail("bind");
	freeaddrinfo(found);
	puts("listening");
	fflush(stdout);
	if (!tcp)
		return fd;
	connection = accept(fd, NULL, NULL);
	if (connection < 0)
		fail("accept");
	close(fd);
	return connection;
}

static void receive(int fd, bool tcp)
{
	static char buffer[1 << 16];
	struct timeval patience = { .tv_usec = 100000 };
	double told_s = now_s(), began_s = told_s;
	unsigned long long bytes = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (!stopped) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n == 0 && tcp)
			return;
		bytes += n > 0 ? (unsigned long long)n : 0;
		if (now_s() < told_s + 1)
			continue;
		printf("%7.3f received %.0f kbit/s\n", now_s() - began_s,
		       (double)bytes * 8 / (now_s() - told_s) / 1e3);
		fflush(stdout);
		told_s = now_s();
		bytes = 0;
	}
}

int main(int argc, char **argv)
{
	/* Not restarted: who waits is to notice. */
	const struct sigaction ending = { .sa_handler = stop };
	bool tcp = false;
	int option, fd;

	while ((option = getopt(argc, argv, "t")) == 't')
		tcp = true;
	if (option != -1 || optind + 2 != argc) {
		fprintf(stderr, "usage: adaptive_receiver [-t] ADDRESS PORT\n");
		return 2;
	}
	sigaction(SIGINT, &ending, NULL);
	sigaction(SIGTERM, &ending, NULL);
	fd = listen_at(argv[optind], argv[optind + 1], tcp);
	receive(fd, tcp);
	close(fd);
	return 0;
}
