/** Replay in place: the record decided again in this browser, by the bundle that decided it or by a candidate. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ShownRecord } from "../../contract/index.js";
import type { FromReplay, ToReplay } from "../browser/replay_messages.js";
import { Refused, getBytes } from "./api.js";
import { valueText } from "./explanation.js";
import { Failed, Line, Said } from "./parts.js";
import { isReplay } from "./place.js";
import { startWorker } from "./worker.js";

/** Milliseconds from the question to the end of a worker that doesn't answer: an endless policy ends with it. */
const LIMIT_MS = 10_000;

type ReplayResult = Extract<FromReplay, { kind: "replayed" }>;

export function Replay({ shown, id }: { shown: ShownRecord; id: string }): JSX.Element {
  const here = isReplay(location.pathname, location.search);
  return (
    <section class="replay">
      <h2>Replay</h2>
      {here ? (
        <Replaying shown={shown} id={id} />
      ) : (
        <p class="note">
          <a class="button" href={`/records/${encodeURIComponent(id)}?replay=1`}>
            Decide it again here
          </a>{" "}
          The bundle's own WebAssembly runs in this browser, on what the record holds.
        </p>
      )}
    </section>
  );
}

function Replaying({ shown, id }: { shown: ShownRecord; id: string }): JSX.Element {
  const { policy } = (shown.record as { answer: { policy: { bundle: string; digest: string } } }).answer;
  const [result, setResult] = useState<ReplayResult | null>(null);
  const [candidate, setCandidate] = useState<{ name: string; result: ReplayResult } | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  const fail = (cause: unknown): void => {
    setError(
      cause instanceof Refused ? cause : new Refused(0, "not_replayed", cause instanceof Error ? cause.message : String(cause), null, null),
    );
  };
  useEffect(() => {
    getBytes(`/bundles/${encodeURIComponent(policy.bundle)}?digest=${policy.digest}`)
      .then((archive) => decideAgain({ archive, shown }))
      .then(setResult, fail);
  }, [policy.digest]);
  const choose = (file: File | undefined): void => {
    if (file === undefined) return;
    setError(null);
    file
      .arrayBuffer()
      .then((archive) => decideAgain({ archive, shown }))
      .then((found) => setCandidate({ name: file.name, result: found }), fail);
  };
  return (
    <>
      {result === null ? (
        error === null ? (
          <p class="loading">Deciding it again …</p>
        ) : null
      ) : (
        <Result of={result} what="The bundle that decided it" />
      )}
      {candidate === null ? null : <Result of={candidate.result} what={candidate.name} />}
      <Failed error={error} />
      <p class="note">
        <label>
          What would another bundle say?{" "}
          <input
            type="file"
            accept=".gz,.tgz"
            onChange={(event) => {
              choose(event.currentTarget.files?.[0]);
              // The same name again may be another bundle.
              event.currentTarget.value = "";
            }}
          />
        </label>
      </p>
      <Line text={`remit audit verify-receipt receipt-${id}.json`} />
    </>
  );
}

function Result({ of: { is, differences, policy, isOwn, ms }, what }: { of: ReplayResult; what: string }): JSX.Element {
  const digest = `${policy.digest.slice(0, 19)}…`;
  return (
    <div class="replayed" data-is={is}>
      <p>
        <strong class={is === "identical" ? "ok" : is === "differing" ? "bad" : "warn"}>
          {is === "identical" ? "● Same answer" : is === "differing" ? "■ Another answer" : "▲ It can't be told"}
        </strong>{" "}
        <Said text={what} max={80} />, {policy.revision}, <code>{digest}</code>
        <span class="why">
          {" "}
          {isOwn ? "computed here: the digest that the record names" : "not the bundle of the record"} · {ms} ms
        </span>
      </p>
      {is === "masked" ? <p class="note">The policy reads, or names, a value that is masked in the record.</p> : null}
      {differences.length === 0 ? null : (
        <table class="fields">
          <caption class="aside">What differs</caption>
          <thead>
            <tr>
              <th scope="col">In the answer</th>
              <th scope="col">On record</th>
              <th scope="col">Now</th>
            </tr>
          </thead>
          <tbody>
            {differences.map(({ at, was, now }) => (
              <tr key={at}>
                <th scope="row">
                  <Said text={at} />
                </th>
                <td>
                  <Said text={was === undefined ? "nothing" : valueText(was)} max={400} />
                </td>
                <td>
                  <Said text={now === undefined ? "nothing" : valueText(now)} max={400} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

/** Asks a worker of its own, which ends with its answer. @throws Error saying why there is none */
function decideAgain(asked: ToReplay): Promise<ReplayResult> {
  const url = document.getElementById("app")?.dataset["replay"];
  if (url === undefined) return Promise.reject(new Error("this page may not evaluate; reload it"));
  const worker = startWorker(url);
  return new Promise<ReplayResult>((fulfil, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    worker.addEventListener("message", ({ data }: MessageEvent<FromReplay>) => {
      clearTimeout(timer);
      if (data.kind === "replayed") fulfil(data);
      else reject(new Error(data.message));
    });
    worker.addEventListener("error", ({ message }) => {
      clearTimeout(timer);
      reject(new Error(message === "" ? "the worker can't be loaded" : message));
    });
    worker.postMessage(asked);
  }).finally(() => worker.terminate());
}
