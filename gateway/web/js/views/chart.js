/** The price chart: bars from the venue's history, the newest one carried on from live trades. */

import { priceChart } from "../charts.js";
import { el, panel, setText, show } from "../dom.js";
import { shown } from "../state.js";
import { t } from "../strings.js";

const INTERVALS = { "1m": 60, "5m": 300, "1h": 3600 };
const READ_AGAIN_MS = 60_000; // the history's bars replace those carried on here

export function chartPanel(state, venue) {
  let interval = "1m";
  const box = el("div", { class: "price-chart", role: "group" });
  const note = el("p", { class: "empty" });
  const picker = el(
    "select",
    { aria: { label: t("chart.interval") }, on: { change: () => ((interval = picker.value), load()) } },
    ...Object.keys(INTERVALS).map((name) => el("option", { value: name }, name)),
  );
  const { section, aside } = panel("chart", t("chart"), note, box);
  aside.append(picker);
  const chart = priceChart(box);
  let bars = [];
  let lastTrade = null; // number of the newest trade in the bars; null until they are loaded
  let loading = null;

  /** Read the bars, once the feed has told the newest trade: what comes after it is carried on from there. */
  async function load() {
    const { instrument } = state;
    show(section, Boolean(instrument));
    if (!instrument || !state.trades) return;
    const turn = (loading = {});
    const newest = Number(state.trades[0]?.trade_id ?? 0);
    let answer;
    try {
      answer = await venue.candles(instrument.symbol, interval);
    } catch {
      loading = null; // asked again with the next trade, or in a minute
      return;
    }
    if (turn !== loading || state.selected !== instrument.symbol) return;
    bars = answer.candles.map((candle) => ({
      time: Math.floor(Date.parse(candle.start) / 1000),
      open: Number(candle.open),
      high: Number(candle.high),
      low: Number(candle.low),
      close: Number(candle.close),
      volume: Number(candle.volume),
    }));
    lastTrade = newest;
    onTrades();
    await paint();
  }

  async function paint() {
    const { instrument } = state;
    if (!instrument) return;
    show(box, bars.length > 0);
    setText(note, bars.length ? "" : t("chart.empty"));
    show(note, !bars.length);
    if (!bars.length) return;
    const outcome = await chart.show(instrument, bars);
    if (outcome === "absent") {
      show(box, false);
      show(note, true);
      setText(note, t("chart.missing"));
    }
    box.setAttribute("aria-label", t("chart.aria", {
      symbol: instrument.symbol,
      interval,
      last: shown(instrument, instrument.last?.price),
      reference: shown(instrument, instrument.reference),
    }));
  }

  /** Put trades, oldest first, into bars. Answers the bars that changed. */
  function carryOn(trades) {
    const changed = new Set();
    for (const trade of trades) {
      const seconds = Math.floor(Date.parse(trade.ts_engine) / 1000);
      const time = seconds - (seconds % INTERVALS[interval]);
      const price = Number(trade.price);
      let bar = bars.at(-1);
      if (bar && bar.time > time) continue;
      if (!bar || bar.time < time) {
        bar = { time, open: price, high: price, low: price, close: price, volume: 0 };
        bars.push(bar);
      }
      bar.high = Math.max(bar.high, price);
      bar.low = Math.min(bar.low, price);
      bar.close = price;
      bar.volume += Number(trade.quantity);
      changed.add(bar);
    }
    return changed;
  }

  function onTrades() {
    if (lastTrade === null) {
      if (!loading) load();
      return;
    }
    const fresh = state.trades.filter((trade) => Number(trade.trade_id) > lastTrade).reverse();
    if (!fresh.length) return;
    lastTrade = Number(fresh.at(-1).trade_id);
    const first = bars.length === 0;
    const changed = carryOn(fresh);
    if (first) paint();
    else for (const bar of changed) chart.update(bar);
  }

  load();
  const timer = setInterval(() => document.hidden || load(), READ_AGAIN_MS);
  const stops = [
    state.listen(["selected"], () => {
      bars = [];
      lastTrade = loading = null;
      load();
    }),
    state.listen(["trades"], onTrades),
    state.listen(["reread"], load),
  ];
  return {
    node: section,
    stop() {
      clearInterval(timer);
      loading = null;
      for (const stop of stops) stop();
      chart.remove();
    },
  };
}
