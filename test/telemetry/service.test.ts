import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ALL, REQUEST, run, tokenFor, type Running } from "../http/running.js";
import { ask, type Json } from "../http/asking.js";
import { until } from "../store/support.js";
import { OtlpReceiver, attributesOf } from "./receiver.js";

const TRACE = "5b8efff798038103d269b633813fc60c";
const PARENT = "eee19b7ec3c1b174";
const SAMPLED = `00-${TRACE}-${PARENT}-01`;

describe("telemetry that a service sends by OTLP", function () {
  let receiver: OtlpReceiver;
  let service: Running;
  let folder: string;
  const telemetry = (url: string, changes: Json = {}): Json => ({
    telemetry: { url, delay_ms: 10, metrics_interval_ms: 1000, timeout_ms: 1000, new_traces_percent: 0, ...changes },
  });
  const decide = (headers: Record<string, string> = {}, changes: Json = {}) =>
    ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token: ALL, headers });
  const spans = (): Json[] => receiver.itemsOf("/v1/traces");

  beforeEach(async () => {
    receiver = new OtlpReceiver();
    folder = mkdtempSync(join(tmpdir(), "remit-telemetry-"));
    writeFileSync(join(folder, "headers"), "# of the vendor\nDD-API-KEY: k-1\nauthorization: Splunk s-1\n");
    const url = await receiver.start();
    service = await run(
      telemetry(`${url}/`, { headers_file: join(folder, "headers"), resource: { "deployment.environment.name": "tests" } }),
    );
  });
  afterEach(async () => {
    await service.stop();
    await receiver.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has a span of a decision in the caller's trace, with what was decided and how long it took", async () => {
    const { body } = await decide({ traceparent: SAMPLED });
    await until(() => spans().length > 0);
    const [span] = spans();
    expect(span).to.include({ traceId: TRACE, parentSpanId: PARENT, name: "decide", kind: 2 });
    expect(BigInt(span?.["endTimeUnixNano"] as string) > BigInt(span?.["startTimeUnixNano"] as string)).to.equal(true);
    const attributes = attributesOf(span as Json);
    expect(attributes).to.include({
      "gen_ai.agent.id": REQUEST.agent,
      "remit.decision": body["decision"],
      "remit.decision_id": body["decision_id"],
      "remit.purpose": REQUEST.purpose,
    });
    expect(attributes).to.include.all.keys("remit.read_us", "remit.evaluate_us", "remit.record_us", "remit.bundle.revision");
    const { headers, resource } = receiver.sent.find(({ path }) => path === "/v1/traces") ?? { headers: {}, resource: {} };
    expect(headers).to.include({ "dd-api-key": "k-1", authorization: "Splunk s-1", "content-type": "application/x-protobuf" });
    expect(resource).to.include({ "service.name": "remit", "deployment.environment.name": "tests" });
  });

  it("prefers the trace that the action names, also in a batch", async () => {
    const named = (trace: string): Json => ({ ...REQUEST, context: { trace } });
    const [first, second] = ["1".repeat(32), "2".repeat(32)];
    const actions = [named(`00-${first}-${PARENT}-01`), named("T-100"), named(`00-${second}-${PARENT}-00`)];
    await ask(service, "POST", "/decide/batch", { body: { actions }, token: ALL, headers: { traceparent: SAMPLED } });
    await until(() => spans().length > 1);
    // The third belongs to a trace that nobody records.
    expect(spans().map(({ traceId }) => traceId)).to.deep.equal([first, TRACE]);
  });

  const without: [what: string, headers: Record<string, string>, token?: string][] = [
    ["outside of a trace, where none is begun", {}],
    ["of a trace that isn't recorded", { traceparent: `00-${TRACE}-${PARENT}-00` }],
    ["of what is no traceparent", { traceparent: `00-${"0".repeat(32)}-${PARENT}-01` }],
    ["of a stranger", { traceparent: SAMPLED }, "eyJ.not.one"],
    ["of a caller without the scope", { traceparent: SAMPLED }, tokenFor("remit:observe")],
  ];
  for (const [what, headers, token] of without) {
    it(`has none of a request ${what}`, async () => {
      await ask(service, "POST", "/decide", { body: REQUEST, token: token ?? ALL, headers });
      await decide({ traceparent: `00-${"f".repeat(32)}-${PARENT}-01` });
      await until(() => spans().length > 0);
      expect(spans().map(({ traceId }) => traceId)).to.deep.equal(["f".repeat(32)]);
    });
  }

  it("has one of a request that the caller's own words break only if the fault is the service's", async () => {
    await decide({ traceparent: SAMPLED }, { verb: 7 });
    await decide({ traceparent: SAMPLED }, { at_least: 1_000_000 });
    await until(() => spans().length > 0);
    expect(spans().map((span) => attributesOf(span))).to.deep.equal([{ "error.type": "facts_behind" }]);
    expect((spans()[0]?.["status"] as Json)["code"]).to.equal(2);
  });

  it("has every door's decisions", async () => {
    const { status } = await ask(service, "POST", "/v1/data/remit/decide", {
      body: { input: REQUEST },
      token: ALL,
      headers: { traceparent: SAMPLED },
    });
    expect(status).to.equal(200);
    await until(() => spans().length > 0);
    expect(spans()[0]).to.include({ traceId: TRACE, parentSpanId: PARENT });
  });

  it("has the metrics of /metrics, with their names, labels and buckets", async () => {
    await decide();
    await until(() => receiver.itemsOf("/v1/metrics").some(({ name }) => name === "remit_decisions_total"));
    const metrics = new Map(receiver.itemsOf("/v1/metrics").map((metric) => [metric["name"] as string, metric]));
    const sum = metrics.get("remit_decisions_total")?.["sum"] as {
      isMonotonic: boolean;
      aggregationTemporality: number;
      dataPoints: Json[];
    };
    expect(sum).to.include({ isMonotonic: true, aggregationTemporality: 2 });
    expect(sum.dataPoints.map((point) => [point["asDouble"], attributesOf(point)])).to.deep.equal([
      [1, { decision: "allow", purpose: "testing" }],
    ]);
    const { histogram, unit } = metrics.get("remit_decision_stage_seconds") as { histogram: { dataPoints: Json[] }; unit: string };
    expect(unit).to.equal("s");
    for (const point of histogram.dataPoints) {
      const counts = point["bucketCounts"] as string[];
      expect(counts.length).to.equal((point["explicitBounds"] as number[]).length + 1);
      expect(counts.reduce((all, count) => all + Number(count), 0)).to.equal(Number(point["count"]));
    }
    expect(metrics.get("remit_bundle_info")?.["gauge"]).to.not.equal(undefined);
    const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${tokenFor("remit:audit")}` } })).text();
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names).to.include.members([...metrics.keys()]);
  });

  it("has the operational log, which goes on standing on standard error", async () => {
    const listening = (): Json | undefined =>
      receiver.itemsOf("/v1/logs").find(({ body }) => (body as Json)["stringValue"] === "listening");
    await until(() => listening() !== undefined);
    const line = listening();
    expect(line).to.include({ severityNumber: 9, severityText: "INFO", eventName: "service_listening" });
    expect(attributesOf(line as Json)).to.deep.equal({ url: service.url });
    expect(service.said()).to.include('"message":"listening"');
  });

  it("sends what waits when the service stops", async () => {
    const url = await (receiver = new OtlpReceiver()).start();
    const waiting = await run(telemetry(url, { delay_ms: 600_000, metrics_interval_ms: 86_400_000 }));
    await ask(waiting, "POST", "/decide", { body: REQUEST, token: ALL, headers: { traceparent: SAMPLED } });
    expect(receiver.sent).to.deep.equal([]);
    await waiting.stop();
    expect(new Set(receiver.sent.map(({ path }) => path))).to.deep.equal(new Set(["/v1/traces", "/v1/metrics", "/v1/logs"]));
  });

  it("decides all the same where nobody receives it, and says so once", async () => {
    receiver.status = 400;
    for (let i = 0; i < 3; i++) expect((await decide({ traceparent: SAMPLED })).body["decision"]).to.equal("allow");
    await until(() => service.said().includes('"signal":"traces"'));
    await decide({ traceparent: SAMPLED });
    receiver.status = 200;
    while (!service.said().includes('"message":"telemetry is received again","signal":"traces"')) await decide({ traceparent: SAMPLED });
    const lines = service
      .said()
      .split("\n")
      .filter((line) => line.includes("telemetry_failing") && line.includes('"signal":"traces"'));
    expect(lines.length).to.equal(1);
  });
});

describe("a service that sends no telemetry", () => {
  it("has no signal that it wasn't asked for", async () => {
    const receiver = new OtlpReceiver();
    const service = await run({ telemetry: { url: await receiver.start(), signals: ["traces"], delay_ms: 10 } });
    await ask(service, "POST", "/decide", { body: REQUEST, token: ALL, headers: { traceparent: SAMPLED } });
    await until(() => receiver.sent.length > 0);
    await service.stop();
    await receiver.stop();
    expect(new Set(receiver.sent.map(({ path }) => path))).to.deep.equal(new Set(["/v1/traces"]));
  });
});
