-- The price that decisions stand on, each time the policy was applied.
CREATE TABLE read_model.reference_prices (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    pair text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    block text COLLATE "C",
    rate numeric,
    bid numeric,
    ask numeric,
    spread_bps bigint,
    as_of timestamptz,
    disagreement_bps bigint,
    basis_mode text COLLATE "C",
    basis_rate numeric,
    basis_age_ms bigint,
    sources json NOT NULL,
    priced_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX reference_prices_by_time ON read_model.reference_prices USING brin (position, recorded_at);
CREATE INDEX reference_prices_by_event_id ON read_model.reference_prices (event_id, position);
SELECT read_model.declare_series(
    'reference_prices', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 10000
);

-- What every price source says, and whether it can be heard: socket, channel and price apart.
CREATE TABLE read_model.price_sources (
    pair text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    link text COLLATE "C",
    healthy boolean,
    reason text COLLATE "C" NOT NULL,
    state_at timestamptz,
    bid numeric,
    ask numeric,
    source_at timestamptz,
    received_at timestamptz,
    observations bigint NOT NULL,
    PRIMARY KEY (pair, source)
) WITH (fillfactor = 80);
