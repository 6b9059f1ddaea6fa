/** Addresses: each view has one, and going to it never reloads the page. */
import { useEffect, useState } from "preact/hooks";

const listeners = new Set<() => void>();

export function go(to: string): void {
  history.pushState(null, "", to);
  for (const listener of listeners) listener();
  window.scrollTo(0, 0);
}

/** Replaces the address without a step back to it: what is typed into a filter is one view. */
export function replace(to: string): void {
  history.replaceState(null, "", to);
  for (const listener of listeners) listener();
}

export function usePlace(): { path: string; query: URLSearchParams } {
  const [place, setPlace] = useState(() => location.pathname + location.search);
  useEffect(() => {
    const moved = (): void => {
      setPlace(location.pathname + location.search);
    };
    listeners.add(moved);
    window.addEventListener("popstate", moved);
    return () => {
      listeners.delete(moved);
      window.removeEventListener("popstate", moved);
    };
  }, []);
  const [path = "/", search = ""] = place.split("?", 2);
  return { path, query: new URLSearchParams(search) };
}

/** Pages that may evaluate WebAssembly are documents of their own, with a policy of their own: nothing else is shown in one. */
const needsOwnPage = (path: string, search: string): boolean =>
  path === "/policy/try" || isReplay(path, search) || isReplay(location.pathname, location.search);

/** Returns true for the address of a record that is replayed beside what it says. */
export const isReplay = (path: string, search: string): boolean =>
  path.startsWith("/records/") && new URLSearchParams(search).has("replay");

/** Follows links of this origin by itself. Nothing else than the console's own addresses is ever a link. */
export function followLinks(): () => void {
  const clicked = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (
      link === null ||
      link.origin !== location.origin ||
      link.hasAttribute("download") ||
      link.pathname.startsWith("/api/") ||
      needsOwnPage(link.pathname, link.search) ||
      link.pathname.startsWith("/login")
    )
      return;
    event.preventDefault();
    go(link.pathname + link.search);
  };
  document.addEventListener("click", clicked);
  return () => {
    document.removeEventListener("click", clicked);
  };
}
