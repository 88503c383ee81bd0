"""Every maximum of the venue, by name, in one place.

A limit that can reject a command is logical: it is the same on every machine and is part of the rules. Array sizes are
not limits; they grow without being seen. The relations between limits are asserted at the end of the file.
"""

# Numbers (DESIGN section 1, invariant 8)
PRICE_TICKS_MAX = 10**9  # |price| in ticks
QTY_LOTS_MAX = 10**12  # quantity of one order, in lots
NOTIONAL_MAX = 2**62  # |price| * quantity * multiplier of one order
SIDE_TOTAL_LOTS_MAX = 2**62  # open quantity on one side of one book
MULTIPLIER_MAX = 10**9  # instrument's integer multiplier of price * quantity

# Rows
ROW_BYTES = 64
RECORD_HEADER_BYTES = 128
RECORD_BYTES_MAX = 256 * 1024
RECORD_COMMANDS_MAX = 4_000  # commands in one record; a batch is at most one record
RECORD_ALIGN_BYTES = 64
BODY_BYTES_MAX = 64 * 1024  # body of one cold command
SEGMENT_BYTES = 64 * 1024 * 1024
SEGMENT_BYTES_MIN = 2 * 1024 * 1024  # of one that a venue may be configured for
SEGMENT_BYTES_MAX = 1024 * 1024 * 1024  # of one that is read
SEGMENT_HEADER_BYTES = 4096
ARCHIVE_CHUNK_BYTES = 1024 * 1024  # compressed at a time, some 2 ms

# Snapshots
SNAPSHOTS_KEPT = 2  # the older one stands in when the newer is damaged
SNAPSHOT_EVERY_COMMANDS = 1_000_000  # whichever comes first; none while nothing happens
SNAPSHOT_EVERY_SECONDS = 300.0
SNAPSHOT_AT_END_COMMANDS = 10_000  # an orderly end makes one when a start would have so many to replay
# Written and synced at a time, while the log commits on the same disk; see ZERO_CHUNK_BYTES.
SNAPSHOT_CHUNK_BYTES = 256 * 1024
SNAPSHOT_PAUSE_SECONDS = 0.004  # after each such piece: 50 MB/s, and the disk is the log's in between
SNAPSHOT_DIRECTORY_BYTES_MAX = 1024 * 1024

# Disk space. The low-water mark is the sum of what may be written after it is passed and before anyone notices, and of
# what a venue that only cancels still needs to end its day in order.
STORAGE_LOOK_SECONDS = 1.0  # between two looks at the free space; before a segment is prepared there is one more
SEGMENT_SPARE_BYTES = 1024 * 1024  # that must be left beside a segment prepared ahead: directories, status files
FOLLOWED_BYTES_PER_SECOND_MAX = 256 * 1024 * 1024  # events and SQLite; four times what 1 M commands/s add in events
SNAPSHOT_BYTES_RESERVED = 512 * 1024 * 1024  # a third one, beside two kept, of some millions of open orders
STORAGE_LOW_SEGMENTS_MIN = 3  # of the log: one a look allowed, one ahead of it, one for what goes on when low
STORAGE_LOW_BYTES = 1024 * 1024 * 1024
STATUS_FILE_BYTES = 8 * 1024  # of serve.status and its like, whatever they say

# Event segments: derived, so these are no part of the rules
EVENT_SEGMENT_BYTES = 64 * 1024 * 1024  # a segment is closed before it grows beyond; one larger frame stands alone
EVENT_FRAME_BYTES_MAX = 2**33  # one record may fill every open order
EVENT_SYNC_BYTES = 1024 * 1024  # written between two syncs, so that the log's own never queue behind much
EVENT_READ_BYTES = 2 * 1024 * 1024  # looked at in one poll, unless one frame alone is longer
EVENT_PACK_BYTES = 256 * 1024  # of a closed segment, compressed or compared at a time

