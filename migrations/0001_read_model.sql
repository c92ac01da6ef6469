-- What every read model stands on: where each projection is, how each history is stored, and the few functions
-- that change the shape of a table. Rows are the desk's; shapes are the owner's.

CREATE SCHEMA read_model;

-- How far each projection has come. Moved by compare-and-set, in the transaction of the rows.
CREATE TABLE read_model.checkpoints (
    projection text COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- How every history is stored. One row per partitioned table, written by the migration that makes the table.
CREATE TABLE read_model.storage_policy (
    table_name text COLLATE "C" NOT NULL PRIMARY KEY,
    partition_span bigint NOT NULL CHECK (partition_span > 0),
    time_column text COLLATE "C" NOT NULL,
    compress_after interval NOT NULL,
    tier_after interval NOT NULL,
    retention interval,
    keep_rows bigint NOT NULL CHECK (keep_rows > 0),
    cut_rows bigint NOT NULL DEFAULT 0 CHECK (cut_rows >= 0)
);

-- The partitions that are there. A partition holds the positions from its first up to, not including, its end.
CREATE TABLE read_model.partitions (
    table_name text COLLATE "C" NOT NULL REFERENCES read_model.storage_policy,
    partition_name text COLLATE "C" NOT NULL UNIQUE,
    from_position bigint NOT NULL,
    to_position bigint NOT NULL CHECK (to_position > from_position),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, from_position)
);

-- The log position that the slowest projection has reached: the clock of everything that is cut by position.
CREATE FUNCTION read_model.log_position() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(min(position), 0) FROM read_model.checkpoints $$;

-- Declares that a table is a history, and how it is stored. Called by the migration that makes the table.
--
-- Where the TimescaleDB extension is installed in this database, the table becomes a hypertable cut by position
-- and compressed by that extension. NOT RUN BY THE TESTS: they have no server with the extension.
CREATE FUNCTION read_model.declare_series(
    series text, partition_span bigint, time_column text, compress_after interval, tier_after interval,
    retention interval, keep_rows bigint
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO read_model.storage_policy
        (table_name, partition_span, time_column, compress_after, tier_after, retention, keep_rows)
    VALUES (series, partition_span, time_column, compress_after, tier_after, retention, keep_rows);
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        RETURN;
    END IF;
    -- NOT RUN BY THE TESTS from here on.
    PERFORM set_config('search_path', (
        SELECT 'pg_catalog, ' || quote_ident(n.nspname) || ', pg_temp'
        FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'
    ), true);
    EXECUTE format('ALTER TABLE read_model.%I RENAME TO %I', series, series || '_plain');
    EXECUTE format('CREATE TABLE read_model.%I (LIKE read_model.%I INCLUDING ALL)', series, series || '_plain');
    EXECUTE format('DROP TABLE read_model.%I', series || '_plain');
    EXECUTE format('SELECT create_hypertable(%L, by_range(''position'', %s))', 'read_model.' || quote_ident(series), partition_span);
    EXECUTE format('SELECT set_integer_now_func(%L, ''read_model.log_position'')', 'read_model.' || quote_ident(series));
    EXECUTE format('ALTER TABLE read_model.%I SET (timescaledb.compress, timescaledb.compress_orderby = ''position'')', series);
    EXECUTE format('SELECT add_compression_policy(%L, compress_after => %s)', 'read_model.' || quote_ident(series), 2 * partition_span);
END
$$;

-- Makes sure that a history has a partition for a position, and answers from where to where it goes. The desk's
-- role may call it and so needs no right to make tables. A new partition is attached, which stops nobody who
-- reads or writes the others.
CREATE FUNCTION read_model.ensure_partition(
    series text, at_position bigint, OUT from_position bigint, OUT to_position bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_position CONSTANT numeric := 9223372036854775807;
    span numeric;
    lower_bound numeric;
    upper_bound numeric;
    partition_name text;
BEGIN
    SELECT p.partition_span INTO span FROM read_model.storage_policy AS p WHERE p.table_name = series;
    IF span IS NULL THEN
        RAISE EXCEPTION 'read_model.% is no history: it has no row in read_model.storage_policy', series;
    END IF;
    -- A hypertable cuts itself.
    IF EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'read_model' AND c.relname = series AND c.relkind = 'r'
    ) THEN
        from_position := -9223372036854775808;
        to_position := last_position;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('read_model.ensure_partition'), hashtext(series));
    SELECT p.from_position, p.to_position INTO from_position, to_position
    FROM read_model.partitions AS p
    WHERE p.table_name = series AND p.from_position <= at_position
        AND (at_position < p.to_position OR p.to_position = last_position);
    IF FOUND THEN
        RETURN;
    END IF;
    -- The cell of the grid around the position, cut short by neighbours of another span.
    lower_bound := at_position - mod(mod(at_position::numeric, span) + span, span);
    upper_bound := least(lower_bound + span, last_position);
    lower_bound := greatest(lower_bound, -9223372036854775808, (
        SELECT max(p.to_position) FROM read_model.partitions AS p
        WHERE p.table_name = series AND p.to_position <= at_position
    ));
    upper_bound := least(upper_bound, (
        SELECT min(p.from_position) FROM read_model.partitions AS p
        WHERE p.table_name = series AND p.from_position > at_position
    ));
    from_position := lower_bound;
    to_position := upper_bound;
    partition_name := format('%s_p%s', series, replace(from_position::text, '-', 'm'));
    EXECUTE format(
        'CREATE TABLE read_model.%I (LIKE read_model.%I INCLUDING ALL)', partition_name, series
    );
    EXECUTE format(
        'ALTER TABLE read_model.%I ATTACH PARTITION read_model.%I FOR VALUES FROM (%s) TO (%s)',
        series, partition_name, from_position,
        CASE WHEN to_position = last_position THEN 'MAXVALUE' ELSE to_position::text END
    );
    INSERT INTO read_model.partitions (table_name, partition_name, from_position, to_position)
    VALUES (series, partition_name, from_position, to_position);
