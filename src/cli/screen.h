/* SPDX-License-Identifier: MIT */
/*
 * screen.h: the terminal of `greenwave watch`: a screen of its own while it runs, the user's
 * afterwards, however it ends.
 */
#ifndef GW_CLI_SCREEN_H
#define GW_CLI_SCREEN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether standard output is a terminal that can be drawn on. */
bool screen_available(void);

/*
 * From here on SIGINT, SIGTERM and SIGHUP end the process at once with status 0, the terminal
 * restored if screen_enter() was called, and SIGPIPE is an error of writing.
 */
void screen_catch_signals(void);

void screen_enter(void);
void screen_leave(void);

void screen_size(int *ret_rows, int *ret_columns);

/* Replaces what is shown. The frame's lines end with SCREEN_LINE_END and a line feed. */
#define SCREEN_LINE_END "\033[K"
void screen_draw(const char *frame, size_t frame_len);

/* poll(2), except that a change of the terminal's size ends it too: then true goes to *ret_resized.
 */
int screen_poll(struct pollfd *fds, nfds_t count, int timeout_ms, bool *ret_resized);

#endif