# Book
INSTRUMENTS_MAX = 65_535  # u2 in the hot order
ORDERS_MAX = 2**26  # open orders in one shard
ICEBERG_PARTS_MAX = 1_000  # shown one after another, so that no order makes one command endless
SLOTS_INITIAL = 1_024  # first length of the ring of free slots; it doubles when it is empty
GENERATION_MAX = 2**31 - 1  # so that an order id is a positive int64
WINDOW_TICKS_MIN = 64
WINDOW_TICKS_MAX = 2**18
WINDOW_TICKS_DEFAULT = 1_024

# Parties
ACCOUNTS_MAX = 1_000_000
STREAMS_MAX = 2**20  # (account, stream) pairs of the packed form
STREAMS_PER_ACCOUNT_MAX = 2**12
KEYS_MAX = 1_000_000
CURRENCIES_MAX = 1_000  # of instruments, ever
ACCOUNT_LIMITS_MAX = 1_000_000  # (account, currency) pairs that have a limit
CLIENT_IDS_MAX = 2**22  # text ids remembered, open and closed; those of hot and of cold commands count apart
CLIENT_IDS_PER_ACCOUNT_MAX = 2**18  # of either
CLIENT_ID_CHARS_MAX = 36
CLIENT_ID_EXACT_BYTES = 15  # longer text ids are held as a 128-bit digest
CLIENT_ID_MEMORY_NS = 24 * 3600 * 10**9  # how long a closed text id is remembered at least

# Cold state
TIMERS_MAX = 1_000_000
SCHEDULE_ENTRIES_MAX = 1_000  # entries in one SCHEDULE command
RANDOM_END_NS_MAX = 600 * 10**9  # window after its announced time in which an uncross comes
COLLAR_BPS_MAX = 1_000_000
EXTENSION_NS_MIN = 10**9  # of a call whose price lies outside its corridor
EXTENSION_NS_MAX = 3600 * 10**9
EXTENSIONS_MAX = 10  # of one call
WIDEN_BPS_MAX = 100_000  # of the corridor's half-width, with each extension
CANCEL_AFTER_NS_MIN = 10**9
CANCEL_AFTER_NS_MAX = 24 * 3600 * 10**9
BUSTS_MAX = 100_000  # trades busted or corrected, ever
SALES_MAX = 100_000
SALE_LOTS_MAX = 1_000  # auction lots in one sale
SALE_INCREMENTS_MAX = 10**9  # ticks of one bid increment
SALE_INCREMENT_ROWS_MAX = 100  # of a table of increments
CLOCK_PRODUCTS_MAX = 200  # of one clock sale: grades times shipment months
CLOCK_ROUNDS_MAX = 1_000
CLOCK_EXCESS_BPS_MAX = 10**7  # a thousand times the supply
CLOCK_PROXY_LIMITS_MAX = 20  # of one product
PACKAGE_SETS_MAX = 100  # exclusive sets of one account, or shared ones of one sale
PACKAGES_PER_SET_MAX = 50
PACKAGE_PARTS_MAX = 50  # lots in one package
PACKAGE_BIDS_MAX = 2_000  # in one sale
PACKAGE_LOTS_MAX = 200
PACKAGE_LOOKS_MAX = 100_000  # at bids, in the venue's own enumeration: some 50 ms
PROOF_DEPTH_MAX = 200  # decisions on the path to one leaf
PROOF_LEAVES_MAX = 20_000  # of one proof that wait to be merged
PROPOSAL_LINE_BYTES_MAX = 128 * 1024  # of a solver's process, one proposal
PROOF_LEAVES_PER_COMMAND_MAX = 8  # each some ms
SALE_CLOCK_NS_MIN = 10**9
SALE_CLOCK_NS_MAX = 24 * 3600 * 10**9
SALE_INTERVAL_NS_MIN = 10**8  # that a price of a Dutch or Japanese clock stands
SALE_STEPS_MAX = 100_000  # from the start of a Dutch clock to its floor
SALE_BIDDERS_MAX = 10_000  # registered or admitted in one sale
SALE_BIDS_MAX = 1_000_000  # taken in one sale, those that wait among them
SEASONS_MAX = 100_000
AWARDS_MAX = 2**31 - 1
AWARD_NS_MIN = 3600 * 10**9  # that a party has to act in, at least
AWARD_NS_MAX = 366 * 24 * 3600 * 10**9
AWARD_ASKS_MAX = 3  # claims for allowance on one award
AWARD_SHARES_MAX = 200  # of a buying group
AWARD_DOCUMENTS_MAX = 32  # that a contract names
SEALED_CIPHERTEXT_BYTES_MAX = 8 * 1024  # of one sealed bid
SEALED_BLOCK_BYTES = 256  # contents are padded to a multiple, less the tag
SEALED_STEPS_MAX = 256  # prices and bags in one bid
SEALED_BIDS_MAX = 10_000  # that stand in one sale
SEALED_ACCOUNT_BYTES_MAX = 256 * 1024  # of one account's that stand in one sale
SEALED_KEYS_PER_COMMAND_MAX = 128  # each opens a bid, some 20 us
SEALED_KEYS_NS_MIN = 10**9  # after the closing time, for keys to come
SEALED_KEYS_NS_MAX = 31 * 24 * 3600 * 10**9

