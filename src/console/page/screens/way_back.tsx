/** The way back: an earlier policy that was signed in advance. Three keys from anywhere, `g b Enter`, put it in force. */
import type { JSX } from "preact";
import { useContext, useState } from "preact/hooks";
import type { BundlesAnswer, KeptBack, PublishAnswer, StagedBundle } from "../../../contract/index.js";
import { quoted } from "../../grammar.js";
import { Act, Console, useScope } from "../acts.js";
import { asRefused, getBytes, send, sendBundle, type Refused } from "../api.js";
import { Dialog, Failed, Line, Said, Time } from "../parts.js";
import { replace } from "../place.js";
import { stagedText } from "./staged.js";

/** Address of the question whether to go back. */
export const BACK = "/policy?back";

/** Returns what was seen of a bundle's impact, if it is the one in shadow. */
function seenOf(digest: string, staged: StagedBundle | null): string | null {
  return staged !== null && staged.identity.digest === digest && staged.compared > 0 ? stagedText(staged) : null;
}

/** Shows which policy can be gone back to, and offers to try it first. */
export function WayBackCard({
  name,
  back,
  staged,
  reload,
}: Pick<BundlesAnswer, "name" | "back" | "staged"> & { reload: () => void }): JSX.Element {
  const { acknowledge } = useContext(Console);
  const may = useScope("remit:publish");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Refused | null>(null);
  const tryIt = ({ identity }: KeptBack): void => {
    setBusy(true);
    setError(null);
    getBytes(`/bundles/${encodeURIComponent(name)}?digest=${identity.digest}`)
      .then((bytes) => sendBundle(new Blob([bytes]), { reason: "the way back, tried first", stage: "shadow" }))
      .then(
        () => {
          acknowledge(`The way back, sequence ${identity.sequence}, is asked beside the bundle that runs. It decides nothing.`);
        },
        (cause: unknown) => {
          setError(asRefused(cause));
        },
      )
      .finally(() => {
        setBusy(false);
        reload();
      });
  };
  if (back === null)
    return (
      <div class="card">
        <span>way back</span>
        <b>none kept</b>
        <small>
          A build makes one with <code>--also</code>; publish both with <code>--back</code>.
        </small>
      </div>
    );
  return (
    <div class="card">
      <span>way back</span>
      <b>
        <Said text={back.of.revision} max={40} />
      </b>
      <small>
        the policy of sequence {back.of.sequence}, signed as sequence {back.identity.sequence}
        {back.expires === null ? null : (
          <>
            , until <Time at={back.expires} date />
          </>
        )}
      </small>
      <div class="acts">
        <a class="button" href={BACK} aria-keyshortcuts="g b">
          Roll back …
        </a>
        {staged?.identity.digest === back.identity.digest ? null : (
          <button type="button" disabled={!may || isBusy} onClick={() => tryIt(back)}>
            {isBusy ? "Starting …" : "Try in shadow"}
          </button>
        )}
      </div>
      <Failed error={error} />
    </div>
  );
}

/** Asks once before the service goes back. */
export function GoBack({
  running,
  back,
  staged,
  done,
}: Pick<BundlesAnswer, "running" | "back" | "staged"> & { done: () => void }): JSX.Element {
  const close = (): void => {
    replace("/policy");
  };
  if (back === null)
    return (
      <Dialog title="Roll back" onClose={close}>
        <p>
          No way back is kept here. What was signed can only be followed by what is signed later, so going back needs the earlier policy
          signed again, by who holds the key:
        </p>
        <Line text={`remit republish old.tar.gz --sequence ${(running?.sequence ?? 0) + 1} --out back.tar.gz`} />
        <Line text="remit publish back.tar.gz --reason …" />
        <p class="note">
          Next time have it ready: <code>remit build --also running.tar.gz</code> signs it with the build, and{" "}
          <code>remit publish next.tar.gz --back next.back.tar.gz</code> keeps it here.
        </p>
      </Dialog>
    );
  const { identity, of } = back;
  const seen = seenOf(identity.digest, staged);
  return (
    <Act
      title="Roll back"
      button={`Roll back to the policy of sequence ${of.sequence}`}
      scope={["remit:publish"]}
      reason="rolled back from the console"
      words={(after_ms) =>
        `The policy of sequence ${of.sequence} decides, as sequence ${identity.sequence}, ${after_ms} ms after your key.`
      }
      line={(reason) => `remit bundles --go-back ${quoted(reason === "" ? "…" : reason)}`}
      act={(reason) => {
        const given = new URLSearchParams({ digest: identity.digest, reason: `${reason} (${seen ?? "impact not seen"})` });
        return send<PublishAnswer>("POST", `/bundles/back?${given.toString()}`, {});
      }}
      onClose={close}
      onDone={done}
    >
      <p>
        {running === null ? (
          "No bundle runs."
        ) : (
          <>
            Bundle <Said text={running.revision} max={40} />, sequence {running.sequence}, ends.
          </>
        )}{" "}
        The policy of <Said text={of.revision} max={40} />, sequence {of.sequence}, decides for every agent from the acknowledgement on. It
        is signed as sequence {identity.sequence}.
      </p>
      {seen === null ? (
        <p class="note warn">Nobody has seen here what it would change. The record says so.</p>
      ) : (
        <p class="note">
          The record says what was seen: <q>{seen}</q>
        </p>
      )}
    </Act>
  );
}
