/* SPDX-License-Identifier: MIT */
/*
 * log.h: messages to standard error, for the daemon and the command line. Each carries the token of its
 * module, so that one subsystem can be listened to (`log_set_debug("engine,kernel")`). Libraries never log.
 *
 * Under systemd each line begins with the `<priority>` that the journal reads; elsewhere with the level's name.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers of syslog(3), which are also the journal's. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/*
 * Lets debug messages of these modules through; without it they are dropped: "engine,kernel", "all", or "" for none.
 * -EINVAL: an empty or too long name; -E2BIG: too many names. Nothing has changed then.
 */
int log_set_debug(const char *modules);

bool log_enabled(enum log_level level, const char *module);

/*
 * Writes one line in one write(2). Control characters become '?', so that text from others cannot forge
 * lines. Keeps errno.
 */
void log_write(enum log_level level, const char *module, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_at(level, module, ...)                             \
	do {                                                   \
		if (log_enabled(level, module))                \
			log_write(level, module, __VA_ARGS__); \
	} while (0)

#define log_debug(module, ...) log_at(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...) log_at(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_notice(module, ...) log_at(LOG_LEVEL_NOTICE, module, __VA_ARGS__)
#define log_warning(module, ...) log_at(LOG_LEVEL_WARNING, module, __VA_ARGS__)
#define log_error(module, ...) log_at(LOG_LEVEL_ERROR, module, __VA_ARGS__)

/*
 * For whatever others can trigger at will: at most `burst` messages in each interval. Initialise with
 * LOG_LIMIT(); one per message, or per kind of message.
 */
struct log_limit {
	uint64_t interval_us;
	uint32_t burst;
	uint32_t used;	     /* in the current interval */
	uint64_t started_us; /* the current interval; 0: none yet */
	uint64_t suppressed; /* since the last message that came through */
};
#define LOG_LIMIT(burst_, interval_us_)                          \
	{                                                        \
		.interval_us = (interval_us_), .burst = (burst_) \
	}

/*
 * Whether one more message may come now. If so, *ret_suppressed is how many did not come since the last
 * one that did.
 */
bool log_limit_allow(struct log_limit *limit, uint64_t now_us, uint64_t *ret_suppressed);

/* log_at() under a limit; tells how many messages were left out before this one. */
#define log_limited(limit, now_us, level, module, format, ...)                                    \
	do {                                                                                      \
		uint64_t suppressed_;                                                             \
                                                                                                  \
		if (log_enabled(level, module) && log_limit_allow(limit, now_us, &suppressed_)) { \
			log_write(level, module, format, ##__VA_ARGS__);                          \
			if (suppressed_ > 0)                                                      \
				log_write(level, module,                                          \
					  "%llu similar messages before that one "                \
					  "were left out",                                        \
					  (unsigned long long)suppressed_);                       \
		}                                                                                 \
	} while (0)

#endif
