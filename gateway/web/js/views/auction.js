/** The call auction: indication with its curves while orders collect; the calls that have cleared at other times. */

import { curveChart } from "../charts.js";
import { el, keyed, panel, setText, show, flash } from "../dom.js";
import { COLLECTING, lots, shown } from "../state.js";
import { clockTime, duration, t } from "../strings.js";

export function auctionPanel(state) {
  const price = el("dd", { class: "num strong" });
  const volume = el("dd", { class: "num" });
  const imbalance = el("dd", { class: "num" });
  const reference = el("dd", { class: "num" });
  const figure = (label, value) => el("div", {}, el("dt", {}, label), value);
  const none = el("p", { class: "empty" }, t("auction.none"));
  const noCurve = el("p", { class: "empty" }, t("auction.curve.empty"));
  const chart = el("div", { class: "curve", role: "img" });
  const live = el(
    "div",
    { class: "indication" },
    el(
      "dl",
      { class: "figures" },
      figure(t("auction.price"), price),
      figure(t("auction.volume"), volume),
      figure(t("auction.imbalance"), imbalance),
      figure(t("reference"), reference),
    ),
    none,
    chart,
    noCurve,
  );
  const idle = el("p", { class: "empty" });
  const pastBody = el("tbody", {});
  const pastEmpty = el("p", { class: "empty" }, t("auction.past.empty"));
  const past = el(
    "table",
    { class: "list" },
    el("caption", {}, t("auction.past")),
    el("thead", {}, el("tr", {}, ...["time", "cleared", "traded", "imbalance"].map((key) =>
      el("th", { scope: "col", class: key }, t(`auction.${key}`))))),
    pastBody,
  );
  const { section, aside } = panel("auction", t("auction"), live, idle, past, pastEmpty);
  const curves = curveChart(chart);

  function draw() {
    const { instrument } = state;
    show(section, Boolean(instrument));
    if (!instrument) return;
    const collecting = COLLECTING.has(instrument.phase);
    section.classList.toggle("live", collecting);
    show(live, collecting);
    show(idle, !collecting);
    if (collecting) drawIndication(instrument);
    drawPast(instrument);
    tick();
  }

  function drawIndication(instrument) {
    const indication = instrument.indication ?? {};
    const found = indication.price != null;
    const fresh = price.dataset.symbol !== instrument.symbol;
    price.dataset.symbol = instrument.symbol;
    if (setText(price, shown(instrument, indication.price)) && !fresh) flash(price);
    setText(volume, found ? lots(instrument, indication.volume) : "–");
    setText(imbalance, found ? left(instrument, indication) : "–");
    setText(reference, shown(instrument, indication.reference ?? instrument.reference));
    show(none, !found);
    const drawn = curves.draw(instrument, indication);
    show(chart, drawn !== "nothing" && drawn !== "absent");
    show(noCurve, drawn === "nothing");
    chart.setAttribute("aria-label", describe(instrument, indication));
  }

  function left(instrument, { imbalance: size, side }) {
    if (!side || BigInt(size) === 0n) return t("auction.balanced");
    return t(`auction.imbalance.${side}`, { qty: lots(instrument, size) });
  }

  function describe(instrument, { price: at, curve }) {
    if (at == null) return t("auction.aria.none", { symbol: instrument.symbol });
    const level = (curve ?? []).find(([where]) => where === at);
    if (!level) return t("auction.aria.none", { symbol: instrument.symbol });
    return t("auction.aria", {
      symbol: instrument.symbol,
      price: shown(instrument, at),
      demand: lots(instrument, level[1]),
      supply: lots(instrument, level[2]),
    });
  }

  function drawPast(instrument) {
    const calls = state.calls;
    show(past, Boolean(calls?.length));
    show(pastEmpty, calls?.length === 0 && !COLLECTING.has(instrument.phase));
    keyed(
      pastBody,
      calls ?? [],
      (call) => call.ts_engine,
      (call) => {
        const crossed = call.price != null;
        const surplus = BigInt(call.surplus);
        const size = (surplus < 0n ? -surplus : surplus).toString();
        const side = surplus > 0n ? "buy" : surplus < 0n ? "sell" : null;
        return el(
          "tr",
          {},
          el("td", { class: "num time" }, clockTime(call.ts_engine)),
          el("td", { class: "num cleared" }, crossed ? shown(instrument, call.price) : t("auction.past.noprice")),
          el("td", { class: "num traded" }, crossed ? lots(instrument, call.volume) : ""),
          el("td", { class: "num imbalance" }, crossed ? left(instrument, { imbalance: size, side }) : ""),
        );
      },
      () => {},
    );
  }

  function tick() {
    const { instrument } = state;
    if (!instrument) return;
    const moves = (instrument.next_moves ?? []).filter((move) => Date.parse(move.at) > state.now() - 1000);
    const uncross = instrument.indication?.uncross_at ?? moves.find((move) => move.uncross)?.at;
    const call = moves.find((move) => move.phase === "call");
    if (COLLECTING.has(instrument.phase)) {
      setText(aside, uncross ? t("move.uncross", { time: duration(Date.parse(uncross) - state.now()) }) : "");
    } else {
      setText(aside, "");
      const time = call && duration(Date.parse(call.at) - state.now());
      setText(idle, time ? t("auction.next", { time }) : t("auction.idle"));
    }
  }

  draw();
  const timer = setInterval(tick, 500);
  const stop = state.listen(["auction", "instruments", "selected", "calls", "phase"], draw);
  return {
    node: section,
    stop() {
      stop();
      clearInterval(timer);
      curves.remove();
    },
  };
}
