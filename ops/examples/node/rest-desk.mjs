#!/usr/bin/env node
// A client of a Stele desk over REST: arms it, watches what happens until a trade is settled, reads that trade's whole
// story, and kills. Node 20 or newer, no packages.
//
//   node rest-desk.mjs --server http://127.0.0.1:8420 --key-file operator.key

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { options, readKey } from "./options.mjs";

// The desk says something every five seconds; after this long it is gone.
const SILENCE_MAX_MS = 20_000;
// Attempts at one wish that gets no answer, all with the same key.
const ATTEMPTS_MAX = 5;

// The desk said no: a problem document with a stable code.
class Refused extends Error {
  constructor(problem) {
    super(`${problem.detail} (${problem.code})`);
    this.code = problem.code;
  }
}

class Desk {
  constructor(server, key) {
    this.server = server;
    this.headers = { authorization: `Bearer ${key}` };
  }

  // Asks once: the status and the answer. A no is an exception.
  async ask(method, path, { body, headers = {} } = {}) {
    const sent = { ...this.headers, ...headers };
    if (body !== undefined) sent["content-type"] = "application/json";
    const response = await fetch(new URL(path, this.server), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(SILENCE_MAX_MS),
    });
    const answer = await response.json();
    if (!response.ok) throw new Refused(answer);
    return { status: response.status, answer };
  }

  // A wish is done once, however often it has to be asked: the key says that it is the same one.
  async wish(method, path, body) {
    const headers = { "idempotency-key": randomUUID() };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.ask(method, path, { body, headers });
      } catch (error) {
        if (error instanceof Refused || attempt === ATTEMPTS_MAX) throw error;
        await sleep(100 * 2 ** attempt);
      }
    }
  }

  // A read that shows everything up to a position.
  async read(path, atLeast) {
    const headers = atLeast === undefined ? {} : { "min-log-position": String(atLeast), prefer: "wait=5" };
    return (await this.ask("GET", path, { headers })).answer;
  }

  // Events after a position, as they happen, across lost connections.
  async *stream(topics, after) {
    for (;;) {
      const silence = new AbortController();
      let alarm = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
      try {
        const headers = { ...this.headers, accept: "text/event-stream", "last-event-id": String(after) };
        const url = new URL(`/v1/stream?topics=${topics}`, this.server);
        const response = await fetch(url, { headers, signal: silence.signal, redirect: "error" });
        if (!response.ok) throw new Refused(await response.json());
        for await (const message of messages(response.body)) {
          clearTimeout(alarm);
          alarm = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
          if (message.event === "closing" || message.event === "failed") break;
          if (message.event === "heartbeat" || message.event === "caught_up") continue;
          after = message.id;
          yield { position: message.id, event: JSON.parse(message.data) };
        }
      } catch (error) {
        if (error instanceof Refused) throw error;
      } finally {
        clearTimeout(alarm);
        silence.abort();
      }
      // The desk may be starting again. What happened meanwhile comes first.
      await sleep(500);
    }
  }
}

// Server-sent events.
async function* messages(body) {
  let rest = "";
  let message = { event: "message", data: [] };
  let id;
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (message.data.length > 0) yield { id, event: message.event, data: message.data.join("\n") };
        message = { event: "message", data: [] };
        continue;
      }
      const at = line.indexOf(":");
      const name = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
      if (name === "id") id = Number(value);
      else if (name === "event") message.event = value;
      else if (name === "data") message.data.push(value);
    }
  }
}

const { server, keyFile } = options({ server: "http://127.0.0.1:8420" });
const desk = new Desk(server, readKey(keyFile));

async function run() {
  const { status, answer: armed } = await desk.wish("POST", "/v1/account/arm", {
    reason: "the Node example",
    mode: "full",
    for_ms: 5 * 60_000,
  });
  if (status === 202) {
    console.log(`a second person has to approve: ${JSON.stringify(armed)}`);
    process.exitCode = 4;
    return;
  }
  console.log(`armed: ${armed.outcome} at log position ${armed.log_position}`);

  let decided = 0;
  let skipped = 0;
  let settled;
  const begin = armed.log_position ?? (await desk.read("/v1/status")).head;
  for await (const { position, event } of desk.stream("decisions,results", begin)) {
    if (event.type === "trading.Decided") {
      decided += 1;
      skipped += event.data.verdict.outcome === "skip" ? 1 : 0;
    } else if (event.type === "trading.SubmissionSettled") {
      console.log(`watched ${decided} decisions, ${skipped} of them no offer, until ${position} settled one`);
      settled = { position, commandId: event.data.command_id };
      break;
    }
  }

  const story = await desk.read(`/v1/trace/${settled.commandId}`, settled.position);
  console.log(`the story of quote ${story.quote_id} has ${story.timeline.length} steps:`);
  for (const moment of story.timeline) {
    console.log(`  ${String(moment.position).padStart(6)}  ${moment.what.padEnd(24)} ${moment.detail ?? ""}`);
  }

  const { answer: killed } = await desk.wish("POST", "/v1/account/kill", { reason: "the Node example is over" });
  console.log(`killed: fenced ${killed.fenced}, ${killed.open_signatures.length} signatures still out`);
}

try {
  await run();
} catch (error) {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
}
