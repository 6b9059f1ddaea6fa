/** The thread that takes records to sinks: it reads them from the disk itself, and nothing waits for it. */
import { parentPort, workerData } from "node:worker_threads";
import { system } from "../../system/index.js";
import { runInBackground } from "../../system/thread.js";
import type { ConfiguredSink, FromExport, ExportEvent, ToExport, WorkerOptions } from "./exporter.js";
import { poster } from "../../system/post.js";
import { streamPoster } from "../../system/stream_post.js";
import { Sink, type SinkEvents, type SinkOptions, type SinkTransport } from "./sink.js";

const STATUS_MS = 250;

if (parentPort === null) throw new Error("this module is a worker's");
const port = parentPort;
const { directory, durable, sinks } = workerData as WorkerOptions;

runInBackground();

let hasMoved = true;
const reply = (message: FromExport): void => {
  port.postMessage(message);
};

function eventsOf(sink: string): SinkEvents {
  const log = (event: ExportEvent, fields: Record<string, unknown>): void => {
    reply({ kind: "event", event, fields: { sink, ...fields } });
  };
  return {
    failing(detail, delivered_seq) {
      log("sink_failing", { detail, delivered_seq });
    },
    delivering(delivered_seq) {
      log("sink_back", { delivered_seq });
    },
    setAside(seq, detail) {
      log("record_set_aside", { seq, detail });
    },
    missing(from, to) {
      log("sink_records_missing", { from, to });
    },
    besideMissing(seq) {
      log("sink_beside_missing", { seq });
    },
    cursorDamaged(detail) {
      log("sink_cursor_damaged", { detail });
    },
    cursorUnwritable(detail) {
      log("sink_cursor_unsaved", { detail });
    },
    moved() {
      hasMoved = true;
    },
  };
}

const running = await Promise.all(
  sinks.map(async (configured) => {
    const { transport, options, close } = await connectionOf(configured);
    const sink = new Sink(options, directory, durable, system, transport, eventsOf(options.name));
    return { sink, close, ended: sink.run() };
  }),
);

const stopTelling = system.timers.every(STATUS_MS, () => {
  if (!hasMoved) return;
  hasMoved = false;
  reply({ kind: "status", sinks: running.map(({ sink }) => sink.status) });
});

port.on("message", (message: ToExport) => {
  if (message.kind === "durable") {
    for (const { sink } of running) sink.durable(message.seq);
    return;
  }
  stopTelling();
  for (const { sink, close } of running) {
    sink.stop();
    close();
  }
  void Promise.all(running.map(({ ended }) => ended)).then(() => {
    reply({ kind: "closed" });
    port.close();
  });
});

interface Connection {
  transport: SinkTransport;
  options: SinkOptions;
  close: () => void;
}

async function connectionOf({ url = "", kafka, timeout_ms, tls, ...options }: ConfiguredSink): Promise<Connection> {
  const trusted = tls === undefined ? {} : { tls };
  if (kafka !== undefined) {
    // Whoever has no such sink doesn't load its client.
    const { KAFKA_BYTES_MAX, kafkaPoster } = await import("./kafka.js");
    const { format, gzip, batch_bytes_max } = options;
    const { each, close } = kafkaPoster(kafka, { timeout_ms, format, gzip, ...trusted }, system);
    return { transport: { each }, options: { ...options, batch_bytes_max: Math.min(batch_bytes_max, KAFKA_BYTES_MAX) }, close };
  }
  const address = new URL(url);
  if (address.protocol.startsWith("syslog+")) {
    const { post, close } = streamPoster(address, { timeout_ms, ...trusted }, system);
    return { transport: post, options: { ...options, carrier: "syslog" }, close };
  }
  const { post, close } = poster(address, timeout_ms, system.timers);
  return { transport: post, options, close };
}
