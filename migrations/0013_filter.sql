-- The pair filter, where an operator has ever touched it.
CREATE TABLE read_model.pair_filter (
    venue text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    entries json,
    reason text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (venue)
) WITH (fillfactor = 80);
