-- Commands to the executor, one per decision to act.
CREATE TABLE read_model.commands (
    command_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C" NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    pair text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,
    receive_token text COLLATE "C" NOT NULL,
    receive_amount numeric(78, 0) NOT NULL,
    give_token text COLLATE "C" NOT NULL,
    give_amount numeric(78, 0) NOT NULL,
    exact text COLLATE "C" NOT NULL,
    notional numeric(78, 0) NOT NULL,
    limits_version bigint NOT NULL,
    min_deadline_ms bigint NOT NULL,
    closes_at timestamptz NOT NULL,
    partner_id text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    status_at timestamptz NOT NULL,
    commanded_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (command_id)
) WITH (fillfactor = 80);
CREATE INDEX commands_by_position ON read_model.commands (position, command_id);
CREATE INDEX commands_by_decision_id ON read_model.commands (decision_id, position, command_id);
CREATE INDEX commands_by_quote_id ON read_model.commands (quote_id, position, command_id);
CREATE INDEX commands_by_status ON read_model.commands (status, position, command_id);
