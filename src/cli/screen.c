/* SPDX-License-Identifier: MIT */
/*
 * screen.c: draws on the alternate screen, so that the user's own comes back untouched. A signal
 * that ends the tool restores the terminal inside the handler and leaves: it works as well while
 * the tool waits for a daemon that hangs. Everything the handler calls is async-signal-safe.
 */
#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Alternate screen, cursor hidden, lines cut instead of wrapped; and all of it back. */
static const char enter_sequence[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave_sequence[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static volatile sig_atomic_t drawing;
static volatile sig_atomic_t resized;

static void write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the terminal is gone: poll notices */
		data += n;
		len -= (size_t)n;
	}
}

static void on_end(int number)
{
	if (drawing)
		write_all(leave_sequence, sizeof(leave_sequence) - 1);
	_exit(0);
}

static void on_resize(int number)
{
	resized = 1;
}

bool screen_available(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

void screen_catch_signals(void)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_end }, inherited;

	/* One ending at a time; a resize must not come between the sequences. */
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		/* nohup(1) and background jobs of scripts ignore some on purpose. */
		if (sigaction(ending[i], NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
	}
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

void screen_enter(void)
{
	struct sigaction action = { .sa_handler = on_resize };
	sigset_t resize;

	/* Let through only inside ppoll(): no resize is lost between looking and waiting. */
	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, NULL);
	sigaction(SIGWINCH, &action, NULL);

	drawing = 1;
	write_all(enter_sequence, sizeof(enter_sequence) - 1);
}

void screen_leave(void)
{
	write_all(leave_sequence, sizeof(leave_sequence) - 1);
	drawing = 0;
}

void screen_size(int *ret_rows, int *ret_columns)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
		*ret_rows = 24;
		*ret_columns = 80;
		return;
	}
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

void screen_draw(const char *frame, size_t frame_len)
{
	static const char home[] = "\033[H", clear_below[] = "\033[J";

	write_all(home, sizeof(home) - 1);
	write_all(frame, frame_len);
	write_all(clear_below, sizeof(clear_below) - 1);
}

int screen_poll(struct pollfd *fds, nfds_t count, int timeout_ms, bool *ret_resized)
{
	struct timespec timeout = { .tv_sec = timeout_ms / 1000,
				    .tv_nsec = timeout_ms % 1000 * 1000000L };
	sigset_t mask;
	int r;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, SIGWINCH);
	resized = 0;
	r = ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, &mask);
	*ret_resized = resized;
	return r < 0 && errno != EINTR ? -errno : r < 0 ? 0 : r;
}
