/** Finds a store's file in the folder that a configuration names. */
import { join } from "node:path";

export const storeFile = (folder: string): string => join(folder, "facts.db");
