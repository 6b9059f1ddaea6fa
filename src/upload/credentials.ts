/** Credentials of a bucket: from a file in the form that AWS's tools read, or from the environment. No message contains any part of them. */
import { readText } from "../system/read_file.js";

export interface BucketCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const NAMES = {
  aws_access_key_id: "AWS_ACCESS_KEY_ID",
  aws_secret_access_key: "AWS_SECRET_ACCESS_KEY",
  aws_session_token: "AWS_SESSION_TOKEN",
} as const;
type Name = keyof typeof NAMES;
/** Characters that stand in one header of HTTP, and in one line of a file. */
const VALUE = /^[\x21-\x7e]+$/;

/**
 * Reads credentials: those of the file's section `[default]`, or of the environment without a file.
 * @throws as `readText`; Error if one of the two keys is missing, or a value isn't a key or token
 */
export function readCredentials(file: string | undefined, env: Readonly<Record<string, string | undefined>>): BucketCredentials {
  const values = file === undefined ? undefined : valuesIn(readText(file));
  const value = (name: Name): string | undefined => {
    const found = values === undefined ? env[NAMES[name]] : values.get(name);
    if (found === undefined || VALUE.test(found)) return found;
    throw new Error(`${where(name)} is no single word`);
  };
  const where = (name: Name): string =>
    file === undefined ? `the variable ${NAMES[name]}` : `\`${name}\` in section [default] of ${file}`;
  const needed = (name: Name): string => {
    const found = value(name);
    if (found === undefined) throw new Error(`${where(name)} is missing`);
    return found;
  };
  const sessionToken = value("aws_session_token");
  return {
    accessKeyId: needed("aws_access_key_id"),
    secretAccessKey: needed("aws_secret_access_key"),
    ...(sessionToken !== undefined && { sessionToken }),
  };
}

function valuesIn(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let section = "default";
  for (const line of text.split(/\r?\n/)) {
    section = /^\s*\[\s*([^\]]*?)\s*\]\s*$/.exec(line)?.[1] ?? section;
    const [, name, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === "default" && name !== undefined && value !== undefined) values.set(name, value);
  }
  return values;
}
