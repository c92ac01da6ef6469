-- What everything that a projection has written comes to, per part of each table: moved in the transaction of the rows.
-- Values are hashes, which nothing compresses, and few: they stay in their row, which is rewritten in place.
CREATE TABLE read_model.digests (
    projection text COLLATE "C" NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    part bigint NOT NULL CHECK (part >= 0),
    rows bigint NOT NULL CHECK (rows >= 0),
    value bytea NOT NULL,
    PRIMARY KEY (projection, table_name, part)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE read_model.digests ALTER COLUMN value SET STORAGE PLAIN;

-- Up to where the digests say what the rows come to. Elsewhere than `position` for rows that a build without digests has
-- kept: they are folded again, because digests of rows that nobody checked would prove nothing.
ALTER TABLE read_model.checkpoints ADD COLUMN digested_to bigint NOT NULL DEFAULT 0;

-- As before, and the digests go with their rows.
CREATE OR REPLACE FUNCTION read_model.start_over(of_projection text, its_tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    name text;
BEGIN
    -- A runner that is at work on it waits here, and finds then that its checkpoint has moved.
    UPDATE read_model.checkpoints SET version = 0, position = 0, digested_to = 0, event_id = NULL, moved_at = now()
    WHERE projection = of_projection;
    FOREACH name IN ARRAY its_tables LOOP
        IF name IN ('checkpoints', 'storage_policy', 'partitions', 'digests') THEN
            RAISE EXCEPTION 'read_model.% belongs to no projection', name;
        END IF;
        EXECUTE format('TRUNCATE TABLE read_model.%I', name);
        UPDATE read_model.storage_policy SET cut_rows = 0 WHERE table_name = name;
    END LOOP;
    DELETE FROM read_model.parked_events WHERE projection = of_projection;
    DELETE FROM read_model.digests WHERE projection = of_projection;
END
$$;
