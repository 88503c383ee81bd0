/** The price chart: bars from the venue's history, the newest one carried on from live trades. */

import { priceChart } from "../charts.js";
import { el, panel, setText, show } from "../dom.js";
import { shown } from "../state.js";
import { t } from "../strings.js";

const INTERVALS = { "1m": 60, "5m": 300, "1h": 3600 };

export function chartPanel(state, venue) {
  let interval = "1m";
  const box = el("div", { class: "price-chart", role: "img" });
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
  let lastTrade = null;
  let loading = null;

  async function load() {
    const { instrument } = state;
    show(section, Boolean(instrument));
    if (!instrument) return;
    const turn = (loading = {});
    bars = [];
    let answer;
    try {
      answer = await venue.candles(instrument.symbol, interval);
    } catch {
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
    lastTrade = Number(state.trades?.[0]?.trade_id ?? 0);
    if (!bars.length && state.trades?.length) carryOn([...state.trades].reverse());
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
    if (!state.trades || lastTrade === null) return;
    const fresh = state.trades.filter((trade) => Number(trade.trade_id) > lastTrade).reverse();
    if (!fresh.length) return;
    lastTrade = Number(fresh.at(-1).trade_id);
    const first = bars.length === 0;
    const changed = carryOn(fresh);
    if (first) paint();
    else for (const bar of changed) chart.update(bar);
  }

  load();
  const stops = [
    state.listen(["selected"], () => {
      lastTrade = null;
      load();
    }),
    state.listen(["trades"], onTrades),
  ];
  return {
    node: section,
    stop() {
      loading = null;
      for (const stop of stops) stop();
      chart.remove();
    },
  };
}