# Auction lots
AUCTION_LOTS_MAX = 100_000  # described in the catalogue, ever
BAG_GRAMS_MIN = 1_000
BAG_GRAMS_MAX = 100_000
LOT_GRAMS_MIN = 1_000
CONTAINER_GRAMS_MAX = 40_000_000
LOT_CONTAINERS_MAX = 1_000
LOT_WEIGHT_TOLERANCE_BPS = 50  # between the stated weight and that of the bags
LOT_NUMBER_MAX = 10**12  # of anything counted in a description, before the rules judge it
LOT_DEFECTS_MAX = 350  # in a sample of 350 g
LOT_TEXT_CHARS_MAX = 120
LOT_SCOPE_MAX = 16  # products of a certificate, claims of a lot
LOT_COMPONENTS_MAX = 64
LOT_CERTIFICATES_MAX = 16
LOT_SAMPLES_MAX = 8
LOT_DOCUMENTS_MAX = 32
LOT_PLOTS_MAX = 100  # documents of plots; each may hold many
CROP_YEAR_MIN = 2000
LOT_CSV_BYTES_MAX = 1024 * 1024  # of a file of lots, over HTTP the whole body
LOT_CSV_ROWS_MAX = 5_000
LOT_CSV_CELL_CHARS_MAX = 8_192
SEASON_INSTRUMENTS_MAX = 256  # whose call auctions belong to one season

# Gateway
INBOX_COMMANDS_MAX = 65_536  # commands waiting for the sequencer; above it the answer is `busy`
HTTP_BODY_BYTES_MAX = 1024 * 1024
HTTP_ORDER_BODY_BYTES_MAX = 64 * 1024
HTTP_HEADER_SECONDS_MAX = 10.0  # time a client may take to finish its request headers
HTTP_ORDERS_PER_BATCH_MAX = 256
WS_PRIVATE_FRAME_BYTES_MAX = 64 * 1024
WS_PUBLIC_FRAME_BYTES_MAX = 4 * 1024
WS_PACKED_ROWS_MAX = 1_000  # rows in one packed frame
WS_AUTH_SECONDS_MAX = 5.0
WS_SUBSCRIPTIONS_MAX = 100
WS_QUEUE_MESSAGES_MAX = 1_024
WS_QUEUE_BYTES_MAX = 1024 * 1024
FEED_RING_MESSAGES = 4_096  # messages a feed can replay after a gap
FILE_HANDLES_MIN = 32  # that a venue can open at its start: loop, log, sockets, history, a child
CONNECTIONS_MAX = 10_000
CONNECTIONS_PER_KEY_MAX = 20
CONNECTIONS_PER_ADDRESS_MAX = 50
MIN_SEQ_WAIT_SECONDS_MAX = 1.0
PAGE_LIMIT_DEFAULT = 100
PAGE_LIMIT_MAX = 1_000
BOOK_DEPTH_MAX = 1_000

