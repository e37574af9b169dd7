# SPDX-License-Identifier: Apache-2.0
# The commands of this repository. Each prepares the machine first (dev/setup: fast when there is
# nothing to do). Without make: run ./dev/setup once, it installs make; or run the scripts themselves.

.PHONY: help test demo wheel check bench fuzz clean

help:
	@echo 'make test     set up this machine if needed, run all tests (Swift, C, Python)'
	@echo 'make demo     set up, build in release, run the main job (DATA=path for your events,'
	@echo '              DEMO=retailrocket for another loop, KEEP=1 to leave it running,'
	@echo '              SPEED=1000000 to replay them that many times as fast as they happened)'
	@echo 'make wheel    build the Python wheel into dist/'
	@echo 'make check    format, lint, import rules, licence headers, links: one command, as in CI'
	@echo 'make bench    benchmarks side by side with peers'
	@echo 'make fuzz     fuzz the readers (SECONDS=3600)'
	@echo 'make clean    remove everything that was built (.venv stays)'

test:
	@dev/test

demo:
	@dev/demo

wheel:
	@dev/setup
	@dev/build-wheel

check:
	@dev/check

bench:
	@dev/bench

fuzz:
	@dev/fuzz $(SECONDS)

clean:
	rm -rf .build .build-* build dist python/build python/*.egg-info .pytest_cache .ruff_cache
