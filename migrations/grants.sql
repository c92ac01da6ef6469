-- What the desk's role may do, said anew after every migration. Rows are its own; it can't make, change or drop a
-- table, and moves partitions only through functions that the owner wrote.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'stele_app') THEN
        -- One role does everything here: it owns what it uses.
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA stele, read_model TO stele_app;
    GRANT SELECT ON stele.migrations TO stele_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read_model TO stele_app;
    REVOKE INSERT, UPDATE, DELETE ON read_model.storage_policy, read_model.partitions FROM stele_app;
    REVOKE DELETE ON read_model.checkpoints FROM stele_app;
    GRANT EXECUTE ON FUNCTION
        read_model.ensure_partition, read_model.drop_expired, read_model.start_over
        TO stele_app;
END
$$;
