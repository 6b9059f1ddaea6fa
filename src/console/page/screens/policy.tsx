/** Policy: what runs, since when, by whom; and rolling out what was signed elsewhere. The console never signs. */
import type { JSX } from "preact";
import { useContext, useState } from "preact/hooks";
import type { BundlesAnswer, PublishAnswer, RecordPage, StagedBundle } from "../../../contract/index.js";
import { queryLine, quoted } from "../../grammar.js";
import { Console, useScope } from "../acts.js";
import { asRefused, sendBundle, useEvery, useResource, type Refused } from "../api.js";
import { Empty, Failed, Line, Loaded, Said, Time, counted } from "../parts.js";
import { Heads, Row } from "../rows.js";
import { useRefresh } from "../stream.js";
import { Staged, stagedText } from "./staged.js";
import { GoBack, WayBackCard } from "./way_back.js";

/** Members of a record about a bundle, or about what somebody did with one. */
interface BundleEvent {
  kind: string;
  time: string;
  change?: string;
  from?: string;
  policy?: { revision: string; sequence: number };
  code?: string;
  action?: string;
  caller?: string;
  detail?: {
    reason?: string;
    sha256?: string;
    why?: string;
    identity?: { revision: string; sequence: number };
    of?: { revision: string; sequence: number } | null;
    compared?: number;
    flips?: number;
  };
}

/** Words for what administrators do with bundles. */
const DONE: Readonly<Record<string, string>> = {
  publish: "published",
  stage: "staged",
  stage_ended: "stage ended",
  drop_stage: "stage dropped",
  keep_back: "way back kept",
  roll_back: "rolled back",
};
/** Query of records about the policy, as the service and the line of `remit` take it. */
const HISTORY = new URLSearchParams({ about: "policy" });

/** Words for the ways in which a stage ends. */
const ENDS: Readonly<Record<string, string>> = {
  flips: "too many differed",
  errors: "it failed too often",
  expired: "the bundle expired",
  activated: "a bundle was activated",
  replaced: "another was staged",
  dropped: "somebody ended it",
  stopped: "the service stopped",
};

function whyText({ code, detail, from }: BundleEvent): string {
  if (detail?.compared !== undefined)
    return `${ENDS[detail.why ?? ""] ?? "it ended"}: ${detail.flips ?? 0} of ${counted(detail.compared, "decision")} differed`;
  return detail?.reason ?? code ?? (from === undefined ? "" : `from ${from === "path" ? "its file" : from.replaceAll("_", " ")}`);
}

export function Policy({ query }: { query: URLSearchParams }): JSX.Element {
  const mayPublish = useScope("remit:publish");
  const audits = useScope("remit:audit");
  const bundles = useResource<BundlesAnswer>(mayPublish ? "/bundles" : null);
  const history = useResource<RecordPage>(audits ? `/decisions?${HISTORY.toString()}&limit=40` : null);
  useRefresh([bundles, history], { on: ["policy"] });
  useEvery(2000, bundles.reload);
  useEvery(5000, history.reload);
  const { running = null, staged = null } = bundles.data ?? {};
  const rows = (history.data?.items ?? []).map((item) => ({ seq: item.seq, ...(item.record as unknown as BundleEvent) }));
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
            <div class="cards">
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
              <WayBackCard name={data.name} back={data.back} staged={data.staged} reload={bundles.reload} />
            </div>
          )}
        </Loaded>
      )}
      {bundles.data === null || !query.has("back") ? null : (
        <GoBack running={running} back={bundles.data.back} staged={staged} done={bundles.reload} />
      )}
      {staged === null ? null : <Staged staged={staged} reload={bundles.reload} />}
      <RollOut running={running?.sequence ?? null} staged={staged} done={bundles.reload} />
      <section>
        <h2>History</h2>
        {!audits ? (
          <Empty title="You may not see records.">That needs remit:audit.</Empty>
        ) : rows.length === 0 ? (
          <p class="none">No bundle is on record.</p>
        ) : (
          <table class="rows tight">
            <caption class="aside">What became of bundles, the newest first</caption>
            <Heads of={["Time", "What", "Bundle", "Reason"]} />
            <tbody>
              {rows.map((row) => {
                const named = row.policy ?? row.detail?.identity ?? row.detail?.of ?? null;
                return (
                  <Row key={row.seq} to={`/records/${row.seq}`} line={`remit audit show ${row.seq}`}>
                    <td>
                      <a href={`/records/${row.seq}`}>
                        <Time at={row.time} />
                      </a>
                    </td>
                    <td>
                      {row.kind === "bundle" ? (
                        <span class={row.change === "refused" ? "bad" : "ok"}>{row.change}</span>
                      ) : (
                        <>
                          {DONE[row.action ?? ""]} by <Said text={row.caller ?? "?"} />
                        </>
                      )}
                    </td>
                    <td>
                      {named === null ? (
                        (row.detail?.sha256?.slice(0, 12) ?? "")
                      ) : (
                        <>
                          <Said text={named.revision} /> sequence {named.sequence}
                        </>
                      )}
                    </td>
                    <td class="wide">
                      <Said text={whyText(row)} max={200} />
                    </td>
                  </Row>
                );
              })}
            </tbody>
          </table>
        )}
      </section>
      <Line text="remit bundles" />
      <Line text={queryLine(HISTORY)} />
    </>
  );
}

