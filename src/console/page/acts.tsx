/** What people do: revoke, narrow, suspend, approve. The answer says only what holds, and since when. */
import type { ComponentChildren, JSX } from "preact";
import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import type { ApprovalList } from "../../contract/index.js";
import { asRefused, send, type Answer, type Me, type Refused, type Resource } from "./api.js";
import { Dialog, Failed, Line, counted } from "./parts.js";
import { quoted } from "../grammar.js";

export interface Shown {
  me: Me;
  /** Shows what was acknowledged, until the next. */
  acknowledge: (text: string) => void;
  /** Asks whether to revoke an agent. */
  revoke: (agent: string) => void;
  /** Actions that wait for somebody, as the bar counts them. */
  waiting: Resource<ApprovalList>;
}

export const Console = createContext<Shown>({
  me: { person: "", scopes: [], csrf: "", service: "", local: false, fresh: true },
  acknowledge: () => undefined,
  revoke: () => undefined,
  waiting: { data: null, etag: null, error: null, reload: () => undefined },
});

export function useScope(...scopes: string[]): boolean {
  const { me } = useContext(Console);
  return scopes.some((scope) => me.scopes.includes(scope));
}

interface Acknowledged {
  revision?: number | null;
  facts_revision?: number;
  durable?: boolean;
  told?: number;
  waited_ms?: number;
  in_force?: string | Omit<Acknowledged, "in_force" | "facts_revision">;
}

/** Words for what an acknowledgement means: it holds for every decision that begins after it. */
export function ackText(what: string, { value, took_ms }: Answer<Acknowledged>, pressed: number): string {
  const after = Math.round(performance.now() - pressed);
  const held = typeof value.in_force === "object" ? value.in_force : value;
  const durable =
    held.durable === false
      ? "not durable yet, and tried again until it is"
      : `durable, revision ${held.revision ?? value.facts_revision ?? "?"}`;
  const service = took_ms === null ? "" : ` (${took_ms} ms of it in the service)`;
  const waited = held.waited_ms === undefined ? "" : ` The last answer without it had left ${held.waited_ms} ms after it held.`;
  const told = held.told === undefined ? "" : ` ${counted(held.told, "follower")} told at once.`;
  return `${what}: in force ${after} ms after your key${service}. No answer given since is without it; ${durable}.${waited}${told}`;
}

interface ActProps {
  title: string;
  /** The question's own words. */
  children?: ComponentChildren;
  button: string;
  danger?: boolean;
  scope: string[];
  /** Line of `remit` that does the same, with this reason. */
  line: (reason: string) => string;
  /** A word that has to be typed first. */
  word?: string;
  reason: string;
  act: (reason: string) => Promise<Answer<Acknowledged | object>>;
  /** What has been done, for an acknowledgement by which something is in force. */
  done?: string;
  /** Words for an acknowledgement of another kind, so long after the key. */
  words?: (after_ms: number) => string;
  onClose: () => void;
  onDone?: () => void;
}

/** Asks once before something is done; Enter does it. */
export function Act({
  title,
  children,
  button,
  danger,
  scope,
  line,
  word,
  reason: given,
  act,
  done = title,
  words,
  onClose,
  onDone,
}: ActProps): JSX.Element {
  const { acknowledge } = useContext(Console);
  const [reason, setReason] = useState(given);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<Refused | null>(null);
  const [isLate, setLate] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const may = useScope(...scope);
  const go = (event: Event): void => {
    event.preventDefault();
    if (isBusy || !may || (word !== undefined && typed !== word)) return;
    const pressed = performance.now();
    setBusy(true);
    setError(null);
    const late = setTimeout(() => {
      setLate(true);
    }, 2000);
    act(reason)
      .then(
        (answer) => {
          acknowledge(words?.(Math.round(performance.now() - pressed)) ?? ackText(done, answer, pressed));
          onDone?.();
          onClose();
        },
        (cause: unknown) => {
          setError(asRefused(cause));
          setLate(true);
        },
      )
      .finally(() => {
        clearTimeout(late);
        setBusy(false);
      });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={go}>
        {children}
        {word === undefined ? null : (
          <label>
            Type <kbd>{word}</kbd>
            <input value={typed} onInput={(event) => setTyped(event.currentTarget.value)} autoFocus autoComplete="off" spellcheck={false} />
          </label>
        )}
        <label>
          Reason, kept on record
          <input value={reason} maxLength={512} required onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <Failed error={error} />
        {isLate ? (
          <p class="fallback" role="alert">
            Not acknowledged. On the service's host this needs no network: <code>{line(reason)}</code>
          </p>
        ) : null}
        <footer>
          <button
            // As the dialog opens, whatever is drawn again meanwhile: Enter must never meet the button that closes it.
            autoFocus={word === undefined}
            type="submit"
            class={danger ? "danger" : "primary"}
            disabled={!may || isBusy || (word !== undefined && typed !== word)}
          >
            {isBusy ? "Waiting for the acknowledgement …" : button}
          </button>
          {may ? null : <span class="why">You lack {scope.join(" or ")}.</span>}
        </footer>
        <Line text={line(reason)} />
      </form>
    </Dialog>
  );
}

