# SPDX-License-Identifier: MIT
# The front door: everything here is meson in a build directory of its own. `make help` lists what there is.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
WERROR ?= false
FUZZ_SECONDS ?= 20

# Where the loader and pkg-config look. Left alone, meson takes lib64 on a Debian without dpkg-dev.
LIBDIR ?= lib$(addprefix /,$(shell $(CC) -print-multiarch 2>/dev/null))
# Always set together: meson forgets the others when the prefix changes.
DIRECTORIES = --prefix=$(PREFIX) --sysconfdir=/etc --libdir=$(LIBDIR)

# gcc cannot know that -errno is negative, so its guess about results of failed calls is no error.
MESON_OPTIONS = $(DIRECTORIES) -Dwerror=$(WERROR) -Dc_args=-Wno-error=maybe-uninitialized
TEST_OPTIONS = --sysconfdir=/etc -Db_sanitize=address,undefined -Dbench=false
FUZZ_OPTIONS = -Dfuzz=true -Dbench=false -Db_sanitize=address,undefined -Db_lundef=false \
	-Dc_args=-fsanitize=fuzzer-no-link

.PHONY: all help deps install uninstall run test test-vm bench bench-vm fuzz format clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

help:
	@echo "make               build into $(BUILD)/"
	@echo "make deps          install the Debian packages that are missing (tools/deps)"
	@echo "make install       DESTDIR= PREFIX=/usr/local"
	@echo "make run           build, and show greenwave on real packets (as root: between hosts)"
	@echo "make test          build under sanitizers, and run every test that this machine can run"
	@echo "make test-vm       the tests that depend on the kernel, under Debian's own in a virtual machine (slow)"
	@echo "make bench         measure"
	@echo "make bench-vm      what needs netem, under Debian's kernel in a virtual machine that counts its time (slow)"
	@echo "make fuzz          each target for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make format        put the C files into the house format"
	@echo "make clean         remove the build directories"

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "meson is missing: \`make deps\` installs what is needed" >&2; exit 1; }
	meson setup $(MESON_OPTIONS) $(BUILD)
	@echo '$(DIRECTORIES)' >$(BUILD)/directories

build-test/build.ninja:
	meson setup $(TEST_OPTIONS) build-test

build-fuzz/build.ninja:
	CC=clang meson setup $(FUZZ_OPTIONS) build-fuzz

deps:
	@tools/install-deps

# The prefix may be another one than at the time of the setup.
install: $(BUILD)/build.ninja
	@[ "$$(cat $(BUILD)/directories 2>/dev/null)" = '$(DIRECTORIES)' ] || { \
		meson configure $(BUILD) $(DIRECTORIES) && echo '$(DIRECTORIES)' >$(BUILD)/directories; }
	ninja -C $(BUILD)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

uninstall:
	ninja -C $(BUILD) uninstall

run: deps
	@$(MAKE) --no-print-directory all
	GW_BUILD=$(BUILD) tools/demo

test: deps
	@$(MAKE) --no-print-directory build-test/build.ninja
	ninja -C build-test
	@tools/run-tests build-test

test-vm:
	@tools/install-deps tools/deps tools/deps-vm
	@$(MAKE) --no-print-directory all
	@tools/test-vm $(BUILD)

bench: deps
	@$(MAKE) --no-print-directory all
	GW_BUILD=$(BUILD) bench/run

bench-vm:
	@tools/install-deps tools/deps tools/deps-vm
	@$(MAKE) --no-print-directory all
	@tools/test-vm --machine counted $(BUILD) 'bench/run --output "$$GW_OUT/bench-vm.json" probe-netem'
	@echo "The figures are kept in $(BUILD)/test-vm-out/bench-vm.json"

fuzz: deps
	@$(MAKE) --no-print-directory build-fuzz/build.ninja
	@tools/run-fuzz build-fuzz $(FUZZ_SECONDS)

format:
	tools/check-format --fix

clean:
	rm -rf build build-ci build-test build-fuzz
