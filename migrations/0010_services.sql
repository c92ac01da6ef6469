-- What every service was last told or found to do.
CREATE TABLE read_model.services (
    service text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    state_at timestamptz NOT NULL,
    actor text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    version text COLLATE "C",
    instance text COLLATE "C",
    started_at timestamptz,
    starts bigint NOT NULL,
    PRIMARY KEY (service)
) WITH (fillfactor = 80);
