/**
 * The two chart libraries, loaded only when a chart has something to show and only if this installation has them
 * (<html data-charts>). Charts are pictures of figures that also stand in tables; here alone prices become floats.
 */

import { clockTime, number, t } from "./strings.js";

const AVAILABLE = new Set((document.documentElement.dataset.charts ?? "").split(" ").filter(Boolean));
const VENDOR = new URL("../vendor/", import.meta.url);
const CURVE_HEIGHT_PX = 220;
const CURVE_REDRAW_MS = 300;
const DARK = matchMedia("(prefers-color-scheme: dark)");

let curvesLibrary = null;
let pricesLibrary = null;

/** uPlot, a classic script with its stylesheet: the constructor. */
function loadCurves() {
  curvesLibrary ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: new URL("uplot.css", VENDOR).href });
    const script = document.createElement("script");
    Object.assign(script, { src: new URL("uplot.js", VENDOR).href, onload: () => resolve(window.uPlot), onerror: reject });
    document.head.append(style, script);
  });
  return curvesLibrary;
}

function loadPrices() {
  pricesLibrary ??= import(new URL("lightweight-charts.js", VENDOR).href);
  return pricesLibrary;
}

/** The page's colours as the stylesheet has them now (light or dark). */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { buy: of("buy"), sell: of("sell"), ink: of("ink"), soft: of("ink-soft"), line: of("line"), panel: of("panel"),
    mark: of("mark") };
}

/**
 * Supply and demand as steps over price. draw() answers "nothing" (no curve to show), "absent" (no library) or "drawn".
 */
export function curveChart(node) {
  let plot = null;
  let wanted = null;
  let drawnAt = 0;
  let timer = null;
  let range = null;
  let marks = {};
  const resize = new ResizeObserver(() => plot?.setSize({ width: node.clientWidth, height: CURVE_HEIGHT_PX }));
  resize.observe(node);
  const restyle = () => {
    plot?.destroy();
    plot = null;
    if (wanted) paint();
  };
  DARK.addEventListener("change", restyle);

  function draw(instrument, { curve, price, reference }) {
    if (!AVAILABLE.has("uplot")) return "absent";
    const levels = curve ?? [];
    if (!levels.some(([, demand]) => demand !== "0") || !levels.some(([, , supply]) => supply !== "0")) {
      wanted = null;
      return "nothing";
    }
    wanted = { instrument, levels, price, reference: reference ?? instrument.reference };
    const due = drawnAt + CURVE_REDRAW_MS - Date.now();
    clearTimeout(timer);
    if (due > 0) timer = setTimeout(paint, due);
    else paint();
    return "drawn";
  }

  async function paint() {
    drawnAt = Date.now();
    let uPlot;
    try {
      uPlot = await loadCurves();
    } catch {
      node.textContent = t("chart.failed");
      return;
    }
    if (!wanted || !node.isConnected) return;
    const { instrument, levels, price, reference } = wanted;
    marks = { price: price == null ? null : Number(price), reference: reference == null ? null : Number(reference) };
    const data = [levels.map(([at]) => Number(at)), levels.map(([, d]) => Number(d)), levels.map(([, , s]) => Number(s))];
    range = interesting(data, marks);
    if (plot && plot.symbol === instrument.symbol) plot.setData(data);
    else {
      plot?.destroy();
      node.replaceChildren();
      plot = new uPlot(options(uPlot, instrument), data, node);
      plot.symbol = instrument.symbol;
    }
  }

  function options(uPlot, instrument) {
    const colour = colours();
    const axis = { stroke: colour.soft, grid: { stroke: colour.line, width: 1 }, ticks: { stroke: colour.line, width: 1 },
      font: "11px system-ui, sans-serif" };
    return {
      width: node.clientWidth || 480,
      height: CURVE_HEIGHT_PX,
      cursor: { y: false },
      legend: { live: true },
      scales: { x: { time: false, range: () => range }, y: { range: (u, low, high) => [0, Math.max(1, high) * 1.06] } },
      axes: [
        { ...axis, values: (u, splits) => splits.map((value) => number(value.toFixed(instrument.price_decimals))) },
        { ...axis, size: 56, values: (u, splits) => splits.map((value) => (value % 1 ? "" : number(String(value)))) },
      ],
      series: [
        { label: t("book.price"), value: (u, value) => (value == null ? "–" : number(value.toFixed(instrument.price_decimals))) },
        { label: t("auction.demand"), stroke: colour.buy, width: 2, fill: `${colour.buy}1f`, points: { show: false },
          paths: uPlot.paths.stepped({ align: -1 }), value: (u, value) => (value == null ? "–" : number(String(value))) },
        { label: t("auction.supply"), stroke: colour.sell, width: 2, dash: [7, 3], fill: `${colour.sell}1f`,
          points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }),
          value: (u, value) => (value == null ? "–" : number(String(value))) },
      ],
      hooks: { draw: [(u) => drawMarks(u, colour)] },
    };
  }

  /** Upright lines: the indicative price solid, the reference dotted. */
  function drawMarks(u, colour) {
    const { ctx, bbox } = u;
    const line = (value, dash, label, row) => {
      if (value === null || value < range[0] || value > range[1]) return;
      const x = u.valToPos(value, "x", true);
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour.ink;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      const right = x > bbox.left + bbox.width * 0.6;
      ctx.textAlign = right ? "right" : "left";
      ctx.fillText(label, x + (right ? -5 : 5) * devicePixelRatio, bbox.top + (12 + 14 * row) * devicePixelRatio);
      ctx.restore();
    };
    line(marks.price, [], t("price.indicative"), 0);
    line(marks.reference, [2, 3], t("price.reference"), 1);
  }

  return {
    draw,
    remove() {
      clearTimeout(timer);
      resize.disconnect();
      DARK.removeEventListener("change", restyle);
      plot?.destroy();
      plot = null;
      wanted = null;
    },
  };
}

