/** The list of instruments: price (last trade, else indicative, else reference), phase, grouped by commodity. */

import { el, keyed, flash, setText } from "../dom.js";
import { CALL_PHASES, shown } from "../state.js";
import { t } from "../strings.js";

const WIDE = matchMedia("(min-width: 1181px)");

/** What to show as an instrument's price now, and what kind of price that is. */
export function priceNow(instrument) {
  const { indication, last, phase, reference } = instrument;
  if (CALL_PHASES.has(phase) && indication?.price != null) return { price: indication.price, kind: "indicative" };
  if (last) return { price: last.price, kind: "last" };
  if (indication?.price != null && phase === "pre_open") return { price: indication.price, kind: "indicative" };
  return reference == null ? { price: null, kind: "last" } : { price: reference, kind: "reference" };
}

export function instrumentList(state, venue) {
  const empty = el("p", { class: "empty" }, t("instruments.empty"));
  const groups = el("div", { class: "groups" });
  const chosen = el("span", { class: "chosen" });
  const summary = el("summary", {}, el("h2", { id: "instruments-title" }, t("instruments")), chosen);
  const details = el("details", { open: WIDE.matches }, summary, empty, groups);
  const node = el("nav", { class: "panel instruments", aria: { labelledby: "instruments-title" } }, details);
  const onWide = () => (details.open = WIDE.matches);
  WIDE.addEventListener("change", onWide);

  function choose(symbol) {
    venue.select(symbol);
    history.replaceState(null, "", `#/market/${encodeURIComponent(symbol)}`);
    if (!WIDE.matches) {
      details.open = false;
      document.getElementById("main").scrollIntoView();
    }
  }

  function make(instrument) {
    const price = el("span", { class: "num price" });
    const kind = el("span", { class: "kind" });
    const phase = el("span", { class: "phase" });
    const button = el(
      "button",
      { type: "button", class: "pick", on: { click: () => choose(instrument.symbol) } },
      el("span", { class: "symbol" }, instrument.symbol),
      price,
      phase,
      el("span", { class: "name", title: instrument.name }, instrument.name),
      kind,
    );
    const row = el("li", {}, button);
    Object.assign(row, { parts: { button, price, kind, phase } });
    return row;
  }

  function patch(row, instrument) {
    const { button, price, kind, phase } = row.parts;
    const now = priceNow(instrument);
    const first = price.textContent === "";
    if (setText(price, shown(instrument, now.price)) && !first) flash(price);
    setText(kind, now.price === null ? "" : t(`price.${now.kind}`));
    setText(phase, t(`phase.${instrument.phase}`));
    phase.dataset.phase = instrument.phase;
    if (instrument.symbol === state.selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  function draw() {
    empty.hidden = !state.listed || state.instruments.size > 0;
    setText(chosen, state.selected ?? "");
    const byCommodity = Map.groupBy
      ? Map.groupBy(state.instruments.values(), (one) => one.commodity)
      : grouped(state.instruments.values());
    keyed(
      groups,
      [...byCommodity],
      ([commodity]) => commodity,
      ([commodity]) => {
        const list = el("ul", {});
        return Object.assign(el("div", { class: "group" }, el("h3", {}, commodity), list), { list });
      },
      (group, [, members]) => keyed(group.list, members, (one) => one.symbol, make, patch),
    );
  }

  draw();
  const stop = state.listen(["instruments", "selected"], draw);
  return {
    node,
    stop() {
      stop();
      WIDE.removeEventListener("change", onWide);
    },
  };
}

function grouped(instruments) {
  const map = new Map();
  for (const one of instruments) map.set(one.commodity, [...(map.get(one.commodity) ?? []), one]);
  return map;
}
