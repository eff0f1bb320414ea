/* SPDX-License-Identifier: MIT */
/*
 * pins.h: the folder below bpffs where our maps and links outlive the daemon, one per network
 * namespace: <bpffs>/greenwave/<inode of the namespace>/. Who holds the folder's lock is the daemon
 * of that namespace.
 */
#ifndef GW_DATAPATH_PINS_H
#define GW_DATAPATH_PINS_H

#include <stdbool.h>
#include <stdint.h>

struct pins {
	/* Everything goes through these: later, rights to go by a path through /proc may have been dropped. */
	int mount_fd;	 /* where bpffs is */
	int base_fd;	 /* our folder there */
	int lock_fd;	 /* and in it, that of the namespace; -1: no pins */
	char folder[24]; /* its name */
	bool mounted;	 /* by us */
};

/*
 * Finds or mounts bpffs, makes the folder and locks it. -EBUSY: another daemon has it. Other
 * errors: there is no usable bpffs, and pins_available() is false.
 */
int pins_open(struct pins *pins, uint64_t namespace_inode);
bool pins_available(const struct pins *pins);

/* A new descriptor of the pinned object, or a negative errno. */
int pins_get(const struct pins *pins, const char *name);

/* Pins an object in place of what bears this name now; there is always one or the other. */
int pins_put(const struct pins *pins, const char *name, int fd);
void pins_drop(const struct pins *pins, const char *name);

/* Lets go of every pinned object. */
void pins_clear(const struct pins *pins);

/* `remove`: the folder goes too, and our mount. */
void pins_close(struct pins *pins, bool remove);

#endif