END
$$;

-- Drops partitions that are past their table's retention, the oldest first, and counts what went with them. The
-- rows that a table must keep stay, however old.
CREATE FUNCTION read_model.drop_expired() RETURNS TABLE (table_name text, partition_name text, rows_cut bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    policy read_model.storage_policy;
    oldest read_model.partitions;
    newest_row timestamptz;
    rows_left bigint;
BEGIN
    FOR policy IN
        SELECT p.* FROM read_model.storage_policy AS p WHERE p.retention IS NOT NULL ORDER BY p.table_name
    LOOP
        LOOP
            SELECT p.* INTO oldest FROM read_model.partitions AS p
            WHERE p.table_name = policy.table_name ORDER BY p.from_position LIMIT 1;
            EXIT WHEN NOT FOUND;
            -- Time and position rise together, so the last row is the newest.
            EXECUTE format(
                'SELECT %I FROM read_model.%I ORDER BY position DESC LIMIT 1', policy.time_column, oldest.partition_name
            ) INTO newest_row;
            EXIT WHEN newest_row > now() - policy.retention;
            EXECUTE format(
                'SELECT count(*) FROM (SELECT FROM read_model.%I WHERE position >= %s LIMIT %s) AS newer',
                policy.table_name, oldest.to_position, policy.keep_rows
            ) INTO rows_left;
            EXIT WHEN rows_left < policy.keep_rows;
            EXECUTE format('SELECT count(*) FROM read_model.%I', oldest.partition_name) INTO rows_cut;
            EXECUTE format('DROP TABLE read_model.%I', oldest.partition_name);
            DELETE FROM read_model.partitions AS p
            WHERE p.table_name = policy.table_name AND p.from_position = oldest.from_position;
            UPDATE read_model.storage_policy AS p SET cut_rows = p.cut_rows + rows_cut
            WHERE p.table_name = policy.table_name;
            table_name := policy.table_name;
            partition_name := oldest.partition_name;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

-- Empties the tables of one projection and sets it back to the beginning of the log, so that it is folded again.
CREATE FUNCTION read_model.start_over(of_projection text, its_tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    name text;
BEGIN
    -- A runner that is at work on it waits here, and finds then that its checkpoint has moved.
    UPDATE read_model.checkpoints SET version = 0, position = 0, moved_at = now() WHERE projection = of_projection;
    FOREACH name IN ARRAY its_tables LOOP
        IF name IN ('checkpoints', 'storage_policy', 'partitions') THEN
            RAISE EXCEPTION 'read_model.% belongs to no projection', name;
        END IF;
        EXECUTE format('TRUNCATE TABLE read_model.%I', name);
        UPDATE read_model.storage_policy SET cut_rows = 0 WHERE table_name = name;
    END LOOP;
    DELETE FROM read_model.parked_events WHERE projection = of_projection;
END
$$;

REVOKE ALL ON FUNCTION read_model.declare_series, read_model.ensure_partition, read_model.drop_expired, read_model.start_over FROM PUBLIC;

-- Events that a projection could not fold. Every projection writes here.
CREATE TABLE read_model.parked_events (
    position bigint NOT NULL,
    projection text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position, projection)
) PARTITION BY RANGE (position);
CREATE INDEX parked_events_by_time ON read_model.parked_events USING brin (position, recorded_at);
CREATE INDEX parked_events_by_projection ON read_model.parked_events (projection, position);
SELECT read_model.declare_series(
    'parked_events', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 10000
);
