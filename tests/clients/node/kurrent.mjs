// The official Node client of KurrentDB against a desk that speaks its protocol. It asks what applications ask, and ends
// with a number other than 0 when an answer is not the one that this client is promised:
//
//   node kurrent.mjs --server HOST:PORT --ca FILE --user USER --key-file FILE --restart COMMAND
//
// COMMAND ends the desk and starts it again on the same port.

import { execSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as kurrent from "@kurrent/kurrentdb-client";

const {
  ANY, BACKWARDS, END, FORWARDS, KurrentDBClient, NO_STREAM, START, STREAM_STATE, binaryEvent,
  eventTypeFilter, excludeSystemEvents, jsonEvent, streamNameFilter,
} = kurrent;

const options = Object.fromEntries(["server", "ca", "user", "key-file", "restart"].map((name) => [name, { type: "string" }]));
const { values: asked } = parseArgs({ options });
const key = readFileSync(asked["key-file"], "utf8").trim().split("\n").at(-1);
const failed = [];

function holds(what, truth) {
  console.log(truth ? `  ${what}` : `  ${what}: FAILED`);
  if (!truth) failed.push(what);
}

async function refuses(what, kind, work) {
  try {
    await work();
  } catch (error) {
    const right = error instanceof kurrent[kind];
    if (!right) console.log("   ", error?.name, error?.message);
    holds(what, right);
    return error;
  }
  holds(what, false);
}

const connected = (user = asked.user, secret = key) =>
  KurrentDBClient.connectionString(`kurrentdb://${user}:${secret}@${asked.server}?tlsCaFile=${encodeURIComponent(asked.ca)}`);
const fresh = (prefix) => `${prefix}-${randomUUID()}`;
const event = (number, type = "Placed") => jsonEvent({ type, data: { number } });
const events = (count) => Array.from({ length: count }, (_, number) => event(number));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

async function all(stream) {
  const found = [];
  for await (const { event } of stream) found.push(event);
  return found;
}

const revisions = async (stream) => (await all(stream)).map((event) => Number(event.revision));

async function appends(client) {
  console.log("append");
  const stream = fresh("orders");
  const offered = events(3);
  const first = await client.appendToStream(stream, offered, { streamState: NO_STREAM });
  holds("gives revision and place", first.success && first.nextExpectedRevision === 2n && first.position.commit > 0n);
  const again = await client.appendToStream(stream, offered, { streamState: NO_STREAM });
  holds("gives the first answer again", again.position.commit === first.position.commit);
  const wrong = await refuses("names where the stream is", "WrongExpectedVersionError", () =>
    client.appendToStream(stream, event(9), { streamState: 7n }));
  holds("with its revision", wrong?.actualState === 2n);
  await client.appendToStream(stream, event(3), { streamState: 2n, credentials: { username: asked.user, password: key } });
  holds("one event, by the unary call", same(await revisions(client.readStream(stream)), [0, 1, 2, 3]));
  await refuses("keeps to what the key is for", "AccessDeniedError", () => client.appendToStream("account-desk.test", event(0)));
  const large = Array.from({ length: 50 }, () =>
    binaryEvent({ type: "Large", data: Buffer.alloc(100 * 1024, 7), metadata: Buffer.from([255, 0]) }));
  await client.appendToStream(fresh("large"), large);
  const plain = randomUUID().replaceAll("-", "");
  await client.appendToStream(plain, large[0]);
  const [told] = await all(client.readStream(plain));
  holds("keeps bytes and metadata", Buffer.compare(told.data, large[0].data) === 0 && Buffer.compare(told.metadata, large[0].metadata) === 0);
  holds("keeps id, kind and when", told.id === large[0].id && !told.isJson && Math.abs(told.created - Date.now()) < 600_000);
}

async function batches(client) {
  console.log("many appends at once");
  const streams = Array.from({ length: 100 }, () => fresh("batch"));
  // Every tenth believes in a stream that is not there.
  const outcomes = await Promise.allSettled(streams.map((stream, number) =>
    client.appendToStream(stream, events(3), { streamState: number % 10 === 0 ? 5n : NO_STREAM })));
  const refused = outcomes.flatMap(({ reason }, number) => (reason instanceof kurrent.WrongExpectedVersionError ? [number] : []));
  holds("those that are wrong are refused, and no other", same(refused, Array.from({ length: 10 }, (_, tenth) => tenth * 10))
    && outcomes.filter(({ status }) => status === "fulfilled").length === 90);
  const places = outcomes.flatMap(({ value }) => (value ? [value.position.commit] : []));
  holds("each has a place of its own", new Set(places).size === 90);
  const kept = await all(client.readStream(streams[1]));
  holds("and all of its events next to each other", same(kept.map((event) => Number(event.revision)), [0, 1, 2])
    && kept[2].position.commit === kept[0].position.commit + 2n && kept[2].position.commit === outcomes[1].value.position.commit);
  await refuses("of one that was refused nothing is kept", "StreamNotFoundError", () => all(client.readStream(streams[0])));
}

async function reads(client) {
  console.log("read");
  const stream = fresh("reads");
  await client.appendToStream(stream, events(5));
  holds("forwards from a place", same(await revisions(client.readStream(stream, { fromRevision: 3n })), [3, 4]));
  holds("backwards", same(await revisions(client.readStream(stream, { direction: BACKWARDS, fromRevision: END })), [4, 3, 2, 1, 0]));
  holds("backwards from a place", same(await revisions(client.readStream(stream, { direction: BACKWARDS, fromRevision: 1n })), [1, 0]));
  holds("so many", same(await revisions(client.readStream(stream, { maxCount: 2, direction: FORWARDS, fromRevision: START })), [0, 1]));
  await refuses("what is not there is not found", "StreamNotFoundError", () => all(client.readStream(fresh("none"))));
  const last = (await all(client.readStream(stream))).at(-1).position;
  const [at] = await all(client.readAll({ fromPosition: last, maxCount: 1 }));
  holds("the log from a place, which is included", at.id === (await all(client.readStream(stream))).at(-1).id);
  const [before] = await all(client.readAll({ fromPosition: last, direction: BACKWARDS, maxCount: 1 }));
  holds("the log backwards, without the place itself", before.position.commit < last.commit);
  const byName = client.readAll({ filter: streamNameFilter({ prefixes: [stream] }) });
  holds("by the beginning of a name", same(await revisions(byName), [0, 1, 2, 3, 4]));
  const without = await all(client.readAll({ filter: eventTypeFilter({ regex: "^(?!Placed$).*" }), maxCount: 50 }));
  holds("without a type", without.length > 0 && without.every((event) => event.type !== "Placed"));
  const byType = await all(client.readAll({ filter: eventTypeFilter({ regex: "^operations\\..*" }) }));
  holds("the desk's own events, which are JSON", byType.length > 0 && byType.every((event) => event.isJson && event.metadata.actor));
}

async function metadata(client) {
  console.log("metadata");
  const stream = fresh("metadata");
  await client.appendToStream(stream, events(5));
  await client.setStreamMetadata(stream, { maxCount: 2, mine: 7 });
  holds("say how much is shown", same(await revisions(client.readStream(stream)), [3, 4]));
  const told = await client.getStreamMetadata(stream);
  holds("come back", told.metadata.maxCount === 2 && told.metadata.mine === 7);
  await refuses("have a revision too", "WrongExpectedVersionError", () =>
    client.setStreamMetadata(stream, {}, { streamState: 9n }));
  await client.setStreamMetadata(stream, { truncateBefore: 4 });
  holds("only the newest count", same(await revisions(client.readStream(stream)), [4]));
}

async function deletes(client) {
  console.log("delete and tombstone");
  const stream = fresh("deleted");
  // The client has no class of its own for this answer, which Python's calls "not found".
  const never = await client.deleteStream(stream, { expectedRevision: ANY }).catch((error) => error);
  holds("what never was", String(never?.message).includes("Actual version: -1"));
  await client.appendToStream(stream, events(2), { streamState: NO_STREAM });
  await refuses("not with another revision", "WrongExpectedVersionError", () => client.deleteStream(stream, { expectedRevision: 0n }));
  await client.deleteStream(stream, { expectedRevision: 1n });
  await refuses("what is deleted is not found", "StreamNotFoundError", () => all(client.readStream(stream)));
  const kept = await client.appendToStream(stream, events(2), { streamState: NO_STREAM });
  holds("until it is appended to again", kept.nextExpectedRevision === 3n);
  holds("and shows what is new", same(await revisions(client.readStream(stream)), [2, 3]));
  await client.tombstoneStream(stream, { expectedRevision: ANY });
  await refuses("a tombstone is for ever", "StreamDeletedError", () => all(client.readStream(stream)));
  await refuses("nothing is appended to it", "StreamDeletedError", () => client.appendToStream(stream, event(4)));
}

async function several(client) {
  console.log("several streams at once");
  const [one, other, third] = [fresh("several"), fresh("several"), fresh("several")];
  const both = [
    { streamName: one, expectedState: NO_STREAM, events: [event(0)] },
    { streamName: other, expectedState: NO_STREAM, events: events(2) },
  ];
  const kept = await client.multiStreamAppend(both);
  holds("are kept together", kept.responses.length === 2 && (await revisions(client.readStream(other))).length === 2);
  const again = await client.multiStreamAppend(both);
  holds("and get the first answer again", again.position === kept.position);
  const conflict = [
    { streamName: third, expectedState: NO_STREAM, events: [event(0)] },
    { streamName: one, expectedState: 5n, events: [event(9)] },
  ];
  await refuses("or not at all", "WrongExpectedVersionError", () => client.multiStreamAppend(conflict));
  await refuses("of which nothing is kept", "StreamNotFoundError", () => all(client.readStream(third)));
  const result = await client.appendRecords(
    [{ streamName: one, record: event(1) }, { streamName: third, record: event(0) }],
    [{ type: STREAM_STATE, streamName: other, expectedState: 1n }]);
  holds("records go where they say", result.responses.length === 2 && result.position > kept.position);
  const broken = await refuses("conditions on other streams hold or nothing is kept", "AppendConsistencyViolationError", () =>
    client.appendRecords([{ streamName: one, record: event(2) }], [{ type: STREAM_STATE, streamName: other, expectedState: NO_STREAM }]));
  holds("and what does not is named", broken?.violations?.[0]?.streamName === other);
  holds("of which nothing is kept", same(await revisions(client.readStream(one)), [0, 1]));
}

/** The next so many events of a subscription. */
async function next(subscription, count) {
  const found = [];
  for await (const { event } of subscription) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}

async function subscriptions(client) {
  console.log("subscriptions");
  const stream = fresh("followed");
  await client.appendToStream(stream, events(40));
  const followed = client.subscribeToStream(stream);
  const caughtUp = new Promise((resolve) => followed.once("caughtUp", resolve));
  const told = [];
  const enough = new Promise((resolve) => followed.on("data", ({ event }) => {
    told.push(event);
    if (told.length === 42) resolve();
  }));
  await caughtUp;
  await client.appendToStream(stream, events(2));
  await enough;
  holds("tell what there is, that this is all, and what comes", same(told.map((event) => Number(event.revision)), [...Array(42).keys()]));
  const end = new Promise((resolve) => followed.once("error", resolve));
  execSync(asked.restart, { stdio: "inherit" });
  holds("end when the desk does", (await end) instanceof Error);
  const again = connected();
  await again.appendToStream(stream, events(2));
  const later = again.subscribeToAll({
    fromPosition: told.at(-1).position, filter: streamNameFilter({ prefixes: [stream] }),
  });
  holds("go on where they were", same((await next(later, 2)).map((event) => Number(event.revision)), [42, 43]));
  const checkpoints = [];
  const filtered = again.subscribeToAll({
    filter: eventTypeFilter({ regex: "^never$", checkpointReached: (_, position) => checkpoints.push(position) }),
  });
  await new Promise((resolve) => filtered.once("caughtUp", resolve));
  holds("tell how far they looked", checkpoints.length > 0);
  await filtered.unsubscribe();
  const plain = again.subscribeToAll({ filter: excludeSystemEvents() });
  holds("leave out what is the system's", (await next(plain, 5)).every((event) => !event.type.startsWith("$")));
  return again;
}

let client = connected();
await appends(client);
await batches(client);
await reads(client);
await metadata(client);
await deletes(client);
await several(client);
client = await subscriptions(client);
console.log("strangers");
await refuses("get no further", "AccessDeniedError", () => all(connected("somebody-else").readStream("orders")));
process.exit(failed.length > 0 ? 1 : 0);
