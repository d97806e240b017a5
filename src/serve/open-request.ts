/** @file A request from its admission to the last byte of its answer: what ends it, and what it holds. */

import { ApiError } from "./api-error.ts";
import type { Choice } from "./choice.ts";
import type { ServedModel, ServeLimits } from "./served-model.ts";

/** Why a request ended before its answer did. */
export type EndCause = "gone" | "late" | "stopping";

/** Time for a last message to a client before its connection is closed. */
const FAREWELL_MS = 1000;

/** Counts texts that are owed, and refuses those beyond the limits. */
export class Admission {
  readonly #limits: ServeLimits;
  readonly #open = new Set<OpenRequest>();
  readonly #clients = new Map<string, number>();
  #texts = 0;
  #stopping = false;

  constructor(limits: ServeLimits) {
    this.#limits = limits;
  }

  /** Requests that are not answered whole. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Takes a request in.
   *
   * @param texts - how many texts it asks for
   * @param client - its address
   * @param perText - seconds that one text takes on average; NaN while unknown
   * @throws ApiError 429 when too many wait or the client has too many, 503 while stopping
   */
  enter(texts: number, client: string, model: ServedModel, perText: number): OpenRequest {
    const { queue, perClient, seconds } = this.#limits;
    if (this.#stopping) {
      throw new ApiError(503, "server_error", "the server is stopping", {
        code: "server_stopping",
        retryAfter: 10,
      });
    }
    const places = model.slots + queue;
    if (texts > places) {
      throw new ApiError(
        400,
        "invalid_request_error",
        `${texts} texts at once are more than this server's ${places} places`,
        { param: "n" },
      );
    }
    const own = this.#clients.get(client) ?? 0;
    if (perClient > 0 && own >= perClient) {
      throw new ApiError(
        429,
        "rate_limit_error",
        `${own} requests of this client are under way, which is the limit`,
        { code: "too_many_requests", retryAfter: 1 },
      );
    }
    if (this.#texts + texts > places) {
      const wait = (this.#texts / model.slots) * perText;
      throw new ApiError(
        429,
        "rate_limit_error",
        `${this.#texts} texts are being written or wait`,
        {
          code: "queue_full",
          retryAfter: Math.min(60, Math.max(1, Math.ceil(Number.isNaN(wait) ? 1 : wait))),
        },
      );
    }
    this.#texts += texts;
    this.#clients.set(client, own + 1);
    const request = new OpenRequest(seconds, () => {
      this.#open.delete(request);
      this.#texts -= texts;
      const left = (this.#clients.get(client) ?? 1) - 1;
      if (left === 0) this.#clients.delete(client);
      else this.#clients.set(client, left);
    });
    this.#open.add(request);
    return request;
  }

  /** From now on nobody enters. */
  stop(): void {
    this.#stopping = true;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  endAll(cause: EndCause): void {
    for (const request of this.#open) request.end(cause);
  }
}

export class OpenRequest {
  readonly #onClose: () => void;
  readonly #timer: NodeJS.Timeout;
  #choices: readonly Choice[] = [];
  #disconnect: () => void = () => {};
  /** Ends listening to the connection: Node keeps a connection's signal, and with it all who listen, for good. */
  #forget: () => void = () => {};
  #cause: EndCause | undefined;
  #closed = false;

  /** @param seconds - after which it is ended */
  constructor(seconds: number, onClose: () => void) {
    this.#onClose = onClose;
    this.#timer = setTimeout(() => this.end("late"), seconds * 1000);
    this.#timer.unref();
  }

  /** Ties the request to the texts that are written for it. */
  holds(choices: readonly Choice[]): void {
    this.#choices = choices;
    if (this.#cause !== undefined) this.#cancel();
  }

  /**
   * Ties it to its connection.
   *
   * @param signal - aborted when the client has gone
   * @param disconnect - closes the connection
   */
  belongsTo(signal: AbortSignal, disconnect: () => void): void {
    this.#disconnect = disconnect;
    if (signal.aborted) {
      this.end("gone");
      return;
    }
    const gone = () => this.end("gone");
    signal.addEventListener("abort", gone, { once: true });
    this.#forget = () => signal.removeEventListener("abort", gone);
  }

  /** Lets go of all texts; the slots are free before the next step. */
  end(cause: EndCause): void {
    if (this.#closed || this.#cause !== undefined) return;
    this.#cause = cause;
    this.#cancel();
    if (cause === "gone") {
      this.close();
      return;
    }
    // A reader who takes nothing would never see the last message.
    setTimeout(() => {
      if (!this.#closed) this.#disconnect();
      this.close();
    }, FAREWELL_MS).unref();
  }

  /** The answer is whole, or its rest will not be sent. May be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#forget();
    this.#cancel();
    this.#onClose();
  }

  /** @throws ApiError when it was ended from outside */
  check(): void {
    if (this.#cause === "late") {
      throw new ApiError(504, "server_error", "the answer took longer than this server allows", {
        code: "request_timeout",
      });
    }
    if (this.#cause === "stopping") {
      throw new ApiError(503, "server_error", "the server is stopping", {
        code: "server_stopping",
        retryAfter: 10,
      });
    }
    if (this.#cause === "gone") throw new ApiError(500, "server_error", "the client has gone");
  }

  #cancel(): void {
    for (const { answer } of this.#choices) answer.cancel();
  }
}
