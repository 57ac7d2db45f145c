#!/bin/bash
# Runs once, when the data volume is empty: metadata and outbox in separate databases, each with a role of its own.
set -euo pipefail

create() { # create NAME PASSWORD: a role and a database that is its own
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

create airflow "$AIRFLOW_DB_PASSWORD"
create outbox "$OUTBOX_DB_PASSWORD"
