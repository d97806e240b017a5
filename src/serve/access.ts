/**
 * @file Who may ask: a bearer token, and nothing that a web page elsewhere could send.
 *
 * A page on any site can make a browser send requests to loopback. Its `Origin` gives it away; where it has
 * made its own name point to loopback (DNS rebinding), the `Host` does.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./api-error.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

export interface AccessRules {
  /** Undefined: anyone who reaches the server may ask. */
  readonly token: string | undefined;
  /** Address that the server is bound to. */
  readonly host: string;
}

/** What of a request is looked at. */
export interface AccessHeaders {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
}

/** Whether an address is only reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** @throws ApiError 403 for a request that came by another name, or from a page of another site */
export function checkOrigin({ host }: AccessRules, headers: AccessHeaders): void {
  const own = hostNames(host);
  // Bound to all addresses, names cannot be known; there a token is required.
  if (own === undefined) {
    if (headers.origin !== undefined && nameOf(originHost(headers.origin)) !== nameOf(headers.host))
      throw foreign("Origin", headers.origin);
    return;
  }
  const name = nameOf(headers.host);
  if (name === undefined || !own.includes(name)) throw foreign("Host", headers.host ?? "");
  if (headers.origin === undefined) return;
  const from = nameOf(originHost(headers.origin));
  if (from === undefined || !own.includes(from)) throw foreign("Origin", headers.origin);
}

/** @throws ApiError 401 without the right token */
export function checkToken({ token }: AccessRules, { authorization }: AccessHeaders): void {
  if (token === undefined) return;
  const given = /^bearer +(\S+)\s*$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) {
    throw new ApiError(
      401,
      "authentication_error",
      "this server wants a token: send the header Authorization: Bearer TOKEN; it was printed at the start",
      { code: "missing_api_key" },
    );
  }
  if (sameText(given, token)) return;
  throw new ApiError(401, "authentication_error", "the token is not this server's", {
    code: "invalid_api_key",
  });
}

/** Takes the same time wherever the texts differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Names by which a server on this address is reached; undefined where any may be right. */
function hostNames(host: string): readonly string[] | undefined {
  if (host === "0.0.0.0" || host === "::") return undefined;
  const name = host.includes(":") ? `[${host}]` : host;
  return isLoopback(host) ? [...LOOPBACK, name] : [name.toLowerCase()];
}

/** The name in `name:port`. */
function nameOf(host: string | undefined): string | undefined {
  return /^(\[[^\]]*\]|[^:]+)(:\d+)?$/.exec(host ?? "")?.[1]?.toLowerCase();
}

/** The `name:port` of an origin; undefined for `null` and what is no web address. */
function originHost(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
}

function foreign(header: string, value: string): ApiError {
  return new ApiError(
    403,
    "permission_error",
    `${header} "${value.slice(0, 100)}" is not this server; requests from other sites' pages are refused`,
    { code: "forbidden_origin" },
  );
}
