#!/usr/bin/env node
// A client of a Stele desk over gRPC: arms it, watches decisions, reads a settled trade's story, and kills. The
// services are loaded from the repository's proto/ when it starts.
//
//   npm install
//   node grpc-desk.mjs --server 127.0.0.1:8420 --key-file operator.key

import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { options, readKey } from "./options.mjs";

const PROTO = fileURLToPath(new URL("../../../proto", import.meta.url));
// The whole example takes no longer than this.
const DEADLINE_MS = 120_000;

const { server, keyFile, caFile } = options({ server: "127.0.0.1:8420" });
const files = readdirSync(`${PROTO}/api/v1`).filter((name) => name.endsWith(".proto"));
const definition = loader.loadSync(
  files.map((name) => `api/v1/${name}`),
  { includeDirs: [PROTO], keepCase: true, longs: Number, enums: String, oneofs: true, defaults: true },
);
const { ControlService, TradingService } = grpc.loadPackageDefinition(definition).stele.api.v1;
const trusted = caFile ? grpc.credentials.createSsl(readFileSync(caFile)) : grpc.credentials.createInsecure();
const key = readKey(keyFile);

// Every call shows the key and has an end.
function client(Service) {
  const made = new Service(server, trusted);
  const told = () => {
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${key}`);
    return [metadata, { deadline: Date.now() + DEADLINE_MS }];
  };
  return {
    ask: (method, message) => promisify(made[method]).call(made, message, ...told()),
    listen: (method, message) => made[method](message, ...told()),
    close: () => made.close(),
  };
}

const control = client(ControlService);
const trading = client(TradingService);

// The command of one of these offers that was settled; none when there is none yet.
async function aSettledOne(offered) {
  const filters = [{ column: "state", value: "settled" }];
  const { rows } = await trading.ask("QueryTable", { table: "results", filters, page_size: 50 });
  return rows.find((row) => offered.has(row.cells.quote_id.text))?.cells.command_id.text;
}

async function run() {
  const armed = await control.ask("Arm", {
    idempotency_key: randomUUID(),
    reason: "the Node gRPC example",
    mode: "MODE_FULL",
    for_ms: 5 * 60_000,
  });
  if (armed.receipt.outcome === "OUTCOME_APPROVAL_NEEDED") {
    console.log(`a second person has to approve request ${armed.approval.request_id}`);
    process.exitCode = 4;
    return;
  }
  console.log(`armed: ${armed.receipt.outcome} at log position ${armed.receipt.log_position}`);

  let decided = 0;
  let settled;
  const offered = new Set();
  const watch = trading.listen("WatchDecisions", { from_position: armed.receipt.log_position + 1 });
  for await (const message of watch) {
    if (message.event === "decision") {
      decided += 1;
      if (message.decision.verdict === "VERDICT_ACT") offered.add(message.decision.quote_id);
    }
    settled = await aSettledOne(offered);
    if (settled) break;
  }
  watch.on("error", () => {}); // Our own cancellation comes back as one.
  watch.cancel();
  console.log(`watched ${decided} decisions, ${offered.size} of them an offer, until command ${settled} was settled`);

  const story = await trading.ask("Trace", { id: settled });
  console.log(`the story of quote ${story.quote_id} has ${story.timeline.length} steps:`);
  for (const moment of story.timeline) {
    console.log(`  ${String(moment.position).padStart(6)}  ${moment.what.padEnd(24)} ${moment.detail}`);
  }

  const killed = await control.ask("Kill", { idempotency_key: randomUUID(), reason: "the example is over" });
  console.log(`killed: fenced ${killed.fenced}, ${killed.open_signatures.length} signatures still out`);
}

try {
  await run();
} catch (error) {
  console.error(`${error.details ?? error.message} (${grpc.status[error.code] ?? "no answer"})`);
  process.exitCode = 1;
} finally {
  control.close();
  trading.close();
}
