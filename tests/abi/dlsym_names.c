/* SPDX-License-Identifier: MIT */
/*
 * Programs that look qWAVE up at run time: dlopen() of the library given as argument, dlsym() of each
 * undecorated name. One missing name makes such programs do without QoS.
 */
#include <dlfcn.h>
#include <stdio.h>

static const char *const names[] = {
	"QOSCreateHandle",	   "QOSCloseHandle",	"QOSStartTrackingClient",
	"QOSStopTrackingClient",   "QOSEnumerateFlows", "QOSAddSocketToFlow",
	"QOSRemoveSocketFromFlow", "QOSSetFlow",	"QOSQueryFlow",
	"QOSNotifyFlow",	   "QOSCancel",
};

int main(int argc, char **argv)
{
	int missing = 0;
	void *library;

	if (argc != 2) {
		fprintf(stderr, "usage: dlsym_names LIBRARY\n");
		return 2;
	}
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!dlsym(library, names[i])) {
			fprintf(stderr, "%s: no %s\n", argv[1], names[i]);
			missing++;
		}
	}
	dlclose(library);
	return missing ? 1 : 0;
}
