-- How many commands that the executor took up are in each state now, since the log began.
CREATE TABLE read_model.result_counts (
    state text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    count bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (state)
) WITH (fillfactor = 80);

-- Commands whose coin is reserved, with the state that they are counted under. A row goes when the coin is free.
CREATE TABLE read_model.open_results (
    command_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    PRIMARY KEY (command_id)
) WITH (fillfactor = 80);
