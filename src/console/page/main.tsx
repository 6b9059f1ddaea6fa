/** The console's page: which screen an address is, the bar, and the keys. */
import { render, type JSX } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { placeOf } from "../grammar.js";
import { Console, RevokeAgent, StopEverything } from "./acts.js";
import { signOut, signedIn, useEvery, useResource, type Me } from "./api.js";
import { Dialog, Empty, THEMES, useColours } from "./parts.js";
import { followLinks, go, usePlace } from "./place.js";
import { AgentScreen, Agents } from "./screens/agents.js";
import { Decision } from "./screens/decision.js";
import { FindingScreen, Findings } from "./screens/findings.js";
import { Health } from "./screens/health.js";
import { Live } from "./screens/live.js";
import { Now } from "./screens/now.js";
import { Policy } from "./screens/policy.js";
import { Records } from "./screens/records.js";
import { TaskScreen, Tasks } from "./screens/tasks.js";
import { BACK } from "./screens/way_back.js";
import { Waiting } from "./screens/waiting.js";
import type { ApprovalList } from "../../contract/index.js";

const SCREENS: readonly [path: string, title: string, key: string][] = [
  ["/", "Now", "n"],
  ["/live", "Live", "l"],
  ["/waiting", "Waiting", "w"],
  ["/findings", "Findings", "f"],
  ["/agents", "Agents", "a"],
  ["/tasks", "Tasks", "t"],
  ["/records", "Records", "r"],
  ["/policy", "Policy", "p"],
  ["/health", "Health", "h"],
];
/** Letter after `g` that asks whether to go back to the earlier policy. */
const BACK_KEY = "b";
/** Between `g` and the letter of a screen. */
const CHORD_MS = 1500;
const KEYS_OFF = "remit.keys";

function Screen({ path, query }: { path: string; query: URLSearchParams }): JSX.Element {
  const [, first = "", ...rest] = path.split("/");
  let id = "";
  try {
    id = decodeURIComponent(rest.join("/"));
  } catch {
    return <NotFound path={path} />;
  }
  switch (id === "" ? first : `${first}/`) {
    case "":
      return <Now />;
    case "live":
      return <Live query={query} />;
    case "waiting":
      return <Waiting />;
    case "findings":
      return <Findings query={query} />;
    case "findings/":
      return <FindingScreen key={id} id={id} />;
    case "agents":
      return <Agents query={query} />;
    case "agents/":
      return <AgentScreen key={id} id={id} />;
    case "tasks":
      return <Tasks query={query} />;
    case "tasks/":
      return <TaskScreen key={id} id={id} />;
    case "records":
      return <Records query={query} />;
    case "records/":
      return <Decision key={id} id={id} />;
    case "policy":
      return <Policy query={query} />;
    case "health":
      return <Health />;
    default:
      return <NotFound path={path} />;
  }
}

function NotFound({ path }: { path: string }): JSX.Element {
  return (
    <>
      <h1>No such page</h1>
      <Empty title="There is nothing at this address.">
        <code>{path.slice(0, 100)}</code> <a href="/">Now</a>
      </Empty>
    </>
  );
}

