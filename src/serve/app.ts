/** @file The routes of a server: an OpenAI-compatible interface to one model. */

import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { formatBytes } from "../core/text.ts";
import type { Answer } from "../generate/answer.ts";
import { type AccessRules, checkOrigin, checkToken } from "./access.ts";
import { ApiError, apiErrorOf, badRequest } from "./api-error.ts";
import type { Choice } from "./choice.ts";
import { type Plan, planChat, planCompletion } from "./completions.ts";
import { chatFormat, completionFormat, type ResponseFormat, type ResponseHead } from "./format.ts";
import { ServeMetrics } from "./metrics.ts";
import { Admission, type OpenRequest } from "./open-request.ts";
import { type CommonBody, readChat, readCompletion } from "./request-schema.ts";
import { type PendingResponse, streamedResponse, wholeResponse } from "./respond.ts";
import type { ServedModel, ServeLimits } from "./served-model.ts";

export interface ServeOptions {
  readonly model: ServedModel;
  readonly limits: ServeLimits;
  readonly access: AccessRules;
  /** Errors that are the server's own fault, for its log. */
  onError(error: unknown): void;
}

/** The application, and what its owner needs to stop it. */
export interface ServeApp {
  readonly fetch: Hono["fetch"];
  readonly admission: Admission;
  readonly metrics: ServeMetrics;
}

/** What the Node adapter hands on; absent where requests come from a test. */
interface NodeBindings {
  readonly incoming?: { readonly socket: { readonly remoteAddress?: string } };
  readonly outgoing?: { destroy(): unknown };
}

/** Counted one by one; whatever else a client makes up is "other". */
const PATHS = ["/v1/completions", "/v1/chat/completions", "/v1/models", "/health", "/metrics"];

type Env = { Bindings: NodeBindings };

export function createServeApp(options: ServeOptions): ServeApp {
  const { model, limits, access } = options;
  const admission = new Admission(limits);
  const metrics = new ServeMetrics();
  const app = new Hono<Env>();

  app.onError((error, c) => {
    const answer = apiErrorOf(error);
    if (answer.status === 500) options.onError(error);
    return c.json(answer.body(), answer.status, answer.headers());
  });
  app.notFound((c) => {
    const error = new ApiError(
      404,
      "invalid_request_error",
      `there is no ${c.req.method} ${c.req.path}`,
      {
        code: "unknown_url",
      },
    );
    return c.json(error.body(), error.status);
  });
  app.use(async (c, next) => {
    await next();
    metrics.request(PATHS.find((path) => path === c.req.path) ?? "other", c.res.status);
  });
  app.use(async (c, next) => {
    checkOrigin(access, headersOf(c));
    await next();
  });
  app.get("/health", (c) =>
    admission.stopping ? c.json({ status: "stopping" }, 503) : c.json({ status: "ok" }),
  );
  app.use(async (c, next) => {
    checkToken(access, headersOf(c));
    await next();
  });
  app.use(
    "/v1/*",
    bodyLimit({
      maxSize: limits.bodyBytes,
      onError: () => {
        throw new ApiError(
          413,
          "invalid_request_error",
          `the body is larger than ${formatBytes(limits.bodyBytes)}`,
          { code: "body_too_large" },
        );
      },
    }),
  );
  app.get("/metrics", (c) =>
    c.text(metrics.text(model, admission.open), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    }),
  );

  const card = { id: model.name, object: "model", created: model.created, owned_by: "meshloom" };
  app.get("/v1/models", (c) => c.json({ object: "list", data: [card] }));
  app.get("/v1/models/:id{.+}", (c) => {
    checkModel(c.req.param("id"), model);
    return c.json(card);
  });

  app.post("/v1/completions", async (c) => {
    const body = readCompletion(await bodyOf(c));
    checkModel(body.model, model);
    const plan = planCompletion(body, model, limits);
    const format = completionFormat(headOf("cmpl", model), plan.logprobs);
    return answer(c, body, plan, format);
  });
  app.post("/v1/chat/completions", async (c) => {
    const body = readChat(await bodyOf(c));
    checkModel(body.model, model);
    const plan = planChat(body, model, limits);
    const format = chatFormat(headOf("chatcmpl", model), plan.logprobs);
    return answer(c, body, plan, format);
  });
  for (const path of ["/v1/completions", "/v1/chat/completions"])
    app.all(path, (c) => {
      const error = new ApiError(
        405,
        "invalid_request_error",
        `${path} takes POST, not ${c.req.method}`,
      );
      return c.json(error.body(), 405, { allow: "POST" });
    });

  const answer = async (
    c: Context<Env>,
    body: CommonBody,
    plan: Plan,
    format: ResponseFormat,
  ): Promise<Response> => {
    const client = c.env.incoming?.socket.remoteAddress ?? "";
    const request = admission.enter(plan.requests.length, client, model, metrics.duration.mean);
    const choices = submit(model, plan, request);
    request.holds(choices);
    request.belongsTo(c.req.raw.signal, () => c.env.outgoing?.destroy());
    const { promptTokens, select } = plan;
    const watch = watchOf(options, metrics);
    const pending: PendingResponse = { request, format, choices, promptTokens, select, watch };
    if (body.stream !== true) return c.json(await wholeResponse(pending));
    const stream = streamedResponse(pending, body.stream_options?.include_usage === true);
    return c.body(stream, 200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
  };
  return { fetch: app.fetch as Hono["fetch"], admission, metrics };
}

/** Hands all texts to the engine, or none. */
function submit({ engine }: ServedModel, plan: Plan, request: OpenRequest): Choice[] {
  const answers: Answer[] = [];
  try {
    for (const one of plan.requests) answers.push(engine.submit(one));
    return answers.map(plan.choiceOf);
  } catch (error) {
    for (const answer of answers) answer.cancel();
    request.close();
    throw error;
  }
}

function watchOf({ onError }: ServeOptions, metrics: ServeMetrics): PendingResponse["watch"] {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let first = true;
  return {
    onFirst() {
      if (first) metrics.firstToken.observe(seconds());
      first = false;
    },
    onEnd: () => metrics.duration.observe(seconds()),
    onError(error) {
      if (apiErrorOf(error).code === "internal_error") onError(error);
    },
  };
}

function headOf(kind: string, { name }: ServedModel): ResponseHead {
  return {
    id: `${kind}-${randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model: name,
  };
}

/** @throws ApiError 404 for another model's name; none at all means the one that is here */
function checkModel(name: string | null | undefined, model: ServedModel): void {
  if (name === undefined || name === null || name === model.name) return;
  throw new ApiError(
    404,
    "invalid_request_error",
    `the model "${name.slice(0, 200)}" is not here; this server has "${model.name}"`,
    { code: "model_not_found", param: "model" },
  );
}

/** @throws ApiError 400 for a body that is not JSON */
async function bodyOf(c: Context<Env>): Promise<unknown> {
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(
      undefined,
      `the body is not JSON: ${(error as SyntaxError).message}`,
      "invalid_json",
    );
  }
}

function headersOf(c: Context<Env>) {
  return {
    host: c.req.header("host"),
    origin: c.req.header("origin"),
    authorization: c.req.header("authorization"),
  };
}
