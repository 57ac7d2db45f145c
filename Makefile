# Solo hace falta Python 3.10 o más nuevo, make y el registro de paquetes; nada de root.
# Needs only Python 3.10 or newer, make and the package registry; no root.

VENV := .venv
# Written last, so that an interrupted installation is begun anew.
MADE := $(VENV)/made-from-requirements
DLT := .venv-dlt
DRT := .venv-drt
comma := ,
# What waits for an Airflow needs no core: a worker more than there are cores.
WORKERS = $(or $(JOBS),$(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1))))
CANDIDATES = $(or $(PYTHON),python3.12 python3.11 python3.13 python3.10 python3 python)

# Read by any Python, however old.
define FITNESS
import sys
if sys.version_info < (3, 10):
    sys.exit("%d.%d: demasiado viejo / too old" % sys.version_info[:2])
try:
    import ensurepip, sqlite3, ssl, venv
except ImportError as error:
    sys.exit("%d.%d: %s" % (sys.version_info[0], sys.version_info[1], error))
endef

define NO_PYTHON

Hace falta Python 3.10 o más nuevo, con venv, ssl y sqlite3 (en Debian y Ubuntu: apt install python3-venv).
Si lo tiene en otro lugar: make PYTHON=/ruta/a/python3.12 ...

Python 3.10 or newer is needed, with venv, ssl and sqlite3 (on Debian and Ubuntu: apt install python3-venv).
If you have it elsewhere: make PYTHON=/path/to/python3.12 ...

endef
export FITNESS NO_PYTHON

.PHONY: help setup demo test test-system test-all test-airflows test-pythons coverage mutation compose-test chaos bench \
    bench-airflow bench-page lint dist pins

help:
	@echo 'make setup          el entorno .venv, y nada más / the environment .venv, and nothing else'
	@echo 'make demo           la demostración completa, hasta Ctrl-C / the whole demonstration, until Ctrl-C'
	@echo 'make demo ONCE=1    lo mismo, y termina sola / the same, and stops by itself'
	@echo 'make test           las pruebas / the tests'
	@echo 'make test-system    las que piden paquetes del sistema, el registro o minutos / those that need system packages,'
	@echo '                    the registry, or minutes; ONLY=tests/airflow'
	@echo 'make test-all       todas / all of them'
	@echo 'make test-airflows  con cada Airflow desde 3.3.0 / on every Airflow from 3.3.0 on; ONLY=3.3.0,'
	@echo '                    PUBLISH=1 (tabla en los README / table into the READMEs)'
	@echo 'make test-pythons   ruff, mypy, pruebas con Python 3.10 a 3.13 / ruff, mypy, tests on Python 3.10 to 3.13; ONLY=3.12'
	@echo 'make coverage       qué ramas de plugins/ recorren las pruebas / which branches of plugins/ the tests take'
	@echo 'make mutation       qué cambios en las reglas no nota ninguna prueba / which changes to the rules no test notices;'
	@echo '                    ONLY="contract delivery/brake"'
	@echo 'make compose-test   docker-compose.yaml, de la nada a la nada / from nothing to nothing; TABLERO_COMPOSE_ROWS=5000'
	@echo 'make chaos          fallos al azar, repetibles; ROUNDS=, SEED= / random faults that can be replayed'
	@echo 'make bench          velocidad, junto a lo que usted correría si no / speed, beside what you would run otherwise;'
	@echo '                    ROWS=, ROUNDS=, PUBLISH=1 (tabla y gráfico en los README / table and chart into the READMEs)'
	@echo 'make bench-airflow  lo que cuesta dentro de Airflow, sin nada que enviar / what it costs inside Airflow, nothing to send'
	@echo 'make bench-page     lo que tarda la página con 10.000.000 de filas / what the page takes with 10,000,000 rows; ROWS=, SQLITE=1'
	@echo 'make lint           ruff, mypy'
	@echo 'make dist           el paquete, en dist/ / the wheel, into dist/'
	@echo 'make pins           requirements.txt de nuevo, donde algo cambió / requirements.txt anew, where something has changed'
	@echo 'PYTHON=...          otro Python para el entorno .venv / another Python for the environment .venv'

