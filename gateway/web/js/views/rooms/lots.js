/** The catalogue of lots: one's own or all of them, and taking lots from a CSV file after its findings were read. */

import { Problem } from "../../api.js";
import { el, keyed, setText, show } from "../../dom.js";
import { number, problemText, t } from "../../strings.js";

const PAGE = 100;

export function lotsPanel(state, venue, notify) {
  const body = el("tbody", {});
  const table = el("table", { class: "list" }, el("thead", {}, el("tr", {}, ...["number", "title", "bags", "score", "sale", "state"].map((name) =>
    el("th", { scope: "col" }, t(`lots.${name}`))))), body);
  const none = el("p", { class: "empty" }, t("lots.none"));
  const more = el("button", { type: "button", class: "plain", on: { click: () => read() } }, t("awards.more"));
  const file = el("input", { id: "lots-file", type: "file", accept: ".csv,text/csv", on: { change: preview } });
  const outcome = el("p", { role: "status" });
  const rows = el("tbody", {});
  const findings = el("table", { class: "list findings" }, el("thead", {}, el("tr", {}, ...["row", "number", "findings"].map((name) =>
    el("th", { scope: "col" }, t(`lots.${name}`))))), rows);
  const takeRows = el("button", { type: "button", class: "primary", on: { click: () => take("rows") } });
  const takeFile = el("button", { type: "button", class: "primary", on: { click: () => take("file") } }, t("lots.take_file"));
  const importing = el("section", { class: "panel", aria: { label: t("lots.import") } }, el("h2", {}, t("lots.import")), el("p", { class: "hint" }, t("lots.import.text")),
    el("div", { class: "field" }, el("label", { htmlFor: "lots-file" }, t("lots.file")), file), outcome, el("div", { class: "row-buttons" }, takeFile, takeRows), el("div", { class: "scroll" }, findings));
  const node = el("div", {}, el("section", { class: "panel", aria: { label: t("lots") } }, el("h1", {}, t(state.may("operate") ? "lots.all" : "lots")), none,
    el("div", { class: "scroll" }, table), more), importing);
  const lots = new Map();
  let cursor = "";
  let text = null;

  async function read(fresh = false) {
    if (fresh) {
      lots.clear();
      cursor = "";
    }
    const seller = state.may("operate") ? "" : `&seller=${state.account.account}`;
    try {
      const found = await venue.api.get(`lots?limit=${PAGE}${seller}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      for (const lot of found.lots) lots.set(lot.number, lot);
      cursor = found.next_cursor;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
    draw();
  }

  function draw() {
    show(none, !lots.size);
    show(table, lots.size > 0);
    show(more, Boolean(cursor));
    keyed(body, [...lots.values()], (one) => one.number, () => el("tr", {}, el("td", { class: "num" }), el("th", { scope: "row" }), el("td", { class: "num" }),
      el("td", { class: "num" }), el("td", {}), el("td", {})), (row, one) => {
      const { lot } = one;
      const sale = state.sales.get(one.sale_id);
      const sold = sale?.lots.find((each) => each.title === lot.title);
      setText(row.children[0], String(one.number));
      setText(row.children[1], lot.title || lot.product);
      setText(row.children[2], `${number(String(lot.bags))} × ${number(String(lot.bag_grams / 1000))} kg`);
      setText(row.children[3], lot.grading?.score ? number(String(lot.grading.score / 100)) : "–");
      row.children[4].replaceChildren(one.sale_id ? el("a", { href: `#/sales/${one.sale_id}` }, sale?.title ?? String(one.sale_id)) : "–");
      setText(row.children[5], sold ? `${t(`stage.${sale.stage}`)}${sold.price != null ? ` · ${number(sold.price)} ${sale.price_unit}` : ""}` : "");
    });
  }

  const upload = (query) => venue.api.call("POST", `lots/import?${query}`, text, null, "text/csv");

  async function preview() {
    show(takeRows, false);
    show(takeFile, false);
    rows.replaceChildren();
    show(findings, false);
    if (!file.files.length) return;
    text = await file.files[0].text();
    try {
      drawFindings(await upload("preview=true"), false);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(outcome, problemText(problem));
    }
  }

  function drawFindings(answer, done) {
    const faulty = answer.rows.filter((row) => row.findings.length);
    setText(outcome, done ? t("lots.taken", { taken: number(String(answer.taken)) })
      : t("lots.counts", { ok: number(String(answer.ok)), warnings: number(String(answer.warnings)), errors: number(String(answer.errors)) }));
    const fit = answer.ok + answer.warnings;
    show(takeFile, !done && answer.errors === 0 && fit > 0);
    show(takeRows, !done && answer.errors > 0 && fit > 0);
    setText(takeRows, t("lots.take_rows", { n: number(String(fit)) }));
    show(findings, faulty.length > 0);
    rows.replaceChildren(...faulty.map((row) => el("tr", { data: { status: row.status } }, el("td", { class: "num" }, String(row.row)), el("td", { class: "num" }, String(row.number ?? "")),
      el("td", {}, el("ul", { class: "plain-list" }, ...row.findings.map((one) =>
        el("li", { class: one.error ? "finding-error" : "soft" }, `${t(one.error ? "lots.error" : "lots.warning")} · ${one.column}: `, el("code", {}, one.code), one.text ? ` “${one.text}”` : "")))))));
  }

  async function take(which) {
    takeRows.disabled = takeFile.disabled = true;
    try {
      drawFindings(await upload(`take=${which}`), true);
      await read(true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(outcome, problemText(problem));
    } finally {
      takeRows.disabled = takeFile.disabled = false;
    }
  }

  for (const hidden of [takeRows, takeFile, findings, more, table]) show(hidden, false);
  if (state.account) read(true);
  return { node, stop: state.listen(["sales"], draw) };
}
