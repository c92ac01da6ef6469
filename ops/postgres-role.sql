-- The two roles and the database of a desk, made once by an administrator of the server:
--
--     psql --dbname postgres --file ops/postgres-role.sql
--     psql --dbname postgres --command '\password stele_owner' --command '\password stele_app'
--
-- stele_owner owns the tables and applies migrations; nothing runs as it otherwise. stele_app is the desk: it reads
-- and writes rows. What it may do in detail is said by migrations/grants.sql, after every migration.
CREATE ROLE stele_owner LOGIN;
CREATE ROLE stele_app LOGIN;
CREATE DATABASE stele OWNER stele_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE stele FROM PUBLIC;
GRANT CONNECT ON DATABASE stele TO stele_app;