setup: $(MADE)

demo: $(MADE)
	@$(VENV)/bin/python -m sandbox.demo $(if $(filter-out 0,$(ONCE)),--once)

# Some images set it. Without compiled modules each of the many processes of the tests would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

PARALLEL = $(VENV)/bin/python -m pytest --numprocesses $(WORKERS)

test: $(MADE)
	$(PARALLEL) -m 'not system'

test-system: $(MADE)
	$(PARALLEL) -m 'system and not endurance and not compose' $(ONLY)

test-all: test test-system
	$(VENV)/bin/python -m pytest -m 'endurance or compose'

test-airflows: $(MADE)
	$(VENV)/bin/python -m tests.package.matrix airflows $(ONLY) $(if $(PUBLISH),--publish)

test-pythons: $(MADE)
	$(VENV)/bin/python -m tests.package.matrix pythons $(ONLY)

# Where the package runs in the tests' own process; what a whole Airflow runs of it is not seen.
coverage: $(MADE)
	$(PARALLEL) -q -m 'not system' --cov --cov-report=term:skip-covered \
	    tests/unit tests/integration tests/airflow_units tests/web tests/hostile tests/sources

mutation: $(MADE)
	$(VENV)/bin/python -m tests.mutation $(ONLY)

compose-test: $(MADE)
	@docker info >/dev/null 2>&1 || { echo 'Docker no responde / does not answer' >&2; exit 1; }
	$(VENV)/bin/python -m pytest tests/compose/test_demo.py -o log_cli=true -o log_cli_level=INFO

chaos: $(MADE)
	PYTHONPATH=plugins:. $(VENV)/bin/python -m tests.chaos.run --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1)

bench: $(MADE) $(DLT)/made-from-requirements $(DRT)/made-from-requirements
	PYTHONPATH=plugins:. $(VENV)/bin/python -m bench --rows $(or $(ROWS),1000000) --rounds $(or $(ROUNDS),3$(comma)2$(comma)1) $(if $(PUBLISH),--publish)

bench-airflow: $(MADE)
	PYTHONPATH=plugins:. $(VENV)/bin/python -m bench.in_airflow

bench-page: $(MADE)
	PYTHONPATH=plugins:. $(VENV)/bin/python -m bench.page --rows $(or $(ROWS),10000000) $(if $(SQLITE),--sqlite)

lint: $(MADE)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

dist: $(MADE)
	@rm -rf dist
	$(VENV)/bin/python -m hatchling build --target wheel

# First together with what institutions use, then without it: uv keeps what is pinned in the file that it writes.
PINS = UV_CUSTOM_COMPILE_COMMAND='make pins' $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.10 \
    --output-file requirements.txt requirements.in
pins: $(MADE)
	$(PINS) --group institution
	$(PINS)

# Whatever else is installed in the environment stays.
$(MADE): requirements.txt $(VENV)/bin/python
	@echo "Instalando en $(VENV), uno o dos minutos / Installing into $(VENV), a minute or two"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# dlt, drt and Airflow ask for different versions of what they need.
.venv-%/made-from-requirements: bench/requirements-%.txt $(MADE)
	@$(VENV)/bin/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# A link to a Python that has gone counts as missing.
$(VENV)/bin/python:
	@found=; tried=; \
	for candidate in $(CANDIDATES); do \
	    command -v "$$candidate" >/dev/null || continue; \
	    if problem=$$("$$candidate" -c "$$FITNESS" 2>&1); then found=$$candidate; break; fi; \
	    tried="$$tried  $$candidate $$problem\n"; \
	done; \
	if [ -z "$$found" ]; then printf '%s\n' "$$NO_PYTHON" >&2; printf '%b' "$$tried" >&2; exit 1; fi; \
	"$$found" -m venv --clear $(VENV)

.DELETE_ON_ERROR:
