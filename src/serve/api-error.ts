/** @file Errors as clients of the OpenAI form expect them: a status, a type, a code, the parameter at fault. */

import { MeshloomError } from "../core/errors.ts";

export type ApiErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "permission_error"
  | "rate_limit_error"
  | "server_error";

export interface ApiErrorDetails {
  readonly code?: string;
  readonly param?: string | undefined;
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number;
}

export type ApiStatus = 400 | 401 | 403 | 404 | 405 | 413 | 429 | 500 | 503 | 504;

export class ApiError extends Error {
  readonly status: ApiStatus;
  readonly type: ApiErrorType;
  readonly code: string | null;
  readonly param: string | null;
  readonly retryAfter: number | undefined;

  constructor(
    status: ApiStatus,
    type: ApiErrorType,
    message: string,
    details: ApiErrorDetails = {},
  ) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.type = type;
    this.code = details.code ?? null;
    this.param = details.param ?? null;
    this.retryAfter = details.retryAfter;
  }

  /** `{"error": {"message", "type", "param", "code"}}` */
  body(): { readonly error: Readonly<Record<string, string | null>> } {
    const { message, type, param, code } = this;
    return { error: { message, type, param, code } };
  }

  headers(): Record<string, string> {
    return this.retryAfter === undefined ? {} : { "retry-after": `${this.retryAfter}` };
  }
}

/** A request that says something wrong. */
export function badRequest(param: string | undefined, message: string, code?: string): ApiError {
  return new ApiError(400, "invalid_request_error", message, {
    param,
    ...(code === undefined ? {} : { code }),
  });
}

/**
 * What to answer for an error of any kind.
 *
 * Ours about configuration are the client's to mend. Of the others only the headline is told: the rest may
 * hold paths.
 */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof MeshloomError && error.code === "CONFIG-01")
    return badRequest(undefined, error.headline);
  const headline = error instanceof MeshloomError ? error.headline : "the server failed";
  return new ApiError(500, "server_error", headline, { code: "internal_error" });
}
