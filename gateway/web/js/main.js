/**
 * The page: one state, one connection to the venue, and the chosen view in the chosen language. The market's view comes
 * with the page; the others are fetched when they are first shown.
 */

import { el, setText } from "./dom.js";
import { State } from "./state.js";
import { LANGUAGES, setLanguage, t } from "./strings.js";
import { Venue, viewFromAddress, symbolFromAddress } from "./venue.js";
import { auctionPanel } from "./views/auction.js";
import { askForKey, topBar } from "./views/bar.js";
import { bookPanel } from "./views/book.js";
import { chartPanel } from "./views/chart.js";
import { heading, welcome } from "./views/heading.js";
import { instrumentList } from "./views/instruments.js";
import { fillsPanel, ordersPanel } from "./views/own.js";
import { ticketPanel } from "./views/ticket.js";
import { tradesPanel } from "./views/trades.js";

const LANGUAGE_SLOT = "qhatu.language";
const NOTICE_MS = 8_000;

const state = new State();
const bar = document.getElementById("bar");
const main = document.getElementById("main");
const foot = document.getElementById("foot");
const notices = document.getElementById("notice");
let mounted = [];
let mounting = null;
let noticeTimer = null;

/** Say something in the page's one line for news. `text` is a key of strings.js, or the text itself. */
function notify(tone, text, names = {}) {
  notices.dataset.tone = tone;
  setText(notices, t(text, names));
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => setText(notices, ""), NOTICE_MS);
}

const venue = new Venue(state, notify);
const onKey = () => askForKey(venue, state, notify);

function market() {
  let ticket = null;
  const parts = {
    list: instrumentList(state, venue),
    welcome: welcome(state),
    heading: heading(state),
    chart: chartPanel(state, venue),
    book: bookPanel(state, (price) => ticket.usePrice(price)),
    auction: auctionPanel(state),
    trades: tradesPanel(state),
    ticket: (ticket = ticketPanel(state, venue, onKey)),
    orders: ordersPanel(state, venue, notify),
    fills: fillsPanel(state),
  };
  const column = (name, ...keys) => el("div", { class: `column ${name}` }, ...keys.map((key) => parts[key].node));
  const node = el(
    "div",
    { class: "market" },
    column("left", "list"),
    column("middle", "welcome", "heading", "auction", "book", "chart"),
    column("right", "ticket", "orders", "fills", "trades"),
  );
  return { node, stop: () => Object.values(parts).forEach((part) => part.stop()) };
}

const VIEWS = {
  market,
  sales: async () => (await import("./views/sales.js")).salesView(state, venue, notify, onKey),
  operator: async () => (await import("./views/operator.js")).operatorPanel(state, venue, notify),
};

/** The last call wins: a view that arrives after another was chosen is not shown. */
async function mount() {
  const turn = (mounting = {});
  for (const part of mounted) part.stop();
  mounted = [];
  const top = topBar(state, { onView: go, onLanguage: speak, onKey, onForget: forget, onRetry: () => venue.feed.retryNow() });
  mounted.push(top);
  bar.replaceChildren(...top.nodes);
  const [before, after] = t("attribution").split("{link}");
  foot.replaceChildren(el("p", {}, before,
    el("a", { href: "https://www.tradingview.com/", rel: "noreferrer" }, "https://www.tradingview.com/"), after));
  for (const node of document.querySelectorAll("[data-t]")) setText(node, t(node.dataset.t));
  try {
    const view = await VIEWS[state.view]();
    if (turn !== mounting) {
      view.stop();
      return;
    }
    mounted.push(view);
    main.replaceChildren(view.node);
  } catch (error) {
    if (turn !== mounting) return;
    main.replaceChildren(el("p", { class: "empty" }, t("view.missing"), " ",
      el("button", { type: "button", class: "plain", on: { click: () => location.reload() } }, t("view.again"))));
    throw error;
  }
}

function go(view) {
  state.view = view;
  const address = view === "market" && state.selected ? `#/market/${encodeURIComponent(state.selected)}` : `#/${view}`;
  if (location.hash !== address) history.pushState(null, "", address);
  mount();
  state.changed("view");
}

async function speak(code) {
  try {
    await setLanguage(code);
    localStorage.setItem(LANGUAGE_SLOT, code);
  } catch {
    notify("bad", "problem.unreachable");
  }
  mount();
}

function forget() {
  venue.forgetKey();
  notify("good", "key.forgotten");
  if (state.view === "operator") go("market");
}

function firstLanguage() {
  const kept = localStorage.getItem(LANGUAGE_SLOT);
  if (kept in LANGUAGES) return kept;
  return navigator.language.slice(0, 2) in LANGUAGES ? navigator.language.slice(0, 2) : "en";
}

addEventListener("popstate", () => {
  const view = viewFromAddress();
  if (view !== state.view) {
    state.view = view;
    mount();
    state.changed("view");
  }
  const symbol = symbolFromAddress();
  if (symbol && symbol !== state.selected) venue.select(symbol);
});

addEventListener("hashchange", () => venue.useKeyOfAddress());

await setLanguage(firstLanguage());
state.view = viewFromAddress();
await mount();
await venue.start();
