/** The selected instrument: what it is, its phase and what comes next, its last price against the reference. */

import { compare, parse, toText } from "../decimal.js";
import { el, setText, show, flash } from "../dom.js";
import { lotText, shown } from "../state.js";
import { attribute, duration, number, t } from "../strings.js";

/** "The call clears in 0:42", from the calendar's next moves; "" when none is known. */
export function nextMove(state, instrument) {
  const next = (instrument.next_moves ?? []).find((move) => Date.parse(move.at) > state.now() - 1000);
  if (!next) return t("move.none");
  const time = duration(Date.parse(next.at) - state.now());
  return next.uncross ? t("move.uncross", { time }) : t("move.phase", { phase: t(`phase.${next.phase}`), time });
}

/** What stands in place of a market that has no instruments yet. */
export function welcome(state) {
  const node = el("section", { class: "panel welcome" }, el("h1", {}, t("welcome")), el("p", { class: "empty" }, t("welcome.text")));
  const draw = () => show(node, state.listed && state.instruments.size === 0);
  draw();
  return { node, stop: state.listen(["instruments"], draw) };
}

/** Signed difference in percent with two decimals, for display: ("335.25", "330.00") -> "+1.59 %". */
export function against(price, reference) {
  if (price == null || reference == null || parse(reference) === 0n) return "";
  const [p, r] = [parse(price), parse(reference)];
  const size = r < 0n ? -r : r;
  const twice = ((p - r) * 20000n) / size;
  const rounded = (twice + (twice < 0n ? -1n : 1n)) / 2n;
  const sign = compare(price, reference) > 0 ? "+" : "";
  return `${sign}${number(toText(rounded, 2))} %`;
}

export function heading(state) {
  const symbol = el("h1", {});
  const name = el("p", { class: "subject" });
  const phase = el("span", { class: "phase big" });
  const about = el("p", { class: "phase-about" });
  const next = el("span", { class: "next num", role: "timer" });
  const last = el("dd", { class: "num strong" });
  const reference = el("dd", { class: "num" });
  const change = el("dd", { class: "num" });
  const unit = el("dd", {});
  const lot = el("dd", {});
  const facts = el("dl", { class: "attributes" });
  const more = el("details", { class: "more" }, el("summary", {}, t("details")), facts);
  const figure = (label, value) => el("div", {}, el("dt", {}, label), value);
  const node = el(
    "section",
    { class: "panel heading", aria: { label: t("instruments.symbol") } },
    el("div", { class: "title" }, symbol, name),
    el("div", { class: "phase-line" }, phase, next, about),
    el(
      "dl",
      { class: "figures" },
      figure(t("last"), last),
      figure(t("reference"), reference),
      figure(t("change"), change),
      figure(t("unit.price"), unit),
      figure(t("unit.lot"), lot),
    ),
    more,
  );
  let described = null;

  function draw() {
    const { instrument } = state;
    show(node, Boolean(instrument));
    if (!instrument) return;
    setText(symbol, instrument.symbol);
    setText(name, instrument.name);
    setText(phase, t(`phase.${instrument.phase}`));
    phase.dataset.phase = instrument.phase;
    setText(about, t(`phase.about.${instrument.phase}`));
    const fresh = described !== instrument.symbol;
    const price = instrument.last?.price ?? null;
    if (setText(last, shown(instrument, price)) && !fresh) flash(last);
    setText(reference, shown(instrument, instrument.reference));
    setText(change, against(price, instrument.reference) || "–");
    setText(unit, instrument.price_unit);
    setText(lot, lotText(instrument));
    if (fresh) describe(instrument);
    tick();
  }

  function describe(instrument) {
    described = instrument.symbol;
    const rows = Object.entries(instrument.attributes).filter(([key]) => key !== "lot_kg");
    const named = rows.map(([key, value]) => attribute(key, value));
    named.push([t("tick"), `${instrument.tick_size} ${instrument.price_unit}`]);
    if (instrument.source) named.push([t("source"), instrument.source]);
    facts.replaceChildren(...named.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
  }

  function tick() {
    if (state.instrument) setText(next, nextMove(state, state.instrument));
  }

  draw();
  const timer = setInterval(tick, 500);
  const stop = state.listen(["instruments", "selected", "clock"], draw);
  return {
    node,
    stop() {
      stop();
      clearInterval(timer);
    },
  };
}
