/** Between the page and the venue: what is read, what is subscribed, what is sent, and the key it is done with. */

import { Api, Problem, clientId } from "./api.js";
import { Feed } from "./feed.js";

const KEY_SLOT = "qhatu.key";
const CLOCK_SAMPLES = 3;
const CLOCK_EVERY_MS = 60_000;
const WATCHED_MAX = 40; // instruments whose prices the list follows; the venue allows 100 subscriptions a connection
const CALLS_SHOWN = 12;
const FILLS_READ = 50;
const SALE_READ_MS = 150;

export class Venue {
  constructor(state, notify) {
    this.state = state;
    this.notify = notify;
    this.api = new Api(sessionStorage.getItem(KEY_SLOT));
    this.ends = []; // of the selected instrument's subscriptions
    this.watched = new Map();
    state.onOutbid = (lot, price) => notify("bad", "sale.outbid.notice", { lot, price });
    this.saleTimers = new Map();
    this.feed = new Feed({
      onState: (link) => this.#linkChanged(link),
      onOpen: () => this.#reread(),
    });
  }

  async start() {
    if (!(await this.useKeyOfAddress())) {
      if (this.api.key) await this.useKey(this.api.key, { quiet: true });
      else this.feed.start(null);
    }
    this.feed.subscribe("status", null, (message) => this.#status(message));
    this.feed.subscribe("sales", null, (message) => this.#sales(message));
    setInterval(() => this.setClock().catch(() => {}), CLOCK_EVERY_MS);
  }

  /** Try a key; keep it for this tab when the venue knows it. Raises Problem when it does not. */
  async useKey(key, { quiet = false } = {}) {
    const trial = new Api(key);
    let account;
    try {
      account = await trial.get("accounts/me");
    } catch (problem) {
      if (problem.code === "unreachable") {
        this.api = trial; // not the key's fault: try again when the venue is back
        sessionStorage.setItem(KEY_SLOT, key);
        this.feed.start(key);
        return;
      }
      if (!quiet) throw problem;
      sessionStorage.removeItem(KEY_SLOT);
      this.api = new Api(null);
      this.state.signOut();
      this.notify("bad", "key.unknown");
      this.feed.start(null);
      return;
    }
    this.api = trial;
    sessionStorage.setItem(KEY_SLOT, key);
    this.state.signOut();
    this.#setAccount(account);
    this.feed.start(key);
  }

  /** Use the key of a link such as /#key=qk_...; false when the address has none. */
  async useKeyOfAddress() {
    const key = keyFromAddress();
    if (key) await this.useKey(key, { quiet: true });
    return Boolean(key);
  }

  forgetKey() {
    sessionStorage.removeItem(KEY_SLOT);
    this.api = new Api(null);
    this.endPrivate?.();
    this.endPrivate = null;
    this.state.signOut();
    this.feed.start(null);
  }

  /** Set the offset to venue time by the shortest of a few round trips. */
  async setClock() {
    let best = Infinity;
    for (let i = 0; i < CLOCK_SAMPLES; i += 1) {
      const sent = Date.now();
      const { now } = await this.api.get("time");
      const trip = Date.now() - sent;
      if (trip < best) {
        best = trip;
        this.state.offsetMs = Date.parse(now) - (sent + trip / 2);
      }
    }
    this.state.changed("clock");
  }

  /** Show another instrument: its book, trades, calls; the old one's feeds end. */
  select(symbol) {
    const { state } = this;
    if (!state.instruments.has(symbol)) return;
    for (const end of this.ends) end();
    this.ends = [];
    Object.assign(state, { selected: symbol, book: null, trades: null, calls: null });
    state.changed("selected", "book", "trades", "auction", "calls");
    const mine = (take) => (message) => state.selected === symbol && take(message);
    this.ends.push(this.feed.subscribe("book", symbol, mine((message) => {
      if (message.type === "snapshot") state.bookSnapshot(message);
      else state.bookUpdate(message);
    })));
    this.#unwatch(symbol);
    this.#watch(symbol);
    this.readCalls();
  }

  /** Last trade and indication of every instrument in the list (the first WATCHED_MAX, and the selected one). */
  #watch(symbol) {
    if (this.watched.has(symbol)) return;
    const ends = [
      this.feed.subscribe("trades", symbol, (message) => {
        this.state.addTrades(symbol, newestFirst(message.trades), message.type === "snapshot");
      }),
      this.feed.subscribe("auction", symbol, (message) => this.state.setIndication(symbol, message)),
    ];
    this.watched.set(symbol, ends);
  }

  #unwatch(symbol) {
    for (const end of this.watched.get(symbol) ?? []) end();
    this.watched.delete(symbol);
  }

