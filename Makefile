.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup go host format lint types imports unit check host-test test outage clients guarantees histories oracles conformance conformance-smoke conformance-update disruption show-load deny-starts bench bench-peer demo update update-facts verify docs clean

VENV := .venv/bin
export PATH := $(CURDIR)/$(VENV):$(PATH)
ROOT_USER := $(filter 0,$(shell id -u))
WORKERS ?= auto
CONFORMANCE := FOCUS='$(FOCUS)' SKIP='$(SKIP)' PROCS='$(PROCS)' python -m tests.conformance
GENERATORS := hack/generate_types.py hack/generate_docs.py

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

setup: ## the virtual environment, from the lock file
	@hack/setup.sh

go: setup ## Go, which some test programs are written in: the machine's own or one in the virtual environment
	@hack/setup-go.sh

host: ## the system programs that host tests and clusters need (root; apt-get)
	@hack/install-host.sh --dev

format: setup ## rewrite files to the house format
	ruff format . && ruff check --fix .

lint: setup ## formatting and lint, changing nothing
	ruff format --check . && ruff check .

types: setup ## mypy, strict
	mypy

imports: setup ## package layering (import-linter)
	lint-imports --no-logo

unit: setup ## unit, contract, golden and integration tests: no root, no network
	pytest -q -n $(WORKERS) -m "not host" tests/unit tests/contracts tests/golden tests/integration

check: lint types imports verify unit ## everything a change must pass: no root, no network, two minutes

host-test: setup host ## as root: real containers, namespaces, packet rules
	@if [[ -n "$(ROOT_USER)" ]]; then pytest -q -m host tests/host; else echo "host tests need root: sudo make host-test"; fi

test: $(if $(ROOT_USER),host) check $(if $(ROOT_USER),host-test) ## check, and as root the host tests

guarantees: setup $(if $(ROOT_USER),host) ## every promise's test under every fault that it must see (ROW= narrows it; RECORD=file: go on where it was)
	@python -m tests.guarantees $(ROW) --jobs $(or $(JOBS),$$(nproc)) $(if $(RECORD),--record $(RECORD))

histories: setup ## a hundred stories of random traffic, kill -9 and failing disks, every answer judged (WHERRY_HISTORIES=)
	WHERRY_HISTORIES=$${WHERRY_HISTORIES:-100} pytest -q tests/integration/app/test_histories.py

deny-starts: setup host ## 1,000 pods whose first act is to connect to a peer that a policy denies (WHERRY_STARTS=)
	WHERRY_STARTS=$${WHERRY_STARTS:-1000} pytest -q -s -m host tests/host/shows/test_policy.py -k first_act

show-load: setup host ## WordPress at https under ten times its load: replicas rise and fall, no request fails (six minutes)
	pytest -q -s -m host tests/load

outage: setup host ## a node of three lost under WordPress's visitors, the API lost for all: no request fails, no stateful pod runs twice; one of two waits for a word
	pytest -q -s -m host tests/outage

clients: go host ## kubectl, Helm, Python and Go clients and operators against a running cluster
	pytest -q -m host tests/host/shows/test_kubectl.py
	pytest -q -m host tests/clients

oracles: go ## upstream's own cases, read from its Go modules (fetched when missing)
	pytest -q tests/oracles

upgrade-test: host ## upgrades between two builds that fail, are killed, and go over two machines (ten minutes)
	pytest -q -m host tests/upgrade

conformance: go host ## upstream's conformance suite against a cluster of two nodes (FOCUS=, SKIP=, PROCS=)
	@$(CONFORMANCE) run

conformance-smoke: go host ## a fixed selection of it, ten minutes
	@$(CONFORMANCE) smoke

conformance-update: go host ## run it, and write down what passes (tests/conformance/passing.txt, docs/conformance.md)
	@$(CONFORMANCE) update

disruption: setup host ## REQUESTS (1000000) while everything is disturbed: how many fail (NODES=, PACE=, ONLY=upgrade)
	@$(if $(ONLY),ONLY='$(ONLY)') python -m tests.disruption

gateway-conformance: go host ## upstream's suite of the Gateway API, profile GATEWAY-HTTP (root; RUN= one test, CLASS= another class)
	@RUN='$(RUN)' CLASS='$(CLASS)' BUILT='$(BUILT)' python -m tests.gateway

bench: setup host ## measure; prints one table
	python -m bench

bench-peer: go ## the API's rows beside a stock kube-apiserver with etcd, built from their Go modules
	python -m bench peer

demo: host setup ## a cluster with WordPress in it, from nothing; run again, it changes nothing
	@python examples/wordpress/demo.py

update: setup ## generate files that are derived from the schema and the lists
	@for script in $(GENERATORS); do python $$script; done

update-facts: setup ## collect the API's facts anew from its Go modules (needs Go)
	python hack/schema_facts.py
	python hack/generate_gateway.py
	modules=$$(go env GOMODCACHE)/k8s.io; python hack/generate_protobuf.py $$modules; \
	for script in rbac operations; do python hack/generate_$$script.py $$(ls -d $$modules/kubernetes@* | tail -1); done

verify: setup ## generated files are up to date
	@for script in $(GENERATORS); do python $$script --check; done

clean: ## remove what builds and tests leave
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
