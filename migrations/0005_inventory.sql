-- Every reading of the verifier, all of it at one block.
CREATE TABLE read_model.inventory (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    height bigint NOT NULL,
    block_hash text COLLATE "C" NOT NULL,
    block_at timestamptz NOT NULL,
    credited json NOT NULL,
    pending_in json NOT NULL,
    pending_out json NOT NULL,
    salt text COLLATE "C" NOT NULL,
    fee_pips bigint NOT NULL,
    blocked json NOT NULL,
    nonces json NOT NULL,
    providers bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX inventory_by_time ON read_model.inventory USING brin (position, recorded_at);
CREATE INDEX inventory_by_event_id ON read_model.inventory (event_id, position);
SELECT read_model.declare_series(
    'inventory', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 5000
);

-- Balances that moved unasked, and readings that failed.
CREATE TABLE read_model.inventory_incidents (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    token text COLLATE "C",
    expected numeric(78, 0),
    observed numeric(78, 0),
    height bigint,
    detail text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX inventory_incidents_by_time ON read_model.inventory_incidents USING brin (position, recorded_at);
CREATE INDEX inventory_incidents_by_kind ON read_model.inventory_incidents (kind, position);
SELECT read_model.declare_series(
    'inventory_incidents', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 2000
);

-- Balances as of the last reading that named the token, and what open offers have reserved since.
CREATE TABLE read_model.balances (
    account text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    credited numeric(78, 0) NOT NULL,
    reserved numeric(78, 0) NOT NULL,
    pending_in numeric(78, 0) NOT NULL,
    pending_out numeric(78, 0) NOT NULL,
    height bigint,
    observed_at timestamptz,
    PRIMARY KEY (account, token)
) WITH (fillfactor = 80);
