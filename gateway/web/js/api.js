/** The venue's REST interface: JSON in, JSON out; a refusal is a Problem with the venue's stable code. */

const BASE = new URL("v1/", document.baseURI);
const SECONDS_MAX = 10;

/** A refusal by the venue (RFC 9457), or code "unreachable" when no answer came. */
export class Problem extends Error {
  constructor(code, detail = "", { status = 0, errors = [], seq = null } = {}) {
    super(detail || code);
    Object.assign(this, { code, detail, status, errors, seq });
  }

  static from(body, status) {
    const code = body?.code ?? (status === 404 ? "not_found" : status >= 500 ? "internal" : "malformed");
    return new Problem(code, body?.detail ?? "", { status, errors: body?.errors ?? [] });
  }
}

export class Api {
  constructor(key = null) {
    this.key = key;
  }

  get(path) {
    return this.call("GET", path);
  }

  /** `idempotency`: the number of a request whose body has none of its own. */
  post(path, body, idempotency = null) {
    return this.call("POST", path, body, idempotency);
  }

  delete(path) {
    return this.call("DELETE", path);
  }

  /** Raises Problem. Nothing is repeated here: only the caller knows whether its request may be. */
  async call(method, path, body = undefined, idempotency = null, type = "application/json") {
    const headers = { Accept: "application/json" };
    if (idempotency) headers["Idempotency-Key"] = idempotency;
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body !== undefined) headers["Content-Type"] = type;
    let answer;
    try {
      answer = await fetch(new URL(path, BASE), {
        method,
        headers,
        body: body === undefined || type !== "application/json" ? body : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(SECONDS_MAX * 1000),
      });
    } catch {
      throw new Problem("unreachable");
    }
    const content = await answer.json().catch(() => null);
    if (!answer.ok) throw Problem.from(content, answer.status);
    return content;
  }
}

/** Address of the WebSocket beside the REST interface. */
export function socketAddress() {
  const address = new URL("ws", BASE);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** A client id nobody else uses: 1 to 36 of [A-Za-z0-9._:-]. The same one is sent again when an answer was lost. */
export function clientId(prefix = "web") {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
