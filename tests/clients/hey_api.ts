// The scenario for the client that @hey-api/openapi-ts writes into `hey`.

import assert from 'node:assert/strict';

import {
  createAccount, createArchive, downloadFile, updateFile, listFiles, createFile, createLink,
  createSession, downloadSharedFile, verifyAccount, type Fail, type StoredFile,
} from './hey/index.js';
import { createClient } from './hey/client/index.js';
import { baseUrl, checkArchive, done, email, given, mailedPin, name, password, text } from './scenario.js';

const anonymous = createClient({ baseUrl });

const account = await createAccount({ client: anonymous, body: { username: name, email, password } });
assert.equal(given(account.response).status, 202);
done('register');

const verified = await verifyAccount({
  client: anonymous,
  body: { email, pin: await mailedPin(), password },
});
assert.equal(given(verified.data, verified.error).data.username, name);
done('verify');

const login = await createSession({ client: anonymous, body: { user_or_email: email, password } });
const { token } = given(login.data, login.error).data;
const client = createClient({ baseUrl, auth: token });
done('log in');

const files: StoredFile[] = [];
for (const number of [0, 1, 2]) {
  const file = new File([text], `${name}-${number}.txt`);
  const uploaded = await createFile({ client, body: { file, tags: 'notes' } });
  files.push(given(uploaded.data, uploaded.error).data);
}
assert.deepEqual(files.map((file) => file.size), [text.length, text.length, text.length]);
done('upload');

const first = await listFiles({ client, query: { limit: 2, sort: 'name' } });
const page = given(first.data, first.error).data;
const cursor = given(page.next);
const second = await listFiles({ client, query: { limit: 2, sort: 'name', cursor } });
const last = given(second.data, second.error).data;
assert.equal(last.next, null);
assert.deepEqual(
  [...page.items, ...last.items].map((file) => file.id),
  files.map((file) => file.id),
);
done('pages');

const path = { file_id: given(files[0]).id };
const part = await downloadFile({ client, path, headers: { Range: 'bytes=0-3' }, parseAs: 'blob' });
assert.equal(given(part.response).status, 206);
assert.equal(await given(part.data, part.error).text(), text.slice(0, 4));
done('range');

const tagged = await updateFile({ client, path, body: { tags: ['a'] } });
const headers = { 'If-Match': given(tagged.response?.headers.get('ETag')) };
const renamed = await updateFile({ client, path, headers, body: { name: 'renamed.txt' } });
assert.equal(given(renamed.data, renamed.error).data.name, 'renamed.txt');
done('change');

const outdated = await updateFile({ client, path, headers, body: { name: 'again.txt' } });
assert.equal(outdated.response?.status, 412);
assert.equal(given(outdated.error).status, 'fail');
done('conflict');

const archive = await createArchive({
  client,
  body: { ids: files.map((file) => file.id) },
  parseAs: 'blob',
});
const zip = await given(archive.data, archive.error).arrayBuffer();
checkArchive(zip, ['renamed.txt', given(files[1]).name]);
done('archive');

const linked = await createLink({ client, path, body: { max_downloads: 1, password: 'Menabrea' } });
const shared = await downloadSharedFile({
  client: anonymous,
  path: { token: given(linked.data, linked.error).data.token },
  headers: { 'X-Link-Password': 'Menabrea' },
  parseAs: 'blob',
});
assert.equal(await given(shared.data, shared.error).text(), text);
done('share');

const refused = await createSession({
  client: anonymous,
  body: { user_or_email: email, password: 'wrong password' },
});
assert.equal(refused.response?.status, 401);
const error = given(refused.error);
if (error.status !== 'fail') throw new Error(JSON.stringify(error));
const { data }: Fail = error;
assert.ok(Array.isArray(data['credentials']));
done('failure');
process.exit();
