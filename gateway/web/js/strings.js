/**
 * The page's texts in the reader's language, and the formatting of numbers and times for display.
 *
 * Each language is a file of texts/, read when it is chosen; the views that load later bring files of their own. A text
 * may hold {names}, filled in by t(key, {names}). Numbers are shown by Intl in the reader's language, but never read that
 * way: what is typed uses a point, as what is sent does.
 */

export const LANGUAGES = { en: "English", es: "Español" };
const LOCALES = { en: "en-US", es: "es-PE" };

const files = new Set(["page"]); // of texts/<language>/, as they have been asked for
let language = "en";
let texts = {};
const formats = new Map();

export const currentLanguage = () => language;

/** Read the language's texts, then speak it. Raises what import() raises when they cannot be had. */
export async function setLanguage(code) {
  const wanted = code in LANGUAGES ? code : "en";
  texts = await read(wanted, [...files]);
  language = wanted;
  document.documentElement.lang = language;
}

/** The texts of a view that loads later, beside those that are there. */
export async function addTexts(file) {
  files.add(file);
  Object.assign(texts, await read(language, [file]));
}

async function read(code, names) {
  const parts = await Promise.all(names.map((name) => import(`./texts/${code}/${name}.js`)));
  return Object.assign({}, ...parts.map((part) => part.default));
}

/** The text of a key with its {names} filled in. A key without a text is a fault, shown as the key. */
export function t(key, names = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in names ? String(names[name]) : whole));
}

/** [name, value] of an instrument's or lot's attribute; a name that is not known here is shown as the venue has it. */
export function attribute(key, value) {
  const known = `attribute.${key}`;
  return [known in texts ? t(known) : key.replaceAll("_", " "), key.endsWith("_pct") ? `${value} %` : value];
}

/** What a refusal means in plain words. names: what its text may mention (tick, min, max). */
export function problemText(problem, names = {}) {
  const key = `problem.${problem.code}`;
  if (key in texts) return t(key, names);
  return problem.detail || t("problem.other", { code: problem.code });
}

function intl(kind, options) {
  const id = language + kind.name + JSON.stringify(options);
  if (!formats.has(id)) formats.set(id, new kind(LOCALES[language], options));
  return formats.get(id);
}

/** A decimal string (or whole BigInt) as the reader writes numbers; every digit is kept. */
export function number(value, digits = null) {
  const own = String(value).split(".")[1]?.length ?? 0;
  const shown = digits ?? own;
  const format = intl(Intl.NumberFormat, { minimumFractionDigits: shown, maximumFractionDigits: shown });
  return format.format(typeof value === "bigint" ? value : String(value)).replace("-", "−");
}

/** Minor units of a currency: (14024417n, "USD") -> "140,244.17 USD". */
export function money(minor, currency) {
  const sign = minor < 0n ? "-" : "";
  const digits = (minor < 0n ? -minor : minor).toString().padStart(3, "0");
  return `${number(`${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`, 2)} ${currency}`;
}

/** A count with its noun: ("bags", 1n) -> "1 bag". */
export function count(noun, n) {
  const form = intl(Intl.PluralRules, {}).select(Number(n)) === "one" ? "one" : "other";
  return t(`unit.${noun}.${form}`, { n: number(n) });
}

/** Time of day of an RFC 3339 time, with seconds, in the reader's time zone; "" without one. */
export function clockTime(when) {
  return when ? intl(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })
    .format(new Date(when)) : "";
}

/** The same with the short name of the time zone. */
export function zonedTime(when) {
  return intl(Intl.DateTimeFormat, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
  }).format(new Date(when));
}

/** Day and time of day, without seconds, in the reader's time zone; "" without one. */
export function dateTime(when) {
  return when ? intl(Intl.DateTimeFormat, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
    .format(new Date(when)) : "";
}

/** Whole seconds as 0:09, 2:59, 1:02:03; whole days before. */
export function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, "0");
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
