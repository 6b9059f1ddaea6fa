/** Replay in place: the record decided again in this browser, by the bundle that decided it or by a candidate. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ShownRecord } from "../../contract/index.js";
import type { FromReplay, ToReplay } from "../browser/replay_messages.js";
import { Refused, getBytes } from "./api.js";
import { valueText } from "./explanation.js";
import { useScope } from "./acts.js";
import { maskedOf, replayability, replayedBy } from "../replayable.js";
import { Failed, Line, Said, Words, counted } from "./parts.js";
import { isReplay } from "./place.js";
import { startWorker } from "./worker.js";
import { Heads } from "./rows.js";

/** Milliseconds from the question to the end of a worker that doesn't answer: an endless policy ends with it. */
const LIMIT_MS = 10_000;

type ReplayResult = Extract<FromReplay, { kind: "replayed" }>;

export function Replay({ shown, id }: { shown: ShownRecord; id: string }): JSX.Element {
  const able = replayability(shown, useScope("remit:publish"));
  return (
    <section class="replay">
      <h2>Replay</h2>
      {able.is === "no" ? (
        <p class="note unable">
          ▲ This can't be decided again. <Words text={able.why} />
        </p>
      ) : isReplay(location.pathname, location.search) ? (
        <Replaying shown={shown} id={id} why={able.is === "chosen" ? able.why : null} />
      ) : (
        <p class="note">
          <a class="button" href={`/records/${encodeURIComponent(id)}?replay=1`}>
            Decide it again here
          </a>{" "}
          {replayedBy(shown) === "floor"
            ? "The service refused before a policy was asked: its checks run in this browser, on what they read then."
            : "The bundle's own WebAssembly runs in this browser, on what the record holds."}
        </p>
      )}
    </section>
  );
}

/** @param why null if the bundle that decided is taken from the service; else why it isn't */
function Replaying({ shown, id, why }: { shown: ShownRecord; id: string; why: string | null }): JSX.Element {
  const { policy } = (shown.record as { answer: { policy: { bundle: string; digest: string } } }).answer;
  const masked = maskedOf(shown);
  const [result, setResult] = useState<ReplayResult | null>(null);
  const [candidate, setCandidate] = useState<{ name: string; result: ReplayResult } | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  const fail = (cause: unknown): void => {
    setError(
      cause instanceof Refused ? cause : new Refused(0, "not_replayed", cause instanceof Error ? cause.message : String(cause), null, null),
    );
  };
  useEffect(() => {
    if (why !== null) return;
    getBytes(`/bundles/${encodeURIComponent(policy.bundle)}?digest=${policy.digest}`)
      .then((archive) => decideAgain({ archive, shown }))
      .then(setResult, fail);
  }, [policy.digest, why]);
  const choose = (file: File | undefined): void => {
    if (file === undefined) return;
    setError(null);
    file
      .arrayBuffer()
      .then((archive) => decideAgain({ archive, shown }))
      .then((found) => setCandidate({ name: file.name, result: found }), fail);
  };
  const isGone = error?.status === 404;
  return (
    <>
      {result !== null ? (
        <Result of={result} what="The bundle that decided it" masked={masked} />
      ) : why !== null ? (
        <p class="note unable">
          ▲ <Words text={why} />
        </p>
      ) : isGone ? (
        <p class="note unable">
          ▲ The service no longer keeps the bundle that decided it (<code>{policy.digest.slice(0, 19)}…</code>): it keeps the last{" "}
          <code>bundle.kept</code>. Choose its file.
        </p>
      ) : error === null ? (
        <p class="loading">Deciding it again …</p>
      ) : null}
      {candidate === null ? null : <Result of={candidate.result} what={candidate.name} masked={masked} />}
      {isGone ? null : <Failed error={error} />}
      <p class="note">
        <label>
          {result === null ? "A bundle" : "What would another bundle say?"}{" "}
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

/** Masked values that are named at most. */
const MASKED_MAX = 8;

function Result({
  of: { is, differences, policy, isOwn, ms },
  what,
  masked,
}: {
  of: ReplayResult;
  what: string;
  masked: readonly string[];
}): JSX.Element {
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
      {is === "masked" ? (
        <p class="note">
          The decision may rest on what is masked, or name it, and nobody has its value any more:{" "}
          {masked.slice(0, MASKED_MAX).map((pointer, i) => (
            <span key={pointer}>
              {i === 0 ? "" : ", "}
              <code>
                <Said text={pointer.slice(1)} max={120} />
              </code>
            </span>
          ))}
          {masked.length > MASKED_MAX ? `, and ${masked.length - MASKED_MAX} more` : ""}.
        </p>
      ) : masked.length === 0 ? null : (
        <p class="note">
          {counted(masked.length, "value")} of the record {masked.length === 1 ? "is" : "are"} masked; the decision doesn't rest on{" "}
          {masked.length === 1 ? "it" : "them"}.
        </p>
      )}
      {differences.length === 0 ? null : (
        <table class="fields">
          <caption class="aside">What differs</caption>
          <Heads of={["In the answer", "On record", "Now"]} />
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
