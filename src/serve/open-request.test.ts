import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { OpenRequest } from "./open-request.ts";

test("a request that is answered leaves nothing at its connection's signal", () => {
  const controller = new AbortController();
  let closed = 0;
  const request = new OpenRequest(60, () => closed++);
  request.belongsTo(controller.signal, () => {});
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  request.close();
  // Node keeps the signal of every connection for good, and with it whatever listens: 30 KiB a request.
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  controller.abort();
  expect(closed).toBe(1);
});

test("a client that has gone closes its request once", () => {
  const controller = new AbortController();
  let closed = 0;
  const request = new OpenRequest(60, () => closed++);
  request.belongsTo(controller.signal, () => {});
  controller.abort();
  request.close();
  expect(closed).toBe(1);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});
