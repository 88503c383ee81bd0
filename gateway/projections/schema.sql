-- What a person asks of the venue's history, kept by the follower. Derived from the log alone: delete the file and it is
-- rebuilt, row for row. Prices stand as decimal text in the quotation unit and as ticks, quantities in lots, money in
-- minor units of the instrument's currency, times as ns since 1970; the views at the end add them as UTC text.
-- No key hash and no maximum of a proxy bid is ever stored.

CREATE TABLE cursor (
    shard        INTEGER PRIMARY KEY,
    number       INTEGER NOT NULL,  -- record applied last
    seq          INTEGER NOT NULL,  -- its last command: the `as_of` of every answer
    ts_ns        INTEGER NOT NULL,
    event_digest BLOB    NOT NULL   -- over all events up to seq
);

CREATE TABLE accounts (
    account    INTEGER PRIMARY KEY,
    label      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    opened_seq INTEGER NOT NULL,
    opened_ns  INTEGER NOT NULL
);

CREATE TABLE instruments (
    instrument        INTEGER PRIMARY KEY,
    symbol            TEXT    NOT NULL UNIQUE,
    name              TEXT    NOT NULL,
    commodity         TEXT    NOT NULL,
    tick_size         TEXT    NOT NULL,
    price_unit        TEXT    NOT NULL,
    lot_unit          TEXT    NOT NULL,
    currency          TEXT    NOT NULL,
    value_numerator   INTEGER NOT NULL,  -- value of a fill = ticks x lots x numerator / denominator, minor units
    value_denominator INTEGER NOT NULL,
    rules             TEXT    NOT NULL,
    attributes        TEXT    NOT NULL,  -- JSON object
    source            TEXT    NOT NULL,
    reference_ticks   INTEGER,
    reference         TEXT,
    phase             TEXT    NOT NULL,
    trades            INTEGER NOT NULL DEFAULT 0,  -- running number of the last trade
    auctions          INTEGER NOT NULL DEFAULT 0,  -- running number of the last uncross
    listed_seq        INTEGER NOT NULL,
    listed_ns         INTEGER NOT NULL
);

CREATE TABLE orders (
    order_id        INTEGER PRIMARY KEY,
    account         INTEGER NOT NULL,
    symbol          TEXT    NOT NULL,
    side            TEXT    NOT NULL,  -- buy, sell
    type            TEXT    NOT NULL,  -- limit, market
    time_in_force   TEXT    NOT NULL,
    price_ticks     INTEGER,           -- null: without a limit
    price           TEXT,
    qty_lots        INTEGER NOT NULL,  -- filled so far plus open when it was entered or last replaced
    filled_lots     INTEGER NOT NULL,
    open_lots       INTEGER NOT NULL,  -- 0 once it is closed
    status          TEXT    NOT NULL,  -- open, partial, filled, cancelled
    client_order_id TEXT,              -- "stream/number" for the packed form
    seq             INTEGER NOT NULL,  -- of the command that entered it
    entered_ns      INTEGER NOT NULL,
    closed_seq      INTEGER,           -- of the command that ended it
    closed_ns       INTEGER,
    close_reason    TEXT               -- null when it was filled
);
CREATE INDEX orders_closed ON orders (account, closed_seq) WHERE closed_seq IS NOT NULL;

-- One row per fill, both sides. Its name for ever is (shard, seq, idx). What one account may see of it: account_fills.
CREATE TABLE fills (
    fill         INTEGER PRIMARY KEY,  -- running number over the whole venue
    seq          INTEGER NOT NULL,
    idx          INTEGER NOT NULL,
    ts_ns        INTEGER NOT NULL,
    symbol       TEXT    NOT NULL,
    trade_id     INTEGER NOT NULL,     -- public running number of the instrument
    kind         TEXT    NOT NULL,     -- continuous, call
    taker_side   TEXT,                 -- null in a call
    price_ticks  INTEGER NOT NULL,
    price        TEXT    NOT NULL,
    qty_lots     INTEGER NOT NULL,
    value_minor,                       -- integer; decimal text from 2^63
    buy_account  INTEGER NOT NULL,
    buy_order    INTEGER NOT NULL,
    sell_account INTEGER NOT NULL,
    sell_order   INTEGER NOT NULL
);
CREATE INDEX fills_symbol ON fills (symbol);
CREATE INDEX fills_buyer ON fills (buy_account);
CREATE INDEX fills_seller ON fills (sell_account);

