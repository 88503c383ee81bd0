-- What a person asks of the venue's history, kept by the SQLite sink. Derived from the log alone: delete the file and it is
-- rebuilt, row for row. Orders and fills, of which there are many, stand as whole numbers: prices in ticks, quantities in
-- lots, times as ns since 1970, and codes whose names are in `codes`. The views at the end show them as a person reads
-- them (`SELECT * FROM fills_readable LIMIT 5`): with names, symbols, decimal prices, money in minor units, UTC times.
-- No key hash and no maximum of a proxy bid is ever stored.

CREATE TABLE cursor (
    shard        INTEGER PRIMARY KEY,
    number       INTEGER NOT NULL,  -- record applied last
    seq          INTEGER NOT NULL,  -- its last command: the `as_of` of every answer
    ts_ns        INTEGER NOT NULL,
    event_digest BLOB    NOT NULL   -- over all events up to seq
);

CREATE TABLE codes (
    field TEXT    NOT NULL,  -- side, type, time_in_force, reason
    code  INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    PRIMARY KEY (field, code)
) WITHOUT ROWID;

CREATE TABLE accounts (
    account    INTEGER PRIMARY KEY,
    label      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    opened_seq INTEGER NOT NULL,
    opened_ns  INTEGER NOT NULL,
    group_number INTEGER NOT NULL DEFAULT 0,  -- accounts of one owner; 0: none
    frozen       INTEGER NOT NULL DEFAULT 0,
    coop         INTEGER NOT NULL DEFAULT 0
);

-- What an account may have open in a currency; 0: no limit.
CREATE TABLE account_limits (
    account    INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    buy_max    INTEGER NOT NULL,
    sell_max   INTEGER NOT NULL,
    orders_max INTEGER NOT NULL,
    PRIMARY KEY (account, currency)
) WITHOUT ROWID;

CREATE TABLE instruments (
    instrument        INTEGER PRIMARY KEY,
    symbol            TEXT    NOT NULL UNIQUE,
    name              TEXT    NOT NULL,
    commodity         TEXT    NOT NULL,
    tick_size         TEXT    NOT NULL,
    tick_units        INTEGER NOT NULL,  -- tick_size = tick_units / tick_scale
    tick_scale        INTEGER NOT NULL,  -- 1 and a zero for each decimal of the tick
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
    listed_ns         INTEGER NOT NULL,
    delisted_seq      INTEGER,
    delisted_ns       INTEGER
);

CREATE TABLE orders (
    seq           INTEGER PRIMARY KEY,  -- of the command that entered it
    order_id      INTEGER NOT NULL,
    account       INTEGER NOT NULL,
    instrument    INTEGER NOT NULL,
    side          INTEGER NOT NULL,
    type          INTEGER NOT NULL,     -- as it is now: a stop that was triggered is a market or limit order
    time_in_force INTEGER NOT NULL,
    price_ticks   INTEGER NOT NULL,  -- 0 without a limit: its type says so
    qty_lots      INTEGER NOT NULL,  -- filled so far plus open when it was entered or last changed
    filled_lots   INTEGER NOT NULL,
    entered_ns    INTEGER NOT NULL,
    closed_seq    INTEGER NOT NULL,  -- of the command that ended it; 0: it is open
    closed_ns     INTEGER NOT NULL,
    close_reason  INTEGER NOT NULL,  -- 0 while it is open, and when it was filled
    client_stream INTEGER,           -- client id of the packed form
    client_number INTEGER,
    client_text   TEXT               -- client id that is a text
);

-- What few orders have.
CREATE TABLE order_terms (
    seq          INTEGER PRIMARY KEY,  -- of the command that entered it
    display_lots INTEGER,              -- of an iceberg
    stop_ticks   INTEGER,              -- of a stop, triggered or not
    expire_ns    INTEGER
);

