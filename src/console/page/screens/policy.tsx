/** Policy: what runs, since when, by whom; and rolling out what was signed elsewhere. The console never signs. */
import type { JSX } from "preact";
import { useContext, useState } from "preact/hooks";
import type { BundlesAnswer, PublishAnswer, RecordPage } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { Console, useScope } from "../acts.js";
import { asRefused, sendBundle, useResource, type Refused } from "../api.js";
import { Empty, Failed, Line, Loaded, Said, Time } from "../parts.js";
import { useRefresh } from "../stream.js";

interface BundleRecord {
  kind: string;
  time: string;
  result?: string;
  bundle?: { bundle?: string; revision?: string; sequence?: number; digest?: string } | null;
  policy?: { revision?: string; sequence?: number; digest?: string } | null;
  identity?: { revision?: string; sequence?: number; digest?: string } | null;
  code?: string | null;
  detail?: { reason?: string; sha256?: string };
  action?: string;
  caller?: string;
}

export function Policy(): JSX.Element {
  const mayPublish = useScope("remit:publish");
  const audits = useScope("remit:audit");
  const bundles = useResource<BundlesAnswer>(mayPublish ? "/bundles" : null);
  const history = useResource<RecordPage>(audits ? "/decisions?kind=bundle,admin&limit=40" : null);
  useRefresh([bundles, history], { on: ["policy"] });
  const running = bundles.data?.running ?? null;
  const rows = (history.data?.items ?? [])
    .map((item) => ({ seq: item.seq, ...(item.record as unknown as BundleRecord) }))
    .filter(({ kind, action }) => kind === "bundle" || action === "publish");
  return (
    <>
      <header class="screen">
        <div>
          <h1>Policy</h1>
          <p class="sub">What runs, since when, and who put it there.</p>
        </div>
        <div class="acts">
          <a class="button" href="/policy/try">
            Playground
          </a>
        </div>
      </header>
      {mayPublish ? null : <Empty title="You may not see which bundle runs.">That needs remit:publish.</Empty>}
      {!mayPublish ? null : (
        <Loaded of={bundles}>
          {(data) => (
            <div class="cards two">
              <div class={`card ${running === null ? "deny" : ""}`}>
                <span>runs</span>
                <b>{running === null ? "none" : <Said text={running.revision} max={40} />}</b>
                <small>
                  {running === null ? (
                    "every decision is refused"
                  ) : (
                    <>
                      {running.bundle}, sequence {running.sequence}, <code>{running.digest.slice(0, 19)}…</code>
                    </>
                  )}
                </small>
                {running === null ? null : <a href={`/records?bundle=${running.digest}`}>What it decided</a>}
              </div>
              <div class={`card ${data.refused === null ? "" : "deny"}`}>
                <span>{data.refused === null ? "wanted" : "refused"}</span>
                <b>
                  {data.refused === null ? (
                    data.wanted === null ? (
                      "no file"
                    ) : data.wanted.identity?.digest === running?.digest ? (
                      "the same"
                    ) : (
                      <Said text={data.wanted.identity?.revision ?? "unreadable"} />
                    )
                  ) : (
                    data.refused.code
                  )}
                </b>
                <small>
                  {data.refused === null ? (
                    "nothing waits to be activated"
                  ) : (
                    <>
                      <Said text={data.refused.message} /> <Time at={data.refused.at} />
                    </>
                  )}
                </small>
              </div>
            </div>
          )}
        </Loaded>
      )}
      <RollOut running={running?.sequence ?? null} done={bundles.reload} />
      <section>
        <h2>History</h2>
        {!audits ? (
          <Empty title="You may not see records.">That needs remit:audit.</Empty>
        ) : rows.length === 0 ? (
          <p class="none">No bundle is on record.</p>
        ) : (
          <table class="rows">
            <caption class="aside">What became of bundles, the newest first</caption>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">What</th>
                <th scope="col">Bundle</th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => {
                const named = row.policy ?? row.bundle ?? row.identity ?? null;
                return (
                  <tr key={row.seq} data-row tabIndex={0} data-href={`/records/${row.seq}`} data-line={`remit audit show ${row.seq}`}>
                    <td>
                      <a href={`/records/${row.seq}`}>
                        <Time at={row.time} />
                      </a>
                    </td>
                    <td>
                      {row.kind === "bundle" ? (
                        (row.result ?? "bundle")
                      ) : (
                        <>
                          published by <Said text={row.caller ?? "?"} />
                        </>
                      )}
                    </td>
                    <td>
                      {named === null ? (
                        (row.detail?.sha256?.slice(0, 12) ?? "")
                      ) : (
                        <>
                          <Said text={named.revision ?? ""} /> sequence {named.sequence ?? "?"}
                        </>
                      )}
                    </td>
                    <td class="wide">
                      <Said text={row.detail?.reason ?? row.code ?? ""} />
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </section>
      <Line text="remit bundles" />
    </>
  );
}

function RollOut({ running, done }: { running: number | null; done: () => void }): JSX.Element {
  const { acknowledge } = useContext(Console);
  const may = useScope("remit:publish");
  const [file, setFile] = useState<File | null>(null);
  const [reason, setReason] = useState("");
  const [isSeen, setSeen] = useState(false);
  const [error, setError] = useState<Refused | null>(null);
  const publish = (event: Event): void => {
    event.preventDefault();
    if (file === null) return;
    const pressed = performance.now();
    setError(null);
    sendBundle<PublishAnswer>(file, reason).then(
      ({ value }) => {
        acknowledge(
          `Bundle ${value.running.revision}, sequence ${value.running.sequence}, decides ${Math.round(performance.now() - pressed)} ms after your key.`,
        );
        setFile(null);
        setReason("");
        done();
      },
      (cause: unknown) => {
        setError(asRefused(cause));
        done();
      },
    );
  };
  const name = file?.name ?? "next.tar.gz";
  return (
    <section>
      <h2>Roll out, or back</h2>
      <p class="note">
        Only a bundle that was signed elsewhere, with a sequence above {running ?? 0}, is taken. To roll back, whoever holds the key signs
        the old content again: <code>remit republish old.tar.gz</code>. Look at what would change first:{" "}
        <code>remit impact --log records --bundle {name}</code>
      </p>
      <form class="filter" onSubmit={publish}>
        <label>
          Bundle
          <input type="file" accept=".gz,.tgz" disabled={!may} onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />
        </label>
        <label class="grow">
          Reason, kept on record
          <input value={reason} required maxLength={500} disabled={!may} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <label class="inline">
          <input type="checkbox" checked={isSeen} disabled={!may} onChange={(event) => setSeen(event.currentTarget.checked)} /> I have seen
          its impact
        </label>
        <button type="submit" class="primary" disabled={!may || file === null}>
          Roll out
        </button>
      </form>
      {file !== null && !isSeen ? <p class="note warn">Nobody has looked at what it would change.</p> : null}
      {may ? null : <p class="why">You lack remit:publish.</p>}
      <Failed error={error} />
      <Line text={`remit publish ${quoted(name)}${reason === "" ? "" : ` --reason ${quoted(reason)}`}`} />
    </section>
  );
}
