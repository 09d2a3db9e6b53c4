// Writes the types of an OpenAPI document: PACKAGE DOCUMENT OUT, with the folder of the package
// openapi-typescript. Binary content is a Blob; the command of the package would write `string`.

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [folder, document, out] = process.argv.slice(2);
const load = createRequire(join(resolve(folder), 'package.json'));
const { default: generate, astToString } = load('openapi-typescript');
const { factory } = load('typescript');

const types = await generate(JSON.parse(await readFile(document, 'utf8')), {
  // A request may omit a property that has a default; all properties of responses are required.
  defaultNonNullable: false,
  transform: (schema) =>
    schema.format === 'binary' || schema.contentMediaType === 'application/octet-stream'
      ? factory.createTypeReferenceNode('Blob')
      : undefined,
});
await writeFile(out, `// Generated from the OpenAPI document. Do not edit.\n\n${astToString(types)}`);
