# The verbs of this project. Each does all that it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: setup build test demo bench fault fuzz fmt tidy clean help

PRESET ?= release
JOBS ?= $(shell nproc)
BUILD := build/$(PRESET)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## install packages and pinned libraries (again: nothing to do)
	@tools/setup.sh

build: setup ## build everything; PRESET=release|debug|asan|tsan
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET)
	@cmake --build $(BUILD) -j $(JOBS)

test: build ## build and run all tests
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

demo: build ## the engagement report, from a million raw events, with a crash half-way
	@python3 tools/demo.py

bench: build ## measure; results go to build/bench/
	@python3 bench/run.py

fault: build ## the long fault tests: kills, power cuts, torn files
	@ctest --test-dir $(BUILD) --output-on-failure -L fault

fuzz: build ## run every fuzzer for FUZZ_SECONDS (default 30) each
	@python3 tools/fuzz.py --build $(BUILD) --seconds $(or $(FUZZ_SECONDS),30)

fmt: ## format the C++ sources
	@git ls-files -z '*.h' '*.cpp' | xargs -0 -r clang-format -i

tidy: ## check the house rules (floors, doors, sizes, banned calls, docs)
	@python3 tools/tidy.py

clean: ## remove the build trees; downloads stay in the cache
	@rm -rf build