-- One row per fill, both sides. Its name for ever is (shard, seq, idx). What one account may see of it: account_fills.
CREATE TABLE fills (
    fill         INTEGER PRIMARY KEY,  -- running number over the whole venue, without a gap
    seq          INTEGER NOT NULL,
    idx          INTEGER NOT NULL,
    ts_ns        INTEGER NOT NULL,     -- never falls
    instrument   INTEGER NOT NULL,
    trade_id     INTEGER NOT NULL,     -- public running number of the instrument
    taker_side   INTEGER NOT NULL,     -- 2: a call has no taker
    price_ticks  INTEGER NOT NULL,
    qty_lots     INTEGER NOT NULL,
    buy_account  INTEGER NOT NULL,
    buy_order    INTEGER NOT NULL,
    sell_account INTEGER NOT NULL,
    sell_order   INTEGER NOT NULL,
    state        INTEGER NOT NULL DEFAULT 0  -- 1: corrected, to the price and quantity here; 2: busted
);

-- What an operator said of trades of the past. `fills` has what holds.
CREATE TABLE corrections (
    seq                INTEGER PRIMARY KEY,
    ts_ns              INTEGER NOT NULL,
    fill_seq           INTEGER NOT NULL,
    fill_idx           INTEGER NOT NULL,
    state              INTEGER NOT NULL,  -- 1: corrected, 2: busted
    price_ticks_before INTEGER NOT NULL,
    qty_lots_before    INTEGER NOT NULL,
    price_ticks        INTEGER NOT NULL,
    qty_lots           INTEGER NOT NULL,
    why                TEXT    NOT NULL
);

-- Calls with a random end: what was committed to, and the seed once it was told (engine/markets/random_end.py).
CREATE TABLE random_ends (
    seq          INTEGER NOT NULL,
    idx          INTEGER NOT NULL,
    ts_ns        INTEGER NOT NULL,
    instrument   INTEGER NOT NULL,
    announced_ns INTEGER NOT NULL,
    window_ns    INTEGER NOT NULL,
    commitment   TEXT    NOT NULL UNIQUE,  -- BLAKE2b-256 of the seed, hexadecimal
    seed         TEXT,
    revealed_seq INTEGER,
    revealed_ns  INTEGER,
    PRIMARY KEY (seq, idx)
) WITHOUT ROWID;

-- Which fills are an account's or an instrument's, and which orders of an account were entered and closed: for each block
-- of the log one row with all of them, the oldest first, as little-endian numbers. Indexes on `orders` and `fills` would
-- take four times as long as the rows themselves, and would change a page for each account with every transaction.
CREATE TABLE fills_of_account (
    block   INTEGER NOT NULL,  -- fill / 16384
    account INTEGER NOT NULL,
    entries BLOB    NOT NULL,  -- fill % 16384 in 2 bytes each
    PRIMARY KEY (block, account)
) WITHOUT ROWID;

CREATE TABLE fills_of_instrument (
    block      INTEGER NOT NULL,
    instrument INTEGER NOT NULL,
    entries    BLOB    NOT NULL,
    PRIMARY KEY (block, instrument)
) WITHOUT ROWID;

CREATE TABLE orders_of_account (
    block   INTEGER NOT NULL,  -- seq / 16384
    account INTEGER NOT NULL,
    entries BLOB    NOT NULL,  -- seq % 16384 in 2 bytes and order_id in 8 each
    PRIMARY KEY (block, account)
) WITHOUT ROWID;

CREATE TABLE closed_of_account (
    block   INTEGER NOT NULL,  -- closed_seq / 16384
    account INTEGER NOT NULL,
    entries BLOB    NOT NULL,  -- closed_seq % 16384 in 2 bytes and seq in 8 each; also of some that did not close
    PRIMARY KEY (block, account)
) WITHOUT ROWID;

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
    state             TEXT    NOT NULL,  -- planned, open, pending, finished, void
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
    opened_seq        INTEGER NOT NULL,  -- planned, until it has opened
    opened_ns         INTEGER NOT NULL,
    finished_seq      INTEGER,
    finished_ns       INTEGER,
    mechanism         TEXT    NOT NULL,  -- english, sealed, dutch, reverse, japanese, clock, packages
    season            INTEGER NOT NULL,  -- 0: none
    version           INTEGER NOT NULL,  -- of the plan
    stage             TEXT    NOT NULL DEFAULT 'planned'
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
    winner      INTEGER,           -- once it is sold; of a divided lot, the last
    seller      INTEGER,           -- once it is sold
    sold_bags   INTEGER NOT NULL DEFAULT 0,
    value_minor,                   -- of what is sold of it: integer; decimal text from 2^63
    PRIMARY KEY (sale, lot)
) WITHOUT ROWID;

