/**
 * One WebSocket for all feeds. Each subscription begins with a snapshot; every update names the one before it
 * (`prev_seq`), and where that is not the last one seen, the subscription is made anew. A lost connection is tried
 * again after 0.5 s, doubling to 15 s, with chance added so that a thousand pages do not return together.
 */

import { socketAddress } from "./api.js";

const PROTOCOL = "qhatu.json.v1";
const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 15_000;
const PING_MS = 15_000;
const SILENCE_MS_MAX = 40_000;

const OF_INSTRUMENT = new Set(["book", "trades", "auction"]); // one channel an instrument; of the others there is one
const KEY_REFUSALS = new Set(["unknown_key", "key_expired"]);

const keyOf = (channel, instrument) => (OF_INSTRUMENT.has(channel) ? `${channel} ${instrument}` : channel);

export class Feed {
  /**
   * onState(state): "connecting", "live", "waiting" (retryAt set) or "refused" (the key); onOpen(): after each
   * (re)connection, when what was missed must be read again.
   */
  constructor({ onState, onOpen }) {
    this.onState = onState;
    this.onOpen = onOpen;
    this.subscriptions = new Map();
    this.token = null;
    this.socket = null;
    this.state = "connecting";
    this.retryAt = 0;
    this.tries = 0;
    this.timer = null;
    this.heardAt = 0;
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
    setInterval(() => this.#beat(), PING_MS);
  }

  /** Connect, or connect again under another key. */
  start(token) {
    this.token = token;
    this.tries = 0;
    this.#drop();
    this.#open();
  }

  /** Receive a channel: handler(message) for every snapshot and update. Returns the function that ends it. */
  subscribe(channel, instrument, handler) {
    const key = keyOf(channel, instrument);
    const subscription = { channel, instrument, handler, seq: null };
    this.subscriptions.set(key, subscription);
    this.#ask(subscription);
    return () => {
      if (this.subscriptions.get(key)?.handler !== handler) return;
      this.subscriptions.delete(key);
      this.#send({ op: "unsubscribe", channel, ...(instrument ? { instrument } : {}) });
    };
  }

  retryNow() {
    if (this.state === "waiting") this.#open();
  }

  #open() {
    clearTimeout(this.timer);
    this.#become("connecting");
    const socket = new WebSocket(socketAddress(), PROTOCOL);
    this.socket = socket;
    socket.onopen = () => {
      this.heardAt = Date.now();
      if (this.token) this.#send({ op: "auth", token: this.token });
      for (const subscription of this.subscriptions.values()) this.#ask(subscription);
      this.onOpen();
    };
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (event.code === 4001 && this.token) this.#become("refused");
      else this.#wait();
    };
  }

  #wait() {
    const delay = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** this.tries) * (0.5 + Math.random() / 2);
    this.tries += 1;
    this.retryAt = Date.now() + delay;
    this.#become("waiting");
    this.timer = setTimeout(() => this.#open(), delay);
  }

  #drop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  /** Subscribe, or begin anew: until the snapshot comes, updates are left out. */
  #ask(subscription) {
    subscription.seq = null;
    const { channel, instrument } = subscription;
    this.#send({ op: "subscribe", channel, ...(instrument ? { instrument } : {}) });
  }

  #take(text) {
    this.heardAt = Date.now();
    if (this.state !== "live") {
      this.tries = 0;
      this.#become("live");
    }
    const message = JSON.parse(text);
    if (message.op === "error" && KEY_REFUSALS.has(message.code)) this.#become("refused");
    if (!message.type) return;
    const subscription = this.subscriptions.get(keyOf(message.channel, message.instrument));
    if (!subscription) return;
    if (message.type === "snapshot") subscription.seq = message.seq;
    else if (subscription.seq === null || message.seq <= subscription.seq) return;
    else if (message.prev_seq !== subscription.seq) {
      this.#ask(subscription);
      return;
    } else subscription.seq = message.seq;
    subscription.handler(message);
  }

  #beat() {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heardAt > SILENCE_MS_MAX) {
      this.#drop();
      this.#wait();
    } else this.#send({ op: "ping" });
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #become(state) {
    this.state = state;
    this.onState(state);
  }
}