  async readCalls() {
    const symbol = this.state.selected;
    if (!symbol) return;
    try {
      const answer = await this.api.get(`auctions?instrument=${encodeURIComponent(symbol)}&limit=${CALLS_SHOWN}`);
      if (this.state.selected !== symbol) return;
      this.state.calls = answer.auctions;
      this.state.changed("calls");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  }

  candles(symbol, interval) {
    return this.api.get(`instruments/${encodeURIComponent(symbol)}/candles?interval=${interval}`);
  }

  // what a key may do -------------------------------------------------------------------------------------------------

  /** The order request with its own number: sending the same object again asks for the same order's first answer. */
  newOrder(fields) {
    return { ...fields, client_order_id: clientId() };
  }

  placeOrder(order) {
    return this.api.post("orders", order);
  }

  cancelOrder(order) {
    return this.api.delete(`orders/${encodeURIComponent(order.order_id)}`);
  }

  amendOrder(order, quantity) {
    return this.api.post(`orders/${encodeURIComponent(order.order_id)}/amend`, { quantity, client_order_id: clientId() });
  }

  cancelAllOrders() {
    return this.api.post("orders/cancel", {}, clientId("cancel"));
  }

  setStopped(on) {
    return this.api.post("kill-switch", { on, why: "by the operator's page" }, clientId("stop"));
  }

  setFrozen(account, frozen) {
    return this.api.post(`accounts/${account}`, { frozen }, clientId("freeze"));
  }

  async accounts() {
    return (await this.api.get("accounts")).accounts;
  }

  /** A bid: `offer` as the sale's mechanism takes it. Its answer is told by the feed as well. */
  async offer(sale, offer) {
    const answer = await this.api.post(`sales/${sale}/bids`, { offer, client_bid_id: clientId() });
    this.saleSoon(sale);
    return answer;
  }

  /** Something an account or operator does with a sale: register, admit, end, void, or a decision on a bid. */
  async act(sale, what, body) {
    const answer = await this.api.post(`sales/${sale}/${what}`, body, clientId("sale"));
    this.saleSoon(sale);
    return answer;
  }

  movePhase(symbol, phase) {
    return this.api.post(`instruments/${encodeURIComponent(symbol)}/phase`, { phase }, clientId("move"));
  }

  uncross(symbol, phase) {
    return this.api.post(`instruments/${encodeURIComponent(symbol)}/uncross`, { phase }, clientId("clear"));
  }

  /** Read a sale again, with what is the account's own, a moment from now: once for all that happens until then. */
  saleSoon(sale) {
    if (!this.api.key || this.saleTimers.has(sale)) return;
    this.saleTimers.set(sale, setTimeout(async () => {
      this.saleTimers.delete(sale);
      try {
        this.state.setSale(await this.api.get(`sales/${sale}`));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
      }
    }, SALE_READ_MS));
  }

  // what arrives ------------------------------------------------------------------------------------------------------

  #linkChanged(link) {
    this.state.link = { state: link, retryAt: this.feed.retryAt };
    this.state.changed("link");
    if (link === "refused") {
      this.notify("bad", "key.unknown");
      this.forgetKey();
    }
  }

  /** After every (re)connection: what the feeds do not bring. */
  async #reread() {
    try {
      await this.setClock();
      const { instruments } = await this.api.get("instruments");
      this.state.setInstruments(instruments);
      if (this.api.key && !this.state.account) this.#setAccount(await this.api.get("accounts/me"));
      this.#follow(instruments);
      await this.#readSales();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  }

  #follow(instruments) {
    for (const { symbol } of instruments.slice(0, WATCHED_MAX)) this.#watch(symbol);
    const wanted = symbolFromAddress();
    const { selected } = this.state;
    if (!selected || !this.state.instruments.has(selected)) {
      this.select(this.state.instruments.has(wanted) ? wanted : instruments[0]?.symbol);
    } else {
      this.readCalls();
      this.state.changed("reread");
    }
  }

