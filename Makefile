# `make` lists the targets.
#
# TORCH_INDEX: address of a package index with CPU builds of torch. On Linux, pip's own index brings the CUDA build of
# several gigabytes; the address of the CPU builds stands on PyTorch's "Get started" page (Linux, Pip, Python, CPU).
#     make demo TORCH_INDEX=<that address>
TORCH_INDEX ?=
TORCH ?= torch==2.13.0
PYTHON ?= python3

# The oldest protobuf generator whose output every supported runtime accepts.
PROTOC_TOOLS := grpcio-tools==1.76.0

VENV := .venv
BIN := $(VENV)/bin
# What pins, lists and judges the packages of the images.
SUPPLY_TOOLS := pip-tools==7.6.2 cyclonedx-bom==7.5.0 pip-audit==2.10.1
PROTOS := $(wildcard proto/sdjscc/v1/*.proto)
INSTALLED := $(VENV)/.installed-

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(INSTALLED)demo  ## a virtual environment in .venv with what the services and the demo need

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; name one with PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { echo "error: no venv module; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip

$(INSTALLED)torch: $(BIN)/python
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@touch $@

$(INSTALLED)%: pyproject.toml $(INSTALLED)torch
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

.PHONY: demo
demo: setup  ## photographs cross the link at 0, 5, 10 and 20 dB; leaves demo.png
	$(BIN)/python -m demo

.PHONY: test
test: $(INSTALLED)dev  ## all tests but those of the containers
	$(BIN)/python -m pytest -m "not containers and not swarm"

.PHONY: test-containers
test-containers: $(INSTALLED)dev  ## the containers, built, driven and broken; needs Docker, takes minutes
	$(BIN)/python -m pytest -m containers

.PHONY: test-swarm
test-swarm: $(INSTALLED)dev  ## the Swarm stack, updated and killed under load; needs Docker, takes many minutes
	$(BIN)/python -m pytest -m swarm -s

FAULT_MINUTES ?= 10
.PHONY: faults
faults: $(INSTALLED)dev  ## break the chain for FAULT_MINUTES (10) and judge what clients saw; root or user namespaces
	$(BIN)/python -m tests.faults --minutes $(FAULT_MINUTES)

FUZZ_INPUTS ?= 1000000
.PHONY: fuzz
fuzz: $(INSTALLED)dev  ## FUZZ_INPUTS (a million) inputs into what decodes bytes from the wire
	$(BIN)/python -m tests.fuzz --inputs $(FUZZ_INPUTS)

.PHONY: lint
lint: $(INSTALLED)dev  ## ruff, mypy, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd proto && ../$(BIN)/buf lint

.PHONY: format
format: $(INSTALLED)dev  ## put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: setup  ## throughput and latency through the services, beside the same networks in one process
	$(BIN)/python -m bench

.PHONY: load
load: $(INSTALLED)load  ## what each service can do, and what its users wait at a fixed offered rate
	$(BIN)/python -m tests.load

# A generator of its own, because it is older than the runtime in .venv and pip would bring that down with it.
$(VENV)/proto/bin/python:
	$(PYTHON) -m venv $(VENV)/proto
	$@ -m pip install --quiet $(PROTOC_TOOLS)

.PHONY: proto
proto: $(VENV)/proto/bin/python  ## generate sdjscc/v1 from proto/
	$< -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

.PHONY: proto-check
proto-check: $(VENV)/proto/bin/python  ## is the committed generated code current?
	rm -rf build/proto && mkdir -p build/proto
	$< -m grpc_tools.protoc -Iproto --python_out=build/proto --pyi_out=build/proto --grpc_python_out=build/proto $(PROTOS)
	@for f in build/proto/sdjscc/v1/*; do cmp "$$f" "sdjscc/v1/$${f##*/}" || { echo "error: run make proto and commit"; exit 1; }; done
	@echo "generated code is current"

# A virtual environment of its own, because none of this is needed to run or to test.
$(VENV)/supply/bin/python:
	$(PYTHON) -m venv $(VENV)/supply
	$@ -m pip install --quiet $(SUPPLY_TOOLS)

.PHONY: lock
lock: $(VENV)/supply/bin/python  ## pin anew what the images install; LOCK=--upgrade takes newer versions
	$< -m deploy.lock $(if $(TORCH_INDEX),--extra-index-url=$(TORCH_INDEX)) $(LOCK)

.PHONY: sizes
sizes: $(INSTALLED)dev  ## how large the built images are over their base
	@$(BIN)/python -m deploy.sizes $(SDJSCC_TAG)

.PHONY: sbom
sbom: $(VENV)/supply/bin/python  ## lists of what the images install, as CycloneDX, in build/sbom
	@mkdir -p build/sbom
	@for lock in networks demo channel; do \
	  { cat deploy/requirements/$$lock.txt; [ $$lock = channel ] || echo $(TORCH); } \
	  | $(VENV)/supply/bin/cyclonedx-py requirements - --pyproject pyproject.toml --output-reproducible \
	    --output-file build/sbom/$$lock.cdx.json 2>/dev/null || exit 1; echo build/sbom/$$lock.cdx.json; done

.PHONY: scan
scan: $(VENV)/supply/bin/python  ## known vulnerabilities of what the images install; needs the internet
	@$< -m deploy.scan

.PHONY: clean
clean:  ## remove what make made, .venv included
	rm -rf $(VENV) build *.egg-info demo.png