/** The part of the price axis worth seeing: where both curves run, the marks, and a margin; far outliers are cut. */
function interesting([prices, demand, supply], marks) {
  const buys = prices.filter((_, i) => demand[i] > 0);
  const sells = prices.filter((_, i) => supply[i] > 0);
  const points = [Math.max(...buys), Math.min(...sells), marks.price, marks.reference].filter((x) => x !== null);
  let [low, high] = [Math.min(...points), Math.max(...points)];
  const reach = Math.max((high - low) * 0.75, Math.abs(high) * 0.004, 1e-9);
  [low, high] = [low - reach, high + reach];
  return [Math.max(low, Math.min(prices[0], ...points) - reach * 0.2), Math.min(high, Math.max(prices.at(-1), ...points) + reach * 0.2)];
}

/**
 * Price bars with the reference as a dotted line and the quantity below, by lightweight-charts with its attribution.
 * show(instrument, bars) replaces the picture; bars: {time (s), open, high, low, close, volume} floats, oldest first.
 */
export function priceChart(node) {
  let chart = null;
  let parts = null;
  let shownNow = null;
  const restyle = () => shownNow && show(...shownNow, true);
  DARK.addEventListener("change", restyle);

  async function show(instrument, bars, anew = false) {
    if (!AVAILABLE.has("lightweight-charts")) return "absent";
    shownNow = [instrument, bars];
    let library;
    try {
      library = await loadPrices();
    } catch {
      node.textContent = t("chart.failed");
      return "failed";
    }
    if (!shownNow || shownNow[0] !== instrument || !node.isConnected) return "left";
    if (!chart || anew || chart.symbol !== instrument.symbol) build(library, instrument);
    const up = (bar) => bar.close >= bar.open;
    parts.prices.setData(bars.map(({ volume, ...bar }) => bar));
    parts.volumes.setData(bars.map((bar) => ({ time: bar.time, value: bar.volume, color: `${colours().soft}${up(bar) ? "55" : "88"}` })));
    return "drawn";
  }

  /** Add to the newest bar or begin another. */
  function update(bar) {
    if (!parts) return;
    const { volume, ...prices } = bar;
    parts.prices.update(prices);
    parts.volumes.update({ time: bar.time, value: volume, color: `${colours().soft}66` });
  }

  function build(library, instrument) {
    chart?.remove();
    node.replaceChildren();
    const colour = colours();
    const { CandlestickSeries, HistogramSeries, LineStyle } = library;
    chart = library.createChart(node, {
      autoSize: true,
      layout: { background: { color: colour.panel }, textColor: colour.soft, fontSize: 11, attributionLogo: true,
        fontFamily: "system-ui, sans-serif" },
      grid: { vertLines: { color: colour.line }, horzLines: { color: colour.line } },
      rightPriceScale: { borderColor: colour.line, scaleMargins: { top: 0.12, bottom: 0.24 } },
      timeScale: { borderColor: colour.line, timeVisible: true, secondsVisible: false, rightOffset: 4, barSpacing: 9,
        tickMarkFormatter: (time) => clockTime(time * 1000).slice(0, 5) },
      localization: { timeFormatter: (time) => clockTime(time * 1000),
        priceFormatter: (price) => number(price.toFixed(instrument.price_decimals)) },
      crosshair: { mode: 0 },
    });
    chart.symbol = instrument.symbol;
    const reference = instrument.reference == null ? null : Number(instrument.reference);
    const prices = chart.addSeries(CandlestickSeries, {
      upColor: colour.panel, borderUpColor: colour.ink, wickUpColor: colour.ink,
      downColor: colour.ink, borderDownColor: colour.ink, wickDownColor: colour.ink,
      priceFormat: { type: "price", precision: instrument.price_decimals, minMove: Number(instrument.tick_size) },
      priceLineColor: colour.ink,
      autoscaleInfoProvider: (own) => withReference(own(), reference),
    });
    const volumes = chart.addSeries(HistogramSeries, { priceScaleId: "", lastValueVisible: false, priceLineVisible: false,
      priceFormat: { type: "volume" } });
    volumes.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    if (reference !== null) {
      prices.createPriceLine({ price: reference, color: colour.mark, lineWidth: 1, lineStyle: LineStyle.Dashed,
        axisLabelVisible: true, title: t("price.reference") });
    }
    parts = { prices, volumes };
  }

  return {
    show,
    update,
    remove() {
      DARK.removeEventListener("change", restyle);
      shownNow = null;
      chart?.remove();
      chart = parts = null;
    },
  };
}

/** The reference belongs in the picture, unless it is so far away that the prices would become a flat line. */
function withReference(info, reference) {
  if (!info?.priceRange || reference === null) return info;
  const { minValue, maxValue } = info.priceRange;
  const span = Math.max(maxValue - minValue, Math.abs(maxValue) * 0.01);
  if (reference < minValue - 6 * span || reference > maxValue + 6 * span) return info;
  return { ...info, priceRange: { minValue: Math.min(minValue, reference), maxValue: Math.max(maxValue, reference) } };
}
