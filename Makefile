# SPDX-License-Identifier: MIT
# The short face of the CMake build: two commands, `make demo` and `make check`, on a bare machine.

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
BENCH_SHAPES ?= llama-3.2-1b olmoe-1b-7b
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
CTEST_FLAGS ?=
# A compiler newer than ours may know new warnings: only in CI do they stop the build.
WERROR ?= $(if $(CI),ON,OFF)

# Homebrew keeps OpenSSL out of the default search path.
ifeq ($(shell uname -s),Darwin)
export PKG_CONFIG_PATH := $(shell brew --prefix openssl@3 2>/dev/null)/lib/pkgconfig:$(PKG_CONFIG_PATH)
endif

.PHONY: all demo check asan tsan aarch64 fuzz tidy bench install help clean deps dev-deps
.DEFAULT_GOAL := all

all: deps ## build the program: build/moescope
	@$(call build,release)
	@ln -sfn release/moescope build/moescope

demo: deps ## build, measure four synthetic models of true shape, show tables and a page
	@$(call build,release,moescope)
	@ln -sfn release/moescope build/moescope
	@tools/demo build/moescope build/models build/demo

check: all ## build and run every test
	@ctest --preset release $(CTEST_FLAGS)

asan: deps ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call build,asan)
	@ctest --preset asan $(CTEST_FLAGS)

tsan: deps ## tests of the threaded parts under ThreadSanitizer
	@$(call build,tsan)
	@ctest --preset tsan $(CTEST_FLAGS)

aarch64: dev-deps ## every ARM kernel, cross compiled, checked under qemu
	@$(call build,aarch64)
	@ctest --preset aarch64 $(CTEST_FLAGS)

fuzz: dev-deps ## run each fuzz target for FUZZ_SECONDS (60)
	@$(call build,fuzz)
	@tools/fuzz build/fuzz $(FUZZ_SECONDS)

tidy: deps ## check layering, lengths and banned calls
	@tools/tidy --self-test
	@tools/tidy

bench: all ## measure decode and prefill speed against the memory roof
	@mkdir -p build/models
	@for shape in $(BENCH_SHAPES); do \
		[ -f build/models/$$shape.gguf ] || build/moescope synth $$shape build/models/$$shape.gguf || exit 1; done
	@build/moescope bench $(BENCH_SHAPES:%=build/models/%.gguf) --test pp512,tg64

install: all ## install under PREFIX (/usr/local), below DESTDIR if set
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do \
		printf '  make %-8s %s\n' "$$target" "$$text"; done

clean: ## remove everything that was built; models stay in build/models
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +; fi

deps:
	@tools/deps

dev-deps:
	@tools/deps --dev

# $(call build,PRESET[,TARGET]): the configure step prints only when it fails.
define build
mkdir -p build && \
{ cmake --preset $(1) -DMSCOPE_WERROR=$(WERROR) > build/configure-$(1).log 2>&1 || { cat build/configure-$(1).log; exit 1; }; } && \
cmake --build --preset $(1) -j $(JOBS) $(if $(2),--target $(2))
endef