  async #readSales() {
    const { sales } = await this.api.get("sales");
    for (const sale of sales) this.state.setSale(sale);
  }

  #setAccount(account) {
    this.state.account = account;
    this.state.changed("account");
    this.endPrivate?.();
    if (!account.roles.includes("trade")) {
      this.endPrivate = null;
      return;
    }
    const ends = [
      this.feed.subscribe("executions", null, (message) => this.#execution(message)),
      this.feed.subscribe("own_bids", null, (message) => this.#ownBid(message)),
    ];
    this.endPrivate = () => ends.forEach((end) => end());
  }

  async #readFills() {
    const { fills } = await this.api.get(`fills?limit=${FILLS_READ}`);
    for (const fill of fills.reverse()) this.state.addFill(fill);
  }

  #status({ instruments, type, storage, stopped, delisted }) {
    if (stopped !== this.state.stopped) {
      if (stopped) this.notify("bad", "venue.stopped");
      else if (this.state.stopped) this.notify("good", "venue.goes_on");
      this.state.stopped = stopped;
    }
    if (delisted?.length) this.#reread();
    if (storage === "low" && this.storage !== "low") this.notify("bad", "venue.storage.low");
    if (storage === "ok" && this.storage === "low") this.notify("good", "venue.storage.ok");
    this.storage = storage;
    this.state.setPhases(instruments);
    if (type === "update" && instruments.some(({ instrument }) => !this.state.instruments.has(instrument))) this.#reread();
    if (instruments.some(({ instrument }) => instrument === this.state.selected)) this.#callsSoon();
  }

  /** A call that has just cleared reaches the history a moment later. */
  #callsSoon() {
    clearTimeout(this.callsTimer);
    this.callsTimer = setTimeout(() => this.readCalls(), 700);
  }

  #sales(message) {
    const { state } = this;
    for (const sale of message.type === "snapshot" ? message.sales : [message]) {
      const before = state.sales.get(sale.sale_id);
      state.setSale(sale);
      if (!before || turnOf(before) !== turnOf(state.sales.get(sale.sale_id))) this.saleSoon(sale.sale_id);
    }
  }

  #execution(event) {
    const { state } = this;
    if (event.type === "snapshot") {
      state.setOrders(event.orders);
      this.#readFills().catch(() => {});
      return;
    }
    if (event.fill) state.addFill({ ...event, ...event.fill });
    if (["filled", "cancelled"].includes(event.state)) state.orders.delete(event.order_id);
    else if (event.open_quantity !== undefined) state.orders.set(event.order_id, event);
    state.changed("orders");
  }

  /** English sales tell the place on a lot, others what befell the account, with its place beside it. */
  #ownBid(message) {
    const { state } = this;
    if (message.type === "snapshot") {
      for (const bid of message.bids) state.setOwn(bid.sale, bid.lot, placeOf(bid));
      return;
    }
    const { sale, lot } = message;
    if (message.event) {
      state.setOwn(sale, lot, Object.fromEntries(Object.entries(message).filter(([name]) => name.startsWith("you"))), message.price);
      this.saleSoon(sale);
    } else state.setOwn(sale, lot, placeOf(message), message.price);
  }
}

const placeOf = ({ maximum, leading, won }) => ({ your_maximum: maximum, you_lead: leading, you_won: won });

/** What an account's own place may change with, though it did nothing itself. */
const turnOf = ({ stage, state, round, phase, outcome, version, lots }) =>
  [stage, state, round, phase, outcome, version, ...(lots ?? []).map((lot) => lot.round && `${lot.round} ${lot.state}`)].join();

function newestFirst(trades) {
  if (trades.length < 2) return trades;
  const number = (trade) => Number(trade.trade_id);
  return number(trades[0]) >= number(trades.at(-1)) ? trades : [...trades].reverse();
}

/** The key of a link such as /#key=qk_...; it is taken out of the address at once, so that it is not shared by accident. */
function keyFromAddress() {
  const found = /^#key=([^&]+)/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return decodeURIComponent(found[1]);
}

/** The instrument of a link such as /#/market/PE-CAJ-W1. */
export function symbolFromAddress() {
  const found = /^#\/market\/([^/]+)/.exec(location.hash);
  return found ? decodeURIComponent(found[1]) : null;
}

/** The view of a link such as /#/sales. */
export function viewFromAddress() {
  return /^#\/(market|sales|operator)/.exec(location.hash)?.[1] ?? "market";
}
