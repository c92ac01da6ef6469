-- Whether the relay can be heard.
CREATE TABLE read_model.relay_state (
    venue text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    connected boolean NOT NULL,
    since timestamptz,
    reason text COLLATE "C" NOT NULL,
    connects bigint NOT NULL,
    frames_rejected bigint NOT NULL,
    settlements_reported bigint NOT NULL,
    PRIMARY KEY (venue)
) WITH (fillfactor = 80);

-- Frames that could not be read.
CREATE TABLE read_model.rejected_frames (
    position bigint NOT NULL,
    venue text COLLATE "C" NOT NULL,
    why text COLLATE "C" NOT NULL,
    frame text COLLATE "C" NOT NULL,
    bytes bigint NOT NULL,
    suppressed bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX rejected_frames_by_time ON read_model.rejected_frames USING brin (position, recorded_at);
SELECT read_model.declare_series(
    'rejected_frames', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 2000
);

-- What the relay said of our own offers. The account believes the chain, not this.
CREATE TABLE read_model.settlement_notices (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    quote_hash text COLLATE "C" NOT NULL,
    intent_hash text COLLATE "C",
    tx_hash text COLLATE "C",
    word text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX settlement_notices_by_time ON read_model.settlement_notices USING brin (position, recorded_at);
CREATE INDEX settlement_notices_by_quote_hash ON read_model.settlement_notices (quote_hash, position);
CREATE INDEX settlement_notices_by_tx_hash ON read_model.settlement_notices (tx_hash, position);
SELECT read_model.declare_series(
    'settlement_notices', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 20000
);
