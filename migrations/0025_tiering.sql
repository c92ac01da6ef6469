-- Tiering: a partition leaves these tables only when whoever takes it away says what its rows come to, part by part, and that
-- is what is kept here of them. That the rows are in the lake is proved there, and recorded in the log, before this is asked.

DROP FUNCTION read_model.drop_expired();

-- The partitions of every history, the oldest first: when their newest row was written down, whether they belong into the
-- lake by now (`compress_after`), and whether they may leave (`tier_after` and `retention`, both). `older_than`, where it is
-- given, counts instead of the policy.
CREATE FUNCTION read_model.partition_ages(older_than interval) RETURNS TABLE (
    table_name text, partition_name text, from_position bigint, to_position bigint, newest timestamptz,
    tier_due boolean, drop_due boolean
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    policy read_model.storage_policy;
    one read_model.partitions;
    rows_left bigint;
    age interval;
BEGIN
    FOR policy IN SELECT p.* FROM read_model.storage_policy AS p ORDER BY p.table_name LOOP
        FOR one IN
            SELECT p.* FROM read_model.partitions AS p WHERE p.table_name = policy.table_name ORDER BY p.from_position
        LOOP
            -- Time and position rise together, so the last row is the newest.
            EXECUTE format(
                'SELECT %I FROM read_model.%I WHERE position >= $1 AND position < $2 ORDER BY position DESC LIMIT 1',
                policy.time_column, policy.table_name
            ) INTO newest USING one.from_position, one.to_position;
            EXECUTE format(
                'SELECT count(*) FROM (SELECT FROM read_model.%I WHERE position >= $1 LIMIT $2) AS newer', policy.table_name
            ) INTO rows_left USING one.to_position, policy.keep_rows;
            table_name := policy.table_name;
            partition_name := one.partition_name;
            from_position := one.from_position;
            to_position := one.to_position;
            -- A partition without rows is as old as can be.
            age := coalesce(now() - newest, interval '1000000 years');
            tier_due := age >= coalesce(older_than, policy.compress_after);
            drop_due := rows_left >= policy.keep_rows
                AND coalesce(age >= coalesce(older_than, greatest(policy.tier_after, policy.retention)), false)
                AND (older_than IS NOT NULL OR policy.retention IS NOT NULL);
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

-- Takes a partition away, and answers whether there was one. It is the oldest of its table, the projections that write it
-- are past it, and what the caller has compared is what is kept of its rows.
CREATE FUNCTION read_model.drop_tiered(
    series text, first_position bigint, end_position bigint, writers text[],
    its_projections text[], its_parts bigint[], its_rows bigint[], its_values bytea[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    part_span CONSTANT bigint := 1000000;
    gone read_model.partitions;
    rows_there bigint;
    rows_wanted bigint;
    said record;
BEGIN
    SELECT p.* INTO gone FROM read_model.partitions AS p
    WHERE p.table_name = series AND p.from_position = first_position AND p.to_position = end_position FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF first_position % part_span <> 0 OR end_position % part_span <> 0 THEN
        RAISE EXCEPTION 'partition % is not cut where digests are', gone.partition_name USING ERRCODE = 'SR004';
    END IF;
    IF EXISTS (SELECT FROM read_model.partitions AS p WHERE p.table_name = series AND p.from_position < first_position) THEN
        RAISE EXCEPTION 'partition % is not the oldest of read_model.%', gone.partition_name, series USING ERRCODE = 'SR004';
    END IF;
    SELECT w.name INTO said FROM unnest(writers) AS w (name)
    LEFT JOIN read_model.checkpoints AS c ON c.projection = w.name
    WHERE c.position IS NULL OR c.position < end_position OR c.digested_to <> c.position LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'projection % still writes partition %', said.name, gone.partition_name USING ERRCODE = 'SR004';
    END IF;
    SELECT coalesce(k.projection, w.projection) AS projection, coalesce(k.part, w.part) AS part INTO said
    FROM (
        SELECT d.projection, d.part, d.rows, d.value FROM read_model.digests AS d
        WHERE d.table_name = series AND d.rows > 0
            AND d.part >= first_position / part_span AND d.part < end_position / part_span
    ) AS k
    FULL JOIN unnest(its_projections, its_parts, its_rows, its_values) AS w (projection, part, rows, value)
        ON w.projection = k.projection AND w.part = k.part
    WHERE k.rows IS DISTINCT FROM w.rows OR k.value IS DISTINCT FROM w.value LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the digest of part % of read_model.% by % is not the one that was compared', said.part, series, said.projection
            USING ERRCODE = 'SR005';
    END IF;
    EXECUTE format('LOCK TABLE read_model.%I IN SHARE MODE', gone.partition_name);
    EXECUTE format('SELECT count(*) FROM read_model.%I', gone.partition_name) INTO rows_there;
    SELECT coalesce(sum(w.rows), 0) INTO rows_wanted FROM unnest(its_rows) AS w (rows);
    IF rows_there <> rows_wanted THEN
        RAISE EXCEPTION 'partition % has % rows, and % were kept', gone.partition_name, rows_there, rows_wanted
            USING ERRCODE = 'SR005';
    END IF;
    EXECUTE format('DROP TABLE read_model.%I', gone.partition_name);
    DELETE FROM read_model.partitions AS p WHERE p.table_name = series AND p.from_position = first_position;
    UPDATE read_model.storage_policy AS p SET cut_rows = p.cut_rows + rows_there WHERE p.table_name = series;
    RETURN true;
END
$$;

-- Refuses a partition that can't come back there: what is in these tables is all from one position on.
CREATE FUNCTION read_model.check_restored(series text, first_position bigint, end_position bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    oldest bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM read_model.storage_policy AS p WHERE p.table_name = series) THEN
        RAISE EXCEPTION 'read_model.% is no history', series;
    END IF;
    SELECT min(p.from_position) INTO oldest FROM read_model.partitions AS p WHERE p.table_name = series;
    IF end_position <= first_position OR end_position > coalesce(oldest, end_position) THEN
        RAISE EXCEPTION 'the oldest partition of read_model.% begins at %: a partition that ends at % can''t come back in front of it',
            series, oldest, end_position USING ERRCODE = 'SR004';
    END IF;
END
$$;

-- Makes an empty table for the rows of a partition that come back. What an earlier attempt has left is thrown away.
CREATE FUNCTION read_model.begin_restore(series text, first_position bigint, end_position bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' SET client_min_messages = warning
AS $$
BEGIN
    PERFORM read_model.check_restored(series, first_position, end_position);
    EXECUTE format('DROP TABLE IF EXISTS read_model.%I', series || '_restoring');
    EXECUTE format('CREATE TABLE read_model.%I (LIKE read_model.%I INCLUDING ALL)', series || '_restoring', series);
    EXECUTE format('GRANT SELECT, INSERT ON read_model.%I TO %I', series || '_restoring', session_user);
END
$$;

-- Lets that table be the partition, when it has as many rows as it should. One that is the partition already stays it.
CREATE FUNCTION read_model.finish_restore(series text, first_position bigint, end_position bigint, its_rows bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    partition_name CONSTANT text := format('%s_p%s', series, first_position);
    rows_there bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('read_model.ensure_partition'), hashtext(series));
    IF EXISTS (
        SELECT FROM read_model.partitions AS p
        WHERE p.table_name = series AND p.from_position = first_position AND p.to_position = end_position
    ) THEN
        RETURN;
    END IF;
    PERFORM read_model.check_restored(series, first_position, end_position);
    EXECUTE format('SELECT count(*) FROM read_model.%I', series || '_restoring') INTO rows_there;
    IF rows_there <> its_rows THEN
        RAISE EXCEPTION '% rows came back of read_model.%, and % should have', rows_there, series, its_rows
            USING ERRCODE = 'SR005';
    END IF;
    EXECUTE format('REVOKE ALL ON read_model.%I FROM %I', series || '_restoring', session_user);
    EXECUTE format('ALTER TABLE read_model.%I RENAME TO %I', series || '_restoring', partition_name);
    EXECUTE format(
        'ALTER TABLE read_model.%I ATTACH PARTITION read_model.%I FOR VALUES FROM (%s) TO (%s)',
        series, partition_name, first_position, end_position
    );
    INSERT INTO read_model.partitions (table_name, partition_name, from_position, to_position)
    VALUES (series, partition_name, first_position, end_position);
    UPDATE read_model.storage_policy AS p SET cut_rows = greatest(0, p.cut_rows - its_rows) WHERE p.table_name = series;
END
$$;

REVOKE ALL ON FUNCTION
    read_model.drop_tiered, read_model.check_restored, read_model.begin_restore, read_model.finish_restore FROM PUBLIC;