/** @param me null: nobody is signed in */
function App({ me }: { me: Me | null }): JSX.Element {
  const { path, query } = usePlace();
  const [ack, setAck] = useState("");
  const [isStopping, setStopping] = useState(false);
  const [revoking, revoke] = useState<string | null>(null);
  const [showsKeys, setShowsKeys] = useState(false);
  const main = useRef<HTMLElement>(null);
  useEffect(() => followLinks(), []);
  const search = query.toString();
  useEffect(() => {
    // What had the focus may be gone with the view before.
    if (document.activeElement === null || document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [path, search]);
  const [, title = "Remit"] = SCREENS.find(([at]) => at !== "/" && path.startsWith(at)) ?? SCREENS[0] ?? [];
  useEffect(() => {
    document.title = `${title} · Remit`;
  }, [title]);
  const mayStop = me?.scopes.includes("remit:revoke_all") === true;
  useKeys({
    help: () => setShowsKeys(true),
    stop: () => {
      if (mayStop) setStopping(true);
    },
  });
  const acknowledge = useCallback((text: string) => setAck(text), []);
  const reviews = me?.scopes.some((scope) => REVIEWS.includes(scope)) === true;
  const waiting = useResource<ApprovalList>(reviews ? "/approvals?state=waiting" : null);
  useEvery(5000, waiting.reload);
  const shown = useMemo(() => ({ me: me ?? NOBODY, acknowledge, revoke, waiting }), [me, acknowledge, waiting.data, waiting.error]);
  if (me === null) return <SignIn />;
  return (
    <Console.Provider value={shown}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        To the content
      </a>
      <header class="bar">
        <a class="brand" href="/">
          <span aria-hidden="true">◆</span> Remit
        </a>
        <nav aria-label="Screens">
          {SCREENS.map(([at, name]) => (
            <a
              key={at}
              href={at}
              aria-current={(at === "/" ? path === "/" : path === at || path.startsWith(`${at}/`)) ? "page" : undefined}
            >
              {name}
              {at === "/waiting" ? <Count of={waiting.data?.items.length ?? 0} /> : null}
            </a>
          ))}
        </nav>
        <GoTo />
        <Account me={me} onKeys={() => setShowsKeys(true)} />
        <button
          type="button"
          class="stop"
          onClick={() => setStopping(true)}
          disabled={!mayStop}
          aria-keyshortcuts="!"
          title={mayStop ? "Key: !" : "You lack remit:revoke_all"}
        >
          Stop everything …
        </button>
      </header>
      <div class="ack" role="status" aria-live="polite">
        {ack === "" ? null : (
          <p>
            <span aria-hidden="true">✓</span> {ack}{" "}
            <button type="button" class="quiet" onClick={() => setAck("")}>
              Dismiss
            </button>
          </p>
        )}
      </div>
      <main id="main" ref={main} tabIndex={-1}>
        <Screen path={path} query={query} />
      </main>
      {revoking === null ? null : <RevokeAgent agent={revoking} onClose={() => revoke(null)} />}
      {isStopping ? <StopEverything onClose={() => setStopping(false)} /> : null}
      {showsKeys ? <Keys onClose={() => setShowsKeys(false)} /> : null}
    </Console.Provider>
  );
}

const NOBODY: Me = { person: "", scopes: [], csrf: "", service: "", local: false, fresh: false };

/** Scopes with any of which somebody sees what waits. */
const REVIEWS = ["remit:audit", "remit:review"];

function Count({ of }: { of: number }): JSX.Element | null {
  return of === 0 ? null : (
    <span class="count" aria-label={`${of} waiting`}>
      {of}
    </span>
  );
}

/** A box that knows identifiers by their form, and screens by name. */
function GoTo(): JSX.Element {
  const [text, setText] = useState("");
  const [isUnknown, setUnknown] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    const asked = text.trim().toLowerCase();
    const screen = SCREENS.find(([, name]) => asked !== "" && name.toLowerCase().startsWith(asked));
    const to =
      placeOf(text) ?? screen?.[0] ?? (/^[\w.@:-]{1,128}$/.test(text.trim()) ? `/records?agent=${encodeURIComponent(text.trim())}` : null);
    setUnknown(to === null);
    if (to === null) return;
    setText("");
    go(to);
  };
  return (
    <form class="goto" role="search" onSubmit={submit}>
      <input
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        placeholder="Go to an id …"
        aria-label="Go to an agent, a task, a finding, a record or a screen"
        aria-invalid={isUnknown}
        spellcheck={false}
        autoComplete="off"
        data-goto
      />
    </form>
  );
}

function Account({ me, onKeys }: { me: Me; onKeys: () => void }): JSX.Element {
  const [theme, setTheme] = useColours();
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="account">
      <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {me.person}
      </button>
      {isOpen ? (
        <div class="menu">
          <p>You may: {me.scopes.length === 0 ? "nothing" : me.scopes.map((scope) => <code key={scope}>{scope} </code>)}</p>
          <fieldset>
            <legend>Colours</legend>
            {THEMES.map((one) => (
              <label key={one} class="inline">
                <input type="radio" name="theme" checked={theme === one} onChange={() => setTheme(one)} /> {one}
              </label>
            ))}
          </fieldset>
          <button type="button" onClick={onKeys}>
            Keys
          </button>
          <button
            type="button"
            onClick={() => {
              void signOut().then(() => location.assign("/"));
            }}
          >
            Sign out
          </button>
        </div>
      ) : null}
    </div>
  );
}