export function StopEverything({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <Act
      title="Stop everything"
      button="Stop every action of every agent"
      danger
      word="stop"
      scope={["remit:revoke_all"]}
      reason="stopped from the console"
      done="Everything is revoked"
      line={(reason) => `remit revoke everything --reason ${quoted(reason)}`}
      act={(reason) => send("POST", "/revocations", { scope: { everything: true }, reason })}
      onClose={onClose}
    >
      <p>Every decision from the acknowledgement on is a deny, until somebody lifts it. Nothing that runs already is undone.</p>
    </Act>
  );
}

export function RevokeAgent({ agent, onClose, onDone }: { agent: string; onClose: () => void; onDone?: () => void }): JSX.Element {
  return (
    <Act
      title="Revoke an agent"
      button="Revoke"
      danger
      scope={["remit:revoke"]}
      reason="revoked from the console"
      done={`Agent ${agent} is revoked`}
      line={(reason) => `remit revoke agent ${quoted(agent)} --reason ${quoted(reason)}`}
      act={(reason) => send("POST", "/revocations", { scope: { agent }, reason })}
      onClose={onClose}
      {...(onDone === undefined ? {} : { onDone })}
    >
      <p>
        Agent <code>{agent}</code> may do nothing more from the acknowledgement on, until somebody lifts it.
      </p>
    </Act>
  );
}

export function NarrowAgent({ agent, onClose, onDone }: { agent: string; onClose: () => void; onDone: () => void }): JSX.Element {
  return (
    <Act
      title="Narrow an agent"
      button="Narrow"
      scope={["remit:revoke"]}
      reason="narrowed from the console"
      done={`Agent ${agent} is narrowed`}
      line={(reason) => `remit agents narrow ${quoted(agent)} --reason ${quoted(reason)}`}
      act={(reason) => send("POST", `/agents/${encodeURIComponent(agent)}/narrowing`, { reason })}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        Agent <code>{agent}</code> may only read what its task is about, ten times a minute, until somebody widens it again.
      </p>
    </Act>
  );
}

export function WidenAgent({ agent, onClose, onDone }: { agent: string; onClose: () => void; onDone: () => void }): JSX.Element {
  return (
    <Act
      title="Widen an agent again"
      button="Widen"
      scope={["remit:revoke"]}
      reason=""
      done={`Agent ${agent} is widened`}
      line={(reason) => `remit agents widen ${quoted(agent)} --reason ${quoted(reason)}`}
      act={(reason) => send("POST", `/agents/${encodeURIComponent(agent)}/narrowing/lift`, { reason })}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        Agent <code>{agent}</code> may do again all that its purposes permit.
      </p>
    </Act>
  );
}

export function SuspendAgent({
  agent,
  to,
  onClose,
  onDone,
}: {
  agent: string;
  to: "suspended" | "active";
  onClose: () => void;
  onDone: () => void;
}): JSX.Element {
  const isBack = to === "active";
  return (
    <Act
      title={isBack ? "Restore an agent" : "Suspend an agent"}
      button={isBack ? "Restore" : "Suspend"}
      danger={!isBack}
      scope={["remit:revoke"]}
      reason={isBack ? "" : "suspended from the console"}
      done={`Agent ${agent} is ${to}`}
      line={(reason) => `remit agents ${isBack ? "restore" : "suspend"} ${quoted(agent)} --reason ${quoted(reason)}`}
      act={(reason) => send("PATCH", `/agents/${encodeURIComponent(agent)}`, { status: to, reason })}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        Agent <code>{agent}</code> {isBack ? "may act again." : "may do nothing until it is restored."}
      </p>
    </Act>
  );
}

export function LiftRevocation({ id, onClose, onDone }: { id: string; onClose: () => void; onDone: () => void }): JSX.Element {
  const path = id.split("/").map(encodeURIComponent).join("/");
  return (
    <Act
      title="Lift a revocation"
      button="Lift"
      scope={id === "everything" ? ["remit:revoke_all"] : ["remit:revoke"]}
      reason=""
      done={`The revocation ${id} is lifted`}
      line={(reason) => `remit revocations lift ${quoted(id)} --reason ${quoted(reason)}`}
      act={(reason) => send("POST", `/revocations/${path}/lift`, { reason })}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        What <code>{id}</code> cut off may act again.
      </p>
    </Act>
  );
}
