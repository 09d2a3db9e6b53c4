// The dialog of the scenarios in TypeScript with tests/clients/scenario.py, and their checks.

import assert from 'node:assert/strict';
import { argv, stdin } from 'node:process';
import { createInterface } from 'node:readline';

export const [baseUrl, name] = argv.slice(2) as [string, string];
export const email = `${name}@example.com`;
export const password = 'Analytical engine, 1843';
export const text = 'Note A to the analytical engine';

const lines = createInterface({ input: stdin })[Symbol.asyncIterator]();

/** Print the name of a completed step. */
export const done = (step: string): void => console.log(step);

/** Return the PIN that the service has mailed to the user. */
export async function mailedPin(): Promise<string> {
  console.log(`pin ${email}`);
  return (await lines.next()).value as string;
}

/** Return a value that must be there: the body of a response, or one of its headers. */
export function given<T>(value: T | null | undefined, failure?: unknown): T {
  assert.ok(value !== undefined && value !== null, JSON.stringify(failure));
  return value;
}

/** Check that an archive has a file for each name: the directory at its end contains them. */
export function checkArchive(bytes: ArrayBuffer, names: string[]): void {
  const content = Buffer.from(bytes);
  const directory = content.subarray(content.indexOf('PK\x01\x02')).toString('latin1');
  assert.equal(content.subarray(0, 4).toString('latin1'), 'PK\x03\x04');
  for (const entry of names) assert.ok(directory.includes(entry), entry);
}
