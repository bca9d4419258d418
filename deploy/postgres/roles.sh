#!/bin/sh
# Roles and the vault's schema, on the first start of an empty database: the application's role owns
# nothing, so that privileges and row-level security bind it.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d "$POSTGRES_DB" \
    -v owner_password="$OWNER_PASSWORD" -v app_password="$APP_PASSWORD" <<'SQL'
CREATE ROLE sidecoach_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE sidecoach_app LOGIN PASSWORD :'app_password';
ALTER ROLE sidecoach_owner SET jit = off;
ALTER ROLE sidecoach_app SET jit = off;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA IF NOT EXISTS vault AUTHORIZATION sidecoach_owner;
GRANT USAGE ON SCHEMA vault TO sidecoach_app;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO sidecoach_owner;
SQL
