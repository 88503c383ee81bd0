/**
 * Exact decimals. A price is a whole number of ticks, a quantity a whole number of lots, money a whole number of minor
 * units, all BigInt; decimal text is their only other form. Floats appear nowhere but in charts.
 *
 * The rules are those of engine/domain/units.py; tests/browser compares the two.
 */

const DECIMAL = /^(-?)(0|[1-9][0-9]{0,12})(?:\.([0-9]{1,12}))?$/;
const DIGITS = 12;
const ONE = 10n ** BigInt(DIGITS);

/** Decimal text as an integer of 10^-12; null when it is no such text ("1e4", "1,5", "", "NaN"). */
export function parse(text) {
  const found = DECIMAL.exec(String(text ?? "").trim());
  if (!found) return null;
  const magnitude = BigInt(found[2]) * ONE + BigInt((found[3] ?? "").padEnd(DIGITS, "0"));
  return found[1] ? -magnitude : magnitude;
}

/** Ticks of a decimal price: {ticks} or {code: "malformed" | "off_tick"}. */
export function toTicks(text, tickSize) {
  const value = parse(text);
  if (value === null) return { code: "malformed" };
  const tick = parse(tickSize);
  return value % tick === 0n ? { ticks: value / tick } : { code: "off_tick" };
}

/** Lots of a decimal quantity: {lots} or {code: "malformed" | "off_lot" | "qty_range"}. */
export function toLots(text) {
  const value = parse(text);
  if (value === null) return { code: "malformed" };
  if (value % ONE !== 0n) return { code: "off_lot" };
  return value > 0n ? { lots: value / ONE } : { code: "qty_range" };
}

/** Integer of 10^-digits as decimal text: (33525n, 2) -> "335.25". */
export function toText(units, digits) {
  const sign = units < 0n ? "-" : "";
  const whole = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  return digits ? `${sign}${whole.slice(0, -digits)}.${whole.slice(-digits)}` : sign + whole;
}

/** The decimal price of a number of ticks, with `decimals` after the point. */
export function priceText(ticks, tickSize, decimals) {
  return toText((ticks * parse(tickSize)) / 10n ** BigInt(DIGITS - decimals), decimals);
}

/** ticks x lots x numerator / denominator in minor units, rounded once, a half to the even neighbour. */
export function valueMinor(ticks, lots, numerator, denominator) {
  const over = BigInt(denominator);
  const product = BigInt(ticks) * BigInt(lots) * BigInt(numerator);
  let quotient = product / over;
  let rest = product % over;
  if (rest < 0n) {
    quotient -= 1n;
    rest += over;
  }
  const doubled = 2n * rest;
  if (doubled > over || (doubled === over && quotient % 2n !== 0n)) quotient += 1n;
  return quotient;
}

/** Exact product of decimal text and a whole number, as decimal text without trailing zeros: ("69", 10n) -> "690". */
export function times(text, count) {
  const value = parse(text);
  return value === null ? null : trimmed(toText(value * BigInt(count), DIGITS));
}

/** text / divisor to `digits` decimals, cut (display only): ("690", "46", 2) -> "15.00". */
export function ratio(text, divisor, digits) {
  return toText((parse(text) * 10n ** BigInt(digits)) / parse(divisor), digits);
}

/** -1, 0 or 1: which of two decimal texts is greater. */
export function compare(a, b) {
  const [x, y] = [parse(a), parse(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
