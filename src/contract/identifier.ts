/**
 * Identifiers are canonical or refused, never repaired, so that no two readers can take one name for two things or two
 * names for one.
 */
const PRINTABLE_ASCII = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

// Controls, format characters (bidirectional ones among them), private use, surrogates, line and paragraph separators,
// and what no one can see.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** NFC (UAX #15), visible, without white space at its ends. Length is bounded by the schema. */
export function isCanonicalId(id: string): boolean {
  if (PRINTABLE_ASCII.test(id)) return true;
  return id !== "" && id === id.trim() && !INVISIBLE.test(id) && id.normalize("NFC") === id;
}

/**
 * An id whose form is a path: `/`-separated segments, one leading slash allowed, none of them empty, `.` or `..`, nor with
 * white space around it or a dot at its end, which some file systems drop; nothing percent-encoded, no backslash, and no
 * `?` or `#`, where a URL's reader would stop.
 */
export function isCanonicalPath(id: string): boolean {
  if (!isCanonicalId(id) || /%[0-9A-Fa-f]{2}|[\\?#]/.test(id)) return false;
  const path = id.startsWith("/") ? id.slice(1) : id;
  return path.split("/").every((segment) => !/^$|^\s|[\s.]$/.test(segment));
}
