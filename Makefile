# make demo: see it work.  make test: what CI runs.  Everything else: make help.

PREFIX ?= /usr/local
DESTDIR ?=
# The release is one static executable, stripped: it starts in about a millisecond and runs on any x86-64 Linux.
# What libedit needs itself must be named when it is linked statically.
EDIT := $(addprefix -Xlinker ,$(filter -l%,$(shell pkg-config --static --libs libedit 2>/dev/null)))
RELEASE = -c release --product inquest -Xswiftc -static-executable $(EDIT) -Xlinker --gc-sections -Xlinker -s
CHECKED := --explicit-target-dependency-import-check error
BINARY := .build/release/inquest
export INQUEST_FIXTURES ?= $(CURDIR)/.build-fixtures
# A crash in a test must end it: Swift's backtracer can hang for minutes.
export SWIFT_BACKTRACE ?= enable=no

.PHONY: help release demo test check-long lab fuzz bench reference install clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  make %-11s %s\n' "$$name" "$$what"; done

release: ## build the program: .build/release/inquest
	@scripts/setup
	swift build $(RELEASE)

demo: release ## a deadlocked kernel: verdict, evidence, picture, first-minute report
	@scripts/demo $(BINARY)

test: ## everything that CI checks, at most 30 minutes on two cores
	@scripts/setup test
	@scripts/fixtures >/dev/null
	swift format lint --strict -r Sources Tests Package.swift
	swift build --build-tests $(CHECKED)
	swift test --skip-build --disable-xctest
	Tests/Terminal/run .build/debug/inquest

check-long: test ## also the checks that take longer
	INQUEST_LONG=1 swift test --skip-build --disable-xctest
	swift test --disable-xctest --sanitize=address --scratch-path .build-address

lab: ## boot a guest, run SCENARIO=..., take its dump [KERNEL=...] [FORMAT=...]
	@test -n "$(SCENARIO)" || { echo "make lab SCENARIO=...; the scenarios are:" >&2; lab/run --list >&2; exit 64; }
	lab/run $(SCENARIO) $(if $(KERNEL),--kernel $(KERNEL)) $(if $(FORMAT),--format $(FORMAT))

fuzz: ## every parser for a minute each
	@scripts/setup
	fuzz/run

bench: release ## inquest, drgn and crash on the same dump
	Benchmarks/run

reference: ## write docs/commands.md, the list in man/inquest.1 and docs/schema.json again
	swift build --product inquest
	scripts/reference .build/debug/inquest

install: release ## install to DESTDIR/PREFIX: the program, its manual page, completions
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/inquest
	install -m 644 man/inquest.1 $(DESTDIR)$(PREFIX)/share/man/man1/inquest.1
	$(BINARY) --generate-completion-script bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/inquest
	$(BINARY) --generate-completion-script zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_inquest
	$(BINARY) --generate-completion-script fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/inquest.fish

clean: ## remove what was built and unpacked
	rm -rf .build .build-*
