-- Rebuilds without downtime: the next tables of a projection are folded in a schema of their own while those in
-- read_model serve, take their place in one transaction, and the old ones stay in a third schema until they are
-- dropped. The desk's role may do all of it through the functions here, and can still make, change or drop no table.

CREATE SCHEMA read_model_next;
CREATE SCHEMA read_model_old;

-- The last rebuild of each projection: who does it, since when, how far it is, and what came of it. That somebody is at
-- work now is not said here but by an advisory lock, which goes with its holder.
CREATE TABLE read_model.rebuilds (
    projection text COLLATE "C" NOT NULL PRIMARY KEY,
    phase text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    live_version bigint NOT NULL,
    by_whom text COLLATE "C" NOT NULL,
    began_at timestamptz NOT NULL,
    moved_at timestamptz NOT NULL,
    position bigint NOT NULL,
    target bigint NOT NULL,
    per_second bigint NOT NULL,
    detail text COLLATE "C" NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What is known of the next tables and of the old ones, in the form of what is known of the live ones.
CREATE TABLE read_model_next.checkpoints (LIKE read_model.checkpoints INCLUDING ALL)
    WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE read_model_next.digests (LIKE read_model.digests INCLUDING ALL);
CREATE TABLE read_model_next.partitions (LIKE read_model.partitions INCLUDING ALL);
CREATE TABLE read_model_next.parked_events (LIKE read_model.parked_events INCLUDING ALL);
-- Nothing was dropped of what was folded just now.
CREATE VIEW read_model_next.storage_policy AS
    SELECT table_name, partition_span, 0::bigint AS cut_rows FROM read_model.storage_policy;

CREATE TABLE read_model_old.checkpoints (
    LIKE read_model.checkpoints INCLUDING ALL,
    replaced_at timestamptz NOT NULL
);
CREATE TABLE read_model_old.digests (LIKE read_model.digests INCLUDING ALL);
CREATE TABLE read_model_old.partitions (LIKE read_model.partitions INCLUDING ALL);
CREATE TABLE read_model_old.parked_events (LIKE read_model.parked_events INCLUDING ALL);

-- Makes sure that a history in a schema has a partition for a position, and answers from where to where it goes. A new
-- partition is attached, which stops nobody who reads or writes the others.
CREATE FUNCTION read_model.make_partition(
    in_schema text, series text, at_position bigint, OUT from_position bigint, OUT to_position bigint
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_position CONSTANT numeric := 9223372036854775807;
    span numeric;
    lower_bound numeric;
    upper_bound numeric;
    before numeric;
    after numeric;
    partition_name text;
BEGIN
    SELECT p.partition_span INTO span FROM read_model.storage_policy AS p WHERE p.table_name = series;
    IF span IS NULL THEN
        RAISE EXCEPTION 'read_model.% is no history: it has no row in read_model.storage_policy', series;
    END IF;
    -- A hypertable cuts itself.
    IF EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = in_schema AND c.relname = series AND c.relkind = 'r'
    ) THEN
        from_position := -9223372036854775808;
        to_position := last_position;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext(in_schema || '.ensure_partition'), hashtext(series));
    EXECUTE format(
        'SELECT p.from_position, p.to_position FROM %I.partitions AS p
         WHERE p.table_name = $1 AND p.from_position <= $2 AND ($2 < p.to_position OR p.to_position = $3)', in_schema
    ) INTO from_position, to_position USING series, at_position, last_position::bigint;
    IF from_position IS NOT NULL THEN
        RETURN;
    END IF;
    -- The cell of the grid around the position, cut short by neighbours of another span.
    lower_bound := at_position - mod(mod(at_position::numeric, span) + span, span);
    upper_bound := least(lower_bound + span, last_position);
    EXECUTE format(
        'SELECT max(p.to_position) FILTER (WHERE p.to_position <= $2), min(p.from_position) FILTER (WHERE p.from_position > $2)
         FROM %I.partitions AS p WHERE p.table_name = $1', in_schema
    ) INTO before, after USING series, at_position;
    from_position := greatest(lower_bound, -9223372036854775808, before);
    to_position := least(upper_bound, after);
    partition_name := format('%s_p%s', series, replace(from_position::text, '-', 'm'));
    EXECUTE format(
        'CREATE TABLE %1$I.%2$I (LIKE %1$I.%3$I INCLUDING ALL)', in_schema, partition_name, series
    );
    EXECUTE format(
        'ALTER TABLE %1$I.%2$I ATTACH PARTITION %1$I.%3$I FOR VALUES FROM (%4$s) TO (%5$s)',
        in_schema, series, partition_name, from_position,
        CASE WHEN to_position = last_position THEN 'MAXVALUE' ELSE to_position::text END
    );
    EXECUTE format(
        'INSERT INTO %I.partitions (table_name, partition_name, from_position, to_position) VALUES ($1, $2, $3, $4)',
        in_schema
    ) USING series, partition_name, from_position, to_position;
