-- What the desk's role may do, said anew after every migration. Rows are its own; it can't make, change or drop a
-- table, and moves partitions and tables only through functions that the owner wrote.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'stele_app') THEN
        -- One role does everything here: it owns what it uses.
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA stele, read_model, read_model_next, read_model_old TO stele_app;
    GRANT SELECT ON stele.migrations TO stele_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read_model, read_model_next TO stele_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA read_model_old TO stele_app;
    REVOKE INSERT, UPDATE, DELETE
        ON read_model.storage_policy, read_model.partitions, read_model_next.storage_policy, read_model_next.partitions
        FROM stele_app;
    REVOKE DELETE ON read_model.checkpoints, read_model_next.checkpoints, read_model.rebuilds FROM stele_app;
    GRANT EXECUTE ON FUNCTION
        read_model.ensure_partition, read_model.start_over, read_model.ensure_next_partition,
        read_model.begin_rebuild, read_model.swap_rebuild, read_model.drop_rebuilt, read_model.drop_tiered,
        read_model.begin_restore, read_model.finish_restore
        TO stele_app;
END
$$;
