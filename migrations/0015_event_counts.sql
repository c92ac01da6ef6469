-- How often each type of event has happened.
CREATE TABLE read_model.event_counts (
    event_type text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    count bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (event_type)
) WITH (fillfactor = 80);
