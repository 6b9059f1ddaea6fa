/** `node:module`: libraries that are loaded at their first use come with the worker. */
import * as sdk from "@open-policy-agent/opa-wasm";
import * as re2js from "re2js";
import * as yaml from "yaml";

const MODULES: Readonly<Record<string, unknown>> = { re2js, yaml, "@open-policy-agent/opa-wasm": sdk };

export const createRequire = (): ((name: string) => unknown) => (name) => MODULES[name];
