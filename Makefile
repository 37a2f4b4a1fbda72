# Everything the project does. A fresh machine needs Node with npm for the first command; the rest is fetched.

BUN_VERSION := 1.4.5
BUN := .bun/bun
TARGET ?=
OUT ?= dist/package-broker
RELEASE ?= dist/release
TARGETS ?= $(shell $(BUN) src/build.ts --targets)
PREFIX ?= /usr/local
DESTDIR ?=

MINUTES ?= 10
CYCLES ?= 200

SEED ?=

.PHONY: run test soak crashes fuzz check build release install bench format migration clean programs

## Build and serve on :8080 with an embedded database under ./data; prints the administrator token once.
run: build
	exec ./dist/package-broker

## Every test, with real git, PHP and Composer; two files at a time, since most of them wait for other programs.
test: programs node_modules/.installed
	$(BUN) test --parallel=2 --no-isolate --timeout 60000 $(TESTS)

## The server killed CYCLES times while it writes; `make test` does it 15 times.
crashes: programs node_modules/.installed
	CRASH_CYCLES=$(CYCLES) $(BUN) test test/e2e/crashes.test.ts

## Requests made at random from the OpenAPI document, and bytes that are nearly right for everything that reads those of
## strangers, for MINUTES each; `make test` tries some of both, the same each time. FUZZ_KEEP=1 adds to the corpus.
fuzz: programs node_modules/.installed
	FUZZ_MINUTES=$(MINUTES) $(BUN) test test/fuzz test/http/openapi.contract.test.ts

## Random operations, crashes and installs against a model, for MINUTES (30 unless said).
soak: programs node_modules/.installed
	$(BUN) test/soak/main.ts $(if $(filter command line environment,$(origin MINUTES)),$(MINUTES),30) $(SEED)

## Format, lint, types and import rules.
check: node_modules/.installed
	$(BUN) x biome ci .
	$(BUN) x tsc -p .
	$(BUN) test test/architecture.test.ts

## dist/package-broker for this machine, or for TARGET (bun-linux-x64, bun-linux-arm64, bun-linux-x64-musl, bun-darwin-arm64, …).
build: node_modules/.installed
	$(BUN) src/build.ts $(TARGET) $(if $(TARGET),$(OUT))

## An executable and its bill of materials for each of TARGETS, and SHA256SUMS. Each is built twice, the second time from a
## copy of the sources in another directory, and both have to be the same.
release: node_modules/.installed
	@rm -rf $(RELEASE) && mkdir -p $(RELEASE)/again/dist
	@cp -al node_modules .bun $(RELEASE)/again/ && cp -a src drizzle package.json bun.lock $(RELEASE)/again/
	@set -e; version=$$($(BUN) -p 'require("./package.json").version'); for target in $(TARGETS); do \
	  name=package-broker-$$version-$${target#bun-}; \
	  $(BUN) src/build.ts $$target $(RELEASE)/$$name/package-broker $(RELEASE)/$$name.cdx.json; \
	  (cd $(RELEASE)/again && .bun/bun src/build.ts $$target dist/package-broker dist/sbom >/dev/null); \
	  cmp $(RELEASE)/$$name/package-broker $(RELEASE)/again/dist/package-broker; \
	  cmp $(RELEASE)/$$name.cdx.json $(RELEASE)/again/dist/sbom; \
	  mv $(RELEASE)/$$name/package-broker $(RELEASE)/$$name.tmp && rmdir $(RELEASE)/$$name && mv $(RELEASE)/$$name.tmp $(RELEASE)/$$name; \
	done
	@rm -rf $(RELEASE)/again && cd $(RELEASE) && sha256sum package-broker-* > SHA256SUMS && cat SHA256SUMS

## What was built, its systemd units and the snippet that makes its user, below DESTDIR and PREFIX.
install: $(OUT)
	install -D -m 0755 $(OUT) $(DESTDIR)$(PREFIX)/bin/package-broker
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	$(OUT) systemd --executable $(PREFIX)/bin/package-broker > $(DESTDIR)$(PREFIX)/lib/systemd/system/package-broker.service
	$(OUT) systemd --socket > $(DESTDIR)$(PREFIX)/lib/systemd/system/package-broker.socket
	$(OUT) systemd --sysusers > $(DESTDIR)$(PREFIX)/lib/sysusers.d/package-broker.conf
	@test -n "$(DESTDIR)" || echo "Next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now package-broker.socket package-broker"

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
