-- What takers want of the desk.
CREATE TABLE read_model.demands (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    pair text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,
    token_in text COLLATE "C" NOT NULL,
    token_out text COLLATE "C" NOT NULL,
    exact text COLLATE "C" NOT NULL,
    amount numeric(78, 0) NOT NULL,
    min_deadline_ms bigint NOT NULL,
    window_ms bigint NOT NULL,
    closes_at timestamptz NOT NULL,
    router_leg boolean NOT NULL,
    partner_id text COLLATE "C",
    quote_type text COLLATE "C",
    probe boolean NOT NULL,
    traceparent text COLLATE "C",
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX demands_by_time ON read_model.demands USING brin (position, recorded_at);
CREATE INDEX demands_by_quote_id ON read_model.demands (quote_id, position);
SELECT read_model.declare_series(
    'demands', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 10000
);
