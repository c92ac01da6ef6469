-- Events that a projection could not take in, and what people said of them.
CREATE TABLE read_model.parkings (
    projection text COLLATE "C" NOT NULL,
    event_position bigint NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    version bigint NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    why text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    parked_at timestamptz,
    decided_by text COLLATE "C",
    reason text COLLATE "C",
    decided_at timestamptz,
    PRIMARY KEY (projection, event_position)
) WITH (fillfactor = 80);
CREATE INDEX parkings_by_position ON read_model.parkings (position);
CREATE INDEX parkings_by_state ON read_model.parkings (state, position);
