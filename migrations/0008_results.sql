-- What became of every command that the executor took up: its latest state.
CREATE TABLE read_model.results (
    command_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C",
    pair text COLLATE "C",
    direction text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    state_at timestamptz NOT NULL,
    answer text COLLATE "C",
    answered_at timestamptz,
    detail text COLLATE "C" NOT NULL,
    refusal text COLLATE "C",
    tx_hash text COLLATE "C",
    quote_hash text COLLATE "C",
    nonce text COLLATE "C",
    salt text COLLATE "C",
    message text COLLATE "C",
    epoch bigint,
    receive_token text COLLATE "C",
    receive_amount numeric(78, 0),
    give_token text COLLATE "C",
    give_amount numeric(78, 0),
    notional numeric(78, 0),
    offer_deadline timestamptz,
    nonce_deadline timestamptz,
    limits_version bigint,
    inventory_event_id text COLLATE "C",
    inventory_height bigint,
    proof_event_id text COLLATE "C",
    proof_height bigint,
    reservation text COLLATE "C" NOT NULL,
    release_cause text COLLATE "C",
    released_at timestamptz,
    started_at timestamptz,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (command_id)
) WITH (fillfactor = 80);
CREATE INDEX results_by_position ON read_model.results (position, command_id);
CREATE INDEX results_by_quote_id ON read_model.results (quote_id, position, command_id);
CREATE INDEX results_by_decision_id ON read_model.results (decision_id, position, command_id);
CREATE INDEX results_by_quote_hash ON read_model.results (quote_hash, position, command_id);
CREATE INDEX results_by_tx_hash ON read_model.results (tx_hash, position, command_id);
CREATE INDEX results_by_state ON read_model.results (state, position, command_id);

-- Every step of every command that the executor took up, releases included.
CREATE TABLE read_model.result_history (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    refusal text COLLATE "C",
    tx_hash text COLLATE "C",
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX result_history_by_time ON read_model.result_history USING brin (position, recorded_at);
CREATE INDEX result_history_by_command_id ON read_model.result_history (command_id, position);
CREATE INDEX result_history_by_step ON read_model.result_history (step, position);
SELECT read_model.declare_series(
    'result_history', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 12000
);