END
$$;

CREATE OR REPLACE FUNCTION read_model.ensure_partition(
    series text, at_position bigint, OUT from_position bigint, OUT to_position bigint
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM read_model.make_partition('read_model', series, at_position) $$;

-- The same for the next tables.
CREATE FUNCTION read_model.ensure_next_partition(
    series text, at_position bigint, OUT from_position bigint, OUT to_position bigint
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM read_model.make_partition('read_model_next', series, at_position) $$;

-- Refuses names that are no tables of a projection.
CREATE FUNCTION read_model.check_rebuilt(its_tables text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY its_tables LOOP
        IF name IN ('checkpoints', 'storage_policy', 'partitions', 'digests', 'rebuilds', 'parked_events') OR NOT EXISTS (
            SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'read_model' AND c.relname = name AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ) THEN
            RAISE EXCEPTION 'read_model.% is no table of a projection', name;
        END IF;
    END LOOP;
END
$$;

-- Makes an empty next table that is in all what the live one is: columns, keys, indexes and their names, storage,
-- comments, privileges.
CREATE FUNCTION read_model.make_next(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    live pg_class;
    said record;
BEGIN
    SELECT c.* INTO STRICT live FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'read_model' AND c.relname = name;
    EXECUTE format(
        'CREATE TABLE read_model_next.%1$I (LIKE read_model.%1$I INCLUDING ALL EXCLUDING INDEXES)%2$s%3$s', name,
        coalesce(' PARTITION BY ' || pg_get_partkeydef(live.oid), ''),
        coalesce(' WITH (' || array_to_string(live.reloptions, ', ') || ')', '')
    );
    FOR said IN
        SELECT c.conname, pg_get_constraintdef(c.oid) AS definition FROM pg_constraint AS c
        WHERE c.conrelid = live.oid AND c.contype IN ('p', 'u', 'x') ORDER BY c.conname
    LOOP
        EXECUTE format('ALTER TABLE read_model_next.%I ADD CONSTRAINT %I %s', name, said.conname, said.definition);
    END LOOP;
    FOR said IN
        SELECT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index AS i
        WHERE i.indrelid = live.oid AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
        ORDER BY i.indexrelid
    LOOP
        EXECUTE regexp_replace(said.definition, ' ON (ONLY )?read_model\.', ' ON read_model_next.');
    END LOOP;
    FOR said IN
        SELECT a.privilege_type, a.is_grantable, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee
        FROM aclexplode(live.relacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE a.grantee <> live.relowner
    LOOP
        EXECUTE format(
            'GRANT %s ON read_model_next.%I TO %s%s', said.privilege_type, name, said.grantee,
            CASE WHEN said.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        );
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
        OR NOT EXISTS (SELECT FROM read_model.storage_policy AS p WHERE p.table_name = name) THEN
        RETURN;
    END IF;
    -- NOT RUN BY THE TESTS from here on: they have no server with the extension.
    PERFORM set_config('search_path', (
        SELECT 'pg_catalog, ' || quote_ident(n.nspname) || ', pg_temp'
        FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'
    ), true);
    SELECT p.partition_span AS span, 'read_model_next.' || quote_ident(name) AS target INTO said
    FROM read_model.storage_policy AS p WHERE p.table_name = name;
    EXECUTE format('SELECT create_hypertable(%L, by_range(''position'', %s))', said.target, said.span);
    EXECUTE format('SELECT set_integer_now_func(%L, ''read_model.log_position'')', said.target);
    EXECUTE format('ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_orderby = ''position'')', said.target);
    EXECUTE format('SELECT add_compression_policy(%L, compress_after => %s)', said.target, 2 * said.span);
END
$$;

-- Throws away the next tables of a projection, or its old ones.
CREATE FUNCTION read_model.drop_rebuilt(in_schema text, of_projection text, its_tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' SET client_min_messages = warning
AS $$
DECLARE
    name text;
BEGIN
    IF in_schema NOT IN ('read_model_next', 'read_model_old') THEN
        RAISE EXCEPTION 'schema % has no tables of a rebuild', in_schema;
    END IF;
    PERFORM read_model.check_rebuilt(its_tables);
    FOREACH name IN ARRAY its_tables LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I.%I', in_schema, name);
        EXECUTE format('DELETE FROM %I.partitions WHERE table_name = $1', in_schema) USING name;
    END LOOP;
    EXECUTE format('DELETE FROM %I.parked_events WHERE projection = $1', in_schema) USING of_projection;
    EXECUTE format('DELETE FROM %I.digests WHERE projection = $1', in_schema) USING of_projection;
    EXECUTE format('DELETE FROM %I.checkpoints WHERE projection = $1', in_schema) USING of_projection;
END
$$;

-- What the columns of a table are, in one text.
CREATE FUNCTION read_model.shape_of(in_schema text, name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('%s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation, a.attnotnull), ', ' ORDER BY a.attnum)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = in_schema AND c.relname = name
$$;

-- Prepares the next tables of one definition of a projection, and answers whether those of an earlier rebuild go on:
-- never after `from_zero`, of another version, or of tables that a migration has changed since.
CREATE FUNCTION read_model.begin_rebuild(
    of_projection text, its_tables text[], new_version bigint, from_zero boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    name text;
    reader text;
    replaced timestamptz;
    goes_on boolean;
BEGIN
    PERFORM read_model.check_rebuilt(its_tables);
    SELECT c.replaced_at INTO replaced FROM read_model_old.checkpoints AS c WHERE c.projection = of_projection;
    IF FOUND THEN
        RAISE EXCEPTION 'the tables that were replaced at % are still in read_model_old', to_char(replaced, 'YYYY-MM-DD HH24:MI:SS TZ')
            USING ERRCODE = 'SR001';
    END IF;
    -- A view knows its table by another name than ours, and would go on with the old rows for ever.
    SELECT format('%I.%I', n.nspname, v.relname) INTO reader
    FROM pg_depend AS d JOIN pg_rewrite AS w ON w.oid = d.objid JOIN pg_class AS v ON v.oid = w.ev_class
    JOIN pg_namespace AS n ON n.oid = v.relnamespace
    JOIN pg_class AS c ON c.oid = d.refobjid JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND v.oid <> c.oid
        AND s.nspname = 'read_model' AND c.relname = ANY (its_tables) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'view % reads a table of this projection and would go on reading the old rows: drop it, and make it again afterwards', reader
            USING ERRCODE = 'SR002';
    END IF;
    goes_on := NOT from_zero AND EXISTS (
        SELECT FROM read_model_next.checkpoints AS c WHERE c.projection = of_projection AND c.version IN (0, new_version)
    );
    FOREACH name IN ARRAY its_tables LOOP
        goes_on := goes_on
            AND read_model.shape_of('read_model_next', name) IS NOT DISTINCT FROM read_model.shape_of('read_model', name);
    END LOOP;
    IF goes_on THEN
        RETURN true;
    END IF;
    PERFORM read_model.drop_rebuilt('read_model_next', of_projection, its_tables);
    FOREACH name IN ARRAY its_tables LOOP
        PERFORM read_model.make_next(name);
    END LOOP;
    INSERT INTO read_model_next.checkpoints (projection, version, position, moved_at) VALUES (of_projection, 0, 0, now());
    RETURN false;
END
$$;

-- Puts a table and its partitions into another schema. Indexes and constraints go with them.
CREATE FUNCTION read_model.move_table(name text, from_schema text, to_schema text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part text;
BEGIN
    FOR part IN EXECUTE format('SELECT p.partition_name FROM %I.partitions AS p WHERE p.table_name = $1', from_schema) USING name
    LOOP
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', from_schema, part, to_schema);
    END LOOP;
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', from_schema, name, to_schema);
    EXECUTE format('INSERT INTO %I.partitions SELECT * FROM %I.partitions WHERE table_name = $1', to_schema, from_schema) USING name;
    EXECUTE format('DELETE FROM %I.partitions WHERE table_name = $1', from_schema) USING name;
END
$$;

-- Lets the next tables of a projection take the place of the live ones, whose checkpoint must be what the caller has
-- compared. It gives up after `patience_ms` of waiting for those who read: while it waits, others wait behind it.
CREATE FUNCTION read_model.swap_rebuild(
    of_projection text, its_tables text[], live_version bigint, live_position bigint, next_position bigint, patience_ms int
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $$
DECLARE
    live read_model.checkpoints;
    next read_model_next.checkpoints;
    name text;
    began timestamptz;
    place bigint;
BEGIN
    PERFORM read_model.check_rebuilt(its_tables);
    IF EXISTS (SELECT FROM read_model_old.checkpoints AS c WHERE c.projection = of_projection) THEN
        RAISE EXCEPTION 'tables of an earlier rebuild are still in read_model_old' USING ERRCODE = 'SR001';
    END IF;
    -- What may take a moment comes before the first lock that anybody could wait for.
    FOR place IN SELECT DISTINCT p.position FROM read_model_next.parked_events AS p WHERE p.projection = of_projection LOOP
        PERFORM read_model.make_partition('read_model', 'parked_events', place);
    END LOOP;
    -- A runner that is at work on it waits here, and finds its checkpoint where it was.
    SELECT c.* INTO live FROM read_model.checkpoints AS c WHERE c.projection = of_projection FOR UPDATE;
    SELECT c.* INTO next FROM read_model_next.checkpoints AS c WHERE c.projection = of_projection FOR UPDATE;
    IF live.version IS DISTINCT FROM live_version OR live.position IS DISTINCT FROM live_position
        OR next.position IS DISTINCT FROM next_position OR next.position < live.position THEN
        RAISE EXCEPTION 'projection % is at % and its next tables at %, and not at % and %',
            of_projection, live.position, next.position, live_position, next_position USING ERRCODE = 'SR003';
    END IF;
    began := clock_timestamp();
    FOREACH name IN ARRAY its_tables LOOP
        PERFORM set_config('lock_timeout', greatest(1, patience_ms
            - (extract(epoch FROM clock_timestamp() - began) * 1000)::int)::text, true);
        EXECUTE format('LOCK TABLE read_model.%I IN ACCESS EXCLUSIVE MODE', name);
    END LOOP;
    FOREACH name IN ARRAY its_tables LOOP
        PERFORM read_model.move_table(name, 'read_model', 'read_model_old');
        PERFORM read_model.move_table(name, 'read_model_next', 'read_model');
    END LOOP;
    INSERT INTO read_model_old.digests SELECT d.* FROM read_model.digests AS d WHERE d.projection = of_projection;
    DELETE FROM read_model.digests AS d WHERE d.projection = of_projection;
    INSERT INTO read_model.digests SELECT d.* FROM read_model_next.digests AS d WHERE d.projection = of_projection;
    INSERT INTO read_model_old.parked_events SELECT p.* FROM read_model.parked_events AS p WHERE p.projection = of_projection;
    DELETE FROM read_model.parked_events AS p WHERE p.projection = of_projection;
    INSERT INTO read_model.parked_events SELECT p.* FROM read_model_next.parked_events AS p WHERE p.projection = of_projection;
    INSERT INTO read_model_old.checkpoints SELECT live.*, now();
    UPDATE read_model.checkpoints AS c
    -- At one position of one log there is one event, whoever has named it.
    SET version = next.version, position = next.position, digested_to = next.digested_to, moved_at = now(),
        event_id = coalesce(next.event_id, CASE WHEN next.position = live.position THEN live.event_id END)
    WHERE c.projection = of_projection;
    UPDATE read_model.storage_policy AS p SET cut_rows = 0 WHERE p.table_name = ANY (its_tables);
    DELETE FROM read_model_next.digests AS d WHERE d.projection = of_projection;
    DELETE FROM read_model_next.parked_events AS p WHERE p.projection = of_projection;
    DELETE FROM read_model_next.checkpoints AS c WHERE c.projection = of_projection;
END
$$;

REVOKE ALL ON FUNCTION
    read_model.make_partition, read_model.ensure_next_partition, read_model.check_rebuilt, read_model.make_next,
    read_model.drop_rebuilt, read_model.shape_of, read_model.begin_rebuild, read_model.move_table, read_model.swap_rebuild
    FROM PUBLIC;
