-- What the strategy decided on every demand, what it saw, and what every gate said.
CREATE TABLE read_model.decisions (
    position bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C" NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    pair text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,
    decision text COLLATE "C" NOT NULL,
    decision_reason text COLLATE "C",
    implied_rate numeric,
    reference_rate numeric,
    fair_rate numeric,
    gross_edge_bps bigint,
    gross_edge_pct numeric,
    margin json,
    receive_token text COLLATE "C",
    receive_amount numeric(78, 0),
    give_token text COLLATE "C",
    give_amount numeric(78, 0),
    notional numeric(78, 0),
    price_event_id text COLLATE "C",
    price_position bigint,
    price_source text COLLATE "C",
    price_freshness_ms bigint,
    inventory_event_id text COLLATE "C",
    inventory_position bigint,
    inventory_height bigint,
    inventory_freshness_ms bigint,
    inventory_credited numeric(78, 0),
    inventory_reserved numeric(78, 0),
    inventory_spendable numeric(78, 0),
    inventory_pending_in numeric(78, 0),
    limits_version bigint NOT NULL,
    demand_event_id text COLLATE "C" NOT NULL,
    demand_position bigint NOT NULL,
    gates json NOT NULL,
    received_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX decisions_by_time ON read_model.decisions USING brin (position, recorded_at);
CREATE INDEX decisions_by_decision_id ON read_model.decisions (decision_id, position);
CREATE INDEX decisions_by_quote_id ON read_model.decisions (quote_id, position);
CREATE INDEX decisions_by_decision ON read_model.decisions (decision, position);
SELECT read_model.declare_series(
    'decisions', partition_span => 10000000, time_column => 'recorded_at',
    compress_after => '7 days', tier_after => '30 days', retention => NULL, keep_rows => 5000
);

-- How often each reason was given for not acting.
CREATE TABLE read_model.skip_counts (
    pair text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    count bigint NOT NULL,
    last_quote_id text COLLATE "C" NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (pair, reason)
) WITH (fillfactor = 80);