-- What the hammer told, as it told it: several rows of a divided lot. What became of it stands in `awards`.
CREATE TABLE sale_results (
    seq         INTEGER NOT NULL,
    idx         INTEGER NOT NULL,
    ts_ns       INTEGER NOT NULL,
    sale        INTEGER NOT NULL,
    lot         INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    price       TEXT    NOT NULL,
    bags        INTEGER NOT NULL,
    value_minor         NOT NULL,  -- integer; decimal text from 2^63
    buyer       INTEGER NOT NULL,
    seller      INTEGER NOT NULL,
    PRIMARY KEY (seq, idx)
) WITHOUT ROWID;
CREATE INDEX sale_results_lot ON sale_results (sale, lot);

-- What accounts were told of their bids, without maxima and limits, and without sealed ones before they are opened.
CREATE TABLE sale_bids (
    seq         INTEGER NOT NULL,
    idx         INTEGER NOT NULL,
    ts_ns       INTEGER NOT NULL,
    sale        INTEGER NOT NULL,
    lot         INTEGER NOT NULL,  -- 0: the whole sale
    account     INTEGER NOT NULL,
    event       TEXT    NOT NULL,
    price_ticks INTEGER,           -- of the lot
    bid         INTEGER,           -- sequence of the bid that it is about, where that is another
    PRIMARY KEY (seq, idx)
) WITHOUT ROWID;

CREATE TABLE awards (
    award       INTEGER PRIMARY KEY,
    sale        INTEGER NOT NULL,
    lot         INTEGER NOT NULL,
    seller      INTEGER NOT NULL,
    buyer       INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    price       TEXT    NOT NULL,
    bags        INTEGER NOT NULL,
    value_minor         NOT NULL,  -- integer; decimal text from 2^63
    state       TEXT    NOT NULL,
    due_ns      INTEGER,           -- of the party whose turn it is
    made_seq    INTEGER NOT NULL,
    seq         INTEGER NOT NULL,  -- of the newest state
    ts_ns       INTEGER NOT NULL
);
CREATE INDEX awards_lot ON awards (sale, lot);

CREATE TABLE rejects (
    account INTEGER NOT NULL,  -- 0: no such account
    reason  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (account, reason)
) WITHOUT ROWID;

-- For people: names for codes, symbols, prices and values, times as UTC text.

CREATE VIEW orders_readable AS
    SELECT order_id, account, symbol,
           (SELECT name FROM codes WHERE field = 'side' AND code = side) AS side,
           (SELECT name FROM codes WHERE field = 'type' AND code = type) AS type,
           (SELECT name FROM codes WHERE field = 'time_in_force' AND code = time_in_force) AS time_in_force,
           iif(type IN (1, 2, 3), NULL, price_ticks) AS price_ticks,
           CASE WHEN type IN (1, 2, 3) OR tick_units > 9000000000 THEN NULL
                WHEN tick_scale = 1 THEN CAST(price_ticks * tick_units AS TEXT)
                ELSE printf('%s%d.%0*d', iif(price_ticks < 0, '-', ''), abs(price_ticks * tick_units) / tick_scale,
                            length(tick_scale) - 1, abs(price_ticks * tick_units) % tick_scale) END AS price,
           qty_lots, filled_lots, iif(closed_seq > 0, 0, qty_lots - filled_lots) AS open_lots,
           CASE WHEN close_reason > 0 THEN 'cancelled' WHEN closed_seq > 0 THEN 'filled' WHEN filled_lots > 0 THEN 'partial'
                WHEN type IN (3, 4) THEN 'waiting' ELSE 'open' END AS status,
           iif(client_stream IS NULL, client_text, printf('%u/%u', client_stream, client_number)) AS client_order_id,
           display_lots, stop_ticks, expire_ns,
           seq, entered_ns, nullif(closed_seq, 0) AS closed_seq, nullif(closed_ns, 0) AS closed_ns,
           (SELECT name FROM codes WHERE field = 'reason' AND code = nullif(close_reason, 0)) AS close_reason,
           strftime('%Y-%m-%dT%H:%M:%S', entered_ns / 1000000000, 'unixepoch') || printf('.%06dZ', entered_ns / 1000 % 1000000) AS entered,
           strftime('%Y-%m-%dT%H:%M:%S', nullif(closed_ns, 0) / 1000000000, 'unixepoch') || printf('.%06dZ', closed_ns / 1000 % 1000000) AS closed
    FROM orders JOIN instruments USING (instrument) LEFT JOIN order_terms USING (seq);