CREATE TABLE auctions (
    auction         INTEGER PRIMARY KEY,  -- running number over the whole venue
    seq             INTEGER NOT NULL,
    idx             INTEGER NOT NULL,
    ts_ns           INTEGER NOT NULL,
    symbol          TEXT    NOT NULL,
    number          INTEGER NOT NULL,     -- running number of the instrument
    rules           TEXT    NOT NULL,
    price_ticks     INTEGER,              -- null: nothing crossed
    price           TEXT,
    volume_lots     INTEGER NOT NULL,
    surplus_lots    INTEGER NOT NULL,     -- buy minus sell at the price
    reference_ticks INTEGER,              -- when it was held
    reference       TEXT
);
CREATE INDEX auctions_symbol ON auctions (symbol);

CREATE TABLE sales (
    sale              INTEGER PRIMARY KEY,
    title             TEXT    NOT NULL,
    state             TEXT    NOT NULL,  -- open, pending, finished
    tick_size         TEXT    NOT NULL,
    price_unit        TEXT    NOT NULL,
    currency          TEXT    NOT NULL,
    opening_ticks     INTEGER NOT NULL,
    opening           TEXT    NOT NULL,
    increment_ticks   INTEGER NOT NULL,
    increment         TEXT    NOT NULL,
    clock_ns          INTEGER NOT NULL,
    open_until_ns     INTEGER NOT NULL,  -- an outage moves it
    clock_due_ns      INTEGER,
    value_numerator   INTEGER NOT NULL,  -- value of a lot = ticks x grams x numerator / denominator, minor units
    value_denominator INTEGER NOT NULL,
    lots              INTEGER NOT NULL,
    lots_sold         INTEGER,           -- null until it has finished
    opened_seq        INTEGER NOT NULL,
    opened_ns         INTEGER NOT NULL,
    finished_seq      INTEGER,
    finished_ns       INTEGER
);
CREATE INDEX sales_finished ON sales (finished_seq) WHERE finished_seq IS NOT NULL;

CREATE TABLE sale_lots (
    sale        INTEGER NOT NULL,
    lot         INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    bags        INTEGER NOT NULL,
    bag_grams   INTEGER NOT NULL,
    attributes  TEXT    NOT NULL,  -- JSON object
    state       TEXT    NOT NULL,  -- open, sold, passed_in
    price_ticks INTEGER,           -- current price, never a maximum
    price       TEXT,
    bids        INTEGER NOT NULL DEFAULT 0,
    winner      INTEGER,           -- once it is sold
    seller      INTEGER,           -- once it is sold
    value_minor,                   -- integer; decimal text from 2^63
    PRIMARY KEY (sale, lot)
) WITHOUT ROWID;

CREATE TABLE rejects (
    account INTEGER NOT NULL,  -- 0: no such account
    reason  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (account, reason)
) WITHOUT ROWID;

-- With the time as UTC text. (As generated columns they would be computed at every insert.)
CREATE VIEW order_history AS
    SELECT *, strftime('%Y-%m-%dT%H:%M:%S', entered_ns / 1000000000, 'unixepoch') || printf('.%06dZ', entered_ns / 1000 % 1000000) AS entered,
           strftime('%Y-%m-%dT%H:%M:%S', closed_ns / 1000000000, 'unixepoch') || printf('.%06dZ', closed_ns / 1000 % 1000000) AS closed
    FROM orders;

CREATE VIEW auction_history AS
    SELECT *, strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', ts_ns / 1000 % 1000000) AS time
    FROM auctions;

-- What everyone may see of a fill.
CREATE VIEW trades AS
    SELECT symbol, trade_id, kind, taker_side AS side, price_ticks, price, qty_lots, ts_ns,
           strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', ts_ns / 1000 % 1000000) AS time
    FROM fills;

-- What each party may see of its fills: one row a side, nothing of the other side.
CREATE VIEW account_fills AS
    SELECT f.buy_account AS account, f.fill, f.seq, f.idx, f.symbol, f.trade_id, 'buy' AS side,
           CASE WHEN f.kind = 'call' THEN 'call' WHEN f.taker_side = 'buy' THEN 'taker' ELSE 'maker' END AS role,
           f.buy_order AS order_id, f.price_ticks, f.price, f.qty_lots, f.value_minor, i.currency, f.kind, f.ts_ns,
           strftime('%Y-%m-%dT%H:%M:%S', f.ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', f.ts_ns / 1000 % 1000000) AS time
    FROM fills f JOIN instruments i USING (symbol)
    UNION ALL
    SELECT f.sell_account, f.fill, f.seq, f.idx, f.symbol, f.trade_id, 'sell',
           CASE WHEN f.kind = 'call' THEN 'call' WHEN f.taker_side = 'sell' THEN 'taker' ELSE 'maker' END,
           f.sell_order, f.price_ticks, f.price, f.qty_lots, f.value_minor, i.currency, f.kind, f.ts_ns,
           strftime('%Y-%m-%dT%H:%M:%S', f.ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', f.ts_ns / 1000 % 1000000)
    FROM fills f JOIN instruments i USING (symbol);
