# The verbs of this project. Each does all that it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: setup configure build test demo bench fault fuzz fmt tidy clean help

PRESET ?= release
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 30
SEEDS ?=
FROM ?= 1
BUILD := build/$(PRESET)
CTEST := ctest --test-dir $(BUILD) --output-on-failure

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## install packages and pinned libraries (again: nothing to do)
	@tools/setup.sh

configure: setup
	@test $(BUILD)/build.ninja -nt CMakePresets.json || cmake --preset $(PRESET)

build: configure ## build everything; PRESET=release (default), debug, asan or tsan
	@cmake --build $(BUILD) -j $(JOBS)

test: build ## build and run all tests
	@tools/setup.sh tests
	@$(CTEST) -j $(JOBS)

demo: configure ## the engagement report from a million raw events, with a crash half-way
	@cmake --build $(BUILD) -j $(JOBS) --target millrace
	@python3 tools/demo.py

bench: build ## measure; the results go to build/bench/
	@python3 bench/run.py
	@python3 bench/nexmark.py

fault: build ## the fault tests: kills, power cuts, failing disks; ends with a table (by hand: MILLRACE_FAULT=hand)
	@MILLRACE_BINARY=$(CURDIR)/build/millrace MILLRACE_BUILD_DIR=$(CURDIR)/$(BUILD) python3 test/fault/run.py

fuzz: ## every fuzzer for FUZZ_SECONDS (30), with sanitizers; SEEDS=5000 [FROM=1]: instead so many random views against DuckDB
ifeq ($(SEEDS),)
	@$(MAKE) --no-print-directory build PRESET=asan
	@MILLRACE_FUZZ_SECONDS=$(FUZZ_SECONDS) ctest --test-dir build/asan --output-on-failure -L fuzz -j $(JOBS)
else
	@$(MAKE) --no-print-directory configure
	@cmake --build $(BUILD) -j $(JOBS) --target test_property
	@MILLRACE_SOURCE_DIR=$(CURDIR) tools/fuzz_views.sh $(BUILD)/test/test_property $(SEEDS) $(FROM) $(JOBS)
endif

fmt: ## format the C++ sources (needs clang-format)
	@git ls-files -z '*.h' '*.cpp' | xargs -0 -r clang-format -i

tidy: ## check the house rules (floors, doors, sizes, banned calls, docs)
	@python3 tools/tidy.py

clean: ## remove the build trees; downloads stay in the cache
	@rm -rf build
