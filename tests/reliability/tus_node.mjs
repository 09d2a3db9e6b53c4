// Uploads a file with tus-js-client in Node: ENDPOINT TOKEN FILE. Prints the file id as JSON.
// Runs in the folder with the packages.

import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';

const { Upload } = createRequire(`${process.cwd()}/`)('tus-js-client');
const [endpoint, token, file] = process.argv.slice(2);

const done = await new Promise((resolve, reject) => {
  new Upload(createReadStream(file), {
    endpoint,
    headers: { Authorization: `Bearer ${token}` },
    metadata: { filename: 'from Node – ünïcode.bin' },
    onError: reject,
    onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader('X-File-Id')),
  }).start();
});
console.log(JSON.stringify({ file: done }));