# Offline commands
CLEAR_FILE_BYTES_MAX = 512 * 1024 * 1024
CLEAR_ORDERS_MAX = 4_000_000  # orders in one file of `qhatu clear`

assert CLEAR_ORDERS_MAX * QTY_LOTS_MAX <= SIDE_TOTAL_LOTS_MAX, "the totals of a file cannot overflow"
assert PRICE_TICKS_MAX < 2**31, "a price fits the i4 of a row"
assert RECORD_HEADER_BYTES + RECORD_COMMANDS_MAX * ROW_BYTES <= RECORD_BYTES_MAX, "a full batch fits one record"
assert RECORD_HEADER_BYTES + ROW_BYTES + BODY_BYTES_MAX <= RECORD_BYTES_MAX, "the largest body fits one record"
assert 18 * SEALED_STEPS_MAX + 64 <= SEALED_CIPHERTEXT_BYTES_MAX - SEALED_BLOCK_BYTES, "the largest bid fits"
assert SEALED_CIPHERTEXT_BYTES_MAX + 256 <= BODY_BYTES_MAX, "a sealed bid fits one command"
assert 48 * SEALED_KEYS_PER_COMMAND_MAX + 64 <= BODY_BYTES_MAX, "so do the keys of an opening"
assert SEALED_ACCOUNT_BYTES_MAX >= SEALED_CIPHERTEXT_BYTES_MAX
assert WS_PACKED_ROWS_MAX * ROW_BYTES <= WS_PRIVATE_FRAME_BYTES_MAX, "a full packed frame fits the frame limit"
assert WS_PACKED_ROWS_MAX <= RECORD_COMMANDS_MAX, "a packed frame is never split over two records"
assert HTTP_ORDERS_PER_BATCH_MAX <= RECORD_COMMANDS_MAX
assert GENERATION_MAX << 32 < 2**63
assert 16 * STREAMS_PER_ACCOUNT_MAX <= STREAMS_MAX, "a few accounts cannot fill what all share"
assert 16 * CLIENT_IDS_PER_ACCOUNT_MAX <= CLIENT_IDS_MAX
assert CLIENT_IDS_MAX < 2**24, "an index place has 24 bits for the entry"
assert SEGMENT_BYTES_MIN >= SEGMENT_HEADER_BYTES + 4 * RECORD_BYTES_MAX
assert SEGMENT_BYTES_MIN <= SEGMENT_BYTES <= SEGMENT_BYTES_MAX
assert (
    STORAGE_LOW_SEGMENTS_MIN * SEGMENT_BYTES
    + STORAGE_LOOK_SECONDS * FOLLOWED_BYTES_PER_SECOND_MAX
    + SNAPSHOT_BYTES_RESERVED
    + SEGMENT_SPARE_BYTES
    <= STORAGE_LOW_BYTES
), "storage_low is announced before the log can fail"
assert EVENT_FRAME_BYTES_MAX > ORDERS_MAX * ROW_BYTES + RECORD_BYTES_MAX, "the events of a whole book fit one frame"
assert EVENT_SYNC_BYTES < EVENT_SEGMENT_BYTES
assert WINDOW_TICKS_MIN <= WINDOW_TICKS_DEFAULT <= WINDOW_TICKS_MAX
assert ORDERS_MAX < 2**31, "a slot fits the i4 links of a hot order"
assert CURRENCIES_MAX < 2**16, "the number of a currency fits the u2 of a book"
