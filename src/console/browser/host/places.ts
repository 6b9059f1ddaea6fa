/** The package's own files: the policy library, the capabilities and the conventions, put into memory before anything is compiled. */
import { join } from "path-browserify";

export const PACKAGE_ROOT = "/remit";

export const asset = (...parts: string[]): string => join(PACKAGE_ROOT, ...parts);
