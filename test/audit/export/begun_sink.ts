/** A sink as the thread that exports makes it, with what it says. */
import { Sink, type SinkOptions, type SinkTransport } from "../../../src/audit/export/sink.js";
import { system } from "../../../src/system/index.js";

export interface BegunSink {
  sink: Sink;
  /** Ends it and its connection. */
  end: () => Promise<void>;
}

/** Begins a sink of the records in a folder. @param said takes a line for each event of the sink */
export function beginSink(
  options: SinkOptions,
  { folder, records, said }: { folder: string; records: number; said: string[] },
  { transport, close }: { transport: SinkTransport; close: () => void },
): BegunSink {
  const sink = new Sink(options, folder, records, system, transport, {
    failing: (detail) => said.push(detail),
    delivering: () => said.push("delivering"),
    setAside: (seq, detail) => said.push(`set aside ${seq}: ${detail}`),
    missing: () => said.push("missing"),
    besideMissing: () => undefined,
    cursorDamaged: (detail) => said.push(detail),
    cursorUnwritable: (detail) => said.push(detail),
    moved: () => undefined,
  });
  const ended = sink.run();
  const end = (): Promise<void> => {
    sink.stop();
    close();
    return ended;
  };
  return { sink, end };
}
