-- Quote requests as the relay sent them.
CREATE TABLE read_model.quotes (
    position bigint NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    pair text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    frame text COLLATE "C",
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX quotes_by_time ON read_model.quotes USING brin (position, recorded_at);
CREATE INDEX quotes_by_quote_id ON read_model.quotes (quote_id, position);
CREATE INDEX quotes_by_kind ON read_model.quotes (kind, position);
SELECT read_model.declare_series(
    'quotes', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 10000
);