function SignIn(): JSX.Element {
  const to = encodeURIComponent(location.pathname + location.search);
  return (
    <main class="signin">
      <h1>
        <span aria-hidden="true">◆</span> Remit
      </h1>
      <p>Nobody is signed in here.</p>
      <p>
        <a class="button primary" href={`/login?to=${to}`}>
          Sign in
        </a>
      </p>
      <p class="note">
        With <code>remit console --local</code>: look at the terminal in which it runs. It has printed a new address, which signs in once.
      </p>
    </main>
  );
}

function Keys({ onClose }: { onClose: () => void }): JSX.Element {
  const [isOff, setOff] = useState(() => localStorage.getItem(KEYS_OFF) === "off");
  const rows: [keys: string, what: string][] = [
    ["j k", "next and previous row"],
    ["Enter", "open the row"],
    ["c", "copy the row's line of remit"],
    ["r", "revoke the row's agent; Enter does it"],
    ["a", "approve: to the reason of what waits"],
    ["e m p", "of a finding: expected, misuse, policy gap; Enter does it, after its reason"],
    ["i", "of a finding: I am looking"],
    ["!", "stop everything, after a typed word"],
    ["/", "to the filter, or the box above"],
    ...SCREENS.map(([, name, key]): [string, string] => [`g ${key}`, name]),
    [`g ${BACK_KEY}`, "roll the policy back; Enter does it"],
    ["?", "these keys"],
  ];
  return (
    <Dialog title="Keys" onClose={onClose}>
      <table class="fields">
        <tbody>
          {rows.map(([keys, what]) => (
            <tr key={keys}>
              <th scope="row">
                {keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="inline">
        <input
          type="checkbox"
          checked={isOff}
          onChange={(event) => {
            setOff(event.currentTarget.checked);
            localStorage.setItem(KEYS_OFF, event.currentTarget.checked ? "off" : "on");
          }}
        />{" "}
        No single letters
      </label>
    </Dialog>
  );
}

/** Keys work where nothing is typed, in no dialog, and can be switched off (WCAG 2.1.4). */
function useKeys(does: { help: () => void; stop: () => void }): void {
  const latest = useRef(does);
  latest.current = does;
  useEffect(() => {
    let chordUntil = 0;
    const pressed = (event: KeyboardEvent): void => {
      const { target } = event;
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !(target instanceof HTMLElement)) return;
      if (target.closest("input, textarea, select, dialog, [contenteditable]") !== null || localStorage.getItem(KEYS_OFF) === "off") return;
      const row = target.closest<HTMLElement>("[data-row]");
      if (chordUntil > event.timeStamp) {
        chordUntil = 0;
        const to = event.key === BACK_KEY ? BACK : SCREENS.find(([, , key]) => key === event.key)?.[0];
        if (to === undefined) return;
        event.preventDefault();
        go(to);
        return;
      }
      switch (event.key) {
        case "g":
          chordUntil = event.timeStamp + CHORD_MS;
          return;
        case "?":
          latest.current.help();
          break;
        case "!":
          latest.current.stop();
          break;
        case "/":
          (document.querySelector<HTMLElement>("[data-filter]") ?? document.querySelector<HTMLElement>("[data-goto]"))?.focus();
          break;
        case "j":
        case "k":
          moveFrom(row, event.key === "j" ? 1 : -1);
          break;
        case "Enter":
          if (row === null || target !== row || row.dataset["href"] === undefined) return;
          go(row.dataset["href"]);
          break;
        case "c":
          if (row?.dataset["line"] === undefined) return;
          void navigator.clipboard.writeText(row.dataset["line"]);
          break;
        default: {
          const button = /^[a-z]$/.test(event.key) ? document.querySelector<HTMLElement>(`[data-key="${event.key}"]`) : null;
          if (button === null) return;
          button.click();
        }
      }
      event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => {
      document.removeEventListener("keydown", pressed);
    };
  }, []);
}

function moveFrom(row: HTMLElement | null, by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = row === null ? (by === 1 ? -1 : rows.length) : rows.indexOf(row);
  if (by === 1 && row?.matches(":last-child") === true) document.querySelector<HTMLElement>("[data-older]")?.click();
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  // The next key may come before the browser says that it has scrolled, and needs the rows behind this one.
  dispatchEvent(new Event("scroll"));
}

// Until it is known who is signed in, the page's own text stands: what is drawn is drawn once.
const root = document.getElementById("app");
if (root !== null)
  void signedIn()
    .catch(() => null)
    .then((me) => {
      render(<App me={me} />, root);
    });