/** What somebody had seen of a bundle's impact when it was rolled out: it is kept on record with the reason. */
type Seen = { how: "shadow"; staged: StagedBundle } | { how: "elsewhere" } | { how: "not" };

/** Ways in which a bundle is handed over. */
type Handing = "publish" | "stage" | "back";
const STAGES = { stage: "shadow", back: "back" } as const;

function seenText(seen: Seen): string {
  return seen.how === "shadow" ? stagedText(seen.staged) : seen.how === "elsewhere" ? "impact seen elsewhere" : "impact not seen";
}

function RollOut({ running, staged, done }: { running: number | null; staged: StagedBundle | null; done: () => void }): JSX.Element {
  const { acknowledge } = useContext(Console);
  const may = useScope("remit:publish");
  const [file, setFile] = useState<File | null>(null);
  const [reason, setReason] = useState("");
  const [isSeen, setSeen] = useState(false);
  /** Digest of the chosen bundle, once the service has said it. */
  const [digest, setDigest] = useState<string | null>(null);
  const [busy, setBusy] = useState<Handing | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  const isShadowed = staged !== null && staged.identity.digest === digest && staged.compared > 0;
  const seen: Seen = isShadowed ? { how: "shadow", staged } : isSeen ? { how: "elsewhere" } : { how: "not" };
  const onRecord = `${reason} (${seenText(seen)})`;
  const give = (which: Handing): void => {
    if (file === null || reason === "" || busy !== null) return;
    const pressed = performance.now();
    setError(null);
    setBusy(which);
    sendBundle<PublishAnswer>(file, which === "publish" ? { reason: onRecord } : { reason, stage: STAGES[which] })
      .then(
        ({ value }) => {
          const after = Math.round(performance.now() - pressed);
          if (value.staged !== null) {
            setDigest(value.staged.digest);
            acknowledge(
              `Bundle ${value.staged.revision} is asked beside the one that runs since ${after} ms after your key. It decides nothing.`,
            );
            return;
          }
          if (value.back === null)
            acknowledge(`Bundle ${value.running.revision}, sequence ${value.running.sequence}, decides ${after} ms after your key.`);
          else acknowledge(`Bundle ${value.back.revision}, sequence ${value.back.sequence}, is kept as the way back. It decides nothing.`);
          setFile(null);
          setDigest(null);
          setReason("");
        },
        (cause: unknown) => {
          setError(asRefused(cause));
        },
      )
      .finally(() => {
        setBusy(null);
        done();
      });
  };
  const name = file?.name ?? "next.tar.gz";
  const line = `remit publish ${quoted(name)} --reason ${quoted(reason === "" ? "…" : reason)}`;
  return (
    <section>
      <h2>Roll out</h2>
      <p class="note">
        Only a bundle that was signed elsewhere, with a sequence above {running ?? 0}, is taken. A way back is an earlier policy, signed
        again in advance by whoever holds the key: <code>remit build --also</code>, or <code>remit republish</code>.
      </p>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          const which = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "";
          give(which === "publish" || which === "back" ? which : "stage");
        }}
      >
        <label>
          Bundle
          <input
            type="file"
            accept=".gz,.tgz"
            data-filter
            disabled={!may}
            onChange={(event) => {
              setFile(event.currentTarget.files?.[0] ?? null);
              setDigest(null);
              setSeen(false);
            }}
          />
        </label>
        <label class="grow">
          Reason, kept on record
          <input value={reason} required maxLength={400} disabled={!may} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <button type="submit" value="stage" class={isShadowed ? "" : "primary"} disabled={!may || file === null || busy !== null}>
          {busy === "stage" ? "Starting …" : "Try in shadow"}
        </button>
        <button type="submit" value="publish" class={isShadowed ? "primary" : ""} disabled={!may || file === null || busy !== null}>
          {busy === "publish" ? "Rolling out …" : "Roll out"}
        </button>
        <button type="submit" value="back" disabled={!may || file === null || busy !== null}>
          {busy === "back" ? "Keeping …" : "Keep as the way back"}
        </button>
      </form>
      {file === null ? null : isShadowed ? (
        <p class="note seen">
          Rolling out says on record what you have seen: <q>{onRecord}</q>
        </p>
      ) : (
        <p class="note warn seen">
          Nobody has seen here what it would change. Try it in shadow first, or say on record that{" "}
          <label class="inline">
            <input type="checkbox" checked={isSeen} disabled={!may} onChange={(event) => setSeen(event.currentTarget.checked)} /> you have
            seen its impact elsewhere
          </label>{" "}
          (<code>remit impact --log records --bundle {name}</code>).
        </p>
      )}
      {may ? null : <p class="why">You lack remit:publish.</p>}
      <Failed error={error} />
      <Line text={`${line} --stage shadow`} />
      <Line text={line} />
    </section>
  );
}
