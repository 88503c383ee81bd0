/**
 * What the page knows, in one place. Feeds and answers write here and name the topic that changed; views are called
 * once per frame with what they listen to. Nothing here decides anything: the venue does.
 */

import { compare, parse, priceText, times, toTicks, valueMinor } from "./decimal.js";
import { count, money, number, t } from "./strings.js";

const TRADES_KEPT = 60;
const FILLS_KEPT = 100;
export const QUINTAL_COFFEE_KG = "46";
export const QUINTAL_METRIC_KG = "100";
export const COLLECTING = new Set(["pre_open", "call", "no_cancel", "frozen"]);
export const CALL_PHASES = new Set(["call", "no_cancel", "frozen"]);

export class State {
  constructor() {
    this.instruments = new Map(); // symbol -> instrument, with .last (trade) and .indication
    this.listed = false; // the list of instruments has arrived
    this.selected = null; // symbol
    this.view = "market"; // market, sales, operator
    this.book = null; // {phase, bids: [[price, qty, orders]...] best first, asks}
    this.trades = null; // newest first
    this.calls = null; // past calls of the selected instrument, newest first
    this.sales = new Map(); // sale_id -> public view
    this.own = new Map(); // "sale lot" -> what of a lot (0: of the whole sale) is the account's own: you_..., your_...
    this.account = null; // accounts/me, or null for the public
    this.orders = new Map(); // order_id -> own open order
    this.fills = []; // own, newest first
    this.link = { state: "connecting", retryAt: 0 };
    this.stopped = false; // by the operator's kill switch
    this.offsetMs = 0; // venue time minus this clock
    this.draft = {}; // the ticket as typed
    this.onOutbid = () => {};
    this.listeners = [];
    this.dirty = new Set();
  }

  /** Call draw() on the next frame after any of the topics has changed. Returns the function that ends it. */
  listen(topics, draw) {
    const listener = { topics: new Set(topics), draw };
    this.listeners.push(listener);
    return () => this.listeners.splice(this.listeners.indexOf(listener), 1);
  }

  changed(...topics) {
    if (!this.dirty.size) requestAnimationFrame(() => this.flush());
    for (const topic of topics) this.dirty.add(topic);
  }

  flush() {
    const dirty = this.dirty;
    this.dirty = new Set();
    for (const listener of [...this.listeners]) {
      if ([...dirty].some((topic) => listener.topics.has(topic))) listener.draw(dirty);
    }
  }

  /** Venue time in ms. */
  now() {
    return Date.now() + this.offsetMs;
  }

  get instrument() {
    return this.instruments.get(this.selected) ?? null;
  }

  may(role) {
    return this.account?.roles.includes(role) ?? false;
  }

  setInstruments(list) {
    const kept = this.instruments;
    this.instruments = new Map(
      list.map((one) => [one.symbol, { ...one, last: kept.get(one.symbol)?.last ?? null,
        indication: kept.get(one.symbol)?.indication ?? null }]),
    );
    this.listed = true;
    this.changed("instruments");
  }

  setPhases(list) {
    for (const { instrument, phase, next_moves: moves, collar } of list) {
      const known = this.instruments.get(instrument);
      if (known) Object.assign(known, { phase, next_moves: moves ?? [], collar: collar ?? null });
    }
    this.changed("instruments", "phase");
  }

  bookSnapshot({ phase, bids, asks }) {
    this.book = { phase, bids: [...bids], asks: [...asks] };
    this.changed("book");
  }

  bookUpdate({ phase, bids = [], asks = [] }) {
    if (!this.book) return;
    if (phase) this.book.phase = phase;
    for (const level of bids) put(this.book.bids, level, -1);
    for (const level of asks) put(this.book.asks, level, 1);
    this.changed("book");
  }

  setIndication(symbol, indication) {
    const known = this.instruments.get(symbol);
    if (!known) return;
    const curve = indication.curve ?? known.indication?.curve ?? null;
    known.indication = { ...indication, curve };
    known.reference = indication.reference;
    this.changed("instruments", ...(symbol === this.selected ? ["auction"] : []));
  }

  /** trades: newest first. */
  addTrades(symbol, trades, fresh) {
    const known = this.instruments.get(symbol);
    if (!known) return;
    const newest = trades[0];
    if (newest && (!known.last || Date.parse(newest.ts_engine) >= Date.parse(known.last.ts_engine))) known.last = newest;
    if (symbol === this.selected) {
      this.trades = (fresh ? trades : [...trades, ...(this.trades ?? [])]).slice(0, TRADES_KEPT);
      this.changed("trades");
    }
    this.changed("instruments");
  }

  /** A sale, or with `partial` those of its lots that changed. What is the account's own stands apart: feeds lack it. */
  setSale({ partial = false, ...view }) {
    const known = this.sales.get(view.sale_id);
    if (partial && !known) return;
    const changed = new Map(view.lots.map((lot) => [lot.lot, lot]));
    const lots = partial ? known.lots.map((lot) => changed.get(lot.lot) ?? lot) : view.lots;
    this.sales.set(view.sale_id, { ...(known?.operator && { operator: known.operator }), ...view, lots });
    this.#keepOwn(view.sale_id, 0, view);
    for (const lot of view.lots) this.#keepOwn(view.sale_id, lot.lot, lot);
    this.changed("sales");
  }

