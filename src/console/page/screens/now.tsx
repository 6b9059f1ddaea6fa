/** Now: does anything need me, and is it under control? */
import type { ComponentChildren, JSX } from "preact";
import { useContext, useState } from "preact/hooks";
import type { AgentPage, FindingPage, Histogram, NarrowingPage, RevocationPage } from "../../../contract/index.js";
import { Console, LiftRevocation, useScope } from "../acts.js";
import { useEvery, useResource, type Resource } from "../api.js";
import { Empty, Failed, Line, Loading, Said, Severity, SilentNodes, Time, agentPath, counted, findingPath, spanText } from "../parts.js";
import { Row } from "../rows.js";
import { useRefresh } from "../stream.js";
import { aboutText } from "./findings.js";

interface Ready {
  ready: boolean;
  bundle: boolean;
  facts: boolean;
  log: boolean;
  accepting: boolean;
}

const MINUTES = 30;

export function Now(): JSX.Element {
  const audits = useScope("remit:audit");
  const facts = useScope("remit:audit", "remit:register", "remit:revoke");
  const reviews = useScope("remit:audit", "remit:review");
  const [from, setFrom] = useState(halfAnHourAgo);
  const { waiting } = useContext(Console);
  const open = useResource<FindingPage>(reviews ? "/findings?state=open" : null);
  const narrowings = useResource<NarrowingPage>(facts ? "/narrowings?in_force=true" : null);
  const revocations = useResource<RevocationPage>(facts ? "/revocations?in_force=true" : null);
  const suspended = useResource<AgentPage>(facts ? "/agents?status=suspended" : null);
  const ready = useResource<Ready>("/readyz");
  const counts = useResource<Histogram>(audits ? `/decisions/histogram?step=minute&from=${encodeURIComponent(from)}` : null);
  const [lifting, setLifting] = useState<string | null>(null);
  const [now, setNow] = useState(Date.now());
  useEvery(1000, () => setNow(Date.now()));
  useRefresh([waiting, open, narrowings, revocations, suspended], { on: ["finding", "change"] });
  useEvery(5000, () => {
    ready.reload();
    setFrom(halfAnHourAgo());
    counts.reload();
  });
  const waits = waiting.data?.items ?? [];
  // What waits stands above its finding's own row: once is enough.
  const findings = open.data?.items ?? [];
  const others = findings.filter(({ id }) => !waits.some(({ finding }) => finding === id));
  const stopped = new Set(suspended.data?.items.map(({ id }) => id));
  const limits: Restriction[] = [
    ...[...stopped].map((id) => ({
      ...{ id: `suspended ${id}`, of: id, kind: "suspended" },
      by: null,
      since: null,
      reason: "",
      revocation: null,
    })),
    ...(narrowings.data?.items ?? [])
      .filter(({ agent }) => !stopped.has(agent))
      .map(({ agent, by, since, reason }) => ({
        id: `narrowing ${agent}`,
        of: agent,
        kind: "narrowed",
        by,
        since,
        reason,
        revocation: null,
      })),
    ...(revocations.data?.items ?? []).map(({ id, of, scope, by, since, reason }) => {
      return { id, of, kind: scope === "everything" ? "everything is revoked" : `revoked ${scope}`, by, since, reason, revocation: id };
    }),
  ];
  const restricting = [narrowings, revocations, suspended];
  const needs = reading(reviews, [waiting, open]);
  const { ready: isReady = false, ...parts } = ready.data ?? {};
  const missing = Object.entries(parts)
    .filter(([, is]) => !is)
    .map(([name]) => name);
  const first = waits[0];
  const nothing = waits.length === 0 && findings.length === 0;
  return (
    <>
      <header class="screen">
        <div>
          <h1>Now</h1>
          <p class="sub">Does anything need you, and is it under control?</p>
        </div>
      </header>
      <div class="cards">
        <a class={`card ${waits.length > 0 ? "wait" : ""}`} href="/waiting">
          <Figure of={waits.length} one="action waits" many="actions wait" read={reading(reviews, [waiting])}>
            {first === undefined ? "nobody is kept waiting" : `the first lapses in ${spanText(Date.parse(first.action.until) - now)}`}
          </Figure>
        </a>
        <a
          class={`card ${findings.some(({ severity }) => severity === "high" || severity === "critical") ? "deny" : findings.length > 0 ? "flag" : ""}`}
          href="/findings?state=open"
        >
          <Figure of={findings.length} one="finding is open" many="findings are open" read={reading(reviews, [open])}>
            {findings[0] === undefined ? "nothing to look into" : <>the gravest: {gravest(findings.map(({ severity }) => severity))}</>}
          </Figure>
        </a>
        <a class={`card ${limits.length > 0 ? "flag" : ""}`} href="/agents">
          <Figure of={limits.length} one="restriction holds" many="restrictions hold" read={reading(facts, restricting)}>
            {limits.length === 0 ? "nobody is narrowed, suspended or revoked" : "narrowed, suspended or revoked"}
          </Figure>
        </a>
        <a class={`card ${ready.data === null || isReady ? "" : "deny"}`} href="/health">
          <b>{ready.data === null ? "–" : isReady ? "ready" : "not ready"}</b>
          <span>the service</span>
          <small>
            {isReady
              ? "bundle, facts, log"
              : missing.length > 0
                ? `missing: ${missing.join(", ")}`
                : ready.error === null
                  ? UNREAD.loading
                  : "no answer"}
          </small>
        </a>
      </div>
      {counts.data === null ? null : <Minutes counts={counts.data} from={from} />}
      <section>
        <h2>Needs somebody</h2>
        <Failed error={waiting.error ?? open.error} />
        <SilentNodes of={open.data} />
        {needs === "failed" ? null : needs === "hidden" ? (
          <Empty title="You may not see findings.">That needs remit:audit or remit:review.</Empty>
        ) : needs === "loading" ? (
          <Loading />
        ) : nothing ? (
          <Empty title="Nothing waits, and no finding is open.">
            <a href="/live">Watch decisions live</a>
          </Empty>
        ) : (
          <table class="rows tight">
            <caption class="aside">What waits, then findings that are open</caption>
            <tbody>
              {waits.map((item) => (
                <Row key={item.action.decision_id} class="wait" to="/waiting" line="remit findings waiting" agent={item.agent}>
                  <td>
                    <span class="mark wait">{spanText(Date.parse(item.action.until) - now)} left</span>
                  </td>
                  <td>{item.agent === null ? "" : <Said text={item.agent} />}</td>
                  <td class="wide">
                    <a href="/waiting">
                      <Said text={item.message ?? "waits for approval"} max={160} />
                    </a>
                  </td>
                  <td>
                    <Severity of={item.severity} />
                  </td>
                </Row>
              ))}
              {others.map((finding) => (
                <Row key={finding.id} to={findingPath(finding.id)} line={`remit findings show ${finding.id}`} agent={finding.agent}>
                  <td>
                    <Time at={finding.last_seen} />
                  </td>
                  <td>{finding.agent === null ? <span class="none">not registered</span> : <Said text={finding.agent} />}</td>
                  <td class="wide">
                    <a href={findingPath(finding.id)}>
                      <Said text={aboutText(finding)} />
                    </a>{" "}
                    <span class="why">
                      {finding.actions.all === 0 ? "" : counted(finding.actions.all, "action")}
                      {finding.actions.all > 0 && finding.reasons.length > 0 ? " · " : ""}
                      <Said text={finding.reasons[0]?.message ?? ""} max={120} />
                    </span>
                  </td>
                  <td>
                    <Severity of={finding.severity} />
                  </td>
                </Row>
              ))}
            </tbody>
          </table>
        )}
      </section>
      {limits.length === 0 && restricting.every(({ error }) => error === null) ? null : (
        <section>
          <h2>Restrictions in force</h2>
          <Failed error={restricting.find(({ error }) => error !== null)?.error ?? null} />
          <table class="rows tight">
            <caption class="aside">Suspended and narrowed agents, and revocations</caption>
            <tbody>
              {limits.map((one) => (
                <tr key={one.id}>
                  <td>{one.since === null ? null : <Time at={one.since} />}</td>
                  <td>
                    <span class={`state ${one.revocation === null ? one.kind : "revoked"}`}>{one.kind}</span>
                  </td>
                  <td>
                    {one.kind.endsWith("agent") || one.revocation === null ? (
                      <a href={agentPath(one.of)}>
                        <Said text={one.of} />
                      </a>
                    ) : (
                      <Said text={one.of} />
                    )}
                  </td>
                  <td class="wide">
                    <Said text={one.reason} max={160} />{" "}
                    {one.by === null ? (
                      <span class="why">until it is restored</span>
                    ) : (
                      <span class="why">
                        by <Said text={one.by} />
                      </span>
                    )}
                  </td>
                  <td>
                    {one.revocation === null ? null : (
                      <button type="button" onClick={() => setLifting(one.revocation)}>
                        Lift …
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <Line text="remit findings list --state open" />
      {lifting === null ? null : <LiftRevocation id={lifting} onClose={() => setLifting(null)} onDone={revocations.reload} />}
    </>
  );
}

interface Restriction {
  id: string;
  /** Id of the agent, or of what is revoked. */
  of: string;
  kind: string;
  /** Null of a suspension: its agent's changes say who made it, when and why. */
  by: string | null;
  since: string | null;
  reason: string;
  /** Id of the revocation; null: it isn't one. */
  revocation: string | null;
}

type Reading = "read" | "loading" | "failed" | "hidden";

const UNREAD: Readonly<Record<Exclude<Reading, "read">, string>> = {
  loading: "loading …",
  failed: "could not be read",
  hidden: "not for you to see",
};

/** Returns how far the reading of these is: until all were read, nobody knows that there is nothing. */
function reading(mayRead: boolean, of: readonly Resource<unknown>[]): Reading {
  if (!mayRead) return "hidden";
  if (of.some(({ error }) => error !== null)) return "failed";
  return of.some(({ data }) => data === null) ? "loading" : "read";
}

/** A number, with what is said beside it once it is known. */
function Figure(of: { of: number; one: string; many: string; read: Reading; children: ComponentChildren }): JSX.Element {
  return (
    <>
      <b>{of.read === "read" ? of.of : "–"}</b>
      <span>{of.read === "read" && of.of === 1 ? of.one : of.many}</span>
      <small>{of.read === "read" ? of.children : UNREAD[of.read]}</small>
    </>
  );
}

const GRAVITY = ["critical", "high", "medium", "low", "info"];

function gravest(severities: readonly string[]): string {
  return GRAVITY.find((one) => severities.includes(one)) ?? "info";
}

/** To the minute, so that the same address is asked for again. */
function halfAnHourAgo(): string {
  return `${new Date(Date.now() - MINUTES * 60_000).toISOString().slice(0, 16)}:00Z`;
}

function Minutes({ counts, from }: { counts: Histogram; from: string }): JSX.Element {
  const start = Date.parse(from);
  const steps = Array.from({ length: MINUTES + 1 }, (_, i) => {
    const at = start + i * 60_000;
    const found = counts.counts.find((one) => Date.parse(one.from) === at);
    return { at, allow: found?.allow ?? 0, flag: found?.flag ?? 0, deny: found?.deny ?? 0 };
  });
  const most = Math.max(1, ...steps.map(({ allow, flag, deny }) => allow + flag + deny));
  const sum = (kind: "allow" | "flag" | "deny"): number => steps.reduce((total, step) => total + step[kind], 0);
  if (sum("allow") + sum("flag") + sum("deny") === 0) return <p class="note">Nothing was decided in the last {MINUTES} minutes.</p>;
  const link = (kind: string): string => `/records?decision=${kind}&from=${encodeURIComponent(from)}`;
  return (
    <figure class="pulse minutes">
      <svg
        viewBox={`0 0 ${MINUTES + 1} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Decisions by minute of the last ${MINUTES} minutes: ${sum("allow")} allowed, ${sum("flag")} flagged, ${sum("deny")} denied`}
      >
        {steps.flatMap((step, i) => {
          let y = 40;
          return (["deny", "flag", "allow"] as const).flatMap((kind) => {
            if (step[kind] === 0) return [];
            const tall = Math.max(1.5, (step[kind] / most) * 40);
            y -= tall;
            return [<rect key={`${i} ${kind}`} class={kind} x={i + 0.08} width={0.84} y={Math.max(0, y)} height={tall} />];
          });
        })}
      </svg>
      <figcaption>
        <span>last {MINUTES} minutes</span>
        <span>
          <a href={link("allow")}>{sum("allow").toLocaleString("en")} allowed</a> ·{" "}
          <a href={link("flag")}>{sum("flag").toLocaleString("en")} flagged</a> ·{" "}
          <a href={link("deny")}>{sum("deny").toLocaleString("en")} denied</a>
        </span>
      </figcaption>
    </figure>
  );
}