-- value_minor is null where ticks x lots x numerator goes beyond 64 bits, price where a tick does; `qhatu export` has them.
CREATE VIEW fills_readable AS
    SELECT fill, seq, idx, symbol, trade_id, iif(taker_side = 2, 'call', 'continuous') AS kind,
           (SELECT name FROM codes WHERE field = 'side' AND code = taker_side) AS taker_side, price_ticks,
           CASE WHEN tick_units > 9000000000 THEN NULL
                WHEN tick_scale = 1 THEN CAST(price_ticks * tick_units AS TEXT)
                ELSE printf('%s%d.%0*d', iif(price_ticks < 0, '-', ''), abs(price_ticks * tick_units) / tick_scale,
                            length(tick_scale) - 1, abs(price_ticks * tick_units) % tick_scale) END AS price,
           qty_lots,
           -- half to even: what is left is more than half a unit, or just half a unit and the whole is odd
           CASE WHEN typeof(product) = 'integer' THEN product / value_denominator + iif(product < 0, -1, 1) * (
                    abs(product % value_denominator) > value_denominator - abs(product % value_denominator)
                    OR (abs(product % value_denominator) = value_denominator - abs(product % value_denominator)
                        AND product / value_denominator % 2 <> 0)) END AS value_minor,
           currency, buy_account, buy_order, sell_account, sell_order,
           CASE state WHEN 1 THEN 'corrected' WHEN 2 THEN 'busted' ELSE 'done' END AS state, ts_ns,
           strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', ts_ns / 1000 % 1000000) AS time
    FROM (SELECT *, price_ticks * qty_lots * value_numerator AS product FROM fills JOIN instruments USING (instrument));

CREATE VIEW auctions_readable AS
    SELECT *, strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000, 'unixepoch') || printf('.%06dZ', ts_ns / 1000 % 1000000) AS time
    FROM auctions;

-- What everyone may see of a fill.
CREATE VIEW trades AS
    SELECT symbol, trade_id, kind, taker_side AS side, price_ticks, price, qty_lots, state, ts_ns, time FROM fills_readable;

-- What each party may see of its fills: one row a side, nothing of the other side.
CREATE VIEW account_fills AS
    SELECT buy_account AS account, fill, seq, idx, symbol, trade_id, 'buy' AS side,
           CASE WHEN kind = 'call' THEN 'call' WHEN taker_side = 'buy' THEN 'taker' ELSE 'maker' END AS role,
           buy_order AS order_id, price_ticks, price, qty_lots, value_minor, currency, kind, state, ts_ns, time
    FROM fills_readable
    UNION ALL
    SELECT sell_account, fill, seq, idx, symbol, trade_id, 'sell',
           CASE WHEN kind = 'call' THEN 'call' WHEN taker_side = 'sell' THEN 'taker' ELSE 'maker' END,
           sell_order, price_ticks, price, qty_lots, value_minor, currency, kind, state, ts_ns, time
    FROM fills_readable;