  #keepOwn(sale, lot, fields) {
    const own = Object.entries(fields).filter(([name]) => OWN_FIELD.test(name));
    if (own.length) this.setOwn(sale, lot, Object.fromEntries(own));
  }

  /** What is the account's own of a lot, or with 0 of a sale; {} where nothing is known. */
  ownOf(sale, lot) {
    return this.own.get(bidKey(sale, lot)) ?? {};
  }

  /** Whatever brings it, the loss of a lead is told once: onOutbid(lot, price). */
  setOwn(sale, lot, fields, price = null) {
    const before = this.ownOf(sale, lot);
    this.own.set(bidKey(sale, lot), { ...before, ...fields });
    this.changed("sales");
    if (before.you_lead && fields.you_lead === false) {
      this.onOutbid(lot, price ?? this.sales.get(sale)?.lots.find((one) => one.lot === lot)?.price ?? "");
    }
  }

  setOrders(list) {
    this.orders = new Map(list.map((order) => [order.order_id, order]));
    this.changed("orders");
  }

  addFill(fill) {
    if (this.fills.some((known) => sameFill(known, fill))) return;
    this.fills = [fill, ...this.fills].slice(0, FILLS_KEPT);
    this.changed("fills");
  }

  /** Forget all that belongs to a key. */
  signOut() {
    this.account = null;
    this.orders = new Map();
    this.fills = [];
    this.own = new Map();
    for (const sale of this.sales.values()) delete sale.operator;
    this.changed("account", "orders", "fills", "sales");
  }
}

const OWN_FIELD = /^your?_/;
const bidKey = (sale, lot) => `${sale} ${lot}`;
const sameFill = (a, b) => a.fill_id !== undefined && a.fill_id === b.fill_id && a.order_id === b.order_id;

/** Put a level into one side, best first; a quantity of 0 takes it out. */
function put(side, level, direction) {
  const [price, qty] = level;
  let at = 0;
  while (at < side.length && compare(side[at][0], price) * direction < 0) at += 1;
  const there = at < side.length && side[at][0] === price;
  if (parse(qty) === 0n) {
    if (there) side.splice(at, 1);
  } else side.splice(at, there ? 1 : 0, level);
}

/** Value in minor units of `qty` lots at `price`; null where the instrument does not say how. */
export function valueOf(instrument, price, qty) {
  if (!instrument?.value_numerator) return null;
  const { ticks } = toTicks(price, instrument.tick_size);
  if (ticks === undefined) return null;
  return valueMinor(ticks, BigInt(qty), instrument.value_numerator, instrument.value_denominator);
}

export function valueText(instrument, price, qty) {
  const value = valueOf(instrument, price, qty);
  return value === null ? "" : money(value, instrument.currency);
}

/** A price with the decimals of its instrument, as the reader writes numbers. */
export function shown(instrument, price) {
  return price === null || price === undefined ? "–" : number(price, instrument.price_decimals);
}

/** The price `steps` ticks away, on the tick even when `price` is not. */
export function stepped(instrument, price, steps) {
  const tick = parse(instrument.tick_size);
  const units = parse(price);
  if (units === null) return null;
  const below = (units - (((units % tick) + tick) % tick)) / tick;
  const off = units % tick !== 0n;
  return priceText(below + BigInt(steps) + (off && steps < 0 ? 1n : 0n), instrument.tick_size, instrument.price_decimals);
}

/** "bag of 69 kg" -> "bags": which noun counts its lots. */
export function nounOf(instrument) {
  const word = /^[a-z]+/i.exec(instrument?.lot_unit ?? "")?.[0].toLowerCase();
  return { bag: "bags", box: "boxes", sack: "sacks", quintal: "quintals", tonne: "tonnes" }[word] ?? "lots";
}

export function lots(instrument, qty) {
  return count(nounOf(instrument), BigInt(qty));
}

/** "bag of 69 kg" in the reader's language where its noun is known, else as the venue says it. */
export function lotText(instrument) {
  const noun = nounOf(instrument);
  const plain = /^[a-z]+( of [0-9.]+ kg)?$/i.test(instrument.lot_unit) && noun !== "lots" && lotKg(instrument) !== null;
  return plain ? t(`lot.${noun}`, { kg: number(lotKg(instrument)) }) : instrument.lot_unit;
}

/** Weight of one lot in kg as decimal text, or null. */
export function lotKg(instrument) {
  return instrument.lot_kg ?? /([0-9]+(?:\.[0-9]+)?) kg/.exec(instrument.lot_unit ?? "")?.[1] ?? null;
}

export function weightKg(instrument, qty) {
  const each = lotKg(instrument);
  return each === null ? null : times(each, BigInt(qty));
}

/** kg in a quintal of this commodity: 46 for green coffee, 100 for all else. */
export function quintalKg(instrument) {
  return /coffee|caf[eé]/i.test(`${instrument.commodity} ${instrument.name}`) ? QUINTAL_COFFEE_KG : QUINTAL_METRIC_KG;
}
