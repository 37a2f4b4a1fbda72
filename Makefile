# Everything the project does. A fresh machine needs Node with npm for the first command; the rest is fetched.

BUN_VERSION := 1.4.5
BUN := .bun/bun
TARGET ?=
OUT ?= dist/package-broker
PREFIX ?= /usr/local
DESTDIR ?=

MINUTES ?= 10

.PHONY: run test fuzz check build install bench format migration clean programs

## Build and serve on :8080 with an embedded database under ./data; prints the administrator token once.
run: build
	exec ./dist/package-broker

## Every test, with real git, PHP and Composer.
test: programs node_modules/.installed
	$(BUN) test --timeout 60000 $(TESTS)

## Requests made at random from the OpenAPI document, for MINUTES; `make test` sends some of them, the same each time.
fuzz: programs node_modules/.installed
	FUZZ_MINUTES=$(MINUTES) $(BUN) test test/http/openapi.contract.test.ts

## Format, lint, types and import rules.
check: node_modules/.installed
	$(BUN) x biome ci .
	$(BUN) x tsc -p .
	$(BUN) test test/architecture.test.ts

## dist/package-broker for this machine, or for TARGET (bun-linux-x64, bun-linux-arm64, bun-linux-x64-musl, bun-darwin-arm64, …).
build: node_modules/.installed
	$(BUN) src/build.ts $(TARGET) $(if $(TARGET),$(OUT))

## What was built, its systemd unit and the snippet that makes its user, below DESTDIR and PREFIX.
install: $(OUT)
	install -D -m 0755 $(OUT) $(DESTDIR)$(PREFIX)/bin/package-broker
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	$(OUT) systemd --executable $(PREFIX)/bin/package-broker > $(DESTDIR)$(PREFIX)/lib/systemd/system/package-broker.service
	$(OUT) systemd --sysusers > $(DESTDIR)$(PREFIX)/lib/sysusers.d/package-broker.conf
	@test -n "$(DESTDIR)" || echo "Next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now package-broker"

# Built only when it is missing: what is installed was built before, by somebody who is not root.
$(OUT):
	$(MAKE) build

## Speed against nginx and Composer, as ratios in one run.
bench: build
	@for program in nginx wrk; do command -v $$program >/dev/null || { $(call install,nginx-light wrk); }; done
	$(BUN) test/bench/main.ts

## Rewrite the sources as the formatter wants them.
format: node_modules/.installed
	$(BUN) x biome check --write .

## The next file under drizzle/ after a change of src/store/schema.ts. NAME says what changed.
migration: node_modules/.installed
	$(BUN) x drizzle-kit generate --dialect sqlite --schema './src/store/schema*.ts' --out ./drizzle --name $(NAME)

clean:
	rm -rf dist node_modules .bun

# What the tests run beside the project itself.
programs:
	@missing=; for program in git php composer unzip curl; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	php -r 'exit(extension_loaded("zip") && extension_loaded("curl") && extension_loaded("mbstring") ? 0 : 1);' 2>/dev/null || missing="$$missing php"; \
	test -z "$$missing" || { $(call install,git php-cli php-zip php-curl php-mbstring composer unzip curl); }

define install
sudo=; test "$$(id -u)" = 0 || sudo=sudo; $$sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -q -y --no-install-recommends $(1)
endef

node_modules/.installed: package.json bun.lock $(BUN)
	$(BUN) install --frozen-lockfile
	@touch $@

# The npm package has the executable in a part for each platform; its own link is made by an install script, which may be off.
$(BUN):
	npm install --prefix .bun --no-save --no-audit --no-fund bun@$(BUN_VERSION)
	@for bun in .bun/node_modules/bun/bin/bun.exe .bun/node_modules/@oven/bun-*/bin/bun; do \
	  if [ "$$($$bun --version 2>/dev/null)" = $(BUN_VERSION) ]; then ln -sf "$${bun#.bun/}" $(BUN); exit 0; fi; \
	done; echo "Bun $(BUN_VERSION) could not be installed for this machine." >&2; exit 1
